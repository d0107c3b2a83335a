"""Who manages a source learns who can read each item of it, and why, without ever seeing the text of it."""

from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from datasources.models import DataSource, Grant, Node
from tests import factories

pytestmark = pytest.mark.django_db
WORDS = "Forty people will be laid off."


@pytest.fixture
def node(cast):
    """In a source that the builder made and that a space with the member alone reads."""
    board = factories.space(cast.workspace, cast.member, name="Board")
    source = factories.source(cast.workspace, name="Minutes", grant_to=board, created_by=cast.builder.user)
    folder = factories.node(source, "2026")
    return factories.node(source, "2026/swan.md", parent=folder, text=f"# Project Swan\n\n{WORDS}")


def address(node, source=None):
    return reverse("data_source_node_access", args=["acme", source or node.source_id, node.pk])


def test_an_admin_who_is_not_listed_gets_the_reasons_and_no_text(cast, as_, node):
    client = as_("admin")
    assert client.get(reverse("document", args=["acme", node.pk])).status_code == 404
    page = client.get(address(node)).content.decode()
    assert "2026 / swan.md" in page
    assert "<strong>Board</strong>" in page
    assert "(1 person)" in page
    assert "You can’t read it" in page
    assert "Only Board sees it, and you are not in it." in page
    told = client.get(address(node), {"about": str(cast.member.pk)}).content.decode()
    assert "Max Member can read it" in told
    assert "Board sees all of Minutes, and Max Member is in it." in told
    told = client.get(address(node), {"about": str(cast.builder.pk)}).content.decode()
    assert "Bea Builder can’t read it" in told
    assert not [text for text in (page, told) if WORDS in text or "Project Swan" in text]


def test_its_builder_asks_without_learning_of_spaces_that_they_are_not_in(cast, as_, node):
    page = as_("builder").get(address(node), {"about": str(cast.member.pk)}).content.decode()
    assert "Max Member can read it" in page
    assert "A space that Max Member is in sees it." in page
    assert "No space that you know of sees it." in page
    assert "Board" not in page
    assert WORDS not in page


def test_who_does_not_manage_the_source_finds_nothing(cast, as_, node):
    for who in ("member", "outsider"):
        assert as_(who).get(address(node)).status_code == 404
    DataSource.objects.update(created_by=cast.admin.user)
    assert as_("builder").get(address(node)).status_code == 404


def test_only_its_own_rows_are_there_and_only_people_of_the_workspace(cast, as_, node):
    other = factories.source(cast.workspace)
    client = as_("admin")
    assert client.get(address(node, other.pk)).status_code == 404
    assert client.get(reverse("data_source_node_access", args=["acme", node.source_id, uuid4()])).status_code == 404
    page = client.get(address(node), {"about": str(cast.outsider.pk)}).content.decode()
    assert "You can’t read it" in page
    assert str(cast.outsider.pk) not in page


def test_a_row_of_the_tree_leads_there_for_who_manages(as_, node):
    contents = reverse("data_source", args=["acme", node.source_id])
    level = reverse("data_source_tree", args=["acme", node.source_id])
    for who, there in (("admin", True), ("builder", True), ("member", False)):
        client = as_(who)
        found = client.get(level, {"parent": str(node.parent_id)}).content.decode()
        assert (f'href="{address(node)}"' in found) is there
        assert (f'href="{address(node.parent)}"' in client.get(contents).content.decode()) is there
        assert address(node) not in client.get(level, {"parent": str(node.parent_id), "mode": "pick"}).content.decode()


def test_a_folder_is_asked_about_as_a_page_is(cast, as_, node):
    page = as_("admin").get(address(node.parent), {"about": str(cast.member.pk)}).content.decode()
    assert "Max Member can read it" in page


def test_the_sheet_is_the_part_of_the_page_that_answers(as_, node):
    sheet = as_("admin").get(address(node), headers={"hx-request": "true"}).content.decode()
    assert "<html" not in sheet
    assert "2026 / swan.md" in sheet


def test_it_asks_as_often_for_many_people_spaces_and_rows_as_for_few(cast, as_, node):
    client = as_("admin")
    client.get(address(node))

    def queries():
        with CaptureQueriesContext(connection) as asked:
            assert client.get(address(node), {"about": str(cast.member.pk)}).status_code == 200
        return len(asked)

    few = queries()
    for number in range(8):
        person = factories.member(cast.workspace)
        space = factories.space(cast.workspace, person, cast.member)
        Grant.objects.create(space=space, source=node.source)
        factories.node(node.source, f"2026/{number}.md", parent=Node.objects.get(pk=node.parent_id), text="Text.")
    assert queries() == few
