"""HTML: what a reader sees, without scripts, navigation and what is hidden. Nothing it names is ever fetched."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from selectolax.lexbor import LexborHTMLParser, LexborNode

from documents.extraction.drafts import COLUMNS_EVEN, Draft, Writer, clean, cleaned, in_pages
from documents.extraction.pages import ExtractedDocument, ExtractedPage, Order
from documents.extraction.text import decode

UNSEEN = {
    *("head", "script", "style", "nav", "template", "noscript", "svg", "iframe", "object"),
    *("select", "textarea", "button", "dialog"),
}
# These end a line; a blank line stands round the SEPARATE ones.
LINES = {"body", "br", "dd", "div", "dt", "li", "tbody", "td", "tfoot", "th", "thead", "tr"}
SEPARATE = {
    *("address", "article", "aside", "blockquote", "caption", "center", "details", "dl", "fieldset", "figcaption"),
    *(
        "figure",
        "footer",
        "form",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hr",
        "legend",
        "main",
        "ol",
        "p",
        "pre",
    ),
    *("section", "summary", "table", "ul"),
}
BLOCKS = LINES | SEPARATE
HEADINGS = {f"h{level}": level for level in range(1, 7)}
CELL_MOST = 1_000  # characters; a table with longer cells only arranges the page

_CHARSET = re.compile(rb"<(?:meta[^>]+charset|\?xml[^>]+encoding)\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)
_LATIN = {"iso-8859-1", "latin-1", "latin1", "us-ascii", "ascii"}
_HIDDEN = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)|(?<![\w-])opacity\s*:\s*0(?:\.0+)?\s*(?:[;!]|$)"
    r"|font-size\s*:\s*(?:0(?:\.\d+)?|1(?:\.0+)?)(?:px|pt|%|)\s*(?:[;!]|$)|font-size\s*:\s*0(?:\.0+)?r?em"
    r"|(?<![\w-])(?:left|top|right|text-indent|margin-left)\s*:\s*-\d{4,}"
    r"|max-height\s*:\s*0(?:px)?\s*;.{0,200}?overflow\s*:\s*hidden",
    re.IGNORECASE | re.DOTALL,
)
_WHITE = r"(?:\#fff(?:fff)?\b|white\b|rgba?\(\s*255\s*,\s*255\s*,\s*255\b)"
_WHITE_LETTERS = re.compile(r"(?<![\w-])color\s*:\s*" + _WHITE, re.IGNORECASE)
_GROUND = re.compile(
    r"background(?:-color|-image)?\s*:\s*(?!\s|transparent|none|inherit|" + _WHITE + ")", re.IGNORECASE
)
_WHITE_ATTRIBUTE = re.compile(r"\s*" + _WHITE + r"\s*|white", re.IGNORECASE)
_WHITE_GROUND = re.compile(r"background(?:-color)?\s*:\s*" + _WHITE, re.IGNORECASE)
SPANNED_MOST = 60  # columns or rows that one cell may reach over
ANCESTORS_MOST = 200


def read(order: Order) -> Iterator[ExtractedDocument | ExtractedPage]:
    text, warnings = decode(data := order.path.read_bytes(), declared_charset(data))
    draft = html_draft(text)
    draft.warnings = warnings
    yield from in_pages(draft, order)


def declared_charset(data: bytes) -> str:
    """What the file says of itself, as browsers understand it."""
    found = _CHARSET.search(data[:4096])
    name = found[1].decode("ascii", "replace").lower() if found else ""
    if name.startswith("utf-16"):  # The declaration could be read as ASCII, so it is wrong.
        return "utf-8"
    return "cp1252" if name in _LATIN else name


def html_draft(source: str) -> Draft:
    source, taken_out = cleaned(source)
    writer = Writer()
    named = write_html(source, writer)
    first = next((text for _, level, text in writer.headings if level == 1), "")
    draft = writer.draft(named or first)
    draft.cleaned.insert(0, (0, taken_out))
    return draft


def write_html(source: str, writer: Writer) -> str:
    """Write down what a reader sees; returns the title that the head gives."""
    tree = LexborHTMLParser(clean(source))
    page = _Page(writer, is_styled=bool(tree.css_first("style, link[rel~=stylesheet]")))
    if tree.root:
        _walk(tree.root, page)
    page.end_line()
    named = tree.css_first("head title")
    return named.text().strip() if named else ""


def _walk(root: LexborNode, page: _Page) -> None:
    """Go through the tree in order, without recursion: a file may nest deeper than Python can call."""
    stack = [(root, False)]
    while stack:
        node, is_end = stack.pop()
        if is_end:
            page.close(node)
        elif node.is_text_node:
            page.add(node.text_content or "")
        elif page.open(node):
            stack.append((node, True))
            child = node.last_child
            while child is not None:
                stack.append((child, False))
                child = child.prev


@dataclass
class _Grid:
    """A table of data while its rows are gathered. Cells that reach over others leave those empty."""

    rows: list[list[str]] = field(default_factory=list)
    row: list[str] = field(default_factory=list)
    covered: dict[int, int] = field(default_factory=dict)  # column: rows that a cell from above still reaches over
    caption: str = ""
    header_rows: int = 0

    def add(self, text: str, node: LexborNode) -> None:
        self._skip_covered()
        rows = _spanned(node, "rowspan") - 1
        for column in range(_spanned(node, "colspan") if len(self.row) < COLUMNS_EVEN else 1):
            if rows and len(self.row) < COLUMNS_EVEN:
                self.covered[len(self.row)] = rows
            self.row.append("" if column else text)

    def end_row(self, node: LexborNode) -> None:
        self._skip_covered()
        if self.header_rows == len(self.rows) and (_is_in_head(node) or not node.css_first("td")):
            self.header_rows += 1
        self.rows.append(self.row)
        self.row = []

    def _skip_covered(self) -> None:
        while self.covered.get(len(self.row)):
            self.covered[len(self.row)] -= 1
            self.row.append("")


class _Page:
    """Turns the tree's elements, as they open and close, into lines."""

    def __init__(self, writer: Writer, *, is_styled: bool) -> None:
        self.writer = writer
        self.is_styled = is_styled
        self.line: list[str] = []
        self.grid: _Grid | None = None  # of the table that is read; None outside tables of data
        self.mark = ""  # what the next line begins with
        self.preformatted = 0

    def add(self, text: str) -> None:
        self.line.append(text if self.preformatted else re.sub(r"\s+", " ", text))

    def open(self, node: LexborNode) -> bool:
        """False: nothing of it is seen."""
        tag = node.tag or ""
        if node.is_comment_node or tag in UNSEEN or node.attributes.get("aria-hidden") == "true":
            return False
        if _is_hidden(node, self.is_styled):
            self.writer.left_out["hidden text"] += len(node.text().strip())
            return False
        if tag == "img":
            self.writer.picture()
        if self.grid is not None:
            self.line.append(" " if tag in BLOCKS else "")
            return True
        if tag == "br" and not "".join(self.line).strip():
            self.writer.gap()
        if tag in BLOCKS:
            self.end_line()
        if tag in SEPARATE:
            self.writer.gap()
        self.mark = "- " if tag == "li" else self.mark
        self.preformatted += tag == "pre"
        if tag == "table" and _is_data(node):
            self.grid = _Grid()
        return True

    def close(self, node: LexborNode) -> None:
        tag = node.tag or ""
        if self.grid is not None:
            self._close_in_table(tag, node, self.grid)
        elif tag in HEADINGS:
            self.end_line(HEADINGS[tag])
        elif tag in BLOCKS:
            self.end_line()
        if tag in SEPARATE and self.grid is None:
            self.writer.gap()
        self.preformatted -= tag == "pre"

    def _close_in_table(self, tag: str, node: LexborNode, grid: _Grid) -> None:
        if tag in ("td", "th"):
            grid.add(self._taken(), node)
        elif tag == "tr":
            grid.end_row(node)
        elif tag == "caption":
            grid.caption = self._taken()
            self.writer.line(grid.caption)
        elif tag == "table":
            header_rows = grid.header_rows if grid.header_rows < len(grid.rows) else 0
            self.writer.table(grid.rows, header_rows=header_rows or None, name=grid.caption)
            self.grid = None

    def end_line(self, level: int = 0) -> None:
        text = "".join(self.line) if self.preformatted else self._taken()
        self.line.clear()
        if text.strip():
            self.writer.line(self.mark + text, level=level)
            self.mark = ""

    def _taken(self) -> str:
        text = " ".join("".join(self.line).split())
        self.line.clear()
        return text


