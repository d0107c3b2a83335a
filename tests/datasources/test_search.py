"""Hybrid search: the pure parts by example and property, the whole over the embedded index."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import UUID, uuid4, uuid5

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasources.retrieval.closer import CLOSE, with_closest
from datasources.retrieval.edge_client import EdgeIndex
from datasources.retrieval.filters import admits_nothing, for_reader, for_selector
from datasources.retrieval.fusing import fuse, kind_of
from datasources.retrieval.joining import FoundPassage, Part, choose, estimate_tokens, join
from datasources.retrieval.judging import THRESHOLD, Judgement, confidence_of, edit_distance, is_slip, judge
from datasources.retrieval.lexical import Lexicon, inverse_document_frequency
from datasources.retrieval.search import search
from datasources.retrieval.types import (
    Branch,
    Candidates,
    Filter,
    Hit,
    Point,
    QueryTerm,
    Scored,
    Selector,
    point_id,
)

SOURCE, DOCUMENT, OTHER = uuid4(), uuid4(), uuid4()
IDS = [UUID(int=number) for number in range(1, 30)]

# queries


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("How do I connect a folder?", "question"),
        ("what happens to my laptop when I leave", "question"),
        ("travel card", "keywords"),
        ("airtabel licence request", "keywords"),
        ("BRW-2044", "exact"),
        ("retry_limit", "exact"),
        ('"annual leave" policy', "exact"),
        ("What does error BRW-2044 mean?", "question"),
        ("", "keywords"),
    ],
)
def test_questions_keywords_and_identifiers_are_told_apart(query, kind):
    assert kind_of(query) == kind


# fusing


def scored(scores: list[float], offset: int = 0) -> list[Scored]:
    return [Scored(IDS[offset + place], score) for place, score in enumerate(scores)]


def test_each_half_is_scaled_over_what_it_scored():
    fused = fuse(Candidates(dense=scored([0.9, 0.5, 0.1]), bm25=scored([2.0, 10.0, 6.0])), 0.6)
    assert [item.id for item in fused] == [IDS[1], IDS[0], IDS[2]]
    assert [item.score for item in fused] == pytest.approx([0.6 * 0.5 + 0.4, 0.6, 0.4 * 0.5])
    assert (fused[0].dense, fused[0].bm25) == (0.5, 10.0)


def test_one_half_alone_still_ranks():
    fused = fuse(Candidates(dense=scored([0.9, 0.5])), 0.6)
    assert [(item.id, item.bm25) for item in fused] == [(IDS[0], None), (IDS[1], None)]
    assert fuse(Candidates(), 0.6) == []


def test_a_weight_that_is_no_share_is_refused():
    with pytest.raises(ValueError, match="between 0 and 1"):
        fuse(Candidates(), 1.2)


score_lists = st.lists(st.floats(-1, 30, allow_nan=False), max_size=12)


@given(score_lists, score_lists, st.integers(0, 12), st.floats(0, 1))
def test_fused_scores_stay_within_bounds_and_lose_nobody(dense, bm25, offset, weight):
    candidates = Candidates(dense=scored(dense), bm25=scored(bm25, offset))
    fused = fuse(candidates, weight)
    assert {item.id for item in fused} == {hit.id for hit in (*candidates.dense, *candidates.bm25)}
    assert all(-1e-9 <= item.score <= 1 + 1e-9 for item in fused)
    assert [item.score for item in fused] == sorted((item.score for item in fused), reverse=True)


@given(score_lists, score_lists, st.floats(0, 1), st.floats(0.1, 10), st.floats(-5, 5))
def test_the_scale_of_a_half_does_not_matter(dense, bm25, weight, factor, shift):
    """Rounding may order near-ties otherwise, so the scores are compared."""
    plain = {item.id: item.score for item in fuse(Candidates(scored(dense), scored(bm25)), weight)}
    if bm25 and max(bm25) - min(bm25) < 1e-3 and max(bm25) != min(bm25):
        return
    moved = [score * factor + shift for score in bm25]
    scaled = {item.id: item.score for item in fuse(Candidates(scored(dense), scored(moved)), weight)}
    assert scaled == pytest.approx(plain, abs=1e-6)


# joining


def chunk(position: int, start: int, text: str, *, score: float = 0.5, node: UUID = DOCUMENT) -> FoundPassage:
    part = Part(point_id(node, position), position, start, start + len(text), "h")
    return FoundPassage(node, SOURCE, "Title", f"part {position}", text, start, start + len(text), score, (part,))


def test_neighbours_become_one_text_by_their_offsets():
    joined = join(chunk(1, 6, "beta gamma", score=0.9), chunk(0, 0, "alpha"))
    assert joined is not None
    assert (joined.text, joined.start, joined.end) == ("alpha\nbeta gamma", 0, 16)
    assert (joined.heading, joined.score) == ("part 1", 0.9)
    assert [part.position for part in joined.parts] == [0, 1]


def test_an_overlap_is_not_repeated():
    joined = join(chunk(0, 0, "alpha beta"), chunk(1, 6, "beta gamma"))
    assert joined is not None
    assert joined.text == "alpha beta gamma"


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (chunk(2, 20, "later"), "not adjacent"),
        (chunk(1, 6, "beta", node=OTHER), "another document"),
        (chunk(1, 2, "XXXXX"), "the overlap differs: the document is being indexed anew"),
        (chunk(1, 5000, "far"), "much lies between"),
        (chunk(1, 0, "al"), "ends before the first does"),
    ],
)
def test_what_is_not_one_text_stays_apart(other, why):
    assert join(chunk(0, 0, "alpha"), other) is None, why


@st.composite
def cut_documents(draw):
    """A text and overlapping or touching cuts of it, in a random ranking."""
    text = draw(st.text(st.characters(codec="utf-8"), min_size=1, max_size=120))
    cuts, start, end = [], 0, 0
    while end < len(text):
        end = min(len(text), end + draw(st.integers(1, 30)))
        cuts.append((start, end))
        start = max(start + 1, end - draw(st.integers(0, 5)))
    passages = [chunk(number, a, text[a:b]) for number, (a, b) in enumerate(cuts)]
    return text, draw(st.permutations(passages))


@given(cut_documents(), st.integers(1, 6))
def test_results_are_exact_slices_of_the_document_whatever_the_ranking(document, limit):
    text, ranking = document
    results = choose(ranking, limit=limit, per_document=100, tokens=10_000)
    assert 1 <= len(results) <= limit
    for result in results:
        assert result.text == text[result.start : result.end]
        assert [part.position for part in result.parts] == list(
            range(result.parts[0].position, result.parts[-1].position + 1)
        )
    if limit >= len(ranking):
        assert len(results) == 1
        assert results[0].text == text


def test_one_document_cannot_fill_the_list():
    ranking = [chunk(2 * number, 100 * number, "x" * 10, score=1 - number / 10) for number in range(5)]
    ranking.append(chunk(0, 0, "other", score=0.1, node=OTHER))
    results = choose(ranking, limit=8, per_document=3, tokens=1000)
    assert [result.node for result in results] == [DOCUMENT] * 3 + [OTHER]


def test_copies_of_a_document_do_not_crowd_out_the_others():
    ranking = [
        chunk(0, 0, "the same", score=0.9),
        chunk(0, 0, "the same", score=0.9, node=OTHER),
        chunk(1, 500, "only here", score=0.8, node=OTHER),
    ]
    assert [(r.node, r.text) for r in choose(ranking, limit=8, per_document=3, tokens=1000)] == [
        (DOCUMENT, "the same"),
        (OTHER, "only here"),
    ]
    retitled = [ranking[0], replace(ranking[1], title="Another case")]
    assert len(choose(retitled, limit=8, per_document=3, tokens=1000)) == 2


def test_the_budget_passes_over_what_does_not_fit_but_keeps_the_best():
    ranking = [
        chunk(0, 0, "x" * 400, score=0.9),
        chunk(5, 9000, "y" * 400, score=0.8),
        chunk(9, 20000, "z" * 40, score=0.7),
    ]
    assert [r.text[0] for r in choose(ranking, limit=8, per_document=9, tokens=120)] == ["x", "z"]
    assert [r.text[0] for r in choose(ranking, limit=8, per_document=9, tokens=1)] == ["x"]


def test_tokens_are_estimated_high_for_scripts_without_spaces():
    assert estimate_tokens("four" * 10) == 10
    assert estimate_tokens("漢字漢字") == 4


# judging


def term(word: str, weight: float = 3.0, *, known: bool = True) -> QueryTerm:
    return QueryTerm(word, int(hashlib.sha256(word.encode()).hexdigest()[:6], 16), weight, known)


def hit(id: UUID, text: str, *terms: QueryTerm) -> Hit:
    return Hit(id, {"title": "", "heading": "", "text": text}, frozenset(item.key for item in terms))


def verdict(cosines, hits, terms):
    return judge(fuse(Candidates(dense=scored(cosines)), 1.0), hits, terms)


def test_a_near_passage_with_the_words_is_relevant():
    kettle, lamp = term("kettle"), term("lamp")
    judged = verdict([0.6, 0.3, 0.2], [hit(IDS[0], "kettle and lamp", kettle, lamp)], [kettle, lamp])
    assert judged.relevant
    assert (judged.cosine, judged.covered, judged.covered_together) == (0.6, 1.0, 1.0)


def test_a_far_passage_without_the_rare_word_is_not():
    office, parrot = term("office", 1.0), term("parrot", 7.0, known=False)
    judged = verdict([0.35, 0.34, 0.33], [hit(IDS[0], "office", office)], [office, parrot])
    assert not judged.relevant
    assert judged.missing == ("parrot",)
    assert judged.covered == pytest.approx(1 / 8)


def test_a_slip_of_the_finger_does_not_count_as_missing():
    typo, request = term("airtabel", 8.0, known=False), term("request", 2.0)
    judged = verdict([0.5, 0.2], [hit(IDS[0], "Request an Airtable licence", request)], [typo, request])
    assert judged.covered == 1.0
    assert judged.missing == ()


def test_words_of_asking_do_not_count():
    many, days = term("many", 6.0, known=False), term("days", 2.0)
    judged = verdict([0.5, 0.2], [hit(IDS[0], "days", days)], [many, days])
    assert (judged.covered, judged.missing) == (1.0, ())


def test_nothing_found_is_not_relevant():
    assert not judge([], [], []).relevant
    assert judge([], [], []).confidence == 0.0


def test_a_question_of_stop_words_is_judged_by_similarity_alone():
    assert verdict([0.8, 0.2], [hit(IDS[0], "text")], []).relevant
    assert not verdict([0.2, 0.2], [hit(IDS[0], "text")], []).relevant


signal = st.floats(0, 1.5)


@given(signal, signal, signal, st.floats(0, 0.5))
def test_confidence_grows_with_every_signal(match, together, lead, more):
    base = confidence_of(match, together, lead)
    assert 0.0 <= base <= 1.0
    for raised in ((match + more, together, lead), (match, together + more, lead), (match, together, lead + more)):
        assert confidence_of(*raised) >= base


@pytest.mark.parametrize(
    ("written", "meant", "slip"),
    [
        ("airtabel", "airtable", True),
        ("keybord", "keyboard", True),
        ("wirless", "wireless", True),
        ("defibrilator", "defibrillator", True),
        ("goat", "boat", False),
        ("leave", "lease", True),
        ("parrot", "parry", False),
        ("drone", "drains", False),
    ],
)
def test_slips(written, meant, slip):
    assert is_slip(written, meant) is slip


words = st.text("abcd", max_size=8)


@given(words, words)
def test_edit_distance_is_symmetric_and_bounded(first, second):
    distance = edit_distance(first, second)
    assert distance == edit_distance(second, first)
    assert abs(len(first) - len(second)) <= distance <= max(len(first), len(second))
    assert (distance == 0) == (first == second)


# the mean length


@dataclass
class Sparse:
    indices: list[int]
    values: list[float]


class CountingModel:
    """BM25 as its formula says, over whole words."""

    def __init__(self, mean: float) -> None:
        self.mean = mean

    def embed_document(self, text):
        words = text.split()
        norm = 1.2 * (0.25 + 0.75 * len(words) / self.mean)
        counts = {word: words.count(word) for word in words}
        return Sparse(list(range(len(counts))), [n * 2.2 / (n + norm) for n in counts.values()])

    def embed_query(self, text):
        return Sparse([], [])


@given(st.integers(20, 400))
@settings(deadline=None, max_examples=20)
def test_the_mean_length_is_learnt_from_the_vectors(length):
    lexicon = Lexicon(CountingModel)
    text = " ".join(f"w{number}" for number in range(length))
    lexicon.learn([text] * 200)
    assert lexicon.mean_length == pytest.approx((64 * 100 + 200 * length) / 264, rel=1e-6)


def test_idf_is_the_engines():
    assert inverse_document_frequency(1, 3) == pytest.approx(math.log(1 + 2.5 / 1.5))


# filters


def test_a_filter_without_grants_admits_nothing():
    assert for_reader(uuid4(), Filter(())) is None
    assert for_reader(uuid4(), Filter((Branch(SOURCE),), wanted=())) is None
    assert admits_nothing(Filter((Branch(SOURCE, ()),)))
    assert not admits_nothing(Filter((Branch(SOURCE),)))
    assert for_selector(uuid4(), Selector(nodes=())) is None


branches = st.builds(
    Branch,
    st.sampled_from([SOURCE, OTHER]),
    st.none() | st.lists(st.sampled_from(IDS[:4]), max_size=3).map(tuple),
    st.lists(st.sampled_from(IDS[:4]), max_size=2).map(tuple),
)


@given(
    st.lists(branches, max_size=3).map(tuple),
    st.none() | st.lists(branches, max_size=3).map(tuple),
    st.lists(st.sampled_from(["a", "b"]), max_size=2).map(tuple),
    st.lists(st.sampled_from(["a", "b"]), max_size=2).map(tuple),
    st.none() | st.lists(branches, max_size=3).map(tuple),
)
def test_every_clause_for_a_reader_is_bound_to_the_workspace(allowed, wanted, tags_all, tags_none, narrow):
    workspace = uuid4()
    moment = datetime(2025, 1, 1, tzinfo=UTC)
    clause = for_reader(workspace, Filter(allowed, wanted, tags_all, tags_none, since=moment, narrow=narrow))
    if clause is None:
        return
    lists = [branches for branches in (wanted, narrow) if branches is not None]
    assert len(clause["must"]) == 3 + len(lists) + len(tags_all)
    assert clause["must"][0] == {"key": "workspace", "match": {"value": str(workspace)}}
    assert "should" not in clause
    assert {"key": "timestamp", "range": {"gte": "2025-01-01T00:00:00+00:00"}} in clause["must"]


# the whole


class WordEmbedder:
    """Similar texts share words: each word is a direction."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def vector(self, text: str) -> list[float]:
        values = [0.0] * 64
        for word in text.lower().replace("?", "").split():
            values[int(hashlib.sha256(word.encode()).hexdigest(), 16) % 64] += 1.0
        length = math.sqrt(sum(value * value for value in values)) or 1.0
        return [value / length for value in values]

    def embed_documents(self, texts):
        self.asked.extend(texts)
        return type("Embedded", (), {"vectors": [self.vector(text) for text in texts]})()

    def embed_query(self, text):
        self.asked.append(text)
        return type("Embedded", (), {"vectors": [self.vector(text)]})()


