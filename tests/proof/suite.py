"""The whole suite of a half: planted faults, near-verbatim true sentences, and those written by hand."""

from __future__ import annotations

from tests.proof import ties, values, wording
from tests.proof.cases import Case, Plant, drawn
from tests.proof.free import free_cases
from tests.proof.truths import true_case

PLANTS: dict[str, tuple[Plant, int]] = {
    "true": (true_case, 300),
    "number": (values.number, 100),
    "unit": (values.unit, 80),
    "date": (values.date, 100),
    "name": (values.name, 80),
    "negation": (wording.negation, 100),
    "scope": (wording.scope, 100),
    "quotation": (wording.quotation, 100),
    "swapped citation": (ties.swapped, 100),
    "citation put right": (ties.put_right, 60),
    "merged facts": (ties.merged, 80),
    "added detail": (ties.added, 100),
}
KINDS = (*PLANTS, "free true", "free false")


def suite(half: str) -> list[Case]:
    """Every case of a half, the same on every run; of the further held-out sets only what was written by hand.

    Raises NoMaterialError.
    """
    planted = [case for kind, (plant, wanted) in PLANTS.items() for case in drawn(kind, half, plant, wanted)]
    return planted + sorted(free_cases(half), key=lambda case: case.kind, reverse=True)
