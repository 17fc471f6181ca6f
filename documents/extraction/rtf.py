"""Rich text (rtf): paragraphs, headings, tables and notes, in whatever set of letters they were written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from striprtf.striprtf import charset_map, destinations

from documents.extraction.drafts import PICTURE, Draft, Writer, in_pages
from documents.extraction.pages import ExtractedDocument, ExtractedPage, Order, good_title

DEPTH_MOST = 1_000
FONTS_MOST = 5_000
TOO_DEEP = "The file nests its groups too deep; what stands in the innermost was left out."

_TOKEN = re.compile(
    rb"\\([a-z]{1,32})(-?\d{1,10})?[ ]?|\\'([0-9a-f]{2})|\\([^a-z])|([{}])|[\r\n\x00]+|([^\\{}\r\n\x00]+)",
    re.IGNORECASE,
)
_HEADING = re.compile(r"heading\s*(\d)|überschrift\s*(\d)|titre\s*(\d)|título\s*(\d)|titolo\s*(\d)", re.IGNORECASE)
SIGNS = {
    "tab": "\t",
    "line": "\n",
    "emdash": "—",
    "endash": "–",
    "emspace": " ",
    "enspace": " ",
    "qmspace": " ",
    "bullet": "•",
    "lquote": "‘",
    "rquote": "’",
    "ldblquote": "“",
    "rdblquote": "”",
}
SYMBOLS = {"~": "\u00a0", "_": "\u2011", "-": "", "{": "{", "}": "}", "\\": "\\", "\n": "\n", "\r": "\n"}
# Groups whose letters are read, though they are no part of the line they stand in …
NOTED = {"footnote", "shptxt", "title"}
# … and those that say nothing to a reader: lists of fonts and styles, pictures, field codes, what was deleted.
SILENT = (destinations | {"fonttbl", "colortbl", "stylesheet", "listtext", "pntext", "pict", "nonshppict"}) - {
    *("result", "private", "object", "shp", "shpgrp", "shpinst", "shppict", "upr", "ud"),
    *NOTED,
}


STYLE = "stylesheet entry"


@dataclass(frozen=True)
class _State:
    """What holds inside a group."""

    destination: str = ""  # "": the text itself
    is_silent: bool = False
    is_hidden: bool = False
    is_deleted: bool = False
    font: int = -1
    skip: int = 1  # letters that stand in for a Unicode one, for programs that cannot read it
    style: int = -1
    level: int = 0
    in_table: bool = False
    is_item: bool = False


def read(order: Order) -> Iterator[ExtractedDocument | ExtractedPage]:
    yield from in_pages(rtf_draft(order.path.read_bytes()), order)


def rtf_draft(data: bytes) -> Draft:
    reader = _Reader()
    reader.read(data)
    return reader.draft()


class _Reader:
    def __init__(self) -> None:
        self.writer = Writer()
        self.warnings: list[str] = []
        self.state = _State()
        self.stack: list[_State] = []
        self.encoding = "cp1252"
        self.fonts: dict[int, str] = {}
        self.levels: dict[int, int] = {}  # of headings, by style
        self.texts: dict[str, list[str]] = {"": []}  # what is being gathered, by where it goes
        self.bytes = bytearray()  # letters that are not decoded yet: one may need several
        self.half = self.to_skip = 0
        self.default_font = -1
        self.cells: list[str] = []
        self.rows: list[list[str]] = []
        self.notes: list[str] = []
        self.header_rows = 0
        self.is_header = False

    def read(self, data: bytes) -> None:
        at = 0
        while match := _TOKEN.search(data, at):
            at = match.end()
            word, number, code, symbol, brace, text = match.groups()
            if code:
                self.byte(bytes([int(code, 16)]))
                continue
            if text:
                self.plain(text)
                continue
            self.decode()
            if brace:
                self.group(opens=brace == b"{")
                if not self.stack and brace == b"}":
                    break
            elif word:
                name = word.decode().lower()
                value = int(number) if number else None
                if name == "bin":
                    at += max(0, value or 0)
                else:
                    self.word(name, value)
            elif symbol:
                self.symbol(symbol.decode("latin-1"))
        self.decode()
        self.paragraph()
        self.end_table()

    def draft(self) -> Draft:
        draft = self.writer.draft(good_title("".join(self.texts.get("title", []))))
        draft.title = draft.title or next((title for _, level, title in draft.headings if level == 1), "")
        draft.warnings = self.warnings
        return draft

    def group(self, *, opens: bool) -> None:
        self.to_skip = 0
        if opens:
            self.stack.append(self.state)
            if len(self.stack) > DEPTH_MOST and not self.state.is_silent:
                self.warnings += [] if TOO_DEEP in self.warnings else [TOO_DEEP]
                self.state = replace(self.state, is_silent=True)
            return
        ended = self.state
        self.state = self.stack.pop() if self.stack else _State(is_silent=True)
        if ended.destination != self.state.destination:
            self.end_destination(ended)

    def end_destination(self, ended: _State) -> None:
        text = "".join(self.texts.pop(ended.destination, [])) if ended.destination != "title" else ""
        if ended.destination in ("footnote", "shptxt") and text.strip():
            note = " ".join(text.split())
            self.notes.append(f"Note: {note}" if ended.destination == "footnote" else note)
        elif ended.destination == STYLE:
            heading = _HEADING.search(text)
            self.levels[ended.style] = int(next(filter(None, heading.groups()))) if heading else ended.level

    def word(self, name: str, value: int | None) -> None:
        state = self.state
        if name == "ansicpg":
            self.encoding = _known(f"cp{value}", self.encoding)
        elif name in ("mac", "pc", "pca"):
            self.encoding = {"mac": "mac_roman", "pc": "cp437", "pca": "cp850"}[name]
        elif name == "fcharset" and state.destination == "fonttbl" and len(self.fonts) < FONTS_MOST:
            self.fonts[state.font] = charset_map.get(value or 0, self.encoding)
        elif name in ("f", "deff") and value is not None:
            self.default_font = value if name == "deff" else self.default_font
            self.state = replace(state, font=value)
        elif name == "u" and value is not None:
            self.unicode(value)
        elif name == "uc":
            self.state = replace(state, skip=max(0, value or 0))
        elif name in ("fonttbl", "stylesheet"):
            self.state = replace(state, destination=name, is_silent=True)
        elif name in NOTED:
            self.texts.setdefault(name, [])
            self.state = replace(state, destination=name, is_silent=False)
        elif name == "shppict" and self.stack:  # A picture that only newer programs can show.
            self.state = replace(state, is_silent=self.stack[-1].is_silent)
        elif name in SILENT:
            self.picture(name)
            self.state = replace(state, is_silent=True)
        elif name in SIGNS:
            self.add(SIGNS[name])
        else:
            self.form(name, value)

    def form(self, name: str, value: int | None) -> None:
        """Words that shape paragraphs, rows and letters."""
        state = self.state
        match name:
            case "par" | "sect":
                self.paragraph()
            case "page" | "pagebb" if not state.in_table and not state.is_silent:
                self.paragraph()
                self.writer.page_break()
            case "pard":
                self.state = replace(state, in_table=False, level=0, style=-1, is_item=False)
            case "plain":
                self.state = replace(state, is_hidden=False, is_deleted=False, font=self.default_font)
            case "s" | "ds":
                self.style(value if value is not None else 0)
            case "outlinelevel" if value is not None and value < 9:
                self.state = replace(state, level=value + 1)
            case "ls" | "pnlvlblt" | "pnlvlbody":
                self.state = replace(state, is_item=bool(value or name != "ls"))
            case "v":
                self.state = replace(state, is_hidden=value != 0)
            case "deleted":
                self.state = replace(state, is_deleted=value != 0)
            case "intbl":
                self.state = replace(state, in_table=True)
            case "trowd" if not state.is_silent:
                self.is_header = False
            case "trhdr":
                self.is_header = True
            case "nestcell":
                self.add(" ")
            case "cell" if not state.is_silent:
                self.cell()
            case "row" if not state.is_silent:
                self.row()

    def style(self, number: int) -> None:
        if self.state.destination == "stylesheet":
            self.texts[STYLE] = []
            self.state = replace(self.state, destination=STYLE, style=number)
        else:
            self.state = replace(self.state, style=number, level=self.levels.get(number, self.state.level))

    def symbol(self, symbol: str) -> None:
        if symbol == "*":
            self.state = replace(self.state, is_silent=True)
        elif symbol in "\r\n":
            self.paragraph()
        else:
            self.add(SYMBOLS.get(symbol, ""))

    def byte(self, letter: bytes) -> None:
        if self.to_skip:
            self.to_skip -= 1
        else:
            self.bytes += letter

    def plain(self, text: bytes) -> None:
        skipped = min(self.to_skip, len(text))
        self.to_skip -= skipped
        if not self.state.is_silent or self.state.destination == STYLE:
            self.bytes += text[skipped:]

    def unicode(self, value: int) -> None:
        """A letter by its number; one beyond the first 65,536 comes in two halves."""
        number, self.to_skip = value % 0x10000, self.state.skip
        if 0xD800 <= number < 0xDC00:
            self.half = number
        elif 0xDC00 <= number < 0xE000:
            self.add(chr(0x10000 + (self.half - 0xD800) * 0x400 + number - 0xDC00) if self.half else "")
            self.half = 0
        else:
            self.add(chr(number))

    def decode(self) -> None:
        if self.bytes:
            encoding = self.fonts.get(self.state.font, self.encoding)
            self.add(self.bytes.decode(_known(encoding, self.encoding), "replace"))
            self.bytes.clear()

    def add(self, text: str) -> None:
        state = self.state
        if state.destination == STYLE:
            self.texts.setdefault(state.destination, []).append(text)
        elif state.is_silent or state.is_deleted:
            return
        elif state.is_hidden:
            self.writer.left_out["hidden text"] += len(text.strip())
        else:
            self.texts.setdefault(state.destination, []).append(text)

    def picture(self, name: str) -> None:
        if name == "pict" and not self.state.is_silent:
            self.texts.setdefault(self.state.destination, []).append(PICTURE)

    def paragraph(self) -> None:
        if self.state.destination or self.state.is_silent:
            self.add("\n")
            return
        if self.state.in_table:
            self.texts[""].append(" ")
            return
        self.end_table()
        text = self._taken()
        is_item = self.state.is_item and not self.state.level and text.strip()
        if not is_item:
            self.writer.gap()
        self.writer.line(f"- {text.strip()}" if is_item else text, level=self.state.level)
        if not is_item:
            self.writer.gap()
        self.write_notes()

    def cell(self) -> None:
        if not self.state.destination:
            self.cells.append(self._taken())

    def row(self) -> None:
        if self.state.destination:
            return
        self.rows.append(self.cells)
        self.header_rows += self.is_header and self.header_rows == len(self.rows) - 1
        self.cells = []

    def end_table(self) -> None:
        if self.cells:
            self.row()
        if self.rows:
            is_marked = 0 < self.header_rows < len(self.rows)
            self.writer.table(self.rows, header_rows=self.header_rows if is_marked else None)
            self.rows, self.header_rows = [], 0
            self.write_notes()

    def write_notes(self) -> None:
        for note in self.notes:
            self.writer.line(note)
            self.writer.gap()
        self.notes.clear()

    def _taken(self) -> str:
        """What was gathered; halves of characters that \\u gave one by one are put together."""
        text = "".join(self.texts[""])
        self.texts[""] = []
        return text


def _known(encoding: str, otherwise: str) -> str:
    try:
        "".encode(encoding)
    except LookupError:
        return otherwise
    return encoding
