"""A source's webhook: the address that its vendor calls, and the secret that it signs with."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from datasources import hooks
from datasources.api.base import DataAPI
from datasources.models import DataSource
from portal.api.problems import Problem


class WebhookShape(serializers.Serializer[Any]):
    """``url`` is empty where no address is open. ``secret`` is told once, by the call that made it; one that the vendor sent, to
    be confirmed there, as often as it is asked for.

    ``signed_with``: ``ours`` Atrium makes the secret up, ``theirs`` it is copied from the vendor, ``sent`` the vendor tells it
    in its first call, ``none`` nothing is signed.
    """

    url = serializers.CharField()
    secret = serializers.CharField()
    has_secret = serializers.BooleanField()
    signed_with = serializers.ChoiceField(["ours", "theirs", "sent", "none"])
    steps = serializers.ListField(child=serializers.CharField(), help_text="What to do at the vendor.")


class SecretRequest(serializers.Serializer[Any]):
    secret = serializers.CharField(max_length=hooks.LONGEST_SECRET, write_only=True)


class HookAPI(DataAPI):
    def told(self, source: DataSource, hook: hooks.Hook | None, code: int = status.HTTP_200_OK) -> Response:
        help_ = hooks.help_of(source)
        if help_ is None:
            raise Problem("no_webhook", "This kind of place can't call Atrium; it is looked at by schedule.", 409)
        source.refresh_from_db(fields=["hook_secret_encrypted"])
        shown = {
            "url": hook.url if hook else "",
            "secret": hook.secret if hook else "",
            "has_secret": hooks.has_secret(source),
            "signed_with": help_.signed_with,
            "steps": hook.steps if hook else (),
        }
        return Response(WebhookShape(shown).data, status=code)


class Webhook(HookAPI):
    access = {"GET": "datasource.manage", "POST": "datasource.manage", "DELETE": "datasource.manage"}

    @extend_schema(operation_id="webhooks_get", responses=WebhookShape)
    def get(self, request: Request, slug: str, pk: UUID) -> Response:
        """The address that is open, without a secret that Atrium made."""
        source = self.managed(pk)
        return self.told(source, hooks.hook_of(source))

    @extend_schema(operation_id="webhooks_open", request=None, responses={201: WebhookShape})
    def post(self, request: Request, slug: str, pk: UUID) -> Response:
        """Make the address and, where Atrium makes it up, the secret."""
        source = self.managed(pk)
        return self.told(source, hooks.open_hook(source, by=self.person), status.HTTP_201_CREATED)

    @extend_schema(operation_id="webhooks_close", responses={204: None})
    def delete(self, request: Request, slug: str, pk: UUID) -> Response:
        """The address answers 404 from now on; opening it again makes another. Twice is once."""
        hooks.close_hook(self.managed(pk), by=self.person)
        return Response(status=status.HTTP_204_NO_CONTENT)


class WebhookRotate(HookAPI):
    access = {"POST": "datasource.manage"}

    @extend_schema(operation_id="webhooks_rotate", request=None, responses=WebhookShape)
    def post(self, request: Request, slug: str, pk: UUID) -> Response:
        """A new secret under the same address; the old one counts no more."""
        source = self.managed(pk)
        return self.told(source, hooks.rotate_hook_secret(source, by=self.person))


class WebhookSecret(HookAPI):
    access = {"PUT": "datasource.manage"}

    @extend_schema(operation_id="webhooks_secret", request=SecretRequest, responses=WebhookShape)
    def put(self, request: Request, slug: str, pk: UUID) -> Response:
        """Keep the secret that the vendor made up (``signed_with`` is ``theirs``). It never comes out again."""
        source = self.managed(pk)
        hooks.set_hook_secret(source, self.parsed(SecretRequest)["secret"], by=self.person)
        return self.told(source, hooks.hook_of(source))
