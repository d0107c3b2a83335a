"""Whatever people, spaces, grants, readers, moves and revocations there are: nobody sees what they may not read.

A plain oracle, written from the rules alone, is compared with SQL, with the real embedded index, with the tree and its counts,
with citations and with the document page, after every single step.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

import pytest
from allauth.account.models import EmailAddress
from asgiref.sync import async_to_sync
from django.urls import reverse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datasources import browsing, reading
from datasources.access import readable_branches
from datasources.connectors.base import Complete, RemoteNode, Upsert
from datasources.explaining import why
from datasources.models import DataSource, Grant, Node, node_id
from datasources.reading import PassageRef, passage_texts
from datasources.retrieval.types import Filter
from datasources.views import lines, with_spaces
from portal.models import Membership, Space
from tests import factories
from tests.datasources.syncing import synced

pytestmark = pytest.mark.django_db
GROUPS = ("staff", "board")
STEPS = 8


@dataclass
class Item:
    """At the vendor. ``readers`` None: as its parent."""

    parent: str | None
    is_document: bool
    readers: tuple[str, ...] | None = None


@dataclass
class World:
    """The oracle's own books. ``told``: the vendor's items as of the last sync; readers only where it was mirrored then."""

    source: DataSource
    people: list[Membership]
    spaces: list[Space]
    items: dict[str, Item] = field(default_factory=dict)
    told: dict[str, Item] = field(default_factory=dict)
    groups: dict[str, set[str]] = field(default_factory=dict)
    told_groups: dict[str, set[str]] = field(default_factory=dict)
    grants: dict[Space, set[str] | None] = field(default_factory=dict)
    members: dict[Space, set[Membership]] = field(default_factory=dict)
    verified: set[Membership] = field(default_factory=set)
    active: set[Membership] = field(default_factory=set)
    mirror: bool = True

    def chain(self, key: str | None) -> list[str]:
        found = []
        while key is not None:
            found.append(key)
            key = self.told[key].parent
        return found

    def principals(self, person: Membership) -> set[str]:
        if person not in self.verified:
            return {"everyone"}
        email = person.user.email
        groups = {f"group:{name}" for name, emails in self.told_groups.items() if email in emails}
        return {"everyone", f"mail:{email}", "domain:" + email.split("@")[1], *groups}

    def reads(self, person: Membership, key: str) -> bool:
        if person not in self.active:
            return False
        chain = self.chain(key)
        granted = any(
            (part is None or part & set(chain))
            for space, part in self.grants.items()
            if space.kind == Space.Kind.OPEN or person in self.members[space]
        )
        if not granted or not self.mirror:
            return granted
        readers = next((self.told[k].readers for k in chain if self.told[k].readers is not None), ())
        return bool(set(readers) & self.principals(person))

    def readable(self, person: Membership) -> set[str]:
        return {key for key in self.told if self.reads(person, key)}


def sync(world: World, place) -> None:
    order = sorted(world.items, key=lambda key: _depth(world, key))
    place.files = {key: f"Words of {key}." for key, item in world.items.items() if item.is_document}
    place.groups = {name: sorted(world.groups[name]) for name in GROUPS}
    place.script = [*(Upsert(_remote(key, world.items[key])) for key in order), Complete(None)]
    run = synced(world.source)
    assert run.state == "done", run.error
    keeps = world.mirror
    world.told = {
        key: Item(item.parent, item.is_document, item.readers if keeps else None) for key, item in world.items.items()
    }
    named = {r for item in world.told.values() for r in item.readers or ()}
    world.told_groups = {name: set(world.groups[name]) for name in GROUPS if f"group:{name}" in named}


def _remote(key: str, item: Item) -> RemoteNode:
    kind = "file" if item.is_document else "folder"
    return RemoteNode(key, kind, key, item.parent, "1", item.is_document, not item.is_document, readers=item.readers)


def _depth(world: World, key: str) -> int:
    parent = world.items[key].parent
    return 0 if parent is None else 1 + _depth(world, parent)


def _below(world: World, key: str) -> set[str]:
    found = {key}
    while more := {k for k, item in world.items.items() if item.parent in found} - found:
        found |= more
    return found


# ---- What happens ------------------------------------------------------------------------------------------------


def principals(world: World):
    mails = [f"mail:{person.user.email}" for person in world.people]
    every = ["everyone", "domain:acme.example", *(f"group:{name}" for name in GROUPS), *mails]
    return st.none() | st.lists(st.sampled_from(every), max_size=2, unique=True).map(tuple)


def make(data, world: World) -> None:
    for number in range(data.draw(st.integers(4, 9), label="items")):
        folders = [None, *(key for key, item in world.items.items() if not item.is_document)]
        parent = data.draw(st.sampled_from(folders))
        is_document = number > 1 and data.draw(st.booleans())
        world.items[f"n{number}"] = Item(parent, is_document, data.draw(principals(world)))
    world.groups = {name: set() for name in GROUPS}


def grant(data, world: World, place) -> None:
    space = data.draw(st.sampled_from(world.spaces))
    part = data.draw(st.none() | st.lists(st.sampled_from(sorted(world.told)), min_size=1, max_size=2, unique=True))
    world.grants[space] = None if part is None else set(part)
    parents = None if part is None else [node_id(world.source.pk, key) for key in part]
    Grant.objects.update_or_create(source=world.source, space=space, defaults={"parents_in": parents})


def revoke(data, world: World, place) -> None:
    space = data.draw(st.sampled_from(world.spaces))
    world.grants.pop(space, None)
    Grant.objects.filter(source=world.source, space=space).delete()


def join_or_leave_a_space(data, world: World, place) -> None:
    space = data.draw(st.sampled_from([s for s in world.spaces if s.kind == Space.Kind.RESTRICTED]))
    person = data.draw(st.sampled_from(world.people))
    world.members[space] ^= {person}
    space.members.set([member.user for member in world.members[space]])


def come_or_go(data, world: World, place) -> None:
    person = data.draw(st.sampled_from(world.people))
    world.active ^= {person}
    person.active = person in world.active
    person.save()


def prove_an_address_or_not(data, world: World, place) -> None:
    person = data.draw(st.sampled_from(world.people))
    world.verified ^= {person}
    EmailAddress.objects.filter(user=person.user).update(verified=person in world.verified)


def change_readers(data, world: World, place) -> None:
    world.items[data.draw(st.sampled_from(sorted(world.items)))].readers = data.draw(principals(world))
    sync(world, place)


def change_a_group(data, world: World, place) -> None:
    person = data.draw(st.sampled_from(world.people))
    world.groups[data.draw(st.sampled_from(GROUPS))] ^= {person.user.email}
    sync(world, place)


def move(data, world: World, place) -> None:
    key = data.draw(st.sampled_from(sorted(world.items)))
    below = _below(world, key)
    folders = [None, *(k for k, item in world.items.items() if not item.is_document and k not in below)]
    world.items[key].parent = data.draw(st.sampled_from(folders))
    sync(world, place)


def delete(data, world: World, place) -> None:
    for key in _below(world, data.draw(st.sampled_from(sorted(world.items)))):
        if len(world.items) > 1:
            _forget(world, key)
    sync(world, place)


def _forget(world: World, key: str) -> None:
    if not any(item.parent == key for item in world.items.values()):
        del world.items[key]


def mirror_or_not(data, world: World, place) -> None:
    world.mirror = not world.mirror
    DataSource.objects.filter(pk=world.source.pk).update(mirror=world.mirror)
    world.source.refresh_from_db()


STEP = (
    *(grant, revoke, join_or_leave_a_space, come_or_go, prove_an_address_or_not),
    *(change_readers, change_a_group, move, delete, mirror_or_not, grant, change_readers),
)


# ---- What everybody then sees ------------------------------------------------------------------------------------


def check(world: World, embedder) -> None:
    names = dict(Node.objects.filter(source=world.source).values_list("pk", "external_id"))
    assert set(names.values()) == set(world.told)
    for person in world.people:
        expected = world.readable(person)
        documents = {key for key in expected if world.told[key].is_document}
        by_sql = Node.objects.readable_by(person).filter(source=world.source).values_list("external_id", flat=True)
        assert set(by_sql) == expected
        assert {names[node] for node in in_index(person, embedder)} == documents
        refs = [PassageRef(node, 0, 5) for node, key in names.items() if world.told[key].is_document]
        assert {names[ref.node] for ref in passage_texts(person, refs)} == documents
        if person in world.active:
            check_tree(world, person, expected, documents)


def check_tree(world: World, person: Membership, expected: set[str], documents: set[str]) -> None:
    manages = person.is_admin
    shown = set(world.told) if manages else {above for key in expected for above in world.chain(key)}
    assert walked(world, person, None, expected, documents) == shown
    line = [line for line in lines(person, with_spaces(person)) if line.source.pk == world.source.pk]
    counted = {key for key in shown if world.told[key].is_document}
    assert (line[0].documents if line else 0) == len(counted)


def walked(world: World, person: Membership, parent: str | None, expected: set[str], documents: set[str]) -> set[str]:
    """What one sees who opens every folder."""
    found = set()
    pk = None if parent is None else node_id(world.source.pk, parent)
    for row in browsing.level(person, world.source, pk).rows:
        key = row.node.external_id
        found.add(key)
        assert row.readable == (key in expected)
        if not world.told[key].is_document:
            found |= walked(world, person, key, expected, documents)
            if not person.is_admin:
                assert row.documents == sum(key in world.chain(document) for document in documents)
    return found


def in_index(person: Membership, embedder) -> set[UUID]:
    """What the index alone lets through, by meaning and by words."""
    handle = reading.open_index().for_workspace(person.workspace_id)
    filter = Filter(readable_branches(person))
    vector = embedder.embed_query("words").vectors[0]
    found = async_to_sync(handle.search)(embedder.space, dense=vector, query="words", filter=filter, limit=100)
    ids = [hit.id for hit in (*found.dense, *found.bm25)]
    return {UUID(hit.payload["node"]) for hit in async_to_sync(handle.fetch)(embedder.space, ids, filter)}


def check_a_page(data, world: World, client) -> None:
    """The document page and the words, for one person and one document."""
    person = data.draw(st.sampled_from(world.people))
    documents = sorted(key for key, item in world.told.items() if item.is_document)
    if not documents:
        return
    key = data.draw(st.sampled_from(documents))
    node = Node.objects.select_related("source").get(source=world.source, external_id=key)
    client.force_login(person.user)
    page = client.get(reverse("document", args=[person.workspace.slug, node.pk]))
    assert page.status_code == (200 if world.reads(person, key) else 404)
    assert why(node, person).may == world.reads(person, key)


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(data=st.data())
def test_nobody_ever_sees_what_they_may_not_read(cast, place, embedder, client, data):
    DataSource.objects.filter(workspace=cast.workspace).delete()
    Space.objects.filter(workspace=cast.workspace, kind=Space.Kind.RESTRICTED).delete()
    people = [cast.admin, cast.member, *Membership.objects.filter(workspace=cast.workspace, user__name="Extra")]
    if len(people) < 3:
        people.append(factories.member(cast.workspace, person=factories.user("extra@other.example", name="Extra")))
    world = World(
        factories.source(cast.workspace, kind="fake", grant_to=False, mirror=True),
        people,
        [cast.workspace.spaces.get(name="Company"), factories.space(cast.workspace), factories.space(cast.workspace)],
    )
    world.members = {space: set() for space in world.spaces}
    world.active, world.verified = set(people), set(people)
    Membership.objects.filter(pk__in=[person.pk for person in people]).update(active=True)
    for person in people:
        person.active = True
        EmailAddress.objects.update_or_create(
            user=person.user, email=person.user.email, defaults={"verified": True, "primary": True}
        )
    make(data, world)
    sync(world, place)
    grant(data, world, place)
    check(world, embedder)
    for _ in range(STEPS):
        data.draw(st.sampled_from(STEP), label="step")(data, world, place)
        check(world, embedder)
        check_a_page(data, world, client)
