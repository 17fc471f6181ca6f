"""How much meaning weighs against words, by the language of the question."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

from documents.languages import language_of

# Of the ordinary weight, where the model does not know the language. Its vectors then tell topics apart by names
# and loan words alone; a tenth is what did no harm in German, Spanish, Chinese and Arabic (docs/retrieval.md).
UNKNOWN_LANGUAGE = 0.1
NOT_LATIN = re.compile(r"[^\W\d_a-zA-Z\u00aa-\u024f\u1e00-\u1eff]")


def weight_of_meaning(
    question: str, alpha: float, known: Collection[str] | None, held: Callable[[], Collection[str]]
) -> float:
    """`alpha` for a question in a language of `known` (ISO 639-1; None: many), a tenth of it for any other.

    A short question may not tell its language. Then its script does, as far as a model of Latin-written languages
    is asked; else `held`, the languages of the documents it is put to.
    """
    if known is None:
        return alpha
    if language := language_of(question):
        return alpha if language in known else alpha * UNKNOWN_LANGUAGE
    if NOT_LATIN.search(question):
        return alpha * UNKNOWN_LANGUAGE
    languages = set(held()) - {""}
    return alpha if not languages or languages.intersection(known) else alpha * UNKNOWN_LANGUAGE
