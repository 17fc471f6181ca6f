"""What was found of an answer's sentences: as it is kept with the answer, and as it is told to a person."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.safestring import SafeString
from django.utils.translation import gettext, gettext_lazy, ngettext

from chat.markdown import Chip, Mark, bold
from chat.proof.written import Placed
from chat.verification import Reason, Verdict

WORDS_MOST = 160  # Letters of a passage that a reason quotes.
QUOTES_MOST = 3
STRIP_MOST = 60  # More sentences are told in words alone.
LABELS = {
    Verdict.PARTLY: gettext_lazy("Partly supported"),
    Verdict.UNSUPPORTED: gettext_lazy("Not supported"),
}
HEADS = {
    Verdict.PARTLY: gettext_lazy("Only a part of this stands in the source."),
    Verdict.UNSUPPORTED: gettext_lazy("The sources do not bear this out."),
}
SAYS_OTHERWISE = {Reason.NUMBER, Reason.UNIT, Reason.DATE, Reason.NAME}
REASONS = {  # By whether the passage's own words are known.
    (Reason.QUOTATION, False): gettext_lazy("The words “%(said)s” do not stand in the passage as they are quoted."),
    (Reason.NO_MATCH, False): gettext_lazy("The passage does not say “%(said)s”."),
    (Reason.NEGATION, True): gettext_lazy("The passage says the opposite: “%(shown)s”"),
    (Reason.NEGATION, False): gettext_lazy("The passage says the opposite of “%(said)s”."),
    (Reason.NAME, False): gettext_lazy("No passage names %(said)s."),
    (Reason.SCOPE, True): gettext_lazy("The passage says “%(shown)s”, the answer “%(said)s”."),
    (Reason.SCOPE, False): gettext_lazy("The passage says less than “%(said)s”."),
}


def kept_proofs(placed: Iterable[Placed], numbers: Mapping[int, int]) -> list[dict[str, Any]]:
    """A row for each sentence, in their order. `numbers` are the sources, as offered -> as shown.

    A place is a span of the answer's content; a span is a source with a stretch of its page.
    """
    return [_kept(each, numbers) for each in placed if each.proved.proof or each.proved.spans]


def _kept(placed: Placed, numbers: Mapping[int, int]) -> dict[str, Any]:
    proved = placed.proved
    proof = proved.proof
    row: dict[str, Any] = {
        "start": placed.start,
        "end": placed.end,
        "verdict": proof.verdict.value if proof else "",
        "spans": [[numbers[number], start, end] for number, start, end in proved.spans if number in numbers],
    }
    if proof and proof.reason:
        row |= {"reason": proof.reason.value, "said": proof.said[:WORDS_MOST], "shown": _short(proof.shown)}
    if proved.is_corrected:
        row["named"] = [numbers[number] for number in proved.cited if number in numbers]
    if proved.instead is not None:
        row["words"] = proved.words  # As they were written first.
    if proved.by_model:
        row["by_model"] = True
    return row


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= WORDS_MOST else f"{text[: WORDS_MOST - 1].rpartition(' ')[0]}…"


def why(row: Mapping[str, Any]) -> str:
    """The reason of a verdict, in words a person understands."""
    reason, said, shown = Reason(row["reason"]), row.get("said", ""), row.get("shown", "")
    if reason in SAYS_OTHERWISE and shown and said:
        return gettext("The passage says %(shown)s, not %(said)s.") % {"shown": shown, "said": said}
    if reason is Reason.NO_MATCH and not said:
        return gettext("No passage says this.")
    template = REASONS.get((reason, bool(shown)))
    if template is None and (reason, False) in REASONS:
        template = REASONS[reason, False]
    return (str(template) if template else gettext("“%(said)s” stands in none of the passages.")) % {
        "said": said,
        "shown": shown,
    }


@dataclass(frozen=True)
class Doubt:
    """A sentence that its sources bear out only in part, or not at all."""

    id: str
    label: str
    why: str
    quote: str
    chip: Chip | None


@dataclass(frozen=True)
class Strip:
    """How many of an answer's sentences stand in their sources."""

    verdicts: Sequence[str]
    corrected: int = 0
    rewritten: int = 0

    @property
    def blocks(self) -> list[tuple[int, str]]:
        """Where each sentence's block begins, and its verdict; none for a long answer, which is told in words."""
        return (
            [(at * 11, verdict) for at, verdict in enumerate(self.verdicts)] if len(self.verdicts) <= STRIP_MOST else []
        )

    @property
    def width(self) -> int:
        return 11 * len(self.verdicts)

    def count(self, verdict: Verdict) -> int:
        return sum(each == verdict for each in self.verdicts)

    @property
    def html(self) -> SafeString:
        """The first figure is set in bold."""
        return bold(self.sentence)

    @property
    def sentence(self) -> str:
        """ "**7 of 8** sentences stand in the sources. 1 does not." """
        number, good = len(self.verdicts), self.count(Verdict.SUPPORTED)
        told = ngettext(
            "**%(good)d of %(number)d** sentence stands in the sources.",
            "**%(good)d of %(number)d** sentences stand in the sources.",
            number,
        ) % {"good": good, "number": number}
        if partly := self.count(Verdict.PARTLY):
            told += " " + ngettext("%(n)d does in part.", "%(n)d do in part.", partly) % {"n": partly}
        if bad := self.count(Verdict.UNSUPPORTED):
            told += " " + ngettext("%(n)d does not.", "%(n)d do not.", bad) % {"n": bad}
        if self.corrected:
            told += " " + ngettext(
                "%(n)d source number was put right.", "%(n)d source numbers were put right.", self.corrected
            ) % {"n": self.corrected}
        if self.rewritten:
            told += " " + ngettext(
                "%(n)d was written again from the sources.",
                "%(n)d were written again from the sources.",
                self.rewritten,
            ) % {"n": self.rewritten}
        return told


