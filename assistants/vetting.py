"""Vetting: owners ask that one version be offered to everybody, an admin decides about that very version.

A request names its version for good. What is saved afterwards is a draft, which nobody has looked at: approving makes the named
version live and leaves the draft a draft. To have the newer one vetted, its owners ask again, which takes the place of the open
request. See docs/decisions/vetting.md.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from assistants.acting import editable, go_live, locked, membership_in, record, require_admin, standing
from assistants.errors import Refused
from assistants.models import Assistant, AssistantVersion, VettingRequest
from portal.access import may
from portal.models import User, Workspace
from portal.notices import admins_of, tell

State = VettingRequest.State
LONGEST_WORDS = 2000
OFFERING = "offer an assistant to the whole workspace"

# ---- What owners do ----------------------------------------------------------------------------------------------


@transaction.atomic
def request_vetting(assistant: Assistant, by: User, note: str = "") -> VettingRequest:
    """Ask that what its owners saved last be offered to everybody. Of one version there is one request, open or not yet made;
    asking for a newer one takes the place of the open one. Raises Refused and ValidationError."""
    assistant = editable(assistant, by)
    note = _words("note", note)
    if assistant.scope == Assistant.Scope.PERSONAL:
        raise Refused("invalid", f"@{assistant.handle} is personal. Publish it first.")
    version = assistant.latest
    assert version is not None
    if assistant.scope == Assistant.Scope.WORKSPACE and not assistant.has_draft and assistant.vetted_until is None:
        raise Refused("invalid", f"What people run of @{assistant.handle} is vetted already.")
    before = open_request(assistant)
    if before is not None:
        if before.version_id == version.pk:
            return before
        _close(before, State.WITHDRAWN, by, f"Version {version.number} is asked for instead.")
    made = VettingRequest.objects.create(assistant=assistant, version=version, note=note, asked_by=by)
    waited = {"asked for": before.version.number if before else None}
    told = {"asked for": version.number} | ({"note": note} if note else {})
    record("assistant.request_vetting", assistant, by, waited, told)
    admins = [admin for admin in admins_of(assistant.workspace) if admin != by.pk]
    tell(
        assistant.workspace,
        admins,
        f"{by} asks that @{assistant.handle} be vetted (version {version.number}).",
        queue_path(made),
        mail=f"@{assistant.handle} waits for vetting",
        kind="vetting",
    )
    return made


@transaction.atomic
def withdraw(request: VettingRequest, by: User) -> VettingRequest:
    """Its owners don't ask any more. Twice is once."""
    editable(request.assistant, by)
    request = _locked(request)
    if request.state == State.OPEN:
        _close(request, State.WITHDRAWN, by)
        waited = {"asked for": request.version.number}
        record("assistant.withdraw_vetting", request.assistant, by, waited, {"asked for": None})
    return request


# ---- What admins do ----------------------------------------------------------------------------------------------


@transaction.atomic
def approve(request: VettingRequest, by: User, comment: str = "") -> VettingRequest:
    """Offer to everybody the very version that was asked for; a later one stays a draft. Raises Refused."""
    request = _to_decide(request, by)
    _close(request, State.APPROVED, by, _words("comment", comment))
    assistant = _offer(request, by, {"comment": request.comment})
    newer = assistant.latest is not None and assistant.latest_id != request.version_id
    _tell_owners(
        request,
        by,
        f"@{assistant.handle} is vetted: version {request.version.number} is offered to everybody."
        + (f" What was saved since (version {assistant.latest.number}) is not." if newer and assistant.latest else ""),
    )
    return request


@transaction.atomic
def ask_changes(request: VettingRequest, by: User, comment: str) -> VettingRequest:
    """Not yet, and why. People go on with what they had. Raises Refused, and ValidationError without a comment."""
    request = _to_decide(request, by)
    _close(request, State.CHANGES, by, _words("comment", comment, needed="Say what should change."))
    _record_no("assistant.ask_changes", request, by)
    _tell_owners(request, by, f"{by} asks for changes to @{request.assistant.handle}: {request.comment}")
    return request


@transaction.atomic
def decline(request: VettingRequest, by: User, comment: str) -> VettingRequest:
    """No, and why. People go on with what they had. Raises Refused, and ValidationError without a comment."""
    request = _to_decide(request, by)
    _close(request, State.DECLINED, by, _words("comment", comment, needed="Say why not."))
    _record_no("assistant.decline_vetting", request, by)
    _tell_owners(request, by, f"{by} declined to vet @{request.assistant.handle}: {request.comment}")
    return request


@transaction.atomic
def vet(assistant: Assistant, by: User, version: AssistantVersion | int | None = None, comment: str = "") -> Assistant:
    """An admin vets what its owners saved last without having been asked. It leaves a request of its own behind, approved.

    ``version``: the one that the admin looked at; where it is not the latest any more, it is refused, so that nothing is
    approved unseen. Raises Refused.
    """
    require_admin(assistant.workspace, by, OFFERING)
    assistant = locked(assistant)
    _require_offered(assistant)
    latest = assistant.latest
    assert latest is not None
    number = version.number if isinstance(version, AssistantVersion) else version
    if number is not None and number != latest.number:
        raise Refused(
            "changed_since", f"@{assistant.handle} has changed since you looked: version {latest.number} is the latest."
        )
    request = open_request(assistant)
    if request is not None and request.version_id != latest.pk:
        _close(request, State.WITHDRAWN, by, f"Version {latest.number} was vetted instead.")
        request = None
    if request is None:
        request = VettingRequest(assistant=assistant, version=latest, asked_by=by)
    request.assistant = assistant
    _close(request, State.APPROVED, by, _words("comment", comment))
    assistant = _offer(request, by, {"comment": request.comment} if request.comment else {})
    _tell_owners(request, by, f"{by} vetted @{assistant.handle}: version {latest.number} is offered to everybody.")
    return assistant


