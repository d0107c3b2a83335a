"""What a connector says of itself: how it is connected, and what a person has to be asked for. Plain values.

The wizard, the settings page and the API build their forms from this; nothing about a kind stands anywhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing to ask for. What is ``secret`` goes, encrypted, into the credential under ``name``; the rest into ``config``.

    ``kind``: how it is asked for and checked. ``lines`` gives a list of strings (one a line), ``json`` the text of a JSON
    object, ``date`` an ISO date. ``choices``: (value, label) for ``choice``. ``offered``: the place can tell what it may be
    (``Offers`` in base.py).
    """

    name: str
    label: str
    kind: Literal["text", "url", "number", "date", "choice", "lines", "bool", "json"] = "text"
    secret: bool = False
    required: bool = False
    help: str = ""
    placeholder: str = ""
    initial: Any = None
    choices: tuple[tuple[str, str], ...] = ()
    offered: bool = False


@dataclass(frozen=True, slots=True)
class OAuth:
    """The authorization-code flow with refresh. With a ``base_url`` of the source's own, both addresses move there.

    ``extra``: more parameters of the authorize address (``access_type=offline``). ``client_auth``: how the client's id and
    secret are sent to the token address (RFC 6749, section 2.3.1). ``by_setting``: scopes that are asked for only where a
    setting of the source is on.
    """

    authorize_url: str
    token_url: str
    scopes: tuple[str, ...]
    extra: Mapping[str, str] = field(default_factory=dict)
    scope_separator: str = " "
    client_auth: Literal["client_secret_post", "client_secret_basic"] = "client_secret_post"
    by_setting: Mapping[str, str] = field(default_factory=dict)

    def asked(self, config: Mapping[str, Any]) -> str:
        """The scopes, as the authorize address takes them."""
        more = [scope for name, scope in self.by_setting.items() if config.get(name)]
        return self.scope_separator.join((*self.scopes, *more))

    def at(self, base_url: str) -> tuple[str, str]:
        """(authorize address, token address), on another host where the source has one."""
        if not base_url:
            return self.authorize_url, self.token_url
        root = base_url.rstrip("/")
        return root + urlsplit(self.authorize_url).path, root + urlsplit(self.token_url).path


@dataclass(frozen=True, slots=True)
class Auth:
    """One way to prove who one is. ``steps``: what to do at the vendor, a sentence each; ``scopes``: exactly what to allow.

    ``name``: ``token``, ``oauth``, ``service_account``, ``password``, ``none``; the connector finds it as ``secret["auth"]``.
    ``fields``: what is asked for; with ``oauth``, the client id and secret of the company's own app at the vendor.
    """

    name: str
    label: str
    steps: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    fields: tuple[Setting, ...] = ()
    oauth: OAuth | None = None


@dataclass(frozen=True, slots=True)
class WebhookHelp:
    """How to have the vendor call us. ``steps`` may hold ``{url}`` and ``{secret}``.

    ``signed_with``: a secret that Atrium makes up, one of the vendor that is entered here, one that the vendor sends with its
    first call (and wants to see again: it is shown in the steps), or none.
    """

    steps: tuple[str, ...]
    signed_with: Literal["ours", "theirs", "sent", "none"] = "ours"


@dataclass(frozen=True, slots=True)
class About:
    """``icon``: a name of heroicons. ``words``: one sentence for the grid of kinds; ``also``: what people type, too, who
    look for it there. ``base_url``: the vendor's own address.

    ``asks_address``: the address has to be entered (a server of the company's own); else it may be, behind "More".
    ``address``: which one that is, in a sentence; without it, ``base_url`` is named.
    ``of_page``: it is that of a page, so that a slash at its end counts.
    ``settings``: of the source, besides its address. ``options``: asked for at a ticked node (a date from, JQL, globs).
    ``schedules``: what makes sense to offer; empty where nothing has to be looked for. ``mirrors``: can mirror who may read.
    ``tree``: whether there is something to choose from before the first sync. ``files``: people hand its files over, such as
    the zip of an export; the connector finds them in ``around.uploads``. ``choice_in_cursor``: its cursor says what was chosen, so
    that a run from there reads whole what a changed choice adds, and only that; of others everything is listed anew.
    """

    kind: str
    label: str
    icon: str
    words: str
    also: str = ""
    auths: tuple[Auth, ...] = ()
    base_url: str = ""
    asks_address: bool = False
    address: str = ""
    of_page: bool = False
    settings: tuple[Setting, ...] = ()
    options: tuple[Setting, ...] = ()
    schedules: tuple[str, ...] = ("off", "15min", "hourly", "daily")
    webhook: WebhookHelp | None = None
    mirrors: bool = False
    tree: bool = True
    files: bool = False
    choice_in_cursor: bool = False
    unit: str = "documents"

    @property
    def asks_secret(self) -> bool:
        """Whether anything is asked for that is kept encrypted."""
        return any(setting.secret for way in self.auths for setting in way.fields)

    def auth(self, name: str) -> Auth | None:
        return next((auth for auth in self.auths if auth.name == name), None)
