"""What people type on the pages of assistants and conversations, checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from assistants.models import Assistant, Conversation, Feedback
from assistants.planning import LONGEST_QUESTION
from datasources import narrowing
from datasources.retrieval.types import Branch
from portal.models import Credential, Membership, User
from portal.spending.offers import models_for


class PlacesField(forms.Field):
    """Ids of sources and nodes, one value each."""

    widget = forms.MultipleHiddenInput

    def to_python(self, value: Sequence[str] | None) -> list[UUID]:
        try:
            return [UUID(one) for one in value or ()]
        except ValueError as error:
            raise ValidationError("What the question is narrowed to did not arrive whole. Choose it again.") from error


class NarrowForm(forms.Form):
    """Where alone to look for a question. Whether its asker may read there is for the verb to check."""

    narrow = PlacesField(required=False)

    def __init__(self, *args: Any, membership: Membership, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.membership = membership

    def clean_narrow(self) -> tuple[Branch, ...]:
        return narrowing.branches_of(self.membership, self.cleaned_data["narrow"])


class AskForm(NarrowForm):
    """A question, and the handle of the assistant that it is for; empty is whoever the conversation is with."""

    content = forms.CharField(
        max_length=LONGEST_QUESTION,
        widget=forms.Textarea(attrs={"rows": 1}),
        error_messages={
            "required": "Write a question first.",
            "max_length": f"A question has at most {LONGEST_QUESTION:,} characters; put long text into a data source.",
        },
    )
    assistant = forms.SlugField(required=False, max_length=40)

    def clean_assistant(self) -> Assistant | None:
        handle = self.cleaned_data["assistant"]
        if not handle:
            return None
        found = Assistant.objects.visible_to(self.membership).filter(handle__iexact=handle).first()
        if found is None:
            raise ValidationError(f"There is no assistant @{handle} that you may use.")
        return found


class RenameForm(forms.ModelForm):
    title = forms.CharField(max_length=200, error_messages={"required": "Give it a name."})

    class Meta:
        model = Conversation
        fields = ("title",)


class ShareForm(forms.Form):
    """With whom: e-mail addresses of people here, and perhaps everyone in the workspace."""

    people = forms.CharField(required=False, max_length=4000)
    workspace = forms.BooleanField(required=False)

    def __init__(self, *args: Any, membership: Membership, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.membership = membership

    def clean_people(self) -> list[User]:
        typed = [part.strip().lower() for part in self.cleaned_data["people"].replace(";", ",").split(",")]
        addresses = list(dict.fromkeys(part for part in typed if part))
        for address in addresses:
            try:
                validate_email(address)
            except ValidationError as error:
                raise ValidationError(f"{address} is not an e-mail address.") from error
        here = Membership.objects.active().filter(workspace=self.membership.workspace_id, user__email__in=addresses)
        found = {m.user.email.lower(): m.user for m in here.select_related("user")}
        if missing := [address for address in addresses if address not in found]:
            raise ValidationError(f"Nobody here has the address {', '.join(missing)}. Invite them first.")
        return [found[address] for address in addresses]


class FeedbackForm(forms.Form):
    """A thumb; the rest is asked for once it is down. ``up`` empty takes it back."""

    up = forms.TypedChoiceField(
        choices=[("1", "Good answer"), ("0", "Not good")], coerce=lambda v: v == "1", required=False, empty_value=None
    )
    reason = forms.ChoiceField(choices=[("", "No reason"), *Feedback.Reason.choices], required=False)
    comment = forms.CharField(max_length=2000, required=False)
    include_conversation = forms.BooleanField(required=False)


class ModelChoice(forms.TypedChoiceField):
    """``credential id|model name``; empty is the workspace's default."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, required=False, coerce=self._parts, **kwargs)
        self.empty_value: tuple[None, str] = (None, "")  # type: ignore[assignment]
        self.credentials: dict[str, Credential] = {}

    def offer(self, membership: Membership, current: tuple[Credential | None, str] = (None, "")) -> None:
        """List the models that are offered to this person; what is set stays, even where it is not listed any more."""
        workspace = membership.workspace
        default = workspace.default_model if workspace.default_credential_id else "quotes its sources"
        groups: list[Any] = [("", f"Workspace default: {default}")]
        for offering, models in models_for(membership):
            self.credentials[str(offering.pk)] = offering
            rows = [(f"{offering.pk}|{m['name']}", m["label"] or m["name"]) for m in models]
            groups.append((offering.name, rows))
        credential, model = current
        if credential is not None and model:
            value = f"{credential.pk}|{model}"
            listed = {key for _name, part in groups if isinstance(part, list) for key, _label in part}
            if value not in listed:
                self.credentials[str(credential.pk)] = credential
                groups.append((credential.name, [(value, f"{model} (no longer listed)")]))
        self.choices = groups

    def _parts(self, value: str) -> tuple[Credential | None, str]:
        key, _, model = value.partition("|")
        return self.credentials[key], model


class AgainForm(forms.Form):
    """Which model answers once more."""

    model = ModelChoice()

    def __init__(self, *args: Any, membership: Membership, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["model"].offer(membership)  # type: ignore[attr-defined]