@transaction.atomic
def unvet(assistant: Assistant, by: User, comment: str = "") -> Assistant:
    """An ordinary published assistant again. People go on with the version that they had, and a draft stays a draft until its
    owners publish it. Twice is once."""
    require_admin(assistant.workspace, by, "take a vetting back")
    assistant = locked(assistant)
    if assistant.scope != Assistant.Scope.WORKSPACE:
        return assistant
    comment = _words("comment", comment)
    before = standing(assistant)
    fall_to_published(assistant)
    record("assistant.unvet", assistant, by, before, standing(assistant) | ({"comment": comment} if comment else {}))
    why = f": {comment}" if comment else "."
    owners = [owner for owner in _owners(assistant) if owner != by.pk]
    words = f"{by} took the vetting of @{assistant.handle} back{why}"
    tell(
        assistant.workspace,
        owners,
        words,
        path_of(assistant),
        mail=f"@{assistant.handle} is not vetted any more",
        kind="vetting",
    )
    return assistant


# ---- For the other verbs -----------------------------------------------------------------------------------------


def _record_no(action: str, request: VettingRequest, by: User) -> None:
    """What was asked for waits no more, and why; what people run stays."""
    stands = standing(request.assistant)
    asked = {**stands, "asked for": request.version.number}
    record(action, request.assistant, by, asked, {**stands, "asked for": None, "comment": request.comment})


def open_request(assistant: Assistant) -> VettingRequest | None:
    return assistant.vetting_requests.filter(state=State.OPEN).select_related("version").first()


def fall_to_published(assistant: Assistant) -> None:
    """The locked row is not vetted from now on; what people run stays as it is."""
    clear_vetting(assistant)
    assistant.scope, assistant.is_default = Assistant.Scope.PUBLISHED, False
    assistant.save()


def clear_vetting(assistant: Assistant) -> None:
    """On the row alone; whoever calls saves it."""
    assistant.vetted = assistant.vetted_by = assistant.vetted_until = assistant.reminded = None


def drop_requests(assistant: Assistant, by: User, why: str) -> None:
    """An open request has nothing to ask for any more."""
    request = open_request(assistant)
    if request is not None:
        _close(request, State.WITHDRAWN, by, why)


def until(workspace: Workspace, vetted: datetime) -> datetime | None:
    """When a vetting of that moment ends; None where vettings last for good."""
    return vetted + timedelta(days=workspace.vetting_days) if workspace.vetting_days else None


def path_of(assistant: Assistant) -> str:
    """Of the page where its owners publish it and ask for vetting, below the workspace's address."""
    return f"assistants/{assistant.handle}/publishing/"


def queue_path(request: VettingRequest) -> str:
    return f"govern/assistants/vettingrequest/{request.pk}/change/"


# ---- Inside ------------------------------------------------------------------------------------------------------


def _locked(request: VettingRequest) -> VettingRequest:
    """First the assistant, then the request: every verb takes them in this order."""
    assistant = locked(request.assistant)
    found = VettingRequest.objects.select_for_update(of=("self",)).select_related("version").get(pk=request.pk)
    found.assistant = assistant
    return found


def _to_decide(request: VettingRequest, by: User) -> VettingRequest:
    membership = membership_in(request.assistant.workspace, by)
    if not may(membership, "assistant.vet"):
        raise Refused("not_allowed", f"To {OFFERING}, you need to be an admin.")
    request = _locked(request)
    if request.state != State.OPEN:
        raise Refused("not_open", f"This request is not open any more: {request.get_state_display().lower()}.")
    _require_offered(request.assistant)
    return request


def _require_offered(assistant: Assistant) -> None:
    if assistant.archived:
        raise Refused("not_found", f"@{assistant.handle} is archived.")
    if assistant.scope == Assistant.Scope.PERSONAL:
        raise Refused("invalid", f"@{assistant.handle} is personal. Its owners have to publish it first.")


def _close(request: VettingRequest, state: VettingRequest.State, by: User, comment: str = "") -> None:
    request.state, request.comment, request.decided_by, request.decided = state, comment, by, timezone.now()
    request.save()


def _offer(request: VettingRequest, by: User, more: dict[str, str]) -> Assistant:
    assistant = request.assistant
    before = standing(assistant)
    now = timezone.now()
    assistant.scope, assistant.vetted, assistant.vetted_by = Assistant.Scope.WORKSPACE, now, by
    assistant.vetted_until, assistant.reminded = until(assistant.workspace, now), None
    go_live(assistant, request.version)
    record("assistant.vet", assistant, by, before, standing(assistant) | more)
    return assistant


def _owners(assistant: Assistant) -> list[int]:
    return list(assistant.owners.values_list("pk", flat=True))


def _tell_owners(request: VettingRequest, by: User, words: str) -> None:
    assistant = request.assistant
    people = [pk for pk in {*_owners(assistant), request.asked_by_id} if pk != by.pk]
    tell(assistant.workspace, people, words, path_of(assistant), mail=f"Vetting of @{assistant.handle}", kind="vetting")


def _words(name: str, text: str, needed: str = "") -> str:
    text = text.replace("\x00", "").strip()
    if needed and not text:
        raise ValidationError({name: needed})
    if len(text) > LONGEST_WORDS:
        raise ValidationError({name: f"At most {LONGEST_WORDS:,} characters."})
    return text
