"""What a person says of themselves: their picture and the language that they are answered in."""

from __future__ import annotations

import io
from uuid import uuid4

import pytest
from django.core.exceptions import ValidationError
from django.urls import reverse
from PIL import Image

from portal import languages, people, profile
from portal.models import AuditEvent, User
from tests import factories
from tests.assistants.pictured import a_picture
from tests.callers import Caller

pytestmark = pytest.mark.django_db


def address(person, slug="acme") -> str:
    person.user.refresh_from_db()
    return reverse("portrait", args=[slug, person.user.portrait])


def test_a_picture_is_made_small_and_stands_for_its_person(client, cast):
    client.force_login(cast.member.user)
    page = client.post("/me/picture/", {"picture_file": a_picture(size=(900, 300))}, follow=True).content.decode()
    assert "This is your picture now." in page
    assert page.count(address(cast.member)) == 2, "in the rail and on the card"
    with Image.open(io.BytesIO(client.get(address(cast.member)).content)) as image:
        assert (image.format, image.size) == ("WEBP", (256, 256))
    client.force_login(cast.admin.user)
    assert address(cast.member) in client.get(reverse("people", args=["acme"])).content.decode()
    answer = client.get(address(cast.member))
    assert answer["Content-Type"] == "image/webp"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert AuditEvent.objects.get(action="user.picture").actor == cast.member.user


def test_only_people_of_a_workspace_with_them_see_it(client, cast):
    profile.keep_picture(cast.member.user, a_picture())
    client.force_login(cast.outsider.user)
    assert client.get(address(cast.member)).status_code == 404
    assert client.get(address(cast.member, "umbra")).status_code == 404
    client.force_login(cast.builder.user)
    assert client.get(address(cast.member)).status_code == 200
    assert client.get(reverse("portrait", args=["acme", uuid4()])).status_code == 404
    people.deactivate(cast.member, by=cast.admin.user)
    assert client.get(address(cast.member)).status_code == 200, "beside what they said it stays"


def test_another_picture_and_none_take_the_file_away(client, cast, django_capture_on_commit_callbacks):
    client.force_login(cast.member.user)
    with django_capture_on_commit_callbacks(execute=True):
        client.post("/me/picture/", {"picture_file": a_picture()})
    first, file = address(cast.member), cast.member.user.picture
    with django_capture_on_commit_callbacks(execute=True):
        client.post("/me/picture/", {"picture_file": a_picture("JPEG")})
    assert address(cast.member) != first
    assert not file.storage.exists(file.name)
    last = cast.member.user.picture
    with django_capture_on_commit_callbacks(execute=True):
        page = client.post("/me/picture/", {"remove": "1"}, follow=True).content.decode()
    assert "your initial stands for you" in page
    cast.member.user.refresh_from_db()
    assert cast.member.user.portrait == ""
    assert not last.storage.exists(last.name)


def test_who_is_deleted_takes_their_picture_along(cast, django_capture_on_commit_callbacks):
    person, other = factories.user(), factories.user()
    for one in (person, other):
        profile.keep_picture(one, a_picture())
    with django_capture_on_commit_callbacks() as kept:
        User.objects.filter(pk=person.pk).delete()
    assert person.picture.storage.exists(person.picture.name), "as long as it may still be undone"
    for callback in kept:
        callback()
    assert not person.picture.storage.exists(person.picture.name)
    assert other.picture.storage.exists(other.picture.name)


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({}, "Choose a picture first."),
        ({"picture_file": io.BytesIO(b"<svg/>")}, "not a picture that can be used"),
    ],
)
def test_what_is_no_picture_is_refused_in_words(client, cast, sent, words):
    client.force_login(cast.member.user)
    assert words in client.post("/me/picture/", sent, follow=True).content.decode()
    cast.member.user.refresh_from_db()
    assert not cast.member.user.picture


def test_pictures_of_people_over_the_api(cast):
    mine = Caller(cast.member)
    assert mine.get("me/").json()["picture"] == ""
    told = mine.upload("me/picture/", file=a_picture()).json()["picture"]
    assert Caller(cast.builder, "read").get(told)["Content-Type"] == "image/webp"
    listed = Caller(cast.builder, "read").get("people/").json()["results"]
    assert [row["picture"] for row in listed if row["user"]["name"] == "Max Member"] == [told]
    assert Caller(cast.outsider).get(told).status_code == 404
    assert mine.upload("me/picture/", file=io.BytesIO(b"no")).status_code == 400
    assert mine.upload("me/picture/").status_code == 400
    assert Caller(cast.member, "read").upload("me/picture/", file=a_picture()).status_code == 403
    assert mine.delete("me/picture/").json()["picture"] == ""
    problem = mine.get(told)
    assert (problem.status_code, problem.json()["code"]) == (404, "not_found")


def test_a_person_chooses_what_they_are_answered_in(client, cast):
    client.force_login(cast.member.user)
    page = client.get("/me/").content.decode()
    assert '<option value="" selected>As I ask</option>' in page
    assert '<option value="de">Deutsch</option>' in page
    client.post("/me/", {"name": "Max Member", "language": "de"})
    cast.member.user.refresh_from_db()
    assert cast.member.user.language == "de"
    assert AuditEvent.objects.get(action="user.language").after == {"language": "de"}
    assert not AuditEvent.objects.filter(action="user.rename").exists(), "the name stayed"
    assert client.post("/me/", {"name": "Max", "language": "xx"}).status_code == 422


def test_the_language_over_the_api(cast):
    call = Caller(cast.member)
    assert call.get("me/").json()["language"] == ""
    assert call.patch("me/", {"language": "fr"}).json()["language"] == "fr"
    assert call.patch("me/", {"name": "Maxine", "language": "xx"}).status_code == 400
    assert call.get("me/").json()["user"]["name"] == "Max Member", "all of it, or nothing"
    assert call.patch("me/", {"language": ""}).json()["language"] == ""
    with pytest.raises(ValidationError, match="no language 'tlh'"):
        profile.choose_language(factories.user(), "tlh")


def test_languages_are_listed_by_their_own_names():
    assert languages.CHOICES[0] == ("", languages.AS_I_ASK)
    assert languages.in_english("de") == "German"
    assert languages.in_english("") == languages.in_english("xx") == ""
