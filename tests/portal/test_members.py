"""Members: people from a file, leaving with a hand-over, coming back; through the verb, and thinly through each surface."""

import pytest
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext

from portal import events, importing, inviting, people
from portal.models import AuditEvent, Invitation, Membership, Role
from portal.registry import LeftBehind, registries
from tests import factories
from tests.callers import Caller

FILE = (
    "Email;Name;Role;Spaces\n"
    "new@acme.example;Nina New;builder;Sales|Company\n"
    "member@acme.example;;builder;Sales\n"
    "builder@acme.example;Bea;builder;\n"
)


@pytest.fixture
def sales(cast):
    return factories.space(cast.workspace, name="Sales")


def told(lines):
    return [line.problem or line.does for line in lines]


def test_a_file_invites_and_changes_and_twice_is_once(cast, sales, mailoutbox):
    assert told(importing.read_people(cast.workspace, FILE)) == [
        "is invited as builder, joins Sales",
        "is here already: becomes builder and joins Sales",
        "is here already",
    ]
    assert not Invitation.objects.exists()

    done = importing.import_people(cast.workspace, FILE.encode(), by=cast.admin.user)
    assert (done.invited, done.changed, done.mailed) == (1, 1, 1)
    cast.member.refresh_from_db()
    assert cast.member.role == Role.BUILDER
    assert list(sales.members.all()) == [cast.member.user]
    invitation = Invitation.objects.get()
    assert (invitation.name, list(invitation.spaces.all())) == ("Nina New", [sales])
    written = AuditEvent.objects.count()

    again = importing.import_people(cast.workspace, FILE, by=cast.admin.user)
    assert (again.invited, again.changed, len(mailoutbox), AuditEvent.objects.count()) == (0, 0, 1, written)

    link = mailoutbox[0].body.split("/join/")[1].split("/")[0]
    joined = inviting.join_as_new(link, name="Nina New", password="a long password")
    assert joined.user in sales.members.all()


