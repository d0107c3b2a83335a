"""Slack's mrkdwn as Markdown: nothing that people typed is taken for HTML, a link or a heading."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from datasources.connectors.slack.markdown import attachments, block_text, markdown, plain
from datasources.connectors.slack.messages import body
from datasources.connectors.slack.names import Person


class Known:
    def person(self, user: str) -> Person:
        return {"U1": Person("Ann Lee"), "U2": Person("<b>Ben</b> [x](y)")}.get(user, Person(user))

    def channel(self, channel: str) -> str:
        return {"C1": "general"}.get(channel, "")


def read(text: str) -> str:
    return markdown(text, Known())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<@U1> and <@U9|nine>", "@Ann Lee and @U9"),
        ("<#C1> <#C1|old-name> <#C9>", "#general #old-name #a channel"),
        ("<!here> <!subteam^S1|@ops> <!date^1392734382^{date}|18 Feb 2014>", "@here @ops 18 Feb 2014"),
        ("<https://a.example/x?y=1&amp;z=2>", "https://a.example/x?y=1&z=2"),
        ("<https://a.example/a(b)|the [rules]>", "[the \\[rules\\]](https://a.example/a%28b%29)"),
        ("<mailto:ann@acme.example|ann@acme.example>", "[ann@acme.example](mailto:ann@acme.example)"),
        ("<javascript:alert(1)|click>", "click"),
        ("*bold* _italic_ ~gone~ `code`", "**bold** _italic_ ~~gone~~ `code`"),
        ("2 * 3 * 4 and a*b*c", "2 * 3 * 4 and a*b*c"),
        ("1 &lt; 2 &amp;&amp; 3 &gt; 2", "1 \\< 2 && 3 > 2"),
        ("&lt;script&gt;alert(1)&lt;/script&gt;", "\\<script>alert(1)\\</script>"),
        ("a &amp;lt; b", "a &amp;lt; b"),
        ("C:\\temp \\&lt;b>", "C:\\temp \\\\\\<b>"),
        ("# not a heading", "\\# not a heading"),
        ("over\n===\nunder", "over  \n\\===  \nunder"),
        ("&gt; quoted", "> quoted"),
        ("one\ntwo", "one  \ntwo"),
        ("see ```a &lt; b\n<https://a.example>``` there", "see \n```\na < b\nhttps://a.example\n```\n there"),
        ("`&lt;b&gt;`", "`<b>`"),
        ("null\x000\x00 byte", "null0 byte"),
        ("", ""),
    ],
)
def test_text(text: str, expected: str) -> None:
    assert read(text) == expected


def test_names_are_plain_words() -> None:
    assert read("<@U2>") == "@\\<b>Ben\\</b> \\[x\\](y)"
    assert plain("snake_case _x_\n*y*") == "snake_case \\_x\\_ \\*y\\*"


@given(st.text(alphabet=st.sampled_from("<>&;lt`*_~#|@!=- \nabhttps:/()[]\\\x00"), max_size=60))
@settings(max_examples=1500, deadline=None)
def test_no_html_and_no_heading_comes_out_of_any_text(text: str) -> None:
    tokens = MarkdownIt("commonmark").parse(f"**Ann** (09:12 UTC): {read(text)}")
    kinds = {token.type for token in tokens} | {child.type for token in tokens for child in token.children or []}
    assert not kinds & {"html_block", "html_inline", "heading_open"}


def test_blocks_are_read_where_there_is_no_text() -> None:
    blocks = [
        {"type": "header", "text": {"type": "plain_text", "text": "Deploy"}},
        {
            "type": "section",
            "text": {"type": "mrkdwn", "text": "*api* is live"},
            "fields": [{"type": "mrkdwn", "text": "v2"}],
        },
        {
            "type": "rich_text",
            "elements": [
                {
                    "type": "rich_text_section",
                    "elements": [
                        {"type": "text", "text": "by "},
                        {"type": "user", "user_id": "U1"},
                        {"type": "link", "url": "https://a.example", "text": "log"},
                    ],
                },
                {
                    "type": "rich_text_list",
                    "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": "first"}]}],
                },
            ],
        },
    ]
    assert block_text(blocks) == "Deploy\n*api* is live\nv2\nby <@U1><https://a.example|log>\n- first"
    assert body({"blocks": blocks}, Known()).startswith("Deploy  \n**api** is live")
    assert body({"text": "Deploy", "blocks": blocks}, Known()) == "Deploy"


def test_nested_blocks_end_somewhere() -> None:
    nested: dict[str, object] = {"type": "mrkdwn", "text": "deep"}
    for _ in range(100):
        nested = {"type": "section", "elements": [nested]}
    assert block_text([nested]) == ""


def test_previews_of_links_are_short_and_of_messages_whole() -> None:
    preview = {"title": "Podcast", "title_link": "https://a.example", "text": "word " * 200}
    shared = {"author_name": "Ann", "is_msg_unfurl": True, "text": "word " * 200}
    first, second = attachments([preview, shared, "nonsense"], Known(), whole=False)
    assert first.startswith("> [Podcast](https://a.example)\n> word")
    assert len(first) < 500 < len(second)
    assert first.endswith("…")


def test_a_cut_never_parts_a_link() -> None:
    text = "x" * 390 + " <https://a.example/long|label of it>"
    (found,) = attachments([{"text": text}], Known(), whole=False)
    assert "https" not in found
