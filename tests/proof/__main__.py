"""The figures of the verifier: `python -m tests.proof [--half tuning|held-out|second|third] [--json] [--show KIND]`."""

from __future__ import annotations

import argparse
import json
import os
import sys

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

from tests.proof.cases import HALVES, SETS
from tests.proof.passages import NoMaterialError
from tests.proof.report import Outcome, causes, outcome, printed, report, told
from tests.proof.suite import KINDS, suite


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.proof", description=__doc__)
    parser.add_argument("--half", choices=SETS, help="only these; tuning and held-out when left out")
    parser.add_argument("--json", action="store_true", help="figures for programs")
    parser.add_argument("--show", choices=KINDS, metavar="KIND", help=f"the single cases: {', '.join(KINDS)}")
    parser.add_argument("--opinion", action="store_true", help="what a second opinion could change at most")
    parser.add_argument("--all", action="store_true", help="with --show: those judged rightly too")
    given = parser.parse_args()
    reports = {}
    for half in [given.half] if given.half else HALVES:
        try:
            cases = suite(half)
        except NoMaterialError as exc:
            print(exc, file=sys.stderr)
            return 1
        chosen = [case for case in cases if given.show in (None, case.kind)]
        outcomes = [outcome(case) for case in chosen]
        if given.json:
            reports[half] = report(outcomes)
            continue
        if given.opinion:
            print(f"\n== {half}: {len(outcomes)} sentences\n{_opinions(outcomes)}")
            continue
        print(f"\n== {half}: {len(outcomes)} sentences\n{printed(outcomes)}")
        print(*_listed(outcomes, half, bool(given.show), given.all), sep="\n")
    if given.json:
        print(json.dumps(reports, indent=1))
    return 0


def _opinions(outcomes: list[Outcome]) -> str:
    import django

    django.setup()  # The prompts know the library's models, the verifier none.
    from tests.proof import opinions

    return opinions.printed(outcomes)


def _listed(outcomes: list[Outcome], half: str, is_asked: bool, is_all: bool) -> list[str]:
    """What was judged wrongly; of the half that is kept out only when somebody asks for it."""
    wrong = [one for one in outcomes if is_all or one.is_flagged == one.case.is_true]
    if is_asked:
        return [told(one) for one in wrong]
    if half != "tuning":
        return ["\nFalse flags are listed of the tuning half only; --show lists these too, and spends them."]
    return ["\nFalse flags:", causes(outcomes), *(told(one) for one in wrong if one.case.is_true)]


if __name__ == "__main__":
    sys.exit(main())
