"""What the programs around both Python libraries have in common."""

import asyncio
import base64
import json
import queue
import sys
import threading
from typing import Any
from urllib.parse import urlsplit

EVENT_SECONDS = 10.0


def serve(steps: object) -> None:
    """Do what each line of standard input says; tell on standard output what came of it."""
    for line in sys.stdin:
        told = json.loads(line)
        try:
            answer = {"result": getattr(steps, told["step"])(**told["details"])}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


def content(response: Any) -> str:
    """The file in an answer that both libraries hand over as it came."""
    return base64.b64encode(response.content).decode()


def address(url: str) -> dict[str, Any]:
    """Where the server is, as both libraries want it."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return {"scheme": parts.scheme, "url": parts.hostname, "port": port}


class Listening:
    """The steps that need a driver's own WebSocket, which runs in a thread."""

    driver: Any

    def __init__(self) -> None:
        self._events: queue.Queue[dict[str, Any]] = queue.Queue()

    def listen(self) -> None:
        threading.Thread(target=self._run, daemon=True).start()
        self.next_event("hello")

    def next_event(self, event: str) -> dict[str, Any]:
        """The next one of that name. Raises TimeoutError."""
        while True:
            try:
                told = self._events.get(timeout=EVENT_SECONDS)
            except queue.Empty:
                raise TimeoutError(f"no event {event} in time") from None
            if told.get("event") == event:
                return told

    def stop_listening(self) -> None:
        self.driver.disconnect()

    def _run(self) -> None:
        asyncio.set_event_loop(asyncio.new_event_loop())
        self.driver.init_websocket(self._note)

    async def _note(self, message: str) -> None:
        self._events.put(json.loads(message))
