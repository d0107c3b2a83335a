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
from assistants.answerers import choose, fresh
from assistants.errors import Refused
from assistants.models import Assistant, VettingRequest
from portal import people
from portal.models import AuditEvent
from tests import factories
from tests.assistants.lives import make, now_of

# Mostly those who may, so that lives get somewhere.
OWNER = st.sampled_from(["first", "first", "first", "second", "member"])
ADMIN = st.sampled_from(["admin", "admin", "admin", "admin", "first"])
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

    @rule(who=OWNER)
    def publish(self, who: str) -> None:
        self.do(lifecycle.publish, self.row, self.user(who))

    @rule(who=OWNER)
    def ask(self, who: str) -> None:
        self.do(lifecycle.request_vetting, self.row, self.user(who))

    @rule(
        who=ADMIN,
        verb=st.sampled_from(["approve"] * 4 + ["ask_changes", "decline", "withdraw"]),
        late=st.integers(0, 4),
    )
    def decide(self, who: str, verb: str, late: int) -> None:
        """About the open request; now and then about one that is closed, as a page that was left open does."""
        requests = self.row.vetting_requests.exclude(state=State.OPEN) if late == 4 else self.row.vetting_requests.all()
        for request in requests[:1]:
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

    @rule(what=st.sampled_from(["roll back", "unvet", "expire", "archive", "unpublish", "leave", "hand over"]))
    def something_else(self, what: str) -> None:
        getattr(self, f"_{what.replace(' ', '_')}")()

    def _roll_back(self) -> None:
        self.do(lifecycle.roll_back, self.row, self.user("first"), self.row.versions.get(number=1))

    def _unvet(self) -> None:
        self.do(lifecycle.unvet, self.row, self.user("admin"))

    def _expire(self) -> None:
        Assistant.objects.filter(pk=self.row.pk, scope="workspace").update(vetted_until=timezone.now())
        expiring.expire(timezone.now())

    def _archive(self) -> None:
        """And bring it back."""
        self.do(lifecycle.archive, self.row, self.user("first"))
        self.do(lifecycle.restore, self.row, self.user("admin"))

    def _unpublish(self) -> None:
        self.do(lifecycle.unpublish, self.row, self.user("first"))

    def _leave(self, heir: str = "") -> None:
        """And come back, perhaps to nothing."""
        self.do(
            lambda: people.deactivate(self.people["first"], by=self.user("admin"), hand_over_to=self.people.get(heir))
        )
        self.do(lifecycle.take_over, self.row, self.user("admin"))
        people.reactivate(self.people["first"], by=self.user("admin"))

    def _hand_over(self) -> None:
        self._leave("second")
        self.do(lifecycle.add_owner, self.row, self.user("second"), self.user("first"))

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
        stateful_step_count=26,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    run_state_machine_as_test(Here, settings=quick)
