"""What every format is read into, and the one way its reading fails."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

CUT = "The file was cut at {:,} pages."
# More pages than LONG may be dealt out to so many readers, BLOCK pages in turn.
READERS, LONG, BLOCK = 2, 24, 4
LONG_BYTES = {"pdf": 2**17}  # of a kind that may be dealt out: hardly any smaller file has more pages than LONG
# What a page's warning says of a document, of one page and of several.
SENTENCES = {
    "no text layer": (
        "Page {} has no text layer, so nothing on it can be found.",
        "Pages {} have no text layer, so nothing on them can be found.",
    ),
    "no recognition": (
        "Page {} is an image in which no words were recognised.",
        "Pages {} are images in which no words were recognised.",
    ),
    "unsure": (
        "Page {} was recognised from an image, with many doubtful words.",
        "Pages {} were recognised from images, with many doubtful words.",
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


Span = tuple[int, int]  # offsets into a page's text
Box = tuple[float, float, float, float]  # left, top, width, height; points, from the top left of the page as shown


@dataclass(frozen=True)
class Order:
    """What is to be read, and how. A reader begins after the first `skip` pages: those are stored already."""

    path: Path
    pages_max: int
    password: str = ""
    skip: int = 0
    folder: Path | None = None  # where files found inside this one are put, and a copy that needs no password
    languages: tuple[str, ...] = ()  # for text recognition, as ISO 639-1, when the text itself does not tell
    careful: bool = False  # an earlier reading broke off: look at no page before its turn
    share: int | None = None  # which of READERS reads this, from 0, when the pages are dealt out; None: one alone

    def is_dealt(self, page_count: int) -> bool:
        return self.share is not None and page_count - self.skip > LONG

    def own(self, page_count: int) -> Sequence[int]:
        """The pages this reader reads, from 0, of as many as there are to be read in all.

        >>> Order(Path("a.pdf"), 99, skip=6, share=1).own(31)
        [6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30]
        """
        pages = range(self.skip, page_count)
        return [page for page in pages if turn(page) == self.share] if self.is_dealt(page_count) else pages


def turn(page: int) -> int:
    """Whose a page is that is dealt out, from 0."""
    return page // BLOCK % READERS


@dataclass
class Table:
    """A table in a page's text: its cells as spans, row by row. An empty cell is an empty span where it would stand.

    The text has one line a row, cells parted by " | ", so that a line is a row to whoever cuts or reads the text.
    """

    rows: list[list[Span]]
    header_rows: int = 1  # how many rows at the top name the columns; 0: none
    name: str = ""  # the caption, or the sheet
    numbers: list[int] = field(default_factory=list)  # the sheet's own number of each row, from 1; [] elsewhere
    first_column: int = 1  # of a sheet: 1 is A


@dataclass
class ExtractedPage:
    """One page. `text` is what every later offset points into.

    For PDF it has one character for each of PDFium's, in PDFium's order unless `runs` says otherwise; what stands
    behind those, and every letter that was recognised on an image, has its place in `boxes`.
    """

    text: str
    label: str = ""  # what is printed on it, such as "iv"
    headings: list[tuple[int, int, str]] = field(default_factory=list)  # (offset, level from 1, title)
    warning: str = ""  # a key of SENTENCES; "" when all is well
    tables: list[Table] = field(default_factory=list)
    # (start, index, length, step): text[start + i] is PDFium's character index + i * step; [] means all in order.
    runs: list[tuple[int, int, int, int]] = field(default_factory=list)
    boxes: list[tuple[int, int, float, float, float, float]] = field(default_factory=list)  # (start, end, *Box)
    hidden: list[tuple[int, int, str]] = field(default_factory=list)  # (start, end, why no reader sees it)
    images: int = 0  # pictures, which have no words for a search
    recognised: str = ""  # the languages of text recognition, as "eng" or "deu+eng"; "" when the text was there
    confidence: float = 0.0  # of text recognition, 0 to 100, the mean of its words
    cleaned: int = 0  # characters taken out or replaced because no database or reader bears them
    seconds: float = 0.0  # it took to read


@dataclass
class ExtractedFile:
    """A file found inside another, such as a mail's attachment: a document of its own. It lies in Order.folder."""

    name: str
    path: Path


@dataclass
class ExtractedDocument:
    """What is known of the whole file beside its pages. Comes first, and again last when more was found."""

    title: str = ""
    page_count: int = 0
    warnings: list[str] = field(default_factory=list)  # plain sentences
    attachments: list[tuple[str, int]] = field(default_factory=list)  # (name, bytes) of files inside that are not read
    left_out: dict[str, int] = field(default_factory=dict)  # what a reader does not see either, such as "hidden sheets"
    dealt: bool = False  # only Order.own pages come, and what the file does not count comes from the first reader
    opened: bool = False  # Order.folder / "opened" holds a copy that needs no password; offsets are the same in it


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
