"""An answer's Markdown as HTML that is safe to show. Pure.

What a model or a document wrote is hostile: raw HTML is off, images are never rendered, links lead to http, https or
mail and say where, and the result goes through an allow-list once more. Source numbers become links only for sources
of this answer; any other number in brackets vanishes. A sentence that its sources do not bear out is marked: by its
line, by a word that is read out, and by a sign or a note with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, cast
from urllib.parse import SplitResult, urlsplit

import nh3
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext
from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline

MARKER = re.compile(r"\[(\d{1,3})\]")
EDGE = "\ue000"
FENCES = ("```", "~~~")
TURNS = dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A)), "\u2060")  # They would show a 12 as a 21.
EDGE_SIGN = re.compile(r"\[\ue000(\d+)([+-]);")
TAGS = frozenset(
    "p br hr strong em del code pre ul ol li blockquote table thead tbody tr th td h3 h4 h5 "
    "a bdi span div button".split()
)
ATTRIBUTES = {
    "a": {"href", "class", "data-panel", "data-mark", "data-peek", "aria-label"},
    "button": {"type", "class", "popovertarget", "data-peek", "aria-label"},
    "td": {"class"},
    "th": {"class", "scope"},
    "pre": {"tabindex"},
    "div": {"class", "tabindex", "role", "aria-label"},
    "bdi": {"class"},
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
    marks: Sequence[tuple[int, int]] = ()  # stretches of its page that the answer rests on


@dataclass(frozen=True)
class Mark:
    """A sentence of the answer, as a span of its text: what it rests on, and what is to be drawn of its verdict."""

    start: int
    end: int
    kind: str  # "": nothing is drawn; partly; unsupported
    spans: Mapping[int, Sequence[tuple[int, int]]]  # by source number
    label: str = ""
    head: str = ""
    why: str = ""
    peek_id: str = ""
    source: Chip | None = None
    show: str = ""


def render(text: str, chips: Mapping[int, Chip], marks: Sequence[Mark] = ()) -> SafeString:
    """The answer as HTML; a number carries, in data-mark, which of its source's marks its sentence rests on."""
    env = {"chips": chips, "seen": {}, "marks": marks, "now": None, "notes": []}
    html = _markdown().render(_with_edges(text.replace(EDGE, "\ufffd").translate(TURNS), marks), env)
    clean = nh3.clean(
        EDGE_SIGN.sub("", html),
        tags=TAGS,
        attributes=ATTRIBUTES,
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
    )
    return mark_safe(clean)  # noqa: S308 - it has just been through the allow-list


