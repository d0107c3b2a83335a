"""What people type on the pages of assistants and conversations, checked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils import timezone

from assistants.drafts import MOST_DAYS, MOST_STARTERS, checked_fields, checked_handle
from assistants.models import Assistant, AssistantVersion, Conversation, Feedback
from assistants.models.assistant import HANDLE
from assistants.planning import LONGEST_QUESTION
from datasources import narrowing
from datasources.retrieval.types import Branch
from portal.credentials import offered_models
from portal.models import Credential, Membership, User

COLOURS = ("slate", "red", "amber", "green", "teal", "blue", "violet", "pink")


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
        """List what the workspace's credentials offer; what is set stays, even where it is not listed any more."""
        workspace = membership.workspace
        default = workspace.default_model if workspace.default_credential_id else "quotes its sources"
        groups: list[Any] = [("", f"Workspace default: {default}")]
        for offering, models in offered_models(workspace):
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


class TagsField(forms.CharField):
    """Tags with commas between, as a list."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.TextInput(attrs={"spellcheck": "false", "autocomplete": "off", "data-tags": ""})
        super().__init__(required=False, max_length=4000, widget=widget, **kwargs)

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list | tuple) else value

    def to_python(self, value: Any) -> Any:
        parts = [part.strip() for part in str(self.prepare_value(value) or "").split(",")]
        return list(dict.fromkeys(part for part in parts if part))


def _midnight(day: date | None, days: int = 0) -> datetime | None:
    return timezone.make_aware(datetime.combine(day + timedelta(days=days), time.min)) if day else None


class AssistantForm(forms.Form):
    """Everything that a version keeps, and the handle and stage of the assistant itself."""

    name = forms.CharField(max_length=80, label="Name", error_messages={"required": "Give it a name."})
    handle = forms.CharField(
        max_length=40,
        label="Handle",
        validators=[HANDLE],
        help_text="People write @handle in a question. Small letters, digits and hyphens.",
        error_messages={"required": "Give it a handle, such as leave-policy."},
    )
    emoji = forms.CharField(max_length=16, required=False, label="Emoji")
    colour = forms.ChoiceField(choices=[(c, c.title()) for c in COLOURS], required=False, label="Colour")
    description = forms.CharField(
        max_length=300,
        required=False,
        label="What it does, in one line",
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Shown in the gallery; people choose by it.",
    )
    instructions = forms.CharField(
        max_length=20_000,
        required=False,
        label="Instructions",
        widget=forms.Textarea(attrs={"rows": 9}),
        help_text="How it should work: its task, for whom, in what tone, what to leave out.",
    )
    searches = forms.ChoiceField(
        label="What it searches",
        choices=[
            ("chosen", "What I choose below"),
            ("all", "All that whoever asks may read"),
            ("none", "Nothing: it answers without sources"),
        ],
        initial="chosen",
        widget=forms.RadioSelect,
    )
    knowledge = forms.JSONField(required=False, label="Knowledge", widget=forms.HiddenInput)
    tags_all = TagsField(label="Must have all of these tags", help_text="Tags with commas between.")
    tags_none = TagsField(label="Must have none of these")
    time = forms.ChoiceField(
        label="From when",
        choices=[("any", "Any time"), ("last", "The last days"), ("between", "Between two days")],
        initial="any",
        required=False,
    )
    last_days = forms.IntegerField(label="Days", min_value=1, max_value=MOST_DAYS, required=False)
    since = forms.DateField(
        label="From", required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    until = forms.DateField(
        label="To, that day included", required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    model = ModelChoice(label="Model")
    temperature = forms.FloatField(
        min_value=0,
        max_value=2,
        required=False,
        label="Temperature",
        widget=forms.NumberInput(attrs={"step": "0.1"}),
        help_text="0 keeps to the sources, higher varies more. Empty leaves it to the model.",
    )
    queries_tables = forms.BooleanField(
        required=False,
        initial=True,
        label="Ask tables by SQL",
        help_text="Where its knowledge holds tables that fit a question, the model writes a query, and the answer shows both.",
    )
    starters = forms.CharField(
        required=False,
        label="Starter questions",
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text=f"One a line, at most {MOST_STARTERS}. People see them before they ask.",
    )
    stage = forms.ChoiceField(choices=Assistant.Stage.choices, initial=Assistant.Stage.BETA, label="Stage")

    def __init__(
        self, *args: Any, membership: Membership, assistant: Assistant | None = None, trial: bool = False, **kwargs: Any
    ) -> None:
        """``trial``: nothing is saved, so that name and handle may still be missing."""
        super().__init__(*args, **kwargs)
        self.membership, self.assistant = membership, assistant
        # What ``save_version`` takes, once the form is valid.
        self.version_fields: dict[str, Any] = {}
        version = assistant.latest if assistant else None
        current = (version.credential, version.model) if version else (None, "")
        self.fields["model"].offer(membership, current)  # type: ignore[attr-defined]
        if trial:
            del self.fields["handle"]
            self.fields["name"].required = False
        for name, field in self.fields.items():
            if field.help_text:
                field.widget.attrs["aria-describedby"] = f"help-{name}"

    @classmethod
    def for_version(cls, membership: Membership, assistant: Assistant, version: AssistantVersion) -> AssistantForm:
        """The form filled from a stored version."""
        model = f"{version.credential_id}|{version.model}" if version.credential_id and version.model else ""
        initial = {
            "handle": assistant.handle,
            "stage": assistant.stage,
            "model": model,
            "starters": "\n".join(version.starters),
            "knowledge": version.knowledge,
            "tags_all": version.tags_all,
            "tags_none": version.tags_none,
            "time": "last" if version.last_days else "between" if version.since or version.until else "any",
            "last_days": version.last_days,
            "since": timezone.localdate(version.since) if version.since else None,
            "until": timezone.localdate(version.until - timedelta(microseconds=1)) if version.until else None,
            "searches": "all" if version.reads_all else "chosen" if version.knowledge else "none",
        } | {
            name: getattr(version, name)
            for name in ("name", "description", "emoji", "colour", "instructions", "temperature", "queries_tables")
        }
        return cls(membership=membership, assistant=assistant, initial=initial)

    def clean_handle(self) -> str:
        try:
            return checked_handle(self.membership.workspace, self.cleaned_data["handle"], self.assistant)
        except ValidationError as error:
            raise ValidationError(error.messages) from error

    def clean_starters(self) -> list[str]:
        lines = [line.strip() for line in self.cleaned_data["starters"].splitlines() if line.strip()]
        if len(lines) > MOST_STARTERS:
            raise ValidationError(f"These are {len(lines)} questions; keep the best {MOST_STARTERS}.")
        if long := next((line for line in lines if len(line) > 200), None):
            raise ValidationError(f"Keep each under 200 characters; this one is longer: {long[:60]}…")
        return lines

    def clean(self) -> dict[str, Any]:
        """The same checks that the API's drafts go through, said where the field is."""
        data = super().clean() or self.cleaned_data
        if self.errors:
            return data
        kept = self.assistant.latest.knowledge if self.assistant and self.assistant.latest else []
        try:
            self.version_fields = checked_fields(self.membership, self._version_fields(data), kept)
        except ValidationError as error:
            for name, words in error.message_dict.items():
                field = {"credential": "model", "reads_all": "knowledge"}.get(name, name)
                self.add_error(field if field in self.fields else None, words)
        return data

    def _version_fields(self, data: dict[str, Any]) -> dict[str, Any]:
        credential, model = data["model"]
        searches = data["searches"]
        knowledge = {"all": None, "none": []}.get(searches, data["knowledge"] or [])
        if searches == "chosen" and not knowledge:
            raise ValidationError(
                {"knowledge": "Choose what it reads in the tree, or say that it reads everything or nothing."}
            )
        same = ("name", "description", "emoji", "colour", "instructions", "temperature", "queries_tables", "starters")
        part = {name: data[name] for name in (*same, "tags_all", "tags_none")}
        return {"credential": credential, "model": model, "knowledge": knowledge} | part | self._window(data)

    def _window(self, data: dict[str, Any]) -> dict[str, Any]:
        """The time window that is chosen; what is filled in of the others does not count."""
        last, between = data["time"] == "last", data["time"] == "between"
        if last and not data["last_days"]:
            raise ValidationError({"last_days": "Say how many days, or choose any time."})
        return {
            "last_days": data["last_days"] if last else None,
            "since": _midnight(data["since"]) if between else None,
            "until": _midnight(data["until"], 1) if between else None,
        }
