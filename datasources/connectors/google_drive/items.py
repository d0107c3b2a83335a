"""Items of Drive as nodes, and what Google's own kinds are exported as."""

from __future__ import annotations

import re
from datetime import datetime
from urllib.parse import quote

from datasources.connectors.around import Around
from datasources.connectors.base import Content, NodeError, NodeKind, RemoteNode
from datasources.connectors.google_drive.client import DRIVE, Client, Item, TooLargeToExport
from datasources.connectors.lines import moment
from datasources.ingestion.kinds import MIME, kind_by_name, refuse_by_name
from datasources.ingestion.results import too_large

APPS = "application/vnd.google-apps."
FOLDER = APPS + "folder"
SHORTCUT = APPS + "shortcut"
FIELDS = (
    "id,name,mimeType,parents,driveId,trashed,createdTime,modifiedTime,size,md5Checksum,headRevisionId,webViewLink,"
    "owners(displayName),lastModifyingUser(displayName),shortcutDetails,resourceKey,sharedWithMeTime,"
    "capabilities(canDownload)"
)
MIRRORED = (
    ",permissions(type,emailAddress,domain,allowFileDiscovery,deleted,view,expirationTime)"
    ",hasAugmentedPermissions,inheritedPermissionsDisabled"
)
EXPORTS: dict[str, tuple[tuple[str, str], ...]] = {
    "document": (("text/markdown", "md"), ("text/plain", "txt")),
    "spreadsheet": ((MIME["xlsx"], "xlsx"),),
    "presentation": ((MIME["pptx"], "pptx"), ("text/plain", "txt")),
    "drawing": ((MIME["pdf"], "pdf"),),
}
"""What to ask for, best first; the next where the first is past the limit. Source: Drive API, export MIME types."""
_PICTURES = re.compile(rb"!\[[^\]\n]*\]\[image\d+\]|^\[image\d+\]:\s*<data:[^>\n]*>[ \t]*$", re.MULTILINE)
"""Google puts pictures into the Markdown of a document as data, megabytes of it."""
_NAMES = {
    "form": "Google Forms",
    "site": "Google Sites",
    "map": "Google My Maps",
    "script": "Apps Script",
    "jam": "Jamboards",
    "vid": "Google Vids",
    "fusiontable": "Fusion Tables",
}


def is_folder(item: Item) -> bool:
    return item.get("mimeType") == FOLDER


def is_shortcut(item: Item) -> bool:
    return item.get("mimeType") == SHORTCUT


def created(item: Item) -> datetime | None:
    return moment(item.get("createdTime"))


def reason_of(item: Item) -> str:
    """Why it can't come in; empty where it can."""
    mime = str(item.get("mimeType", ""))
    if mime.startswith(APPS) and mime != FOLDER and mime.removeprefix(APPS) not in EXPORTS:
        kind = mime.removeprefix(APPS)
        return f"{_NAMES.get(kind, 'This kind of item')} can't be exported as text"
    if (item.get("capabilities") or {}).get("canDownload") is False:
        return "Its owner has turned off downloading for readers"
    return ""


def node_of(
    item: Item, parent: str | None, readers: tuple[str, ...] | None, labels: tuple[str, ...] = ()
) -> RemoteNode:
    folder = is_folder(item)
    mime = str(item.get("mimeType", ""))
    people = item.get("owners") or [item.get("lastModifyingUser") or {}]
    extra = {"mime": mime} | ({"key": item["resourceKey"]} if item.get("resourceKey") else {})
    return RemoteNode(
        str(item["id"]),
        "folder" if folder else _kind(mime),
        str(item.get("name") or "Untitled"),
        parent,
        "" if folder else version_of(item),
        has_text=not folder,
        has_children=folder,
        url=str(item.get("webViewLink") or ""),
        author=str(people[0].get("displayName") or ""),
        created=created(item),
        modified=moment(item.get("modifiedTime")),
        tags=() if folder else (_tag(item, mime), *labels),
        size=int(item["size"]) if str(item.get("size", "")).isdigit() else None,
        extra={} if folder else extra,
        readers=readers,
    )


def version_of(item: Item) -> str:
    """Drive's own ``version`` also counts what nobody reads (views, permissions); the content's digest doesn't."""
    return str(item.get("md5Checksum") or item.get("headRevisionId") or item.get("modifiedTime") or "")


def _kind(mime: str) -> NodeKind:
    return "page" if mime == APPS + "document" else "file"


def _tag(item: Item, mime: str) -> str:
    if mime.startswith(APPS):
        return mime.removeprefix(APPS)
    return kind_by_name(str(item.get("name", "")), mime) or "file"


def content_of(client: Client, node: RemoteNode, around: Around) -> Content:
    """Raises NodeError with skip where it is too large or holds no text."""
    mime, key = str(node.extra.get("mime", "")), str(node.extra.get("key", ""))
    keys = f"{node.external_id}/{key}" if key else ""
    path = f"{DRIVE}/files/{quote(node.external_id, safe='')}"
    if mime.startswith(APPS):
        return _exported(client, node, mime.removeprefix(APPS), around.limits.file_bytes)
    limit = around.limits.file_bytes
    if refused := refuse_by_name(node.title, node.size, around.limits):
        raise NodeError(refused.reason, skip=True)
    data = client.download(path, {"alt": "media", "supportsAllDrives": "true"}, limit, keys)
    if data is None:
        raise NodeError(too_large(limit + 1, limit).reason, skip=True)
    return Content(data=data, filename=node.title, mime=mime)


def _exported(client: Client, node: RemoteNode, kind: str, limit: int) -> Content:
    path = f"{DRIVE}/files/{quote(node.external_id, safe='')}/export"
    refusal: NodeError = NodeError("This kind of item can't be exported as text", skip=True)
    for mime, extension in EXPORTS.get(kind, ()):
        try:
            data = client.download(path, {"mimeType": mime}, limit)
        except TooLargeToExport as error:
            refusal = error
            continue
        if data is None:
            refusal = NodeError(too_large(limit + 1, limit).reason, skip=True)
            continue
        data = _PICTURES.sub(b"", data) if extension == "md" else data
        return Content(data=data, filename=f"{node.title}.{extension}", mime=mime)
    raise refusal