SPACE = "test:words:64"


@pytest.fixture(scope="module")
def edge(tmp_path_factory):
    index = EdgeIndex(tmp_path_factory.mktemp("index"))
    yield index
    index.close()


@pytest.fixture
def library(edge):
    """Three documents of three passages each, cut from texts that a test can rebuild."""
    handle = edge.for_workspace(uuid4())
    handle.ensure(SPACE, 64)
    embedder = WordEmbedder()
    texts = {
        "kettle": ["The kettle boils water quickly.", "Descale the kettle each month.", "A filter keeps lime away."],
        "lamp": ["The lamp hangs over the table.", "Bulbs of the lamp last years.", "Switch it off at night."],
        "garden": ["Roses grow beside the wall.", "Water the roses in summer.", "Prune them in March."],
    }
    for name, passages in texts.items():
        node, start, points = uuid5(SOURCE, name), 0, []
        for number, text in enumerate(passages):
            payload = {
                "source": str(SOURCE),
                "parents": [str(node)],
                "node": str(node),
                "tags": [],
                "timestamp": None,
                "position": number,
                "hash": text,
                "title": name,
                "heading": "",
                "start": start,
                "end": start + len(text),
                "text": text,
            }
            points.append(Point(point_id(node, number), embedder.vector(text), f"{name}\n{text}", payload))
            start += len(text) + 1
        handle.upsert(SPACE, points)
    yield handle
    # The next test has the same nodes in a workspace of its own, and no workspace may take over another's points.
    handle.delete(SPACE, Selector())


