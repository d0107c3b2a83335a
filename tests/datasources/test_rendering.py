"""Documents as HTML: hostile text stays text, and passages are marked exactly."""

import re

import pytest

from datasources.rendering import LONGEST_PART, Mark, neighbour, part_at, parts_of, relative_links, render


def marked(html: str) -> str:
    """The words that are marked, blocks apart."""
    return " ".join(" ".join(re.findall(r"<mark[^>]*>(.*?)</mark>", html, re.S)).split())


def unmarked(html: str) -> str:
    """The HTML without marks, and without spaces at the edges of elements."""
    return re.sub(r"\s+(?=</)|(?<=>)\s+", "", re.sub(r"</?mark[^>]*>", "", html))


def around(text: str, words: str) -> Mark:
    start = text.index(words)
    return Mark(start, start + len(words))


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[a](javascript:alert(1))",
        '[a](JaVaScRiPt:alert(1) "x")',
        "[a](data:text/html;base64,PHNjcmlwdD4=)",
        "![a](https://tracker.example/pixel.png)",
        '![a](x.png " onerror=alert(1)")',
        "<a href='vbscript:x'>b</a>",
        "`<script>`\n\n```\n</code></pre><script>alert(1)</script>\n```",
        "<iframe src=//evil.example></iframe>",
        "<style>body{display:none}</style>",
        "[x]: javascript:alert(1)\n\n[x]",
        "| a | b |\n|---|---|\n| <svg onload=alert(1)> | c |",
        '<https://ok.example/"><script>alert(1)</script>>',
    ],
)
def test_nothing_in_a_document_becomes_live(text):
    html = render(text, [Mark(0, len(text))])
    tags = re.findall(r"<(?:\"[^\"]*\"|[^>\"])*>", html)
    assert not re.search(r"<(script|img|iframe|svg|style|object)", html)
    assert not any(re.search(r"\son\w+=|javascript:|vbscript:|data:", tag) for tag in tags)


def test_links_to_the_outside_tell_it_nothing():
    html = render("[a](https://example.com/x)")
    assert 'href="https://example.com/x"' in html
    assert 'rel="noopener noreferrer nofollow"' in html


def test_boxes_of_tasks_are_drawn_and_what_is_behind_them_is_marked():
    text = "- [x] Ask your lead\n- [ ] Tell the crew\n- plain [x] words\n\n[x] no list"
    html = render(text, [around(text, "Tell the crew")])
    assert "<li>☑ Ask your lead</li>" in unmarked(html)
    assert "<li>☐ Tell the crew</li>" in unmarked(html)
    assert "plain [x] words" in html
    assert "<p>[x] no list</p>" in html
    assert marked(html) == "Tell the crew"


def test_a_picture_leaves_its_words():
    assert "[Picture: the plan]" in render("![the plan](https://example.com/a.png)")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("One sentence. Two sentences. Three.", "Two sentences."),
        ("Ärger über 🦉🦉 in Zürich. 東京の夏。 Ende.", "🦉🦉 in Zürich. 東京の夏。"),
        ("# A heading\n\nText below it.", "A heading"),
        ("- one\n- two words\n- three", "two words"),
        ("1. one\n2. two words", "two words"),
        ("> quoted words\n> go on", "quoted words"),
        ("Some **bold and *both* words** here", "bold and"),
        ("```\ncode = 1\nmore = 2\n```", "more = 2"),
        ("| a | b |\n|---|---|\n| one | two |", "one"),
        ("a & b < c > d", "b < c"),
        ("Line one\nline two\nline three", "line two"),
    ],
)
def test_exactly_the_passage_is_marked(text, words):
    html = render(text, [around(text, words)])
    expected = words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("**", "")
    assert marked(html) == expected
    assert html.count('id="passage"') == 1


def test_a_passage_over_many_blocks_is_marked_in_each():
    text = "# Leave\n\nFirst paragraph.\n\n- one\n- two\n\n## Sick\n\nLast paragraph.\n\nAfter it."
    start, end = text.index("# Leave"), text.index("After it")
    html = render(text, [Mark(start, end)])
    assert marked(html) == "Leave First paragraph. one two Sick Last paragraph."
    assert "<h2" in html
    assert html.count("<li>") == 2


@pytest.mark.parametrize(
    "text",
    [
        "| a | b |\n|---|---|\n| one | two |\n\nafter",
        "Title\n=====\n\ntext\n\n---\n\nmore",
        "```python\nx = 1\n```\n\ntext",
        "- a\n  - b\n    - c\n\n> q\n",
        "[words](https://example.com/long/address) and ![p](q.png) `code`",
        "*a **b** c*  \nd\n\n    indented\n",
    ],
)
def test_no_mark_changes_what_the_text_means(text):
    plain = unmarked(render(text))
    for start in range(len(text)):
        for end in (start + 1, start + 7, len(text)):
            html = render(text, [Mark(start, min(end, len(text)))])
            assert unmarked(html) == plain, (start, end)


def test_characters_of_the_private_use_area_stay():
    text = "a \U000f0000 b \U000f0001 c"
    html = render(text, [around(text, "b")])
    assert marked(html) == "b"
    assert "\U000f0000" in html
    assert "\U000f0001" in html


def test_offsets_outside_the_text_mark_nothing_and_break_nothing():
    assert "<mark" not in render("short", [Mark(100, 200)])
    assert marked(render("short", [Mark(0, 10_000)])) == "short"


def test_the_margin_shows_where_passages_begin():
    html = render("One.\n\nTwo.\n\nThree.", [Mark(0, 4, 1), Mark(6, 10, 2), Mark(6, 10)])
    assert re.search(r'<span class="passage-at" id="passage-2" data-n="2"></span><mark[^>]*>Two.</mark>', html)


def test_long_documents_come_in_parts_that_join_up_again():
    text = "".join(f"Paragraph {n} with some words in it.\n\n" for n in range(20_000))
    parts = parts_of(text)
    assert len(parts) > 3
    assert "".join(text[p.start : p.end] for p in parts) == text
    assert all(p.end - p.start <= LONGEST_PART for p in parts)
    mark = around(text, "Paragraph 15000 with")
    part = part_at(parts, mark.start)
    assert marked(render(text, [mark], part=part)) == "Paragraph 15000 with"


def test_links_between_documents_lead_to_the_neighbour_and_nowhere_else():
    assert relative_links("[a](other.md) [b](https://x.example) [c](#d) [e](../up/f.md#g)") == {
        "other.md",
        "../up/f.md#g",
    }
    assert neighbour("hr/leave/sick.md", "../pay.md#when") == "hr/pay.md"
    assert neighbour("hr/leave/sick.md", "annual%20leave.md") == "hr/leave/annual leave.md"
    assert neighbour("a.md", "../../etc/passwd") == ""
    html = render("[a](other.md) [gone](missing.md)", resolve={"other.md": "/w/acme/documents/1/"}.get)
    assert 'href="/w/acme/documents/1/"' in html
    assert "<span>gone</span>" in html
