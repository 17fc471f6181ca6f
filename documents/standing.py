"""Where a document stands, in words: its stage, its place in line, how long it took, what a person may want to know."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext, gettext_noop

from documents.models import FINDABLE, Attempt, Document, State
from project.translating import number, translated

# How many of the six steps (stored, read, cut, embedded, indexed, ready) lie behind a document.
STEPS = {
    State.EXTRACTING: 1,
    State.CHUNKING: 2,
    State.EMBEDDING: 3,
    State.INDEXING: 4,
    State.READY: 6,
    State.WARNING: 6,
}


@dataclass(frozen=True)
class Standing:
    """A shape and words for a state; of a running one also how far it is, and what a person may want to know."""

    words: str
    shape: str = "waiting"  # the icon: good, caution, bad, none or waiting
    step: int = 1
    how: str = ""  # "now" and "bad": of the step it stands at; "caution": of the reading, which lacks something
    note: str = ""

    @property
    def is_ready(self) -> bool:
        return self.shape == "good"


def standing(document: Document) -> Standing:
    if document.is_under_way:
        return _under_way(document, timezone.now())
    match document.state:
        case State.READY:
            return Standing(gettext("Ready"), "good", 6)
        case State.WARNING if not document.chunk_count:
            return Standing(gettext("Nothing in it can be found"), "caution", 6, "caution")
        case State.WARNING:
            return Standing(gettext("Ready, but not all of it"), "caution", 6, "caution")
        case State.FAILED:
            return _failed(document)
    return Standing(gettext("Cancelled"), "none", _reached(document), note=_before(document))


def _failed(document: Document) -> Standing:
    code = (document.error or {}).get("code")
    words = {"password": gettext("Asks for a password"), "interrupted": gettext("Interrupted")}.get(
        str(code), gettext("Failed")
    )
    return Standing(words, "bad", _reached(document), "bad", _before(document))


def _reached(document: Document) -> int:
    return 3 if document.page_count else 1


def _before(document: Document) -> str:
    return gettext("What was read of it before can still be asked.") if document.generation else ""


def _under_way(document: Document, now: datetime) -> Standing:
    step = STEPS.get(State(document.state), 1)
    note = translated(document.waits_for)
    if document.is_partly_live:
        note = f"{note} {gettext('What is read so far can be asked already.')}".strip()
    elif document.generation:
        note = f"{note} {gettext('What was read of it before can be asked meanwhile.')}".strip()
    if document.is_cut_off:
        return Standing(gettext("Interrupted, goes on by itself"), step=step, note=note)
    if document.not_before and document.not_before > now:
        wait = duration((document.not_before - now).total_seconds())
        return Standing(gettext("Waiting, tries again in %(time)s") % {"time": wait}, step=step, note=note)
    if document.lease_until is None:
        return Standing(_in_line(document), step=step, note=note)
    return Standing(_at_work(document), step=step, how="now", note=note)


def _in_line(document: Document) -> str:
    if document.before:
        return gettext("Waiting, %(n)s before it") % {"n": number(document.before)}
    return gettext("Waiting") if document.state == State.QUEUED else gettext("Waiting for its next turn")


def _at_work(document: Document) -> str:
    stage = gettext("Preparing") if document.state == State.QUEUED else str(document.get_state_display())
    if not document.total:
        return stage
    values = {"stage": stage, "n": number(document.done), "all": number(document.total)}
    if document.state == State.EXTRACTING:
        return gettext("%(stage)s, page %(n)s of %(all)s") % values
    return gettext("%(stage)s %(n)s of %(all)s") % values


def took_s(document: Document) -> float | None:
    """Seconds from the upload until it could be found; of a document that was read again, of that reading alone."""
    if document.state not in FINDABLE or document.finished_at is None:
        return None
    done = [attempt for attempt in document.attempts.all() if attempt.outcome == Attempt.Outcome.DONE]
    began = done[-1].began_at if len(done) > 1 else document.created_at
    return max(0.0, (document.finished_at - began).total_seconds())


# What a page's warning is called beside the page itself.
PAGE_WARNINGS = {
    "no recognition": gettext_noop("No words recognised"),
    "unsure": gettext_noop("Doubtful words"),
    "no layout": gettext_noop("Read without its layout"),
    "cut": gettext_noop("Too long, its end left out"),
}


def page_warning(warning: str) -> str:
    return gettext(PAGE_WARNINGS.get(warning, warning.capitalize()))


def why_withheld(kind: str, reason: str) -> str:
    """Why words of a page are kept out of answers.

    >>> why_withheld("hidden", "white on white"), why_withheld("instruction", "")
    ('not visible to a reader: white on white', 'speaks to a language model')
    """
    return (
        f"{gettext('not visible to a reader')}: {translated(reason)}"
        if kind == "hidden"
        else gettext("speaks to a language model")
    )


def duration(seconds: float) -> str:
    """
    >>> duration(0.84), duration(9.2), duration(125), duration(3_900), duration(180_000)
    ('0.8 s', '9 s', '2 min 5 s', '1 h 5 min', '50 h')
    """
    if seconds < 5:
        return f"{number_format(round(seconds, 1), 1)} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3_600:
        return f"{whole // 60} min {whole % 60} s".removesuffix(" 0 s")
    return f"{whole // 3_600} h {whole % 3_600 // 60} min".removesuffix(" 0 min")


def size(count: int) -> str:
    """
    >>> size(999), size(96_400), size(4_080_000), size(61_200_000), size(20_000_000_000)
    ('999 bytes', '96 kB', '4.1 MB', '61 MB', '20 GB')
    """
    for unit, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if count >= unit * 0.9995:
            tenths = count < 9.95 * unit and unit > 1_000 and round(count / unit, 1) % 1
            return f"{number_format(round(count / unit, 1), 1) if tenths else f'{count / unit:.0f}'} {name}"
    return gettext("%(n)s bytes") % {"n": count}
