"""Opens the index that the settings name."""

from __future__ import annotations

from pathlib import Path

from datasources.retrieval.types import VectorIndex


def open_index(
    *,
    directory: Path,
    url: str = "",
    api_key: str = "",
    language: str = "english",
    hnsw_m: int = 0,
    hnsw_payload_m: int = 16,
    int8: bool = True,
    int8_in_ram: bool = True,
    vectors_on_disk: bool = True,
    payload_on_disk: bool = True,
) -> VectorIndex:
    """A Qdrant server where ``url`` names one, else the embedded index below ``directory``.

    ``language`` chooses BM25's stop words and stems. The six last are the server's (see ServerKnobs), and hold for
    collections made from then on. Each engine is imported only where it is used. Raises IndexLocked (another process has
    the directory) or IndexUnavailable; a server is not called yet.
    """
    if url:
        from datasources.retrieval.server import ServerIndex, ServerKnobs

        knobs = ServerKnobs(hnsw_m, hnsw_payload_m, int8, int8_in_ram, vectors_on_disk, payload_on_disk)
        return ServerIndex.connect(url, api_key=api_key or None, knobs=knobs, language=language)

    from datasources.retrieval.edge_client import EdgeIndex

    return EdgeIndex(directory, language=language)
