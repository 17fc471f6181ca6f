"""Count tokens as a deployment's base model counts them; exact, and without a network.

tiktoken knows which vocabulary belongs to which model, but fetches a vocabulary from the network when it first
counts with it. rs-bpe carries the two that matter, and counts the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import rs_bpe
import tiktoken

from project.catalogue import Model

OLDER, NEWER = "cl100k_base", "o200k_base"
OLDER_TOKENS = 100_256  # without those that are no text
MESSAGE, REPLY = 3, 3  # tokens around each message and before the reply, as OpenAI's cookbook gives them
HALF = re.compile("[\ud800-\udfff]")


def count_tokens(text: str, base_model: str = "") -> int:
    """How many tokens the text is to this base model; cl100k when the model is not named.

    What looks like a special token ("<|endoftext|>") counts as the letters it is written with.

    >>> count_tokens("Rent is due in May."), count_tokens("Rent is due in May.", "gpt-4o")
    (6, 6)
    """
    return _vocabulary(_encoding_of(base_model)).count(_encodable(text))


def counter(base: Model) -> Callable[[str], int]:
    """How this base model counts: by the encoding that the catalogue tells, else by what its name says.

    >>> [counter(Model("m", encoding=encoding))("租金") for encoding in ("cl100k_base", "o200k_base")]
    [3, 2]
    """
    encoding = base.encoding or _encoding_of(base.name)
    return lambda text: _vocabulary(encoding).count(_encodable(text))


def count_messages(messages: Iterable[Mapping[str, Any]], count: Callable[[str], int]) -> int:
    """What a service counts for a conversation: each message has three tokens beside its words, and so has the reply.

    >>> count_messages([{"role": "system", "content": "You are a bot."}], count_tokens)
    12
    """
    return sum(MESSAGE + count(each["role"]) + _words(each, count) for each in messages) + REPLY


def _words(message: Mapping[str, Any], count: Callable[[str], int]) -> int:
    """Of what is said, and of the tools that are called."""
    calls = [call["function"] for call in message.get("tool_calls") or ()]
    return count(message.get("content") or "") + sum(count(call["name"]) + count(call["arguments"]) for call in calls)


def text_of_tokens(tokens: Sequence[int]) -> str:
    """The text of tokens of cl100k. Raises ValueError for what is no token, or no text.

    >>> text_of_tokens([68840, 374, 4245, 304, 3297, 13])
    'Rent is due in May.'
    """
    if not all(0 <= token < OLDER_TOKENS for token in tokens):  # The tokenizer would crash with the process.
        raise ValueError("not a token of cl100k_base")
    text = _vocabulary(OLDER).decode(list(tokens))
    if text is None:
        raise ValueError("tokens that are no text")
    return text


@cache
def _encoding_of(base_model: str) -> str:
    """The older of the two where no model is named or tiktoken says so, else the newer."""
    try:
        return tiktoken.encoding_name_for_model(base_model) if base_model else OLDER
    except KeyError:
        return NEWER


@cache
def _vocabulary(encoding: str) -> rs_bpe.openai.Tokenizer:
    """Read into memory when something is first counted with it; the newer stands for all that there are beside."""
    return rs_bpe.openai.cl100k_base() if encoding == OLDER else rs_bpe.openai.o200k_base()


def _encodable(text: str) -> str:
    """Half of a surrogate pair cannot be encoded; it counts as the mark that stands for it."""
    return text if text.isascii() or not HALF.search(text) else text.encode("utf-8", "replace").decode()
