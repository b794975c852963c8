"""A real issuer of tokens on this machine: discovery, a key set, keys that change, outages."""

import json
import threading
import time
from collections import Counter
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from joserfc import jwt
from joserfc.jwk import ECKey, Key, RSAKey

DISCOVERY = "/.well-known/openid-configuration"
KEYS = "/keys"
AUDIENCE = "https://chat.example"


class Issuer:
    """``with Issuer() as issuer: token = issuer.token(sub="me")``"""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.bearers: list[str | None] = []
        self.down = False
        self.dripping = False
        """Whether answers come byte by byte, and never to an end."""
        self.documents: dict[str, Any] = {}
        """In place of what would be answered, by path."""
        self.keys: list[Key] = []
        self.rotate()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def rotate(self, key: Key | None = None) -> None:
        """Sign with a new key from now on, and forget the one before."""
        self.keys = [key or ECKey.generate_key("P-256", auto_kid=True)]

    def claims(self, **others: object) -> dict[str, object]:
        now = int(time.time())
        usual = {"iss": self.url, "aud": AUDIENCE, "sub": "job", "iat": now, "exp": now + 300}
        claims = usual | others
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, **claims: object) -> str:
        """A token with these claims beside the usual ones; None leaves one out."""
        key = self.keys[-1]
        algorithm = "RS256" if isinstance(key, RSAKey) else "ES256"
        return jwt.encode({"alg": algorithm, "kid": key.kid}, self.claims(**claims), key)

    def answer(self, path: str) -> object:
        if path in self.documents:
            return self.documents[path]
        if path == DISCOVERY:
            return {"issuer": self.url, "jwks_uri": self.url + KEYS}
        if path == KEYS:
            return {"keys": [key.as_dict(private=False) for key in self.keys]}
        return None


def _handler(issuer: Issuer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.asked[self.path] += 1
            issuer.bearers.append(self.headers["Authorization"])
            answer = None if issuer.down else issuer.answer(self.path)
            body = json.dumps(answer).encode()
            self.send_response(200 if answer is not None else 503)
            self.send_header("Content-Length", str(10**5 if issuer.dripping else len(body)))
            self.end_headers()
            with suppress(ConnectionError):
                while issuer.dripping:
                    self.wfile.write(b" ")
                    time.sleep(0.01)
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as it is called
            pass

    return Handler
