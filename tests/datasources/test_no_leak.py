"""Whatever people, spaces, grants, readers, moves and revocations there are: nobody sees what they may not read.

A plain oracle, written from the rules alone, is compared with SQL, with the real embedded index, with the tree and its counts,
with citations, with an export, with an old answer in a shared conversation and with the document page, after every single step.

Every choice is drawn by hypothesis, so that what fails is cut down to the few steps that it takes, told one by one, and tried again
first in the next run (or anywhere, with the line that it prints).
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from dataclasses import dataclass, field
from random import Random
from uuid import UUID

import pytest
from allauth.account.models import EmailAddress
from asgiref.sync import async_to_sync
from django.urls import reverse
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from assistants.models import Message
from assistants.presenting import shown_answers
from datasources import browsing, reading
from datasources.access import readable_branches
from datasources.connectors.base import Complete, RemoteNode, Upsert
from datasources.explaining import why
from datasources.exporting import blocks
from datasources.models import DataSource, Grant, Node, node_id
from datasources.retrieval.types import Filter
from datasources.sources import approve_deletions
from datasources.sync import sync_source
from datasources.views.data import lines, with_spaces
from portal.models import Membership, Space
from tests import factories
from tests.assistants.threads import cite, conversation, exchange
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
    answer: Message | None = None
    cited: list[str] = field(default_factory=list)

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

    def told_in_words(self) -> str:
        """As it stands, for whoever looks at a failure."""
        items = [f"{'/'.join(reversed(self.chain(key)))} {self.told[key].readers}" for key in sorted(self.told)]
        grants = {space.name: part for space, part in self.grants.items()}
        members = {space.name: sorted(str(person.user) for person in found) for space, found in self.members.items()}
        there = sorted(str(person.user) for person in self.active), sorted(str(person.user) for person in self.verified)
        return f"{items}, mirror {self.mirror}, groups {self.told_groups}, grants {grants}, members {members}, there and proven {there}"


def sync(world: World, place, changed: str | None = None) -> None:
    """A run that lists everything, or that tells just what changed, below what is above it."""
    told = [key for key in world.items if changed is None or key == changed or key in _above(world, changed)]
    told.sort(key=lambda key: _depth(world, key))
    place.files = {key: f"Words of {key}." for key, item in world.items.items() if item.is_document}
    place.groups = {name: sorted(world.groups[name]) for name in GROUPS}
    place.script = [Upsert(_remote(key, world.items[key])) for key in told]
    place.script += [Complete(None)] if changed is None else []
    run = synced(world.source)
    assert run.state == "done", run.error
    if run.held:
        # Much went at once: somebody says yes.
        sync_source(approve_deletions(run, by=None))
    if changed is None:
        world.told = {}
    for key in told:
        item = world.items[key]
        world.told[key] = Item(item.parent, item.is_document, item.readers if world.mirror else None)
    named = {reader for item in world.told.values() for reader in item.readers or ()}
    world.told_groups = {name: set(world.groups[name]) for name in GROUPS if f"group:{name}" in named}


def _above(world: World, key: str) -> list[str]:
    found: list[str] = []
    while (parent := world.items[key].parent) is not None:
        found.append(parent)
        key = parent
    return found


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


def principals(rng: Random, world: World) -> tuple[str, ...] | None:
    every = ["everyone", "domain:acme.example", *(f"group:{name}" for name in GROUPS)]
    every += [f"mail:{person.user.email}" for person in world.people]
    return None if rng.random() < 0.5 else tuple(rng.sample(every, rng.choice((0, 1, 1, 2))))


def make(rng: Random, world: World) -> None:
    for number in range(rng.randint(6, 12)):
        folders = [None, *(key for key, item in world.items.items() if not item.is_document)]
        is_document = number > 2 and rng.random() < 0.6
        world.items[f"n{number}"] = Item(rng.choice(folders), is_document, principals(rng, world))
    world.groups = {name: {person.user.email for person in world.people if rng.random() < 0.5} for name in GROUPS}


def rest(rng: Random, world: World, place) -> None:
    """What a step becomes that a failure does not need."""


def grant(rng: Random, world: World, place) -> None:
    space = rng.choice(world.spaces)
    part = None if rng.random() < 0.4 else rng.sample(sorted(world.told), min(2, len(world.told)))
    world.grants[space] = None if part is None else set(part)
    parents = None if part is None else [node_id(world.source.pk, key) for key in part]
    Grant.objects.update_or_create(source=world.source, space=space, defaults={"parents_in": parents})


def revoke(rng: Random, world: World, place) -> None:
    space = rng.choice(world.spaces)
    world.grants.pop(space, None)
    Grant.objects.filter(source=world.source, space=space).delete()


def join_or_leave_a_space(rng: Random, world: World, place) -> None:
    space = rng.choice([s for s in world.spaces if s.kind == Space.Kind.RESTRICTED])
    world.members[space] ^= {rng.choice(world.people)}
    space.members.set([member.user for member in world.members[space]])


def come_or_go(rng: Random, world: World, place) -> None:
    person = rng.choice(world.people)
    world.active ^= {person}
    person.active = person in world.active
    person.save()


def prove_an_address_or_not(rng: Random, world: World, place) -> None:
    person = rng.choice(world.people)
    world.verified ^= {person}
    EmailAddress.objects.filter(user=person.user).update(verified=person in world.verified)


def change_readers(rng: Random, world: World, place) -> None:
    key = rng.choice(sorted(world.items))
    world.items[key].readers = principals(rng, world)
    sync(world, place, rng.choice((None, key)))


def change_a_group(rng: Random, world: World, place) -> None:
    world.groups[rng.choice(GROUPS)] ^= {rng.choice(world.people).user.email}
    sync(world, place)


def move(rng: Random, world: World, place) -> None:
    key = rng.choice(sorted(world.items))
    below = _below(world, key)
    folders = [None, *(k for k, item in world.items.items() if not item.is_document and k not in below)]
    world.items[key].parent = rng.choice(folders)
    sync(world, place, rng.choice((None, key)))


def delete(rng: Random, world: World, place) -> None:
    gone = _below(world, rng.choice(sorted(world.items)))
    if len(gone) < len(world.items):
        world.items = {key: item for key, item in world.items.items() if key not in gone}
    sync(world, place)


def mirror_or_not(rng: Random, world: World, place) -> None:
    world.mirror = not world.mirror
    DataSource.objects.filter(pk=world.source.pk).update(mirror=world.mirror)
    world.source.refresh_from_db()


STEP = (
    rest,
    *(grant, revoke, join_or_leave_a_space, come_or_go, prove_an_address_or_not),
    *(change_readers, change_a_group, move, delete, mirror_or_not, grant, change_readers, move),
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
        if person in world.active:
            check_tree(world, person, expected, documents)


def check_what_leaves(world: World, person: Membership) -> None:
    """An export, and the old answer, for one person: they take longer than the rest."""
    assert exported(world, person) == {key for key in world.readable(person) if world.told[key].is_document}
    check_what_was_shared(world, person)


def exported(world: World, person: Membership) -> set[str]:
    """What is in the zip that one may take along, by the words in it."""
    data = b"".join(blocks(person, world.source))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        texts = [archive.read(name).decode() for name in archive.namelist()]
    found = [match[1] for text in texts for match in re.finditer(r"Words of (n\d+)\.", text)]
    assert len(found) == len(texts)
    return set(found)


def share(world: World) -> None:
    """An old answer, shared with the whole workspace, that cites every document there was, each in a paragraph of its own."""
    world.cited = sorted(key for key, item in world.told.items() if item.is_document)
    paragraphs = [f"It says Words of {key}. [{n}]" for n, key in enumerate(world.cited, 1)]
    row = conversation(world.people[0], shared_with_workspace=True)
    world.answer = exchange(row, "\n\n".join(paragraphs))
    nodes = {node.external_id: node for node in Node.objects.filter(source=world.source)}
    for n, key in enumerate(world.cited, 1):
        cite(world.answer, nodes[key], n, end=5)


def check_what_was_shared(world: World, person: Membership) -> None:
    """Of what rests on documents that one may not read now, neither the paragraph is shown nor a name. What was deleted
    since stays only with who could read it whatever it was."""
    assert world.answer is not None
    shown = shown_answers(person, [world.answer])[world.answer.pk]
    gone = {world.cited[source.n - 1] for source in shown.sources if source.gone}
    hidden = {world.cited[source.n - 1] for source in shown.sources if source.withheld}
    expected = {key for key in world.cited if key in world.told and world.reads(person, key)}
    assert set(world.cited) - hidden - gone == expected
    assert not gone & set(world.told)
    assert not gone or readable_branches(person)
    assert set(re.findall(r"Words of (n\d+)\.", shown.content)) == expected | gone
    told = json.dumps([source.as_json() for source in shown.sources if source.n]) + shown.content
    assert not hidden & set(re.findall(r"\bn\d+\b", told))


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


def check_a_page(rng: Random, world: World, client) -> None:
    """The document page and the words, for one person and one document."""
    person = rng.choice(world.people)
    documents = sorted(key for key, item in world.told.items() if item.is_document)
    if not documents:
        return
    key = rng.choice(documents)
    node = Node.objects.select_related("source").get(source=world.source, external_id=key)
    client.force_login(person.user)
    page = client.get(reverse("document", args=[person.workspace.slug, node.pk]))
    assert page.status_code == (200 if world.reads(person, key) else 404)
    assert why(node, person).may == world.reads(person, key)


# Cutting a failure down may take hypothesis five minutes.
@pytest.mark.timeout(900)
@settings(
    max_examples=9,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(rng=st.randoms())
def test_nobody_ever_sees_what_they_may_not_read(cast, place, embedder, client, monkeypatch, rng):
    # Writing the index's files through to the disk takes most of a small run's time.
    monkeypatch.setattr("datasources.retrieval.edge_client.EdgeHandle.flush", lambda handle: None)
    world = made_world(cast)
    make(rng, world)
    sync(world, place)
    grant(rng, world, place)
    share(world)
    note(world.told_in_words())
    check(world, embedder)
    for _ in range(STEPS):
        step = rng.choice(STEP)
        step(rng, world, place)
        note(f"{step.__name__}: {world.told_in_words()}")
        check(world, embedder)
        check_a_page(rng, world, client)
        check_what_leaves(world, rng.choice(world.people))


def made_world(cast) -> World:
    """The cast's workspace with nothing in it but three people and their spaces."""
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
    return world
