"""The audit log, to read: found by anything, told in words, and downloaded."""

import csv
import io

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext

from portal import audit, audit_log, people
from portal.models import AuditEvent
from portal.spaces import save_space
from tests import factories
from tests.callers import Caller


@pytest.fixture
def log(cast):
    """Three deeds here and one elsewhere, beside those that made the workspaces."""
    AuditEvent.objects.all().delete()
    audit.via.set("portal")  # an earlier test may have called the API in this thread
    room = factories.space(cast.workspace, name="Room")
    save_space(room, by=cast.admin.user, name="=HYPERLINK(1)")
    people.change_role(cast.member, "builder", by=cast.admin.user)
    token = audit.via.set("api")
    audit.record("assistant.publish", workspace=cast.workspace, actor=cast.builder.user, after={"scope": "published"})
    audit.via.reset(token)
    audit.record("assistant.publish", workspace=cast.elsewhere, actor=cast.outsider.user, after={"scope": "published"})
    return AuditEvent.objects.filter(workspace=cast.workspace)


@pytest.mark.parametrize(
    ("narrowed", "actions"),
    [
        ({"action": "assistant"}, ["assistant.publish"]),
        ({"action": "assistant.publish"}, ["assistant.publish"]),
        ({"action": "assist"}, []),
        ({"who": "ada"}, ["membership.change_role", "space.save"]),
        ({"who": "builder@acme"}, ["assistant.publish"]),
        ({"via": "api"}, ["assistant.publish"]),
        ({"text": "hyperlink"}, ["space.save"]),
        ({"object_type": "membership"}, ["membership.change_role"]),
        ({"since": audit_log.moment("2999-01-01")}, []),
        ({"until": audit_log.moment("2999-01-01", end=True), "via": "api"}, ["assistant.publish"]),
    ],
)
def test_deeds_are_found(log, narrowed, actions):
    assert [row.action for row in audit_log.found(log, **narrowed)] == actions


def test_a_day_that_is_none_is_refused():
    for text in ("yesterday", "2026-13-01", "2026-02-30T25:00"):
        with pytest.raises(ValidationError, match="is no day"):
            audit_log.moment(text)


def test_what_changed_is_told_field_by_field_what_changed_first():
    told = audit_log.changes(
        {"name": "Leave", "scope": "personal", "owners": ["Ada"]},
        {"name": "Leave", "scope": "published", "owners": ["Ada", "Max"], "is_default": True},
    )
    assert [(one.name, one.before, one.after, one.changed) for one in told] == [
        ("scope", "personal", "published", True),
        ("owners", "Ada", "Ada, Max", True),
        ("is default", "", "yes", True),
        ("name", "Leave", "Leave", False),
    ]
    assert audit_log.changes(None, None) == []


def test_the_kinds_of_deeds_of_a_workspace_are_known_without_reading_all_of_them(cast, log):
    assert audit_log.actions(cast.workspace) == ["assistant.publish", "membership.change_role", "space.save"]
    assert audit_log.actions(cast.elsewhere) == ["assistant.publish"]


def test_the_file_runs_no_formula_and_says_where_it_ends(log):
    AuditEvent.objects.filter(action="space.save").update(actor_name="@SUM(1)", before={"=x": "\t1"})
    rows = list(csv.reader(io.StringIO("".join(audit_log.as_csv(log)))))
    assert tuple(rows[0]) == audit_log.COLUMNS
    assert len(rows) == 4
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for row in rows for cell in row)
    assert any("'=HYPERLINK(1)" in row for row in rows)
    capped = list(csv.reader(io.StringIO("".join(audit_log.as_csv(log, most=2)))))
    assert len(capped) == 4
    assert "newest 2" in capped[3][0]


def test_the_file_is_streamed_in_one_question(log):
    with CaptureQueriesContext(connection) as asked:
        list(audit_log.as_csv(log))
    assert len(asked) == 1


def test_the_admin_filters_and_downloads_what_it_lists(cast, client, log):
    client.force_login(cast.admin.user)
    page = "/w/acme/govern/portal/auditevent/"
    html = client.get(f"{page}?who=ada&via=portal").content.decode()
    assert "export/?who=ada&amp;via=portal" in html
    assert "role: member → builder" in html
    assert "Otto" not in html
    audit.record(
        "assistant.default", workspace=cast.workspace, actor=None, before={"default": "@leave"}, after={"default": None}
    )
    assert "default: @leave → nothing" in client.get(page).content.decode()
    text = b"".join(client.get(f"{page}export/?action=assistant").streaming_content).decode()
    assert len(text.splitlines()) == 3
    assert "Otto" not in text
    event = log.get(action="membership.change_role")
    html = client.get(f"{page}{event.pk}/change/").content.decode()
    assert "<del>member</del>" in html
    assert "<ins>builder</ins>" in html
    client.force_login(cast.builder.user)
    assert client.get(f"{page}export/").status_code == 403


def test_the_api_filters_and_downloads(cast, log):
    call = Caller(cast.admin)
    (row,) = call.get("audit/", action="membership", who="ada").json()["results"]
    assert row["changes"] == [{"name": "role", "before": "member", "after": "builder", "changed": True}]
    assert call.get("audit/", since="2999-01-01").json()["results"] == []
    assert call.get("audit/", since="soon").status_code == 400
    text = b"".join(call.get("audit/export/", via="api").streaming_content).decode()
    assert len(text.splitlines()) == 2
    assert "portal, admin, api" in call.get("audit/", via="mail").json()["errors"]["via"][0]
    assert Caller(cast.member).get("audit/export/").status_code == 403
    assert Caller(cast.outsider, slug="acme").get("audit/export/").status_code == 404
