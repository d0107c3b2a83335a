"""Data sources: connect, change, sync, delete; and who may see them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar
from uuid import UUID

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from datasources import choosing, connecting, granting, sources
from datasources.api.base import DataAPI
from datasources.api.connecting import lines_of
from datasources.api.entering import EntersAPI
from datasources.api.shapes import GrantShape, RunShape, SelectionShape, SourceShape, UsesShape, around
from datasources.api.sharing import GrantRequest, part_of, parts_by_space, shared
from datasources.models import DataSource, Grant, SyncRun
from datasources.uses import used_by
from portal.api.fields import Within
from portal.api.problems import Problem
from portal.models import Credential, Membership, Space


class SourceRequest(serializers.Serializer[Any]):
    kind = serializers.CharField(max_length=40)
    name = serializers.CharField(max_length=120)
    config = serializers.DictField(required=False)
    spaces = serializers.ListField(
        child=Within(Space), required=False, help_text="Who may see all of it; left out, everybody in the workspace."
    )
    grants = GrantRequest(many=True, required=False, help_text="Spaces that see only parts, from the first sync on.")
    schedule = serializers.ChoiceField(
        DataSource.Schedule.choices, required=False, help_text="Left out: every day, where the kind can be asked."
    )
    auth = serializers.CharField(
        max_length=40, required=False, help_text="Which way to prove who one is; left out, the kind's first."
    )
    secret = serializers.DictField(
        required=False, write_only=True, help_text="What that way asks for, by name; kept encrypted. See connectors/."
    )
    credential = Within(
        Credential, required=False, allow_null=True, help_text="One that is there, instead of a secret."
    )
    mirror = serializers.BooleanField(
        required=False, help_text="Mirror who may read at the vendor, where the kind can."
    )
    selection = SelectionShape(many=True, required=False)
    draft = serializers.BooleanField(
        required=False,
        help_text="Keep it unfinished, to browse and estimate first; …/start/ takes spaces, schedule and mirror then.",
    )

    def validate(self, given: dict[str, Any]) -> dict[str, Any]:
        if given.pop("draft", False):
            if early := sorted({"spaces", "grants", "schedule", "mirror"} & set(given)):
                raise serializers.ValidationError(dict.fromkeys(early, "Of a draft, say this when it is started."))
            given["draft"] = True
        return given


class StartRequest(serializers.Serializer[Any]):
    """What is left out: the draft's own name, everybody in the workspace, every day, and no mirroring."""

    name = serializers.CharField(max_length=120, required=False)
    spaces = serializers.ListField(child=Within(Space), required=False)
    grants = GrantRequest(many=True, required=False, help_text="Spaces that see only parts, from the first sync on.")
    schedule = serializers.ChoiceField(DataSource.Schedule.choices, required=False)
    mirror = serializers.BooleanField(required=False)


class SourceChange(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=120, required=False)
    config = serializers.DictField(required=False)
    schedule = serializers.ChoiceField(DataSource.Schedule.choices, required=False)
    auth = serializers.CharField(max_length=40, required=False)
    secret = serializers.DictField(required=False, write_only=True, help_text="Connects it anew; see connectors/.")
    credential = Within(Credential, required=False)
    mirror = serializers.BooleanField(required=False)
    selection = SelectionShape(many=True, required=False)


class SourceDetail(SourceShape):
    selection = SelectionShape(many=True, source="selections")
    used_by = serializers.SerializerMethodField()

    class Meta(SourceShape.Meta):
        fields = [*SourceShape.Meta.fields, "selection", "used_by"]
        read_only_fields = fields

    @extend_schema_field(UsesShape)
    def get_used_by(self, row: DataSource) -> Any:
        return UsesShape(self.context["uses"][row.pk]).data


def _in_detail(membership: Membership, source: DataSource) -> dict[str, Any]:
    return {**around(membership, [source]), "uses": used_by(membership, [source])}


