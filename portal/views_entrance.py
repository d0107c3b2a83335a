"""Ways in: the one-time link, an invitation, and the start address that leads to the last workspace."""

from __future__ import annotations

from allauth.account.utils import perform_login
from django import forms
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods

from portal import inviting, people
from portal.access import public, signed_in
from portal.models import Invitation, User
from portal.pages import error_page, sentence
from portal.shell import memberships_of


@signed_in
@require_GET
def start(request: HttpRequest) -> HttpResponse:
    """``/``: the workspace that was used last, or a page that says there is none."""
    mine = memberships_of(request.user)
    if mine:
        return redirect("home", mine[0].workspace.slug)
    return render(request, "portal/no_workspace.html")


@public
@never_cache
@require_http_methods(["GET", "HEAD"])
def sign_in_link(request: HttpRequest, uid: str, token: str) -> HttpResponse:
    """Signs in, once. HEAD, which link previews send, uses nothing up. A second factor is still asked for."""
    if request.method == "HEAD":
        return HttpResponse()
    with transaction.atomic():
        user = people.user_of_link(uid, token)
        if user is not None:
            response: HttpResponse = perform_login(request, user, email_verification="none", redirect_url="/")
            return response
    return error_page(
        request,
        "This link does not sign in any more",
        "It was used already, or has expired: each signs in once. "
        "Sign in with your password or a mailed code, or have a new link made.",
        status=410,
        back_url=reverse("account_login"),
        back_label="Sign in",
    )


class JoinForm(forms.Form):
    """What a new person tells us of themselves."""

    name = forms.CharField(max_length=120, label="Your name", widget=forms.TextInput(attrs={"autocomplete": "name"}))
    password = forms.CharField(
        label="A password",
        max_length=200,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="At least 8 characters, and none of the common ones.",
    )

    def __init__(self, *args: object, email: str = "", **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.email = email

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        validate_password(password, User(email=self.email, name=self.cleaned_data.get("name", "")))
        return password


@public
@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Join: with a new account, with the one that is signed in, or after signing in to the one that exists."""
    found = inviting.open_invitation(token)
    if found is None:
        detail = "It was used, was withdrawn, or has expired. Ask whoever sent it for a new one."
        return error_page(request, "This invitation is not good any more", detail, status=410)
    if request.user.is_authenticated:
        return _join_signed_in(request, found, token)
    if User.objects.filter(email__iexact=found.email).exists():
        return _invitation_page(request, found, known=True)
    form = JoinForm(request.POST or None, email=found.email, initial={"name": found.name})
    if request.method == "POST" and form.is_valid():
        return _join_new(request, found, token, form)
    return _invitation_page(request, found, form=form, status=422 if form.errors else 200)


def _invitation_page(request: HttpRequest, found: Invitation, status: int = 200, **more: object) -> HttpResponse:
    return render(request, "portal/invitation.html", {"invitation": found, **more}, status=status)


def _join_new(request: HttpRequest, found: Invitation, token: str, form: JoinForm) -> HttpResponse:
    try:
        membership = inviting.join_as_new(token, name=form.cleaned_data["name"], password=form.cleaned_data["password"])
    except ValidationError as error:
        form.add_error(None, error)
        return _invitation_page(request, found, form=form, status=422)
    url = reverse("home", args=[membership.workspace.slug])
    response: HttpResponse = perform_login(request, membership.user, email_verification="none", redirect_url=url)
    return response


def _join_signed_in(request: HttpRequest, found: Invitation, token: str) -> HttpResponse:
    user: User = request.user  # type: ignore[assignment]
    if request.method != "POST":
        return _invitation_page(request, found, fits=user.email.lower() == found.email.lower())
    try:
        membership = inviting.accept_invitation(token, user)
    except ValidationError as error:
        return _invitation_page(request, found, problem=sentence(error), status=422)
    return HttpResponseRedirect(reverse("home", args=[membership.workspace.slug]))
