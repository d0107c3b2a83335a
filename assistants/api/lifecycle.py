"""The life of an assistant: publish, vet, hide, archive, restore, owners, hand-over, defaults."""

from __future__ import annotations

from typing import Any, ClassVar

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from assistants import lifecycle
from assistants.api.assistant_shapes import AssistantShape
from assistants.api.assistants import AssistantAPI
from assistants.models import Assistant, SpaceDefault
from assistants.needs import as_data, spaces_needed
from portal.api.fields import Within
from portal.api.shapes import SpaceName
from portal.models import Membership, Space, User


class Step(AssistantAPI):
    """One step of its life: the verb is the address's last word. 204 where the caller does not see it any more after it."""

    verb: ClassVar[str] = ""

    def act(self, handle: str, *arguments: Any, **named: Any) -> Response:
        return self.outcome(getattr(lifecycle, self.verb)(self.row(handle), self.person, *arguments, **named))

    def outcome(self, row: Assistant) -> Response:
        if not self.rows().filter(pk=row.pk).exists():
            return Response(status=status.HTTP_204_NO_CONTENT)
        return self.answer(row.handle)

    def known(self, handle: str) -> Assistant:
        """Archived ones, too, and those that nobody owns any more."""
        return get_object_or_404(self.governed(), handle__iexact=handle)


class Publish(Step):
    access = {"POST": "assistant.publish"}
    verb = "publish"

    @extend_schema(operation_id="assistants_publish", request=None, responses=AssistantShape)
    def post(self, request: Request, slug: str, handle: str) -> Response:
        """Offer it to everybody who may read in all of the spaces that it needs. Twice is once."""
        return self.act(handle)


class Unpublish(Step):
    access = {"POST": "assistant.publish"}
    verb = "unpublish"

    @extend_schema(operation_id="assistants_unpublish", request=None, responses=AssistantShape)
    def post(self, request: Request, slug: str, handle: str) -> Response:
        """Only its owners have it from now on. 204 where the caller is not one of them."""
        return self.act(handle)


class VetRequest(serializers.Serializer[Any]):
    version = serializers.IntegerField(
        required=False, help_text="What was looked at: refused with changed_since where it is not the latest any more."
    )
    comment = serializers.CharField(required=False, allow_blank=True, max_length=2000)


class Comment(serializers.Serializer[Any]):
    comment = serializers.CharField(required=False, allow_blank=True, max_length=2000)


class Vet(Step):
    access = {"POST": "assistant.vet"}
    verb = "vet"

    @extend_schema(operation_id="assistants_vet", request=VetRequest, responses=AssistantShape)
    def post(self, request: Request, slug: str, handle: str) -> Response:
        """Offer its latest version to the whole workspace without having been asked."""
        return self.act(handle, **self.parsed(VetRequest))


class Unvet(Step):
    access = {"POST": "assistant.vet"}
    verb = "unvet"

    @extend_schema(operation_id="assistants_unvet", request=Comment, responses=AssistantShape)
    def post(self, request: Request, slug: str, handle: str) -> Response:
        """An ordinary published assistant again. People go on with the version that they had."""
        return self.act(handle, **self.parsed(Comment))


class Hide(Step):
    access = {"POST": "assistant.govern"}
    verb = "hide"

    @extend_schema(operation_id="assistants_hide", request=None, responses=AssistantShape)
    def post(self, request: Request, slug: str, handle: str) -> Response:
        """Out of the gallery and of lists; whoever knows it still asks it."""
        return self.act(handle)


class Unhide(Step):
    access = {"POST": "assistant.govern"}
    verb = "unhide"

    @extend_schema(operation_id="assistants_unhide", request=None, responses=AssistantShape)
    def post(self, request: Request, slug: str, handle: str) -> Response:
        return self.act(handle)


class Restore(Step):
    access = {"POST": "assistant.edit"}

    @extend_schema(operation_id="assistants_restore", request=None, responses=AssistantShape)
    def post(self, request: Request, slug: str, handle: str) -> Response:
        """Bring an archived one back, as its owners' own. 204 where the caller is not one of them."""
        return self.outcome(lifecycle.restore(self.known(handle), self.person))


class TakeOver(Step):
    access = {"POST": "assistant.govern"}

    @extend_schema(operation_id="assistants_take_over", request=None, responses=AssistantShape)
    def post(self, request: Request, slug: str, handle: str) -> Response:
        """Own one that nobody who is here owns any more."""
        return self.outcome(lifecycle.take_over(self.known(handle), self.person))


# ---- Owners ------------------------------------------------------------------------------------------------------


class OwnerRequest(serializers.Serializer[Any]):
    user = serializers.IntegerField(help_text="The id of a person, as people/ lists it.")


