"""Owners come and go: hand-over, orphans, and who takes them over."""

import pytest
from django.core.exceptions import ValidationError
from django.urls import reverse

from assistants import lifecycle
from assistants.errors import Refused
from assistants.models import Assistant, Conversation
from portal import people
from portal.models import AuditEvent, Notice
from portal.notices import address
from tests import factories
from tests.assistants.lives import make, now_of, published, vetted


def owners(assistant):
    return sorted(str(user) for user in assistant.owners.all())


def told(membership):
    return list(Notice.objects.filter(user=membership.user).order_by("id").values_list("words", flat=True))


def test_owners_are_added_and_removed_and_somebody_is_left(cast):
    made = make(cast.member)
    lifecycle.add_owner(made, cast.member.user, cast.builder.user)
    assert owners(made) == ["Bea Builder", "Max Member"]
    assert told(cast.builder) == ["You own @leave now, by Max Member."]
    lifecycle.remove_owner(made, cast.builder.user, cast.member.user)
    with pytest.raises(ValidationError, match="Name another owner first"):
        lifecycle.remove_owner(made, cast.builder.user, cast.builder.user)
    with pytest.raises(ValidationError):
        lifecycle.add_owner(made, cast.builder.user, cast.outsider.user)
    event = AuditEvent.objects.filter(action="assistant.owners").first()
    assert (event.before, event.after) == (
        {"owners": ["Bea Builder", "Max Member"]},
        {"owners": ["Bea Builder"]},
    )


def test_who_leaves_hands_over_what_they_own(cast, client):
    mine, shared = vetted(cast.member, cast.admin, "mine"), published(cast.member, "shared")
    lifecycle.add_owner(shared, cast.member.user, cast.builder.user)
    left = people.left_behind(cast.member)
    assert [(one.count, one.words) for one in left if "assistant" in one.words] == [(1, "1 assistant: @mine")]
    people.deactivate(cast.member, by=cast.admin.user, hand_over_to=cast.builder)
    assert owners(mine) == owners(shared) == ["Bea Builder"]
    assert now_of(mine).scope == "workspace"
    assert "Max Member handed @mine, @shared over to you" in told(cast.builder)[-1]
    client.force_login(cast.builder.user)
    vetted(cast.admin, cast.admin, "other")
    led_to = client.get(address(Notice.objects.get(user=cast.builder.user, words__contains="handed"))).content.decode()
    assert ("@mine" in led_to, "@shared" in led_to, "@other" in led_to) == (True, True, False)
    assert AuditEvent.objects.filter(action="assistant.hand_over").count() == 2


def test_whoever_takes_over_gets_no_conversation_and_coming_back_brings_them_back(cast):
    published(cast.member, "mine")
    talk = Conversation.objects.create(workspace=cast.workspace, owner=cast.member.user, title="Private")
    people.deactivate(cast.member, by=cast.admin.user, hand_over_to=cast.admin)
    for somebody in (cast.admin, cast.builder):
        assert not Conversation.objects.visible_to(somebody).exists()
    people.reactivate(cast.member, by=cast.admin.user)
    assert list(Conversation.objects.visible_to(cast.member)) == [talk]


def test_what_nobody_takes_waits_for_an_admin(cast):
    kept, personal = published(cast.member, "kept"), make(cast.member, "diary")
    assert people.left_behind(cast.member)[0].words == "2 assistants: @kept, 1 personal"
    with pytest.raises(Refused, match="Ask them to add you"):
        lifecycle.take_over(kept, cast.admin.user)
    people.deactivate(cast.member, by=cast.admin.user)
    assert set(Assistant.objects.orphans()) == {kept, personal}
    assert "nobody looks after @diary, @kept now" in told(cast.admin)[-1]
    with pytest.raises(Refused, match="admin"):
        lifecycle.take_over(kept, cast.builder.user)
    for orphan in (kept, personal):
        assert owners(lifecycle.take_over(orphan, cast.admin.user)) == ["Ada Admin"]
    event = AuditEvent.objects.filter(action="assistant.take_over").first()
    assert (event.before, event.after) == ({"owners": ["Max Member"]}, {"owners": ["Ada Admin"]})


def test_whoever_comes_back_has_what_nobody_took(cast):
    kept = published(cast.member, "kept")
    people.deactivate(cast.member, by=cast.admin.user)
    with pytest.raises(Refused):
        lifecycle.save_version(kept, cast.member.user, name="From outside")
    people.reactivate(cast.member, by=cast.admin.user)
    assert lifecycle.save_version(kept, cast.member.user, name="Back").name == "Back"


