"""Records as Mattermost shows them to clients."""

from gateway.standin.model import (
    AccessToken,
    Channel,
    ChannelMember,
    Emoji,
    FileInfo,
    Post,
    Team,
    TeamMember,
    UploadSession,
    User,
)

Json = dict[str, object]

_NOTIFY_PROPS = {
    "channel": "true",
    "comments": "never",
    "desktop": "mention",
    "desktop_sound": "true",
    "email": "true",
    "first_name": "false",
    "mention_keys": "",
    "push": "mention",
    "push_status": "away",
}


def user_json(user: User, *, is_self: bool) -> Json:
    """Other people's accounts come without what is only their own business."""
    shown: Json = {
        "id": user.id,
        "create_at": user.create_at,
        "update_at": user.update_at,
        "delete_at": user.delete_at,
        "username": user.username,
        "auth_data": "",
        "auth_service": "",
        "email": user.email,
        "nickname": user.nickname,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "position": user.position,
        "roles": user.roles,
    }
    if is_self:
        shown["notify_props"] = dict(_NOTIFY_PROPS)
        shown["last_password_update"] = user.create_at
    if user.last_picture_update:
        shown["last_picture_update"] = user.last_picture_update
    if is_self and user.failed_attempts:
        shown["failed_attempts"] = user.failed_attempts
    shown["locale"] = user.locale
    shown["timezone"] = {
        "automaticTimezone": "",
        "manualTimezone": "",
        "useAutomaticTimezone": "true",
    }
    if user.is_bot:
        shown["is_bot"] = True
    shown["disable_welcome_email"] = False
    return shown


def access_token_json(token: AccessToken, *, secret: bool) -> Json:
    """The token itself is shown once, to who made it."""
    shown: Json = {"id": token.id}
    if secret:
        shown["token"] = token.token
    shown["user_id"] = token.user_id
    shown["description"] = token.description
    shown["is_active"] = token.is_active
    return shown


def team_json(team: Team) -> Json:
    shown: Json = {
        "id": team.id,
        "create_at": team.create_at,
        "update_at": team.update_at,
        "delete_at": team.delete_at,
        "display_name": team.display_name,
        "name": team.name,
        "description": team.description,
        "email": team.email,
        "type": team.type,
        "company_name": "",
        "allowed_domains": "",
        "invite_id": team.invite_id,
        "allow_open_invite": False,
    }
    if team.last_team_icon_update:
        shown["last_team_icon_update"] = team.last_team_icon_update
    shown |= {"scheme_id": None, "group_constrained": None, "policy_id": None}
    return shown


def team_member_json(member: TeamMember) -> Json:
    roles = "team_guest" if member.is_guest else "team_user"
    return {
        "team_id": member.team_id,
        "user_id": member.user_id,
        "roles": f"{roles} team_admin" if member.is_admin else roles,
        "delete_at": 0,
        "scheme_guest": member.is_guest,
        "scheme_user": not member.is_guest,
        "scheme_admin": member.is_admin,
        "explicit_roles": "",
    }


def channel_json(channel: Channel) -> Json:
    return {
        "id": channel.id,
        "create_at": channel.create_at,
        "update_at": channel.update_at,
        "delete_at": 0,
        "team_id": channel.team_id,
        "type": channel.type,
        "display_name": channel.display_name,
        "name": channel.name,
        "header": channel.header,
        "purpose": channel.purpose,
        "last_post_at": channel.last_post_at,
        "total_msg_count": channel.total_msg_count,
        "extra_update_at": 0,
        "creator_id": channel.creator_id,
        "scheme_id": None,
        "props": None,
        "group_constrained": None,
        "shared": None,
        "total_msg_count_root": channel.total_msg_count,
        "policy_id": None,
    }


def channel_member_json(member: ChannelMember) -> Json:
    roles = "channel_guest" if member.is_guest else "channel_user"
    return {
        "channel_id": member.channel_id,
        "user_id": member.user_id,
        "roles": f"{roles} channel_admin" if member.is_admin else roles,
        "last_viewed_at": member.last_viewed_at,
        "msg_count": member.msg_count,
        "mention_count": 0,
        "mention_count_root": 0,
        "msg_count_root": member.msg_count,
        "notify_props": {
            "desktop": "default",
            "email": "default",
            "ignore_channel_mentions": "default",
            "mark_unread": "all",
            "push": "default",
        },
        "last_update_at": member.last_update_at,
        "scheme_guest": member.is_guest,
        "scheme_user": not member.is_guest,
        "scheme_admin": member.is_admin,
        "explicit_roles": "",
    }


def post_json(post: Post, files: list[FileInfo]) -> Json:
    shown: Json = {
        "id": post.id,
        "create_at": post.create_at,
        "update_at": post.update_at,
        "edit_at": 0,
        "delete_at": 0,
        "is_pinned": False,
        "user_id": post.user_id,
        "channel_id": post.channel_id,
        "root_id": post.root_id,
        "parent_id": post.root_id,
        "original_id": "",
        "message": post.message,
        "type": "",
        "props": {},
        "hashtags": "",
    }
    if files:
        shown["file_ids"] = [info.id for info in files]
    shown |= {
        "pending_post_id": post.pending_post_id,
        "reply_count": 0,
        "last_reply_at": 0,
        "participants": None,
        "metadata": {"files": [file_info_json(info) for info in files]} if files else {},
    }
    return shown


def file_info_json(info: FileInfo) -> Json:
    shown: Json = {"id": info.id, "user_id": info.user_id}
    if info.post_id:
        shown["post_id"] = info.post_id
    shown |= {
        "channel_id": "",
        "create_at": info.create_at,
        "update_at": info.create_at,
        "delete_at": 0,
        "name": info.name,
        "extension": info.extension,
        "size": info.size,
        "mime_type": info.mime_type,
    }
    if info.width:
        shown["width"] = info.width
    if info.height:
        shown["height"] = info.height
    if info.has_preview_image:
        shown["has_preview_image"] = True
    shown |= {"mini_preview": info.mini_preview, "remote_id": ""}
    return shown


def upload_json(upload: UploadSession) -> Json:
    shown: Json = {
        "id": upload.id,
        "type": upload.type,
        "create_at": upload.create_at,
        "user_id": upload.user_id,
    }
    if upload.channel_id:
        shown["channel_id"] = upload.channel_id
    return shown | {
        "filename": upload.filename,
        "file_size": upload.file_size,
        "file_offset": upload.file_offset,
        "remote_id": "",
        "req_file_id": "",
    }


def emoji_json(emoji: Emoji) -> Json:
    return {
        "id": emoji.id,
        "create_at": emoji.create_at,
        "update_at": emoji.create_at,
        "delete_at": 0,
        "creator_id": emoji.creator_id,
        "name": emoji.name,
    }
