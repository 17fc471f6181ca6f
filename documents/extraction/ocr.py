"""Words on a page that is an image, by tesseract where it is installed: a program of its own, one run a reading."""

from __future__ import annotations

import os
import re
import resource
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, partial
from typing import IO, NamedTuple

import pypdfium2 as pdfium

from documents.extraction.drafts import clean
from documents.extraction.limits import bare_environment, die_with_parent

SECONDS = 60  # a page may take, all its readings together
DPI = 200
PIXELS_MOST = 10_000_000
SIDE_MOST = 10_000  # pixels; tesseract takes no more than 32,767
OUTPUT_MOST = 32 * 2**20  # bytes
LANGUAGES_MOST = 3  # in one reading: each makes it slower
SURE = 70  # of 100; below, the page may be turned, or in a script that was not asked for
WORD_LEAST = 30  # confidence of a word that shows that there are words at all
USUAL = "eng"
TESSDATA = "TESSDATA_PREFIX"  # the variable that names the folder of tesseract's languages, when it is another
LAYOUT, DETECT = "3", "0"  # tesseract's modes of page segmentation
DETECTION = "osd"  # what is installed among the languages for finding out how a page is turned, and its script

# ISO 639-1 and tesseract's names of a language, by the script that tesseract's detection of scripts tells.
_SCRIPTS = {
    "Latin": "en:eng de:deu fr:fra es:spa it:ita pt:por nl:nld pl:pol sv:swe da:dan no:nor fi:fin cs:ces sk:slk sl:slv "
    "hr:hrv bs:bos hu:hun ro:ron tr:tur az:aze et:est lv:lav lt:lit is:isl ga:gle cy:cym gd:gla br:bre fy:fry lb:ltz "
    "ca:cat eu:eus gl:glg oc:oci co:cos la:lat sq:sqi mt:mlt sr:srp_latn uz:uzb ku:kmr id:ind ms:msa jv:jav su:sun "
    "tl:fil vi:vie sw:swa af:afr yo:yor ht:hat qu:que mi:mri to:ton fo:fao eo:epo",
    "Cyrillic": "ru:rus uk:ukr bg:bul be:bel sr:srp mk:mkd kk:kaz ky:kir mn:mon tg:tgk tt:tat",
    "Greek": "el:ell",
    "Arabic": "ar:ara fa:fas ur:urd ps:pus sd:snd ug:uig",
    "Hebrew": "he:heb yi:yid",
    "Han": "zh:chi_sim zh:chi_tra",
    "Japanese": "ja:jpn",
    "Hangul": "ko:kor",
    "Korean": "ko:kor",
    "Thai": "th:tha",
    "Lao": "lo:lao",
    "Khmer": "km:khm",
    "Myanmar": "my:mya",
    "Devanagari": "hi:hin mr:mar ne:nep sa:san",
    "Bengali": "bn:ben as:asm",
    "Gujarati": "gu:guj",
    "Gurmukhi": "pa:pan",
    "Oriya": "or:ori",
    "Tamil": "ta:tam",
    "Telugu": "te:tel",
    "Kannada": "kn:kan",
    "Malayalam": "ml:mal",
    "Sinhala": "si:sin",
    "Tibetan": "bo:bod",
    "Armenian": "hy:hye",
    "Georgian": "ka:kat",
    "Ethiopic": "am:amh ti:tir",
}

_FAULTS = (OSError, ValueError, MemoryError, pdfium.PdfiumError, subprocess.SubprocessError)
# Letters of the scripts that put no blanks between words.
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef]")


@dataclass(frozen=True)
class Recognised:
    """What was read on an image; nothing but its defaults when no words were found."""

    text: str = ""  # one line a line, a blank line between paragraphs
    # (start, end, left, top, width, height) of each word, in points from the top left of the page as shown.
    boxes: list[tuple[int, int, float, float, float, float]] = field(default_factory=list)
    languages: str = ""  # in tesseract's names: "eng", "deu+eng"
    confidence: float = 0.0  # 0 to 100, the mean of the words


class Word(NamedTuple):
    """A word as tesseract tells it: its place in pixels, and which block, paragraph and line it stands in."""

    text: str
    confidence: float
    line: tuple[int, int, int]
    box: tuple[int, int, int, int]


def recognise(page: pdfium.PdfPage, languages: tuple[str, ...]) -> Recognised | None:
    """Read the page's image in the languages (ISO 639-1) its document seems to be in; () to find out.

    None when there is no tesseract. When it fails on this page, or takes too long, nothing was recognised.
    """
    program = shutil.which("tesseract")
    installed = _installed(program, os.environ.get(TESSDATA, "")) if program else frozenset()
    if not (program and installed):
        return None
    try:
        with tempfile.TemporaryFile() as picture:
            return _Scan(program, page, picture, time.monotonic() + SECONDS).best(languages, installed)
    except _FAULTS:
        return Recognised()


