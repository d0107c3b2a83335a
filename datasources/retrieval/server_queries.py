"""What is asked of a Qdrant server and what it answers, in its client's terms."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from qdrant_client import models
from qdrant_client.common.client_exceptions import QdrantException
from qdrant_client.http.exceptions import ApiException, ResponseHandlingException, UnexpectedResponse

from datasources.retrieval.filters import Clause
from datasources.retrieval.lexical import inverse_document_frequency
from datasources.retrieval.types import IndexUnavailable, QueryTerm, Scored
from datasources.retrieval.values import collection_name

PREFIX = "atrium-"
_COLLECTION = re.compile(r"atrium-[A-Za-z0-9-]*-[0-9a-f]{10}")


def collection(space: str) -> str:
    """The collection of a space; ``info`` names spaces by their collections, and those names are taken as well."""
    return space if _COLLECTION.fullmatch(space) else PREFIX + collection_name(space)


def to_filter(clause: Clause) -> models.Filter:
    return models.Filter.model_validate(clause)


@contextlib.contextmanager
def spoken_errors() -> Iterator[None]:
    """The client's errors as ours, in words for a person."""
    try:
        yield
    except UnexpectedResponse as error:
        if error.status_code in (401, 403):
            raise IndexUnavailable("The Qdrant server refused the key. Check QDRANT_API_KEY.") from error
        raise IndexUnavailable(f"The Qdrant server answered {error.status_code}: {_reason(error)}") from error
    except ResponseHandlingException as error:
        raise IndexUnavailable(
            f"The Qdrant server does not answer ({error.source}). Check QDRANT_URL, and that the server runs."
        ) from error
    except (ApiException, QdrantException) as error:
        raise IndexUnavailable(f"The Qdrant server could not do it: {error}") from error


def _reason(error: UnexpectedResponse) -> str:
    try:
        status = error.structured()["status"]
        return str(status["error"] if isinstance(status, dict) else status)
    except (ValueError, KeyError, TypeError):
        return error.content.decode(errors="replace")[:200]


@dataclass(frozen=True, slots=True)
class Ask:
    """The requests of one search. ``keys``: dimensions of the query's terms."""

    dense: list[float]
    keys: list[int]
    population: Clause

    def first(self, where: models.Filter, limit: int) -> list[models.QueryRequest]:
        """Dense, and if there are terms: BM25, and one probe a term (where it scores best, see QueryTerm)."""
        requests = [self._by_meaning(where, limit)]
        if self.keys:
            requests.append(self._by_words(self.keys, where, limit))
            requests += [self._by_words([key], where, 1, with_vector=["bm25"]) for key in self.keys]
        return requests

    def second(
        self, only_words: list[UUID], only_meaning: list[UUID]
    ) -> tuple[models.QueryRequest | None, models.QueryRequest | None]:
        return (
            self._by_meaning(_ids(only_words), len(only_words)) if only_words else None,
            self._by_words(self.keys, _ids(only_meaning), len(only_meaning)) if only_meaning else None,
        )

    def _by_meaning(self, where: models.Filter, limit: int) -> models.QueryRequest:
        return models.QueryRequest(query=self.dense, using="dense", filter=where, limit=limit)

    def _by_words(
        self, keys: list[int], where: models.Filter, limit: int, with_vector: Any = False
    ) -> models.QueryRequest:
        vector = models.SparseVector(indices=keys, values=[1.0] * len(keys))
        scope = models.SearchParams(idf=models.IdfCorpusParams(corpus=to_filter(self.population)))
        return models.QueryRequest(
            query=vector, using="bm25", filter=where, limit=limit, params=scope, with_vector=with_vector
        )


def _ids(ids: list[UUID]) -> models.Filter:
    return models.Filter(must=[models.HasIdCondition(has_id=[str(id) for id in ids])])


def terms_of(words: dict[int, str], probes: Sequence[Sequence[models.ScoredPoint]], total: int) -> list[QueryTerm]:
    """Each term's IDF: its score in the passage where it scores best, over its weight there."""
    terms = []
    for (key, word), found in zip(words.items(), probes, strict=True):
        if found and math.isfinite(found[0].score):
            weight = found[0].score / sparse_of(found[0].vector)[key]
        else:
            weight = inverse_document_frequency(0, total)
        terms.append(QueryTerm(word, key, weight, bool(found)))
    return terms


def sparse_of(vector: Any) -> dict[int, float]:
    sparse = vector.get("bm25") if isinstance(vector, dict) else None
    return dict(zip(sparse.indices, sparse.values, strict=True)) if isinstance(sparse, models.SparseVector) else {}


def scored(points: Iterable[models.ScoredPoint]) -> list[Scored]:
    return [Scored(UUID(str(point.id)), point.score) for point in points]
