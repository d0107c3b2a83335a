"""Slack's mrkdwn as Markdown: mentions by name, links, code, emphasis. What people typed is never taken for HTML.

Source: https://docs.slack.dev/messaging/formatting-message-text
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from datasources.connectors.slack.names import Names

_FENCE = re.compile(r"```(.*?)```", re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")
_TOKEN = re.compile(r"<([^<>\n]+)>")
_HELD = re.compile("\x00(\\d+)\x00")
_BOLD = re.compile(r"(?<![\w*])\*(?=[^\s*])([^*\n]*?)(?<=\S)\*(?![\w*])")
_STRIKE = re.compile(r"(?<![\w~])~(?=[^\s~])([^~\n]*?)(?<=\S)~(?![\w~])")
_ENTITY = re.compile(r"&(?=#?\w{1,31};)")
_BACKSLASH = re.compile(r"\\(?=[!-/:-@\[-`{-~\x00]|$)", re.MULTILINE)
_HEADING = re.compile(r"^((?:[ \t>]|[-+*][ \t]|\d{1,9}[.)][ \t])*)(#{1,6}(?=\s|$)|=+[ \t]*$|-+[ \t]*$)", re.MULTILINE)
_BREAK = re.compile(r"(?<=\S)\n(?=\S)")
_SIGNS = re.compile(r"([\\`*\[\]<]|(?<!\w)_|_(?!\w))")
_DEEPEST = 12
_TEXT_LIMIT = 400


def markdown(text: str, names: Names) -> str:
    """A message's ``text``."""
    parts, end = [], 0
    text = text.replace("\x00", "")
    for fence in _FENCE.finditer(text):
        parts.append(_inline(text[end : fence.start()], names))
        code = unescape(_TOKEN.sub(lambda token: _bare(token[1]), fence[1])).strip("\n")
        parts.append(f"\n```\n{code}\n```\n")
        end = fence.end()
    parts.append(_inline(text[end:], names))
    return "".join(parts).strip()


def plain(text: str) -> str:
    """A name or a title: one line, with nothing in it that Markdown or HTML would read."""
    one = " ".join(text.split())
    return _SIGNS.sub(r"\\\1", _ENTITY.sub("&amp;", one))


def unescape(text: str) -> str:
    """Slack escapes these three, and nothing else."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def link(label: str, url: str) -> str:
    """Only the kinds of address that a person can follow become links."""
    label, url = plain(label), url.strip()
    try:
        scheme = urlsplit(url).scheme.lower()
    except ValueError:
        scheme = ""
    if scheme not in ("http", "https", "mailto"):
        return label or plain(url)
    for sign, code in ((" ", "%20"), ("(", "%28"), (")", "%29"), ("<", "%3C"), (">", "%3E")):
        url = url.replace(sign, code)
    return f"[{label}]({url})" if label and label != url else url


def _inline(text: str, names: Names) -> str:
    """Text outside of code blocks. What is ready is held aside, so that no later rule touches it."""
    held: list[str] = []

    def hold(ready: str) -> str:
        held.append(ready)
        return f"\x00{len(held) - 1}\x00"

    text = _CODE.sub(lambda code: hold(f"`{unescape(_TOKEN.sub(lambda t: _bare(t[1]), code[1]))}`"), text)
    text = _TOKEN.sub(lambda token: hold(_token(token[1], names)), text)
    text = _STRIKE.sub(r"~~\1~~", _BOLD.sub(r"**\1**", text))
    text = _BACKSLASH.sub(r"\\\\", unescape(text))
    text = _ENTITY.sub("&amp;", text).replace("<", "\\<")
    text = _HEADING.sub(r"\1\\\2", text)
    text = _BREAK.sub("  \n", text)
    return _HELD.sub(lambda number: held[int(number[1])], text)


def _token(token: str, names: Names) -> str:
    target, bar, label = token.partition("|")
    label = unescape(label)
    if target.startswith("@"):
        return "@" + plain(names.person(target[1:]).name)
    if target.startswith("#"):
        return "#" + plain(label or names.channel(target[1:]) or "a channel")
    if target.startswith("!"):
        command = target[1:].split("^", 1)[0]
        return plain(label) or "@" + plain(command)
    return link(label if bar else "", unescape(target))


def _bare(token: str) -> str:
    target, _, label = token.partition("|")
    return label or target


def block_text(blocks: Any) -> str:
    """The text in a message's blocks, as mrkdwn, for messages that have no text of their own."""
    return "\n".join(line for line in _blocks(blocks, 0) if line.strip())


def _blocks(found: Any, depth: int) -> Iterator[str]:
    if depth > _DEEPEST:
        return
    if isinstance(found, list):
        for item in found:
            yield from _blocks(item, depth + 1)
    elif isinstance(found, Mapping):
        kind = str(found.get("type") or "")
        if kind.startswith("rich_text_") or kind in ("mrkdwn", "plain_text"):
            yield _rich(found, 0)
            return
        for key in ("title", "text", "fields", "elements"):
            if isinstance(found.get(key), list | Mapping):
                yield from _blocks(found[key], depth + 1)


def _rich(element: Any, depth: int) -> str:
    """An element of rich text back in mrkdwn."""
    if not isinstance(element, Mapping) or depth > _DEEPEST:
        return ""
    kind = element.get("type")
    inner = element.get("elements")
    if isinstance(inner, list):
        parts = [_rich(item, depth + 1) for item in inner]
        if kind == "rich_text_list":
            return "\n".join(f"- {part}" for part in parts)
        joined = "".join(parts)
        return f"```{joined}```" if kind == "rich_text_preformatted" else joined
    if kind == "user":
        return f"<@{element.get('user_id')}>"
    if kind == "channel":
        return f"<#{element.get('channel_id')}>"
    if kind == "link":
        return f"<{element.get('url')}|{element.get('text') or element.get('url')}>"
    return str(element.get("text") or "")


def attachments(found: Any, names: Names, *, whole: bool) -> Iterator[str]:
    """What hangs below a message: previews of links and shared messages, cut short unless ``whole``, as quotes."""
    for item in found if isinstance(found, list) else []:
        if not isinstance(item, Mapping):
            continue
        lines = [markdown(str(item.get("pretext") or ""), names)] if whole else []
        title = unescape(str(item.get("title") or item.get("author_name") or ""))
        lines.append(link(title, str(item.get("title_link") or item.get("from_url") or "")) if title else "")
        text = str(item.get("text") or "") or block_text(item.get("blocks") or item.get("message_blocks"))
        lines.append(markdown(text if whole or item.get("is_msg_unfurl") else _cut(text), names))
        fields = [one for one in item.get("fields") or [] if whole and isinstance(one, Mapping)]
        lines += [f"{plain(str(f.get('title') or ''))}: {markdown(str(f.get('value') or ''), names)}" for f in fields]
        if not any(lines):
            lines = [markdown(str(item.get("fallback") or ""), names)]
        if ready := "\n".join(line for line in lines if line):
            yield "\n".join(f"> {line}".rstrip() for line in ready.splitlines())


def _cut(text: str) -> str:
    """Never inside a token."""
    if len(text) <= _TEXT_LIMIT:
        return text
    cut = text[:_TEXT_LIMIT].rsplit(" ", 1)[0]
    if cut.rfind("<") > cut.rfind(">"):
        cut = cut[: cut.rfind("<")]
    return cut + "…"
