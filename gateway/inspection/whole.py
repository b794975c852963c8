"""The content type of a document, from all of it: what the head alone does not tell."""

from typing import BinaryIO

from gateway.content import split
from gateway.inspection.archives.formats import ZIPS, is_container
from gateway.inspection.ole import OLE, STREAMS
from gateway.inspection.whole_ole import whole_compound
from gateway.inspection.whole_zips import whole_zip

_COMPOUNDS = frozenset({OLE, *STREAMS.values()})


def looks_at_whole(content_type: str) -> bool:
    """Whether more can be told of such a file than its head told."""
    bare = split(content_type)[0]
    return bare in _COMPOUNDS or bare in ZIPS or is_container(bare)


def detect_whole(file: BinaryIO, head_type: str) -> str:
    """The content type of ``file``, of which the detector told ``head_type`` by its head.

    ``file`` is seekable. Whatever it is, this takes some seconds and 48 MiB at most. Raises OSError
    if it cannot be read.
    """
    bare = split(head_type)[0]
    if bare in _COMPOUNDS:
        return whole_compound(file, head_type)
    if bare in ZIPS or is_container(bare):
        return whole_zip(file, head_type)
    return head_type
