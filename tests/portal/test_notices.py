"""What people are told: in the portal and by mail, each in their own workspace."""

from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone

from portal import notices
from portal.models import AuditEvent, Notice
from tests import factories
from tests.callers import Caller


def test_only_people_of_the_workspace_are_told_and_once_each(cast, django_capture_on_commit_callbacks):
    left = factories.member(cast.workspace)
    left.active = False
    left.save()
    people = [cast.member.user, cast.member.user_id, cast.outsider.user, left.user, None]
    with django_capture_on_commit_callbacks(execute=True):
        told = notices.tell(cast.workspace, people, "It is done.", "assistants/leave/", mail="Done\nBcc: x@y.example")
    assert [notice.user for notice in told] == [cast.member.user]
    (sent,) = mail.outbox
    assert (sent.to, sent.subject) == (["member@acme.example"], "Done Bcc: x@y.example")
    assert "It is done." in sent.body
    assert "/w/acme/assistants/leave/" in sent.body


def test_a_mail_server_that_does_not_answer_undoes_nothing(cast, settings, django_capture_on_commit_callbacks):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    with django_capture_on_commit_callbacks(execute=True):
        notices.tell(cast.workspace, [cast.member.user], "It is done.", mail="Done")
    assert Notice.objects.count() == 1


def test_each_chooses_which_notices_come_by_mail(cast, client, mailoutbox, django_capture_on_commit_callbacks):
    def mailed(kind):
        mailoutbox.clear()
        with django_capture_on_commit_callbacks(execute=True):
            notices.tell(cast.workspace, [cast.member.user_id, cast.builder.user], "Done.", mail="Done", kind=kind)
        return sorted(mail.to[0].partition("@")[0] for mail in mailoutbox)

    assert mailed("vetting") == ["builder", "member"]
    assert "/me/" in mailoutbox[0].body
    client.force_login(cast.member.user)
    assert client.get("/me/").content.decode().count('name="mails"') == len(notices.KINDS)
    client.post("/me/notifications/", {"mails": ["templates", "nonsense"]})
    assert (mailed("vetting"), mailed("templates")) == (["builder"], ["builder", "member"])
    assert Notice.objects.filter(user=cast.member.user).count() == 3
    assert AuditEvent.objects.get(action="user.mails").after == {"mails": ["templates"]}

    call = Caller(cast.member, "read", "write")
    assert call.get("me/").json()["mails"] == ["templates"]
    assert call.patch("me/", {"mails": ["vetting", "assistants"]}).json()["mails"] == ["vetting", "assistants"]
    assert mailed("templates") == ["builder"]
    assert call.patch("me/", {"name": "Maxine", "mails": ["nonsense"]}).status_code == 400
    assert call.patch("me/", {"mails": []}).json()["mails"] == []
    assert mailed("assistants") == ["builder"]
    with pytest.raises(ValueError, match="no kind of notice"):
        notices.tell(cast.workspace, [cast.member.user], "Done.", kind="gossip")


def test_the_bell_counts_and_opening_one_reads_it(cast, client):
    factories.member(cast.elsewhere, person=cast.member.user)
    notices.tell(cast.workspace, [cast.member.user], "It is <done>.", "people/")
    notices.tell(cast.workspace, [cast.member.user], "And more.")
    notices.tell(cast.elsewhere, [cast.member.user], "Umbra's secret.")
    client.force_login(cast.member.user)
    html = client.get("/w/acme/notices/").content.decode()
    assert "It is &lt;done&gt;." in html
    assert '<span class="num">2</span>' in html
    assert "secret" not in html
    first = Notice.objects.get(path="people/")
    assert client.get(f"/w/acme/notices/{first.pk}/")["Location"] == "/w/acme/people/"
    assert '<span class="num">1</span>' in client.get("/w/acme/notices/").content.decode()
    assert client.get(f"/w/umbra/notices/{first.pk}/").status_code == 404
    client.post("/w/acme/notices/read/")
    assert Notice.objects.filter(read=None).count() == 1


def test_integrations_list_and_mark_their_owners_own(cast):
    mine = notices.tell(cast.workspace, [cast.member.user, cast.admin.user], "It is done.", "people/")
    call = Caller(cast.member)
    (one,) = call.get("notices/", unread="true").json()["results"]
    assert (one["words"], one["address"], one["read"]) == ("It is done.", "/w/acme/people/", None)
    assert call.post("notices/read/", {"ids": [notice.pk for notice in mine]}).json() == {"marked": 1}
    assert call.get("notices/", unread="true").json()["results"] == []
    assert Caller(cast.member, "read").post("notices/read/", {}).status_code == 403


def test_old_ones_are_forgotten(cast):
    notices.tell(cast.workspace, [cast.member.user], "Long ago.")
    Notice.objects.update(created=timezone.now() - timedelta(days=91))
    notices.tell(cast.workspace, [cast.member.user], "Today.")
    notices.forget_old()
    assert [notice.words for notice in Notice.objects.all()] == ["Today."]
