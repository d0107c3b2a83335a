"""Assistants and templates in the palette: found by what they say of themselves, and by meaning where little has the words."""

from __future__ import annotations

import shutil

import pytest
from django.urls import reverse

from gallery import searching
from gallery.marketplace import built_in, shelf
from tests.gallery.test_gallery import offer

pytestmark = pytest.mark.django_db


@pytest.fixture
def alike(monkeypatch):
    """What means the same as any text: the index, which says so, has tests of its own."""
    found: list = []
    monkeypatch.setattr(searching, "near_blocking", lambda *_: found)
    return found


@pytest.fixture
def found(client, cast, alike):
    client.force_login(cast.member.user)

    def found(text: str) -> str:
        return client.get(reverse("palette", args=["acme"]), {"q": text}).content.decode()

    return found


def test_an_assistant_is_found_by_what_it_does_and_by_its_tags(cast, found):
    offer(cast.builder, "time-off", name="Absences", description="How long parental leave is.", tags=["holidays"])
    for text in ("@time", "absences", "parental leave", "holi"):
        assert 'data-href="/w/acme/assistants/time-off/"' in found(text), text
    assert "time-off" not in found("invoices")


def test_what_means_the_same_is_found_where_few_have_the_words(cast, found, alike):
    alike.append((offer(cast.builder, "time-off", name="Absences").pk, 0.7))
    assert "time-off" in found("vacation")
    for number in range(3):
        offer(cast.builder, f"vacation-{number}", name="Vacation")
    assert "time-off" not in found("vacation")


def test_a_template_is_not_found_by_a_word_of_its_instructions(cast, found, tmp_path):
    shutil.copy(built_in.FOLDER / "sales-account-brief.yaml", tmp_path)
    built_in.sync(tmp_path)
    assert shelf.found(cast.member, "decides").exists(), "the marketplace looks there, too"
    assert "Templates" in found("brief")
    assert "Templates" not in found("decides")
