"""Budgets, prices and offers: reserved before, settled after, never overshot."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.db import connections
from django.db.models import F, Sum
from django.utils import timezone

from assistants import lifecycle
from portal import usage
from portal.models import AuditEvent, Budget, Credential, Hold, Role, Spending, UsageRecord
from portal.providers.types import Usage
from portal.spending import budgets, holding, offers, prices, standing
from portal.spending.accounts import Account, OverBudget, amount, left_of
from tests import factories
from tests.callers import Caller

pytestmark = pytest.mark.django_db


@pytest.fixture
def key(cast):
    offered = [
        {"name": name, "label": name.upper(), "kind": "chat", "context_tokens": None} for name in ("big", "small")
    ]
    return Credential.objects.create(workspace=cast.workspace, kind="openai", name="Key", offered=offered)


def budget(cast, limit=1000, *, covers="workspace", unit="tokens", period="month", **more):
    return budgets.create_budget(
        workspace=cast.workspace,
        by=cast.admin.user,
        covers=covers,
        unit=unit,
        period=period,
        limit=Decimal(limit),
        **more,
    )


def account(cast, who=None, assistant=None):
    return Account.opened(cast.workspace, (who or cast.member).user, assistant)


def spend(cast, key, tokens_in, tokens_out=0, *, hold=None, user=None, model="big"):
    return usage.record(
        workspace=cast.workspace,
        purpose="answer",
        vendor="openai",
        model=model,
        usage=Usage(tokens_in, tokens_out),
        credential=key,
        user=user or cast.member.user,
        hold=hold,
    )


def sums(**about):
    found = Spending.objects.filter(**about).aggregate(spent=Sum("spent"), held=Sum("held"))
    return found["spent"], found["held"]


# ---- Prices ------------------------------------------------------------------------------------------------------


def test_a_call_costs_what_its_model_is_said_to_cost(cast, key):
    spend(cast, key, 1000, 500)
    prices.set_price(key, "big", input_per_million=Decimal("2.5"), output_per_million=Decimal(10), by=cast.admin.user)
    spend(cast, key, 1000, 500)
    spend(cast, key, 1000, 500, model="small")
    spend(cast, None, 1000, 500)
    assert list(UsageRecord.objects.order_by("id").values_list("cost", flat=True)) == [
        None,
        Decimal("0.00750000"),
        None,
        None,
    ]
    told = AuditEvent.objects.get(action="price.set")
    assert told.before is None
    assert told.after["input_per_million"] == "2.5"
    with pytest.raises(ValidationError, match="zero or more"):
        prices.set_price(key, "big", input_per_million=Decimal(-1), output_per_million=Decimal(0), by=None)


# ---- Which budgets apply ------------------------------------------------------------------------------------------


def test_a_budget_for_one_takes_the_place_of_those_for_each(cast):
    each = budget(cast, 100, covers="person")
    own = budget(cast, 500, covers="person", user=cast.member.user)
    daily = budget(cast, 50, covers="person", period="day")
    whole = budget(cast, 9000)

    def found(user):
        return {one.budget: one.subject for one in budgets.applying(cast.workspace.pk, user, None)}

    mine, other = cast.member.user_id, cast.builder.user_id
    assert found(mine) == {own: f"user:{mine}", daily: f"user:{mine}", whole: ""}
    assert found(other) == {each: f"user:{other}", daily: f"user:{other}", whole: ""}
    assert budgets.applying(cast.elsewhere.pk, mine, None) == ()
    # What nobody asked for, such as a sync, is the workspace's alone.
    assert found(None) == {whole: ""}


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": "1.5"}, "limit"),
        ({"covers": "workspace", "user": "member"}, "user"),
        ({"covers": "person", "user": "outsider"}, "user"),
        ({"contact": "outsider"}, "contact"),
        ({"unit": "currency"}, "unit"),
    ],
)
def test_a_budget_that_makes_no_sense_is_refused_at_its_field(cast, key, fields, wrong):
    cast.workspace.default_credential, cast.workspace.default_model = key, "big"
    cast.workspace.save()
    named = {name: getattr(cast, value).user for name, value in fields.items() if name in ("user", "contact")}
    with pytest.raises(ValidationError) as refused:
        budget(cast, **{"limit": 10, **fields, **named})
    assert list(refused.value.message_dict) == [wrong]
    assert not Budget.objects.exists()


# ---- Reserving and settling ---------------------------------------------------------------------------------------


def test_what_is_reserved_is_settled_with_what_was_spent(cast, key, django_assert_num_queries):
    whole, mine = budget(cast, 100_000), budget(cast, 600, covers="person")
    call = account(cast).hold(key, "big", sent=300, back=200)
    assert sums() == (0, 1000)
    spend(cast, key, 80, 40, hold=call)
    assert sums(budget=whole) == sums(budget=mine) == (120, 0)
    assert not Hold.objects.exists()
    # Settled once: a second record of the same call changes no budget.
    holding.settle([holding.Settling(call, 500, None)])
    assert sums(budget=whole) == (120, 0)

    with pytest.raises(OverBudget) as refused:
        account(cast).hold(key, "big", sent=400, back=100)
    words = str(refused.value)
    assert "Your budget for this month has 480 of 600 tokens left" in words.replace("\u202f", " ")
    assert "may need up to 500 tokens" in words.replace("\u202f", " ")
    assert "Ask Ada Admin for more" in words
    assert refused.value.retry_after > 0
    # The workspace's had room; nothing of it is held.
    assert sums(budget=whole) == (120, 0)

    budgets.change_budget(mine, by=cast.admin.user, limit=Decimal(2000), contact=cast.builder.user)
    assert account(cast).hold(key, "big", sent=400, back=100)
    with pytest.raises(OverBudget, match="Ask Bea Builder"):
        account(cast).hold(key, "big", sent=5000, back=0)
    with django_assert_num_queries(0):
        assert Account(cast.workspace, cast.member.user).hold(key, "big", sent=10**9, back=0) is None


def test_money_needs_prices_and_counts_what_calls_cost(cast, key):
    row = budget(cast, "0.01", unit="currency", period="day")
    with pytest.raises(OverBudget, match="no price is set for big"):
        account(cast).hold(key, "big", sent=1, back=1)
    prices.set_price(key, "big", input_per_million=Decimal(1), output_per_million=Decimal(10), by=None)
    call = account(cast).hold(key, "big", sent=1000, back=500)
    assert sums(budget=row) == (0, Decimal("0.006"))
    spend(cast, key, 200, 100, hold=call)
    assert sums(budget=row) == (Decimal("0.0012"), 0)
    with pytest.raises(OverBudget, match=r"The workspace’s budget for today has 0.0\d+ of 0.01 USD left"):
        account(cast).hold(key, "big", sent=0, back=10_000)


def test_what_was_spent_before_the_budget_counts_in_its_first_period(cast, key):
    spend(cast, key, 700)
    spend(cast, key, 200, user=cast.builder.user)
    long_ago = spend(cast, key, 5000)
    UsageRecord.objects.filter(pk=UsageRecord.objects.order_by("-id").first().pk).update(
        at=timezone.now() - timedelta(days=40)
    )
    assert long_ago is not None
    budget(cast, 1000)
    each = budget(cast, 1000, covers="person")
    assert sums(budget__covers="workspace") == (900, 0)
    assert [one.spent for one in standing.of_person(cast.member)] == [900, 700]
    with pytest.raises(OverBudget, match="The workspace’s budget"):
        account(cast).hold(key, "big", sent=101, back=0)
    account(cast).hold(key, "big", sent=100, back=0)
    assert sums(budget=each) == (700, 100)


def test_a_process_that_died_is_charged_what_it_held(cast, key):
    row = budget(cast, 1000)
    dead, living = (account(cast).hold(key, "big", sent=100, back=n) for n in (50, 60))
    Hold.objects.filter(call=dead).update(until=timezone.now() - timedelta(seconds=1))
    assert holding.sweep() == 1
    assert sums(budget=row) == (150, 160)
    # It lived after all: what was charged stands, and nothing is charged twice.
    spend(cast, key, 10, 10, hold=dead)
    spend(cast, key, 10, 10, hold=living)
    assert sums(budget=row) == (170, 0)


def test_a_new_period_begins_at_nothing(cast, key):
    row = budget(cast, 100, period="day")
    account(cast).hold(key, "big", sent=100, back=0)
    with pytest.raises(OverBudget, match="is used up"):
        account(cast).hold(key, "big", sent=1, back=0)
    # As if the day were over.
    Spending.objects.update(starts=F("starts") - timedelta(days=1))
    Budget.objects.update(created=timezone.now() - timedelta(days=3))
    assert account(cast).hold(key, "big", sent=100, back=0)
    assert row.spendings.count() == 2
    budgets.remove_budget(row, by=cast.admin.user)
    assert account(cast).hold(key, "big", sent=10**6, back=0) is None


@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens_what_is_settled_is_spent_and_no_limit_is_passed(cast, key, seed):
    """Random calls against three budgets: some end, some are refused, some die."""
    chance = random.Random(seed)
    rows = [budget(cast, 5000), budget(cast, 2000, covers="person"), budget(cast, 900, covers="person", period="day")]
    people = [cast.member, cast.builder, cast.admin]
    open_calls, settled, refused = {}, {p.user_id: 0 for p in people}, 0
    for _ in range(60):
        deed = chance.random()
        if deed < 0.5 or not open_calls:
            who, most = chance.choice(people), chance.randint(1, 400)
            try:
                open_calls[account(cast, who).hold(key, "big", sent=most, back=0)] = (who, most)
            except OverBudget:
                refused += 1
        else:
            call = chance.choice(list(open_calls))
            who, most = open_calls.pop(call)
            if deed < 0.85:
                real = chance.randint(0, most)
                spend(cast, key, real, hold=call, user=who.user)
            elif deed < 0.92:
                holding.release(call)
                real = 0
            else:
                Hold.objects.filter(call=call).update(until=timezone.now() - timedelta(seconds=1))
                holding.sweep()
                real = most
            settled[who.user_id] += real
        for row in Spending.objects.select_related("budget"):
            assert row.spent >= 0
            assert row.held >= 0
            assert row.spent + row.held <= row.budget.limit
    assert refused
    for call, (who, most) in open_calls.items():
        holding.settle([holding.Settling(call, most, None)])
        settled[who.user_id] += most
    assert sums(budget=rows[0]) == (sum(settled.values()), 0)
    for row in rows[1:]:
        found = dict(row.spendings.values_list("subject", "spent"))
        assert {f"user:{user}": spent for user, spent in settled.items() if f"user:{user}" in found} == found
    assert not Hold.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_hundred_at_once_overshoot_by_nothing(cast, key):
    """Threads with connections of their own, on budgets that everybody shares and on one's own, settling meanwhile."""
    whole, each = budget(cast, 1000), budget(cast, 400, covers="person")
    people = [cast.member, cast.builder, cast.admin]

    def call(number):
        who = people[number % 3]
        try:
            held = account(cast, who).hold(key, "big", sent=20 + number % 5, back=10)
            if held is not None and number % 4 == 0:
                spend(cast, key, 7, hold=held, user=who.user)
            return held
        except OverBudget:
            return None
        finally:
            connections.close_all()

    with ThreadPoolExecutor(16) as pool:
        made = [call for call in pool.map(call, range(120)) if call]
    assert 25 < len(made) < 120
    for row in Spending.objects.select_related("budget"):
        assert row.spent + row.held <= row.budget.limit
        assert row.held == sum(row.holds.values_list("amount", flat=True))
    # Full to the brim: what is left holds not one call more.
    left = {row.budget_id: row.budget.limit - row.spent - row.held for row in Spending.objects.select_related("budget")}
    assert left[whole.pk] < 30 or all(s.spent + s.held > 370 for s in each.spendings.all())
    holding.settle([holding.Settling(call, 1, None) for call in made])
    assert sums()[1] == 0