def languages() -> frozenset[str]:
    """What tesseract can read on this machine, by its own names; none where it is not installed."""
    program = shutil.which("tesseract")
    return _installed(program, os.environ.get(TESSDATA, "")) - {DETECTION} if program else frozenset()


@dataclass
class _Scan:
    """A page, its image as it is read at the moment, and how long there is for it."""

    program: str
    page: pdfium.PdfPage
    picture: IO[bytes]
    deadline: float  # of time.monotonic()
    turn: int | None = None  # by how many degrees to the right the image is turned; None: nothing is drawn yet
    scale: float = 1.0  # pixels a point
    size: tuple[int, int] = (0, 0)  # pixels

    def best(self, languages: tuple[str, ...], installed: frozenset[str]) -> Recognised:
        """The surest of few readings: as it seems; turned, or in another script; in what it turned out to be."""
        names = installed_names(languages, installed)
        names = names or ([USUAL] if USUAL in installed else sorted(installed - {DETECTION})[:1])
        reading, turn = self._read(names, 0), 0
        if reading.confidence < SURE and DETECTION in installed:
            wanted, script = self._detected()
            others = _names_in(script, installed)
            if wanted or (others and not set(others) & set(names)):
                reading, turn = self._surer(reading, turn, others or names, wanted)
        spoken = self._spoken(reading, installed)
        return self._surer(reading, turn, spoken, turn)[0] if spoken else reading

    def _surer(self, reading: Recognised, turn: int, names: list[str], wanted: int) -> tuple[Recognised, int]:
        """The reading and how the page was turned for it, or a new one if that succeeds and is surer of its words."""
        with suppress(*_FAULTS):
            again = self._read(names, wanted)
            if again.confidence > reading.confidence:
                return again, wanted
        return reading, turn

    def _read(self, names: list[str], turn: int) -> Recognised:
        if turn != self.turn:
            self._draw(turn)
        found = [
            word._replace(box=turned_back(word.box, turn, self.size))
            for word in words(self._run("-l", "+".join(names), "--psm", LAYOUT, "tsv"))
        ]
        return laid_out(found, 1 / self.scale, "+".join(names))

    def _draw(self, turn: int) -> None:
        """The page as it is shown, turned, in grey; without what its form was filled with."""
        width, height = (max(side, 1.0) for side in self.page.get_size())
        self.scale = min(DPI / 72, (PIXELS_MOST / (width * height)) ** 0.5, SIDE_MOST / max(width, height))
        if self.page.pdf:
            self.page.pdf.init_forms()  # Else its fields would be drawn as any other mark on the page.
        bitmap = self.page.render(scale=self.scale, rotation=turn, grayscale=True, may_draw_forms=False)
        try:
            self.picture.seek(0)
            self.picture.truncate()
            self.picture.write(b"P5 %d %d 255\n" % (bitmap.width, bitmap.height))
            rows = memoryview(bitmap.buffer).cast("B")
            for start in range(0, bitmap.stride * bitmap.height, bitmap.stride):
                self.picture.write(rows[start : start + bitmap.width])
            self.turn, self.size = turn, (bitmap.width, bitmap.height)
        finally:
            bitmap.close()

    def _detected(self) -> tuple[int, str]:
        """How far to the right the image must be turned, and its letters' script; (0, "") where too little is on it."""
        try:
            output = self._run("--psm", DETECT)
        except _FAULTS:
            return 0, ""
        told = dict(line.split(": ", 1) for line in output.splitlines() if ": " in line)
        turn = told.get("Rotate", "0")
        return int(turn) if turn in ("90", "180", "270") else 0, told.get("Script", "")

    def _spoken(self, reading: Recognised, installed: frozenset[str]) -> list[str]:
        """The installed names of the language the text is in; [] where it was read in that, or is the only one."""
        read = set(reading.languages.split("+"))
        if not reading.text or installed <= read | {DETECTION}:
            return []
        from documents.languages import language_of  # Its model takes a second to load.

        try:
            names = installed_names((language_of(reading.text),), installed)
        except MemoryError:
            return []
        return [] if set(names) <= read else names

    def _run(self, *arguments: str) -> str:
        """What tesseract writes about the picture. Raises one of _FAULTS."""
        self.picture.flush()
        self.picture.seek(0)
        command = [self.program, "stdin", "stdout", "--dpi", str(round(self.scale * 72)), *arguments]
        with tempfile.TemporaryFile() as output:
            process = subprocess.Popen(  # noqa: S603 - the words are all our own
                command,
                stdin=self.picture,
                stdout=output,
                stderr=subprocess.DEVNULL,
                env=_environment(),
                start_new_session=True,
                preexec_fn=partial(_confined, os.getpid()),  # noqa: PLW1509 - the reader has one thread
            )
            try:
                if process.wait(max(0.0, self.deadline - time.monotonic())):
                    raise subprocess.CalledProcessError(process.returncode, command)
            finally:
                _end(process)
            output.seek(0)
            return output.read().decode("utf-8", "replace")


