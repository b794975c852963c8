"""``docs/endpoints.md``, made from the guard table: ``./scripts/endpoints`` writes it."""

from collections.abc import Iterable
from pathlib import Path

from gateway.endpoints import (
    ATTACHMENTS,
    ENDPOINTS,
    FROM_SERVERS,
    IMPORTS,
    RULES,
    TELL_PROGRESS,
    Endpoint,
    Rule,
    Way,
)
from gateway.settings import PREFIX, shown_value, size_setting, types_setting

PAGE = Path(__file__).parent.parent.parent / "docs" / "endpoints.md"

WAYS = {
    Way.ATTACHMENTS: "the file, or a form with files",
    Way.DECLARATION: "JSON that announces a file",
    Way.CHUNK: "a piece of a file, or a form with it",
    Way.FORM: "a form",
    Way.PEM_FORM: "a form, or the file as `application/x-pem-file`",
    Way.SERVER_UPLOAD: "the file",
    Way.SERVER_FORM: "a form",
}

TEXT = """\
# Where files come in and go out

*`./scripts/endpoints` makes this page from [the guard table](../gateway/endpoints.py).*

## Files that come in

Each of these requests is authenticated before its body is read, and every file in it is judged by
the rule before any of it reaches Mattermost. The name is that of the label `endpoint` in metrics
and logs.

{takes}

- A resumable upload is declared (`uploads`), and then comes in chunks (`upload_data`), to
  whichever worker or gateway with the same ledger. What is declared is judged, and holds its size
  of the quota. The head of the first chunk decides before any of it goes on; later chunks need
  that verdict on record. A declaration with `type: import` follows the rule of imports, and
  counts against nobody's quota.
- Where a rule wants to see a whole file, the gateway keeps the chunks in `GATEWAY_SPOOL_DIR`
  until all are there, and then sends the file on as one. Until then Mattermost has nothing of it,
  so the answers that tell how far it is have the gateway's `file_offset` in them, and are
  Mattermost's otherwise:
  {tells}.
  With `GATEWAY_SPOOL_SHARED=off` such a file is refused where it is declared, with
  `501 gateway.resumable_upload_unavailable`.
- A form is read once, strictly, and the gateway writes one of its own for Mattermost: the same
  parts in the same order, but no byte of the framing that the client chose. All files in a form
  are judged, whatever their fields are called. Together they may be as large as one.
- What is not a form where one is wanted goes to Mattermost without its body, and Mattermost says
  what it misses.
- From other servers: connected Mattermost servers have credentials of their own. Unless
  `GATEWAY_REMOTE_CLUSTER` is `on`, they are refused with `403 gateway.remote_cluster_off`.
- GET, HEAD, OPTIONS and DELETE requests at these addresses carry no file. They pass under the
  same name. Any other method is refused with `403 gateway.unguarded_upload`, and so is a file that
  one of these carries all the same.

## Rules

`GATEWAY_DENIED_TYPES`, `GATEWAY_DENIED_EXTENSIONS` and `GATEWAY_EXTENSION_AGREEMENT` hold for all
of them.

{rules}

## Files that go out

They pass as Mattermost sends them, ranges and conditional requests included, and are measured by
name.

{gives}

## Everything else

- A request that ends in one of the paths above, but in another subpath than that of
  `GATEWAY_UPSTREAM_URL`, is refused with `403 gateway.unguarded_upload`, if its method could
  carry a file.
- Files for all other addresses, such as a plugin's own, follow `GATEWAY_UNLISTED_UPLOADS`, see
  below.
- All other requests pass unchanged, WebSockets included.
- With `GATEWAY_MODE=uploads`, none of these passes: the answer is `404 gateway.not_served`.
- No WebSocket is opened at the addresses above: there a request for one passes as an ordinary
  request.
- `POST /api/v4/plugins/install_from_url` and `POST /api/v4/plugins/marketplace` carry no file:
  Mattermost fetches the plugin itself. To close these ways, switch them off in Mattermost.

### Files for other addresses

{natures}

Whether a body is what it says is told by its first piece, for which alone the request waits, and
then by what follows as it passes, up to 16 KiB. Text has no control characters but those for
blanks and line ends, and does not begin like a PDF, PostScript or RTF document. What is something
else from the start is a file. What becomes something else later is refused with
`400 gateway.ambiguous_request`, and Mattermost gets no more of it. A body with a
`Content-Encoding` cannot be looked into, so it counts as a file.

With `GATEWAY_UNLISTED_UPLOADS=inspect`:

- The rules of attachments decide. What may pass goes on with its method, its address and its
  headers as they are, and so does the answer. The label `endpoint` is `unlisted`.
- A file streams on as it comes once its head and its length have passed. One that does not tell
  its length is received whole first, and gets one.
- Its name is that in `Content-Disposition` or `?filename=`; two that differ are refused. Without
  these it is `?name=` or the end of the path, if that has an ending. Else there is no name, and
  no rule for names.
- A form is received whole, and goes on as one of the gateway's own, even if it has no file: the
  same parts in the same order, with their names, the names of their files and their declared
  types, but no other headers of theirs. A part is a file if it has a file name, or if it is not
  text. All files may together be as large as one; for the other parts there are 10 MiB.
- A file in a GET, HEAD or OPTIONS request is refused with `400 gateway.ambiguous_request`, one
  with a `Content-Encoding` with `415 gateway.content_encoding_refused`.
- Whoever comes with a Mattermost session is known before the body is read, and the files count
  against their quota. Below `/api/`, a session that is not valid is refused with 401, as
  Mattermost does it. Elsewhere Mattermost takes such a caller for a stranger, and leaves it to
  the plugin or webhook to know them; so does the gateway.
- For the files of strangers the same rules hold, but no quota. Together they may take the fourth
  part of `GATEWAY_SPOOL_LIMIT`, so that they cannot take all the room.

With `deny`, forms and files are refused with `403 gateway.unguarded_upload`, before the body is
read where its type tells. With `allow`, all of this passes unseen, as any other request does.
"""


