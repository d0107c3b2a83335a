"""Forms for sources, built from what each kind says of itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict

from datasources.connecting import usual_schedule
from datasources.connectors.about import About, Auth
from datasources.connectors.registry import CONNECTORS
from datasources.entered import Entered, kept_secrets, read_entered
from datasources.entering import AddressField, AskedForm
from datasources.models import DataSource
from datasources.oauth import secret_of
from portal.models import Credential, Space

SETTINGS = "s"
ANOTHER = ""


class WhereForm(forms.Form):
    """The address, how to prove who one is, and keys that are there already."""

    base_url = AddressField(of_page=True, required=False, max_length=500, label="Address")
    auth = forms.ChoiceField(required=False, widget=forms.RadioSelect, label="How to connect")
    credential = forms.ChoiceField(required=False, label="Key")


class ConnectionForm:
    """All that is asked for to reach one place: ``where``, ``ways`` (of which one is chosen) and ``settings``.

    ``entered`` is there once ``is_valid``. ``source``: a draft or a source that is connected anew.
    """

    def __init__(
        self, about: About, data: Any = None, *, source: DataSource | None = None, keys: Sequence[Credential] = ()
    ) -> None:
        self.about, self.source, self.data = about, source, data
        self.keys = {str(key.pk): key for key in keys}
        self.entered: Entered | None = None
        self.where = WhereForm(data, initial=self._initial_where())
        choices: Any = self.where.fields
        choices["auth"].choices = [(way.name, way.label) for way in about.auths]
        choices["credential"].choices = [
            (ANOTHER, "A new one"),
            *(
                (pk, f"{key.name} {('…' + key.key_hint) if key.key_hint else ''}".strip())
                for pk, key in self.keys.items()
            ),
        ]
        self._address_words()
        current = self._current()
        address = str(self.where["base_url"].value() or "").strip().rstrip("/")
        self.ways = [(way, self._way(way, address, current)) for way in about.auths]
        config = source.config if source else {}
        self.settings = AskedForm(about.settings, data, prefix=SETTINGS, initial=config)

    def _initial_where(self) -> dict[str, Any]:
        current = secret_of(self.source.credential).get("auth") if self.source else ""
        first = self.about.auths[0].name if self.about.auths else ""
        config = self.source.config if self.source else {}
        return {"auth": current or first, "base_url": config.get("base_url", ""), "credential": ANOTHER}

    def _address_words(self) -> None:
        field = self.where.fields["base_url"]
        field.required = self.about.asks_address
        if self.about.address:
            field.help_text = self.about.address
        elif self.about.base_url:
            field.help_text = f"Empty for {self.about.base_url}. Only for an address of your own, such as a proxy."

    def _current(self) -> dict[str, Any]:
        return secret_of(self.source.credential) if self.source else {}

    def _way(self, way: Auth, address: str, current: dict[str, Any]) -> AskedForm:
        mine = self.data is None or self.chosen == way.name
        kept = kept_secrets(self.source, way, address)
        before = current if current.get("auth") == way.name else {}
        shown = {s.name: before.get(s.name) for s in way.fields if not s.secret} if before else {}
        form = AskedForm(way.fields, self.data if mine else None, prefix=way.name, initial=shown, kept=kept)
        for setting in way.fields:
            if setting.secret and before.get(setting.name) and setting.name not in kept:
                words = f"Enter this again: {setting.label}. The one that is stored holds only for the address before."
                form.fields[setting.name].error_messages["required"] = words
        return form

    @property
    def chosen(self) -> str:
        return str(self.where["auth"].value() or "")

    @property
    def way(self) -> AskedForm | None:
        return next((form for way, form in self.ways if way.name == self.chosen), None)

    @property
    def more(self) -> bool:
        """Whether what is behind "More" has something in it, or wrong with it."""
        return bool(self.where["base_url"].value() or self.where["base_url"].errors)

    @property
    def key(self) -> Credential | None:
        return self.keys.get(str(self.where["credential"].value() or ""))

    @property
    def errors(self) -> list[str]:
        return [str(error) for error in self.where.non_field_errors()]

    def refuse(self, error: ValidationError) -> None:
        """Put what a verb refused to where it belongs."""
        if self.where.is_bound and not hasattr(self.where, "cleaned_data"):
            self.where.full_clean()
        told = error.message_dict if hasattr(error, "error_dict") else {"": error.messages}
        for name, words in told.items():
            forms_ = (self.where, self.settings, *([self.way] if self.way else []))
            home = next((form for form in forms_ if name in form.fields), self.where)
            if not home.is_bound:
                home = self.where
            home.add_error(name if name in home.fields else None, words)

    def is_valid(self) -> bool:
        asked = [self.where, self.settings]
        if self.about.auths and self.key is None and self.way is not None:
            asked.append(self.way)
        # Each is asked, so that all that is missing is told at once.
        valid = [form.is_valid() for form in asked]
        if not all(valid):
            return False
        try:
            self.entered = read_entered(
                self.about.kind,
                config={**self.settings.values, "base_url": self.where.cleaned_data["base_url"]},
                auth=self.chosen,
                fields=self.way.values if self.way is not None and self.key is None else {},
                credential=self.key,
                source=self.source,
            )
        except ValidationError as error:
            self.refuse(error)
            return False
        return True


def needs_connecting(about: About) -> bool:
    """Whether anything has to be known before it can be named and started."""
    return bool(about.auths or about.settings or about.asks_address or about.tree)


@dataclass(frozen=True, slots=True)
class Share:
    """A space in the last step: whether it sees anything, only parts, and of each part (id, title, whether that one)."""

    space: Space
    ticked: bool
    only_parts: bool
    parts: list[tuple[UUID, str, bool]]


class FinishForm(forms.Form):
    """The last step: how it is called, who sees it, and how it is kept fresh."""

    name = forms.CharField(max_length=120, label="Name", help_text="How people find it in lists and under answers.")
    spaces = forms.ModelMultipleChoiceField(
        queryset=Space.objects.none(),
        widget=forms.CheckboxSelectMultiple,
        label="Who may see it",
        error_messages={"required": "Choose at least one space."},
    )
    schedule = forms.ChoiceField(label="Look for changes")
    mirror = forms.BooleanField(
        required=False,
        label="Only for those who may read it there, too",
        help_text="Whoever can't open something there finds nothing of it here either, whatever their spaces.",
    )

    def __init__(
        self, data: Any, *, about: About, spaces: Any, parts: Sequence[tuple[UUID, str]] = (), initial: Any = None
    ) -> None:
        """``parts``: what single spaces can be given alone, with its title; fewer than two make no difference."""
        super().__init__(data, initial=initial)
        self.parts = list(parts) if len(parts) > 1 else []
        field: Any = self.fields["spaces"]
        field.queryset = spaces
        if data is None:
            company = spaces.filter(kind=Space.Kind.OPEN).order_by("created").first()
            field.initial = [company.pk] if company else []
        _fit(self, about)

    def shares(self) -> list[Share]:
        """Each space that can be ticked, with the parts of it."""
        field: Any = self.fields["spaces"]
        ticked = {str(getattr(key, "pk", key)) for key in self["spaces"].value() or ()}
        return [self._share(space, str(space.pk) in ticked) for space in field.queryset]

    def _share(self, space: Space, ticked: bool) -> Share:
        sees, given, sent = "all", set(), cast(QueryDict, self.data)
        if self.is_bound:
            sees = sent.get(f"sees-{space.pk}", "all")
            given = set(sent.getlist(f"part-{space.pk}"))
        return Share(space, ticked, sees == "part", [(key, title, str(key) in given) for key, title in self.parts])

    def clean(self) -> dict[str, Any]:
        fields = super().clean() or {}
        fields["parts"] = {}
        for share in self.shares() if self.parts else ():
            if not (share.ticked and share.only_parts):
                continue
            fields["parts"][share.space.pk] = [key for key, _, given in share.parts if given]
            if not fields["parts"][share.space.pk]:
                self.add_error("spaces", f"Tick what {share.space} may see, or take the tick from it.")
        return fields


class SettingsForm(forms.Form):
    """Name, schedule and mirroring of a source that is there."""

    name = forms.CharField(max_length=120, label="Name")
    schedule = forms.ChoiceField(label="Look for changes")
    mirror = FinishForm.base_fields["mirror"]

    def __init__(self, data: Any, *, source: DataSource) -> None:
        initial = {"name": source.name, "schedule": source.schedule, "mirror": source.mirror}
        super().__init__(data, initial=initial)
        _fit(self, CONNECTORS.get(source.kind))


def _fit(form: forms.Form, about: About | None) -> None:
    """Ask only for what makes sense for this kind."""
    labels = dict(DataSource.Schedule.choices)
    if about is None or not about.schedules:
        # What people or integrations hand over changes only when they hand over more.
        del form.fields["schedule"]
    else:
        field: Any = form.fields["schedule"]
        field.choices = [(name, labels[name]) for name in about.schedules]
        field.initial = usual_schedule(about)
    if about is None or not about.mirrors:
        del form.fields["mirror"]
