"""Why somebody can, or can't, read a node: the rules of datasources/access.py in plain words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Count

from datasources.access import AGREED, EVERYONE, principals_of, verified_addresses
from datasources.models import DataSource, Grant, Node
from portal.models import Membership, Space


@dataclass(frozen=True, slots=True)
class Why:
    """``reasons``: sentences for a person, in the order in which the rules are asked."""

    may: bool
    reasons: tuple[str, ...]


def why(node: Node, membership: Membership, asker: Membership | None = None) -> Why:
    """Whether this person may read the node, and why. ``asker``: who wants to know (else the person): spaces that they may
    not know of are not named, and nobody's address is but the person's own. ``may`` is the very rule that search obeys."""
    asker = asker or membership
    who = "You" if asker.pk == membership.pk else str(membership.user)
    if not membership.active or node.workspace_id != membership.workspace_id:
        return Why(False, (f"{who} {'are' if who == 'You' else 'is'} not in this workspace.",))
    if node.source.state == DataSource.State.DELETING:
        return Why(False, (f"{node.source} is being deleted.",))
    if node.gone == AGREED:
        return Why(False, (f"It was taken out of {node.source}, and is being removed.",))
    reasons = [_of_spaces(node, membership, asker, who)]
    if node.source.mirror:
        reasons.append(_of_vendor(node, membership, who))
    may = Node.objects.readable_by(membership).filter(pk=node.pk).exists()
    return Why(may, tuple(reasons))


def readers_of(node: Node, asker: Membership) -> dict[Space, str]:
    """The spaces of which some grant covers the node, as far as the asker may know them, with who that is in words."""
    governed = Space.objects.governed_by(asker).filter(pk__in=[grant.space_id for grant in _covering(node)])
    # Counted around it: a join that looks for the asker would count them alone.
    known = Space.objects.filter(pk__in=governed.values("pk")).annotate(people=Count("members"))
    also = ", where the source lets them read it" if node.source.mirror else ""
    return {
        space: ("every member" if space.kind == Space.Kind.OPEN else _number_of(space.people)) + also
        for space in known.order_by("name")
    }


def _number_of(people: int) -> str:
    return f"{people:,} {'person' if people == 1 else 'people'}"


def _covering(node: Node) -> list[Grant]:
    grants = Grant.objects.filter(source=node.source_id).select_related("space").order_by("space__name")
    return [g for g in grants if g.parents_in is None or set(g.parents_in) & set(node.parents)]


def _of_spaces(node: Node, membership: Membership, asker: Membership, who: str) -> str:
    covering = _covering(node)
    mine = set(Space.objects.of_member(membership).values_list("pk", flat=True))
    known = set(Space.objects.governed_by(asker).values_list("pk", flat=True))
    through = [grant for grant in covering if grant.space_id in mine]
    if named := [grant for grant in through if grant.space_id in known]:
        parts = [f"{g.space} sees {'all' if g.parents_in is None else 'this part'} of {node.source}" for g in named]
        ends = "you are" if who == "You" else f"{who} is"
        return f"{_listed(parts)}, and {ends} in {'it' if len(named) == 1 else 'them'}."
    if through:
        return f"A space that {who} is in sees it."
    if not covering:
        return f"No space sees this part of {node.source}: no grant covers it."
    others = [str(grant.space) for grant in covering if grant.space_id in known]
    not_in = "you are not" if who == "You" else f"{who} is not"
    if not others:
        return f"It was given to other spaces, and {not_in} in any of them."
    it = "it" if len(others) == 1 else "any of them"
    return f"Only {_listed(others)} {'sees' if len(others) == 1 else 'see'} it, and {not_in} in {it}."


def _of_vendor(node: Node, membership: Membership, who: str) -> str:
    """What the vendor's readers say."""
    your = "your" if who == "You" else "their"
    if node.readers is None:
        return f"Who may read it in {node.source} is not known yet, so nobody may here. The next sync asks."
    if not node.readers:
        return f"{node.source} lets nobody read it whom Atrium could tell by an address."
    if EVERYONE in node.readers:
        return f"In {node.source}, everybody who has access to it may read this."
    mine = principals_of(membership, [node.source_id])[node.source_id]
    if through := sorted(set(mine) & set(node.readers), key=_nearest):
        return f"In {node.source}, it may be read by {_principal(through[0], your)}."
    if not verified_addresses(membership):
        has = "have" if who == "You" else "has"
        return f"{node.source} names who may read it by their addresses, and {who} {has} none that was confirmed."
    addresses = _counted(node.readers)
    return f"In {node.source}, it may be read by {addresses}; none of {your} confirmed addresses is among them."


def _nearest(principal: str) -> int:
    return ["mail", "group", "domain"].index(principal.partition(":")[0])


def _principal(principal: str, your: str) -> str:
    sort, _, rest = principal.partition(":")
    if sort == "mail":
        return f"{your} address {rest}"
    return f"a group that {your} address is in ({rest})" if sort == "group" else f"everybody of {rest}"


def _counted(readers: Sequence[str]) -> str:
    sorts = [reader.partition(":")[0] for reader in readers]
    words = []
    for sort, one, many in (
        ("mail", "person", "people"),
        ("group", "group", "groups"),
        ("domain", "domain", "domains"),
    ):
        if number := sorts.count(sort):
            words.append(f"{number:,} {one if number == 1 else many}")
    return _listed(words) or "others"


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + f" and {parts[-1]}" if parts else ""
