"""Joining, leaving and changing roles."""

from datetime import timedelta
from smtplib import SMTPRecipientsRefused, SMTPServerDisconnected

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from portal import inviting, people
from portal.models import AuditEvent, Invitation, Role, Space
from tests import factories
from tests.assistants.test_defaults import meanwhile


def test_an_invited_person_joins_once_with_the_role_they_were_given(cast):
    _invitation, link = inviting.invite(
        workspace=cast.workspace, email="New@Acme.example", role=Role.BUILDER, by=cast.admin.user
    )
    token = link.rstrip("/").rsplit("/", 1)[-1]
    person = factories.user("new@acme.example")

    membership = inviting.accept_invitation(token, person)

    assert (membership.workspace, membership.role) == (cast.workspace, Role.BUILDER)
    with pytest.raises(ValidationError, match="used"):
        inviting.accept_invitation(token, person)


def test_an_invitation_is_for_its_address_alone(cast):
    _invitation, link = inviting.invite(
        workspace=cast.workspace, email="new@acme.example", role=Role.MEMBER, by=cast.admin.user
    )
    with pytest.raises(ValidationError, match="for new@acme.example"):
        inviting.accept_invitation(link.rstrip("/").rsplit("/", 1)[-1], cast.outsider.user)


def test_an_invitation_takes_nothing_from_who_is_here_already_and_spaces_say_who_joined(cast):
    sales, open_now = factories.space(cast.workspace, name="Sales"), factories.space(cast.workspace, name="Old")
    _invitation, link = inviting.invite(
        workspace=cast.workspace,
        email="new@acme.example",
        role=Role.MEMBER,
        by=cast.admin.user,
        spaces=[sales, open_now],
    )
    Space.objects.filter(pk=open_now.pk).update(kind=Space.Kind.OPEN)
    person = factories.user("new@acme.example")
    here = factories.member(cast.workspace, Role.ADMIN, person)
    people.change_role(cast.admin, Role.MEMBER, by=person)
    inviting.accept_invitation(link.rstrip("/").rsplit("/", 1)[-1], person)
    here.refresh_from_db()
    assert here.role == Role.ADMIN, "the only admin"
    assert (list(sales.members.all()), list(open_now.members.all())) == ([person], [])
    assert AuditEvent.objects.get(action="space.join").actor == person


def test_a_workspace_of_two_lines_can_invite(cast, mailoutbox, django_capture_on_commit_callbacks):
    people.rename_workspace(cast.workspace, "Acme\nIndustries", by=cast.admin.user)
    with django_capture_on_commit_callbacks(execute=True):
        inviting.invite(workspace=cast.workspace, email="new@acme.example", role=Role.MEMBER, by=cast.admin.user)
    assert [mail.subject for mail in mailoutbox] == ["Join Acme Industries on Atrium"]


def test_what_replaces_an_invitation_carries_over_its_name_and_spaces(cast):
    sales, old = factories.space(cast.workspace, name="Sales"), factories.space(cast.workspace, name="Old")
    about = {"workspace": cast.workspace, "email": "new@acme.example", "by": cast.admin.user}
    first, _link = inviting.invite(role=Role.MEMBER, name="Nina New", spaces=[sales, old], **about)
    Space.objects.filter(pk=old.pk).update(kind=Space.Kind.OPEN)

    again, _link = inviting.invite(role=Role.BUILDER, **about)
    assert (again.role, again.name, list(again.spaces.all())) == (Role.BUILDER, "Nina New", [sales])

    # Also of one that has run out; and what is said anew counts.
    Invitation.objects.filter(pk=again.pk).update(expires=timezone.now() - timedelta(days=1))
    again.refresh_from_db()
    renewed, _link = inviting.renew_invitation(again, by=cast.admin.user)
    assert (renewed.role, renewed.name, list(renewed.spaces.all())) == (Role.BUILDER, "Nina New", [sales])
    assert renewed.is_open
    other, _link = inviting.invite(role=Role.MEMBER, name="Nina Newer", spaces=[], **about)
    assert (other.name, list(other.spaces.all())) == ("Nina Newer", [])
    assert [one.is_open for one in Invitation.objects.order_by("created")] == [False, False, False, True]
    with pytest.raises(ValidationError, match="used or withdrawn"):
        inviting.renew_invitation(Invitation.objects.get(pk=first.pk), by=cast.admin.user)


def test_one_address_that_is_refused_costs_no_other_its_mail(cast, monkeypatch, mailoutbox):
    def refuse(self, messages):
        to = messages[0].to[0]
        if to == "gone@acme.example":
            raise SMTPRecipientsRefused({to: (550, b"no such mailbox")})
        if to == "late@acme.example":
            raise SMTPServerDisconnected("it hung up")
        mailoutbox.append(to)

    monkeypatch.setattr("django.core.mail.backends.locmem.EmailBackend.send_messages", refuse)
    sent = [
        inviting.invite(workspace=cast.workspace, email=f"{name}@acme.example", role="member", by=cast.admin.user)
        for name in ("gone", "here", "late", "after")
    ]
    failed = inviting.mail_invitations(sent)
    assert [one.email.partition("@")[0] for one in failed] == ["gone", "late", "after"]
    assert mailoutbox == ["here@acme.example"]


def test_a_mail_server_that_is_away_is_told_to_whoever_signs_in(cast, client, monkeypatch):
    def away(self, messages):
        raise ConnectionRefusedError("nobody listens")

    monkeypatch.setattr("django.core.mail.backends.locmem.EmailBackend.send_messages", away)
    for address, known in (
        ("/accounts/login/code/", cast.member.user.email),
        ("/accounts/password/reset/", "x@y.example"),
    ):
        answer = client.post(address, {"email": known})
        assert answer.status_code == 503
        assert "The mail could not be sent" in answer.content.decode()


def test_the_last_admin_stays(cast):
    with pytest.raises(ValidationError, match="at least one admin"):
        people.deactivate(cast.admin, by=cast.admin.user)
    with pytest.raises(ValidationError, match="at least one admin"):
        people.change_role(cast.admin, Role.MEMBER, by=cast.admin.user)


def test_leaving_revokes_keys_and_spaces_and_is_in_the_audit_log(cast):
    from portal.models import ApiKey

    key, _text = ApiKey.objects.make(cast.member, "script", ["read"])
    room = factories.space(cast.workspace, cast.member)

    people.deactivate(cast.member, by=cast.admin.user)

    key.refresh_from_db()
    assert not key.is_live
    assert not room.members.exists()
    assert AuditEvent.objects.filter(
        workspace=cast.workspace, action="membership.deactivate", actor=cast.admin.user
    ).exists()


def test_a_sign_in_link_works_once(cast, client):
    link = people.sign_in_link(cast.member.user)
    first = client.get(link.split("localhost:8000", 1)[-1])
    assert first.status_code == 302
    client.logout()
    assert client.get(link.split("localhost:8000", 1)[-1]).status_code == 410


@pytest.mark.django_db(transaction=True)
def test_two_who_invite_one_person_at_once_leave_one_open_invitation(cast):
    def invites(role):
        return lambda: inviting.invite(
            workspace=cast.workspace, email="new@acme.example", role=role, by=cast.admin.user, mail=False
        )

    meanwhile(invites(Role.MEMBER), invites(Role.BUILDER))
    (left,) = Invitation.objects.filter(email="new@acme.example", accepted=None, revoked=None)
    assert left.role == Role.BUILDER
