"""What every format is read into, and the one way its reading fails."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

CUT = "The file was cut at {:,} pages."
# What a page's warning says of a document, of one page and of several.
SENTENCES = {
    "no text layer": (
        "Page {} has no text layer, so nothing on it can be found.",
        "Pages {} have no text layer, so nothing on them can be found.",
    ),
    "could not be read": ("Page {} could not be read.", "Pages {} could not be read."),
    "no layout": (
        "Page {} was read without its layout, so its words cannot be marked.",
        "Pages {} were read without their layout, so their words cannot be marked.",
    ),
    "cut": ("Page {} is too long; its end was left out.", "Pages {} are too long; their ends were left out."),
}

_JUNK_TITLE = re.compile(
    r"untitled|no title|title|word document|document\d*|slide 1"
    r"|.*\.(docx?|pdf|xlsx?|pptx?|indd|qxd|rtf|odt|txt|tex|dvi|wpd|p65)"
    r"|microsoft (word|powerpoint|excel)\b.*|powerpoint presentation|\S*[\d_]\S*|\W*",
    re.IGNORECASE,
)


@dataclass
class ExtractedPage:
    """One page. `text` is what every later offset points into, so for PDF it has one character for each of PDFium's."""

    text: str
    label: str = ""  # what is printed on it, such as "iv"
    headings: list[tuple[int, int, str]] = field(default_factory=list)  # (offset, level from 1, title)
    warning: str = ""  # a key of SENTENCES; "" when all is well


@dataclass
class ExtractedDocument:
    """What is known of the whole file beside its pages."""

    title: str = ""
    page_count: int = 0
    warnings: list[str] = field(default_factory=list)  # plain sentences


class ExtractionError(Exception):
    """The file could not be read; `code` for programs, `reason` and `advice` for a person."""

    def __init__(self, code: str, reason: str, advice: str) -> None:
        super().__init__(f"{reason} {advice}")
        self.code, self.reason, self.advice = code, reason, advice


def needs_password() -> ExtractionError:
    return ExtractionError("password", "The file asks for a password.", "Remove it and upload the file again.")


def damaged(reason: str = "The file could not be read; it seems to be damaged.") -> ExtractionError:
    return ExtractionError("damaged", reason, "Open it in its own program, save it again and upload that.")


def good_title(title: str) -> str:
    """The title somebody gave; "" for what a program wrote there by itself.

    >>> good_title("Microsoft Word - report_v3.doc"), good_title("Annual  report")
    ('', 'Annual report')
    """
    title = " ".join("".join(letter if letter.isprintable() else " " for letter in title[:1_000]).split())
    return "" if _JUNK_TITLE.fullmatch(title) else title[:300]


def page_sentences(warnings: Iterable[tuple[int, str]]) -> list[str]:
    """Say what is wrong with which pages, one sentence for each kind of fault.

    >>> page_sentences([(3, "could not be read"), (4, "could not be read"), (9, "could not be read")])
    ['Pages 3–4, 9 could not be read.']
    """
    numbers = defaultdict(list)
    for number, warning in warnings:
        numbers[warning].append(number)
    return [SENTENCES[warning][len(found) > 1].format(_ranges(found)) for warning, found in numbers.items()]


def _ranges(numbers: list[int]) -> str:
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(str(first) if first == last else f"{first}–{last}" for first, last in runs)