def _confined(reader: int) -> None:
    """In the new process: it goes when the reader goes, and writes no more than an answer."""
    die_with_parent(reader)
    resource.setrlimit(resource.RLIMIT_FSIZE, (OUTPUT_MOST, OUTPUT_MOST))


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _environment() -> dict[str, str]:
    # One thread: the pages of several files are read at once, and more threads make a page hardly faster.
    kept = {TESSDATA: os.environ[TESSDATA]} if TESSDATA in os.environ else {}
    return {**bare_environment(), **kept, "OMP_THREAD_LIMIT": "1", "LC_ALL": "C.UTF-8"}


@cache
def _installed(program: str, folder: str) -> frozenset[str]:
    """The languages the program can read, which it looks for in the folder when one is named."""
    command = [program, "--list-langs"]
    try:
        listed = subprocess.run(command, capture_output=True, env=_environment(), timeout=SECONDS, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return frozenset()
    names = frozenset(listed.stdout.decode("utf-8", "replace").split("\n")[1:]) - {""}
    return names if names - {DETECTION} else frozenset()


def installed_names(languages: Iterable[str], installed: Collection[str]) -> list[str]:
    """Tesseract's names of those languages that are installed.

    >>> installed_names(("de", "zh", "en"), {"eng", "deu", "chi_sim", "osd"})
    ['deu', 'chi_sim', 'eng']
    >>> installed_names(("fr",), {"eng"})
    []
    """
    wanted = dict.fromkeys(languages)
    names = [name for language in wanted for pairs in _SCRIPTS.values() for name in _named(pairs, language)]
    return [name for name in dict.fromkeys(names) if name in installed][:LANGUAGES_MOST]


def _named(pairs: str, language: str) -> list[str]:
    return [name for code, name in (pair.split(":") for pair in pairs.split()) if code == language]


def _names_in(script: str, installed: Collection[str]) -> list[str]:
    names = [pair.split(":")[1] for pair in _SCRIPTS.get(script, "").split()]
    return [name for name in names if name in installed][:LANGUAGES_MOST]


def words(table: str) -> Iterator[Word]:
    """The words in tesseract's table: one row a thing found, of which level 5 is a word."""
    for row in table.split("\n"):
        cells = row.split("\t", 11)
        if len(cells) == 12 and cells[0] == "5" and (text := "".join(clean(cells[11]).split())):
            block, paragraph, line = map(int, cells[2:5])
            left, top, width, height = map(int, cells[6:10])
            yield Word(text, float(cells[10]), (block, paragraph, line), (left, top, width, height))


def turned_back(box: tuple[int, int, int, int], turn: int, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The place on the page as shown of a box on its image, which is of this size and was turned to the right.

    >>> [turned_back((10, 20, 30, 5), turn, (100, 200)) for turn in (0, 90, 180, 270)]
    [(10, 20, 30, 5), (20, 60, 5, 30), (60, 175, 30, 5), (175, 10, 5, 30)]
    """
    (left, top, width, height), (right, bottom) = box, size
    match turn:
        case 90:
            return top, right - left - width, height, width
        case 180:
            return right - left - width, bottom - top - height, width, height
        case 270:
            return bottom - top - height, left, height, width
    return box


def laid_out(found: Iterable[Word], points: float, languages: str) -> Recognised:
    """The words as text with their boxes; `points` to a pixel. Nothing when not one of them can be trusted.

    >>> found = [Word("Rent", 96, (1, 1, 1), (20, 10, 40, 12)), Word("due", 94, (1, 1, 2), (20, 30, 30, 12))]
    >>> laid_out(found, 0.5, "eng").boxes
    [(0, 4, 10.0, 5.0, 20.0, 6.0), (5, 8, 10.0, 15.0, 15.0, 6.0)]
    """
    kept = list(found)
    if not any(word.confidence >= WORD_LEAST and any(map(str.isalnum, word.text)) for word in kept):
        return Recognised()
    text, before = "", kept[0]
    boxes: list[tuple[int, int, float, float, float, float]] = []
    for word in kept:
        text += _gap(before, word) if text else ""
        left, top, width, height = (round(side * points, 2) for side in word.box)
        boxes.append((len(text), len(text) + len(word.text), left, top, width, height))
        text, before = text + word.text, word
    confidence = sum(word.confidence for word in kept) / len(kept)
    return Recognised(text, boxes, languages, round(confidence, 1))


def _gap(before: Word, word: Word) -> str:
    """What stands between two words."""
    if before.line[:2] != word.line[:2]:
        return "\n\n"
    if before.line != word.line:
        return "\n"
    return "" if _UNSPACED.match(before.text[-1]) and _UNSPACED.match(word.text[0]) else " "
