"""HTML: what a reader sees, without scripts, navigation and what is hidden. Nothing it names is ever fetched."""

from __future__ import annotations

import re
from collections.abc import Iterator

from selectolax.lexbor import LexborHTMLParser, LexborNode

from documents.extraction.drafts import Draft, Writer, clean, in_pages
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
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)


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
    tree = LexborHTMLParser(clean(source))
    page = _Page()
    if tree.root:
        _walk(tree.root, page)
    page.end_line()
    named = tree.css_first("head title")
    first = next((text for _, level, text in page.writer.headings if level == 1), "")
    return page.writer.draft((named.text() if named else "").strip() or first)


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


class _Page:
    """Turns the tree's elements, as they open and close, into lines."""

    def __init__(self) -> None:
        self.writer = Writer()
        self.line: list[str] = []
        self.cells: list[str] | None = None  # of the row that is read; None outside tables of data
        self.mark = ""  # what the next line begins with
        self.preformatted = 0

    def add(self, text: str) -> None:
        self.line.append(text if self.preformatted else re.sub(r"\s+", " ", text))

    def open(self, node: LexborNode) -> bool:
        """False: nothing of it is seen."""
        tag = node.tag or ""
        if node.is_comment_node or tag in UNSEEN or _is_hidden(node):
            return False
        if self.cells is not None:
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
            self.cells = []
        return True

    def close(self, node: LexborNode) -> None:
        tag = node.tag or ""
        if self.cells is not None:
            self._close_in_table(tag, self.cells)
        elif tag in HEADINGS:
            self.end_line(HEADINGS[tag])
        elif tag in BLOCKS:
            self.end_line()
        if tag in SEPARATE and self.cells is None:
            self.writer.gap()
        self.preformatted -= tag == "pre"

    def _close_in_table(self, tag: str, cells: list[str]) -> None:
        if tag in ("td", "th"):
            cells.append(self._taken())
        elif tag == "tr":
            self.writer.line(" | ".join(cells) if any(cells) else "")
            cells.clear()
        elif tag == "caption":
            self.writer.line(self._taken())
        elif tag == "table":
            self.cells = None

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


def _is_hidden(node: LexborNode) -> bool:
    attributes = node.attributes
    if not attributes:
        return False
    style = attributes.get("style") or ""
    return "hidden" in attributes or attributes.get("aria-hidden") == "true" or bool(_HIDDEN.search(style))


def _is_data(table: LexborNode) -> bool:
    """Whether a table holds data, or only arranges the page."""
    if table.attributes.get("role") in ("presentation", "none"):
        return False
    if table.css_first("td table, th table, h1, h2, h3, h4, h5, h6"):
        return False
    return all(len(cell.text()) <= CELL_MOST for cell in table.css("td, th"))
