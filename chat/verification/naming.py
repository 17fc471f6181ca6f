"""The names of a sentence: which of them stand in none of the texts. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from chat.verification.lexicon import MONTHS, PEOPLES, SCALES, SHORTENED, UNITS
from chat.verification.words import plain, words_of


def unknown_names(sentence: str, texts: Sequence[str]) -> list[str]:
    """The parts of names that no text has, nor their short form, nor their initials.

    >>> unknown_names("They met Lund in the United States.", ["Lund’s house in the USA"])
    []
    >>> unknown_names("They met Ek in Oslo.", ["Lund’s house in Oslo"])
    ['Ek']
    """
    joined = " ".join(" ".join(texts).split())
    return [name for name in _named(sentence) if not _is_known(name, sentence, texts, joined)]


def _is_known(name: str, sentence: str, texts: Sequence[str], joined: str) -> bool:
    if name in SHORTENED and re.search(rf"\b{SHORTENED[name]}\b", joined):
        return True
    if any(has_word(other, texts) for other in PEOPLES.get(plain(name), ())):
        return True
    return has_word(name, texts) or _is_abbreviated(name, joined) or _is_written_out(name, sentence, joined)


def _named(sentence: str) -> Iterator[str]:
    """Parts of names: words with a capital that are not just a sentence's beginning."""
    words = words_of(sentence)
    for at, word in enumerate(words):
        text = word.text.removesuffix("'s")
        if not text[:1].isupper() or text.casefold() in NO_NAMES or len(text) < 2:
            continue
        is_first = at == 0 or sentence[: word.start].rstrip(' "“‘(*_-•')[-1:] in {"", ".", "!", "?", ":", ";", "\n"}
        if is_first and not text.isupper() and not (at + 1 < len(words) and words[at + 1].text[:1].isupper()):
            continue
        yield text


OF_PLACE = re.compile("i?ans?|ish|ese")  # How people and things of a place end.
NO_NAMES = frozenset(
    {*MONTHS, *UNITS, *SCALES}
    | set(
        "monday tuesday wednesday thursday friday saturday sunday fy usd eur gbp i the a an this these that it in on "
        "at for if when while after before under as to by from and or no yes not all each its their according based "
        "both q1 q2 q3 q4 h1 h2 ceo cfo us uk eu am pm section article chapter table figure page part note item level "
        "phase step however additionally also there they he she we you among since during like unlike despite because "
        "although though whether where once until upon with without through throughout over above below between beyond "
        "within across against along around besides except inside near outside toward towards via per only even "
        "just moreover furthermore meanwhile instead overall finally then thus hence therefore yet still such "
        "other another "
        "some any "
        "many most few several more less every either neither one two three four five six seven eight nine ten his her "
        "our your my those which who what why how former current new under both est edt cst cdt mst mdt pst pdt gmt "
        "utc vp evp svp".split()
    )
)


def _is_abbreviated(name: str, text: str) -> bool:
    """Whether capital letters are the first letters of words in the text, or the other way round.

    >>> _is_abbreviated("FAA", "the Federal Aviation Administration said"), _is_abbreviated("FBI", "Federal Aviation")
    (True, False)
    """
    if name.isupper() and 2 <= len(name) <= 8:
        initials = "".join(word.text[0] for word in words_of(text) if word.text[:1].isupper())
        every = "".join(word.text[0].upper() for word in words_of(text))
        return name in initials or name in every
    return False


def _is_written_out(name: str, sentence: str, text: str) -> bool:
    """Whether the text has the initials of the name that this is a part of: "USA" for "the United States".

    >>> _is_written_out("United", "in the United States", "in the USA"), _is_written_out("United", "United Air", "US")
    (True, False)
    """
    runs = re.findall(r"[A-Z]\w+(?:\s+(?:of\s+(?:the\s+)?)?[A-Z]\w+)+", sentence)
    initials = ["".join(word[0] for word in run.split() if word[0].isupper()) for run in runs if name in run.split()]
    short = {word.text.replace(".", "") for word in words_of(text.replace(".", "")) if word.text.isupper()}
    return any(each in short or f"{each}A" in short for each in initials)


@lru_cache(maxsize=2_048)
def _plain_words(text: str) -> frozenset[str]:
    words = [plain(word.text).removesuffix("'s") for word in words_of(text)]
    return frozenset((*words, *(word.rstrip("0123456789") for word in words)))  # "EPA2022" names EPA.


def has_word(name: str, texts: Iterable[str]) -> bool:
    """Whether a name's part stands in one of the texts, accents and one letter's difference aside."""
    wanted = plain(name).removesuffix("'s")
    return any(
        wanted in _plain_words(text) or any(_near(wanted, word) for word in _plain_words(text)) for text in texts
    )


def _near(one: str, other: str) -> bool:
    """Forms of one name, or a letter's difference.

    >>> _near("italy", "italian"), _near("marta", "martin"), _near("meyer", "meier")
    (True, False, True)
    """
    if one == other or one.removesuffix("s") == other.removesuffix("s"):
        return True
    if _is_of(one, other) or _is_of(other, one):
        return True
    if min(len(one), len(other)) < 5 or abs(len(one) - len(other)) > 1:
        return bool(min(len(one), len(other)) >= 5 and (one.startswith(other) or other.startswith(one)))
    return _one_letter_apart(one, other)


def _is_of(people: str, place: str) -> bool:
    root = place.rstrip("aeiouy")
    return len(root) > 3 and people.startswith(root) and OF_PLACE.fullmatch(people, len(root)) is not None


def _one_letter_apart(one: str, other: str) -> bool:
    """
    >>> _one_letter_apart("meyer", "meier"), _one_letter_apart("smith", "smyths"), _one_letter_apart("lund", "lunds")
    (True, False, True)
    """
    start = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return (
        one[start + 1 :] == other[start + 1 :] or one[start:] == other[start + 1 :] or one[start + 1 :] == other[start:]
    )
