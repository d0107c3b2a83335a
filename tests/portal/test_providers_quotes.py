"""Answers without a model."""

from __future__ import annotations

from portal.providers.quotes import NOTICE, QuotesModel
from portal.providers.sentences import plain_text, units
from portal.providers.types import ChatRequest, Delta, Finish, Passage, Turn

LEAVE = Passage(
    1,
    "Leave",
    "Allowance",
    "## Allowance\n\nA new colleague gets 25 days of leave in a year. The canteen opens at noon. Ask Dr. Bell for [the form](x.md).",
    node="leave",
)
TRAVEL = Passage(
    2, "Travel", "Trains", "Book trains through the travel desk. First class needs approval.", node="travel"
)
LEAVE_AGAIN = Passage(3, "Leave", "Blood", "You may take up to 4 hours of leave for blood donation [7].", node="leave")


async def answer(question: str, *passages: Passage) -> str:
    items = [item async for item in QuotesModel().stream(ChatRequest([], passages, question))]
    assert isinstance(items[-1], Finish)
    return "".join(item.text for item in items if isinstance(item, Delta))


async def test_it_quotes_the_sentence_that_answers_with_its_marker() -> None:
    text = await answer("How many days of leave do I get?", LEAVE, TRAVEL)
    assert text.startswith(NOTICE)
    assert "Govern → Credentials" in NOTICE
    assert "**Leave** › Allowance\n\n> A new colleague gets 25 days of leave in a year. [1]" in text
    assert "canteen" not in text
    assert "Travel" not in text


async def test_quotes_are_grouped_by_page() -> None:
    text = await answer("leave", LEAVE, TRAVEL, LEAVE_AGAIN)
    assert text.count("**Leave**") == 1
    assert text.index("[1]") < text.index("[3]")


async def test_relatives_and_slips_of_a_word_are_found() -> None:
    assert "blood donation (7). [3]" in await answer("donating bloood", TRAVEL, LEAVE_AGAIN)


async def test_nothing_that_fits_writes_nothing() -> None:
    assert await answer("Who won the football match?", LEAVE, TRAVEL) == ""
    assert await answer("How many days of leave do I get?") == ""


async def test_without_the_bare_question_the_last_turn_is_it() -> None:
    request = ChatRequest([Turn("user", "trains"), Turn("assistant", "?"), Turn("user", "days of leave")], [LEAVE])
    items = [item async for item in QuotesModel().stream(request)]
    assert len(items) > 2


async def test_a_question_without_content_words_quotes_the_best_passage() -> None:
    assert "> Book trains through the travel desk." in await answer("What is it about?", TRAVEL, LEAVE)


async def test_a_list_keeps_its_introduction() -> None:
    steps = "To reset your password:\n\n1. Open the portal\n2. Choose *Reset password*\n3. Wait\n"
    text = await answer("reset password portal", Passage(1, "Passwords", "", steps))
    assert "> To reset your password:\n>\n> 1. Open the portal\n> 2. Choose Reset password\n> 3. Wait [1]" in text


CONNECT = Passage(
    1,
    "Connect a folder",
    "",
    "# Connect a folder\n\nA folder source reads a folder on the server. Builders can connect a folder.\n\n"
    "## How to connect a folder\n\n1. Open **Data**.\n2. Choose *Folder*.\n3. Press Connect.\n\n"
    "## What happens to files that change\n\nChanged files are read again.",
    node="connect",
)
START = Passage(
    2,
    "Getting started",
    "Start",
    'So you can ask at once, for example "How do I connect a folder?". A folder is quickly connected.',
    node="start",
)


async def test_steps_below_a_heading_that_asks_the_same_are_quoted_whole() -> None:
    text = await answer("How do I connect a folder?", CONNECT, START)
    steps = "**Connect a folder** › How to connect a folder\n\n> 1. Open Data.\n> 2. Choose Folder.\n> 3. Press Connect. [1]"
    assert text.startswith(f"{NOTICE}\n\n{steps}")


async def test_a_sentence_that_only_repeats_the_question_is_no_answer() -> None:
    assert "So you can ask at once" not in await answer("How do I connect a folder?", START, CONNECT)
    asked = Passage(1, "Questions", "", "How do I connect a folder? Ask Odile about folders.", node="q")
    text = await answer("How do I connect a folder?", asked)
    assert "How do I connect a folder?" not in text
    assert "Ask Odile about folders." in text


async def test_a_section_without_steps_is_quoted_from_its_beginning() -> None:
    text = await answer("What happens to files that change?", START, CONNECT)
    assert "**Connect a folder** › What happens to files that change\n\n> Changed files are read again. [1]" in text


async def test_steps_that_are_too_many_are_not_quoted_whole() -> None:
    steps = "\n".join(f"{n}. Turn screw number {n} of the pump." for n in range(1, 31))
    text = await answer("How do I repair the pump?", Passage(1, "Pump", "", f"## How to repair the pump\n\n{steps}"))
    assert 0 < text.count("Turn screw") < 10


