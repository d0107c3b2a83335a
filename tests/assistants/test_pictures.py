"""Pictures of assistants: written anew, small, and shown to nobody who does not see the assistant."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from django.core.exceptions import ValidationError
from django.urls import reverse
from PIL import Image

from assistants import lifecycle, pictures
from assistants.models import Picture
from portal.pictures import MOST_BYTES, reencoded
from tests import factories
from tests.assistants.pictured import a_picture
from tests.assistants.test_views_builder import build, edit, filled, made
from tests.callers import Caller

pytestmark = pytest.mark.django_db


def bomb() -> bytes:
    """A few bytes that say they are a PNG of 30,000 by 30,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    )


def wide() -> bytes:
    file = io.BytesIO()
    Image.new("1", (6000, 5000)).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_whatever_comes_in_is_kept_as_a_small_webp(kind):
    exif = Image.Exif()
    exif[0x010E] = "Taken at home"
    more = {"exif": exif} if kind in {"JPEG", "WEBP", "PNG"} else {}
    out = reencoded(a_picture(kind, (600, 300), **more).getvalue())
    with Image.open(io.BytesIO(out)) as image:
        assert (image.format, image.size) == ("WEBP", (256, 256))
        assert not dict(image.getexif())
    assert b"Taken at home" not in out


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "not a picture that can be used"),
        (b"GIF89a", "damaged|not a picture"),
        (a_picture("PNG", (300, 300)).getvalue()[:120], "damaged"),
        (bomb(), "too many pixels"),
        (wide(), "6,000 × 5,000 pixels"),
        (b"\0" * (MOST_BYTES + 1), "at most 5 MB"),
    ],
    ids=["svg", "stub", "cut", "bomb", "wide", "big"],
)
def test_what_is_no_picture_is_refused_in_words(cast, data, words):
    with pytest.raises(ValidationError, match=words):
        pictures.keep_picture(cast.member, io.BytesIO(data))
    assert not Picture.objects.exists()


def test_a_picture_is_for_who_uploaded_it_and_for_who_sees_an_assistant_with_it(client, cast, settings, tmp_path):
    client.force_login(cast.builder.user)
    told = client.post(reverse("picture_upload", args=["acme"]), {"picture_file": a_picture()}).json()
    build(client, **filled(picture=told["id"]))
    assert str(made().latest.picture_id) == told["id"]
    assert told["url"] in client.get(reverse("assistant_edit", args=["acme", "leave-policy"])).content.decode()

    def code(person) -> int:
        client.force_login(person.user)
        return client.get(told["url"]).status_code

    assert (code(cast.builder), code(cast.admin), code(cast.member), code(cast.outsider)) == (200, 404, 404, 404)
    lifecycle.publish(made(), cast.builder.user)
    assert (code(cast.admin), code(cast.member), code(cast.outsider)) == (200, 200, 404)
    client.force_login(cast.member.user)
    response = client.get(told["url"])
    assert response["Content-Type"] == "image/webp"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in response["Content-Security-Policy"]
    assert told["url"] in client.get(reverse("assistants", args=["acme"])).content.decode()


def test_nobody_takes_a_picture_that_they_do_not_see(cast):
    kept = pictures.keep_picture(cast.admin, a_picture())
    with pytest.raises(ValidationError, match="no such picture"):
        lifecycle.create_assistant(workspace=cast.workspace, by=cast.member.user, handle="mine", picture=str(kept.pk))


def test_without_scripts_the_file_comes_with_the_form(client, cast):
    client.force_login(cast.builder.user)
    build(client, **filled(picture_file=a_picture()))
    first = made().latest.picture
    assert first
    edit(client, **filled(picture=str(first.pk), name="Leave"))
    assert made().latest.picture == first
    edit(client, **filled(picture=""))
    assert made().latest.picture is None


def test_what_is_uploaded_and_never_saved_does_not_pile_up(cast, monkeypatch, django_capture_on_commit_callbacks):
    monkeypatch.setattr(pictures, "MOST_UNUSED", 2)
    used = pictures.keep_picture(cast.member, a_picture())
    lifecycle.create_assistant(workspace=cast.workspace, by=cast.member.user, handle="mine", picture=used)
    with django_capture_on_commit_callbacks(execute=True):
        kept = [pictures.keep_picture(cast.member, a_picture()) for _ in range(4)]
    assert set(Picture.objects.all()) == {used, *kept[2:]}
    assert [kept[n].file.storage.exists(kept[n].file.name) for n in (0, 3)] == [False, True]


def test_pictures_over_the_api(cast):
    mine = Caller(cast.member)
    told = mine.upload("pictures/", file=a_picture("JPEG")).json()
    assert mine.get(told["url"])["Content-Type"] == "image/webp"
    assert Caller(cast.builder).get(told["url"]).status_code == 404
    made = mine.post("assistants/", {"handle": "mine", "name": "Mine", "picture": told["id"]}).json()
    assert made["version"]["picture"] == told["id"]
    assert mine.upload("pictures/", file=io.BytesIO(b"no")).status_code == 400


def test_a_picture_of_another_workspace_is_none(cast):
    theirs = pictures.keep_picture(cast.outsider, a_picture())
    factories.member(cast.elsewhere, person=cast.member.user)
    with pytest.raises(ValidationError, match="no such picture"):
        lifecycle.create_assistant(workspace=cast.workspace, by=cast.member.user, handle="mine", picture=theirs)


def test_a_workspace_that_is_deleted_takes_its_pictures_along(cast, django_capture_on_commit_callbacks):
    kept, theirs = (pictures.keep_picture(person, a_picture()) for person in (cast.member, cast.outsider))
    with django_capture_on_commit_callbacks(execute=True):
        cast.workspace.delete()
    assert [one.file.storage.exists(one.file.name) for one in (kept, theirs)] == [False, True]
