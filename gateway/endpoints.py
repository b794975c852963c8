"""The guard table: the endpoints of Mattermost that take a file, those that give one, and the
default rule of each. Whatever is not here has no rule, and gets no file past the gateway.

Sources: ``api4`` of Mattermost 5.37; ``/license/preview`` and ``/audit_logs`` came later.
"""

import re
from dataclasses import dataclass
from enum import Enum, auto

_API = "/api/v4"
_KIB, _MIB, _GIB = 2**10, 2**20, 2**30


class Way(Enum):
    """How a file travels."""

    ATTACHMENTS = auto()
    """As the body itself, or as a form with any number of files."""
    DECLARATION = auto()
    """Not at all: JSON announces it."""
    CHUNK = auto()
    """In pieces, each as the body itself or as a form with it."""
    FORM = auto()
    """In a form that Mattermost reads whole."""
    PEM_FORM = auto()
    """The same, or as a body of its own that is declared to be PEM."""
    SERVER_UPLOAD = auto()
    """As the body itself, from another Mattermost."""
    SERVER_FORM = auto()
    """In a form, from another Mattermost."""
    DOWNLOAD = auto()
    """With the answer."""
    PROGRESS = auto()
    """Not at all: JSON tells how far it is."""


FROM_SERVERS = frozenset({Way.SERVER_UPLOAD, Way.SERVER_FORM})
"""With credentials of their own, and only if ``GATEWAY_REMOTE_CLUSTER`` is on."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What may pass where, unless settings of this name say otherwise."""

    name: str
    types: str
    """As in ``GATEWAY_ALLOWED_TYPES``."""
    largest: int | None = None
    """Bytes; None is ``GATEWAY_MAX_FILE_SIZE``."""
    counts: bool = False
    """Whether it is about what users store, which counts against their quotas."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One row."""

    name: str
    """Of its requests in metrics and logs."""
    method: str
    """Of requests that take or give a file; others carry none."""
    path: str
    """Below Mattermost's subpath; ``{id}`` is one segment of letters and digits."""
    way: Way
    fields: tuple[str, ...]
    """Of its form: the file's, then those of the values that go with it."""
    rule: Rule | None
    """None where no file comes in."""

    @property
    def counts(self) -> bool:
        """Whether what is stored counts against the quota of whoever sends it."""
        return self.rule is not None and self.rule.counts and self.way not in FROM_SERVERS


ATTACHMENTS = Rule("attachments", "*", counts=True)
IMPORTS = Rule("imports", "archives", 10 * _GIB)  # upload sessions of type import
LICENSE = Rule("license", "text", 64 * _KIB)
CERTIFICATES = Rule("certificates", "application/x-pem-file", 64 * _KIB)
BRAND_IMAGE = Rule("brand_image", "images")
PLUGINS = Rule("plugins", "application/gzip", 256 * _MIB)
EMOJI = Rule("emoji", "images", 512 * _KIB, counts=True)
USER_IMAGE = Rule("user_image", "images", counts=True)
TEAM_IMAGE = Rule("team_image", "images", counts=True)
BOT_ICON = Rule("bot_icon", "images", counts=True)
TEAM_IMPORT = Rule("team_import", "archives", 2 * _GIB)
RULES = (
    ATTACHMENTS, IMPORTS, LICENSE, CERTIFICATES, BRAND_IMAGE, PLUGINS, EMOJI, USER_IMAGE,
    TEAM_IMAGE, BOT_ICON, TEAM_IMPORT,
)  # fmt: skip


SESSIONS = "uploads"
"""What rules call upload sessions of attachments, whichever of their requests it is about."""
CHUNKS = "upload_data"


def _takes(name: str, path: str, way: Way, fields: str, rule: Rule) -> Endpoint:
    return Endpoint(name, "POST", _API + path, way, tuple(fields.split()), rule)


def _gives(name: str, path: str) -> Endpoint:
    return Endpoint(name, "GET", path, Way.DOWNLOAD, (), None)