def strip_of(rows: Sequence[Mapping[str, Any]]) -> Strip | None:
    """None where nothing was checked."""
    shown = [row for row in rows if row["verdict"] and not is_left_out(row)]
    if not shown:
        return None
    corrected = sum("named" in row for row in shown)
    return Strip([row["verdict"] for row in shown], corrected, sum("words" in row for row in shown))


def is_left_out(row: Mapping[str, Any]) -> bool:
    return row["start"] == row["end"]


def left_out(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """The sentences that were left out, each with the reason."""
    return [(row["words"], why(row)) for row in rows if is_left_out(row)]


def marks_of(rows: Sequence[Mapping[str, Any]], prefix: str, chips: Mapping[int, Chip]) -> list[Mark]:
    """The sentences for the renderer: what each rests on, and what is drawn of its verdict."""
    marks = []
    for at, row in enumerate(rows):
        if is_left_out(row):
            continue
        verdict = row["verdict"] if row["verdict"] in LABELS else ""
        marks.append(
            Mark(
                row["start"],
                row["end"],
                verdict,
                {number: [(a, b) for n, a, b in row["spans"] if n == number] for number, _, _ in row["spans"]},
                label=str(LABELS[Verdict(verdict)]) if verdict else "",
                head=str(HEADS[Verdict(verdict)]) if verdict else "",
                why=why(row) if verdict else "",
                peek_id=_peek_id(prefix, at),
                source=_source(row, chips) if verdict else None,
                show=gettext("Show the page"),
            )
        )
    return marks


def doubts_of(
    rows: Sequence[Mapping[str, Any]], prefix: str, chips: Mapping[int, Chip], texts: Mapping[int, tuple[int, str]]
) -> list[Doubt]:
    """What the floating notes tell of sentences that stand in part. `texts` are the passages, with where they begin."""
    return [
        Doubt(
            _peek_id(prefix, at),
            str(LABELS[Verdict.PARTLY]),
            why(row),
            " … ".join(_quoted(number, start, end, texts) for number, start, end in row["spans"][:QUOTES_MOST]),
            _source(row, chips),
        )
        for at, row in enumerate(rows)
        if row["verdict"] == Verdict.PARTLY and not is_left_out(row)
    ]


def _peek_id(prefix: str, at: int) -> str:
    return f"why-{prefix}-{at}"


def _quoted(number: int, start: int, end: int, texts: Mapping[int, tuple[int, str]]) -> str:
    begins, text = texts.get(number, (0, ""))
    return text[max(0, start - begins) : max(0, end - begins)]


def _source(row: Mapping[str, Any], chips: Mapping[int, Chip]) -> Chip | None:
    return next((chips[number] for number, _, _ in row["spans"] if number in chips and chips[number].url), None)
