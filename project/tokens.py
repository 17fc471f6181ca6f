"""Count tokens as a deployment's base model counts them; exact, and without a network.

tiktoken knows which vocabulary belongs to which model, but fetches a vocabulary from the network when it first
counts with it. rs-bpe carries the two that matter, and counts the same.
"""

from __future__ import annotations

import re
from functools import cache

import rs_bpe
import tiktoken

OLDER, NEWER = "cl100k_base", "o200k_base"
HALF = re.compile("[\ud800-\udfff]")


def count_tokens(text: str, base_model: str = "") -> int:
    """How many tokens the text is to this base model; cl100k when the model is not named.

    What looks like a special token ("<|endoftext|>") counts as the letters it is written with.

    >>> count_tokens("Rent is due in May."), count_tokens("Rent is due in May.", "gpt-4o")
    (6, 6)
    """
    return _vocabulary(base_model).count(_encodable(text))


@cache
def _vocabulary(base_model: str) -> rs_bpe.openai.Tokenizer:
    """The older of the two where no model is named or tiktoken says so, else the newer."""
    try:
        name = tiktoken.encoding_name_for_model(base_model) if base_model else OLDER
    except KeyError:
        name = NEWER
    return rs_bpe.openai.cl100k_base() if name == OLDER else rs_bpe.openai.o200k_base()


def _encodable(text: str) -> str:
    """Half of a surrogate pair cannot be encoded; it counts as the mark that stands for it."""
    return text if text.isascii() or not HALF.search(text) else text.encode("utf-8", "replace").decode()
