"""Sentences written by hand as a good language model would answer, true and false, each with its passage's key.

The passages themselves are read from the documents; a distinctive quotation finds each again however it is cut.
"""

from __future__ import annotations

import json
from pathlib import Path

from tests.proof.cases import Case, company, covered
from tests.proof.passages import Passage, passages

FOLDER = Path(__file__).parent


def free_cases(half: str) -> list[Case]:
    """Every sentence of the half's file, if it has one. Raises LookupError for one whose passage is not to be found."""
    path = FOLDER / f"free-{half}.jsonl"
    return [_case(json.loads(line)) for line in path.open(encoding="utf-8")] if path.is_file() else []


def _case(row: dict) -> Case:
    passage = _passage(row["document"], row["page"], row["quote"], row["sentence"])
    kind = f"free {row['kind']}"
    return Case(kind, row["sentence"], (passage,), company(passage), row["lead"], f"near “{row['quote']}”")


def _passage(document: str, page: int, quote: str, sentence: str) -> Passage:
    """Where two passages overlap and both hold the quotation, the one that has more of the sentence's words."""
    wanted = " ".join(quote.split())
    found = [
        passage
        for passage in passages()
        if (passage.document, passage.page) == (document, page) and wanted in " ".join(passage.text.split())
    ]
    if not found:
        raise LookupError(f"No passage of {document}, page {page}, holds “{quote}”.")
    return max(found, key=lambda passage: covered(sentence, passage))
