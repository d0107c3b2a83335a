"""Citation markers, read from a stream that may be cut anywhere."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistants.answering.citations import MarkerParser

PIECES = (
    *("[1]", "[2]", "[9]", "[1, 2]", "[12]", "[1][2]", "[ 3 ]", "[1;9]", "[a [1] b](u)", "[", "]", "(", ")"),
    *("(http://x)", " ", "\n", "\n\n", "`", "``", "```", "~~~", "> ", "- ", "1. ", "text", "\\", "1", ",", "py\n"),
)
TEXTS = st.lists(st.sampled_from(PIECES), max_size=25).map("".join)


def parsed(*pieces, count=3):
    parser = MarkerParser(count)
    out, cited = "", []
    for piece in pieces:
        text, new = parser.feed(piece)
        out, cited = out + text, cited + new
    text, new = parser.close()
    return out + text, cited + new


@settings(max_examples=2000, deadline=None)
@given(TEXTS, st.data())
def test_the_outcome_does_not_depend_on_how_the_stream_was_cut(text, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]

    assert parsed(*pieces) == parsed(text)
    assert parsed(*text) == parsed(text)


@pytest.mark.parametrize(
    ("text", "shown", "cited"),
    [
        ("It is so [1].", "It is so [1].", [1]),
        ("Both [1][2] and [2, 3].", "Both [1][2] and [2][3].", [1, 2, 3]),
        ("Again [1] and [1].", "Again [1] and [1].", [1]),
        ("Made up [7].", "Made up.", []),
        ("Half [1, 9] right.", "Half [1] right.", [1]),
        ("In code `a[1]` not.", "In code `a[1]` not.", []),
        ("In ``a ` [1]`` not, here [2].", "In ``a ` [1]`` not, here [2].", [2]),
        ("```py\nx[1]\n```\nHere [1]", "```py\nx[1]\n```\nHere [1]", [1]),
        ("> ~~~\n> x[1]\n> ~~~\n> Here [1]", "> ~~~\n> x[1]\n> ~~~\n> Here [1]", [1]),
        ("A [link [1]](http://x) [2]", "A [link [1]](http://x) [2]", [2]),
        ("A link [1](http://x)", "A link [1](http://x)", []),
        ("Escaped \\[1] not.", "Escaped \\[1] not.", []),
        ("A lone ` tick [1]\n\nand [2]", "A lone ` tick [1]\n\nand [2]", [2]),
        ("[see note] and [1]", "[see note] and [1]", [1]),
        ("The year [2024] is none.", "The year [2024] is none.", []),
    ],
)
def test_what_is_a_marker_and_what_is_not(text, shown, cited):
    assert parsed(text) == (shown, cited)


def test_text_does_not_wait_for_markers_that_are_not_coming():
    parser = MarkerParser(3)
    assert parser.feed("Hello, ") == ("Hello,", [])
    assert parser.feed("world ") == (" world", [])
    assert parser.feed("[") == ("", [])
    assert parser.feed("1] it") == (" [1] it", [1])