# ---- What people see ----------------------------------------------------------------------------------------------


def test_what_is_left_is_shown_to_whom_it_concerns(cast, key, client, django_assert_max_num_queries):
    mine = budget(cast, 1000, covers="person", user=cast.member.user, contact=cast.builder.user)
    spend(cast, key, 850, hold=account(cast).hold(key, "big", sent=900, back=0))
    client.force_login(cast.member.user)
    page = client.get("/me/spending/").content.decode()
    assert "850 tokens in 1 call" in page.replace("\u202f", " ")
    assert "150 of 1 000 tokens left" in page.replace("\u202f", " ")
    assert "Ask Bea Builder for more" in page
    # A quiet line where one asks, for whom it concerns.
    assert "What is left" in client.get("/w/acme/").content.decode()
    client.force_login(cast.builder.user)
    assert "What is left" not in client.get("/w/acme/").content.decode()
    assert "No budget limits your questions" in client.get("/me/spending/").content.decode()
    client.force_login(cast.admin.user)
    front = client.get("/w/acme/govern/").content.decode()
    assert "Max Member, a month" in front
    with django_assert_max_num_queries(14):
        listed = client.get("/w/acme/govern/portal/budget/").content.decode()
    assert "85 %" in listed
    one = client.get(f"/w/acme/govern/portal/budget/{mine.pk}/change/").content.decode()
    assert "Max Member" in one


