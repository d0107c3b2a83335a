"""The branches of an assistant's knowledge as a tree, of the names that its reader knows."""

from __future__ import annotations

from dataclasses import dataclass, field

from assistants.reads import Part
from datasources.models import Node


@dataclass(slots=True)
class Twig:
    """``mark``: "in" with all below it, "out" with all below it, or empty where it only leads to such."""

    title: str
    mark: str = ""
    node: Node | None = None
    below: list[Twig] = field(default_factory=list)


def tree_of(part: Part) -> list[Twig]:
    """Of one source, its chosen nodes below the folders that lead to them. No query: a node's path names its folders."""
    root = Twig("")
    for mark, nodes in (("in", part.inside), ("out", part.outside)):
        for node in nodes:
            _put(root, node, mark)
    return root.below


def _put(root: Twig, node: Node, mark: str) -> None:
    names = node.path.split(" / ")
    if len(names) != node.depth + 1:  # a title has our separator in it
        names = [node.path or node.title]
    at = root
    for name in names[:-1]:
        at = next((twig for twig in at.below if twig.title == name), None) or _added(at, Twig(name))
    known = next((twig for twig in at.below if twig.title == names[-1] and twig.node is None), None)
    if known is not None:
        known.mark, known.node = mark, node
    else:
        _added(at, Twig(names[-1], mark, node))


def _added(above: Twig, twig: Twig) -> Twig:
    above.below.append(twig)
    return twig
