"""A sentence of an answer and what becomes of it, in plain values that another process can be given. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from chat.verification.aligning import Evidence, amounts_in
from chat.verification.judging import verify
from chat.verification.locating import locate
from chat.verification.verdicts import Proof, Reason, Verdict


@dataclass(frozen=True)
class Claim:
    """What a sentence says, and the sources it names; `inherited` are those of what it hangs on."""

    words: str
    lead: str = ""
    cited: tuple[int, ...] = ()
    inherited: tuple[int, ...] = ()
    is_stated: bool = True
    is_computed: bool = False  # Code has reckoned with more than the passages show: no figure is held against anybody.
    is_told: bool = False  # A program's own tools may have told it: nor is a sentence that names no passage.

    @property
    def named(self) -> tuple[int, ...]:
        return self.cited or self.inherited


@dataclass(frozen=True)
class Judged:
    """What became of it; `spans` are (passage's number, start, end) of the words to be lit."""

    proof: Proof | None
    cites: tuple[int, ...] = ()
    spans: tuple[tuple[int, int, int], ...] = ()


def judge(claim: Claim, evidence: Sequence[Evidence]) -> Judged:
    """Against the passages it names, and failing those against the others."""
    cited = [each for each in evidence if each.number in claim.named]
    others = [each for each in evidence if each.number not in claim.named]
    proof = verify(claim.words, cited, others, claim.lead) if claim.is_stated else None
    if proof and proof.verdict is not Verdict.SUPPORTED and _is_elsewhere(claim):
        proof = None
    cites = _cites(claim, proof)
    texts = {each.number: each.text for each in evidence}
    return Judged(proof, cites, tuple(_spans(claim, proof, cites, texts)))


def _is_elsewhere(claim: Claim) -> bool:
    return (claim.is_computed and bool(amounts_in(claim.words))) or (claim.is_told and not claim.named)


def _cites(claim: Claim, proof: Proof | None) -> tuple[int, ...]:
    """Its own numbers, unless another passage carries it and none of those does."""
    carried = proof.numbers if proof and proof.verdict is Verdict.SUPPORTED else []
    if not carried or any(number in carried for number in claim.named):
        return claim.cited
    return tuple(carried)


def _spans(
    claim: Claim, proof: Proof | None, cites: Sequence[int], texts: Mapping[int, str]
) -> Iterator[tuple[int, int, int]]:
    """The words in the passages. A source that is named and that the proof did without is looked up by words alone."""
    if proof is not None and (proof.verdict is not Verdict.UNSUPPORTED or proof.reason is not Reason.NO_MATCH):
        yield from proof.spans
    if proof is None or proof.verdict is Verdict.SUPPORTED:
        carried = proof.numbers if proof else []
        for number in cites:
            if number not in carried and (span := locate(claim.words, texts[number])):
                yield number, *span
