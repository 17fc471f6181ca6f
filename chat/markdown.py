"""An answer's Markdown as HTML that is safe to show. Pure.

What a model or a document wrote is hostile: raw HTML is off, images are never rendered, links lead to http, https or
mail and say where, and the result goes through an allow-list once more. Source numbers become links only for sources
of this answer; any other number in brackets vanishes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any, cast
from urllib.parse import SplitResult, urlsplit

import nh3
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline

MARKER = re.compile(r"\[(\d{1,3})\]")
TAGS = frozenset(
    "p br hr strong em del code pre ul ol li blockquote table thead tbody tr th td h3 h4 h5 a span div".split()
)
ATTRIBUTES = {
    "a": {"href", "class", "data-panel", "data-mark", "data-peek", "aria-label"},
    "td": {"class"},
    "th": {"class", "scope"},
    "pre": {"tabindex"},
    "div": {"class", "tabindex", "role", "aria-label"},
    "span": {"class"},
    "ol": {"start"},
}


@dataclass(frozen=True)
class Chip:
    """A source number one can click: where it leads, and what a reader of screens hears."""

    url: str  # "": nowhere yet
    panel_url: str
    peek_id: str
    label: str  # "Guide, page 4"


def render(text: str, chips: Mapping[int, Chip]) -> SafeString:
    """The answer as HTML; the k-th citation of a source carries data-mark k, from 0."""
    html = _markdown().render(text, {"chips": chips, "seen": {}})
    clean = nh3.clean(
        html,
        tags=TAGS,
        attributes=ATTRIBUTES,
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
    )
    return mark_safe(clean)  # noqa: S308 - it has just been through the allow-list


def _markdown() -> MarkdownIt:
    markdown = MarkdownIt("commonmark", {"html": False, "maxNesting": 30}).enable(["table", "strikethrough"])
    markdown.inline.ruler.before("link", "cite", _cite)
    markdown.validateLink = _leads_outside  # type: ignore[method-assign]
    cast("Any", markdown.renderer).rules |= RULES
    return markdown


def _leads_outside(url: str) -> bool:
    """No address of ours: what an answer says cannot make a reader's click do something here."""
    return _split(url).scheme in {"http", "https", "mailto"}


def _split(url: str) -> SplitResult:
    """The parts of an address; none of one that only looks like an address, such as `http://[1]:2]`."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


def _cite(state: StateInline, silent: bool) -> bool:
    """Take a number in brackets out of the text, whether or not there is a source of that number."""
    found = MARKER.match(state.src, state.pos, state.posMax)
    if not found:
        return False
    number = int(found[1])
    if not silent and number in state.env["chips"]:
        token = state.push("cite", "", 0)
        seen = state.env["seen"]
        token.meta = {"number": number, "mark": seen.get(number, 0)}
        seen[number] = seen.get(number, 0) + 1
    state.pos = found.end()
    return True


def _chip(tokens, at, options, env) -> str:
    number, mark = tokens[at].meta["number"], tokens[at].meta["mark"]
    chip: Chip = env["chips"][number]
    if not chip.url:
        return f'<span class="cite">{number}</span>'
    return (
        f'<a class="cite" href="{escape(chip.url)}" data-panel="{escape(chip.panel_url)}" data-mark="{mark}" '
        f'data-peek="{escape(chip.peek_id)}" aria-label="Source {number}: {escape(chip.label)}">{number}</a>'
    )


def _link(tokens, at, options, env) -> str:
    url = tokens[at].attrs["href"]
    host = _split(url).hostname
    env["host"] = f" ({escape(host)})" if host else ""
    return f'<a href="{escape(url)}">'


def _level(tag: str) -> str:
    """An answer stands under the page's own headings."""
    return f"h{min(int(tag[1]) + 2, 5)}"


# What a model writes may shape text, and nothing else; the names are markdown-it's.
RULES = {
    "cite": _chip,
    "image": lambda tokens, at, options, env: escape(tokens[at].content),
    "link_open": _link,
    "link_close": lambda tokens, at, options, env: f"</a>{env.pop('host', '')}",
    "heading_open": lambda tokens, at, options, env: f"<{_level(tokens[at].tag)}>",
    "heading_close": lambda tokens, at, options, env: f"</{_level(tokens[at].tag)}>\n",
    "table_open": lambda *_: '<div class="scroll-x" tabindex="0" role="group" aria-label="Table"><table>\n',
    "table_close": lambda *_: "</table></div>\n",
}
