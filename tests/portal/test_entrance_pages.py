"""Ways in: links, invitations, the start address, errors."""

from urllib.parse import urlsplit

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.urls import reverse

from portal import people
from portal.models import AuditEvent, Membership, Role, User
from tests import factories

pytestmark = pytest.mark.django_db


def path_of(link: str) -> str:
    return urlsplit(link).path


@pytest.fixture
def link(cast, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        _, made = people.invite(
            workspace=cast.workspace, email="new@acme.example", role=Role.BUILDER, by=cast.admin.user
        )
    return path_of(made)


def test_a_preview_of_a_sign_in_link_uses_nothing_up(cast, client):
    path = path_of(people.sign_in_link(cast.member.user))
    assert client.head(path).status_code == 200
    assert "_auth_user_id" not in client.session
    assert client.get(path).status_code == 302
    assert client.session["_auth_user_id"] == str(cast.member.user.pk)


def test_a_used_sign_in_link_says_what_to_do(cast, client):
    path = path_of(people.sign_in_link(cast.member.user))
    client.get(path)
    client.logout()
    answer = client.get(path)
    assert answer.status_code == 410
    assert "does not sign in any more" in answer.content.decode()
    assert reverse("account_login") in answer.content.decode()


def test_a_sign_in_link_still_asks_for_the_second_factor(cast, client):
    from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret

    TOTP.activate(cast.member.user, generate_totp_secret())
    answer = client.get(path_of(people.sign_in_link(cast.member.user)))
    assert reverse("mfa_authenticate") in answer["Location"]
    assert "_auth_user_id" not in client.session


def test_an_invitation_is_mailed_with_its_link(cast, link):
    assert mail.outbox[0].to == ["new@acme.example"]
    assert link in mail.outbox[0].body
    assert cast.workspace.name in mail.outbox[0].subject


def test_a_new_person_joins_with_a_name_and_a_password(cast, client, link):
    page = client.get(link).content.decode()
    assert "new@acme.example" in page
    answer = client.post(link, {"name": "Nora New", "password": "a fine long one"})
    assert answer["Location"] == reverse("home", args=["acme"])
    membership = Membership.objects.get(user__email="new@acme.example")
    assert (membership.user.name, membership.role) == ("Nora New", Role.BUILDER)
    assert client.session["_auth_user_id"] == str(membership.user.pk)
    assert EmailAddress.objects.get(user=membership.user).verified
    client.logout()
    assert client.get(link).status_code == 410


def test_a_weak_password_is_told_beside_its_field(client, link):
    answer = client.post(link, {"name": "Nora New", "password": "password"})
    assert answer.status_code == 422
    assert "too common" in answer.content.decode()
    assert not User.objects.filter(email="new@acme.example").exists()


def test_who_has_an_account_signs_in_and_joins(client, link):
    person = factories.user("new@acme.example")
    assert f"{reverse('account_login')}?next={link}" in client.get(link).content.decode()
    # The form for new people does nothing for an address that has an account.
    assert client.post(link, {"name": "X", "password": "a fine long one"}).status_code == 200
    assert not Membership.objects.filter(user=person).exists()
    client.force_login(person)
    assert "Join as" in client.get(link).content.decode()
    assert client.post(link)["Location"] == reverse("home", args=["acme"])


def test_an_invitation_of_somebody_else_does_not_let_one_in(cast, client, link):
    client.force_login(cast.outsider.user)
    assert "You are signed in as outsider@umbra.example" in client.get(link).content.decode()
    assert client.post(link).status_code == 422
    assert not Membership.objects.filter(workspace=cast.workspace, user=cast.outsider.user).exists()


def test_looking_at_an_invitation_accepts_nothing(cast, client, link):
    client.force_login(factories.user("new@acme.example"))
    client.get(link)
    assert not AuditEvent.objects.filter(action="invitation.accept").exists()


def test_nobody_signs_up_without_an_invitation(client):
    page = client.get(reverse("account_signup")).content.decode()
    assert "One joins by invitation" in page
    client.post(
        reverse("account_signup"),
        {"email": "x@y.example", "password1": "a fine long one", "password2": "a fine long one"},
    )
    assert not User.objects.filter(email="x@y.example").exists()


def test_the_start_leads_to_the_workspace_that_was_used_last(cast, client):
    other = factories.workspace("zeta")
    there = factories.member(other, person=cast.member.user)
    client.force_login(cast.member.user)
    client.get(reverse("home", args=["zeta"]))
    assert client.get("/")["Location"] == reverse("home", args=["zeta"])
    there.active = False
    there.save()
    assert client.get("/")["Location"] == reverse("home", args=["acme"])


def test_who_is_in_no_workspace_is_told_so(client, db):
    client.force_login(factories.user())
    assert "You are in no workspace" in client.get("/").content.decode()


def test_nothing_of_another_workspace_is_there(cast, client):
    client.force_login(cast.outsider.user)
    for name in ("home", "people", "spaces", "data", "data_new", "palette"):
        assert client.get(reverse(name, args=["acme"])).status_code == 404, name


@pytest.mark.parametrize("name", ["account_login", "account_request_login_code", "account_reset_password"])
def test_pages_for_the_signed_out_have_no_rail(client, db, name):
    page = client.get(reverse(name)).content.decode()
    assert 'class="entrance"' in page
    assert 'id="rail"' not in page


@pytest.mark.parametrize(
    "name", ["account_email", "account_change_password", "mfa_index", "usersessions_list", "account_logout"]
)
def test_pages_of_ones_account_stand_in_the_frame(cast, client, name):

    client.force_login(cast.member.user)
    page = client.get(reverse(name)).content.decode()
    assert 'id="rail"' in page
    assert 'aria-label="My account"' in page


def test_a_broken_page_tells_the_code_without_asking_the_database(rf, django_assert_num_queries):
    from portal.views import server_error

    request = rf.get("/w/acme/")
    request.request_id = "abc123"
    with django_assert_num_queries(0):
        answer = server_error(request)
    assert answer.status_code == 500
    assert "abc123" in answer.content.decode()
