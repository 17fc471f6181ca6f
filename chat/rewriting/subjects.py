"""What a question speaks of: its names, and failing that the noun phrase it asks about. Pure, and by word lists alone.

No word is known to be a noun or a verb. A name is told by its capitals and figures, a phrase by the articles,
prepositions and helping verbs around it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import takewhile

from chat.rewriting.words import Language

WORD = re.compile(r"[^\W_]+(?:['’.-][^\W_]+)*")
LINKS = frozenset("of de la du des del von van di da".split())
LATER = frozenset(
    "due located used called known born made said done set built held found left needed allowed fällig".split()
)
ARTICLES = frozenset("the a an der die das ein eine el la los las un una le les une".split())
DOING = frozenset("do does did".split())
KINDS = frozenset("what which".split())
LEADS = ARTICLES | frozenset("most one of first last main".split())
MEASURES = frozenset(  # What is asked for of a thing, and is not the thing: "On what date did the trip end?"
    "amount date day kind month name number part percentage share sort time type year".split()
)
ERAS = frozenset("AD BC CE BCE".split())


def words_of(text: str) -> list[str]:
    return [match[0] for match in WORD.finditer(text)]


def is_said(word: str, language: Language) -> bool:
    """Whether a word carries meaning of its own."""
    low = word.casefold().removesuffix("'s").removesuffix("’s")
    lists = (language.asking, language.helping, language.pointing, language.small)
    return not any(low in words for words in lists)


def is_name(word: str, language: Language) -> bool:
    """Whether a word is written like a name, and is none of the language's little words.

    >>> from chat.rewriting.words import ENGLISH
    >>> [word for word in "Baran 3M x.25 AD 13th-century 1950s 1905".split() if is_name(word, ENGLISH)]
    ['Baran', '3M', 'x.25']
    """
    is_marked = word[0].isupper() or any(letter.isdigit() for letter in word)
    is_number = word[0].isdigit() and not any(letter.isupper() for letter in word)
    return is_marked and len(word) > 1 and not is_number and word not in ERAS and is_said(word, language)


def names_of(text: str, language: Language) -> list[str]:
    """The names in a text, in order, each once: runs of words with capitals, with "of the" between two of them.

    >>> from chat.rewriting.words import ENGLISH
    >>> names_of("Who became King of the Canary Islands before Maciot de Bethencourt's sale?", ENGLISH)
    ['King of the Canary Islands', 'Maciot de Bethencourt']
    """
    found: list[str] = []
    for stretch in re.split(r"[^\w\s'’.-]+|\.\s", text):
        words = words_of(stretch)
        at = 0
        while at < len(words):
            end = _name_end(words, at, language)
            if end > at:
                found.append(re.sub(r"['’]s$", "", " ".join(words[at:end])))
            at = max(end, at + 1)
    return list(dict.fromkeys(found))


def _name_end(words: Sequence[str], at: int, language: Language) -> int:
    """Where the name that begins at this word ends; there itself when none does."""
    end = at
    while end < len(words):
        if is_name(words[end], language) or (end > at and len(words[end]) == 1 and words[end].isupper()):
            end += 1  # A single letter belongs to a name, as in "Killer T", and is none.
            if words[end - 1].endswith(("'s", "’s")):
                break
            continue
        links = (
            0 if words[end : end + 1] == [] or words[end] not in LINKS else 1 + (words[end + 1 : end + 2] == ["the"])
        )
        if end == at or not links or end + links >= len(words) or not is_name(words[end + links], language):
            break
        end += links
    return end


def subject_of(question: str, language: Language) -> str:
    """What a question asks about, in its own words; "" where that cannot be told.

    >>> from chat.rewriting.words import ENGLISH
    >>> asked = "When is the rent due?", "Which flora is found here?", "When did the Warsaw Uprising begin?"
    >>> [subject_of(text, ENGLISH) for text in (*asked, "In what sort of places are cooling towers used?")]
    ['the rent', 'flora', 'the Warsaw Uprising', 'cooling towers']
    """
    words = words_of(question)
    if names := names_of(question, language):
        return _phrase_around(names[0], words, language)
    helped = next((at for at, word in enumerate(words) if word.casefold() in language.helping), len(words))
    helper = words[helped].casefold() if helped < len(words) else ""
    asking = next((at for at, word in enumerate(words) if word.casefold() in language.asking), -1)
    stretches = [words[helped + 1 :], words[asking + 1 : helped]]
    is_kind = asking >= 0 and words[asking].casefold() in KINDS and words[asking + 1 : asking + 2] != []
    is_kind = is_kind and words[asking + 1].casefold() not in MEASURES
    if is_kind and asking < helped:  # "Which flora is found here?"
        stretches.reverse()
    if not helper:  # "Which force acts on it?", "Who wrote the report?"
        stretches = [words[asking + 1 : asking + 2] if is_kind else words[asking + 2 :]]
    return next(filter(None, (_phrase(stretch, language, helper) for stretch in [*stretches, words])), "")


def places_of(question: str, language: Language) -> list[str]:
    """The phrases behind its prepositions: what it asks in, for or about.

    >>> from chat.rewriting.words import ENGLISH
    >>> places_of("What is the usual source of heat in a steam engine?", ENGLISH)
    ['a steam engine']
    """
    words = words_of(question)
    starts = [at for at, word in enumerate(words) if word.casefold() in language.before - {"to", "of"}]
    return list(filter(None, (phrase_at(words, at + 1, language) for at in starts)))


def phrase_at(words: Sequence[str], at: int, language: Language) -> str:
    """The noun phrase that begins at a word; "" where none does."""
    return _phrase(words[at:], language, "")


def _phrase_around(name: str, words: Sequence[str], language: Language) -> str:
    """The name with what belongs to it: "the Warsaw Uprising", "the Savery water pump"."""
    first = name.split()[0]
    at = next(place for place, word in enumerate(words) if word == first or word.startswith((f"{first}'", f"{first}’")))
    article = words[at - 1] if at and words[at - 1].casefold() in ARTICLES else ""
    size = len(name.split())
    if words[at + size - 1].endswith(("'s", "’s")) or not article:
        return name
    rest = list(takewhile(lambda word: is_said(word, language), words[at + size :]))
    helper = next((word.casefold() for word in words if word.casefold() in language.helping), "")
    kept = rest[:-1] if helper in DOING else _without_verb(rest, helper)
    return " ".join([article.lower(), name, *kept])


def _phrase(words: Sequence[str], language: Language, helper: str) -> str:
    """The noun phrase these words begin with, with an "of the …" behind it; "" where they begin with none."""
    lead = list(takewhile(lambda word: word.casefold() in LEADS, words))
    run = list(takewhile(lambda word: is_said(word, language), words[len(lead) :]))
    kept = _without_verb(run, helper)
    if not kept:
        return ""
    behind = words[len(lead) + len(run) :]
    if kept == run and behind and behind[0].casefold() == "of" and (more := _phrase(behind[1:], language, helper)):
        kept = [*kept, "of", more]
    return " ".join([*lead, *kept])


def _without_verb(run: list[str], helper: str) -> list[str]:
    """A run of words without the verb it may end with: "did the uprising begin", "are towers used"."""
    if len(run) > 1 and helper in DOING:
        return run[:-1]
    if run and (run[-1].endswith("ed") or run[-1] in LATER):
        return run[:-1]
    return run
