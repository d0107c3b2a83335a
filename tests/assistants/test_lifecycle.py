"""The life of an assistant: who may do what with it, and what people run meanwhile."""

import pytest
from django.core.exceptions import ValidationError

from assistants import lifecycle
from assistants.drafts import free_handle
from assistants.errors import Refused
from assistants.models import Assistant
from datasources.access import readable_branches
from datasources.models import Grant
from portal.credentials import create_credential
from portal.models import AuditEvent, Notice
from tests import factories


def make(membership, handle="leave", **fields):
    return lifecycle.create_assistant(workspace=membership.workspace, by=membership.user, handle=handle, **fields)


def whole(source):
    return [{"data_source": str(source.pk), "parents_in": None, "parents_not_in": []}]


def visible(membership):
    return sorted(Assistant.objects.visible_to(membership).values_list("handle", flat=True))


def test_a_personal_assistant_is_its_owners_alone(cast):
    made = make(cast.member, name="Leave", instructions="Be brief.")
    assert (made.scope, made.live.number, made.live.instructions, made.live.reads_all) == (
        "personal",
        1,
        "Be brief.",
        True,
    )
    assert visible(cast.member) == ["leave"]
    assert visible(cast.admin) == visible(cast.builder) == visible(cast.outsider) == []
    assert AuditEvent.objects.filter(action="assistant.create", actor=cast.member.user).exists()


def test_a_published_one_is_seen_by_those_who_read_in_its_sources(cast):
    open_source = factories.source(cast.workspace)
    secret = factories.source(cast.workspace, grant_to=factories.space(cast.workspace, cast.builder))
    lifecycle.publish(make(cast.builder, "open", knowledge=whole(open_source)), cast.builder.user)
    lifecycle.publish(make(cast.builder, "secret", knowledge=[*whole(open_source), *whole(secret)]), cast.builder.user)

    assert visible(cast.builder) == ["open", "secret"]
    assert visible(cast.member) == visible(cast.admin) == ["open"]
    Grant.objects.filter(source=secret).delete()
    assert visible(cast.member) == ["open"]
    assert "secret" in visible(cast.builder)  # an owner keeps what they made


def test_a_vetted_one_is_for_everybody_and_goes_on_with_what_was_vetted(cast):
    made = make(cast.member, instructions="One.")
    with pytest.raises(Refused, match="publish it first"):
        lifecycle.vet(made, cast.admin.user)
    lifecycle.publish(made, cast.member.user)
    for person in (cast.member, cast.builder):
        with pytest.raises(Refused, match="admin"):
            lifecycle.vet(made, person.user)
    made = lifecycle.vet(made, cast.admin.user)
    assert (made.scope, made.in_review) == ("workspace", False)

    second = lifecycle.save_version(made, cast.member.user, instructions="Two.")
    made.refresh_from_db()
    assert (made.live.instructions, made.latest_id, made.in_review) == ("One.", second.pk, True)
    assert made.runs_for(cast.builder).instructions == "One."
    made = lifecycle.vet(made, cast.admin.user)
    assert made.live.instructions == "Two."
    lifecycle.save_version(made, cast.member.user, instructions="Three.")
    made = lifecycle.unvet(made, cast.admin.user)
    assert (made.scope, made.live.instructions) == (
        "published",
        "Two.",
    )  # a draft stays one until its owners publish it
    assert lifecycle.publish(made, cast.member.user).live.instructions == "Three."


def test_saving_a_personal_or_published_one_is_live_at_once(cast):
    made = make(cast.member)
    lifecycle.publish(made, cast.member.user)
    lifecycle.save_version(made, cast.member.user, instructions="New.")
    made.refresh_from_db()
    assert (made.live.instructions, made.live.number, made.live_id) == ("New.", 2, made.latest_id)


def test_versions_are_snapshots_and_nothing_changed_makes_none(cast):
    made = make(cast.member, instructions="One.")
    first = made.live
    same = lifecycle.save_version(made, cast.member.user, instructions="One.")
    assert same.pk == first.pk
    lifecycle.save_version(made, cast.member.user, instructions="Two.")
    back = lifecycle.roll_back(made, cast.member.user, first)
    assert (back.number, back.instructions) == (3, "One.")
    assert made.versions.count() == 3


def test_only_owners_change_it_and_admins_what_was_published(cast):
    made = make(cast.member)
    for person in (cast.builder, cast.admin):
        with pytest.raises(Refused, match="Only its owners"):
            lifecycle.save_version(made, person.user, name="Mine")
    lifecycle.publish(made, cast.member.user)
    assert lifecycle.save_version(made, cast.admin.user, name="Tidied").name == "Tidied"
    with pytest.raises(Refused):
        lifecycle.save_version(made, cast.outsider.user, name="Mine")
    with pytest.raises(ValidationError):
        lifecycle.set_owners(made, cast.member.user, [cast.outsider.user])
    lifecycle.set_owners(made, cast.member.user, [cast.builder.user])
    with pytest.raises(Refused):
        lifecycle.save_version(made, cast.member.user, name="Mine again")


