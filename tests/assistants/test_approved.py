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
from datasources.models import DataSource
from portal import people
from portal.credentials import create_credential
from portal.models import AuditEvent
from tests import factories
from tests.assistants.lives import make, now_of, whole

# Mostly those who may, so that lives get somewhere.
OWNER = st.sampled_from(["first", "first", "first", "second", "member"])
ADMIN = st.sampled_from(["admin", "admin", "admin", "admin", "first"])
State = VettingRequest.State
MODELS = ("", "small", "large")


def told(version: Any) -> tuple[Any, ...]:
    """What people get of a version."""
    return version.instructions, version.knowledge, version.reads_all, version.model


class Life(RuleBasedStateMachine):
    """One assistant with two owners. Kept beside it: ``approved``, what an admin said yes to, by what they saw, and ``handle``,
    what it is called by somebody who may say so."""

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
        self.handle = f"life-{Assistant.objects.count()}"
        self.row = make(self.people["first"], self.handle, instructions="text 0")
        self.source = factories.source(here)
        self.key = create_credential(workspace=here, by=None, kind="openai", api_key="sk-123456789012")
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

    @rule(who=OWNER, what=st.sampled_from(["text", "text", "knowledge", "model", "all"]))
    def save(self, who: str, what: str) -> None:
        self.saves += 1
        fields: dict[str, Any] = {}
        if what in ("text", "all"):
            fields["instructions"] = f"text {self.saves}"
        if what in ("knowledge", "all"):
            fields["knowledge"] = [whole(self.source), [], None][self.saves % 3]
        if what in ("model", "all"):
            model = MODELS[self.saves % 3]
            fields |= {"model": model, "credential": self.key if model else None}
        with contextlib.suppress(Refused):
            lifecycle.save_version(self.row, self.user(who), **fields)

    @rule(who=OWNER, back=st.integers(1, 6))
    def roll_back(self, who: str, back: int) -> None:
        """To any version before the latest."""
        versions = list(self.row.versions.all())
        self.do(lifecycle.roll_back, self.row, self.user(who), versions[min(back, len(versions) - 1)])

    @rule(who=st.sampled_from(["first", "first", "member", "admin"]))
    def rename(self, who: str) -> None:
        self.saves += 1
        before, now = self.handle, now_of(self.row)
        after = f"{before.rpartition('-')[0]}-{self.saves}x"
        may = who == "admin" or now.scope != Assistant.Scope.WORKSPACE
        if self.do(lifecycle.rename_handle, self.row, self.user(who), after):
            assert may
            self.handle = after
            if now.scope != Assistant.Scope.PERSONAL:
                with pytest.raises(ValidationError):
                    make(self.people["member"], before)

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
                self.approved = told(request.version)

    @rule(who=ADMIN, behind=st.integers(0, 1))
    def vet(self, who: str, behind: int) -> None:
        """An admin looks at a version; ``behind``: somebody saves before the button is pressed."""
        seen = now_of(self.row).latest
        if behind:
            self.save("first", "all")
        if self.do(lifecycle.vet, self.row, self.user(who), seen.number):
            assert who == "admin"
            self.approved = told(seen)

    @rule(what=st.sampled_from(["unvet", "expire", "break", "archive", "unpublish", "leave", "hand over"]))
    def something_else(self, what: str) -> None:
        getattr(self, f"_{what.replace(' ', '_')}")()

    def _unvet(self) -> None:
        self.do(lifecycle.unvet, self.row, self.user("admin"))

    def _expire(self) -> None:
        Assistant.objects.filter(pk=self.row.pk, scope="workspace").update(vetted_until=timezone.now())
        expiring.expire(timezone.now())

    def _break(self) -> None:
        """A source that nobody mends in time, and is mended afterwards. Only what reads it falls."""
        before, now = now_of(self.row), timezone.now()
        rows = DataSource.objects.filter(pk=self.source.pk)
        rows.update(broken_since=now - 2 * expiring.GRACE)
        expiring.leave_broken(now)
        rows.update(broken_since=None)
        if before.scope == Assistant.Scope.WORKSPACE:
            assert (now_of(self.row).scope == before.scope) == (self.source.pk not in before.reads)

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
            assert told(now.live) == self.approved
            assert choose(fresh(self.reader), now).version == now.live
            last = now.vetting_requests.filter(state=State.APPROVED).order_by("-decided").first()
            assert (last.version, last.decided_by) == (now.live, self.cast.admin.user)
            assert AuditEvent.objects.filter(action="assistant.vet", object_id=now.pk).exists()
        if now.scope == Assistant.Scope.PERSONAL and not now.archived:
            with pytest.raises(Refused):
                choose(fresh(self.reader), now)
        assert now.vetting_requests.filter(state=State.OPEN).count() <= (now.scope != Assistant.Scope.PERSONAL)
        assert now.owners.exists()
        assert now.handle == self.handle
        offered = now.scope != Assistant.Scope.PERSONAL
        assert not offered or now.live.went_live


def test_what_people_run_is_what_was_approved(cast):
    """A published one that was never vetted runs what its owners saved; the bar says so. This is about the vetted."""

    class Here(Life):
        pass

    Here.cast = cast
    quick = settings(
        max_examples=13,
        stateful_step_count=26,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    run_state_machine_as_test(Here, settings=quick)
