"""Vettings that end by themselves: when their time is over, and when a source breaks, goes, or is read by nobody."""

from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone

from assistants import expiring, lifecycle
from assistants.models import Assistant
from datasources.granting import take_access
from datasources.models import DataSource, Grant
from portal import events
from portal.models import AuditEvent, Notice
from portal.workspaces import set_vetting_days
from tests import factories
from tests.assistants.lives import below, now_of, published, vetted, whole

DAY = timedelta(days=1)


def told(membership):
    return list(Notice.objects.filter(user=membership.user).order_by("id").values_list("words", flat=True))


@pytest.fixture
def yearly(cast):
    set_vetting_days(cast.workspace, 365, by=cast.admin.user)
    return cast.workspace


def test_a_vetting_ends_with_word_before_and_at_its_end(cast, yearly, django_capture_on_commit_callbacks):
    made = vetted(cast.member, cast.admin, instructions="One.")
    lifecycle.set_default(cast.workspace, made, cast.admin.user)
    lifecycle.save_version(made, cast.member.user, instructions="Unseen.")
    ends = now_of(made).vetted_until
    assert ends - now_of(made).vetted == 365 * DAY

    assert expiring.look(ends - 15 * DAY) == 0
    assert len(told(cast.member)) == 1  # that it was vetted
    for _again in range(2):
        expiring.look(ends - 14 * DAY)
    assert [words for words in told(cast.member) if "ends on" in words] == told(cast.member)[1:]
    with django_capture_on_commit_callbacks(execute=True):
        assert [expiring.look(ends), expiring.look(ends)] == [1, 0]

    now = now_of(made)
    assert (now.scope, now.live.instructions, now.is_default, now.vetted_until) == ("published", "One.", False, None)
    assert "not vetted any more: the time for which it was vetted is over" in told(cast.member)[-1]
    assert "not vetted any more" in told(cast.admin)[-1]
    assert {to for message in mail.outbox for to in message.to} == {"member@acme.example", "admin@acme.example"}
    event = AuditEvent.objects.get(action="assistant.fall_back")
    assert (event.actor_name, event.before["scope"], event.after["scope"]) == ("Atrium", "workspace", "published")


def test_another_look_in_time_keeps_it_vetted(cast, yearly):
    made = vetted(cast.member, cast.admin)
    ends = now_of(made).vetted_until
    asked = lifecycle.request_vetting(made, cast.member.user)  # nothing changed, and yet there is something to ask for
    Assistant.objects.filter(pk=made.pk).update(vetted_until=timezone.now() + DAY)
    lifecycle.approve(asked, cast.admin.user)
    assert now_of(made).vetted_until > ends
    assert expiring.look(ends) == 0


def test_the_setting_holds_for_what_is_vetted_already_with_two_weeks_to_go(cast):
    made = vetted(cast.member, cast.admin)
    Assistant.objects.filter(pk=made.pk).update(vetted=timezone.now() - 300 * DAY)
    set_vetting_days(cast.workspace, 365, by=cast.admin.user)
    assert 64 * DAY < now_of(made).vetted_until - timezone.now() < 66 * DAY
    set_vetting_days(cast.workspace, 30, by=cast.admin.user)
    assert 13 * DAY < now_of(made).vetted_until - timezone.now() < 15 * DAY
    set_vetting_days(cast.workspace, None, by=cast.admin.user)
    assert now_of(made).vetted_until is None


def test_a_broken_source_has_three_days_to_be_mended(cast):
    source = factories.source(cast.workspace, name="Wiki")
    made, other = vetted(cast.member, cast.admin, knowledge=whole(source)), vetted(cast.member, cast.admin, "other")
    now = timezone.now()
    DataSource.objects.filter(pk=source.pk).update(broken_since=now)
    events.send(events.SourceBroken(source.pk, "Revoked."))
    assert "A source that @leave needs is broken" in told(cast.member)[-1]
    assert "Wiki is broken, and @leave needs it" in told(cast.admin)[-1]
    assert expiring.look(now + 2 * DAY) == 0
    assert expiring.look(now + 3 * DAY) == 1
    assert (now_of(made).scope, now_of(other).scope) == ("published", "workspace")
    assert "Wiki has been broken since" in AuditEvent.objects.get(action="assistant.fall_back").after["because"]


def test_a_source_that_was_mended_in_time_takes_nothing_along(cast):
    source = factories.source(cast.workspace)
    made = vetted(cast.member, cast.admin, knowledge=whole(source))
    DataSource.objects.filter(pk=source.pk).update(broken_since=timezone.now())
    DataSource.objects.filter(pk=source.pk).update(broken_since=None)
    assert expiring.look(timezone.now() + 9 * DAY) == 0
    assert now_of(made).scope == "workspace"


def test_a_removed_source_takes_the_vetting_along_and_owners_of_others_are_told(cast):
    source = factories.source(cast.workspace)
    made = vetted(cast.member, cast.admin, knowledge=whole(source))
    plain = published(cast.builder, "plain", knowledge=whole(source))
    events.send(events.SourceRemoved(cast.workspace.pk, source.pk))
    source.delete()
    assert now_of(made).scope == now_of(plain).scope == "published"
    assert "Choose its knowledge anew" in told(cast.builder)[-1]
    assert not Assistant.objects.visible_to(cast.admin).exists()


def test_access_that_is_taken_away_from_everybody_ends_it_at_the_next_look(cast):
    source = factories.source(cast.workspace)
    folder, other = factories.node(source, "hr"), factories.node(source, "it")
    made = vetted(cast.member, cast.admin, knowledge=below(source, folder))
    space = Grant.objects.get(source=source).space
    Grant.objects.filter(source=source).update(parents_in=[folder.pk])
    assert expiring.look() == 0
    Grant.objects.filter(source=source).update(parents_in=[other.pk])
    assert expiring.look() == 1
    assert now_of(made).scope == "published"
    again = vetted(cast.admin, cast.admin, "again", knowledge=whole(source))
    take_access(source, space, by=None)
    assert (expiring.look(), now_of(again).scope) == (1, "published")
