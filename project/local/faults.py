"""What can go wrong on this machine, in words."""

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

FIRST_START_BYTES = 300_000_000
NO_ROOM = "There is no room left to store this. Tell your administrator: the disk is full."


class LocalError(Exception):
    """The embedded services cannot run here; str(exc) tells a person what, why and what to do."""


@contextlib.contextmanager
def in_words(data_dir: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        if has_no_room(exc):
            raise LocalError(disk_full(data_dir, "no space is left")) from exc
        raise LocalError(
            f"The data folder {data_dir} cannot be written: {exc.strerror} ({exc.filename}). "
            "Give its owner the right to write there, or choose another folder with LECTERN_DATA."
        ) from exc


def why_it_failed(data_dir: Path, what: str, words: str) -> str:
    if "No space left on device" in words or "Disk quota exceeded" in words:
        return disk_full(data_dir, "no space is left")
    return f"{what}. Its last words:\n{words.strip()}"


def disk_full(data_dir: Path, how: str) -> str:
    return (
        f"The disk is full: {how} for the data folder {data_dir}. Free at least {FIRST_START_BYTES // 1_000_000} MB, "
        "or choose another folder with LECTERN_DATA."
    )


def has_no_room(fault: BaseException | None) -> bool:
    """Whether a disk, a quota or a limit on the size of files refused to take more."""
    return isinstance(fault, OSError) and fault.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