NATURES = (
    ("`multipart/form-data`", "a form, with or without files"),
    (
        "any other `multipart/…`, or what could be taken for one",
        "refused with `400 gateway.ambiguous_request`",
    ),
    ("`application/json`, `…+json`", "no file, if it begins like JSON and is text"),
    (
        "`text/…`, `application/x-www-form-urlencoded`, none, or none that can be understood",
        "no file, if it is text",
    ),
    ("any other", "a file"),
)


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def variable(setting: str) -> str:
    return f"`{PREFIX}{setting.upper()}`"


def taking(row: Endpoint) -> list[str]:
    assert row.rule is not None
    rule = row.rule.name
    if row.way is Way.DECLARATION:
        rule += f", {IMPORTS.name}"
    form = ", ".join(f"`{name}`" for name in row.fields)
    body = WAYS[row.way] + (f" ({form})" if form else "")
    if row.way in FROM_SERVERS:
        body += ", from another server"
    counted = "yes" if row.counts else "no"
    return [f"`{row.method} {row.path}`", f"`{row.name}`", body, rule, counted]


def ruling(rule: Rule) -> list[str]:
    size = shown_value("max_file_size", rule.largest)
    if not size:
        size = "100MiB" if rule is ATTACHMENTS else f"that of {variable('max_file_size')}"
    return [
        rule.name,
        variable(types_setting(rule)),
        f"`{rule.types}`",
        variable(size_setting(rule)),
        size,
    ]


def page() -> str:
    takes = [taking(row) for row in ENDPOINTS if row.rule is not None]
    gives = [
        [f"`{row.method} {row.path}`", f"`{row.name}`"]
        for row in ENDPOINTS
        if row.way is Way.DOWNLOAD
    ]
    tells = [f"`GET {row.path}` (`{row.name}`)" for row in ENDPOINTS if row.way in TELL_PROGRESS]
    return TEXT.format(
        takes=table(("endpoint", "name", "body", "rule", "counts against quotas"), takes),
        rules=table(("rule", "types", "default", "largest file", "default"), map(ruling, RULES)),
        gives=table(("endpoint", "name"), gives),
        tells=" and ".join(tells),
        natures=table(("`Content-Type`", "the body is"), NATURES),
    )


if __name__ == "__main__":
    PAGE.write_text(page())