def bold(text: str) -> SafeString:
    """A line of our own, in which only **this** is more than text."""
    return mark_safe(re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", escape(text)))  # noqa: S308 - escaped first


def _with_edges(text: str, marks: Sequence[Mark]) -> str:
    """Put a sign where each sentence begins and ends: punctuation to Markdown, and nothing that a model can write."""
    shown = [(at, mark) for at, mark in enumerate(marks) if not text.startswith(FENCES, mark.start)]
    edges = [(mark.end, 0, at) for at, mark in shown] + [(mark.start, 1, at) for at, mark in shown]
    for place, begins, at in sorted(edges, reverse=True):
        text = f"{text[:place]}[{EDGE}{at}{'+' if begins else '-'};{text[place:]}"
    return text


def _markdown() -> MarkdownIt:
    markdown = MarkdownIt("commonmark", {"html": False, "maxNesting": 30}).enable(["table", "strikethrough"])
    markdown.inline.ruler.before("link", "cite", _cite)
    markdown.inline.ruler.before("cite", "edge", _edge)
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


def _edge(state: StateInline, silent: bool) -> bool:
    """The beginning or the end of a sentence."""
    found = EDGE_SIGN.match(state.src, state.pos, state.posMax)
    if not found:
        return False
    if not silent:
        state.push("edge", "", 0).meta = {"at": int(found[1]), "begins": found[2] == "+"}
    state.pos = found.end()
    return True


def _chip(tokens, at, options, env) -> str:
    number = tokens[at].meta["number"]
    chip: Chip = env["chips"][number]
    if not chip.url:
        return f'<span class="cite">{number}</span>'
    label = gettext("Source %(number)s: %(source)s") % {"number": number, "source": chip.label}
    return (
        f'<a class="cite" href="{escape(chip.url)}" data-panel="{escape(chip.panel_url)}" '
        f'data-mark="{_lit(number, chip, tokens[at].meta["mark"], env)}" '
        f'data-peek="{escape(chip.peek_id)}" aria-label="{escape(label)}">{number}</a>'
    )


def _lit(number: int, chip: Chip, seen: int, env) -> str:
    """Which of the source's marks the sentence rests on; without proofs, the one for this time it is cited."""
    if not env["marks"]:
        return str(seen)
    spans = env["now"].spans.get(number, ()) if env["now"] else ()
    return " ".join(str(chip.marks.index(span)) for span in spans if span in chip.marks)


def _draw_edge(tokens, at, options, env) -> str:
    """What is drawn of a verdict: a word that is read out before the sentence, a sign or a note behind it."""
    meta = tokens[at].meta
    mark: Mark = env["marks"][meta["at"]]
    env["now"], env["line"] = mark, mark.kind if meta["begins"] else ""
    if meta["begins"]:
        # Set apart: the direction of an answer is that of its own first letter.
        return f'<bdi class="hidden-text">{escape(mark.label)}: </bdi>' if mark.kind else ""
    if mark.kind == "partly":
        return (
            f'<button class="mark mark--partly" type="button" popovertarget="{escape(mark.peek_id)}" '
            f'data-peek="{escape(mark.peek_id)}" aria-label="{escape(f"{mark.label}: {mark.why}")}"></button>'
        )
    if mark.kind:
        env["notes"].append(mark)
    return ""


def _text(tokens, at, options, env) -> str:
    """Words, under the line of the sentence they stand in: never around other tags, so that those nest as they like."""
    line, words = env.get("line"), escape(tokens[at].content, quote=False)
    return f'<span class="{line}">{words}</span>' if line and words else words


def _code(tokens, at, options, env) -> str:
    return f"<code>{_text(tokens, at, options, env)}</code>"


def _notes(env) -> str:
    """The reasons, below the paragraph, list or table in which something is not borne out."""
    notes, env["notes"] = env["notes"], []
    return "".join(_note(mark) for mark in notes)


def _note(mark: Mark) -> str:
    link = mark.source and (
        f'<p><a class="link" href="{escape(mark.source.url)}" data-panel="{escape(mark.source.panel_url)}">'
        f"{escape(mark.show)}</a></p>"
    )
    told = f"<p><strong>{escape(mark.head)}</strong> {escape(mark.why)}</p>"
    return f'<div class="why" role="note"><span class="why__sign"></span><div>{told}{link or ""}</div></div>\n'


def _closing(html: str):
    """The end of a block; behind one that stands in no other come the notes on its sentences."""

    def draw(tokens, at, options, env) -> str:
        token = tokens[at]
        own = "" if token.hidden else (html or f"</{_level(token.tag) if token.tag[0] == 'h' else token.tag}>\n")
        return own + (_notes(env) if token.level == 0 else "")

    return draw


def _link(tokens, at, options, env) -> str:
    url = tokens[at].attrs["href"]
    host = _split(url).hostname
    env["host"] = f" ({escape(host)})" if host else ""
    return f'<a href="{escape(url)}">'


def _table(tokens, at, options, env) -> str:
    return f'<div class="scroll-x" tabindex="0" role="group" aria-label="{escape(gettext("Table"))}"><table>\n'


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
    "heading_close": _closing(""),
    "paragraph_close": _closing(""),
    "bullet_list_close": _closing(""),
    "ordered_list_close": _closing(""),
    "blockquote_close": _closing(""),
    "table_open": _table,
    "table_close": _closing("</table></div>\n"),
    "edge": _draw_edge,
    "text": _text,
    "code_inline": _code,
}