ENDPOINTS = (
    _takes("files", "/files", Way.ATTACHMENTS, "files", ATTACHMENTS),
    _takes(SESSIONS, "/uploads", Way.DECLARATION, "", ATTACHMENTS),
    _takes(CHUNKS, "/uploads/{id}", Way.CHUNK, "data", ATTACHMENTS),
    _takes("license", "/license", Way.FORM, "license", LICENSE),
    _takes("license_preview", "/license/preview", Way.FORM, "license", LICENSE),
    _takes("saml_certificate", "/saml/certificate/idp", Way.PEM_FORM, "certificate", CERTIFICATES),
    _takes("saml_certificate", "/saml/certificate/public", Way.FORM, "certificate", CERTIFICATES),
    _takes("saml_certificate", "/saml/certificate/private", Way.FORM, "certificate", CERTIFICATES),
    _takes("ldap_certificate", "/ldap/certificate/public", Way.FORM, "certificate", CERTIFICATES),
    _takes("ldap_certificate", "/ldap/certificate/private", Way.FORM, "certificate", CERTIFICATES),
    _takes("audit_certificate", "/audit_logs/certificate", Way.FORM, "certificate", CERTIFICATES),
    _takes("brand_image", "/brand/image", Way.FORM, "image", BRAND_IMAGE),
    _takes("plugins", "/plugins", Way.FORM, "plugin force", PLUGINS),
    _takes("emoji", "/emoji", Way.FORM, "image emoji", EMOJI),
    _takes("user_image", "/users/{id}/image", Way.FORM, "image", USER_IMAGE),
    _takes("team_image", "/teams/{id}/image", Way.FORM, "image", TEAM_IMAGE),
    _takes("bot_icon", "/bots/{id}/icon", Way.FORM, "image", BOT_ICON),
    _takes("team_import", "/teams/{id}/import", Way.FORM, "file filesize importFrom", TEAM_IMPORT),
    _takes("remote_upload", "/remotecluster/upload/{id}", Way.SERVER_UPLOAD, "", ATTACHMENTS),
    _takes("remote_user_image", "/remotecluster/{id}/image", Way.SERVER_FORM, "image", ATTACHMENTS),
    _gives("file", _API + "/files/{id}"),
    _gives("file_info", _API + "/files/{id}/info"),
    _gives("file_link", _API + "/files/{id}/link"),
    _gives("file_thumbnail", _API + "/files/{id}/thumbnail"),
    _gives("file_preview", _API + "/files/{id}/preview"),
    _gives("post_files", _API + "/posts/{id}/files/info"),
    _gives("file_public", "/files/{id}/public"),
    Endpoint("user_uploads", "GET", _API + "/users/{id}/uploads", Way.PROGRESS, (), None),
)

FILES = ENDPOINTS[0]
UNLISTED = "unlisted"
"""The name of requests with a file whose address is in no row."""
RULED = {row.name: row.rule for row in ENDPOINTS if row.rule and row.way is not Way.CHUNK} | {
    UNLISTED: ATTACHMENTS,
    IMPORTS.name: IMPORTS,
}
"""What the policy file can be about, and what holds there otherwise. Chunks follow the declaration
of their session."""
COUNTED = frozenset({UNLISTED} | {row.name for row in ENDPOINTS if row.counts})
"""Where uploads take from quotas."""
TELL_PROGRESS = frozenset({Way.CHUNK, Way.PROGRESS})
"""Ways whose addresses tell, asked with GET, how much of a file has come."""
CARRY_NO_FILE = frozenset({"GET", "HEAD", "OPTIONS", "DELETE"})
"""Methods that take no file anywhere; at a row's address they pass."""


class GuardTable:
    """Finds the row of a path: once compiled, a match of one regular expression."""

    def __init__(self, subpath: str) -> None:
        """``subpath`` is Mattermost's, such as ``/chat``, or empty."""
        rows = "|".join(f"({_pattern(row.path, '[A-Za-z0-9]+')})" for row in ENDPOINTS)
        self._rows = re.compile(f"{re.escape(subpath)}(?:{rows})".encode())

    def find(self, path: bytes) -> Endpoint | None:
        """The row of a canonical ``path``, whatever the method; as Mattermost's router does."""
        match = self._rows.fullmatch(path)
        return None if match is None else ENDPOINTS[(match.lastindex or 0) - 1]


def _pattern(path: str, segment: str) -> str:
    return re.escape(path).replace(r"\{id\}", segment)


_TAKING = "|".join(_pattern(row.path, "[^/]+") for row in ENDPOINTS if row.rule)
_TAKES_FILES = re.compile(f"(?:{_TAKING})/?$".encode())


def looks_like_a_row(path: bytes) -> bool:
    """Whether ``path`` ends as that of a row that takes files, in whatever subpath: the
    gateway's setting and Mattermost's may differ."""
    return _TAKES_FILES.search(path) is not None
