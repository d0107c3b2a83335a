"""Who may read what: grants of spaces, in SQL and as index filters."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datasources.access import readable_branches
from datasources.models import DataSource, Grant, Node
from tests import factories


@pytest.fixture
def handbook(cast):
    """A source granted whole to Leadership (the builder), and of it only the folder `leave` to Company."""
    leadership = factories.space(cast.workspace, cast.builder, name="Leadership")
    source = factories.source(cast.workspace, name="Handbook", grant_to=leadership)
    leave = factories.node(source, "leave")
    factories.node(source, "leave/sick.md", parent=leave, text="Sick leave")
    pay = factories.node(source, "pay")
    factories.node(source, "pay/bands.md", parent=pay, text="Bands")
    company = cast.workspace.spaces.get(name="Company")
    Grant.objects.create(space=company, source=source, parents_in=[leave.pk])
    return source


def titles(queryset):
    return sorted(queryset.values_list("title", flat=True))


def test_a_member_reads_the_granted_branch_alone(cast, handbook):
    assert titles(Node.objects.readable_by(cast.member)) == ["leave", "sick.md"]
    assert titles(Node.objects.readable_by(cast.builder)) == ["bands.md", "leave", "pay", "sick.md"]


def test_an_admin_governs_a_restricted_space_but_does_not_read_in_it(cast, handbook):
    assert titles(Node.objects.readable_by(cast.admin)) == ["leave", "sick.md"]
    assert handbook in DataSource.objects.manageable_by(cast.admin)


def test_an_outsider_reads_nothing(cast, handbook):
    assert not Node.objects.readable_by(cast.outsider).exists()
    assert not DataSource.objects.visible_to(cast.outsider).exists()
    assert readable_branches(cast.outsider) == ()


def test_revoking_a_grant_is_effective_at_once(cast, handbook):
    Grant.objects.filter(source=handbook, space__name="Company").delete()
    assert not Node.objects.readable_by(cast.member).exists()
    assert readable_branches(cast.member) == ()


def test_a_deactivated_person_reads_nothing(cast, handbook):
    cast.member.active = False
    cast.member.save()
    assert readable_branches(cast.member) == ()


def test_folders_above_a_granted_page_can_be_walked_but_not_read(cast, handbook):
    page = Node.objects.get(external_id="pay/bands.md")
    Grant.objects.filter(source=handbook, space__name="Company").update(parents_in=[page.pk])
    assert titles(Node.objects.browsable_by(cast.member)) == ["bands.md", "pay"]
    assert titles(Node.objects.readable_by(cast.member)) == ["bands.md"]


def test_a_source_being_deleted_is_read_by_nobody(cast, handbook):
    DataSource.objects.update(state=DataSource.State.DELETING)
    assert not Node.objects.readable_by(cast.builder).exists()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_the_index_filter_and_the_sql_rule_agree(cast, data):
    """Random trees, spaces and grants: a node is readable exactly if a plain reading of the grants says so."""
    DataSource.objects.filter(workspace=cast.workspace).delete()
    source = factories.source(cast.workspace, grant_to=False)
    nodes: list[Node] = []
    for number in range(data.draw(st.integers(2, 8))):
        parent = data.draw(st.sampled_from([None, *nodes]))
        nodes.append(factories.node(source, f"n{number}", parent=parent))
    spaces = [cast.workspace.spaces.get(name="Company"), factories.space(cast.workspace, cast.member)]
    for space in data.draw(st.lists(st.sampled_from(spaces), unique=True)):
        part = data.draw(st.none() | st.lists(st.sampled_from(nodes), unique=True, max_size=3))
        Grant.objects.create(space=space, source=source, parents_in=part if part is None else [n.pk for n in part])

    for person in (cast.member, cast.builder):
        mine = [
            g
            for g in Grant.objects.filter(source=source)
            if g.space.kind == "open" or g.space.members.contains(person.user)
        ]
        expected = {
            n.pk for n in nodes if any(g.parents_in is None or set(g.parents_in) & set(n.parents) for g in mine)
        }
        assert set(Node.objects.readable_by(person).values_list("pk", flat=True)) == expected
        branches = readable_branches(person)
        by_branch = {
            n.pk
            for n in nodes
            if any(
                b.source == source.pk and (b.parents_in is None or set(b.parents_in) & set(n.parents)) for b in branches
            )
        }
        assert by_branch == expected