def test_an_open_invitation_is_changed_and_not_sent_anew(cast, sales, mailoutbox):
    inviting.invite(workspace=cast.workspace, email="new@acme.example", role="member", by=cast.admin.user, mail=False)
    token = Invitation.objects.get().token_hash
    done = importing.import_people(cast.workspace, FILE, by=cast.admin.user)
    invitation = Invitation.objects.get()
    assert (invitation.role, invitation.token_hash, done.mailed, mailoutbox) == ("builder", token, 0, [])


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("nobody,Name,member,", "not an e-mail address"),
        (",Name,member,", "address is missing"),
        ("=cmd|' /C calc'!A0@acme.example,x,member,", "not an e-mail address"),
        ("a@b.example,x,king,", "no role “king”"),
        ("a@b.example,x,member,Umbra board", "no space “Umbra board”"),
        (f"a@b.example,{'x' * 121},member,", "longer than 120"),
        ("a@b.example,Eve\u202egnp.exe,member,", "can't be shown"),
        ("admin@acme.example,,member,", "at least one admin"),
    ],
)
def test_a_line_that_cannot_be_used_is_left_out_and_says_why(cast, line, problem, mailoutbox):
    factories.space(cast.elsewhere, name="Umbra board")
    text = f"email,name,role,spaces\n{line}\ngood@b.example,,,\nGOOD@b.example,,,\n"
    done = importing.import_people(cast.workspace, text, by=cast.admin.user)
    assert problem in done.lines[0].problem
    assert done.invited == 1
    assert "stands in line 3" in done.lines[2].problem
    assert [mail.to for mail in mailoutbox] == [["good@b.example"]]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "empty"),
        (b"PK\x03\x04\x00\x00", "not a CSV file"),
        (b"name,role\nx,member\n", "names the columns"),
        (b"email\n" + b"a@b.example\n" * (importing.MOST_LINES + 1), "up to 1000"),
        (b"x" * (importing.MOST_BYTES + 1), "larger than"),
        (b'email,name\na@b.example,"open\n', "can't be read"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(cast, data, problem):
    with pytest.raises(ValidationError, match=problem):
        importing.read_people(cast.workspace, data)


def test_other_encodings_and_no_heading_are_read(cast):
    text = "zoë@acme.example,Zoë,member\n".replace("zoë@", "zoe@")
    for data in (text.encode("cp1252"), text.encode("utf-8-sig"), text.encode("utf-16")):
        assert [(line.email, line.name) for line in importing.read_people(cast.workspace, data)] == [
            ("zoe@acme.example", "Zoë")
        ]


def test_a_preview_asks_the_same_number_of_questions_for_any_length(cast, sales):
    def asked(number):
        rows = "".join(f"p{n}@acme.example,,member,Sales\n" for n in range(number))
        with CaptureQueriesContext(connection) as queries:
            importing.read_people(cast.workspace, f"email,name,role,spaces\n{rows}")
        return len(queries)

    assert asked(3) == asked(60) < 8


def test_the_pages_show_the_file_first_and_then_do_it(cast, client, sales):
    client.force_login(cast.admin.user)
    for page in ("/w/acme/people/import/", "/w/acme/govern/portal/membership/import/"):
        upload = SimpleUploadedFile("people.csv", b"email,name\nx@acme.example,<script>alert(1)</script>\nbad\n")
        html = client.post(page, {"file": upload}).content.decode()
        assert "is invited as member" in html
        assert "Left out" in html
        assert "<script>alert(1)" not in html
        assert not Invitation.objects.exists()
        html = client.post(page, {"csv": "email\nx@acme.example\nbad\n", "confirmed": "yes"}).content.decode()
        assert "1 invited" in html
        Invitation.objects.all().delete()
        assert "larger than" in client.post(page, {"csv": "x" * (importing.MOST_BYTES + 1)}).content.decode()


def test_the_api_imports_too(cast, mailoutbox):
    call = Caller(cast.admin)
    body = {"csv": "email\nx@acme.example\nbad\n"}
    shown = call.post("people/import/", {**body, "preview": True}).json()
    assert (shown["done"], shown["lines"][0]["does"], Invitation.objects.count()) == (False, "is invited as member", 0)
    done = call.post("people/import/", body).json()
    assert (done["done"], done["invited"], bool(done["lines"][1]["problem"])) == (True, 1, True)
    assert call.post("people/import/", {"csv": ""}).status_code == 400
    assert Caller(cast.builder).post("people/import/", body).status_code == 403


@pytest.fixture
def left(monkeypatch):
    """Somebody above looks after two things of everybody's, and hears who gets them."""
    heard = []
    monkeypatch.setitem(registries.leaving._entries, "test", lambda membership: LeftBehind("2 lists", 2))
    monkeypatch.setitem(events._handlers, events.MemberLeft, [*events._handlers[events.MemberLeft], heard.append])
    return heard


def test_leaving_hands_over_and_coming_back_is_as_before(cast, left):
    people.deactivate(cast.member, by=cast.admin.user, hand_over_to=cast.builder)
    assert left[0].hand_over_to == cast.builder.user_id
    assert AuditEvent.objects.get(action="membership.deactivate").after == {"hand_over_to": "Bea Builder"}
    people.reactivate(cast.member, by=cast.admin.user)
    people.reactivate(cast.member, by=cast.admin.user)
    assert AuditEvent.objects.filter(action="membership.reactivate").count() == 1
    assert Membership.objects.active().filter(pk=cast.member.pk).exists()


@pytest.mark.parametrize("heir", ["outsider", "member", "left"])
def test_only_somebody_else_who_is_here_can_take_over(cast, left, heir):
    gone = factories.member(cast.workspace)
    Membership.objects.filter(pk=gone.pk).update(active=False)
    with pytest.raises(ValidationError, match="somebody else"):
        people.deactivate(cast.member, by=cast.admin.user, hand_over_to=gone if heir == "left" else getattr(cast, heir))
    cast.member.refresh_from_db()
    assert cast.member.active
    assert left == []


def test_every_surface_asks_who_takes_over(cast, client, left):
    client.force_login(cast.admin.user)
    portal = f"/w/acme/people/{cast.member.pk}/leave/"
    admin = f"/w/acme/govern/portal/membership/{cast.builder.pk}/do/leave/"
    for page in (portal, admin):
        html = client.get(page).content.decode()
        assert "2 lists" in html
        assert 'value="admin@acme.example"' in html
    assert client.post(portal, {"heir": "outsider@umbra.example"}).status_code == 422
    client.post(portal, {"heir": "builder@acme.example"})
    client.post(admin, {"confirmed": "yes", "answer": "admin@acme.example"})
    assert [event.hand_over_to for event in left] == [cast.builder.user_id, cast.admin.user_id]

    third = factories.member(cast.workspace)
    call = Caller(cast.admin)
    assert call.get(f"people/{third.pk}/").json()["leaves_behind"] == [{"words": "2 lists", "count": 2}]
    wrong = call.patch(f"people/{third.pk}/", {"active": False, "hand_over_to": str(cast.outsider.pk)})
    assert wrong.status_code == 400
    call.patch(f"people/{third.pk}/", {"active": False, "hand_over_to": str(cast.admin.pk)})
    assert left[-1].hand_over_to == cast.admin.user_id


def test_people_are_found_by_role_and_by_when_they_were_seen(cast, client):
    Membership.objects.filter(pk=cast.member.pk).update(last_seen="2020-01-01T00:00:00Z")
    client.force_login(cast.admin.user)

    def shown(query):
        names = ("Ada Admin", "Bea Builder", "Max Member")
        html = client.get(f"/w/acme/people/?{query}").content.decode().partition("<table")[2]
        return {name for name in names if name in html}

    assert shown("role=builder") == {"Bea Builder"}
    assert shown("seen=never") == {"Bea Builder"}
    assert shown("seen=away") == {"Bea Builder", "Max Member"}
    assert shown("seen=7") == {"Ada Admin"}
    listed = Caller(cast.admin).get("people/", seen="away", role="member").json()["results"]
    for wrong in ({"seen": "yesterday"}, {"role": "owner"}):
        refused = Caller(cast.admin).get("people/", **wrong)
        assert (refused.status_code, "It takes one of" in refused.content.decode()) == (400, True)
    assert [row["user"]["email"] for row in listed] == ["member@acme.example"]
    html = client.get("/w/acme/govern/portal/membership/?seen=never").content.decode()
    assert "builder@acme.example" in html
    assert "member@acme.example" not in html
