"""Postgres refuses to run as root: whom it runs as instead, and how that user reaches what is closed to them."""

import contextlib
import os
import pwd
import re
import shutil
import stat
from pathlib import Path

from project.local.faults import LocalError

SERVICE_ACCOUNTS = ("postgres", "nobody")
CAPABILITIES = {"dac_read_search": 2, "dac_override": 1}  # Bits in /proc/self/status; the first one there is taken.


def named_account(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def service_account(folder: Path) -> pwd.struct_passwd | None:
    """Whom Postgres runs as: None for ourselves. A cluster that is there already belongs to the one who made it."""
    with contextlib.suppress(FileNotFoundError, KeyError):
        owner = pwd.getpwuid(folder.stat().st_uid)
        if os.getuid() not in (0, owner.pw_uid):
            raise LocalError(f"The database in {folder} belongs to {owner.pw_name}. Start Lectern as that user.")
        if owner.pw_uid:
            return owner if os.getuid() == 0 else None
    if os.getuid() != 0:
        return None
    for name in SERVICE_ACCOUNTS:
        if account := named_account(name):
            return account
    raise LocalError(
        "Postgres refuses to run as root, and neither of the users postgres and nobody exists. Start Lectern as an "
        "ordinary user, or set DATABASE_URL to a Postgres server."
    )


def as_account(account: pwd.struct_passwd | None, binaries: Path, *folders: Path) -> list[str]:
    """The words before a command that make another user run it, able to reach what lies in folders closed to it."""
    if account is None:
        return []
    if not shutil.which("setpriv"):
        raise LocalError("Postgres refuses to run as root, and setpriv is missing. Start Lectern as an ordinary user.")
    words = ["setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups", "--pdeathsig=INT"]
    parents = {parent for path in (binaries / "postgres", *folders) for parent in path.resolve().parents}
    closed = next((path for path in sorted(parents) if path.exists() and not _may_enter(account, path)), None)
    wanted = list(CAPABILITIES)
    if not _may_enter(account, binaries / "postgres"):
        closed, wanted = binaries / "postgres", ["dac_override"]  # To read is not enough to run a file.
    if closed is None:
        return words
    status = Path("/proc/self/status").read_text()
    ours = int(re.search(r"^CapPrm:\s*(\w+)", status, re.M)[1], 16)  # type: ignore[index]
    capability = next((name for name in wanted if ours >> CAPABILITIES[name] & 1), None)
    if capability is None:
        raise LocalError(
            f"Postgres runs as the user {account.pw_name} here, who may not enter {closed}. Put Lectern and its data "
            "folder (LECTERN_DATA) where everybody may enter, or start it as an ordinary user."
        )
    # Without the securebit access(2) would not honour the capability, and Postgres asks it about its own files.
    held = f"+{capability}"
    return [*words, "--securebits=+no_setuid_fixup", f"--inh-caps={held}", f"--ambient-caps={held}"]


def _may_enter(account: pwd.struct_passwd, path: Path) -> bool:
    found = path.stat()
    if found.st_uid == account.pw_uid:
        return bool(found.st_mode & stat.S_IXUSR)
    return bool(found.st_mode & (stat.S_IXGRP if found.st_gid == account.pw_gid else stat.S_IXOTH))