class ConnectsAPI(EntersAPI):
    def must_know(self, spaces: Any) -> None:
        known = set(Space.objects.governed_by(self.membership).values_list("pk", flat=True))
        if unknown := [space for space in spaces if space.pk not in known]:
            raise serializers.ValidationError({"spaces": f"There is no space {unknown[0].pk}, or you are not in it."})


class DataSources(ConnectsAPI):
    access = {"GET": "datasource.view", "POST": "datasource.create"}

    @extend_schema(operation_id="data_sources_list", responses=SourceShape(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """The sources of which the caller may read some part, or which they manage."""
        rows = DataSource.objects.visible_to(self.membership).exclude(state=DataSource.State.DELETING)
        return self.listed(SourceShape, rows, context=lambda page: around(self.membership, page))

    @extend_schema(operation_id="data_sources_create", request=SourceRequest, responses={201: SourceDetail})
    def post(self, request: Request, slug: str) -> Response:
        """Connect a source and start its first sync. A folder: ``{"kind": "folder", "config": {"path": "/srv/handbook"}}``.

        With ``draft`` nothing comes in, and nobody else sees it, until it is started.
        """
        given = self.parsed(SourceRequest)
        grants = shared(given)
        self.must_know(given.get("spaces", ()))
        kind, selection = given.pop("kind"), given.pop("selection", ())
        if given.pop("draft", False):
            make: Callable[..., DataSource] = connecting.begin
        else:
            make = partial(connecting.connect, share=lambda source: parts_by_space(source, grants))
        source = make(
            workspace=self.workspace,
            by=self.person,
            kind=kind,
            entered=self.entered(kind, given),
            choose=lambda source: lines_of(source, selection),
            **given,
        )
        return self.shown(SourceDetail, source, status.HTTP_201_CREATED, **_in_detail(self.membership, source))


class Start(ConnectsAPI):
    access = {"POST": "datasource.manage"}

    @extend_schema(operation_id="data_sources_start", request=StartRequest, responses=SourceDetail)
    def post(self, request: Request, slug: str, pk: UUID) -> Response:
        """A draft becomes a source, seen by these spaces, and its first sync begins."""
        source, given = self.managed(pk), self.parsed(StartRequest)
        grants = shared(given)
        spaces = given.pop("spaces", None)
        self.must_know(spaces or ())
        granted = [sources.company_of(self.workspace)] if spaces is None else spaces
        parts, named = parts_by_space(source, grants)
        source = connecting.go(
            source, by=self.person, spaces=granted, parts=parts, named=named, **{"name": source.name, **given}
        )
        return self.shown(SourceDetail, source, **_in_detail(self.membership, source))


class OneDataSource(EntersAPI):
    access = {"GET": "datasource.view", "PATCH": "datasource.manage", "DELETE": "datasource.manage"}

    @extend_schema(operation_id="data_sources_get", responses=SourceDetail)
    def get(self, request: Request, slug: str, pk: UUID) -> Response:
        return self._shown(self.source(pk))

    @extend_schema(operation_id="data_sources_change", request=SourceChange, responses=SourceDetail)
    def patch(self, request: Request, slug: str, pk: UUID) -> Response:
        """A changed ``config`` is tested; a changed ``config`` or ``selection`` is synced."""
        source, given = self.managed(pk), self.parsed(SourceChange)
        selection = given.pop("selection", None)
        if {"auth", "secret", "config", "credential"} & set(given):
            given = {"config": source.config, **given}
            source = connecting.reconnect(source, by=self.person, entered=self.entered(source.kind, given, source))
        if given:
            source = sources.update_source(source, by=self.person, **given)
        if selection is not None:
            source = choosing.choose(source, lines_of(source, selection), by=self.person)
        return self._shown(source)

    @extend_schema(operation_id="data_sources_delete", responses={204: None})
    def delete(self, request: Request, slug: str, pk: UUID) -> Response:
        """Gone for everybody at once; its passages, documents and files are then taken out in the background.

        A draft is forgotten, with its key where nothing else uses that.
        """
        source = self.managed(pk)
        if source.state == DataSource.State.DRAFT:
            connecting.forget_draft(source, by=self.person)
        else:
            sources.delete_source(source, by=self.person)
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _shown(self, source: DataSource) -> Response:
        return self.shown(SourceDetail, source, **_in_detail(self.membership, source))


class Sync(DataAPI):
    access = {"POST": "datasource.manage"}

    @extend_schema(operation_id="data_sources_sync", request=None, responses={202: RunShape})
    def post(self, request: Request, slug: str, pk: UUID) -> Response:
        """Start a run, or get the one that is open; a paused one goes on. Calling twice starts one."""
        run = sources.request_sync(self.managed(pk), by=self.person, trigger=SyncRun.Trigger.PERSON)
        run.refresh_from_db()
        return self.shown(RunShape, run, status.HTTP_202_ACCEPTED)


class RunWish(DataAPI):
    """Pause, resume or stop the open run: the verb is the address's last word."""

    access = {"POST": "datasource.manage"}
    verb: ClassVar[str] = ""

    def act(self, pk: UUID) -> Response:
        run = self.managed(pk).runs.filter(state__in=SyncRun.OPEN).first()
        if run is None:
            raise Problem("no_open_run", "No sync of this source is under way. Start one with …/sync/.", 409)
        return self.shown(RunShape, getattr(sources, f"{self.verb}_run")(run, by=self.person))


class Pause(RunWish):
    verb = "pause"

    @extend_schema(operation_id="data_sources_pause", request=None, responses=RunShape)
    def post(self, request: Request, slug: str, pk: UUID) -> Response:
        """The worker obeys between two documents; ``wish`` says what was asked and is not done yet."""
        return self.act(pk)


class Resume(RunWish):
    verb = "resume"

    @extend_schema(operation_id="data_sources_resume", request=None, responses=RunShape)
    def post(self, request: Request, slug: str, pk: UUID) -> Response:
        """A paused run goes on where it was."""
        return self.act(pk)


class Stop(RunWish):
    verb = "stop"

    @extend_schema(operation_id="data_sources_stop", request=None, responses=RunShape)
    def post(self, request: Request, slug: str, pk: UUID) -> Response:
        """End the run; what came in stays."""
        return self.act(pk)


class Grants(DataAPI):
    access = {"GET": "grant.manage", "POST": "grant.manage"}

    @extend_schema(operation_id="grants_list", responses=GrantShape(many=True))
    def get(self, request: Request, slug: str, pk: UUID) -> Response:
        """Which space sees which part of this source."""
        rows = self.managed(pk).grants.select_related("space")
        return self.listed(GrantShape, rows, ordering=["id"])

    @extend_schema(operation_id="grants_save", request=GrantRequest, responses=GrantShape)
    def post(self, request: Request, slug: str, pk: UUID) -> Response:
        """Let a space see the source or parts of it. Its grant so far is replaced, so calling twice is the same as once.

        Parts may be named before they came in, as soon as the place offers them or they are chosen.
        """
        given = self.parsed(GrantRequest)
        source = self.managed(pk)
        part, named = part_of(source, given)
        made = granting.grant_access(source, given["space"], by=self.person, parents_in=part, named=named)
        return self.shown(GrantShape, made)


class OneGrant(DataAPI):
    access = {"DELETE": "grant.manage"}

    @extend_schema(operation_id="grants_revoke", responses={204: None})
    def delete(self, request: Request, slug: str, pk: UUID, grant: UUID) -> Response:
        """The space no longer sees it."""
        row = get_object_or_404(
            Grant.objects.select_related("source__workspace", "space"), source=self.managed(pk), pk=grant
        )
        granting.take_access(row.source, row.space, by=self.person)
        return Response(status=status.HTTP_204_NO_CONTENT)
