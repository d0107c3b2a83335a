"""Runs of a source, with their page-by-page account."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from datasources import browsing, sources
from datasources.api.base import DataAPI, one_of
from datasources.api.shapes import RunItemShape, RunShape
from datasources.models import DataSource, Node, RunItem, SyncRun


class Runs(DataAPI):
    access = "datasource.view"

    @extend_schema(operation_id="runs_list", responses=RunShape(many=True))
    def get(self, request: Request, slug: str, pk: UUID) -> Response:
        """Newest first."""
        return self.listed(RunShape, self.source(pk).runs.select_related("requested_by"))


class RunAPI(DataAPI):
    def row(self, pk: UUID, run: UUID, *, manage: bool = False) -> SyncRun:
        source = self.managed(pk) if manage else self.source(pk)
        return get_object_or_404(source.runs.select_related("source__workspace", "requested_by"), pk=run)


class OneRun(RunAPI):
    access = "datasource.view"

    @extend_schema(operation_id="runs_get", responses=RunShape)
    def get(self, request: Request, slug: str, pk: UUID, run: UUID) -> Response:
        return self.shown(RunShape, self.row(pk, run))


class RunItems(RunAPI):
    access = "datasource.view"

    @extend_schema(
        operation_id="runs_items",
        responses=RunItemShape(many=True),
        parameters=[
            OpenApiParameter("outcome", str, enum=RunItem.Outcome.values),
            OpenApiParameter("q", str, description="Only what has this text in its path."),
        ],
    )
    def get(self, request: Request, slug: str, pk: UUID, run: UUID) -> Response:
        """What became of each document. Who does not manage the source sees those that they may read."""
        found = self.row(pk, run)
        rows = found.items.all()
        if outcome := one_of(request.query_params.get("outcome"), RunItem.Outcome, "outcome"):
            rows = rows.filter(outcome=outcome)
        if text := request.query_params.get("q", "").strip():
            rows = rows.filter(path__icontains=text)
        if not DataSource.objects.manageable_by(self.membership).filter(pk=pk).exists():
            seen = Node.objects.browsable_by(self.membership).filter(source=pk)
            rows = rows.filter(node__in=seen.values("pk"))
        return self.listed(RunItemShape, rows, ordering=["id"])


class RunRetry(RunAPI):
    access = {"POST": "datasource.manage"}

    @extend_schema(operation_id="runs_retry", request=None, responses={202: RunShape})
    def post(self, request: Request, slug: str, pk: UUID, run: UUID) -> Response:
        """A run over just what failed in this one."""
        again = sources.retry_failed(self.row(pk, run, manage=True), by=self.person)
        return self.shown(RunShape, again, status.HTTP_202_ACCEPTED)


class RetryRequest(serializers.Serializer[Any]):
    """What is read again: of the ``nodes`` that are named and all below them, what has this ``status`` and text."""

    status = serializers.ChoiceField(
        [Node.Status.FAILED, Node.Status.SKIPPED], required=False, help_text="Left out: both."
    )
    q = serializers.CharField(required=False, allow_blank=True, help_text="Only what has this in its title.")
    nodes = serializers.ListField(
        child=serializers.UUIDField(), required=False, max_length=1000, help_text="Left out: all of the source."
    )


class NodesRetry(DataAPI):
    access = {"POST": "datasource.manage"}

    @extend_schema(operation_id="nodes_retry", request=RetryRequest, responses={202: RunShape})
    def post(self, request: Request, slug: str, pk: UUID) -> Response:
        """A run over what failed or was skipped. Where one is open already, that one, and they are read after it.

        What was left out as it was listed is listed anew rather than read: only the place can say that it may come in.
        """
        source, asked = self.managed(pk), self.parsed(RetryRequest)
        rows = browsing.matching(self.membership, source, asked.get("q", "").strip(), asked.get("status", ""))
        rows = rows.filter(status__in=[Node.Status.FAILED, Node.Status.SKIPPED])
        if "nodes" in asked:
            rows = rows.filter(parents__overlap=asked["nodes"])
        run = sources.retry_nodes(source, rows, by=self.person)
        return self.shown(RunShape, run, status.HTTP_202_ACCEPTED)


class RunApprove(RunAPI):
    access = {"POST": "datasource.manage"}

    @extend_schema(operation_id="runs_approve_deletions", request=None, responses={202: RunShape})
    def post(self, request: Request, slug: str, pk: UUID, run: UUID) -> Response:
        """Yes, remove what this run found missing and held back (``held``)."""
        again = sources.approve_deletions(self.row(pk, run, manage=True), by=self.person)
        return self.shown(RunShape, again, status.HTTP_202_ACCEPTED)


class RunReject(RunAPI):
    access = {"POST": "datasource.manage"}

    @extend_schema(operation_id="runs_reject_deletions", request=None, responses=RunShape)
    def post(self, request: Request, slug: str, pk: UUID, run: UUID) -> Response:
        """No, keep it; the next sync looks again."""
        found = self.row(pk, run, manage=True)
        sources.reject_deletions(found, by=self.person)
        return self.shown(RunShape, self.row(pk, run))
