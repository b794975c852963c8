"""``/standin/…``: what tests ask and order; no part of Mattermost, and not in the journal."""

import asyncio
import json
import re
from dataclasses import asdict
from typing import Final

from starlette.responses import Response

from gateway.standin.faults import Fault, Faults
from gateway.standin.filestore import FileStore
from gateway.standin.go.body import Body
from gateway.standin.journal import Journal
from gateway.standin.model import FileInfo, UploadSession
from gateway.standin.state import State

_ATTACHMENT: Final = re.compile(r"\d{8}/|import/")
"""Where uploaded files are kept; pictures, certificates and plugins have folders of their own."""


class Control:
    def __init__(self, state: State, store: FileStore, journal: Journal, faults: Faults) -> None:
        self._state = state
        self._store = store
        self._journal = journal
        self._faults = faults

    async def answer(self, method: str, path: str, body: Body) -> Response:
        match method, path:
            case "GET", "/standin/state":
                infos, uploads = list(self._state.files), list(self._state.uploads)
                stored = await asyncio.to_thread(self._describe, infos, uploads)
                return _json(self._journal.as_json() | stored)
            case "POST", "/standin/control":
                return self._order(await body.read_all())
            case "POST", "/standin/reset":
                self._journal.reset()
                self._faults.clear()
                return _json({})
        return _json({"problem": "no such control"}, 404)

    def _order(self, document: bytes) -> Response:
        """One fault, or a list of them, added to those in force."""
        try:
            given = json.loads(document)
            faults = [Fault(**one) for one in (given if isinstance(given, list) else [given])]
        except (TypeError, ValueError) as error:
            return _json({"problem": str(error)}, 400)
        for fault in faults:
            self._faults.add(fault)
        return _json({})

    def _describe(self, infos: list[FileInfo], uploads: list[UploadSession]) -> dict[str, object]:
        """Recorded files in the order of their arrival, and what else lies in the store."""
        files = [
            {
                "id": info.id,
                "name": info.name,
                "size": info.size,
                "sha256": self._store.digest(info.path),
                "user_id": info.user_id,
                "post_id": info.post_id,
            }
            for info in infos
        ]
        accounted = {info.path for info in infos} | {upload.path for upload in uploads}
        rest = [
            {"path": path, "size": size}
            for path, size in self._store.walk()
            if path.removesuffix(".tmp") not in accounted
        ]
        return {
            "files": files,
            "upload_sessions": [asdict(upload) for upload in uploads],
            "orphans": [file for file in rest if _ATTACHMENT.match(str(file["path"]))],
            "others": [file for file in rest if not _ATTACHMENT.match(str(file["path"]))],
        }


def _json(content: object, status: int = 200) -> Response:
    # In ASCII: file names may hold bytes that are no UTF-8, here as lone surrogates.
    return Response(json.dumps(content), status, media_type="application/json")
