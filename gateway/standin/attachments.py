"""Storing an uploaded file: name, limits, image properties, record."""

import posixpath
import time
from dataclasses import dataclass, replace
from typing import Final

from gateway.standin.errors import AppError
from gateway.standin.filestore import FileStore, StoreError
from gateway.standin.go.body import Limited, Source
from gateway.standin.images import MAX_PIXELS, dimensions
from gateway.standin.mime_types import extension_of, type_by_extension
from gateway.standin.model import FileInfo, new_id, now_ms
from gateway.standin.state import State

MINI_PREVIEW: Final = (
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABsSFBcUERsXFhceHBsgKEIrKCUlKFE6PTBCYFVlZF9VXVtqeJmBanGQ"
    "c1tdhbWGkJ6jq62rZ4C8ybqmx5moq6T/wAALCAAQABABAREA/8QAFQABAQAAAAAAAAAAAAAAAAAAAAX/xAAUEAEA"
    "AAAAAAAAAAAAAAAAAAAA/9oACAEBAAA/AKYD/9k="
)
"""A grey JPEG of 16 by 16 pixels, base64: no picture is really scaled down here."""


@dataclass(frozen=True, slots=True)
class Upload:
    """``content_length`` is in bytes; -1 if unknown."""

    channel_id: str
    user_id: str
    name: str
    content_length: int


@dataclass(frozen=True, slots=True)
class Attachments:
    state: State
    files: FileStore
    max_file_size: int

    async def add(self, upload: Upload, source: Source) -> FileInfo:
        """Raises AppError. A file that breaks off half-way stays in the store, unrecorded."""
        name = base_name(upload.name)
        if upload.content_length > self.max_file_size:
            raise self._too_large(name, upload.content_length)
        info = self._describe(upload, name)
        limit = upload.content_length if upload.content_length > 0 else self.max_file_size
        try:
            size = await self.files.write(info.path, Limited(source, limit + 1))
        except StoreError as error:
            raise AppError("api.file.write_file.app_error", 500) from error
        if size > self.max_file_size:
            self.files.remove(info.path)
            raise self._too_large(name, upload.content_length)
        info = replace(info, size=size)
        if info.mime_type.startswith("image"):
            info = self._describe_image(info)
        return self.state.files.put(info, info.id)

    def _describe(self, upload: Upload, name: str) -> FileInfo:
        file_id = new_id()
        day = time.strftime("%Y%m%d")
        folder = f"{day}/teams/noteam/channels/{upload.channel_id}/users/{upload.user_id}"
        extension = extension_of(name)
        return FileInfo(
            id=file_id,
            user_id=upload.user_id,
            create_at=now_ms(),
            path=f"{folder}/{file_id}/{name}",
            name=name,
            extension=extension.removeprefix("."),
            size=0,
            mime_type=type_by_extension(extension),
        )

    def _describe_image(self, info: FileInfo) -> FileInfo:
        with self.files.open(info.path) as file:
            size = dimensions(file)
        if size is None:
            return info
        width, height = size
        if width * height > MAX_PIXELS:
            self.files.remove(info.path)
            raise AppError(
                "api.file.upload_file.large_image_detailed.app_error",
                400,
                Filename=info.name,
                Width=width,
                Height=height,
            )
        return replace(
            info,
            width=width,
            height=height,
            # GIFs may be animated and are shown themselves.
            has_preview_image=info.mime_type != "image/gif",
            mini_preview=MINI_PREVIEW,
        )

    def _too_large(self, name: str, length: int) -> AppError:
        return AppError(
            "api.file.upload_file.too_large_detailed.app_error",
            413,
            Filename=name,
            Length=length,
            Limit=self.max_file_size,
        )


def base_name(name: str) -> str:
    """``filepath.Base``: what follows the last slash, slashes at the end aside."""
    stripped = name.rstrip("/")
    if not stripped:
        return "/" if name else "."
    return posixpath.basename(stripped)
