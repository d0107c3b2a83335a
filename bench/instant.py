"""The portal as ``make run`` starts it, but with embeddings at once: what is left is the rest of the pipeline.

Tokens are still counted by the model's own tokenizer. The product has no switch for this; the class is changed here,
in the process of the measurement.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np

from portal.providers.local import SIZE, LocalEmbedder
from portal.providers.types import Embeddings, Usage

_DRAWN = np.random.default_rng(1).normal(size=(64, SIZE))
_CHOICES = (_DRAWN / np.linalg.norm(_DRAWN, axis=1, keepdims=True)).tolist()


def _at_once(self: LocalEmbedder, texts: Sequence[str]) -> Embeddings:
    return Embeddings([_CHOICES[hash(text) % len(_CHOICES)] for text in texts], Usage())


if __name__ == "__main__":
    LocalEmbedder.embed_documents = _at_once  # type: ignore[method-assign]
    from portal.embedded import main

    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
