"""Make a follow-up stand alone by rules, where no model does: what was spoken of last is put in its place. Pure.

"And for a shop?" goes on from the question before it, "Who collects it?" points back into it, "Why?" asks another
side of the same. A question that does none of this has changed the topic, or stands alone anyway, and is left as it is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from chat.prompts import Turn
from chat.rewriting.subjects import is_name, is_said, names_of, phrase_at, places_of, subject_of, words_of
from chat.rewriting.words import ENGLISH, LANGUAGES, Language

YEAR = re.compile(r"\b(?:1[0-9]|20)\d\d\b")
LETTERS_MOST = 400  # of what is looked for
CONTEXT_MOST = 2  # names beside what is put in
PERSONS = frozenset("who whose whom wer wen wem wessen quién quiénes qui".split())
KINDS = frozenset("what which welche welcher welches qué cuál quel quelle".split())
SINGLED_OUT = frozenset("most first oldest newest last best".split())
POSSESSIVE = frozenset("its their his theirs".split())
BESIDE = frozenset("this that these those one ones same there".split())  # A noun follows them, or a place is meant.


def resolved(question: str, turns: Sequence[Turn]) -> str:
    """The question with what it leaves out, from the turns before it, oldest first; unchanged where it stands alone.

    >>> before = [Turn("When is the rent due for a flat?", "On the third working day.")]
    >>> [resolved(text, before) for text in ("And for a shop?", "Why?", "Who owns the lift?")]
    ['When is the rent due for a shop?', 'Why is the rent due for a flat?', 'Who owns the lift?']
    """
    reading, said = "", ""
    for turn in turns:
        reading, said = turn.read_as or _resolved(turn.question, reading, said), turn.answer
    return _resolved(question, reading, said)


def _resolved(question: str, before: str, answer: str) -> str:
    text = " ".join(question.split())
    if not before or not words_of(text):
        return text
    language = language_words(text, before)
    opener, rest = _opened(text, language)
    if not words_of(rest):
        return before[:LETTERS_MOST]  # "And?"
    if is_bare(rest, language):
        return _asked_again(rest, before, language)[:LETTERS_MOST]
    if pointed := _pointing(rest, language):
        return _pointed(rest, pointed, before, answer, language)[:LETTERS_MOST]
    if _is_fragment(rest, language):
        return _continued(rest, before, language)[:LETTERS_MOST] if opener or not _stands(rest, language) else text
    if opener or not _stands(rest, language):
        return _within(rest, before, language)[:LETTERS_MOST]
    return text


def language_words(text: str, before: str = "") -> Language:
    """The language whose little words a question is made of; English when none is told."""
    for said in (text, before):
        words = [word.casefold() for word in words_of(said)]
        scores = [sum(word in each.asking | each.helping | each.small for word in words) for each in LANGUAGES]
        if max(scores, default=0):
            return LANGUAGES[scores.index(max(scores))]
    return ENGLISH


# What kind of question it is -----------------------------------------------------------------------------------------
def _opened(text: str, language: Language) -> tuple[str, str]:
    """What it begins with to go on from another, and the rest."""
    low = text.casefold().lstrip("¿¡ ")
    skipped = len(text) - len(text.lstrip("¿¡ "))
    for opener in sorted(language.openers, key=len, reverse=True):
        if re.match(rf"{re.escape(opener)}\b", low):
            return opener, text[skipped + len(opener) :].lstrip(" ,:¿")
    return "", text


def is_bare(text: str, language: Language) -> bool:
    """Whether it holds nothing but words that ask: "Why?", "Since when?", "How much is it?"

    >>> is_bare("By whom?", ENGLISH), is_bare("How many pets?", ENGLISH)
    (True, False)
    """
    words = [word.casefold() for word in words_of(text)]
    vague = {"much", "many", "often", "long", "far", "exactly", "viel", "viele", "lange", "genau", "oft"}
    return bool(language.asking.intersection(words)) and not any(
        is_said(word, language) and word not in vague for word in words
    )


def _pointing(text: str, language: Language) -> str:
    """The first word that stands for what was spoken of before; "" where there is none, or it points into its question.

    >>> asked = "Is it true that pets bite?", "Did Newton sell his house?", "Who saw it?"
    >>> [_pointing(text, ENGLISH) for text in asked]
    ['', '', 'it']
    """
    low = text.casefold()
    for phrase in sorted(language.empty, key=len, reverse=True):
        low = re.sub(rf"\b{re.escape(phrase)}\b", lambda found: "·" * len(found[0]), low)
    seen: list[str] = []
    for match in re.finditer(r"[^\W_]+(?:['’.-][^\W_]+)*", low):
        word, original = match[0], text[match.start() : match.end()]
        if word in language.pointing and not _is_polite(original, match.start(), language):
            is_relative = word in {"that", "das", "que"} and bool(seen) and is_said(seen[-1], language)
            is_inward = word in (language.people | POSSESSIVE) and any(is_name(each, language) for each in seen[1:])
            if not is_relative and not is_inward:
                return original
        seen.append(original)
    return ""


def _is_polite(word: str, at: int, language: Language) -> bool:
    """German writes its "you" like "she", with a capital."""
    return "Sie" in word and at > 0 and "sie" in language.pointing


def _is_fragment(text: str, language: Language) -> bool:
    """Whether it is less than a question: no word that asks, no verb in front."""
    words = [word.casefold() for word in words_of(text)]
    asks = any(word in language.asking for word in words[:3])
    return not asks and words[0] not in language.helping and len(words) <= 8


def _stands(text: str, language: Language) -> bool:
    """Whether there is enough in it to be looked for by itself."""
    said = [word for word in words_of(text) if is_said(word, language)]
    return len(said) >= 2 or any(is_name(word, language) for word in words_of(text)[1:])


# What is put in its place --------------------------------------------------------------------------------------------
def _asked_again(text: str, before: str, language: Language) -> str:
    """The question before, asked with these words: "Why is the rent due?", or both where they cannot be joined."""
    asked = text.rstrip("?!. ")
    words = list(re.finditer(r"\S+", before.lstrip("¿")))
    helped = next((match for match in words[:6] if match[0].casefold() in language.helping), None)
    is_plain = helped is not None and len(words_of(asked)) <= 2 and not _pointing(text, language)
    if is_plain and helped is not None:
        return f"{asked} {before.lstrip('¿')[helped.start() :]}"
    return f"{_capital(asked)}? {before}"


def _pointed(text: str, word: str, before: str, answer: str, language: Language) -> str:
    """What it points at, in the place of the word that points; beside it where grammar forbids to put it there."""
    known = names_of(before, language)
    told = _told(answer, known, language)
    if word.casefold() in language.people:
        subject = next(iter([*told, *known] if _asks_who(before, language) else [*known, *told]), "")
    elif told and _asks_which(before, known, language):
        subject = told[0]
    else:
        subject = subject_of(before, language)
    if not subject:
        return f"{text} ({before.rstrip('?')})"
    put, beside = _placed(text, word, subject, language)
    context = [*beside, *(known or places_of(before, language)[-1:])]
    left: list[str] = []
    for each in context:
        if each.casefold() not in " ".join([put, *left]).casefold():
            left.append(each)
    left = left[:CONTEXT_MOST]
    return f"{_capital(put)} ({', '.join(left)})" if left else _capital(put)


def _told(answer: str, known: Sequence[str], language: Language) -> list[str]:
    """The names an answer brings, those that are surely names first."""
    names = [name for name in names_of(answer, language) if not any(name in each or each in name for each in known)]
    return sorted(names, key=lambda name: " " not in name and answer.startswith(name))


def _asks_who(question: str, language: Language) -> bool:
    return bool(PERSONS.intersection(word.casefold() for word in words_of(question)[:2]))


def _asks_which(question: str, known: Sequence[str], language: Language) -> bool:
    """Whether it asks for a thing by its kind, so that "it" is what was answered: "What castle houses the museum?"

    >>> asked = "What castle is it?", "What is the largest school?", "What is rent?"
    >>> [_asks_which(text, [], ENGLISH) for text in asked]
    [True, True, False]
    """
    words = [word.casefold() for word in words_of(question)]
    if not words or words[0] not in KINDS:
        return False
    if set(words) & SINGLED_OUT or any(len(word) > 4 and word.endswith("est") for word in words):
        return True
    return not known and len(words) > 1 and is_said(words[1], language)


def _placed(text: str, word: str, subject: str, language: Language) -> tuple[str, list[str]]:
    """The text with the subject in the word's place; where it cannot stand there, what belongs beside the text."""
    low = word.casefold()
    at = re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text)
    if language is not ENGLISH or low in BESIDE or at is None:
        return text, [subject]
    behind = words_of(text[at.end() :])[:1]
    is_owner = low in POSSESSIVE or (low == "her" and bool(behind) and is_said(behind[0], language))
    owned = f"{subject}'" if subject.endswith("s") else f"{subject}'s"
    return f"{text[: at.start()]}{owned if is_owner else subject}{text[at.end() :]}", []


