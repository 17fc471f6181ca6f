"""What a second opinion could change at most, and what it costs: reckoned, for no model is asked here.

A judge that is always right, or in four of five cases, is put in the place of the model. That says nothing of what a
real one does; it bounds what asking one can be worth.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from types import SimpleNamespace

from chat.prompts import JUDGING, about_sentences
from project.tokens import count_messages, count_tokens
from tests.proof.report import Outcome

PASSAGES = 5  # of an answer
SENTENCES = 5
RIGHT = (1.0, 0.8)
ROOM = 100_000


def bounds(outcomes: Sequence[Outcome]) -> dict[str, dict]:
    """By kind: the share flagged, and called unsupported, by the rules alone and with each judge of what is partly.

    A judge that errs says of a true sentence that it is unsupported, of a false one that it is supported.
    """
    found = {}
    for kind in dict.fromkeys(one.case.kind for one in outcomes):
        of_kind = [one for one in outcomes if one.case.kind == kind]
        flagged, wrong, doubted = (
            sum(test(one) for one in of_kind) / len(of_kind)
            for test in (lambda one: one.is_flagged, lambda one: one.verdict == "unsupported", is_doubted)
        )
        is_true = of_kind[0].case.is_true
        row = {"of": len(of_kind), "partly": doubted, "flagged": flagged, "unsupported": wrong}
        for right in RIGHT:
            kept = doubted * (1 - right if is_true else right)
            row[f"judge {right:.0%}"] = {"flagged": flagged - doubted + kept, "unsupported": wrong + kept}
        found[kind] = row
    return found


def is_doubted(one: Outcome) -> bool:
    return one.verdict == "partly"


def cost(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """How often an answer of true sentences is asked about, and the tokens that such a call sends."""
    true = [one for one in outcomes if one.case.is_true]
    rate = sum(map(is_doubted, true)) / len(true) if true else 0.0
    sent = sorted(map(_tokens, filter(is_doubted, outcomes)))
    return {
        "calls an answer": 1 - (1 - rate) ** SENTENCES,
        "tokens sent, median": median(sent) if sent else 0,
        "tokens sent, most": sent[-1] if sent else 0,
    }


def _tokens(one: Outcome) -> int:
    """Of a call about this sentence alone, with as many passages as an answer has."""
    case = one.case
    shown = [*case.cited, *case.others]
    shown = (shown * PASSAGES)[:PASSAGES]
    passages = [
        SimpleNamespace(
            document_title=each.document,
            page_label="",
            page_number=each.page,
            section=each.around,
            header="",
            text=each.text,
        )
        for each in shown
    ]
    messages = about_sentences(JUDGING, "What?", [(1, case.sentence)], passages, room=ROOM, count=count_tokens)  # type: ignore[arg-type]
    return count_messages(messages, count_tokens)


def printed(outcomes: Sequence[Outcome]) -> str:
    lines = [f"{'kind':17}{'n':>5}{'partly':>8}   flagged: rules, judge 100 %, 80 %   unsupported: rules, 100 %, 80 %"]
    for kind, row in bounds(outcomes).items():
        shares = [
            f"{each:7.1%}"
            for what in ("flagged", "unsupported")
            for each in (row[what], *(row[f"judge {right:.0%}"][what] for right in RIGHT))
        ]
        lines.append(f"{kind:17}{row['of']:5}{row['partly']:8.1%}   {'  '.join(shares)}")
    return "\n".join([*lines, *(f"{name}: {value:.2f}" for name, value in cost(outcomes).items())])
