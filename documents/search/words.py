"""Spell a text so that Postgres's parser sees in it the words a person would search for.

The parser takes "and/or" for a file, "IL-2" for a word and a negative number, and a line of Chinese for one word.
Both sides, chunks and questions, are spelled by this one function.
"""

from __future__ import annotations

import re
import unicodedata

# Text-search configurations Postgres has built in, by ISO 639-1; any other language is taken word for word.
CONFIGURATIONS = {
    "ar": "arabic",
    "ca": "catalan",
    "da": "danish",
    "de": "german",
    "el": "greek",
    "en": "english",
    "es": "spanish",
    "et": "estonian",
    "eu": "basque",
    "fi": "finnish",
    "fr": "french",
    "ga": "irish",
    "hi": "hindi",
    "hu": "hungarian",
    "hy": "armenian",
    "id": "indonesian",
    "it": "italian",
    "lt": "lithuanian",
    "ne": "nepali",
    "nl": "dutch",
    "no": "norwegian",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sr": "serbian",
    "sv": "swedish",
    "ta": "tamil",
    "tr": "turkish",
    "yi": "yiddish",
}

UNSPACED_LANGUAGES = frozenset({"ja", "ko", "th", "zh"})  # found by pairs of letters, whatever the configuration
LONGEST = 200  # letters of a word; what is longer was never a word
# Chinese, Japanese, Korean and Thai: written without spaces, or with spaces that do not part the words.
UNSPACED = "\u0e01-\u0e3a\u0e40-\u0e4e\u3005\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff"
UNSPACED_RUN = re.compile(f"[{UNSPACED}]+")
SPLIT_WORD = re.compile(r"(?<=\w)[-\u00ad\ufffe][ \t]*\r?\n[ \t]*(?=[^\W\d_])")
THOUSANDS = re.compile(r"[,.](?=\d{3}(?!\d))")
SOFT = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff\ufffe]")
# A vowel sign or an accent of its own belongs to the word, which "\w" does not know.
MARK = "".join(letter for letter in map(chr, range(0x300, 0xFE30)) if unicodedata.category(letter)[0] == "M")
LETTERS = rf"[\w{MARK}]+"
PART = re.compile(rf"[^\W_][^\W_{MARK}]*(?:[{MARK}]+[^\W_]*)*")
NUMBER = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d{1,3}(?:\.\d{3})+(?:,\d+)?|\d+[.,]\d+"
TOKEN = re.compile(
    rf"(?P<number>(?<![\w.,])(?:{NUMBER})(?![\w]|[.,]\d))|(?P<compound>{LETTERS}(?:[-/_.&+]{LETTERS})+)|(?P<word>{LETTERS})"
)
QUOTED = re.compile(r'(?<!\w)["“”„«»]([^"“”„«»]+)["“”«»](?!\w)|「([^」]+)」')
PHRASES = 10  # read of one question


def quoted(question: str) -> list[str]:
    """What the question puts in quotation marks, spelled in small letters; a mark for inches quotes nothing.

    >>> quoted('May one pay "As soon as possible", or “AB-12”?')
    ['as soon as possible', 'ab 12 ab12']
    >>> quoted('a 5" pipe and a 3" one')
    []
    """
    phrases = (spelled(match.group(1) or match.group(2)).lower() for match in QUOTED.finditer(question))
    return list(dict.fromkeys(filter(None, phrases)))[:PHRASES]


def spelled(text: str) -> str:
    """Words parted by single spaces, with no mark left that the parser could read something into.

    A compound is given in its parts, and also as one word if a digit or a hyphen says that it is one.

    >>> spelled("Part AB-1234/X: 1,250.5 kg and/or e-mail")
    'Part AB 1234 X AB1234X 1250.5 kg and or e mail email'
    >>> spelled("informa-\\ntion")
    'informa tion information'
    >>> spelled("夏季剧院 1870")
    '夏季 季剧 剧院 1870'
    """
    text = SPLIT_WORD.sub("-", unicodedata.normalize("NFKC", text))
    text = UNSPACED_RUN.sub(_pairs, SOFT.sub("", text).replace("\x00", " "))
    return " ".join(word[:LONGEST] for token in text.split() for word in _words(token))


def _pairs(run: re.Match[str]) -> str:
    letters = run.group()
    pairs = [letters[place : place + 2] for place in range(len(letters) - 1)] or [letters]
    return f" {' '.join(pairs)} "


def _words(token: str) -> list[str]:
    if token.isascii() and token.isalnum():
        return [token]
    words: list[str] = []
    for match in TOKEN.finditer(token):
        found = match.group()
        if match.lastgroup == "number":
            words.append(_number(found))
        elif match.lastgroup == "compound":
            words += _compound(found)
        else:
            words += PART.findall(found)
    return words


def _number(token: str) -> str:
    """Without the marks that part the thousands, and with a point before the fraction.

    >>> _number("1,250,000"), _number("12,5"), _number("3.14"), _number("1,250.5"), _number("1.250,5")
    ('1250000', '12.5', '3.14', '1250.5', '1250.5')
    """
    return THOUSANDS.sub("", token).replace(",", ".")


def _compound(compound: str) -> list[str]:
    parts = PART.findall(compound)
    joined = "".join(parts)
    has_digit = any(letter.isdigit() for letter in joined)
    if not has_digit and all(len(part) == 1 for part in parts):
        return [joined]  # U.S, R&D
    return [*parts, joined] if has_digit or ("-" in compound and "/" not in compound) else parts