async def test_the_best_document_comes_first_joined_and_judged(library):
    results = await search(
        library, WordEmbedder(), SPACE, "How often must I descale the kettle?", Filter((Branch(SOURCE),))
    )
    best = results.passages[0]
    assert best.node == uuid5(SOURCE, "kettle")
    assert "Descale the kettle each month." in best.text
    assert len(best.text) == best.end - best.start
    assert results.judgement.relevant
    assert results.kind == "question"
    assert results.timings.total >= results.timings.index > 0


async def test_what_nothing_answers_is_said_not_to_be_found(library):
    results = await search(library, WordEmbedder(), SPACE, "Who won the chess championship?", Filter((Branch(SOURCE),)))
    assert not results.judgement.relevant
    assert set(results.judgement.missing) == {"chess", "championship"}


async def test_a_single_sentence_that_is_close_answers_in_a_small_collection(library):
    """The words are spread over a passage's several subjects; the second look finds the one sentence."""
    embedder = WordEmbedder()
    node = uuid5(SOURCE, "manual")
    text = "Ladders lean safely. " * 12 + "Boilers hum at dusk. " + "Carpets dry slowly outside. " * 12
    payload = {"source": str(SOURCE), "parents": [str(node)], "node": str(node), "tags": [], "timestamp": None}
    payload |= {"position": 0, "hash": "", "title": "m", "heading": "", "start": 0, "end": len(text), "text": text}
    library.upsert(SPACE, [Point(point_id(node, 0), embedder.vector(text), text, payload)])
    found = await search(library, embedder, SPACE, "gurgling boilers hum at dusk.", Filter((Branch(SOURCE),)))
    assert found.judgement.closest is not None
    assert found.judgement.closest >= CLOSE
    assert found.judgement.relevant
    assert found.timings.closer > 0


