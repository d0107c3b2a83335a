"""What an admin can do to an assistant beside looking at it. Each deed calls a verb, and tells what it refuses the admin's way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.core.exceptions import ValidationError

from assistants import lifecycle
from assistants.defaults import clear_defaults
from assistants.errors import Refused
from assistants.models import Assistant, Message, SpaceDefault
from portal.admin.deeds import Ask, Deed
from portal.models import Membership, Space, User

Scope = Assistant.Scope
MOST_OFFERED = 200


def _step(verb: Callable[..., Any], words: str) -> Callable[..., str]:
    """A verb as a deed; ``words`` follow the handle once it is done."""

    def run(row: Assistant, by: User, *answer: str) -> str:
        try:
            verb(row, by, *answer)
        except Refused as error:
            raise ValidationError(str(error)) from error
        return f"{row} {words}"

    return run


def _vet(row: Assistant, by: User) -> None:
    """The version that stood on the page where the button was pressed."""
    lifecycle.vet(row, by, getattr(row, "seen", None))


def _is_orphan(row: Assistant) -> bool:
    return Assistant.objects.orphans().filter(pk=row.pk).exists()


def _lost_by_archiving(row: Assistant) -> list[str]:
    asked = Message.objects.filter(assistant=row, role=Message.Role.ASSISTANT)
    people = asked.values("author").distinct().count()
    return [
        f"{row}: nobody finds it any more. {people} people have asked it {asked.count()} questions.",
        "Their conversations stay. It can be restored.",
    ]


# ---- Owners ------------------------------------------------------------------------------------------------------


def _is_offered(row: Assistant) -> bool:
    return not row.archived and row.scope != Scope.PERSONAL


def _owners(row: Assistant) -> list[str]:
    names = ", ".join(str(user) for user in row.owners.order_by("email")) or "nobody"
    return [f"{row}: owned by {names}."]


def _add_owner(row: Assistant, by: User, address: str) -> None:
    here = User.objects.filter(memberships__workspace=row.workspace_id)
    lifecycle.add_owner(row, by, _person(here, address, "Nobody in this workspace has the address"))


def _remove_owner(row: Assistant, by: User, address: str) -> None:
    lifecycle.remove_owner(row, by, _person(row.owners.all(), address, "No owner has the address"))


def _person(among: Any, address: str, otherwise: str) -> User:
    found: User | None = among.filter(email__iexact=address).first()
    if found is None:
        raise ValidationError(f"{otherwise} “{address[:80]}”.")
    return found


def _addresses_here(rows: Sequence[Assistant]) -> list[str]:
    here = Membership.objects.active().filter(workspace=rows[0].workspace_id).order_by("user__email")
    return list(here.values_list("user__email", flat=True)[:MOST_OFFERED])


def _addresses_of_owners(rows: Sequence[Assistant]) -> list[str]:
    owners = User.objects.filter(assistants__in=[row.pk for row in rows]).distinct().order_by("email")
    return list(owners.values_list("email", flat=True)[:MOST_OFFERED])


# ---- Defaults ----------------------------------------------------------------------------------------------------


def _make_default(row: Assistant, by: User) -> None:
    lifecycle.set_default(row.workspace, row, by)


def _make_space_default(row: Assistant, by: User, name: str) -> None:
    space = Space.objects.filter(workspace=row.workspace_id, name__iexact=name).first()
    if space is None:
        raise ValidationError(f"There is no space “{name[:80]}”. Choose one from the list.")
    lifecycle.set_space_default(space, row, by)


def _spaces_here(rows: Sequence[Assistant]) -> list[str]:
    spaces = Space.objects.filter(workspace=rows[0].workspace_id).order_by("name")
    return list(spaces.values_list("name", flat=True)[:MOST_OFFERED])


def default_of(row: Assistant) -> list[str]:
    """Where it answers those who chose no assistant: the workspace first, then spaces by name."""
    spaces = SpaceDefault.objects.filter(assistant=row).order_by("space__name").values_list("space__name", flat=True)
    return [*(["the workspace"] if row.is_default else []), *spaces]


def _who_answered(row: Assistant) -> list[str]:
    return [f"{row}: it answers people of {where} only where they choose it." for where in default_of(row)]


# ---- What it is called, and what is said of it -------------------------------------------------------------------


def _may_change(row: Assistant) -> bool:
    return _is_offered(row) and row.live_id is not None


def _stands(row: Assistant) -> list[str]:
    return [f"{row}: {row.get_stage_display().lower()} now."]


def _stages(_rows: Sequence[Any]) -> list[str]:
    return list(Assistant.Stage.values)


def _set_stage(row: Assistant, by: User, stage: str) -> None:
    lifecycle.set_stage(row, by, stage.lower())


def _known_as(row: Assistant) -> list[str]:
    return [
        f"{row}: nobody reaches it under this handle any more, and no other can take it. Its owners are told the new one."
    ]


def _rename(row: Assistant, by: User, handle: str) -> None:
    row.handle = lifecycle.rename_handle(row, by, handle).handle


def _show(row: Assistant, by: User) -> None:
    lifecycle.show_instructions(row, by, True)


def _show_no_more(row: Assistant, by: User) -> None:
    lifecycle.show_instructions(row, by, False)


def _has_earlier(row: Assistant) -> bool:
    return _is_offered(row) and row.latest is not None and row.latest.number > 1


def _runs(row: Assistant) -> list[str]:
    number = row.latest.number if row.latest else 0
    vetted = ", a draft until it is vetted" if row.scope == Scope.WORKSPACE else ", which people run at once"
    return [f"{row}: version {number} is the newest. What you go back to becomes version {number + 1}{vetted}."]


def _versions(rows: Sequence[Assistant]) -> list[str]:
    numbers = rows[0].versions.order_by("-number").values_list("number", flat=True)[1:MOST_OFFERED]
    return [str(number) for number in numbers]


def _roll_back(row: Assistant, by: User, number: str) -> None:
    version = row.versions.filter(number=int(number)).first() if number.isdecimal() and len(number) < 7 else None
    if version is None:
        raise ValidationError(f"There is no version “{number[:20]}”. Choose one from the list.")
    lifecycle.roll_back(row, by, version)


def _ask(label: str, help: str, offers: Callable[[Sequence[Any]], Sequence[str]]) -> Ask:
    return Ask(label, help, lambda _rows: True, lambda _by: "", offers)


DEEDS = (
    Deed(
        "vet",
        "Vet its latest version",
        _step(_vet, "is vetted and offered to everybody."),
        lambda row: not row.archived and (row.scope == Scope.PUBLISHED or row.in_review),
    ),
    Deed(
        "unvet",
        "Take vetting back",
        _step(lifecycle.unvet, "is an ordinary published assistant again."),
        lambda row: row.scope == Scope.WORKSPACE,
    ),
    Deed(
        "default",
        "Make it the default",
        _step(_make_default, "answers where no assistant was chosen."),
        lambda row: row.scope == Scope.WORKSPACE and not row.is_default and not row.archived,
    ),
    Deed(
        "space_default",
        "Make it the default of a space",
        _step(_make_space_default, "answers people of that space where they chose no assistant."),
        _is_offered,
        lambda row: [f"{row}: it takes the place of the space’s default, if there is one."],
        _ask("Which space?", "It has to be vetted, or to read only what people of that space may read.", _spaces_here),
        loses=False,
    ),
    Deed(
        "no_default",
        "No default any more",
        _step(clear_defaults, "answers only where it is chosen."),
        lambda row: bool(default_of(row)),
        _who_answered,
    ),
    Deed(
        "add_owner",
        "Add an owner",
        _step(_add_owner, "has another owner."),
        _is_offered,
        _owners,
        _ask("Who owns it, too? (e-mail address)", "They are told, and can change it.", _addresses_here),
        loses=False,
    ),
    Deed(
        "remove_owner",
        "Remove an owner",
        _step(_remove_owner, "has one owner less."),
        _is_offered,
        _owners,
        _ask("Who does not own it any more? (e-mail address)", "Somebody has to be left.", _addresses_of_owners),
    ),
    Deed(
        "rename",
        "Change its handle",
        _step(_rename, "is its handle now."),
        _may_change,
        _known_as,
        _ask("Its new handle", "Small letters, digits and hyphens.", lambda _rows: []),
    ),
    Deed(
        "stage",
        "Change its stage",
        _step(_set_stage, "has another stage."),
        _may_change,
        _stands,
        _ask("Its stage", "alpha, beta or stable.", _stages),
        loses=False,
    ),
    Deed(
        "show_instructions",
        "Show its instructions",
        _step(_show, "shows its instructions to whoever may ask it."),
        lambda row: _may_change(row) and not row.shows_instructions,
    ),
    Deed(
        "keep_instructions",
        "Keep its instructions to its owners",
        _step(_show_no_more, "keeps its instructions to its owners."),
        lambda row: _may_change(row) and row.shows_instructions,
    ),
    Deed(
        "roll_back",
        "Go back to a version",
        _step(_roll_back, "is what it was before."),
        _has_earlier,
        _runs,
        _ask("Which version?", "Its number. Nothing is lost: it becomes the newest version.", _versions),
        loses=False,
    ),
    Deed(
        "hide",
        "Hide",
        _step(lifecycle.hide, "is in no list any more; whoever knows it still asks it."),
        lambda row: row.hidden is None and row.scope != Scope.PERSONAL and not row.archived,
    ),
    Deed(
        "unhide",
        "Show again",
        _step(lifecycle.unhide, "is in the gallery again."),
        lambda row: row.hidden is not None and row.scope != Scope.PERSONAL and not row.archived,
    ),
    Deed(
        "take_over",
        "Take over",
        _step(lifecycle.take_over, "is yours now."),
        _is_orphan,
    ),
    Deed(
        "unpublish",
        "Unpublish",
        _step(lifecycle.unpublish, "is its owners' alone again."),
        lambda row: row.scope == Scope.PUBLISHED and not row.archived,
        lambda row: [f"{row}: only its owners have it from now on, and it leaves this list."],
    ),
    Deed(
        "archive",
        "Archive",
        _step(lifecycle.archive, "is archived."),
        lambda row: not row.archived and row.scope != Scope.PERSONAL,
        _lost_by_archiving,
    ),
    Deed(
        "restore",
        "Bring back",
        _step(lifecycle.restore, "is back, as its owners' own."),
        lambda row: row.archived is not None,
    ),
)
