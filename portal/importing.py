"""People from a CSV file: read with a word on every line, then invited, or changed where they are here already.

The same file twice changes nothing the second time.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.utils import timezone

from portal import audit, inviting, people
from portal.models import Invitation, Membership, Role, Space, User, Workspace
from portal.spaces import list_in_spaces

MOST_BYTES = 512 * 1024
MOST_LINES = 1000
NOT_ALL_MAILED = "The mails could not all be sent. Make new links for these people, and send them yourself."

_COLUMNS = {
    "email": {"e-mail", "email", "mail", "e-mail address", "email address", "address"},
    "name": {"name", "full name", "person"},
    "role": {"role"},
    "spaces": {"spaces", "space", "teams", "team"},
}
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the file. ``problem``: why it is left out. ``does``: what importing it does, or did, in words."""

    number: int
    email: str
    name: str = ""
    role: str = ""
    spaces: tuple[str, ...] = ()
    does: str = ""
    problem: str = ""
    changes: bool = False


@dataclass(frozen=True, slots=True)
class Imported:
    """``mailed``: how many were sent a mail. ``problem``: why mails could not be sent, if they could not."""

    lines: Sequence[Line]
    invited: int
    changed: int
    mailed: int
    problem: str = ""


@dataclass(frozen=True, slots=True)
class _Known:
    """Who and what the file can speak of. Four queries, however long it is."""

    members: dict[str, Membership]
    invitations: dict[str, Invitation]
    invited_to: dict[Any, set[Any]]
    spaces: dict[str, Space]
    listed: dict[int, set[Any]]


def read_people(workspace: Workspace, data: bytes | str) -> list[Line]:
    """What importing the file would do, line by line. Raises ValidationError with a sentence where it can't be read at all."""
    rows = _rows(data)
    known = _known(workspace, {row.email for row in rows})
    seen: dict[str, int] = {}
    return [_judged(row, known, seen) for row in rows]


def import_people(workspace: Workspace, data: bytes | str, *, by: User) -> Imported:
    """Do it: lines with a problem are left out, and all others are done or none. Mails go out when that has held."""
    done: list[Line] = []
    invited: list[tuple[Invitation, str]] = []
    with transaction.atomic():
        # Two imports at once would each invite the same people.
        Workspace.objects.select_for_update(no_key=True).get(pk=workspace.pk)
        rows = _rows(data)
        known = _known(workspace, {row.email for row in rows})
        seen: dict[str, int] = {}
        for row in rows:
            line = _judged(row, known, seen)
            done.append(_do(workspace, line, known, by, invited) if line.changes and not line.problem else line)
        changed = sum(1 for line in done if line.changes and not line.problem) - len(invited)
        if invited or changed:
            after = {"invited": len(invited), "changed": changed}
            audit.record("people.import", workspace=workspace, actor=by, target=workspace, after=after)
    failed = inviting.mail_invitations(invited)
    return Imported(done, len(invited), changed, len(invited) - len(failed), NOT_ALL_MAILED if failed else "")


# ---- Reading -----------------------------------------------------------------------------------------------------


def _rows(data: bytes | str) -> list[Line]:
    text = text_of(data)
    first = text.lstrip().splitlines()[0] if text.strip() else ""
    delimiter = max(",;\t", key=first.count) if any(sign in first for sign in ",;\t") else ","
    try:
        cells = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise ValidationError(f"This can't be read as a CSV file: {error}.") from error
    numbered = [(number, row) for number, row in enumerate(cells, start=1) if any(cell.strip() for cell in row)]
    if not numbered:
        raise ValidationError("The file is empty.")
    places = _places(numbered[0][1])
    body = numbered if places is None else numbered[1:]
    places = places or {"email": 0, "name": 1, "role": 2, "spaces": 3}
    if len(body) > MOST_LINES:
        raise ValidationError(f"The file has {len(body)} people. Import up to {MOST_LINES} at once.")
    return [_line(number, row, places) for number, row in body]


