"""What is a person's own: name, picture, language, theme, which notices are mailed, API keys. Password, second factor, passkeys and sessions are allauth's pages."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from portal import keys as key_verbs
from portal import languages, notices, people, profile
from portal.access import require, signed_in
from portal.models import ApiKey, Membership, User
from portal.pages import done, go, is_fragment, page, sentence
from portal.shell import memberships_of
from portal.spending import standing

THEMES = User._meta.get_field("theme").choices
SCOPES = {
    "read": "Read: search, sources, documents, assistants, one’s own conversations",
    "ask": "Ask: put questions to assistants",
    "write": "Write: change what its owner may change",
    "admin": "Admin: people, spaces, credentials, audit, where its owner is an admin",
}
LASTS = {"30": "30 days", "90": "90 days", "365": "A year", "": "Until it is revoked"}


class AboutForm(forms.Form):
    name = forms.CharField(max_length=120, label="Your name", widget=forms.TextInput(attrs={"autocomplete": "name"}))
    language = forms.ChoiceField(
        choices=languages.CHOICES,
        required=False,
        label="Answer me in",
        help_text=(
            "What models write to you, unless a question or an assistant asks for another language. Quotes stay as they "
            "are, and so do Atrium’s own pages and mails, which are in English."
        ),
    )


class KeyForm(forms.Form):
    name = forms.CharField(
        max_length=80, label="What uses it", widget=forms.TextInput(attrs={"placeholder": "Nightly export"})
    )
    workspace = forms.ModelChoiceField(queryset=Membership.objects.none(), label="Workspace", empty_label=None)
    scopes = forms.MultipleChoiceField(
        choices=list(SCOPES.items()), widget=forms.CheckboxSelectMultiple, initial=["read"], label="What it may do"
    )
    lasts = forms.ChoiceField(choices=list(LASTS.items()), required=False, initial="90", label="How long it works")

    def __init__(self, *args: Any, memberships: list[Membership], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["workspace"]
        field.queryset = Membership.objects.filter(pk__in=[m.pk for m in memberships]).select_related("workspace")
        field.label_from_instance = lambda membership: str(membership.workspace)


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def me(request: HttpRequest) -> HttpResponse:
    user: User = request.user  # type: ignore[assignment]
    form = AboutForm(request.POST or None, initial={"name": user.name, "language": user.language})
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            people.rename(user, form.cleaned_data["name"])
            profile.choose_language(user, form.cleaned_data["language"])
        return done(request, "Saved.", reverse("me"))
    context = {
        "form": form,
        "themes": THEMES,
        "mails": [(kind, words, kind in notices.mailed_kinds(user)) for kind, words in notices.KINDS.items()],
        "memberships": memberships_of(user),
        "tab": "me",
    }
    return page(request, "portal/me.html", context, partial="me", status=422 if form.errors else 200)


@signed_in
@require_POST
def picture(request: HttpRequest) -> HttpResponse:
    """A new picture of oneself, or none any more (``remove``)."""
    user: User = request.user  # type: ignore[assignment]
    if "remove" in request.POST:
        profile.remove_picture(user)
        return done(request, "Your picture is gone; your initial stands for you.", reverse("me"))
    file = request.FILES.get("picture_file")
    try:
        if file is None:
            raise ValidationError("Choose a picture first.")
        profile.keep_picture(user, file)  # type: ignore[arg-type]  # an upload reads like any file
    except ValidationError as error:
        messages.error(request, sentence(error))
        return go(request, reverse("me"))
    return done(request, "This is your picture now.", reverse("me"))


@signed_in
@require_POST
def mails(request: HttpRequest) -> HttpResponse:
    """Which notices also come by mail: those that are ticked."""
    kinds = [kind for kind in request.POST.getlist("mails") if kind in notices.KINDS]
    notices.choose_mails(request.user, kinds)  # type: ignore[arg-type]
    return done(request, "Saved." if kinds else "Saved. Notices come in the portal alone.", reverse("me"))


@signed_in
@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    user: User = request.user  # type: ignore[assignment]
    chosen = request.POST.get("theme", "")
    if chosen in dict(THEMES or ()):
        user.theme = chosen
        user.save(update_fields=["theme"])
    if is_fragment(request):
        return HttpResponse(status=204)
    back = request.META.get("HTTP_REFERER", "")
    return go(request, back if url_has_allowed_host_and_scheme(back, {request.get_host()}) else reverse("me"))


@signed_in
@require_GET
def spending(request: HttpRequest) -> HttpResponse:
    """What I spent this month and what my budgets have left, in one workspace: the one used last, or ``in``."""
    mine = memberships_of(request.user)
    asked = request.GET.get("in", "")
    shown = next((m for m in mine if m.workspace.slug == asked), mine[0] if mine else None)
    context: dict[str, Any] = {"tab": "spending", "memberships": mine, "shown": shown}
    if shown is not None:
        context |= {"used": standing.used(shown.workspace, shown.user), "standings": standing.of_person(shown)}
    return page(request, "portal/spending.html", context, partial="spending")


@signed_in
@require_GET
def keys(request: HttpRequest) -> HttpResponse:
    return _keys(request, KeyForm(memberships=memberships_of(request.user)))


@signed_in
@never_cache
@require_POST
def key_new(request: HttpRequest) -> HttpResponse:
    """Make a key; its text is in this answer and nowhere else."""
    form = KeyForm(request.POST, memberships=memberships_of(request.user))
    if not form.is_valid():
        return _keys(request, form, status=422)
    fields = form.cleaned_data
    membership: Membership = fields["workspace"]
    require(membership, "apikey.manage")
    expires = timezone.now() + timedelta(days=int(fields["lasts"])) if fields["lasts"] else None
    try:
        key, text = key_verbs.make_key(membership, name=fields["name"], scopes=fields["scopes"], expires=expires)
    except ValidationError as error:
        form.add_error(None, error)
        return _keys(request, form, status=422)
    return _keys(request, KeyForm(memberships=memberships_of(request.user)), made=key, text=text)


@signed_in
@require_POST
def key_revoke(request: HttpRequest, pk: UUID) -> HttpResponse:
    user: User = request.user  # type: ignore[assignment]
    key = get_object_or_404(ApiKey.objects.select_related("membership__workspace"), pk=pk, membership__user=user)
    key_verbs.revoke_key(key, by=user)
    if is_fragment(request):
        return _keys(request, KeyForm(memberships=memberships_of(user)), notice=f"{key.name} opens nothing any more.")
    return done(request, f"{key.name} opens nothing any more.", reverse("keys"))


def _keys(request: HttpRequest, form: KeyForm, status: int = 200, **more: Any) -> HttpResponse:
    user: User = request.user  # type: ignore[assignment]
    mine = ApiKey.objects.filter(membership__user=user).select_related("membership__workspace").order_by("-created")
    context = {"form": form, "keys": list(mine[:200]), "tab": "keys", **more}
    return page(request, "portal/keys.html", context, partial="keys", status=status)
