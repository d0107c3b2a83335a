"""Forms for sources: what each kind of place needs to be told."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.conf import settings

from datasources.models import DataSource
from portal.models import Space, Workspace


class ConnectForm(forms.Form):
    """What every kind asks; ``config`` is what the connector gets."""

    config_fields: ClassVar[tuple[str, ...]] = ()

    name = forms.CharField(max_length=120, label="Name", help_text="How people find it in lists and under answers.")
    spaces = forms.ModelMultipleChoiceField(
        queryset=Space.objects.none(),
        widget=forms.CheckboxSelectMultiple,
        label="Who may see it",
        error_messages={"required": "Choose at least one space."},
    )
    schedule = forms.ChoiceField(choices=DataSource.Schedule.choices, label="Look for changes", initial="daily")

    def __init__(self, *args: Any, workspace: Workspace, spaces: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["spaces"]
        field.queryset = spaces
        if not self.is_bound:
            company = spaces.filter(kind=Space.Kind.OPEN).order_by("created").first()
            field.initial = [company.pk] if company else []

    @property
    def config(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in self.config_fields if self.cleaned_data[name]}


def _patterns(text: str) -> list[str]:
    return [part.strip() for part in text.replace(",", "\n").splitlines() if part.strip()]


class FolderForm(ConnectForm):
    config_fields = ("path", "include", "exclude")

    path = forms.CharField(max_length=1000, label="Folder", widget=forms.TextInput(attrs={"spellcheck": "false"}))
    include = forms.CharField(
        required=False,
        label="Only these files",
        widget=forms.TextInput(attrs={"placeholder": "*.md, reports/**", "spellcheck": "false"}),
        help_text="Patterns with commas between. Empty takes everything.",
    )
    exclude = forms.CharField(
        required=False,
        label="Not these files",
        widget=forms.TextInput(attrs={"placeholder": "drafts/**, *.tmp", "spellcheck": "false"}),
    )
    field_order = ["path", "name", "include", "exclude", "spaces", "schedule"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        roots = ", ".join(str(root) for root in settings.FOLDER_ROOTS)
        self.fields["path"].help_text = f"One of these, or a folder inside: {roots}." if roots else ""

    def clean_include(self) -> list[str]:
        return _patterns(self.cleaned_data["include"])

    def clean_exclude(self) -> list[str]:
        return _patterns(self.cleaned_data["exclude"])


class UploadForm(ConnectForm):
    field_order = ["name", "spaces"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # What people hand over changes only when they hand over more.
        del self.fields["schedule"]


FORMS: dict[str, type[ConnectForm]] = {"folder": FolderForm, "upload": UploadForm}
"""One line a kind; a kind that has none here can't be connected in the browser."""


class SettingsForm(forms.Form):
    """Name and schedule of a source that is there."""

    name = forms.CharField(max_length=120, label="Name")
    schedule = forms.ChoiceField(choices=DataSource.Schedule.choices, label="Look for changes")

    def __init__(self, data: Any, *, source: DataSource) -> None:
        super().__init__(data, initial={"name": source.name, "schedule": source.schedule})
        if source.kind == "upload":
            del self.fields["schedule"]
