"""What only a licensed server has: certificates for LDAP and audit logs, and connected servers.

Written after the source, since the server of the recordings had no licence.
"""

from typing import Final

from starlette.responses import Response

from gateway.standin.api.administration import add_license
from gateway.standin.api.context import Context, json_response, ok
from gateway.standin.api.forms import UnreadableForm, drained, only_file, parse_multipart_form
from gateway.standin.api.pictures import keep_profile_image
from gateway.standin.api.uploads import find_upload, take_data
from gateway.standin.errors import AppError, session_expired
from gateway.standin.model import RemoteCluster
from gateway.standin.routing import Route

_CERTIFICATE_FILES: Final = {
    "ldap/certificate/public": "config/ldap-public.crt",
    "ldap/certificate/private": "config/ldap-private.key",
    "audit_logs/certificate": "config/audit.crt",
}


async def add_certificate(context: Context) -> Response:
    context.require_admin()
    try:
        form = await parse_multipart_form(context, context.options.max_file_size)
    except UnreadableForm as error:
        raise AppError("api.admin.add_certificate.parseform.app_error", 400) from error
    file = only_file(form, "certificate")
    if file is None:
        raise AppError("api.admin.add_certificate.no_file.app_error", 400)
    context.store.put(_certificate_path(context), file.content)
    return ok()


async def remove_certificate(context: Context) -> Response:
    context.require_admin()
    path = _certificate_path(context)
    if not context.store.exists(path):
        raise AppError("api.admin.remove_certificate.delete.app_error", 500)
    context.store.remove(path)
    return ok()


def _certificate_path(context: Context) -> str:
    below_api = context.request.path.partition("/api/v4/")[2]
    return _CERTIFICATE_FILES[below_api]


def _server(context: Context) -> RemoteCluster:
    """The connected server that is asking. Raises AppError."""
    headers = context.request.headers
    token = headers.get("x-remotecluster-token", "")
    if token and not headers.get("x-remotecluster-id"):
        raise AppError("api.context.remote_id_missing.app_error", 401)
    server = context.state.remote_clusters.get(headers.get("x-remotecluster-id", ""))
    if server is None or server.token != token:
        raise session_expired()
    return server


async def ping(context: Context) -> Response:
    server = _server(context)
    frame = await context.request.json_object()
    if frame is None or frame.get("remote_id") != server.id:
        raise AppError("api.remote_cluster.invalid_id.app_error", 400)
    return json_response({"sent_at": 0, "recv_at": 0})


async def upload_remote_data(context: Context) -> Response:
    """Any upload session is taken for one that a connected server may send to."""
    _server(context)
    return await take_data(context, find_upload(context))


@drained
async def set_remote_image(context: Context) -> Response:
    _server(context)
    return await keep_profile_image(context, context.require_id("user_id"))


ROUTES = (
    Route("POST", "/license/preview", add_license),
    Route("POST", "/ldap/certificate/{key}", add_certificate),
    Route("DELETE", "/ldap/certificate/{key}", remove_certificate),
    Route("POST", "/audit_logs/certificate", add_certificate),
    Route("DELETE", "/audit_logs/certificate", remove_certificate),
    Route("POST", "/remotecluster/ping", ping, session_required=False),
    Route("POST", "/remotecluster/upload/{upload_id}", upload_remote_data, session_required=False),
    Route("POST", "/remotecluster/{user_id}/image", set_remote_image, session_required=False),
)
