"""What every endpoint below ``workspaces/<slug>/`` stands on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from asgiref.sync import sync_to_async
from django.db.models import QuerySet
from django.http import HttpResponseBase
from rest_framework import status
from rest_framework.exceptions import ValidationError
from rest_framework.generics import GenericAPIView
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from portal.api.pagination import Sliced
from portal.models import Membership, User, Workspace


class WorkspaceAPI(GenericAPIView):
    """Parses, fetches what the caller may see, calls a verb, shows the outcome.

    ``access`` names the action that each method needs (see portal.access). Rows come from querysets that carry visibility.
    """

    access: ClassVar[str | Mapping[str, str]] = ""

    @property
    def membership(self) -> Membership:
        return self.request.membership  # type: ignore[attr-defined]

    @property
    def workspace(self) -> Workspace:
        return self.request.workspace  # type: ignore[attr-defined]

    @property
    def person(self) -> User:
        return self.membership.user

    def parsed(self, serializer_class: type[BaseSerializer], *, partial: bool = False) -> dict[str, Any]:
        """The body, checked; raises ValidationError, which becomes a problem with code ``invalid``."""
        serializer = serializer_class(data=self.request.data, partial=partial, context=self.get_serializer_context())
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)

    def asked(self, **known: Iterable[str]) -> dict[str, str]:
        """Query parameters that each take one of a few words; empty where left out. Raises ValidationError for all others, which
        would otherwise narrow nothing and give everything."""
        given = {name: self.request.query_params.get(name, "").strip() for name in known}
        wrong = {
            name: f"It takes one of {', '.join(word for word in words if word)}."
            for name, words in known.items()
            if given[name] and given[name] not in words
        }
        if wrong:
            raise ValidationError(wrong)
        return given

    def shown(
        self, serializer_class: type[BaseSerializer], row: Any, code: int = status.HTTP_200_OK, **context: Any
    ) -> Response:
        serializer = serializer_class(row, context={**self.get_serializer_context(), **context})
        return Response(serializer.data, status=code)

    def listed(
        self,
        serializer_class: type[BaseSerializer],
        rows: QuerySet[Any] | Sliced,
        *,
        ordering: Iterable[str] | None = None,
        context: Any = None,
    ) -> Response:
        """One page of ``rows``: a queryset, unless they are paged by their place. ``context`` is called with the page, for what
        its rows need together (counts, names)."""
        if ordering is not None and self.paginator is not None:
            self.paginator.ordering = tuple(ordering)  # type: ignore[attr-defined]
        page = self.paginate_queryset(rows)  # type: ignore[arg-type]
        assert page is not None
        more = context(page) if context else {}
        serializer = serializer_class(page, many=True, context={**self.get_serializer_context(), **more})
        return self.get_paginated_response(serializer.data)


class AsyncWorkspaceAPI(WorkspaceAPI):
    """The same with ``async def`` handlers, for what waits: models, the index, events. Checks run in a thread."""

    async def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> HttpResponseBase:  # type: ignore[override]
        self.args, self.kwargs = args, kwargs
        self.headers = self.default_response_headers
        self.request = wrapped = self.initialize_request(request, *args, **kwargs)
        try:
            await sync_to_async(self.initial)(wrapped, *args, **kwargs)
            name = (request.method or "").lower()
            known = name in self.http_method_names and hasattr(self, name)
            if known and name != "options":
                response = await getattr(self, name)(wrapped, *args, **kwargs)
            else:
                response = (self.options if known else self.http_method_not_allowed)(wrapped, *args, **kwargs)
        except Exception as error:  # noqa: BLE001  the framework's edge: handle_exception re-raises what is not ours
            response = await sync_to_async(self.handle_exception)(error)
        self.response = self.finalize_response(wrapped, response, *args, **kwargs)
        return self.response