def test_whom_to_ask_is_said_long_before_the_end_and_asked_once_for_all(cast, client, django_assert_num_queries):
    for covers, unit in (
        ("person", "tokens"),
        ("workspace", "tokens"),
        ("person", "currency"),
        ("workspace", "currency"),
    ):
        for period in ("day", "month"):
            budget(cast, 1000, covers=covers, unit=unit, period=period)
    Budget.objects.filter(covers="person", period="day").update(contact=cast.builder.user)
    found = standing.of_person(cast.member)
    with django_assert_num_queries(2):
        said = [(one.budget.contact_id is not None, one.ask) for one in found]
    assert set(said) == {(True, "Ask Bea Builder for more."), (False, "Ask Ada Admin for more.")}
    client.force_login(cast.member.user)
    page = client.get("/me/spending/").content.decode()
    assert (page.count("Ask Bea Builder for more."), page.count("Ask Ada Admin for more.")) == (2, 6)
    mine = Caller(cast.member).get("me/spending/").json()["budgets"]
    assert {one["ask"] for one in mine} == {"Ask Bea Builder for more.", "Ask Ada Admin for more."}


def test_one_token_is_not_several(cast):
    row = budget(cast, 1)
    assert (amount(row, Decimal(1)), amount(row, Decimal(0))) == ("1 token", "0 tokens")
    assert left_of(row, Decimal(1)) == "1 of 1 token"


