"""Put the cases before the verifier and count, with Wilson's intervals."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from statistics import median

from chat.verification import Proof, verify
from tests.proof.cases import Case

Z = 1.959964
ALL = "number, unit, date, name, negation, scope, quotation, swapped citation, merged facts, added detail".split(", ")
TRUE = ("true", "free true")
# Whatever is wrong there must stand beside what is right: the span is checked where one sentence proves or disproves.
SPANNED = frozenset(("number", "unit", "date", "name", "negation", "scope", "quotation", "citation put right", *TRUE))


@dataclass(frozen=True)
class Outcome:
    case: Case
    proof: Proof | None
    ms: float

    @property
    def verdict(self) -> str:
        return str(self.proof.verdict) if self.proof else "none"

    @property
    def reason(self) -> str:
        return str(self.proof.reason) if self.proof and self.proof.reason else ""

    @property
    def is_flagged(self) -> bool:
        """Whether the reader is told: with a mark, or by a marker that leads to another passage than the cited one."""
        spans = self.proof.spans if self.proof else ()
        is_led_away = self.verdict == "supported" and spans and all(one > len(self.case.cited) for one, _, _ in spans)
        return self.verdict in ("partly", "unsupported") or bool(is_led_away)

    @property
    def has_right_reason(self) -> bool:
        return self.verdict == "supported" or not self.case.reasons or self.reason in self.case.reasons

    @property
    def has_right_span(self) -> bool:
        """Whether words that are pointed at lie in what proves the sentence, or would have."""
        spans = self.proof.spans if self.proof else ()
        return any(
            number - 1 == index and start < right and left < end
            for number, start, end in spans
            for index, left, right in self.case.proof
        )


def outcome(case: Case) -> Outcome:
    cited = [passage.evidence(number) for number, passage in enumerate(case.cited, 1)]
    others = [passage.evidence(number) for number, passage in enumerate(case.others, len(cited) + 1)]
    began = time.thread_time()  # What else runs on the machine does not count.
    proof = verify(case.sentence, cited, others, case.lead)
    return Outcome(case, proof, (time.thread_time() - began) * 1000)


def wilson(hits: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a share.

    >>> [round(bound, 3) for bound in wilson(95, 100)]
    [0.888, 0.978]
    """
    if not of:
        return 0.0, 1.0
    share, extra = hits / of, Z * Z / of
    middle = (share + extra / 2) / (1 + extra)
    margin = Z * (share * (1 - share) / of + extra / (4 * of)) ** 0.5 / (1 + extra)
    return max(0.0, middle - margin), min(1.0, middle + margin)


def share(hits: int, of: int) -> dict[str, float | int]:
    low, high = wilson(hits, of)
    return {"of": of, "hits": hits, "share": hits / of if of else 0.0, "low": low, "high": high}


def figures(outcomes: list[Outcome]) -> dict[str, dict]:
    """By kind: how many were flagged, called unsupported, given the right reason and the right words."""
    found = {}
    for kind in dict.fromkeys(one.case.kind for one in outcomes):
        of_kind = [one for one in outcomes if one.case.kind == kind]
        flagged = [one for one in of_kind if one.is_flagged]
        judged = [one for one in flagged if one.case.reasons]
        pointed = [one for one in of_kind if kind in SPANNED and one.case.proof and one.proof]
        found[kind] = {
            "flagged": share(len(flagged), len(of_kind)),
            "unsupported": share(sum(one.verdict == "unsupported" for one in of_kind), len(of_kind)),
            "no verdict": sum(one.proof is None for one in of_kind),
            "right reason": share(sum(one.has_right_reason for one in judged), len(judged)),
            "right span": share(sum(one.has_right_span for one in pointed), len(pointed)),
            "ms": {"median": median(one.ms for one in of_kind), "most": max(one.ms for one in of_kind)},
        }
    return found


def summed(found: dict[str, dict]) -> dict[str, dict]:
    """Reason over all planted kinds, span over true sentences and over faults."""

    def over(what: str, kinds: tuple[str, ...] | list[str]) -> dict[str, float | int]:
        held = [found[kind][what] for kind in kinds if kind in found]
        return share(sum(one["hits"] for one in held), sum(one["of"] for one in held))

    return {
        "right reason": over("right reason", ALL),
        "right span, true": over("right span", TRUE),
        "right span, faults": over("right span", ALL),
    }


def printed(outcomes: list[Outcome]) -> str:
    found = figures(outcomes)
    lines = [f"{'kind':17}{'n':>5}  {'flagged (95 %)':22}{'unsupported (95 %)':22}{'reason':>8}{'span':>8}{'ms':>7}"]
    for kind, row in found.items():
        reason, span = (
            f"{row[what]['share']:.1%}" if row[what]["of"] else "" for what in ("right reason", "right span")
        )
        lines.append(
            f"{kind:17}{row['flagged']['of']:5}  {_cell(row['flagged']):22}{_cell(row['unsupported']):22}"
            f"{reason:>8}{span:>8}{row['ms']['median']:7.1f}"
        )
    lines += [f"{what}: {_cell(one)} of {one['of']}" for what, one in summed(found).items()]
    took = sorted(one.ms for one in outcomes)
    lines.append(f"ms a sentence: mean {sum(took) / len(took):.1f}, 95th of 100 {took[int(len(took) * 0.95)]:.1f}")
    return "\n".join(lines)


def _cell(one: dict) -> str:
    return f"{one['share']:6.1%} ({one['low']:.1%}–{one['high']:.1%})"


def told(one: Outcome) -> str:
    """One outcome in a few lines, to be read by a person."""
    case, proof = one.case, one.proof
    why = f"{proof.reason}: {proof.said!r} / {proof.shown!r}" if proof and proof.reason else ""
    place = f"{case.cited[0].document} p{case.cited[0].page}@{case.cited[0].start}"
    stands = " … ".join(
        " ".join((case.cited + case.others)[index].text[start:end].split()) for index, start, end in case.proof
    )
    lead = f" [{case.lead}]" if case.lead else ""
    return (
        f"- {one.verdict} {why}\n  {place}{lead} ({case.changed})\n  said:  {case.sentence}\n  stands: {stands[:600]}"
    )


def causes(outcomes: list[Outcome]) -> str:
    """How often which reason flagged a true sentence."""
    counted = Counter(
        (one.case.kind, one.reason, one.verdict) for one in outcomes if one.case.is_true and one.is_flagged
    )
    return "\n".join(
        f"{count:4} {kind}: {reason} ({verdict})" for (kind, reason, verdict), count in counted.most_common()
    )


def report(outcomes: list[Outcome]) -> dict[str, dict]:
    """The figures of all kinds and over them, for programs."""
    found = figures(outcomes)
    return {"kinds": found, **summed(found)}
