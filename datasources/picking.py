"""The tree picker: ticking parts of sources, stored as knowledge entries in one hidden input.

How to put it into a form of yours:

    # in the view
    context["picker"] = picker(membership, sources, chosen, name="knowledge")
    # in the template, inside the form
    {% include "datasources/picker.html" %}
    # in the page's scripts block
    <script type="module" src="{% static 'js/tree.js' %}" nonce="{{ CSP_NONCE }}"></script>
    # when the form comes back
    branches = read_choice(request.POST["knowledge"])

``chosen`` and what comes back are ``[{"data_source": id, "parents_in": [ids] | None, "parents_not_in": [ids]}]``, as assistant versions
and the API carry them; None means all of a source, and whatever is added later. The element sends ``picker:change`` (bubbling, with
``detail.value``) whenever a tick changes. Ids of nodes that are gone, or that the person may not see, are kept as they are.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError

from datasources.entering import AskedForm
from datasources.models import DataSource, Node
from datasources.retrieval.types import Branch
from portal.models import Membership

MOST_TICKED = 2000


@dataclass(frozen=True, slots=True)
class Picker:
    """What the template needs. ``chains``: of every chosen node its own id and its ancestors', as JSON.

    ``whole``: whether a whole source can be ticked; ``excludes``: whether single items below a tick can be left out.
    ``route``: where levels come from. ``paths``: of what is chosen, as JSON; with it each tick is listed below the tree, with
    whether what is added later comes in, and the fields of ``options``.
    """

    name: str
    sources: Sequence[DataSource]
    value: str
    chains: str
    whole: bool
    excludes: bool
    route: str = "data_source_tree"
    paths: str = ""
    options: AskedForm | None = None


def picker(
    membership: Membership,
    sources: Iterable[DataSource],
    chosen: Iterable[Mapping[str, Any]],
    *,
    name: str,
    whole: bool = True,
) -> Picker:
    """One query. A grant says only what it includes, so without ``whole`` nothing can be left out either."""
    entries: list[dict[str, Any]] = [
        {
            "data_source": str(entry["data_source"]),
            "parents_in": None if entry.get("parents_in") is None else [str(key) for key in entry["parents_in"]],
            "parents_not_in": [str(key) for key in entry.get("parents_not_in") or ()],
        }
        for entry in chosen
    ]
    keys = {key for entry in entries for key in (entry["parents_in"] or []) + entry["parents_not_in"]}
    nodes = Node.objects.filter(workspace=membership.workspace_id, pk__in=keys).values_list("pk", "parents")
    chains = {str(key): [str(parent) for parent in parents] for key, parents in nodes}
    return Picker(name, list(sources), json.dumps(entries), json.dumps(chains), whole, whole)


def read_choice(text: str) -> list[Branch]:
    """What a picker sent, as branches. Whether the person may see them is for the caller to check. Raises ValidationError."""
    try:
        entries = json.loads(text or "[]")
        branches = [
            Branch(
                UUID(str(entry["data_source"])),
                None if entry["parents_in"] is None else tuple(UUID(str(key)) for key in entry["parents_in"]),
                tuple(UUID(str(key)) for key in entry.get("parents_not_in") or ()),
            )
            for entry in entries
        ]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValidationError("The ticks did not arrive whole. Reload the page and tick again.") from error
    if sum(len(branch.parents_in or ()) + len(branch.parents_not_in) for branch in branches) > MOST_TICKED:
        raise ValidationError(f"More than {MOST_TICKED:,} single ticks: tick folders instead.")
    return branches
