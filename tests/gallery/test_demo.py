"""The company of ``make demo``: made once, by the verbs of real use, and nothing in it leads nowhere."""

from __future__ import annotations

import io
import re
import zipfile
from datetime import date, timedelta
from itertools import pairwise

import pytest
from django.core.management import call_command
from django.db.models import F, Q
from django.utils import timezone

from assistants.models import Assistant, Citation, Conversation, Feedback, Message, UseDay, VettingRequest
from datasources.models import Document, Grant, Node, Table
from gallery.demo import making, numbers, slack, told
from gallery.demo.dates import Calendar
from gallery.models import Standing, Template
from portal.models import AuditEvent, Membership, Notice, Space, Workspace
from tests.datasources.conftest import embedder, one_index  # noqa: F401  fixtures

SHARE = 0.12
"""Of the questions: each that is asked for real takes a moment."""


@pytest.fixture
def demo(transactional_db, embedder, monkeypatch):  # noqa: F811
    monkeypatch.setattr("datasources.reading.embedder_for", lambda workspace: embedder)
    making.make(Calendar(timezone.localdate()), share=SHARE)
    return Workspace.objects.get(slug="fernwick")


def test_it_is_a_company_that_has_used_the_portal_for_some_weeks(demo, capsys):
    roles = Membership.objects.filter(workspace=demo, active=True).values_list("role", flat=True)
    assert {role: list(roles).count(role) for role in set(roles)} == {"admin": 2, "builder": 6, "member": 6}
    assert Space.objects.filter(workspace=demo).count() == 5
    assert Grant.objects.filter(space__workspace=demo).exclude(parents_in=None).count() == 3
    assert not Node.objects.filter(workspace=demo, status__in=["failed", "skipped", "pending"]).exists()
    assert Table.objects.filter(node__workspace=demo).count() == 4

    here = Assistant.objects.filter(workspace=demo)
    assert set(here.values_list("scope", flat=True)) == {"personal", "published", "workspace"}
    assert set(here.values_list("stage", flat=True)) == {"alpha", "beta", "stable"}
    states = VettingRequest.objects.filter(assistant__workspace=demo).values_list("state", flat=True)
    assert {"open", "approved", "changes", "declined"} <= set(states)
    assert [one.handle for one in here.orphans()] == ["deal-hygiene"]
    assert here.filter(archived__isnull=False).exists()
    assert here.filter(hidden__isnull=False).exists()
    assert here.filter(scope="workspace").exclude(live=F("latest")).get().handle == "first-line"
    assert here.get(vetted_until__lt=timezone.now() + timedelta(days=7)).handle == "runbooks"
    assert here.get(is_default=True).handle == "ask-fernwick"
    assert here.get(template__isnull=False).handle == "customers-say"
    assert Template.objects.get(workspace=demo, state="offered").offered_by.name == "Felix Tran"

    # The audit log is read in the order of its numbers, and here that is the one of its days.
    told_at = list(AuditEvent.objects.filter(workspace=demo).order_by("pk").values_list("at", flat=True))
    assert told_at == sorted(told_at)
    assert AuditEvent.objects.create(workspace=demo, action="demo.looked_at").pk > AuditEvent.objects.count()
    notices = Notice.objects.filter(workspace=demo).order_by("pk").values_list("created", "read")
    assert [created for created, _read in notices] == sorted(created for created, _read in notices)
    week = timezone.now() - timedelta(days=7)
    assert {(created < week) == (read is not None) for created, read in notices} == {True}

    # No citation leads nowhere, whoever asked reads what was cited, and days of use are what was asked.
    cited = Citation.objects.filter(message__conversation__workspace=demo)
    texts = {document.node_id: document for document in Document.objects.filter(node__workspace=demo)}
    assert cited.count() > 50
    for row in cited:
        assert row.end <= len(texts[row.node].text)
        assert row.start < row.end
    for member in Membership.objects.filter(workspace=demo, active=True).select_related("user", "workspace"):
        theirs = set(cited.filter(message__author=member.user, cited=True).values_list("node", flat=True))
        assert set(Node.objects.readable_by(member).filter(pk__in=theirs).values_list("pk", flat=True)) == theirs, (
            member
        )
    answers = Message.objects.filter(conversation__workspace=demo, role="assistant")
    assert sum(UseDay.objects.filter(workspace=demo).values_list("questions", flat=True)) == answers.count()
    assert not answers.filter(Q(finished__gt=timezone.now()) | ~Q(status="completed")).exists()
    assert answers.filter(created__lt=timezone.now() - timedelta(days=10)).exists()
    assert Feedback.objects.filter(message__in=answers).exists()
    assert Standing.objects.filter(workspace=demo, score__gt=0).count() > 5
    assert not Conversation.objects.filter(workspace=demo, head=None).exists()
    assert not AuditEvent.objects.filter(workspace=demo, at__gt=timezone.now()).exists()

    # A second time it is there already; and it goes again without a trace.
    call_command("make_demo")
    said = capsys.readouterr().out
    assert "is there already" in said
    assert len(re.findall("/sign-in/", said)) == 3
    call_command("make_demo", "--remove")
    assert not Workspace.objects.filter(slug="fernwick").exists()
    assert not Node.objects.filter(pk__in=texts).exists()


def test_dates_are_told_from_the_day_on_which_it_is_made():
    calendar = Calendar(date(2026, 3, 4))
    assert (
        calendar.filled("[[d-12]] [[d+1]] [[deploy-6]] [[m-3]]")
        == "20 February 2026 5 March 2026 26 February 2026 December 2025"
    )
    written = {
        path: text for source in told.read("company")["sources"] for path, text in told.pages(calendar, source).items()
    }
    assert len(written) == 57
    for path, text in written.items():
        assert "[[" not in text, path
        assert text.startswith("# "), path


def test_slack_is_an_export_with_threads_and_edits():
    calendar, company = Calendar(timezone.localdate()), told.read("company")
    packed = slack.export(
        told.read("slack"),
        company["people"],
        company["domain"],
        calendar,
        numbers.tickets(calendar),
        numbers.deals(calendar),
    )
    archive = zipfile.ZipFile(io.BytesIO(packed))
    names = archive.namelist()
    assert {"users.json", "channels.json", "groups.json"} <= set(names)
    import json

    messages = [m for name in names if name.count("/") for m in json.loads(archive.read(name))]
    assert len(messages) > 400
    stamps = [m["ts"] for m in messages]
    assert len(set(stamps)) == len(stamps)
    assert all(m["thread_ts"] in stamps for m in messages if "thread_ts" in m)
    assert sum("edited" in m for m in messages) > 20
    assert sum("thread_ts" in m for m in messages) > 150
    assert max(float(ts) for ts in stamps) < timezone.now().timestamp()


def test_the_tables_agree_with_the_handbook():
    calendar = Calendar(timezone.localdate())
    assert len(numbers.headcount(calendar, [("Ines Calder", "Managing director", "Leadership")])) == 59
    tickets = numbers.tickets(calendar)[1:]
    met = sum(row[8] <= numbers.TARGETS[row[4]] for row in tickets) / len(tickets)
    assert 0.9 < met < 0.96
    assert all(before[1][:10] <= after[1][:10] for before, after in pairwise(tickets))
    assert numbers.tickets(calendar) == [numbers.tickets(calendar)[0], *tickets]