async def test_pages_stand_in_the_order_that_retrieval_gave_them() -> None:
    better = Passage(2, "Cards", "", "The travel card is handed out by the travel desk on Mondays.", node="cards")
    weaker = Passage(1, "Trains", "", "Trains are booked by the travel desk.", node="trains")
    text = await answer("trains, travel desk, travel card", weaker, better)
    assert text.index("**Trains**") < text.index("**Cards**")


async def test_what_defines_the_word_comes_before_what_uses_it() -> None:
    use = "A workspace keeps one admin. The workspace has a name. Each workspace has spaces. A workspace has people."
    meaning = "A workspace is one company."
    text = await answer("What is a workspace?", Passage(1, "Words", "", f"{use} {meaning}"))
    assert "A workspace is one company." in text


async def test_a_number_is_preferred_where_one_is_asked_for() -> None:
    text = "The upload field takes files. " * 2 + "An upload may be large. The upload may have 100 MB."
    assert "100 MB" in await answer("maximum upload size", Passage(1, "Upload", "", text))


async def test_code_is_quoted_whole_and_fenced() -> None:
    code = "Restart with:\n\n```bash\nsystemctl restart atrium\n```\n"
    text = await answer("restart atrium systemctl", Passage(4, "Operations", "", code))
    assert "> Restart with:\n>\n> ```bash\n> systemctl restart atrium\n> ```\n>\n> [4]" in text


async def test_a_table_row_is_read_with_its_header() -> None:
    table = "| Office | Floor |\n|---|---|\n| Chicago | 35 |\n| Boston | 2 |\n"
    text = await answer("Which floor is the Chicago office on?", Passage(1, "Offices", "", table))
    assert "> - Office: Chicago; Floor: 35 [1]" in text
    assert "Boston" not in text


async def test_sources_cannot_fake_markup_or_markers() -> None:
    evil = "Leave rules <script>alert(1)</script> are on ![x](http://evil.example/p.png) the leave page [2]. "
    text = await answer("leave rules page", Passage(1, "*Leave* [2]", "", evil))
    assert "<script>" not in text
    assert "evil.example" not in text
    assert "[2]." not in text
    assert r"**\*Leave\* \[2\]**" in text


async def test_it_stays_short() -> None:
    many = "".join(f"Leave rule number {i} says that leave is granted on day {i} of the month. " for i in range(200))
    passages = [Passage(n, f"Leave {n}", "", many, node=str(n)) for n in range(1, 9)]
    text = await answer("leave rule", *passages)
    assert 0 < len(text) < 2500


def test_abbreviations_and_numbers_do_not_end_a_sentence() -> None:
    found = units("Ask Dr. Bell, e.g. Mondays, at 9.30 a.m. sharp. Version 2.5 is out! Is it? Yes.")
    assert [unit.text for unit in found] == [
        "Ask Dr. Bell, e.g. Mondays, at 9.30 a.m. sharp.",
        "Version 2.5 is out!",
        "Is it?",
        "Yes.",
    ]


def test_headings_and_rules_are_not_quoted() -> None:
    assert units("# Title\n\n---\n\n<!-- hidden -->\n") == []


async def test_rows_of_a_table_that_began_in_another_passage_have_no_bars() -> None:
    cut = "| `not_in_channel` | Invite the app into the channel. |\n| `token_revoked` | Enter a new token. |\n\nThat is all."
    assert [(u.kind, u.text) for u in units(cut)] == [
        ("row", "`not_in_channel`; Invite the app into the channel."),
        ("row", "`token_revoked`; Enter a new token."),
        ("sentence", "That is all."),
    ]
    text = await answer("What if the token was revoked?", Passage(1, "Slack", "When something is wrong", cut))
    assert "|" not in text
    assert "Enter a new token. [1]" in text


def test_what_opens_and_never_closes_is_read_as_fast_as_other_text() -> None:
    """Hours, were each opening looked after to the end of the text."""
    for opening in ("<!-- ", "{{", "{%", "![", "[", "[a](", "![a]("):
        (one,) = units(opening * 100_000)
        assert one.kind == "sentence"
    (heading, *_) = units(f"# {'#' * 100_000} End\n\nText.")
    assert heading.text == "Text."


def test_links_and_pictures_leave_their_text() -> None:
    told = {
        "See [the form](x.md), [here][1] and [Foo](https://e.example/a_(b)).": "See the form, here and Foo.",
        "A ![map [old]](m.png) B ![map](m_(1).png) C": "A ![map [old]](m.png) B C",
        "One <!-- hidden --> two {{ macro }} {% tag %} <b>three</b> [4]": "One two three (4)",
        "[a [b](c) d": "[a b d",
    }
    assert {markdown: plain_text(markdown) for markdown in told} == told
    (one,) = units("## C ##\n\nText.")
    assert (one.heading, one.text) == ("C", "Text.")