def test_handing_over_is_for_admins_and_for_who_gives(cast):
    made = make(cast.member)
    with pytest.raises(Refused):
        lifecycle.hand_over(cast.workspace, cast.member.user, cast.builder.user, cast.builder.user)
    with pytest.raises(ValidationError):
        lifecycle.hand_over(cast.workspace, cast.member.user, cast.outsider.user, cast.member.user)
    assert lifecycle.hand_over(cast.workspace, cast.member.user, cast.builder.user, cast.member.user) == [made]
    assert lifecycle.hand_over(cast.workspace, cast.builder.user, cast.member.user, cast.admin.user) == [made]


def test_one_of_several_is_handed_over_on_its_own_page(cast, client):
    mine, kept = published(cast.member, "mine"), published(cast.member, "kept")
    lifecycle.add_owner(mine, cast.member.user, cast.admin.user)
    page = reverse("assistant_publishing", args=["acme", "mine"])
    client.force_login(cast.member.user)
    assert 'value="builder@acme.example"' in client.get(page).content.decode()
    giving = {"do": "hand_over", "from": cast.member.user_id, "email": "builder@acme.example"}
    for wrong in ("outsider@umbra.example", "member@acme.example"):
        assert client.post(page, giving | {"email": wrong}).status_code == 422
    assert client.post(page, giving | {"from": cast.admin.user_id}).status_code == 422, "a co-owner's part is theirs"
    assert owners(mine) == ["Ada Admin", "Max Member"]

    assert client.post(page, giving).url == reverse("assistants", args=["acme"])
    assert (owners(mine), owners(kept)) == (["Ada Admin", "Bea Builder"], ["Max Member"])
    assert told(cast.builder) == ["Max Member handed @mine over to you. You own it now."]
    event = AuditEvent.objects.get(action="assistant.hand_over")
    assert (event.actor, event.before, event.after) == (
        cast.member.user,
        {"owners": ["Ada Admin", "Max Member"]},
        {"owners": ["Ada Admin", "Bea Builder"]},
    )
    assert client.get(page).status_code == 404


def test_an_admin_hands_over_the_part_of_whoever_is_away_who_is_told(cast, client):
    mine = published(cast.member, "mine")
    client.force_login(cast.admin.user)
    page = reverse("assistant_publishing", args=["acme", "mine"])
    client.post(page, {"do": "hand_over", "from": cast.member.user_id, "email": "builder@acme.example"})
    assert owners(mine) == ["Bea Builder"]
    assert told(cast.member) == ["Ada Admin handed @mine over to Bea Builder."]


def test_all_of_ones_own_are_handed_over_at_once_under_me(cast, client):
    mine, shared, diary = vetted(cast.member, cast.admin, "mine"), published(cast.builder, "shared"), make(cast.member)
    lifecycle.add_owner(shared, cast.builder.user, cast.member.user)
    gone = lifecycle.archive(published(cast.member, "gone"), cast.member.user)
    other = published(cast.admin, "other")
    client.force_login(cast.member.user)
    page = reverse("owned", args=["acme"])
    html = client.get(page).content.decode()
    assert [f"@{handle}<" in html for handle in ("mine", "shared", "leave", "gone", "other")] == [True] * 4 + [False]
    assert html.count("Only you") == 2
    assert "with Bea Builder" in html
    wrong = client.post(page, {"email": "nobody@acme.example"})
    assert (wrong.status_code, "Nobody in Acme has the address" in wrong.content.decode()) == (422, True)

    done = client.post(page, {"email": "ADMIN@acme.example"}, follow=True).content.decode()
    assert "Ada Admin owns 4 assistants in your place now." in done
    assert "You own no assistant in Acme" in done
    assert [owners(row) for row in (mine, diary, gone, other)] == [["Ada Admin"]] * 4
    assert owners(shared) == ["Ada Admin", "Bea Builder"]
    assert now_of(mine).scope == "workspace"
    assert AuditEvent.objects.filter(action="assistant.hand_over", actor=cast.member.user).count() == 4


def test_an_admin_who_brings_an_orphan_back_owns_it(cast):
    made = published(cast.member)
    lifecycle.archive(made, cast.member.user)
    people.deactivate(cast.member, by=cast.admin.user)
    restored = lifecycle.restore(made, cast.admin.user)
    assert (restored.scope, owners(restored)) == ("personal", ["Ada Admin"])


def test_people_elsewhere_are_none_of_it(cast):
    theirs = published(cast.outsider, "theirs")
    factories.member(cast.elsewhere, person=cast.member.user)
    lifecycle.add_owner(theirs, cast.outsider.user, cast.member.user)
    people.deactivate(cast.member, by=cast.admin.user, hand_over_to=cast.builder)
    assert owners(theirs) == ["Max Member", "Otto Outsider"]
    assert not Notice.objects.filter(workspace=cast.workspace, user=cast.outsider.user).exists()