def test_admins_set_budgets_prices_and_offers_in_the_admin(cast, key, client):
    client.force_login(cast.admin.user)
    base = "/w/acme/govern/portal"
    given = {
        "covers": "person",
        "who": "nobody@acme.example",
        "period": "day",
        "unit": "tokens",
        "limit": "50",
        "ask": "",
    }
    assert "Nobody here has the address" in client.post(f"{base}/budget/add/", given).content.decode()
    added = client.post(f"{base}/budget/add/", given | {"who": "MEMBER@acme.example"}, follow=True).content.decode()
    assert ">Max Member, a day</a>” was added" in added
    row = Budget.objects.get()
    assert (row.user, row.limit, row.period) == (cast.member.user, 50, "day")
    client.post(f"{base}/budget/{row.pk}/change/", {"limit": "80", "ask": "builder@acme.example"})
    row.refresh_from_db()
    assert (row.limit, row.contact) == (80, cast.builder.user)

    of = f"{key.pk}|big"
    priced = {"of": of, "input_per_million": "1", "output_per_million": "2", "currency": "eur"}
    assert client.post(f"{base}/price/add/", priced).status_code == 302
    cast.workspace.refresh_from_db()
    assert (key.prices.get().output_per_million, cast.workspace.currency) == (2, "EUR")
    assert client.post(f"{base}/modeloffer/add/", {"of": of, "least": "admin"}).status_code == 302
    assert key.offers.get().least == "admin"
    client.post(f"{base}/budget/{row.pk}/delete/", {"post": "yes"})
    assert not Budget.objects.exists()
    assert set(AuditEvent.objects.values_list("action", flat=True)) >= {
        *("budget.create", "budget.change", "budget.remove", "price.set", "model.offer", "workspace.currency"),
    }