class Owners(Step):
    access = {"POST": "assistant.edit"}
    verb = "add_owner"

    @extend_schema(operation_id="owners_add", request=OwnerRequest, responses=AssistantShape)
    def post(self, request: Request, slug: str, handle: str) -> Response:
        """Twice is once."""
        return self.act(handle, self._person(self.parsed(OwnerRequest)["user"]))

    def _person(self, pk: int) -> User:
        found = User.objects.filter(pk=pk, memberships__workspace=self.workspace).first()
        if found is None:
            raise serializers.ValidationError({"user": "Choose somebody of this workspace."})
        return found


class OneOwner(Step):
    access = {"DELETE": "assistant.edit"}
    verb = "remove_owner"

    @extend_schema(operation_id="owners_remove", responses={200: AssistantShape, 204: None})
    def delete(self, request: Request, slug: str, handle: str, user: int) -> Response:
        """Somebody has to be left. 204 where the caller does not see it any more."""
        owner = get_object_or_404(User, pk=user, assistants=self.row(handle))
        return self.act(handle, owner)


class HandOverRequest(serializers.Serializer[Any]):
    from_person: Any = Within(Membership, help_text="The membership whose assistants are handed over.")
    to_person: Any = Within(Membership, help_text="The membership that takes them.")
    assistant = serializers.CharField(
        required=False, help_text="A handle: only this one of them. Left out: all of them."
    )


class HandedOver(serializers.Serializer[Any]):
    assistants = serializers.ListField(child=serializers.CharField(), help_text="Their handles.")


class HandOver(Step):
    access = {"POST": "assistant.edit"}

    @extend_schema(operation_id="assistants_hand_over", request=HandOverRequest, responses=HandedOver)
    def post(self, request: Request, slug: str) -> Response:
        """What one person owns, or one assistant of it, is another's from now on. By admins, and by whoever gives."""
        asked = self.parsed(HandOverRequest)
        given, taken = asked["from_person"].user, asked["to_person"].user
        only = self.known(asked["assistant"].removeprefix("@")) if "assistant" in asked else None
        rows = lifecycle.hand_over(self.workspace, given, taken, self.person, only)
        return Response({"assistants": [row.handle for row in rows]})


# ---- What it needs, and defaults ---------------------------------------------------------------------------------


class NeedShape(serializers.Serializer[Any]):
    """One of ``spaces`` is enough; ``others``: how many more there are that the caller may not know of."""

    spaces = SpaceName(many=True)
    everybody = serializers.BooleanField()
    others = serializers.IntegerField()
    parts = serializers.IntegerField()


class Needs(AssistantAPI):
    access = "assistant.view"

    @extend_schema(operation_id="assistants_needs", responses=NeedShape(many=True))
    def get(self, request: Request, slug: str, handle: str) -> Response:
        """The spaces that a person has to be in to be offered it: one of each entry."""
        row = self.row(handle)
        version = row.live or row.latest
        return Response(as_data(spaces_needed(version), self.membership) if version else [])


class DefaultShape(serializers.Serializer[Any]):
    space = SpaceName(allow_null=True)
    assistant = serializers.CharField(allow_null=True)


class DefaultRequest(serializers.Serializer[Any]):
    space: Any = Within(Space, allow_null=True, required=False, help_text="Null or left out: the whole workspace.")
    assistant = serializers.CharField(allow_null=True, help_text="A handle; null chooses none.")


class Defaults(AssistantAPI):
    access = {"GET": "assistant.govern", "PUT": "assistant.govern"}

    @extend_schema(operation_id="defaults_list", responses=DefaultShape(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """Who answers where no assistant was chosen: in the workspace (no space), and in spaces that have their own."""
        return Response(self._all())

    @extend_schema(operation_id="defaults_set", request=DefaultRequest, responses=DefaultShape(many=True))
    def put(self, request: Request, slug: str) -> Response:
        asked = self.parsed(DefaultRequest)
        handle = asked["assistant"]
        row = self.row(handle.removeprefix("@")) if handle else None
        if space := asked.get("space"):
            lifecycle.set_space_default(space, row, self.person)
        else:
            lifecycle.set_default(self.workspace, row, self.person)
        return Response(self._all())

    def _all(self) -> list[dict[str, Any]]:
        of_all = Assistant.objects.filter(workspace=self.workspace, is_default=True).first()
        rows = SpaceDefault.objects.filter(space__workspace=self.workspace).select_related("space", "assistant")
        return [
            {"space": None, "assistant": of_all.handle if of_all else None},
            *(
                {"space": SpaceName(row.space).data, "assistant": row.assistant.handle}
                for row in rows.order_by("space__name")
            ),
        ]