def text_of(data: bytes | str) -> str:
    """The file as text. Raises ValidationError with a sentence."""
    if len(data) > MOST_BYTES:
        raise ValidationError(f"The file is larger than {MOST_BYTES // 1024} KB.")
    if isinstance(data, str):
        return data.removeprefix("\ufeff")
    if b"\x00" in data and not data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ValidationError("This is not a CSV file. Save the table as CSV first.")
    for encoding in ("utf-16",) if data.startswith((b"\xff\xfe", b"\xfe\xff")) else ("utf-8-sig", "cp1252"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise ValidationError("This is not a text file. Save the table as CSV in UTF-8.")


def _places(first: list[str]) -> dict[str, int] | None:
    """Which column is what, by the names in the first line; none where that is a person already."""
    names = [cell.strip().lower() for cell in first]
    found = {key: names.index(name) for key, known in _COLUMNS.items() for name in names if name in known}
    if "email" in found:
        return found
    if any("@" in name for name in names):
        return None
    raise ValidationError("The first line names the columns: email, and if you like name, role and spaces.")


def _line(number: int, row: list[str], places: dict[str, int]) -> Line:
    def cell(name: str) -> str:
        place = places.get(name)
        return row[place].strip() if place is not None and place < len(row) else ""

    return Line(number, cell("email").lower(), cell("name"), cell("role").lower(), (cell("spaces"),))


# ---- Judging -----------------------------------------------------------------------------------------------------


def _known(workspace: Workspace, emails: Collection[str]) -> _Known:
    members = Membership.objects.filter(workspace=workspace, user__email__in=emails).select_related("user", "workspace")
    spaces = list(Space.objects.filter(workspace=workspace))
    users = [one.user_id for one in members]
    listed: dict[int, set[Any]] = {}
    for user, space in Space.members.through._default_manager.filter(
        space__workspace=workspace, user__in=users
    ).values_list("user", "space"):
        listed.setdefault(user, set()).add(space)
    open_ones = Invitation.objects.filter(
        workspace=workspace, email__in=emails, accepted=None, revoked=None, expires__gt=timezone.now()
    )
    invitations = {one.email: one for one in open_ones.prefetch_related("spaces")}
    return _Known(
        members={one.user.email.lower(): one for one in members},
        invitations=invitations,
        invited_to={one.pk: {space.pk for space in one.spaces.all()} for one in invitations.values()},
        spaces={space.name.lower(): space for space in spaces},
        listed=listed,
    )


def _judged(line: Line, known: _Known, seen: dict[str, int]) -> Line:
    names, unknown = _spaces_of(line.spaces[0], known)
    line = replace(line, spaces=tuple(names))
    problem = _problem(line, unknown, seen)
    if problem:
        return replace(line, problem=problem)
    seen[line.email] = line.number
    does, changes = _what_it_does(line, known)
    return replace(line, does=does, changes=changes)


def _problem(line: Line, unknown: list[str], seen: dict[str, int]) -> str:
    try:
        validate_email(line.email)
    except ValidationError:
        return "This is not an e-mail address." if line.email else "The e-mail address is missing."
    if line.email in seen:
        return f"The same address stands in line {seen[line.email]}."
    if line.role and line.role not in Role.values:
        return f"There is no role “{line.role[:40]}”. It takes member, builder or admin."
    if unknown:
        return f"There is no space “{unknown[0][:80]}”."
    if len(line.name) > 120 or _CONTROL.search(line.name):
        return "The name is longer than 120 characters, or has characters that can't be shown."
    return ""


def _spaces_of(cell: str, known: _Known) -> tuple[list[str], list[str]]:
    """The names of restricted spaces, and what is no space. Open ones list nobody."""
    if cell.lower() in known.spaces:
        parts = [cell]
    else:
        parts = [part.strip() for part in re.split(r"[;|,\n]", cell) if part.strip()]
    unknown = [part for part in parts if part.lower() not in known.spaces]
    found = [known.spaces[part.lower()] for part in parts if part.lower() in known.spaces]
    return [space.name for space in found if space.kind == Space.Kind.RESTRICTED], unknown


def _what_it_does(line: Line, known: _Known) -> tuple[str, bool]:
    wanted = {known.spaces[name.lower()].pk: name for name in line.spaces}
    member = known.members.get(line.email)
    if member is not None and member.active:
        new = [name for pk, name in wanted.items() if pk not in known.listed.get(member.user_id, set())]
        words = [f"becomes {line.role}"] if line.role and line.role != member.role else []
        words += [f"joins {', '.join(new)}"] if new else []
        return ("is here already" + (f": {' and '.join(words)}" if words else ""), bool(words))
    role = line.role or Role.MEMBER.value
    joins = f", joins {', '.join(line.spaces)}" if line.spaces else ""
    invitation = known.invitations.get(line.email)
    if invitation is None:
        again = "left before, and is invited back" if member is not None else "is invited"
        return f"{again} as {role}{joins}", True
    same_role = not line.role or invitation.role == role
    same_name = not line.name or invitation.name == line.name
    if same_role and same_name and set(wanted) <= known.invited_to[invitation.pk]:
        return "was invited already", False
    return f"was invited already: the invitation is now for a {role if line.role else invitation.role}{joins}", True


# ---- Doing -------------------------------------------------------------------------------------------------------


def _do(workspace: Workspace, line: Line, known: _Known, by: User, invited: list[tuple[Invitation, str]]) -> Line:
    spaces = [known.spaces[name.lower()] for name in line.spaces]
    member = known.members.get(line.email)
    try:
        with transaction.atomic():
            if member is not None and member.active:
                if line.role:
                    people.change_role(member, line.role, by=by)
                list_in_spaces(member, spaces, by=by)
            elif (invitation := known.invitations.get(line.email)) is not None:
                inviting.change_invitation(invitation, by=by, role=line.role, name=line.name, spaces=spaces)
            else:
                invited.append(
                    inviting.invite(
                        workspace=workspace,
                        email=line.email,
                        role=line.role or Role.MEMBER,
                        by=by,
                        name=line.name,
                        spaces=spaces,
                        mail=False,
                    )
                )
    except ValidationError as error:
        return replace(line, problem=" ".join(error.messages), does="")
    return line
