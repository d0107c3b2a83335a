"""Joining, leaving and changing roles."""

import pytest
from django.core.exceptions import ValidationError

from portal import people
from portal.models import AuditEvent, Role
from tests import factories


def test_an_invited_person_joins_once_with_the_role_they_were_given(cast):
    _invitation, link = people.invite(
        workspace=cast.workspace, email="New@Acme.example", role=Role.BUILDER, by=cast.admin.user
    )
    token = link.rstrip("/").rsplit("/", 1)[-1]
    person = factories.user("new@acme.example")

    membership = people.accept_invitation(token, person)

    assert (membership.workspace, membership.role) == (cast.workspace, Role.BUILDER)
    with pytest.raises(ValidationError, match="used"):
        people.accept_invitation(token, person)


def test_an_invitation_is_for_its_address_alone(cast):
    _invitation, link = people.invite(
        workspace=cast.workspace, email="new@acme.example", role=Role.MEMBER, by=cast.admin.user
    )
    with pytest.raises(ValidationError, match="for new@acme.example"):
        people.accept_invitation(link.rstrip("/").rsplit("/", 1)[-1], cast.outsider.user)


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
