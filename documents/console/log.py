"""What a worker's log says of one document."""

from __future__ import annotations

import os
from pathlib import Path

LAST_BYTES = 2_000_000
LINES_MOST = 40
LETTERS_MOST = 400


def log_lines(path: Path, name: str) -> list[str] | None:
    """The last lines that name it; None where there is no such file, as when workers run on other machines."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - LAST_BYTES))
            lines = file.read(LAST_BYTES).decode("utf-8", "replace").splitlines()
    except OSError:
        return None
    named = [line for line in lines if name in line]
    return ["".join(letter for letter in line if letter.isprintable())[:LETTERS_MOST] for line in named[-LINES_MOST:]]
