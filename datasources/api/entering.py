"""What an integration enters to connect a place, and trying it with nothing kept."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from datasources import connecting, sources
from datasources.api.base import DataAPI
from datasources.connectors.base import ConnectorError
from datasources.connectors.registry import about
from datasources.models import DataSource
from portal.api.fields import Within
from portal.models import Credential
from portal.pages import sentence


class EntersAPI(DataAPI):
    def entered(self, kind: str, given: dict[str, Any], source: DataSource | None = None) -> connecting.Entered:
        """Takes what proves who one is out of ``given``, checked."""
        try:
            about(kind)
        except ConnectorError as error:
            raise serializers.ValidationError({"kind": str(error)}) from error
        credential = given.pop("credential", None)
        if credential is not None:
            usable = connecting.usable_credentials(self.membership, kind)
            if not usable.filter(pk=credential.pk).exists():
                raise serializers.ValidationError({"credential": "This credential is not for this kind, or not yours."})
        return connecting.read_entered(
            kind,
            config=given.pop("config", {}),
            auth=given.pop("auth", ""),
            fields=given.pop("secret", {}),
            credential=credential,
            source=source,
        )

    def tried(self, kind: str, entered: connecting.Entered, source: DataSource | None = None) -> Response:
        """What the place says to it. That it says no is an answer, too."""
        if entered.waits:
            return _told(True, f"{about(kind).label} has still to be asked, in a browser, whether this is allowed.")
        try:
            return _told(True, connecting.try_entered(self.workspace, kind, entered, source))
        except ValidationError as error:
            return _told(False, sentence(error))


class SourceTestRequest(serializers.Serializer[Any]):
    """What is left out is as it is kept; a secret only as long as the address stays."""

    config = serializers.DictField(required=False)
    auth = serializers.CharField(max_length=40, required=False)
    secret = serializers.DictField(required=False, write_only=True, help_text="By name; see connectors/.")
    credential = Within(Credential, required=False)


class ConnectionTestRequest(SourceTestRequest):
    """The same as for connecting: see ``POST data-sources/``."""

    kind = serializers.CharField(max_length=40)


class ConnectionTestResult(serializers.Serializer[Any]):
    """``message``: what the place can see with it, or what to do."""

    ok = serializers.BooleanField()
    message = serializers.CharField()


def _told(ok: bool, message: str) -> Response:
    return Response(ConnectionTestResult({"ok": ok, "message": message}).data)


class ConnectionTest(EntersAPI):
    access = {"POST": "datasource.create"}

    @extend_schema(operation_id="connectors_test", request=ConnectionTestRequest, responses={200: ConnectionTestResult})
    def post(self, request: Request, slug: str) -> Response:
        """Try a connection. Nothing is kept."""
        given = self.parsed(ConnectionTestRequest)
        kind = given.pop("kind")
        return self.tried(kind, self.entered(kind, given))


class SourceTest(EntersAPI):
    access = {"POST": "datasource.manage"}

    @extend_schema(operation_id="data_sources_test", request=SourceTestRequest, responses={200: ConnectionTestResult})
    def post(self, request: Request, slug: str, pk: UUID) -> Response:
        """Try the connection as it is, or with what is given instead. Nothing is kept."""
        source, given = self.managed(pk), self.parsed(SourceTestRequest)
        if given:
            given = {"config": source.config, **given}
            return self.tried(source.kind, self.entered(source.kind, given, source), source)
        try:
            return _told(True, sources.check_connection(source))
        except ValidationError as error:
            return _told(False, sentence(error))