async def test_no_second_look_is_taken_where_the_first_is_sure(library):
    embedder = WordEmbedder()
    found = await search(library, embedder, SPACE, "Descale the kettle each month", Filter((Branch(SOURCE),)))
    assert found.judgement.relevant
    assert found.judgement.closest is None
    assert len(embedder.asked) == 1


@given(st.floats(-1, 1), st.floats(0, 1))
def test_a_second_look_never_lowers_confidence_and_agrees_with_it(closest, confidence):
    before = Judgement(confidence >= THRESHOLD, confidence)
    after = with_closest(before, closest)
    assert after.confidence >= before.confidence
    assert after.relevant == (before.relevant or closest >= CLOSE)
    assert after.relevant == (after.confidence >= THRESHOLD - 1e-9) or closest == pytest.approx(CLOSE)


async def test_neighbours_of_the_best_are_read_too_where_asked(library):
    query, everything = "prune March", Filter((Branch(SOURCE),))
    narrow = await search(library, WordEmbedder(), SPACE, query, everything, 1, per_document=1)
    wide = await search(library, WordEmbedder(), SPACE, query, everything, 1, per_document=1, around=1)
    assert narrow.passages[0].text == "Prune them in March."
    assert wide.passages[0].text == "Water the roses in summer.\nPrune them in March."


