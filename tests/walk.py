"""Every address of the product, found in the URLconf itself, with the rule that it declares and rows to fill it with."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RoutePattern

from portal.access import LIBRARY_VIEWS
from portal.admin.addressing import Addresses
from portal.admin.site import site

_PARAMETER = re.compile(r"<(?:(?P<kind>\w+):)?(?P<name>\w+)>")
# Regular expressions of libraries, with something that matches their groups.
_GROUP = re.compile(r"\(\?P<\w+>([^()]*)\)")


@dataclass(frozen=True)
class Route:
    """``text``: the route as it is written, such as ``w/<slug:slug>/people/<uuid:pk>/``."""

    text: str
    view: Any = field(compare=False)
    model: Any = field(default=None, compare=False)

    @property
    def access(self) -> str | dict[str, str] | None:
        """What the view declares: an action, or one for each method; for a library's view, what our list says."""
        for holder in (self.view, getattr(self.view, "cls", None), getattr(self.view, "view_class", None)):
            if declared := getattr(holder, "access", None):
                return declared
        if self.model is not None or self.text.startswith("w/<slug>/govern/"):
            return "admin.enter"
        return next((rule for pattern, rule in LIBRARY_VIEWS if pattern.search(self.text)), None)

    @property
    def methods(self) -> list[str]:
        """The methods that it answers to; a page's are the two that a browser sends."""
        api = getattr(self.view, "cls", None)
        if api is None:
            return ["GET", "POST"]
        return [m.upper() for m in api.http_method_names if m not in {"head", "options"} and hasattr(api, m)]

    def action(self, method: str) -> str:
        declared = self.access
        if isinstance(declared, dict):
            return declared[method]
        assert declared
        return declared

    def address(self, rows: dict[str, Any]) -> str:
        """The route filled with rows. ``rows`` maps the word before a parameter to what stands there."""

        def fill(match: re.Match[str]) -> str:
            if match["name"] in rows:
                return str(rows[match["name"]])
            before = self.text[: match.start()].rstrip("/").rsplit("/", 1)[-1]
            if self.model is not None and match["name"] == "object_id":
                return str(rows[self.model._meta.model_name])
            try:
                return str(rows[f"{before}/"])
            except KeyError:
                raise LookupError(
                    f"The walk does not know which row stands after {before}/ in {self.text}: add it to rows()."
                ) from None

        if "(?P<" in self.text:  # a library's regular expression
            plain = _GROUP.sub(lambda group: group[1].split("|")[0] if "|" in group[1] else "x", self.text)
            return "/" + _PARAMETER.sub(fill, plain).translate({ord(sign): None for sign in "^$\\"})
        return "/" + _PARAMETER.sub(fill, self.text)


def routes() -> list[Route]:
    """Pages, API and libraries, and the admin as it stands in a workspace."""
    own = list(_below("", get_resolver().url_patterns))
    return [*own, *_admin()]


def _admin() -> Iterator[Route]:
    for pattern in get_resolver(Addresses("acme")).url_patterns:
        if isinstance(pattern, URLResolver) and pattern.namespace == "admin":
            for route in _below("w/<slug>/govern/", pattern.url_patterns):
                yield Route(route.text, route.view, _model_of(route.text))


def _model_of(text: str) -> Any:
    parts = text.split("/")
    known = {(m._meta.app_label, m._meta.model_name): m for m in site._registry}
    return known.get((parts[3], parts[4])) if len(parts) > 5 else None


def _below(prefix: str, patterns: Any) -> Iterator[Route]:
    for pattern in patterns:
        text = prefix + (
            pattern.pattern._route if isinstance(pattern.pattern, RoutePattern) else str(pattern.pattern.regex.pattern)
        )
        if isinstance(pattern, URLResolver):
            yield from _below(text, pattern.url_patterns)
        elif isinstance(pattern, URLPattern):
            yield Route(text.replace("^", ""), pattern.callback)
