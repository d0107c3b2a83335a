"""Which spaces an assistant needs, and that lists, answers and words go by the same rule."""

import random

import pytest

from assistants import lifecycle
from assistants.models import Assistant, LivePart
from assistants.needs import in_words, spaces_needed
from datasources.access import readable_branches
from datasources.granting import grant_access, take_access
from datasources.models import Node
from portal.models import Space
from tests import factories
from tests.assistants.lives import below, published, whole


@pytest.fixture
def handbook(cast):
    """A source of which Company sees one folder, and HR another; and one that HR sees whole."""
    source = factories.source(cast.workspace, name="Handbook", grant_to=False)
    public, pay = factories.node(source, "public"), factories.node(source, "pay")
    deep = factories.node(source, "pay/2026", parent=pay)
    company = Space.objects.get(workspace=cast.workspace, name="Company")
    hr = factories.space(cast.workspace, cast.builder, name="HR")
    files = factories.source(cast.workspace, name="Files", grant_to=hr)
    grant_access(source, company, by=None, parents_in=[public.pk])
    grant_access(source, hr, by=None, parents_in=[pay.pk])
    return source, public, pay, deep, files, company, hr


def seen_by(membership, handle="leave"):
    return Assistant.objects.visible_to(membership).filter(handle=handle).exists()


@pytest.fixture
def offer(cast, handbook):
    """Published by somebody who is in neither HR nor the cast: nobody sees it as its owner."""
    *_, hr = handbook
    writer = factories.member(cast.workspace, "admin")
    hr.members.add(writer.user)

    def offer(knowledge, handle="leave"):
        return published(writer, handle, knowledge=knowledge)

    return offer


def test_each_part_wants_a_space_that_covers_it(cast, handbook, offer):
    source, public, _pay, deep, files, *_ = handbook
    offer(below(source, public), "open")
    offer(below(source, public, deep), "half")
    offer([*below(source, public), *whole(files)], "two")
    offer(whole(source), "much")
    assert [seen_by(cast.member, handle) for handle in ("open", "half", "two", "much")] == [True, False, False, False]
    assert [seen_by(cast.builder, handle) for handle in ("open", "half", "two", "much")] == [True, True, True, False]


def test_grants_count_at_the_very_next_request(cast, handbook, offer):
    source, public, pay, deep, _files, company, hr = handbook
    made = offer(below(source, deep))
    assert (seen_by(cast.member), seen_by(cast.builder)) == (False, True)
    grant_access(source, company, by=None, parents_in=[public.pk, pay.pk])
    assert seen_by(cast.member)
    assert in_words(spaces_needed(made.live), cast.builder) == []
    take_access(source, company, by=None)
    take_access(source, hr, by=None)
    assert (seen_by(cast.member), seen_by(cast.builder)) == (False, False)
    assert in_words(spaces_needed(made.live), cast.builder) == ["no space reads 1 part of it: grant access first"]
    grant_access(source, company, by=None)
    assert seen_by(cast.member)


def test_what_is_gone_at_its_source_is_nobodys_until_the_owners_choose_anew(cast, handbook, offer):
    source, public, *_ = handbook
    lost = factories.node(source, "public/old", parent=public)
    made = offer(below(source, lost))
    assert seen_by(cast.member)
    Node.objects.filter(pk=lost.pk).delete()
    assert not seen_by(cast.member)
    LivePart.objects.filter(assistant=made).delete()
    assert not seen_by(cast.member)  # nor is it everybody's where its parts were lost


def test_spaces_are_named_to_those_who_may_know_them(cast, handbook, offer):
    source, public, _pay, deep, files, *_ = handbook
    made = offer([*below(source, public, deep), *whole(files)])
    grant_access(source, factories.space(cast.workspace, name="Board"), by=None, parents_in=[deep.pk])
    needs = spaces_needed(made.live)
    assert in_words(needs, cast.admin) == ["HR", "Board or HR"]
    assert in_words(needs, cast.builder) == ["HR", "HR or another space"]
    assert in_words(needs, cast.member) == ["another space", "another space"]
    assert [need.everybody for need in needs] == [False, False, True]


def test_lists_rows_and_words_agree_whatever_is_granted(cast, handbook):
    """visible_to, offered_to and spaces_needed are three ways to one rule."""
    source, public, pay, deep, files, company, hr = handbook
    writer = factories.member(cast.workspace, "admin")
    nodes, dice = [public, pay, deep], random.Random(4)
    for number in range(8):
        parts = dice.sample(nodes, dice.randint(1, 3))
        knowledge = [*(below(source, *parts) if dice.random() < 0.8 else whole(source))]
        knowledge += whole(files) if dice.random() < 0.3 else []
        published(writer, f"a-{number}", knowledge=knowledge)
    for _round in range(2):
        for space in (company, hr):
            some = dice.sample(nodes, dice.randint(0, 2))
            grant_access(source, space, by=None, parents_in=[n.pk for n in some] or None)
        for person in (cast.member, cast.builder):
            mine = set(Space.objects.of_member(person))
            listed = set(Assistant.objects.visible_to(person).values_list("handle", flat=True))
            rows = Assistant.objects.with_owner(person.user_id).select_related("live")
            one = {r.handle for r in rows if r.offered_to(person, lambda p=person: readable_branches(p))}
            told = {r.handle for r in rows if all(mine & set(need.spaces) for need in spaces_needed(r.live))}
            assert listed == one == told


def test_lists_ask_as_often_whatever_there_is(cast, handbook, offer, django_assert_num_queries):
    source, public, *_ = handbook
    for number in range(5):
        offer(below(source, public), f"a-{number}")
    with django_assert_num_queries(2):
        assert len(Assistant.objects.visible_to(cast.member)) == 5
    lifecycle.archive(Assistant.objects.get(handle="a-0"), cast.admin.user)
    with django_assert_num_queries(2):
        assert len(Assistant.objects.visible_to(cast.member)) == 4
