"""Ways in: links, invitations, passwords, mailed codes, second factors, sessions; the start address, errors."""

import re
from urllib.parse import urlsplit

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal import auth
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from cryptography.fernet import Fernet
from django.core import mail
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from portal import inviting, people
from portal.models import AuditEvent, Membership, Role, User
from portal.second_factor import MFAAdapter
from tests import factories

pytestmark = pytest.mark.django_db


def path_of(link: str) -> str:
    return urlsplit(link).path


@pytest.fixture
def link(cast, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        _, made = inviting.invite(
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


# ---- Signing in for real -----------------------------------------------------------------------------------------

PASSWORD = "a long password"


def sign_in(client, email="member@acme.example", password=PASSWORD):
    return client.post(reverse("account_login"), {"login": email, "password": password})


def signed_in(client):
    return client.session.get("_auth_user_id")


@pytest.fixture
def totp(monkeypatch):
    """What an app on the person's phone shows for a secret, in the one half minute that this test lasts."""
    monkeypatch.setattr(auth, "yield_hotp_counters_from_time", lambda: iter([58_000_000]))
    return lambda secret: auth.format_hotp_value(auth.hotp_value(secret, 58_000_000))


def test_a_password_signs_in_and_a_wrong_one_says_so_in_english(cast, client):
    answer = sign_in(client, password="another long one")
    assert answer.status_code == 200
    assert "The email address and/or password you specified are not correct." in answer.content.decode()
    assert signed_in(client) is None
    assert sign_in(client)["Location"] == "/"
    assert signed_in(client) == str(cast.member.user.pk)


def test_a_mailed_code_signs_in_once(cast, client):
    answer = client.post(reverse("account_request_login_code"), {"email": "member@acme.example"})
    assert answer["Location"] == reverse("account_confirm_login_code")
    (letter,) = mail.outbox
    assert letter.to == ["member@acme.example"]
    code = next(line for line in letter.body.splitlines() if re.fullmatch(r"[A-Z0-9-]{6,}", line))
    assert code not in client.get(answer["Location"]).content.decode()
    assert client.post(answer["Location"], {"code": "WRONG1"}).status_code == 200
    assert signed_in(client) is None
    assert client.post(answer["Location"], {"code": code})["Location"] == "/"
    assert signed_in(client) == str(cast.member.user.pk)
    client.logout()
    client.post(answer["Location"], {"code": code})
    assert signed_in(client) is None


def test_a_stranger_who_asks_for_a_code_learns_nothing(cast, client):
    answer = client.post(reverse("account_request_login_code"), {"email": "nobody@acme.example"})
    assert answer["Location"] == reverse("account_confirm_login_code")


def test_a_forgotten_password_is_set_anew_by_mail(cast, client):
    answer = client.post(reverse("account_reset_password"), {"email": "member@acme.example"}, follow=True)
    assert answer.status_code == 200
    link = re.search(r"https?://\S+", mail.outbox[0].body)[0]
    form = client.get(path_of(link), follow=True)
    assert path_of(link) != form.request["PATH_INFO"], "the key stays out of the address"
    new = {"password1": "quite another one", "password2": "quite another one"}
    weak = client.post(form.request["PATH_INFO"], {"password1": "password", "password2": "password"})
    assert "too common" in weak.content.decode()
    client.post(form.request["PATH_INFO"], new)
    client.logout()
    sign_in(client)
    assert signed_in(client) is None
    sign_in(client, password="quite another one")
    assert signed_in(client) == str(cast.member.user.pk)
    again = client.get(path_of(link)).content.decode()
    assert "This link is not good any more" in again
    assert 'name="password1"' not in again


def test_a_second_factor_is_set_up_and_then_asked_for(cast, client, totp):
    sign_in(client)
    # Whoever sits down at an open browser knows no password.
    ask = client.get(reverse("mfa_activate_totp"))["Location"]
    assert ask.startswith(reverse("account_reauthenticate"))
    assert client.post(ask, {"password": "another long one"}).status_code == 200
    page = client.post(ask, {"password": PASSWORD}, follow=True).content.decode()
    secret = re.search(r'id="authenticator_secret"[^>]*value="([A-Z2-7]+)"', page)[1]
    assert client.post(reverse("mfa_activate_totp"), {"code": "000000"}).status_code == 200
    answer = client.post(reverse("mfa_activate_totp"), {"code": totp(secret)})
    codes = client.get(answer["Location"]).content.decode()
    client.logout()

    assert reverse("mfa_authenticate") in sign_in(client)["Location"]
    assert signed_in(client) is None
    client.post(reverse("mfa_authenticate"), {"code": "000000"})
    assert signed_in(client) is None
    client.post(reverse("mfa_authenticate"), {"code": totp(secret)})
    assert signed_in(client) == str(cast.member.user.pk)

    client.logout()
    sign_in(client)
    client.post(reverse("mfa_authenticate"), {"code": totp(secret)})
    assert signed_in(client) is None, "a code is good once"
    spare = re.search(r"\b[0-9a-f]{8}\b", codes)[0]
    client.post(reverse("mfa_authenticate"), {"code": spare})
    assert signed_in(client) == str(cast.member.user.pk)


def test_sessions_are_listed_and_the_others_are_ended(cast, client):
    elsewhere = Client(headers={"User-Agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Safari/604.1"})
    for each in (client, elsewhere):
        sign_in(each)
    page = client.get(reverse("usersessions_list")).content.decode()
    assert page.count('class="list-item"') == 2
    assert "iPhone" in page
    assert page.count("this one") == 1
    client.post(reverse("usersessions_list"))
    assert client.get(reverse("home", args=["acme"])).status_code == 200
    assert elsewhere.get(reverse("home", args=["acme"])).status_code == 302
    assert client.get(reverse("usersessions_list")).content.decode().count('class="list-item"') == 1


def test_a_browser_in_another_language_gets_english_pages_and_errors(cast, client):
    german = Client(headers={"Accept-Language": "de"})
    page = german.get(reverse("account_reset_password")).content.decode()
    assert "Passwort" not in page
    wrong = sign_in(german, password="another long one").content.decode()
    assert "you specified are not correct" in wrong
    german.force_login(cast.admin.user)
    assert "This field is required." in german.post(reverse("space_new", args=["acme"]), {"name": ""}).content.decode()
    assert "Hinzufügen" not in german.get("/w/acme/govern/", follow=True).content.decode()


def test_the_key_of_a_second_factor_is_encrypted_and_turns_with_the_others(cast, settings, totp):
    TOTP.activate(cast.member.user, secret := generate_totp_secret())
    row = Authenticator.objects.get(user=cast.member.user, type="totp")
    assert secret not in str(row.data)
    assert row.wrap().validate_code(totp(secret))
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode(), *settings.ENCRYPTION_KEYS]
    # As one was kept before it was encrypted.
    plain = generate_totp_secret()
    Authenticator.objects.create(user=cast.builder.user, type="totp", data={"secret": plain})
    call_command("rotate_keys")
    settings.ENCRYPTION_KEYS = settings.ENCRYPTION_KEYS[:1]
    for user, known in ((cast.member.user, secret), (cast.builder.user, plain)):
        row = Authenticator.objects.get(user=user, type="totp")
        assert known not in str(row.data)
        assert MFAAdapter().decrypt(row.data["secret"]) == known
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    with pytest.raises(SystemExit):
        call_command("rotate_keys")


def test_a_second_factor_whose_key_is_gone_is_told_and_can_be_taken_away(client, cast, capsys, settings, totp):
    person = cast.member.user
    client.force_login(person)
    secret = generate_totp_secret()
    TOTP.activate(person, secret)
    person.set_password("a-long-passphrase-7")
    person.save()
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    fresh = Client()
    fresh.post(reverse("account_login"), {"login": person.email, "password": "a-long-passphrase-7"})
    answer = fresh.post(reverse("mfa_authenticate"), {"code": totp(secret)})
    assert answer.status_code == 200
    assert "can&#x27;t be read any more" in answer.content.decode()
    call_command("sign_in_link", "--email", person.email, "--remove-second-factors")
    told, link = capsys.readouterr().out.strip().splitlines()
    assert told == "Second factors and passkeys taken away: 1."
    assert not Authenticator.objects.filter(user=person).exists()
    event = AuditEvent.objects.get(action="user.remove_second_factors")
    assert (event.workspace, event.via, event.before) == (cast.workspace, "command", {"second_factors": ["totp"]})
    found = Client()
    assert found.get(path_of(link)).status_code == 302
    assert found.get("/w/acme/").status_code == 200


def test_whom_an_operator_makes_an_admin_is_known_by_their_address(client, db, capsys):
    call_command("make_workspace", "--slug", "fresh", "--email", "First@fresh.example")
    client.get(path_of(capsys.readouterr().out.strip()))
    address = EmailAddress.objects.get(user__email="first@fresh.example")
    assert (address.verified, address.primary) == (True, True)
    assert "Unverified" not in client.get(reverse("account_email")).content.decode()
