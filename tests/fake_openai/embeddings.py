"""What the service says to texts that want vectors."""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from project.tokens import count_tokens

INPUT_TOKENS, REQUEST_TOKENS = 8_192, 300_000  # what OpenAI and Azure take of texts to embed


@dataclass
class Vectors:
    """What the service says next to texts that want vectors.

    `mend` may spoil the rows or the whole answer; `body` stands in its place.
    """

    status: int = 200
    error: dict | None = None
    headers: dict[str, str] = field(default_factory=dict)
    length: int = 0  # of each vector; 0: as asked, or as the service always does
    mend: Callable[[dict], object] = lambda answer: None
    body: bytes | None = None
    pause_s: float = 0.0  # before it answers
    drip_s: float = 0.0  # between two pieces of the answer
    cut: bool = False  # The connection ends in the middle.


def vector(text: str, length: int) -> np.ndarray:
    """The same for the same text, nearer to each other the more words two texts share; single precision."""
    words = re.findall(r"\w+", text.lower()) or ["\0"]
    whole = np.sum([_of_word(word, length) for word in words], axis=0) + 0.01 * _of_word(f"\0{text}", length)
    return (whole / np.linalg.norm(whole)).astype("<f4")


@lru_cache(maxsize=20_000)
def _of_word(word: str, length: int) -> np.ndarray:
    return np.random.default_rng(zlib.crc32(word.encode())).standard_normal(length)


def texts_of(body: dict) -> list[str]:
    return [body["input"]] if isinstance(body["input"], str) else body["input"]


def beyond_limits(body: dict) -> list[str]:
    """What the schemas do not say, and the services hold to all the same."""
    tokens = [count_tokens(text) for text in texts_of(body)]
    faults = ["input cannot be an empty string"] * (0 in tokens)
    faults += ["at most 2048 inputs"] * (len(tokens) > 2048)
    faults += [f"{most} tokens in one input, {INPUT_TOKENS} are the most" for most in tokens if most > INPUT_TOKENS]
    faults += [f"{sum(tokens)} tokens in one request"] * (sum(tokens) > REQUEST_TOKENS)
    return faults


def embedded(body: dict, length: int) -> dict:
    vectors = [vector(text, length) for text in texts_of(body)]
    packed = body.get("encoding_format") == "base64"
    written = [base64.b64encode(one.tobytes()).decode() if packed else one.tolist() for one in vectors]
    rows = [{"object": "embedding", "index": place, "embedding": one} for place, one in enumerate(written)]
    tokens = sum(map(count_tokens, texts_of(body)))
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "model": body.get("model", "model"), "data": rows, "usage": usage}
