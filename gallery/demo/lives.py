"""The lives of Fernwick's assistants, told in deploy/demo/assistants.yaml, lived through the verbs of lifecycle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.utils import timezone

from assistants import lifecycle
from assistants.acting import membership_in
from assistants.models import Assistant, Favourite
from gallery.demo.company import Company
from gallery.demo.dates import on
from gallery.marketplace.checking import check
from gallery.marketplace.installing import install
from gallery.marketplace.offering import drafted, offer
from gallery.marketplace.rating import rate
from gallery.models import Template
from portal.models import User

SAID = ("name", "description", "emoji", "colour", "instructions", "starters", "tags", "stage", "retrieval")


def live(company: Company, told: Mapping[str, Any]) -> dict[str, Assistant]:
    """All of them as they are today, by handle; what becomes of them after they were asked is for ``settle``."""
    found = {handle: _begin(company, handle, one) for handle, one in told.items() if handle != "favourites"}
    for short, handles in told["favourites"].items():
        Favourite.objects.bulk_create(
            Favourite(user=company.user(short), assistant=found[handle]) for handle in handles
        )
    return found


def _begin(company: Company, handle: str, one: Mapping[str, Any]) -> Assistant:
    """Made, perhaps improved, published and vetted, over some days."""
    owner, day = company.user(one["owners"][0]), one["made"]
    with on(company.calendar.moment(day, "10:12")):
        made = _install(company, handle, one) if "template" in one else _write(company, handle, one)
        for other in one["owners"][1:]:
            lifecycle.add_owner(made, owner, company.user(other))
    if "template" not in one:
        # The first try said less, as first tries do.
        with on(company.calendar.moment(day, "11:40")):
            lifecycle.save_version(made, owner, instructions=one["instructions"], starters=one["starters"])
    if one["ends"] != "personal":
        with on(company.calendar.moment(day, "14:05")):
            lifecycle.publish(made, owner)
    if one["ends"] == "vetted":
        _vet(company, made, day - 3)
    return Assistant.objects.select_related("live", "latest", "workspace").get(pk=made.pk)


def _write(company: Company, handle: str, one: Mapping[str, Any]) -> Assistant:
    fields = {name: one[name] for name in SAID if name in one}
    fields |= {"instructions": one["instructions"].splitlines()[0], "starters": one["starters"][:1]}
    knowledge = None if one["knows"] == "everything" else _entries(company, one["knows"])
    owner = company.user(one["owners"][0])
    return lifecycle.create_assistant(
        workspace=company.workspace, by=owner, handle=handle, knowledge=knowledge, **fields
    )


def _install(company: Company, handle: str, one: Mapping[str, Any]) -> Assistant:
    member = company.members[one["owners"][0]]
    template = Template.objects.get(workspace=None, slug=one["template"])
    fills = {slot: _entries(company, paths) for slot, paths in one["fills"].items()}
    made = install(
        template, workspace=company.workspace, by=member.user, handle=handle, texts=one["texts"], knowledge=fills
    )
    rate(template, member, one["stars"])
    return made


def _entries(company: Company, paths: Sequence[str]) -> list[dict[str, Any]]:
    """Parts of sources as a version's knowledge has them."""
    return [
        {"data_source": str(source.pk), "parents_in": None if nodes is None else [str(node) for node in nodes]}
        for source, nodes in company.parts(paths).items()
    ]


def _vet(company: Company, assistant: Assistant, day: int) -> None:
    owner = assistant.owners.order_by("pk").first()
    assert owner is not None
    with on(company.calendar.moment(day, "09:30")):
        request = lifecycle.request_vetting(assistant, owner, note="The team has used it for some days.")
    with on(company.calendar.moment(day, "16:20")):
        lifecycle.approve(request, company.user("ines"), comment="Asked it ten things; it stays within its pages.")


def settle(company: Company, told: Mapping[str, Any], assistants: Mapping[str, Assistant]) -> None:
    """What became of them lately: drafts, requests and their answers, those that were put away, the default."""
    wanda = company.user("wanda")
    for handle, one in told.items():
        if handle == "favourites":
            continue
        assistant, owner = assistants[handle], company.user(one["owners"][0])
        assistant.refresh_from_db()
        if "review" in one:
            with on(company.calendar.moment(one["review"]["days"], "13:30")):
                lifecycle.request_vetting(assistant, owner, note=one["review"]["note"])
        for key, decide in (("changes_asked", lifecycle.ask_changes), ("declined", lifecycle.decline)):
            if key in one:
                with on(company.calendar.moment(one[key]["days"], "10:40")):
                    request = lifecycle.request_vetting(assistant, owner, note=one[key]["note"])
                with on(company.calendar.moment(one[key]["days"] - 1, "15:15")):
                    decide(request, wanda, comment=one[key]["comment"])
        if "draft" in one:
            with on(company.calendar.moment(one["draft"]["days"], "17:10")):
                words = assistant.latest.instructions + one["draft"]["instructions_add"] if assistant.latest else ""
                lifecycle.save_version(assistant, owner, instructions=words, note="Estate outside hours")
        if "offered" in one:
            with on(company.calendar.moment(one["offered"], "12:25")):
                _offer(assistant, owner)
        if "hidden" in one:
            with on(company.calendar.moment(one["hidden"], "09:15")):
                lifecycle.hide(assistant, wanda)
        if "archived" in one:
            with on(company.calendar.moment(one["archived"], "09:20")):
                lifecycle.archive(assistant, owner)
        if "vetting_ends_in" in one:
            until = timezone.now() + timedelta(days=one["vetting_ends_in"])
            Assistant.objects.filter(pk=assistant.pk).update(vetted_until=until)
        if "default" in one:
            with on(company.calendar.moment(one["default"], "12:00")):
                lifecycle.set_default(company.workspace, assistant, wanda)


def _offer(assistant: Assistant, owner: User) -> None:
    """As a template, with everything that the check found confirmed."""
    blueprint = drafted(assistant)
    found = check(membership_in(assistant.workspace, owner), blueprint)
    offer(assistant, owner, blueprint, confirmed=[one.id for one in found])