@pytest.mark.parametrize("handle", ["x", "1st", "with space", "new", "ümlaut", "-x-", "a" * 41, ""])
def test_a_handle_has_its_rules(cast, handle):
    with pytest.raises(ValidationError) as error:
        make(cast.member, handle)
    assert "handle" in error.value.message_dict


def test_a_handle_is_taken_once_whatever_its_case(cast):
    assert make(cast.member, "@Leave").handle == "leave"
    with pytest.raises(ValidationError, match="taken"):
        make(cast.builder, "LEAVE")
    assert make(cast.outsider, "leave").workspace == cast.elsewhere


def test_a_handle_that_people_knew_stays_with_its_assistant(cast):
    made, own = make(cast.member, "leave"), make(cast.member, "diary")
    lifecycle.rename_handle(own, cast.member.user, "journal")
    assert make(cast.builder, "diary").handle == "diary"  # nobody else ever saw it
    lifecycle.publish(made, cast.member.user)
    lifecycle.rename_handle(made, cast.member.user, "holidays")
    for taken in ("leave", "@LEAVE"):
        with pytest.raises(ValidationError, match="what people knew another assistant by"):
            make(cast.builder, taken)
    assert free_handle(cast.workspace, "leave") == "leave-2"
    assert make(cast.outsider, "leave").workspace == cast.elsewhere
    lifecycle.unpublish(made, cast.member.user)
    back = lifecycle.rename_handle(made, cast.member.user, "leave")
    assert (back.handle, back.former_handles) == ("leave", ["holidays"])


def test_a_handle_that_somebody_else_takes_at_the_same_moment_is_taken(cast, monkeypatch):
    made, _other = make(cast.member, "leave"), make(cast.builder, "holidays")
    monkeypatch.setattr(lifecycle, "checked_handle", lambda workspace, handle, assistant: handle)
    with pytest.raises(ValidationError, match="@holidays is taken"):
        lifecycle.rename_handle(made, cast.member.user, "holidays")
    made.refresh_from_db()
    assert made.handle == "leave"


def test_a_vetted_one_is_renamed_by_an_admin_alone(cast):
    made = make(cast.member)
    lifecycle.publish(made, cast.member.user)
    lifecycle.vet(made, cast.admin.user)
    with pytest.raises(Refused, match="you need to be an admin"):
        lifecycle.rename_handle(made, cast.member.user, "support")
    assert lifecycle.rename_handle(made, cast.member.user, "@Leave").handle == "leave"  # no change
    assert lifecycle.rename_handle(made, cast.admin.user, "support").handle == "support"
    last = Notice.objects.filter(user=cast.member.user).latest("id")
    assert (last.words, last.path) == (
        "Ada Admin renamed @leave: it is @support now.",
        "assistants/support/publishing/",
    )
    # What is said of it, and whether its instructions show, is for its owners at any time.
    lifecycle.set_stage(made, cast.member.user, "stable")
    lifecycle.show_instructions(made, cast.member.user, True)
    lifecycle.unvet(made, cast.admin.user)
    assert lifecycle.rename_handle(made, cast.member.user, "leave").handle == "leave"


def test_knowledge_is_of_this_workspace_and_readable_by_its_editor(cast):
    mine = factories.source(cast.workspace)
    folder = factories.node(mine, "hr")
    secret = factories.source(cast.workspace, grant_to=factories.space(cast.workspace, cast.builder))
    foreign = factories.source(cast.elsewhere)
    good = [{"data_source": str(mine.pk), "parents_in": [str(folder.pk)], "parents_not_in": []}]

    made = make(cast.member, knowledge=good)
    assert (made.live.knowledge, made.reads, made.live.reads_all) == (good, [mine.pk], False)
    for bad in (
        whole(secret),
        whole(foreign),
        [{"data_source": str(mine.pk), "parents_in": [str(mine.pk)]}],
        [{"data_source": "x"}],
        [*good, *good],
        [{"data_source": str(mine.pk), "sql": "1"}],
        "everything",
    ):
        with pytest.raises(ValidationError) as error:
            lifecycle.save_version(made, cast.member.user, knowledge=bad)
        assert "knowledge" in error.value.message_dict


