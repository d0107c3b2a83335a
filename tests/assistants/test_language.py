"""Whoever chose a language is answered in it: what the prompts say of it."""

from __future__ import annotations

import pytest

from assistants import lifecycle, planning
from assistants.answering import prompts
from portal import profile

pytestmark = pytest.mark.django_db


def told(person, **more: str) -> tuple[str, str]:
    """What the prompts of an answer and of a title say."""
    spec = planning.plan_question(person, None, "Wie viel Urlaub?", **more).spec
    answer = prompts.answering(spec, (), "Wie viel Urlaub?", "", ()).turns[0].text
    return answer, prompts.titling("Wie viel Urlaub?", spec.language).turns[0].text


def test_without_a_choice_an_answer_is_in_the_language_of_its_question(cast):
    answer, title = told(cast.member)
    assert "Answer in the language of the question." in answer
    assert "in the language of the question" in title


def test_a_chosen_language_stands_in_the_rules_and_in_the_title(cast):
    profile.choose_language(cast.member.user, "fr")
    answer, title = told(cast.member)
    assert "Answer in French, also where the question or a passage is in another language" in answer
    assert "in French." in title
    trial = planning.plan_trial(cast.member, {"instructions": "Be brief."}, "Wie viel Urlaub?")
    assert trial.spec.language == "French"


def test_it_is_the_readers_own(cast):
    profile.choose_language(cast.member.user, "fr")
    assert "French" not in told(cast.builder)[0]


def test_instructions_can_name_it(cast):
    made = lifecycle.create_assistant(
        workspace=cast.workspace, by=cast.admin.user, handle="greeter", instructions="Greet in {{reader.language}}."
    )
    lifecycle.publish(made, cast.admin.user)
    assert "Greet in the language of the question." in told(cast.member, assistant="greeter")[0]
    profile.choose_language(cast.member.user, "nl")
    assert "Greet in Dutch." in told(cast.member, assistant="greeter")[0]
