"""Passages: exact offsets, full coverage, order, budget, and cuts where a reader would make them."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from datasources.ingestion.blocks import blocks
from datasources.ingestion.chunking import Chunk, chunk, embed_text

_WORDS = re.compile(r"\w+|[^\w\s]")


def by_word(text: str) -> list[tuple[int, int]]:
    return [m.span() for m in _WORDS.finditer(text)]


def by_piece(text: str) -> list[tuple[int, int]]:
    """Like WordPiece: words fall into pieces of four letters, East Asian letters stand alone."""
    spans = []
    for found in _WORDS.finditer(text):
        start, end = found.span()
        step = 1 if "\u3040" <= text[start] <= "\u9fff" else 4
        spans += [(at, min(at + step, end)) for at in range(start, end, step)]
    return spans


def by_character(text: str) -> list[tuple[int, int]]:
    return [(at, at + 1) for at in range(len(text))]


TOKENIZERS = {"words": by_word, "pieces": by_piece, "characters": by_character}


def check(text: str, spans, most: int, title: str) -> list[Chunk]:
    """What must hold for any text."""
    chunks = chunk(text, spans, most, title)
    covered = [False] * len(text)
    at = 0
    for number, passage in enumerate(chunks):
        body = text[passage.start : passage.end]
        assert passage.number == number
        assert at <= passage.start < passage.end <= len(text)
        assert body == body.strip()
        assert len(spans(embed_text(passage.title, passage.heading, body))) <= most
        covered[passage.start : passage.end] = [True] * len(body)
        at = passage.end
    missing = [text[i] for i, seen in enumerate(covered) if not seen and not text[i].isspace()]
    assert missing == []
    return chunks


line = st.one_of(
    st.text(alphabet=st.characters(codec="utf-8"), max_size=80),
    st.sampled_from(
        ["", "", "# One", "## Two", "### Three", "```", "~~~", "- item", "1. item", "| a | b |", "| --- | --- |"]
    ),
    st.sampled_from(
        ["Title", "=====", "-----", "> quoted", "A sentence. Another one! 文。字。", "word " * 40, "x" * 300]
    ),
    st.text(alphabet="กขคงจ์ิ ", max_size=60),
    st.text(alphabet="漢字仮名交じり文。", max_size=120),
)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(line, max_size=40).map("\n".join),
    st.sampled_from(sorted(TOKENIZERS)),
    st.integers(32, 200),
    st.text(max_size=60),
)
@example("e\u0301" * 500, "characters", 64, "")
@example("# a\n" * 200, "words", 32, "Title")
@example("```\n# not a heading\n", "words", 32, "")
def test_any_text_is_covered_in_order_and_within_budget(text: str, tokenizer: str, most: int, title: str) -> None:
    check(text, TOKENIZERS[tokenizer], most, title)


@settings(max_examples=100, deadline=None)
@given(st.lists(line, max_size=30).map("\n".join))
def test_blocks_touch_and_cover_the_text(text: str) -> None:
    at = 0
    for block in blocks(text):
        assert block.start == at
        assert block.end > block.start
        at = block.end
    assert at == len(text)


def test_the_same_text_gives_the_same_passages() -> None:
    text = "# A\n\n" + "Some words here. " * 200
    assert chunk(text, by_word, 64, "T") == chunk(text, by_word, 64, "T")


def test_no_text_gives_no_passages() -> None:
    assert chunk("", by_word, 64) == []
    assert chunk(" \n\n\t", by_word, 64) == []


def test_too_small_a_budget_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 32"):
        chunk("text", by_word, 8)


def test_headings_become_the_path_and_are_repeated_for_the_embedder() -> None:
    text = "# Handbook\n\nIntro.\n\n## Leave\n\n" + "Leave is granted. " * 40 + "\n\n### Sick\n\n" + "Call in. " * 40
    chunks = check(text, by_word, 64, "Handbook")
    sick = [c for c in chunks if c.heading_path == ("Handbook", "Leave", "Sick")]
    assert sick
    assert sick[0].heading == "Leave › Sick"
    assert text[sick[0].start :].startswith("### Sick")
    assert embed_text(sick[0].title, sick[0].heading, "x") == "Handbook\nLeave › Sick\n\nx"


def test_underlined_headings_count_and_hashes_in_code_do_not() -> None:
    text = "Top\n===\n\n" + "word " * 40 + "\n\nBelow\n-----\n\n```sh\n# a comment\n" + "run it\n" * 20 + "```\n"
    paths = {c.heading_path for c in check(text, by_word, 48, "")}
    assert paths == {("Top",), ("Top", "Below")}


def test_a_heading_never_stands_at_the_end_of_a_passage() -> None:
    text = "".join(f"## Part {n}\n\n{'Words in it. ' * 30}\n\n" for n in range(20))
    for passage in check(text, by_word, 64, "Parts"):
        assert not re.search(r"\n## Part \d+$", text[passage.start : passage.end])


def test_short_sections_share_a_passage_and_keep_the_heading_above_them() -> None:
    text = "# Offices\n\n" + "".join(f"## City {n}\n\nOpen at nine.\n\n" for n in range(4))
    chunks = check(text, by_word, 128, "")
    assert len(chunks) == 1
    assert chunks[0].heading_path == ("Offices",)


def test_sections_of_different_chapters_stay_apart() -> None:
    text = "# A\n\n## A1\n\n" + "alpha " * 50 + "\n\n# B\n\nShort.\n\n## B1\n\n" + "beta " * 50
    for passage in check(text, by_word, 96, ""):
        body = text[passage.start : passage.end]
        assert not ("alpha" in body and "beta" in body)


def test_rows_of_a_table_stay_whole_and_later_ones_know_their_columns() -> None:
    rows = "".join(f"| Person {n} | Street {n} | {n} |\n" for n in range(100))
    text = "# People\n\n| Name | Address | Age |\n| --- | --- | --- |\n" + rows
    chunks = check(text, by_word, 80, "")
    assert len(chunks) > 3
    for passage in chunks[1:]:
        assert text[passage.start : passage.end].startswith("| Person")
        assert text[passage.start : passage.end].endswith("|")
        assert passage.heading.endswith("Name, Address, Age")


def test_items_of_a_list_stay_whole() -> None:
    text = "".join(f"- Item {n} with a few words. And a second sentence.\n  going on here\n" for n in range(60))
    for passage in check(text, by_word, 64, ""):
        assert text[passage.start : passage.end].startswith("- Item")
        assert text[passage.start : passage.end].endswith("going on here")


def test_sentences_stay_whole_also_where_no_space_ends_them() -> None:
    text = "これは文です。次の文もあります。" * 60
    for passage in check(text, by_piece, 64, ""):
        assert text[passage.start : passage.end].endswith("。")
    english = "This is one sentence of eight words only. " * 100
    for passage in check(english, by_word, 64, ""):
        assert english[passage.start : passage.end].endswith(".")


def test_a_word_too_long_for_any_passage_is_cut_and_accents_are_not_torn_off() -> None:
    assert len(check("a" * 10_000, by_piece, 64, "")) > 10
    for passage in check("e\u0301" * 2_000, by_character, 64, ""):
        assert passage.start % 2 == 0


def test_one_edit_changes_only_the_passages_around_it() -> None:
    text = "".join(f"## Section {n}\n\n{f'Sentence {n} with words. ' * 12}\n\n" for n in range(40))
    before = {c.hash for c in chunk(text, by_word, 96, "Doc")}
    after = {c.hash for c in chunk(text.replace("Sentence 20 with", "Phrase 20 with", 1), by_word, 96, "Doc")}
    assert len(before - after) <= 2


def test_the_hash_covers_title_and_heading() -> None:
    assert chunk("text", by_word, 64, "A")[0].hash != chunk("text", by_word, 64, "B")[0].hash
    one, two = chunk("# X\n\ntext", by_word, 64), chunk("# Y\n\ntext", by_word, 64)
    assert one[0].hash != two[0].hash


def test_a_long_title_or_path_leaves_room_for_the_text() -> None:
    text = "# " + "Long heading words " * 50 + "\n\n" + "body " * 200
    chunks = check(text, by_word, 64, "A very long title " * 40)
    assert all(len(by_word(f"{passage.title} {passage.heading}")) <= 64 // 2 for passage in chunks)
    assert "body" in text[chunks[-1].start : chunks[-1].end]


def test_cutting_is_fast_apart_from_the_tokenizer() -> None:
    text = ("# Part\n\n" + ("Some plain words make up this sentence. " * 12 + "\n\n") * 6 + "- a\n- b\n\n") * 300
    known = by_word(text)

    def spans(part: str) -> list[tuple[int, int]]:
        return known if part is text else by_word(part)

    spent = 0.0

    def timed(part: str) -> list[tuple[int, int]]:
        nonlocal spent
        begun = time.perf_counter()
        result = spans(part)
        spent += time.perf_counter() - begun
        return result

    begun = time.perf_counter()
    assert chunk(text, timed, 256, "Title")
    own = time.perf_counter() - begun - spent
    assert len(text) / own > 500_000, f"{len(text) / own / 1e6:.1f} MB/s"


@pytest.mark.parametrize(
    "text",
    [
        "# " + " " * 200_000 + "x",
        "# " + "[" * 100_000,
        "." * 100_000 + "\n" + "!)" * 100_000,
        "| a |\n" * 40_000,
        "- a\n" * 50_000,
        "word\n\n" * 40_000,
        "# a\n" * 40_000,
        "`" * 200_000,
        "\t" * 200_000 + "x",
        "a\n===\n" * 30_000,
    ],
    ids=lambda text: f"{text[:4]!r}",
)
def test_no_text_can_hold_the_worker_up(text: str) -> None:
    begun = time.perf_counter()
    assert chunk(text, by_word, 254, "Title")
    assert time.perf_counter() - begun < 10
