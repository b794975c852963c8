"""What administrators upload: the licence, certificates, plugins."""

import gzip
import io
import json
import re
import tarfile
import zlib
from typing import Final

from starlette.responses import PlainTextResponse, Response

from gateway.standin.api.context import Context, json_response, ok
from gateway.standin.api.forms import UnreadableForm, only_file, parse_multipart_form
from gateway.standin.errors import AppError
from gateway.standin.go.body import BodyError
from gateway.standin.go.media_type import MediaTypeError, parse_media_type
from gateway.standin.routing import Route

_PLUGIN_MEMORY: Final = 50 * 1024 * 1024
_IMPORT_MEMORY: Final = 10 * 1024 * 1024
_PLUGIN_ID: Final = re.compile(r"[a-zA-Z0-9\-_.]{3,190}", re.ASCII)
_FROM_METADATA: Final = "api.admin.saml.set_certificate_from_metadata"
_SAML_FILES: Final = {
    "idp": "config/saml-idp.crt",
    "public": "config/saml-public.crt",
    "private": "config/saml-private.key",
}


async def add_license(context: Context) -> Response:
    """No licence is valid here: that would take Mattermost's signature."""
    context.require_admin()
    try:
        form = await parse_multipart_form(context, context.options.max_file_size)
    except UnreadableForm as error:
        return _plain_error(error)
    if only_file(form, "license") is None:
        raise AppError("api.license.add_license.no_file.app_error", 400)
    raise AppError("api.license.add_license.invalid.app_error", 400)


def _plain_error(error: UnreadableForm) -> Response:
    return PlainTextResponse(f"{error}\n", 400, {"X-Content-Type-Options": "nosniff"})


async def remove_license(context: Context) -> Response:
    context.require_admin()
    return ok()


async def client_license(context: Context) -> Response:
    if context.request.query.first("format") != "old":
        raise AppError("api.license.client.old_format.app_error", 400)
    return json_response({"IsLicensed": "false"})


async def add_public_certificate(context: Context) -> Response:
    return await _add_certificate(context, "public")


async def add_private_certificate(context: Context) -> Response:
    return await _add_certificate(context, "private")


async def add_idp_certificate(context: Context) -> Response:
    context.require_admin()
    if not context.request.content_type:
        raise AppError(f"{_FROM_METADATA}.missing_content_type.app_error", 400)
    try:
        media_type, _ = parse_media_type(context.request.content_type)
    except MediaTypeError:
        media_type = ""
    if media_type == "multipart/form-data":
        return await _add_certificate(context, "idp")
    if media_type != "application/x-pem-file":
        raise AppError(f"{_FROM_METADATA}.invalid_content_type.app_error", 400)
    try:
        content = await context.request.body.read_all()
    except BodyError as error:
        raise AppError(f"{_FROM_METADATA}.invalid_body.app_error", 400) from error
    context.request.entry.note_file("", "", content)
    context.store.put(_SAML_FILES["idp"], content)
    return ok()


async def _add_certificate(context: Context, which: str) -> Response:
    context.require_admin()
    try:
        form = await parse_multipart_form(context, context.options.max_file_size)
    except UnreadableForm as error:
        raise AppError("api.admin.add_certificate.no_file.app_error", 400) from error
    file = only_file(form, "certificate")
    if file is None:
        raise AppError("api.admin.add_certificate.no_file.app_error", 400)
    context.store.put(_SAML_FILES[which], file.content)
    return ok()


async def remove_certificate(context: Context) -> Response:
    context.require_admin()
    path = _SAML_FILES[context.params["certificate"]]
    if not context.store.exists(path):
        raise AppError("api.admin.remove_certificate.delete.app_error", 500)
    context.store.remove(path)
    return ok()


async def certificate_status(context: Context) -> Response:
    context.require_admin()
    names = {"idp": "idp_certificate_file", "private": "private_key_file"}
    return json_response(
        {
            names.get(which, "public_certificate_file"): context.store.exists(path)
            for which, path in _SAML_FILES.items()
        }
    )


async def import_team(context: Context) -> Response:
    """What Slack exported is kept as it came; Mattermost would read it."""
    errors = "api.team.import_team"
    team_id = context.require_id("team_id")
    context.require_admin()
    try:
        form = await parse_multipart_form(context, _IMPORT_MEMORY)
    except UnreadableForm as error:
        raise AppError(f"{errors}.parse.app_error", 500) from error
    if not form.values["importFrom"]:
        raise AppError(f"{errors}.no_import_from.app_error", 400)
    if not form.values["filesize"]:
        raise AppError(f"{errors}.unavailable.app_error", 400)
    if not re.fullmatch(r"[+-]?[0-9]+", form.values["filesize"][0]):
        raise AppError(f"{errors}.integer.app_error", 400)
    file = only_file(form, "file")
    if file is None:
        raise AppError(f"{errors}.no_file.app_error", 400)
    if form.values["importFrom"][0] != "slack":
        raise AppError(f"{errors}.unknown_import_from.app_error", 400)
    context.store.put(f"teams/{team_id}/import.zip", file.content)
    return json_response({"results": ""})


async def upload_plugin(context: Context) -> Response:
    context.require_admin()
    try:
        form = await parse_multipart_form(context, _PLUGIN_MEMORY)
    except UnreadableForm as error:
        return _plain_error(error)
    file = only_file(form, "plugin")
    if file is None:
        raise AppError("api.plugin.upload.no_file.app_error", 400)
    manifest = _manifest(file.content)
    path = f"plugins/{manifest['id']}.tar.gz"
    if context.store.exists(path) and form.values["force"][:1] != ["true"]:
        raise AppError("app.plugin.install_id.app_error", 400)
    context.store.put(path, file.content)
    return json_response(manifest, 201)


def _manifest(bundle: bytes) -> dict[str, object]:
    """``plugin.json`` at the top of the archive, or in its only folder."""
    try:
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(bundle))) as archive:
            names = sorted(archive.getnames(), key=lambda name: name.count("/"))
            found = [n for n in names if re.fullmatch(r"(\./)?([^/]+/)?plugin\.json", n)]
            member = archive.extractfile(found[0]) if found else None
            text = member.read() if member is not None else b""
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise AppError("app.plugin.extract.app_error", 400) from error
    try:
        manifest = json.loads(text)
    except ValueError:
        manifest = None
    if not isinstance(manifest, dict):
        raise AppError("app.plugin.manifest.app_error", 400)
    if not _PLUGIN_ID.fullmatch(str(manifest.get("id", ""))):
        raise AppError(
            "app.plugin.invalid_id.app_error", 400, Min=3, Max=190, Regex="^[a-zA-Z0-9-_\\.]+$"
        )
    return manifest


ROUTES = (
    Route("POST", "/license", add_license),
    Route("DELETE", "/license", remove_license),
    Route("GET", "/license/client", client_license, session_required=False),
    Route("POST", "/saml/certificate/idp", add_idp_certificate),
    Route("POST", "/saml/certificate/public", add_public_certificate),
    Route("POST", "/saml/certificate/private", add_private_certificate),
    Route("GET", "/saml/certificate/status", certificate_status),
    Route("DELETE", "/saml/certificate/{certificate}", remove_certificate),
    Route("POST", "/teams/{team_id}/import", import_team),
    Route("POST", "/plugins", upload_plugin),
)
