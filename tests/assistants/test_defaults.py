"""Who answers where no assistant was chosen: of one's restricted spaces, of open ones, of the workspace, the plain one."""

from concurrent.futures import ThreadPoolExecutor, wait

import pytest
from django.core.exceptions import ValidationError
from django.db import connection, transaction

from assistants import defaults_by_handle, lifecycle
from assistants.answerers import choose, fresh
from assistants.defaults import clear_defaults
from assistants.errors import Refused
from assistants.models import SpaceDefault
from portal.models import AuditEvent, Space
from tests import factories
from tests.assistants.lives import make, published, vetted, whole


@pytest.fixture
def company(cast):
    return Space.objects.get(workspace=cast.workspace, name="Company")


def answers(membership):
    found = choose(fresh(membership), None).assistant
    return found.handle if found else None


def test_restricted_spaces_come_before_open_ones_and_those_before_the_workspace(cast, company):
    hr, legal = (factories.space(cast.workspace, cast.builder, name=name) for name in ("HR", "Legal"))
    made = {name: vetted(cast.admin, cast.admin, name) for name in ("of-all", "of-company", "of-hr", "of-legal")}
    by = cast.admin.user
    lifecycle.set_default(cast.workspace, made["of-all"], by)
    assert [answers(person) for person in (cast.member, cast.builder, cast.outsider)] == ["of-all", "of-all", None]
    lifecycle.set_space_default(company, made["of-company"], by)
    lifecycle.set_space_default(legal, made["of-legal"], by)
    assert [answers(cast.member), answers(cast.builder)] == ["of-company", "of-legal"]
    lifecycle.set_space_default(hr, made["of-hr"], by)
    assert [answers(cast.member), answers(cast.builder)] == ["of-company", "of-hr"]
    lifecycle.set_space_default(hr, None, by)
    lifecycle.archive(made["of-legal"], by)
    lifecycle.set_space_default(company, None, by)
    assert [answers(cast.member), answers(cast.builder)] == ["of-all", "of-all"]
    last = AuditEvent.objects.filter(action="assistant.default").first()
    assert (last.before, last.after) == (
        {"default": "@of-company", "space": "Company"},
        {"default": None, "space": "Company"},
    )


def test_a_default_of_a_space_reads_no_more_than_its_people(cast, company):
    hr = factories.space(cast.workspace, cast.builder, name="HR")
    secret = factories.source(cast.workspace, grant_to=hr)
    pay = published(cast.builder, "pay", knowledge=whole(secret))
    with pytest.raises(Refused, match="more than people of Company"):
        lifecycle.set_space_default(company, pay, cast.admin.user)
    with pytest.raises(Refused, match="publish it first"):
        lifecycle.set_space_default(hr, make(cast.admin, "mine"), cast.admin.user)
    with pytest.raises(Refused):
        lifecycle.set_space_default(hr, pay, cast.builder.user)
    lifecycle.set_space_default(hr, pay, cast.admin.user)
    assert [answers(cast.builder), answers(cast.member)] == ["pay", None]
    secret.grants.all().delete()
    lifecycle.save_version(pay, cast.builder.user, instructions="New.")
    lifecycle.set_owners(pay, cast.builder.user, [cast.admin.user])
    assert answers(cast.builder) is None  # what is not offered any more answers nobody
    lifecycle.unpublish(pay, cast.admin.user)
    assert not SpaceDefault.objects.exists()


def test_where_no_space_has_one_a_question_asks_no_more_than_before(cast, company, django_assert_num_queries):
    made = vetted(cast.admin, cast.admin)
    lifecycle.set_default(cast.workspace, made, cast.admin.user)
    answers(cast.member)
    for _turn in range(2):
        with django_assert_num_queries(2):
            assert answers(cast.member) == "leave"
        lifecycle.set_space_default(company, made, cast.admin.user)


def test_an_admin_learns_nothing_of_others_personal_ones(cast):
    """Where a default is named by its handle: those are answered as what does not exist."""
    make(cast.member, "diary"), make(cast.admin, "mine")
    told = {}
    for handle in ("diary", "nobody", "mine"):
        with pytest.raises(ValidationError) as no:
            defaults_by_handle.choose(cast.workspace, handle, cast.admin.user)
        told[handle] = no.value.messages[0].replace(handle, "…")
    assert told["diary"] == told["nobody"] == "There is no assistant @…."
    assert told["mine"].startswith("Vet @… first")


def meanwhile(first, second):
    """``second`` by another person, while what ``first`` did is not committed yet; raises what it raises."""

    def work():
        try:
            second()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as other:
        with transaction.atomic():
            first()
            waiting = other.submit(work)
            assert not wait([waiting], timeout=1).done
        waiting.result(timeout=20)


@pytest.mark.django_db(transaction=True)
def test_two_admins_who_choose_at_once_leave_one_default(cast):
    one, two = vetted(cast.admin, cast.admin, "one"), vetted(cast.admin, cast.admin, "two")
    by = cast.admin.user
    meanwhile(
        lambda: lifecycle.set_default(cast.workspace, one, by), lambda: lifecycle.set_default(cast.workspace, two, by)
    )
    assert answers(cast.member) == "two"
    last = AuditEvent.objects.filter(action="assistant.default").first()
    assert (last.before, last.after) == ({"default": "@one"}, {"default": "@two"})


@pytest.mark.django_db(transaction=True)
def test_an_assistant_that_is_no_default_any_more_takes_no_others_place(cast, company):
    one, two = vetted(cast.admin, cast.admin, "one"), vetted(cast.admin, cast.admin, "two")
    by = cast.admin.user
    lifecycle.set_space_default(company, one, by)
    meanwhile(lambda: lifecycle.set_space_default(company, two, by), lambda: clear_defaults(one, by))
    assert answers(cast.member) == "two"
