"""What every VectorIndex promises. Subclass it and give it an ``index`` fixture."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4, uuid5

import pytest

from datasources.retrieval.types import (
    Branch,
    Filter,
    Point,
    Selector,
    VectorIndex,
    WorkspaceIndex,
    point_id,
)

SPACE = "test:model:4"
SOURCE, OTHER_SOURCE = uuid4(), uuid4()
NORTH, EAST, SOUTH, WEST = (1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (-1.0, 0.0, 0.0, 0.0), (0.0, -1.0, 0.0, 0.0)


def node(name: str) -> UUID:
    return uuid5(SOURCE, name)


def passage(
    name, position=0, *, dense=NORTH, text="plain words", parents=(), source=SOURCE, tags=(), when=None, readers=None
):
    """A point of document ``name``; ``parents`` are names of its ancestors, nearest first."""
    own = node(name)
    payload = {
        "source": str(source),
        "parents": [str(own), *(str(node(parent)) for parent in parents)],
        "node": str(own),
        "tags": list(tags),
        "readers": None if readers is None else list(readers),
        "timestamp": when.isoformat() if when else None,
        "position": position,
        "hash": f"hash of {text}",
        "title": name,
        "heading": "",
        "start": position * 100,
        "end": position * 100 + len(text),
        "text": text,
    }
    return Point(point_id(own, position), dense, f"{name}\n{text}", payload)


def whole(source=SOURCE, **narrower) -> Filter:
    return Filter((Branch(source),), **narrower)


def _below(name: str) -> Branch:
    return Branch(SOURCE, (node(name),))


async def found(handle: WorkspaceIndex, filter: Filter, *, dense=NORTH, query="words", limit=50) -> set[UUID]:
    """Ids that either half found; both halves must respect the filter alike."""
    candidates = await handle.search(SPACE, dense=dense, query=query, filter=filter, limit=limit)
    return {hit.id for hit in (*candidates.dense, *candidates.bm25)}


def stored(handle: WorkspaceIndex, selector: Selector | None = None) -> dict[UUID, dict]:
    return {point.id: dict(point.payload) for point in handle.scroll(SPACE, selector or Selector())}


class VectorIndexContract:
    @pytest.fixture
    def index(self) -> VectorIndex:
        raise NotImplementedError("a subclass makes its own index")

    @pytest.fixture
    def workspace(self) -> UUID:
        return uuid4()

    @pytest.fixture
    def handle(self, index: VectorIndex, workspace: UUID) -> WorkspaceIndex:
        handle = index.for_workspace(workspace)
        handle.ensure(SPACE, 4)
        return handle

    # writing

    def test_ensuring_twice_changes_nothing(self, handle):
        handle.upsert(SPACE, [passage("a")])
        handle.ensure(SPACE, 4)
        assert handle.count(SPACE, Selector()) == 1

    def test_a_space_has_one_size(self, handle):
        with pytest.raises(ValueError, match="4"):
            handle.ensure(SPACE, 8)

    def test_a_vector_of_another_size_is_refused_in_words(self, handle):
        with pytest.raises(ValueError, match="holds vectors of 4 numbers; one of 3 came"):
            handle.upsert(SPACE, [passage("a", dense=(1.0, 0.0, 0.0))])

    @pytest.mark.parametrize("garbage", [float("nan"), float("inf"), float("-inf")])
    def test_a_vector_that_is_not_finite_is_refused(self, handle, garbage):
        with pytest.raises(ValueError, match="finite"):
            handle.upsert(SPACE, [passage("a", dense=(garbage, 0.0, 0.0, 0.0))])
        assert handle.count(SPACE, Selector()) == 0

    def test_writing_to_a_space_that_was_never_made_is_refused(self, handle):
        with pytest.raises(ValueError, match="ensure"):
            handle.upsert("test:never:4", [passage("a")])

    async def test_a_space_that_was_never_made_is_empty_to_read(self, handle):
        nowhere = "test:never:4"
        candidates = await handle.search(nowhere, dense=NORTH, query="words", filter=whole(), limit=5)
        assert (candidates.dense, candidates.bm25) == ([], [])
        assert await handle.fetch(nowhere, [uuid4()], whole()) == []
        assert list(handle.scroll(nowhere, Selector())) == []
        assert handle.count(nowhere, Selector()) == 0
        handle.delete(nowhere, Selector())
        handle.set_payload(nowhere, Selector(), {"title": "x"})
        handle.set_payloads(nowhere, [(Selector(), {"title": "x"})])

    def test_many_payloads_are_set_in_their_order(self, handle):
        names = [f"n{number}" for number in range(150)]
        handle.upsert(SPACE, [passage(name) for name in names])
        changes = [(Selector(node=node(name)), {"tags": [name]}) for name in names]
        handle.set_payloads(
            SPACE, [*changes, (Selector(node=node("n7")), {"tags": ["last"]}), (Selector(nodes=()), {})]
        )
        tags = {payload["node"]: payload["tags"] for payload in stored(handle).values()}
        assert tags == {str(node(name)): ["last" if name == "n7" else name] for name in names}

    async def test_a_mirrored_branch_lets_through_what_names_the_reader(self, handle):
        told = {"all": ["everyone"], "ann": ["mail:ann@x.de", "group:7"], "nobody": [], "unknown": None}
        handle.upsert(SPACE, [passage(name, readers=readers) for name, readers in told.items()])

        async def names(*readers):
            ids = await found(handle, Filter((Branch(SOURCE, readers=readers),)))
            return {name for name in told if point_id(node(name), 0) in ids}

        assert await names("everyone") == {"all"}
        assert await names("everyone", "group:7") == {"all", "ann"}
        assert await names("mail:bob@x.de") == set()
        assert await names() == set()
        assert await found(handle, whole()) == {point_id(node(name), 0) for name in told}
        handle.set_payload(SPACE, Selector(node=node("ann")), {"readers": ["mail:bob@x.de"]})
        assert await names("mail:bob@x.de") == {"ann"}
        assert await names("group:7") == set()

    async def test_readers_and_parts_of_a_branch_both_have_to_fit(self, handle):
        handle.upsert(
            SPACE, [passage("in", parents=("a",), readers=["everyone"]), passage("out", readers=["everyone"])]
        )
        handle.upsert(SPACE, [passage("hidden", parents=("a",), readers=["mail:x@x.de"])])
        ids = await found(handle, Filter((Branch(SOURCE, (node("a"),), readers=("everyone",)),)))
        assert ids == {point_id(node("in"), 0)}

    def test_upserts_are_idempotent(self, handle):
        points = [passage("a", number) for number in range(5)]
        handle.upsert(SPACE, points)
        before = stored(handle)
        handle.upsert(SPACE, points)
        assert stored(handle) == before
        assert len(before) == 5

    def test_a_rewrite_replaces_the_point(self, handle):
        handle.upsert(SPACE, [passage("a", text="old words")])
        handle.upsert(SPACE, [passage("a", text="new words")])
        assert [payload["text"] for payload in stored(handle).values()] == ["new words"]

    def test_the_payload_comes_back_as_it_went_in_with_the_workspace_added(self, handle, workspace):
        point = passage("a", 3, parents=("folder",), tags=("hr",), when=datetime(2025, 5, 1, 12, tzinfo=UTC))
        handle.upsert(SPACE, [point])
        assert stored(handle)[point.id] == {**point.payload, "workspace": str(workspace)}

    def test_a_caller_cannot_choose_the_workspace(self, handle):
        point = passage("a")
        forged = Point(point.id, point.dense, point.embed_text, {**point.payload, "workspace": str(uuid4())})
        with pytest.raises(ValueError, match="workspace"):
            handle.upsert(SPACE, [forged])
        with pytest.raises(ValueError, match="workspace"):
            handle.set_payload(SPACE, Selector(), {"workspace": str(uuid4())})

    def test_more_points_than_one_batch(self, handle):
        handle.upsert(SPACE, [passage(f"doc{number // 10}", number % 10) for number in range(300)])
        assert handle.count(SPACE, Selector()) == 300

    async def test_a_passage_of_nothing_but_stop_words_is_found_by_meaning(self, handle):
        handle.upsert(SPACE, [Point(point_id(node("a"), 0), NORTH, "the of and", passage("a").payload)])
        candidates = await handle.search(SPACE, dense=NORTH, query="the of", filter=whole(), limit=5)
        assert len(candidates.dense) == 1
        assert candidates.bm25 == []

    # selecting

    def test_delete_by_node_source_parent_and_position(self, handle):
        handle.upsert(
            SPACE,
            [passage("a", n, parents=("folder",)) for n in range(4)]
            + [passage("b", n, parents=("folder", "top")) for n in range(4)]
            + [passage("c", source=OTHER_SOURCE)],
        )
        handle.delete(SPACE, Selector(node=node("a"), from_position=2))
        assert handle.count(SPACE, Selector(node=node("a"))) == 2
        handle.delete(SPACE, Selector(node=node("a")))
        assert handle.count(SPACE, Selector(parent=node("folder"))) == 4
        handle.delete(SPACE, Selector(parent=node("top")))
        assert handle.count(SPACE, Selector(source=SOURCE)) == 0
        assert handle.count(SPACE, Selector(source=OTHER_SOURCE)) == 1
        handle.delete(SPACE, Selector(source=OTHER_SOURCE))
        assert handle.count(SPACE, Selector()) == 0

    def test_several_nodes_at_once_and_none_when_the_list_is_empty(self, handle):
        handle.upsert(SPACE, [passage(name) for name in "abc"])
        handle.delete(SPACE, Selector(source=SOURCE, nodes=()))
        assert handle.count(SPACE, Selector()) == 3
        assert handle.count(SPACE, Selector(nodes=())) == 0
        handle.delete(SPACE, Selector(nodes=(node("a"), node("c"))))
        assert [payload["title"] for payload in stored(handle).values()] == ["b"]

    async def test_moving_a_branch_rewrites_its_parents(self, handle):
        handle.upsert(SPACE, [passage("a", parents=("old",)), passage("b", parents=("other",))])
        moved = [str(node("a")), str(node("new"))]
        handle.set_payload(SPACE, Selector(parent=node("old")), {"parents": moved})
        assert stored(handle)[point_id(node("a"), 0)]["parents"] == moved
        assert stored(handle)[point_id(node("a"), 0)]["text"] == "plain words"
        new = Filter((Branch(SOURCE, (node("new"),)),))
        old = Filter((Branch(SOURCE, (node("old"),)),))
        assert await found(handle, new) == {point_id(node("a"), 0)}
        assert await found(handle, old) == set()

    def test_scroll_gives_every_point_once_over_many_pages(self, handle):
        points = [passage("a", number) for number in range(53)]
        handle.upsert(SPACE, points)
        seen = [point.id for point in handle.scroll(SPACE, Selector(), batch=10)]
        assert sorted(seen) == sorted(point.id for point in points)

    def test_scroll_gives_vectors_only_where_asked(self, handle):
        handle.upsert(SPACE, [passage("a", dense=EAST)])
        (with_vector,) = handle.scroll(SPACE, Selector(), with_vectors=True)
        (without,) = handle.scroll(SPACE, Selector())
        assert with_vector.dense == pytest.approx(list(EAST))
        assert without.dense is None

    # searching

    async def test_both_halves_rank_best_first_with_raw_scores(self, handle):
        handle.upsert(
            SPACE,
            [
                passage("near", dense=NORTH, text="nothing in common"),
                passage("half", dense=(0.6, 0.8, 0.0, 0.0), text="kettle"),
                passage("far", dense=SOUTH, text="kettle kettle lamp"),
            ],
        )
        candidates = await handle.search(SPACE, dense=NORTH, query="kettle lamp", filter=whole(), limit=10)
        assert [hit.id for hit in candidates.dense] == [point_id(node(name), 0) for name in ("near", "half", "far")]
        assert [hit.score for hit in candidates.dense] == pytest.approx([1.0, 0.6, -1.0], abs=1e-3)
        assert [hit.id for hit in candidates.bm25] == [point_id(node(name), 0) for name in ("far", "half")]

    async def test_what_one_half_finds_the_other_scores_too(self, handle):
        handle.upsert(SPACE, [passage(f"near{number}", text="kettle") for number in range(5)])
        handle.upsert(SPACE, [passage(f"word{number}", dense=EAST, text="lamp kettle") for number in range(5)])
        handle.upsert(SPACE, [passage(f"none{number}", dense=WEST, text="nothing") for number in range(5)])
        candidates = await handle.search(SPACE, dense=NORTH, query="lamp kettle", filter=whole(), limit=5)
        assert [round(hit.score, 3) for hit in candidates.dense] == [1.0] * 5 + [0.0] * 5
        assert {hit.id for hit in candidates.dense} == {hit.id for hit in candidates.bm25}
        assert candidates.bm25[0].score > candidates.bm25[-1].score > 0

    async def test_limit_bounds_each_half(self, handle):
        handle.upsert(SPACE, [passage("a", number) for number in range(20)])
        candidates = await handle.search(SPACE, dense=NORTH, query="", filter=whole(), limit=7)
        assert len(candidates.dense) == 7
        candidates = await handle.search(SPACE, dense=NORTH, query="words", filter=whole(), limit=7)
        assert 7 <= len({hit.id for hit in (*candidates.dense, *candidates.bm25)}) <= 14

    async def test_plurals_and_case_meet_their_stem(self, handle):
        handle.upsert(SPACE, [passage("a", text="Licenses are requested by mail")])
        candidates = await handle.search(SPACE, dense=NORTH, query="LICENSE request", filter=whole(), limit=5)
        assert len(candidates.bm25) == 1
        assert all(term.known for term in candidates.terms)

    async def test_terms_tell_their_rarity_and_whether_they_occur(self, handle):
        handle.upsert(SPACE, [passage(f"d{number}", text="common words") for number in range(9)])
        handle.upsert(SPACE, [passage("rare", text="common kettle")])
        query = "what is the common kettle zeppelin"
        candidates = await handle.search(SPACE, dense=NORTH, query=query, filter=whole(), limit=5)
        terms = {term.word: term for term in candidates.terms}
        assert set(terms) == {"common", "kettle", "zeppelin"}
        assert [terms[word].known for word in ("common", "kettle", "zeppelin")] == [True, True, False]
        assert terms["common"].weight < terms["kettle"].weight < terms["zeppelin"].weight

    async def test_fetch_says_which_terms_a_passage_has(self, handle):
        handle.upsert(SPACE, [passage("a", text="kettle"), passage("b", text="kettle and lamp")])
        candidates = await handle.search(SPACE, dense=NORTH, query="kettle lamp", filter=whole(), limit=5)
        ids = [point_id(node("a"), 0), point_id(node("b"), 0)]
        first, second = await handle.fetch(SPACE, ids, whole(), terms=candidates.terms)
        words = {term.key: term.word for term in candidates.terms}
        assert {words[key] for key in first.terms} == {"kettle"}
        assert {words[key] for key in second.terms} == {"kettle", "lamp"}

    async def test_fetch_keeps_the_order_asked_and_leaves_out_what_is_not_there(self, handle):
        handle.upsert(SPACE, [passage("a", number) for number in range(4)])
        ids = [point_id(node("a"), number) for number in (3, 9, 0, 3)]
        assert [hit.payload["position"] for hit in await handle.fetch(SPACE, ids, whole())] == [3, 0]

    async def test_fetch_respects_the_filter(self, handle):
        handle.upsert(SPACE, [passage("a", parents=("open",)), passage("b", parents=("closed",))])
        ids = [point_id(node("a"), 0), point_id(node("b"), 0)]
        allowed = Filter((Branch(SOURCE, (node("open"),)),))
        assert [hit.payload["title"] for hit in await handle.fetch(SPACE, ids, allowed)] == ["a"]
        assert await handle.fetch(SPACE, ids, Filter(())) == []

    @pytest.mark.parametrize("query", ["", "   ", "?!", "the", "🦊", "a" * 5000, "x OR 1=1; --", "\x00"])
    async def test_odd_queries_still_search_by_meaning(self, handle, query):
        handle.upsert(SPACE, [passage("a")])
        candidates = await handle.search(SPACE, dense=NORTH, query=query, filter=whole(), limit=5)
        assert [hit.id for hit in candidates.dense] == [point_id(node("a"), 0)]

    async def test_a_query_vector_of_a_wrong_size_is_refused(self, handle):
        handle.upsert(SPACE, [passage("a")])
        with pytest.raises(ValueError, match="4 numbers"):
            await handle.search(SPACE, dense=(1.0,), query="words", filter=whole(), limit=5)

    # filters

    @pytest.fixture
    def tree(self, handle) -> WorkspaceIndex:
        """source: top > (hr > (pay, leave), it > vpn); other source: memo."""
        handle.upsert(
            SPACE,
            [
                passage("pay", parents=("hr", "top"), tags=("hr", "money")),
                passage("leave", parents=("hr", "top"), tags=("hr",)),
                passage("vpn", parents=("it", "top")),
                passage("memo", source=OTHER_SOURCE),
            ],
        )
        return handle

    @pytest.mark.parametrize(
        ("branches", "names"),
        [
            ((), ""),
            ((Branch(SOURCE),), "pay leave vpn"),
            ((Branch(SOURCE, ()),), ""),
            ((Branch(SOURCE, (node("hr"),)),), "pay leave"),
            ((Branch(SOURCE, (node("pay"),)),), "pay"),
            ((Branch(SOURCE, (node("top"),), (node("hr"),)),), "vpn"),
            ((Branch(SOURCE, None, (node("pay"),)),), "leave vpn"),
            ((Branch(SOURCE, (node("hr"),), (node("top"),)),), ""),
            ((Branch(SOURCE, (node("it"),)), Branch(OTHER_SOURCE)), "vpn memo"),
            ((Branch(SOURCE, ()), Branch(OTHER_SOURCE)), "memo"),
            ((Branch(OTHER_SOURCE, (node("hr"),)),), ""),
        ],
    )
    async def test_branches(self, tree, branches, names):
        expected = {point_id(node(name), 0) for name in names.split()}
        everything = (Branch(SOURCE), Branch(OTHER_SOURCE))
        assert await found(tree, Filter(branches)) == expected
        assert await found(tree, Filter(everything, wanted=branches)) == expected
        assert await found(tree, Filter(everything, narrow=branches)) == expected
        assert await found(tree, Filter(everything, wanted=everything, narrow=branches)) == expected

    async def test_knowledge_narrows_and_never_widens(self, tree):
        grants = (Branch(SOURCE, (node("hr"),)),)
        assert await found(tree, Filter(grants, wanted=(Branch(SOURCE, (node("top"),)),))) == {
            point_id(node("pay"), 0),
            point_id(node("leave"), 0),
        }
        assert await found(tree, Filter(grants, wanted=(Branch(OTHER_SOURCE),))) == set()

    @pytest.mark.parametrize(
        ("allowed", "wanted", "narrow", "names"),
        [
            ("top", "hr", "pay", "pay"),
            ("top", "hr", "top", "pay leave"),
            ("top", "hr", "it", ""),
            ("it", "top", "hr", ""),
            ("hr", "it", "top", ""),
            ("pay", "hr", "top", "pay"),
        ],
    )
    async def test_a_narrowed_question_finds_only_what_grants_knowledge_and_narrowing_share(
        self, tree, allowed, wanted, narrow, names
    ):
        filter = Filter((_below(allowed),), (_below(wanted),), narrow=(_below(narrow),))
        ids = [point_id(node(name), 0) for name in ("pay", "leave", "vpn", "memo")]
        expected = {point_id(node(name), 0) for name in names.split()}
        assert await found(tree, filter) == expected
        assert {hit.id for hit in await tree.fetch(SPACE, ids, filter)} == expected

    async def test_a_narrowing_to_nothing_or_to_a_foreign_source_finds_nothing(self, tree):
        grants = (Branch(SOURCE, (node("hr"),)),)
        for narrow in ((), (Branch(SOURCE, ()),), (Branch(OTHER_SOURCE),)):
            assert await found(tree, Filter(grants, narrow=narrow)) == set()
        assert await found(tree, Filter((), narrow=(Branch(SOURCE),))) == set()

    async def test_tags(self, tree):
        assert await found(tree, whole(tags_all=("hr", "money"))) == {point_id(node("pay"), 0)}
        assert await found(tree, whole(tags_none=("money",))) == {
            point_id(node("leave"), 0),
            point_id(node("vpn"), 0),
        }

    async def test_time_window_includes_its_start_and_not_its_end(self, handle):
        start = datetime(2025, 3, 1, tzinfo=UTC)
        handle.upsert(SPACE, [passage("a", day, when=start + timedelta(days=day)) for day in range(4)])
        handle.upsert(SPACE, [passage("timeless")])
        window = whole(since=start + timedelta(days=1), until=start + timedelta(days=3))
        assert await found(handle, window) == {point_id(node("a"), 1), point_id(node("a"), 2)}
        assert len(await found(handle, whole())) == 5

    async def test_a_time_without_zone_is_refused(self, handle):
        with pytest.raises(ValueError, match="time zone"):
            await found(handle, whole(since=datetime(2025, 3, 1)))

    # tenants

    async def test_tenants_never_see_or_touch_each_other(self, index, handle):
        other = index.for_workspace(uuid4())
        other.ensure(SPACE, 4)
        mine, theirs = [passage("mine", n) for n in range(3)], [passage("theirs", n) for n in range(3)]
        handle.upsert(SPACE, mine)
        other.upsert(SPACE, theirs)
        their_ids = [point.id for point in theirs]

        assert await found(handle, whole()) == {point.id for point in mine}
        assert await handle.fetch(SPACE, their_ids, whole()) == []
        assert set(stored(handle)) == {point.id for point in mine}
        assert handle.count(SPACE, Selector(node=node("theirs"))) == 0
        handle.set_payload(SPACE, Selector(node=node("theirs")), {"title": "defaced"})
        handle.delete(SPACE, Selector(node=node("theirs")))
        handle.delete(SPACE, Selector())
        assert {payload["title"] for payload in stored(other).values()} == {"theirs"}
        assert other.count(SPACE, Selector()) == 3

    def test_another_workspace_s_point_is_not_overwritten(self, index, handle):
        other = index.for_workspace(uuid4())
        other.ensure(SPACE, 4)
        handle.upsert(SPACE, [passage("mine")])
        other.upsert(SPACE, [passage("mine", text="taken over"), passage("theirs")])
        assert [payload["text"] for payload in stored(handle).values()] == ["plain words"]
        assert [payload["title"] for payload in stored(other).values()] == ["theirs"]

    async def test_rarity_is_counted_within_the_workspace(self, index, handle):
        handle.upsert(SPACE, [passage("a", text="kettle"), passage("b", text="lamp")])
        before = await handle.search(SPACE, dense=NORTH, query="kettle", filter=whole(), limit=5)
        other = index.for_workspace(uuid4())
        other.upsert(SPACE, [passage(f"o{number}", text="kettle") for number in range(20)])
        after = await handle.search(SPACE, dense=NORTH, query="kettle", filter=whole(), limit=5)
        assert after.bm25[0].score == pytest.approx(before.bm25[0].score)

    def test_info_counts_over_all_workspaces(self, index, handle):
        other = index.for_workspace(uuid4())
        handle.upsert(SPACE, [passage("a")])
        other.upsert(SPACE, [passage("b")])
        assert list(index.info().spaces.values()) == [2]

    def test_what_info_names_can_be_cleared_by_that_name(self, index, handle):
        handle.upsert(SPACE, [passage("a"), passage("b")])
        for space in index.info().spaces:
            handle.delete(space, Selector(source=SOURCE))
        assert handle.count(SPACE, Selector()) == 0