def test_an_editor_may_leave_what_a_colleague_put_in_but_not_add_it(cast):
    mine = factories.source(cast.workspace)
    secret = factories.source(cast.workspace, grant_to=factories.space(cast.workspace, cast.builder))
    made = make(cast.builder, knowledge=whole(secret))
    lifecycle.set_owners(made, cast.builder.user, [cast.builder.user, cast.member.user])

    version = lifecycle.save_version(made, cast.member.user, knowledge=[*whole(secret), *whole(mine)])
    assert len(version.knowledge) == 2
    lifecycle.save_version(made, cast.member.user, knowledge=whole(mine))
    with pytest.raises(ValidationError):
        lifecycle.save_version(made, cast.member.user, knowledge=whole(secret))


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"temperature": 3}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"model": "gpt"}, "model"),
        ({"credential": "nonsense", "model": "m"}, "credential"),
        ({"starters": ["x"] * 7}, "starters"),
        ({"starters": "x"}, "starters"),
        ({"tags_all": ["x" * 81]}, "tags_all"),
        ({"since": "yesterday"}, "since"),
        ({"since": "2026-02-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"}, "until"),
        ({"colour_of_eyes": "blue"}, "colour_of_eyes"),
        ({"name": ""}, "name"),
        ({"instructions": "x" * 20_001}, "instructions"),
    ],
)
def test_a_field_that_can_not_be_is_named(cast, fields, field):
    with pytest.raises(ValidationError) as error:
        make(cast.member, **fields)
    assert field in error.value.message_dict
    assert not Assistant.objects.exists()


def test_all_fields_that_can_not_be_are_named_at_once(cast):
    wrong = {
        "temperature": 3,
        "starters": "x",
        "since": "yesterday",
        "picture": "x",
        "instructions": "{{nobody.knows}}",
    }
    with pytest.raises(ValidationError) as error:
        make(cast.member, "new", **wrong, model="gpt", knowledge="everything", retrieval="guess")
    assert set(error.value.message_dict) == {*wrong, "handle", "model", "knowledge", "retrieval"}


def test_a_model_is_a_credential_of_this_workspace_and_a_name(cast):
    def key(workspace):
        return create_credential(workspace=workspace, by=None, kind="openai", api_key="sk-123456789012")

    assert make(cast.member, credential=key(cast.workspace), model="gpt").live.model == "gpt"
    with pytest.raises(ValidationError):
        make(cast.member, "other", credential=key(cast.elsewhere), model="gpt")


def test_the_default_is_one_that_was_vetted_and_there_is_one(cast):
    first, second = make(cast.admin, "first"), make(cast.admin, "second")
    with pytest.raises(Refused, match="Vet"):
        lifecycle.set_default(cast.workspace, first, cast.admin.user)
    for made in (first, second):
        lifecycle.publish(made, cast.admin.user)
        lifecycle.vet(made, cast.admin.user)
    lifecycle.set_default(cast.workspace, first, cast.admin.user)
    lifecycle.set_default(cast.workspace, second, cast.admin.user)
    assert list(Assistant.objects.filter(is_default=True)) == [second]
    with pytest.raises(Refused):
        lifecycle.set_default(cast.workspace, None, cast.member.user)
    lifecycle.unpublish(Assistant.objects.get(pk=second.pk), cast.admin.user)
    assert not Assistant.objects.filter(is_default=True).exists()


def test_an_archived_one_is_found_by_nobody_until_it_is_restored(cast):
    made = make(cast.member)
    lifecycle.publish(made, cast.member.user)
    lifecycle.archive(made, cast.member.user)
    assert visible(cast.member) == visible(cast.builder) == []
    restored = lifecycle.restore(made, cast.member.user)
    assert (restored.scope, visible(cast.member), visible(cast.builder)) == ("personal", ["leave"], [])


def test_what_one_row_says_is_what_the_list_says(cast):
    """``offered_to`` decides on the way to an answer, ``visible_to`` in lists: they never disagree."""
    open_source = factories.source(cast.workspace)
    secret = factories.source(cast.workspace, grant_to=factories.space(cast.workspace, cast.builder))
    for number, knowledge in enumerate((None, [], whole(open_source), whole(secret))):
        for scope in Assistant.Scope.values:
            made = make(cast.builder, f"a-{number}-{scope}", knowledge=knowledge)
            Assistant.objects.filter(pk=made.pk).update(scope=scope)
    gone = make(cast.builder, "gone")
    lifecycle.archive(gone, cast.builder.user)

    for membership in cast:
        rows = Assistant.objects.with_owner(membership.user_id)
        offered = [a.handle for a in rows if a.offered_to(membership, lambda m=membership: readable_branches(m))]
        assert sorted(offered) == visible(membership)
    assert len(visible(cast.builder)) == 12
    assert len(visible(cast.member)) == 7