def test_owners_see_what_their_assistant_may_spend(cast, key, client):
    made = lifecycle.create_assistant(workspace=cast.workspace, by=cast.builder.user, handle="leave", knowledge=[])
    lifecycle.publish(made, cast.builder.user)
    client.force_login(cast.admin.user)
    given = {"covers": "assistant", "who": "@leave", "period": "day", "unit": "tokens", "limit": "5000", "ask": ""}
    assert (
        "no assistant @other"
        in client.post("/w/acme/govern/portal/budget/add/", given | {"who": "other"}).content.decode()
    )
    assert client.post("/w/acme/govern/portal/budget/add/", given).status_code == 302
    row = Budget.objects.get()
    assert row.assistant == made.pk
    assert "@leave" in client.get("/w/acme/govern/portal/budget/").content.decode()
    spend(cast, key, 900, hold=account(cast, assistant=made.pk).hold(key, "big", sent=1000, back=0))
    with pytest.raises(OverBudget, match="This assistant’s budget for today"):
        account(cast, assistant=made.pk).hold(key, "big", sent=5000, back=0)
    for who, sees in ((cast.builder, True), (cast.member, False)):
        client.force_login(who.user)
        page = client.get("/w/acme/assistants/leave/").content.decode().replace("\u202f", " ")
        assert ("4 100 of 5 000 tokens left" in page) is sees
    (told,) = Caller(cast.builder).get("assistants/leave/spending/").json()["budgets"]
    assert (told["spent"], told["left"], told["ask"]) == ("900.000000", "4100.000000", "Ask Ada Admin for more.")
    assert Caller(cast.admin).get("assistants/leave/spending/").status_code == 200
    assert Caller(cast.member).get("assistants/leave/spending/").status_code == 404


def test_the_same_by_the_api(cast, key):
    call = Caller(cast.admin)
    made = call.post("budgets/", {"covers": "person", "period": "day", "unit": "tokens", "limit": "500"})
    assert made.status_code == 201, made.content
    address = f"budgets/{made.json()['id']}/"
    changed = call.patch(address, {"limit": "700", "contact": cast.builder.user_id}).json()
    assert (changed["limit"], changed["contact"]["name"]) == ("700.000000", "Bea Builder")
    spend(cast, key, 60, hold=account(cast).hold(key, "big", sent=100, back=0))
    (listed,) = call.get("budgets/").json()["results"]
    assert (listed["fullest"]["spent"], listed["fullest"]["left"]) == ("60.000000", "640.000000")
    mine = Caller(cast.member).get("me/spending/").json()
    assert (mine["used"]["tokens"], mine["budgets"][0]["spent"]) == (60, "60.000000")
    assert Caller(cast.member).get("budgets/").status_code == 403
    price = {"credential": str(key.pk), "model": "big", "input_per_million": "1", "output_per_million": "2"}
    assert call._send("put", "prices/", price).status_code == 200
    offer = {"credential": str(key.pk), "model": "big", "least": "builder"}
    assert call._send("put", "model-offers/", offer).status_code == 200
    assert call.delete(f"prices/{call.get('prices/').json()['results'][0]['id']}/").status_code == 204
    assert call.delete(f"model-offers/{call.get('model-offers/').json()['results'][0]['id']}/").status_code == 204
    assert call.delete(address).status_code == 204
    assert call.get(address).status_code == 404


# ---- Offers -------------------------------------------------------------------------------------------------------


def test_a_model_is_offered_by_role_and_by_space(cast, key):
    def listed(membership):
        return [m["name"] for _, models in offers.models_for(membership) for m in models]

    assert listed(cast.member) == ["big", "small"]
    offers.set_offer(key, "big", least=Role.BUILDER, by=cast.admin.user)
    assert (listed(cast.member), listed(cast.builder)) == (["small"], ["big", "small"])
    leaders = factories.space(cast.workspace, cast.member, name="Leaders")
    row = offers.set_offer(key, "big", least=Role.MEMBER, spaces=[leaders], by=cast.admin.user)
    assert (listed(cast.member), listed(cast.builder)) == (["big", "small"], ["small"])
    assert offers.may_choose(cast.member, key, "big")
    assert not offers.may_choose(cast.builder, key, "big")
    foreign = factories.space(cast.elsewhere, cast.outsider)
    with pytest.raises(ValidationError, match="this workspace"):
        offers.set_offer(key, "big", least=Role.MEMBER, spaces=[foreign], by=None)
    offers.remove_offer(row, by=cast.admin.user)
    assert offers.may_choose(cast.builder, key, "big")
