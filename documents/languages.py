"""Tell which language a text is in."""

from __future__ import annotations

import re
import threading
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

SAMPLE = 4_000  # letters
SURE = 0.5
# Dialects and look-alikes that a reader would call by the language's common name.
FAMILY = {"wuu": "zh", "yue": "zh", "ary": "ar", "arz": "ar", "nn": "no", "nb": "no", "pcm": "en", "uzs": "uz"}

# What they are called in English, where a person is told of them.
NAMES = {
    "ar": "Arabic", "bg": "Bulgarian", "ca": "Catalan", "cs": "Czech", "da": "Danish", "de": "German", "el": "Greek",
    "en": "English", "es": "Spanish", "et": "Estonian", "fi": "Finnish", "fr": "French", "he": "Hebrew", "hi": "Hindi",
    "hr": "Croatian", "hu": "Hungarian", "it": "Italian", "ja": "Japanese", "ko": "Korean", "lt": "Lithuanian",
    "lv": "Latvian", "nl": "Dutch", "no": "Norwegian", "pl": "Polish", "pt": "Portuguese", "ro": "Romanian",
    "ru": "Russian", "sk": "Slovak", "sl": "Slovenian", "sv": "Swedish", "th": "Thai", "tr": "Turkish",
    "uk": "Ukrainian", "zh": "Chinese",
}  # fmt: skip

# Scripts that one language alone writes in, or that settle the matter between two.
SCRIPTS = (
    ("ja", re.compile(r"[\u3041-\u309f\u30a1-\u30fa]")),
    ("ko", re.compile(r"[\uac00-\ud7a3]")),
    ("th", re.compile(r"[\u0e01-\u0e5b]")),
    ("zh", re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")),
    ("el", re.compile(r"[\u0370-\u03ff]")),
    ("hy", re.compile(r"[\u0531-\u0589]")),
    ("ta", re.compile(r"[\u0b80-\u0bff]")),
)
LETTER = re.compile(r"[^\W\d_]")


def language_of(text: str) -> str:
    """ISO 639-1 code of the language most of the text is in, "" when that cannot be said.

    >>> language_of("The rent is due in May, and the landlord may ask for a deposit.")
    'en'
    >>> language_of("1234 55")
    ''
    """
    sample = _sample(text)
    letters = len(LETTER.findall(sample))
    if not letters:
        return ""
    for language, script in SCRIPTS:
        if len(script.findall(sample)) > letters * (0.1 if language == "ja" else 0.4):
            return language
    with _lock:
        found, certainty = _identifier().classify(sample)
    found = FAMILY.get(found, found)
    return found if certainty >= SURE and len(found) == 2 else ""


_lock = threading.Lock()


def _sample(text: str) -> str:
    """The beginning and the middle: a title page or an abstract may be in another language."""
    if len(text) <= SAMPLE:
        return text
    middle = len(text) // 2
    return text[: SAMPLE // 2] + "\n" + text[middle : middle + SAMPLE // 2]


@cache
def _identifier() -> LanguageIdentifier:
    """Loaded when the first text arrives: it takes a second and 60 MB."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