async def test_the_filter_holds_for_neighbours_and_for_all(library):
    only = Filter((Branch(SOURCE, (uuid5(SOURCE, "lamp"),)),))
    results = await search(library, WordEmbedder(), SPACE, "kettle water roses lamp", only, around=3)
    assert {passage.node for passage in results.passages} == {uuid5(SOURCE, "lamp")}


@pytest.mark.parametrize(("query", "filter"), [("  ", Filter((Branch(SOURCE),))), ("kettle", Filter(()))])
async def test_nothing_to_ask_or_nothing_allowed_costs_no_call(library, query, filter):
    embedder = WordEmbedder()
    results = await search(library, embedder, SPACE, query, filter)
    assert (results.passages, results.judgement.relevant, embedder.asked) == ((), False, [])


async def test_a_limit_below_one_is_refused(library):
    with pytest.raises(ValueError, match="one result or more"):
        await search(library, WordEmbedder(), SPACE, "kettle", Filter((Branch(SOURCE),)), 0)


async def test_the_best_passages_come_in_a_stable_order(library):
    everything = Filter((Branch(SOURCE),))
    first = await search(library, WordEmbedder(), SPACE, "water", everything)
    second = await search(library, WordEmbedder(), SPACE, "water", everything)
    assert first.passages == second.passages
