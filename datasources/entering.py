"""Forms from what a connector says of itself: one field for each Setting, checked and turned into what JSON can hold."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from datasources.connectors.about import Setting
from portal import net
from portal.providers.transport import AddressRefused

LONGEST = 20_000
MOST_LINES = 500


class SecretArea(forms.Textarea):
    """Many lines that are never shown again, not even to whoever typed them."""

    def format_value(self, value: Any) -> str:
        return ""


def checked_address(address: str, *, of_page: bool = False) -> str:
    """As it is kept: without a slash at its end, and allowed by the operator. Raises ValidationError.

    ``of_page``: a slash at the end stays, because it may lead to another page.
    """
    address = address.strip()
    if not of_page or address.rstrip("/").count("/") < 3:
        address = address.rstrip("/")
    if address:
        try:
            net.network().check(address)
        except AddressRefused as error:
            raise ValidationError(str(error)) from error
    return address


class AddressField(forms.CharField):
    def __init__(self, *, of_page: bool = False, **options: Any) -> None:
        self.of_page = of_page
        super().__init__(**options)

    def clean(self, value: Any) -> str:
        return checked_address(str(super().clean(value)), of_page=self.of_page)


class LinesField(forms.CharField):
    """A list of texts, one a line; through the API also a list."""

    widget = forms.Textarea(attrs={"rows": 3, "spellcheck": "false"})

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(map(str, value)) if isinstance(value, list | tuple) else value

    def to_python(self, value: Any) -> Any:
        text = self.prepare_value(value) or ""
        return [line.strip() for line in str(text).splitlines() if line.strip()]

    def validate(self, value: Any) -> None:
        super().validate(value)
        if len(value) > MOST_LINES or sum(map(len, value)) > LONGEST:
            raise ValidationError(f"At most {MOST_LINES} lines and {LONGEST:,} characters.")

    def run_validators(self, value: Any) -> None:
        return None


class JsonText(forms.CharField):
    """The text of a JSON object, kept as text."""

    widget = forms.Textarea(attrs={"rows": 3, "spellcheck": "false"})

    def to_python(self, value: Any) -> str:
        return json.dumps(value) if isinstance(value, Mapping) else str(super().to_python(value))

    def validate(self, value: Any) -> None:
        super().validate(value)
        if not value:
            return
        try:
            found = json.loads(value)
        except ValueError as error:
            raise ValidationError("This is not JSON. Copy it whole, with its braces.") from error
        if not isinstance(found, dict):
            raise ValidationError("This has to be a JSON object, in braces.")


class NumberField(forms.FloatField):
    def to_python(self, value: Any) -> Any:
        number = super().to_python(value)
        return int(number) if number is not None and number == int(number) else number

    def prepare_value(self, value: Any) -> Any:
        return int(value) if isinstance(value, float) and value == int(value) else value


def field_of(setting: Setting, *, kept: bool = False) -> forms.Field:
    """``kept``: a secret of this name is stored, so that nothing entered keeps it."""
    common: dict[str, Any] = {
        "label": setting.label,
        "help_text": setting.help,
        "required": setting.required and not kept,
        "initial": setting.initial,
        "error_messages": {"required": f"Enter this: {setting.label}."},
    }
    if kept:
        common["help_text"] = f"{setting.help} Empty keeps the one that is stored.".strip()
    field = _bare_field(setting, common)
    if setting.placeholder:
        field.widget.attrs["placeholder"] = setting.placeholder
    if setting.offered and setting.kind == "text":
        # Filled by what the place itself tells; see suggesting.py. With ``autocomplete`` off some browsers offer nothing at all.
        field.widget.attrs |= {"list": f"choices-{setting.name}", "data-offered": setting.name}
        field.widget.attrs.pop("autocomplete", None)
    return field


def _bare_field(setting: Setting, common: dict[str, Any]) -> forms.Field:
    plain: dict[str, Any] = {"attrs": {"autocomplete": "off", "spellcheck": "false"}}
    match setting.kind:
        case "bool":
            return forms.BooleanField(**{**common, "required": False})
        case "number":
            return NumberField(**common)
        case "date":
            return forms.DateField(widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"), **common)
        case "choice":
            none = [] if setting.required or setting.initial is not None else [("", "No matter")]
            return forms.ChoiceField(choices=[*none, *setting.choices], **common)
        case "lines" if setting.secret:
            # A key of several lines, kept as it is.
            return forms.CharField(max_length=LONGEST, widget=SecretArea(attrs={"rows": 5, **plain["attrs"]}), **common)
        case "lines":
            return LinesField(**common)
        case "json":
            widget: Any = SecretArea(attrs={"rows": 5, **plain["attrs"]}) if setting.secret else JsonText.widget
            return JsonText(max_length=LONGEST, widget=widget, **common)
        case "url":
            return AddressField(max_length=2000, widget=forms.URLInput(**plain), **common)
        case _:
            widget = forms.PasswordInput(**plain) if setting.secret else forms.TextInput(**plain)
            return forms.CharField(max_length=4000, widget=widget, **common)


class AskedForm(forms.Form):
    """One field for each setting. ``values``: what was entered, as JSON can hold it, without what is empty.

    ``kept``: names of secrets that are stored already.
    """

    def __init__(
        self, settings: Sequence[Setting], data: Any = None, *, kept: Sequence[str] = (), **kwargs: Any
    ) -> None:
        super().__init__(data, use_required_attribute=False, **kwargs)
        self.settings = tuple(settings)
        for setting in settings:
            self.fields[setting.name] = field_of(setting, kept=setting.name in kept)

    @property
    def values(self) -> dict[str, Any]:
        found = {}
        for setting in self.settings:
            value = self.cleaned_data.get(setting.name)
            if setting.kind == "date" and value is not None:
                value = value.isoformat()
            # What is off is told too, where it would be on.
            if value or (value == 0 and value is not False) or (value is False and setting.initial):
                found[setting.name] = value
        return found


def checked(settings: Sequence[Setting], given: Mapping[str, Any], *, kept: Sequence[str] = ()) -> dict[str, Any]:
    """The same for what comes without a form. Names that nobody asked for are refused. Raises ValidationError by field."""
    known = {setting.name for setting in settings}
    if unknown := sorted(set(given) - known):
        listed = ", ".join(sorted(known)) or "none"
        raise ValidationError(dict.fromkeys(unknown, f"Unknown setting; there are: {listed}."))
    form = AskedForm(settings, {**_defaults(settings, given), **given}, kept=kept)
    if not form.is_valid():
        raise ValidationError({name: list(errors) for name, errors in form.errors.items()})
    return form.values


def _defaults(settings: Sequence[Setting], given: Mapping[str, Any]) -> dict[str, Any]:
    """What a person would have found filled in."""
    return {s.name: s.initial for s in settings if s.initial is not None and s.name not in given}
