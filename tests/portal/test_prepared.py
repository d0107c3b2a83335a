"""SQL that is written once gives the same rows as Django's own."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from django.db import IntegrityError, transaction

from portal.models import Membership, UsageRecord, User
from portal.prepared import Pair, Prepared, insert, statement

pytestmark = pytest.mark.django_db

SOME = UUID(int=7)


def joined(pk):
    return Membership.objects.select_related("user", "workspace__default_credential").filter(pk=pk).order_by()


def test_the_same_instance_comes_out_with_what_is_joined(cast, django_assert_num_queries):
    prepared = Prepared(joined, SOME)
    for membership in (cast.admin, cast.member, cast.outsider):
        email, slug = membership.user.email, membership.workspace.slug
        with django_assert_num_queries(1):
            found = prepared.first(membership.pk)
            assert found == membership
            assert found.user.email == email
            assert found.workspace.slug == slug
            assert found.workspace.default_credential is None
        plain = joined(membership.pk).get()
        names = [field.attname for field in Membership._meta.concrete_fields]
        assert [getattr(found, name) for name in names] == [getattr(plain, name) for name in names]
    assert prepared.first(uuid4()) is None


def test_two_come_in_one_statement_whether_they_are_there_or_not(cast, django_assert_num_queries):
    people = Prepared(lambda mail: User.objects.filter(email=mail).order_by(), "some@example.com")
    pair = Pair(Prepared(joined, SOME), people)
    mail = cast.outsider.user.email
    with django_assert_num_queries(1):
        assert pair.first([cast.member.pk], [mail]) == (cast.member, cast.outsider.user)
    membership, person = pair.first([cast.member.pk], [mail])
    assert (membership.user.email, membership.workspace, person.email) == (
        cast.member.user.email,
        cast.workspace,
        mail,
    )
    assert pair.first([uuid4()], [mail]) == (None, cast.outsider.user)
    assert pair.first([cast.member.pk], ["nobody@example.com"]) == (cast.member, None)
    assert pair.first([uuid4()], ["nobody@example.com"]) == (None, None)


def test_an_argument_that_vanishes_from_the_query_is_refused(cast):
    with pytest.raises(ValueError, match="not among the parameters"):
        Prepared(lambda pk: Membership.objects.all(), SOME).first(cast.admin.pk)


def test_rows_are_written_as_bulk_create_writes_them(cast):
    def rows():
        return [
            UsageRecord(
                workspace=cast.workspace, user=cast.admin.user, vendor="x", model=f"it's {n} %s", purpose="answer"
            )
            for n in range(3)
        ]

    insert(rows())
    ours = list(UsageRecord.objects.order_by("model").values())
    UsageRecord.objects.all().delete()
    UsageRecord.objects.bulk_create(rows())
    theirs = list(UsageRecord.objects.order_by("model").values())
    apart = {"id", "at", "created"}
    assert [{k: v for k, v in row.items() if k not in apart} for row in ours] == [
        {k: v for k, v in row.items() if k not in apart} for row in theirs
    ]
    insert([])


def test_what_the_database_refuses_is_djangos_error(cast):
    with pytest.raises(IntegrityError), transaction.atomic():
        insert([User(email=cast.admin.user.email, password="x")])
    assert statement("SELECT $1::int + $2::int", [20, 22]) == [(42,)]
