"""Consistent tenants for tests."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.utils import timezone

from datasources.models import DataSource, Document, Grant, Node, node_id
from portal.models import Membership, Role, Space, User, Workspace
from portal.people import make_workspace

_numbers = itertools.count(1)


@dataclass
class Cast:
    workspace: Workspace
    admin: Membership
    builder: Membership
    member: Membership
    elsewhere: Workspace
    outsider: Membership

    def __iter__(self):
        return iter((self.admin, self.builder, self.member, self.outsider))


def user(email: str | None = None, **more: Any) -> User:
    number = next(_numbers)
    return User.objects.create_user(email or f"person{number}@example.com", "a long password", **more)


def workspace(slug: str | None = None, admin: User | None = None) -> Workspace:
    slug = slug or f"workspace-{next(_numbers)}"
    return make_workspace(slug=slug, name=slug.title(), admin=admin or user())


def member(workspace: Workspace, role: str = Role.MEMBER, person: User | None = None) -> Membership:
    return Membership.objects.create(workspace=workspace, user=person or user(), role=role)


def cast() -> Cast:
    here = workspace("acme", user("admin@acme.example", name="Ada Admin"))
    there = workspace("umbra", user("outsider@umbra.example", name="Otto Outsider"))
    return Cast(
        workspace=here,
        admin=here.memberships.get(),
        builder=member(here, Role.BUILDER, user("builder@acme.example", name="Bea Builder")),
        member=member(here, Role.MEMBER, user("member@acme.example", name="Max Member")),
        elsewhere=there,
        outsider=there.memberships.get(),
    )


def space(workspace: Workspace, *people: Membership, name: str | None = None) -> Space:
    """A restricted space with these people in it."""
    made = Space.objects.create(workspace=workspace, name=name or f"Space {next(_numbers)}", kind=Space.Kind.RESTRICTED)
    made.members.set([m.user for m in people])
    return made


def source(workspace: Workspace, *, grant_to: Space | bool | None = True, **more: Any) -> DataSource:
    """A source; granted whole to Company unless ``grant_to`` says another space, or False for none."""
    made = DataSource.objects.create(
        workspace=workspace, **{"name": f"Source {next(_numbers)}", "kind": "upload", **more}
    )
    if grant_to is True:
        grant_to = Space.objects.get(workspace=workspace, name="Company")
    if grant_to:
        Grant.objects.create(space=grant_to, source=made)
    return made


def node(
    source: DataSource, external_id: str, *, parent: Node | None = None, text: str | None = None, **more: Any
) -> Node:
    """A folder, or with ``text`` an indexed document (in SQL only)."""
    key: UUID = node_id(source.pk, external_id)
    title = more.pop("title", external_id.rsplit("/", 1)[-1])
    made = Node.objects.create(
        id=key,
        workspace=source.workspace,
        source=source,
        external_id=external_id,
        kind=more.pop("kind", "folder" if text is None else "file"),
        title=title,
        parent=parent,
        parents=[key, *(parent.parents if parent else [])],
        path=f"{parent.path} / {title}" if parent else title,
        depth=parent.depth + 1 if parent else 0,
        sort_key=title.lower(),
        status=Node.Status.CONTAINER if text is None else Node.Status.INDEXED,
        modified=timezone.now(),
        **more,
    )
    if text is not None:
        Document.objects.create(node=made, text=text, content_hash=str(hash(text)), indexed_hash=str(hash(text)))
    if parent is not None and not parent.has_children:
        Node.objects.filter(pk=parent.pk).update(has_children=True)
    return made