def _continued(text: str, before: str, language: Language) -> str:
    """The question before, about something else: "When is the rent due for a shop?\""""
    piece = text.rstrip("?!. ")
    stem = before.rstrip("?!. ")
    words = words_of(piece)
    if YEAR.search(piece) and YEAR.search(stem) and not names_of(piece, language):
        return f"{YEAR.sub(YEAR.search(piece)[0], stem, count=1)}?"  # type: ignore[index]
    if words and words[0].casefold() in language.before:
        return f"{_with_phrase(stem, piece, words[0], language)}?"
    named = names_of(piece, language)
    known = names_of(stem, language)
    if named and known and language is ENGLISH:
        return f"{stem.replace(known[0], piece, 1)}?"
    return f"{stem}: {piece}?"


def _with_phrase(stem: str, piece: str, preposition: str, language: Language) -> str:
    """A question with "of a shop" in the place of its own "of a flat", or behind it where it has none.

    >>> _with_phrase("When is the rent of a flat due", "of a shop", "of", ENGLISH)
    'When is the rent of a shop due'
    """
    words = words_of(stem)
    for at, word in enumerate(words):
        phrase = phrase_at(words, at + 1, language) if word.casefold() == preposition.casefold() else ""
        if phrase and f"{word} {phrase}" in stem:
            return stem.replace(f"{word} {phrase}", piece, 1)
    return f"{stem} {piece}"


def _within(text: str, before: str, language: Language) -> str:
    """A whole question on the same topic: the topic stands beside it."""
    known = [name for name in names_of(before, language) if name.casefold() not in text.casefold()]
    topic = ", ".join(known[:2]) or subject_of(before, language)
    return f"{_capital(text)} ({topic})" if topic else _capital(text)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
