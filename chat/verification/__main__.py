"""Look sentences up for another process, one after the other, as they come by standard input, until that ends."""

from __future__ import annotations

import traceback
from contextlib import suppress
from multiprocessing.connection import Connection

from chat.verification.aligning import Evidence
from chat.verification.claims import Claim, Judged, judge


def main() -> None:
    line = Connection(0)
    with suppress(EOFError, OSError):  # Who asked is gone.
        line.send(None)  # All is imported.
        while True:
            line.send(_judged(*line.recv()))


def _judged(claim: Claim, evidence: list[Evidence]) -> Judged | None:
    try:
        return judge(claim, evidence)
    except Exception:  # noqa: BLE001 - it shows again where it is asked for, and is told there
        traceback.print_exc()
        return None


if __name__ == "__main__":
    main()
