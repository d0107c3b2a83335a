"""Whatever happens in whatever order, what people run of a vetted assistant is what an admin approved."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from assistants import expiring, lifecycle
from assistants.errors import Refused
from assistants.models import Assistant, VettingRequest
from assistants.planning import choose, fresh
from portal import people
from portal.models import AuditEvent
from tests import factories
from tests.assistants.lives import make, now_of

# Mostly those who may, so that lives get somewhere.
OWNER = st.sampled_from(["first", "first", "second", "member"])
ADMIN = st.sampled_from(["admin", "admin", "admin", "first"])
State = VettingRequest.State


class Life(RuleBasedStateMachine):
    """One assistant with two owners. ``approved`` is kept beside it: the texts that an admin said yes to, by what they saw."""

    cast: Any

    @initialize()
    def begin(self) -> None:
        here = self.cast.workspace
        self.people = {
            "admin": self.cast.admin,
            "member": self.cast.member,
            "first": factories.member(here),
            "second": factories.member(here),
        }
        self.reader = self.cast.builder
        self.row = make(self.people["first"], f"life-{Assistant.objects.count()}", instructions="text 0")
        lifecycle.add_owner(self.row, self.people["first"].user, self.people["second"].user)
        lifecycle.publish(self.row, self.user("first"))
        self.saves, self.approved = 0, None

    def do(self, verb: Any, *arguments: Any) -> Any:
        """What is refused changes nothing."""
        with contextlib.suppress(Refused, ValidationError):
            return verb(*arguments)
        return None

    def user(self, who: str) -> Any:
        return self.people[who].user

    @rule(who=OWNER)
    def save(self, who: str) -> None:
        self.saves += 1
        with contextlib.suppress(Refused):
            lifecycle.save_version(self.row, self.user(who), instructions=f"text {self.saves}")

    @rule(who=OWNER, number=st.integers(1, 3))
    def roll_back(self, who: str, number: int) -> None:
        if version := self.row.versions.filter(number=number).first():
            self.do(lifecycle.roll_back, self.row, self.user(who), version)

    @rule(who=OWNER, verb=st.sampled_from([*[lifecycle.publish] * 4, lifecycle.unpublish]))
    def offer(self, who: str, verb: Any) -> None:
        self.do(verb, self.row, self.user(who))

    @rule(who=OWNER)
    def ask(self, who: str) -> None:
        self.do(lifecycle.request_vetting, self.row, self.user(who))

    @rule(
        who=ADMIN,
        verb=st.sampled_from(["approve", "approve", "ask_changes", "decline", "withdraw"]),
        old=st.sampled_from([0, 0, 0, 1]),
    )
    def decide(self, who: str, verb: str, old: int) -> None:
        """About the newest request or one before it, as a page that was left open does."""
        for request in self.row.vetting_requests.order_by("-asked")[old : old + 1]:
            words = () if verb == "withdraw" else ("Because.",)
            if self.do(getattr(lifecycle, verb), request, self.user(who), *words) and verb == "approve":
                assert who == "admin"
                self.approved = request.version.instructions

    @rule(who=ADMIN, behind=st.integers(0, 1))
    def vet(self, who: str, behind: int) -> None:
        """An admin looks at a version; ``behind``: somebody saves before the button is pressed."""
        seen = now_of(self.row).latest
        if behind:
            self.save("first")
        if self.do(lifecycle.vet, self.row, self.user(who), seen.number):
            assert who == "admin"
            self.approved = seen.instructions

    @rule(who=ADMIN)
    def unvet(self, who: str) -> None:
        self.do(lifecycle.unvet, self.row, self.user(who))

    @rule()
    def expire(self) -> None:
        Assistant.objects.filter(pk=self.row.pk, scope="workspace").update(vetted_until=timezone.now())
        expiring.expire(timezone.now())

    @rule(who=OWNER)
    def put_away_and_back(self, who: str) -> None:
        self.do(lifecycle.archive, self.row, self.user(who))
        self.do(lifecycle.restore, self.row, self.user("admin"))

    @rule(who=st.sampled_from(["first", "second"]), heir=st.sampled_from([None, "member", "second"]))
    def leave(self, who: str, heir: str | None) -> None:
        """And come back, perhaps to nothing."""
        self.do(lambda: people.deactivate(self.people[who], by=self.user("admin"), hand_over_to=self.people.get(heir)))
        self.do(lifecycle.take_over, self.row, self.user("admin"))
        people.reactivate(self.people[who], by=self.user("admin"))

    @invariant()
    def people_run_what_was_approved(self) -> None:
        if not hasattr(self, "row"):
            return
        now = now_of(self.row)
        if now.scope != Assistant.Scope.WORKSPACE:
            self.approved = None
            assert now.vetted is None
        else:
            assert now.live.instructions == self.approved
            assert choose(fresh(self.reader), now).version == now.live
            last = now.vetting_requests.filter(state=State.APPROVED).order_by("-decided").first()
            assert (last.version, last.decided_by) == (now.live, self.cast.admin.user)
            assert AuditEvent.objects.filter(action="assistant.vet", object_id=now.pk).exists()
        if now.scope == Assistant.Scope.PERSONAL and not now.archived:
            with pytest.raises(Refused):
                choose(fresh(self.reader), now)
        assert now.vetting_requests.filter(state=State.OPEN).count() <= (now.scope != Assistant.Scope.PERSONAL)
        assert now.owners.exists()


def test_what_people_run_is_what_was_approved(cast):
    """A published one that was never vetted runs what its owners saved; the bar says so. This is about the vetted."""

    class Here(Life):
        pass

    Here.cast = cast
    quick = settings(
        max_examples=14,
        stateful_step_count=24,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    run_state_machine_as_test(Here, settings=quick)
