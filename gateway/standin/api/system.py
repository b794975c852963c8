"""Ping and the client configuration."""

from starlette.responses import Response

from gateway.standin.api.context import VERSION, Context, json_response
from gateway.standin.errors import AppError
from gateway.standin.routing import Route


async def ping(context: Context) -> Response:
    versions = ("AndroidLatest", "AndroidMin", "DesktopLatest", "DesktopMin", "IosLatest", "IosMin")
    return json_response({f"{name}Version": "" for name in versions} | {"status": "OK"})


async def client_config(context: Context) -> Response:
    """What clients want to know first; the real one holds some two hundred entries."""
    if context.request.query.first("format") != "old":
        raise AppError("api.config.client.old_format.app_error", 501)
    return json_response(
        {
            "AboutLink": "",
            "BuildNumber": "",
            "EnableFileAttachments": "true",
            "EnableUserAccessTokens": "true",
            "MaxFileSize": str(context.options.max_file_size),
            "SiteName": "Mattermost",
            "SiteURL": context.site_url,
            "Version": VERSION,
        }
    )


ROUTES = (
    Route("GET", "/system/ping", ping, session_required=False),
    Route("GET", "/config/client", client_config, session_required=False),
)
