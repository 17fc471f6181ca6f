"""Count tokens as a deployment's base model counts them; exact, and without a network."""

from __future__ import annotations

from functools import cache

import rs_bpe

CL100K_MODELS = ("gpt-4-", "gpt-4", "gpt-35", "gpt-3.5", "text-embedding")
O200K_MODELS = ("gpt-4o", "gpt-4.1", "gpt-4.5", "gpt-5", "o1", "o3", "o4", "chatgpt-4o")


def count_tokens(text: str, base_model: str = "") -> int:
    """How many tokens the text is to this base model; cl100k when the model is not named.

    What looks like a special token ("<|endoftext|>") counts as the letters it is written with.

    >>> count_tokens("Rent is due in May."), count_tokens("Rent is due in May.", "gpt-4o")
    (6, 6)
    """
    return _vocabulary(base_model.startswith(O200K_MODELS)).count(_encodable(text))


@cache
def _vocabulary(o200k: bool) -> rs_bpe.openai.Tokenizer:
    return rs_bpe.openai.o200k_base() if o200k else rs_bpe.openai.cl100k_base()


def _encodable(text: str) -> str:
    """Half of a surrogate pair cannot be encoded; it counts as the mark that stands for it."""
    return text.encode("utf-8", "replace").decode() if any("\ud800" <= letter <= "\udfff" for letter in text) else text
