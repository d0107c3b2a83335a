"""The embedding model that runs on this machine."""

from __future__ import annotations

import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from portal.providers import minilm
from portal.providers.errors import ProviderError
from portal.providers.local import LocalEmbedder, shared_embedder


@pytest.fixture(scope="module")
def embedder(minilm_cache: Path) -> LocalEmbedder:
    return shared_embedder(minilm_cache)


def likeness(embedder: LocalEmbedder, one: str, other: str) -> float:
    first, second = embedder.embed_documents([one, other]).vectors
    return sum(a * b for a, b in zip(first, second, strict=True))


def test_what_means_alike_is_near(embedder: LocalEmbedder) -> None:
    alike = likeness(embedder, "How do I reset my password?", "Steps to change a forgotten password")
    unlike = likeness(embedder, "How do I reset my password?", "The canteen serves soup on Mondays")
    assert alike > 0.6 > 0.2 > unlike


def test_it_is_the_published_model(embedder: LocalEmbedder) -> None:
    """The example of the model's card: sentence-transformers gives 0.6660 for this pair."""
    assert likeness(embedder, "The weather is lovely today.", "It's so sunny outside!") == pytest.approx(
        0.6660, abs=5e-4
    )


def test_tokens_are_counted_by_its_own_tokenizer(embedder: LocalEmbedder) -> None:
    text = "Unbelievable café 🙂 Kubernetes"
    found = [text[start:end] for start, end in embedder.token_spans(text)]
    assert found == ["Unbelievable", "café", "🙂", "Ku", "ber", "net", "es"]
    assert embedder.window + 2 == 256


def test_a_long_document_is_counted_in_slices_like_in_one(embedder: LocalEmbedder) -> None:
    from tokenizers import Tokenizer

    text = "Überall wo’s Wörter gibt: naïve 東京 🙂 words,\n\n" * 2000
    whole = Tokenizer.from_file(str(minilm.model_directory(embedder.cache) / "tokenizer.json"))
    whole.no_truncation()
    whole.no_padding()
    assert embedder.token_spans(text) == whole.encode(text, add_special_tokens=False).offsets


def test_what_lies_past_the_window_changes_nothing(embedder: LocalEmbedder) -> None:
    within = "word " * embedder.window
    (short,) = embedder.embed_documents([within]).vectors
    (long,) = embedder.embed_documents([within + "Something else entirely, in many words."]).vectors
    assert long == pytest.approx(short, abs=1e-6)
    (other,) = embedder.embed_documents(["word " * (embedder.window - 20) + "Something else entirely."]).vectors
    assert other != pytest.approx(short, abs=1e-3)


def test_batches_do_not_change_vectors(embedder: LocalEmbedder) -> None:
    texts = [f"Passage {i} " + "about leave and travel " * (i % 23) for i in range(60)]
    together = embedder.embed_documents(texts).vectors
    backwards = embedder.embed_documents(texts[::-1]).vectors[::-1]
    for text, one, other in zip(texts, together, backwards, strict=True):
        assert one == pytest.approx(other, abs=1e-5)
        assert one == pytest.approx(embedder.embed_query(text).vectors[0], abs=1e-5)


def test_threads_may_share_it(embedder: LocalEmbedder) -> None:
    texts = [f"Passage number {i}" for i in range(12)]
    expected = embedder.embed_documents(texts).vectors
    found: dict[int, list[list[float]]] = {}

    def work(n: int) -> None:
        found[n] = embedder.embed_documents(texts).vectors

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(found[n] == expected for n in range(4))


def test_its_threads_sleep_while_there_is_nothing_to_embed(embedder: LocalEmbedder) -> None:
    engine, _ = embedder._loaded()
    options = engine.model.model.get_session_options()
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"


def test_what_it_builds_is_for_this_user_alone(minilm_cache: Path) -> None:
    directory = minilm.model_directory(minilm_cache)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in directory.iterdir())
    assert [path.name for path in minilm_cache.iterdir()] == [directory.name]


def test_two_that_build_at_once_end_with_one(tmp_path: Path) -> None:
    code = "import sys, pathlib; from portal.providers.minilm import model_directory as m; print(m(pathlib.Path(sys.argv[1])))"
    running = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    places = {process.communicate()[0].strip() for process in running}
    assert len(places) == 1
    assert [str(path) for path in tmp_path.iterdir()] == list(places)


def test_altered_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minilm, "_WEIGHTS_SHA256", "0" * 64)
    with pytest.raises(ProviderError, match="not the published ones") as caught:
        minilm.model_directory(tmp_path / "cache")
    assert caught.value.code == "not_configured"
    assert not (tmp_path / "cache").exists()


def test_a_missing_wheel_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minilm, "_WHEEL", "no-such-wheel")
    with pytest.raises(ProviderError, match="Install the package no-such-wheel"):
        minilm.model_directory(tmp_path)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    taken = tmp_path / "file"
    taken.write_text("not a directory")
    with pytest.raises(ProviderError, match=str(taken)):
        minilm.model_directory(taken)


def test_a_failed_build_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(minilm, "_build", full)
    with pytest.raises(ProviderError, match="No space left on device"):
        minilm.model_directory(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_memory_stays_small(minilm_cache: Path) -> None:
    code = """
import pathlib, re, sys
from portal.providers.local import LocalEmbedder
embedder = LocalEmbedder(pathlib.Path(sys.argv[1]), threads=2)
embedder.embed_documents([f"Passage {i} " + "about leave and travel " * (10 + i % 60) for i in range(60)])
print(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read()).group(1))
"""
    if not Path("/proc/self/status").exists():
        pytest.skip("reads /proc, which this system does not have")
    done = subprocess.run([sys.executable, "-c", code, str(minilm_cache)], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 350 * 1024