def _is_hidden(node: LexborNode, is_styled: bool) -> bool:
    attributes = node.attributes
    if not attributes:
        return False
    style = attributes.get("style") or ""
    if "hidden" in attributes or (style and _HIDDEN.search(style)):
        return True
    letters = _WHITE_LETTERS.search(style) or _WHITE_ATTRIBUTE.fullmatch(attributes.get("color") or "")
    return bool(letters) and not _may_be_dark_below(node, is_styled)


def _may_be_dark_below(node: LexborNode | None, is_styled: bool) -> bool:
    """Whether white letters may stand on a ground of another colour: one that is given, or that a stylesheet gives."""
    for _ in range(ANCESTORS_MOST):
        if node is None or node.tag in ("html", "-undef"):
            return is_styled
        style = node.attributes.get("style") or ""
        ground = node.attributes.get("bgcolor") or ""
        if (
            _GROUND.search(style)
            or (ground and not _WHITE_ATTRIBUTE.fullmatch(ground))
            or "background" in node.attributes
        ):
            return True
        if _WHITE_GROUND.search(style) or ground:
            return False
        node = node.parent
    return True


def _is_in_head(row: LexborNode) -> bool:
    return row.parent is not None and row.parent.tag == "thead"


def _spanned(cell: LexborNode, attribute: str) -> int:
    value = (cell.attributes.get(attribute) or "").strip()
    return max(1, min(int(value), SPANNED_MOST)) if value.isdecimal() and len(value) < 6 else 1


def _is_data(table: LexborNode) -> bool:
    """Whether a table holds data, or only arranges the page."""
    if table.attributes.get("role") in ("presentation", "none"):
        return False
    cells = table.css("td, th")
    if len(cells) == 1 or table.css_first("td table, th table, h1, h2, h3, h4, h5, h6"):
        return False
    return all(len(cell.text()) <= CELL_MOST for cell in cells)
