"""Where the services' sockets lie, and who holds a data folder."""

import fcntl
import hashlib
import os
import pwd
import re
import stat
from pathlib import Path
from typing import IO

from project.local.accounts import SERVICE_ACCOUNTS, named_account
from project.local.faults import LocalError, in_words

SOCKET_PATH_BYTES = 107  # What the kernel takes, less the closing zero.
TEMPORARY = Path("/tmp")  # noqa: S108  Not $TMPDIR, which differs from shell to shell; see trust().


def hold(data_dir: Path, address: str) -> IO[str]:
    """Take the data folder for as long as the returned file stays open: until this process ends, however it ends."""
    with in_words(data_dir):
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (data_dir / "lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        process, _, where = lock.read().partition(" ")
        lock.close()
        raise LocalError(
            f"The data folder {data_dir} is in use by a running Lectern{f' at {where}' if where else ''}"
            f"{f' (process {process})' if process else ''}. Stop that one, or choose another folder with LECTERN_DATA."
        ) from None
    with in_words(data_dir):
        lock.truncate(0)
        lock.write(f"{os.getpid()} {address}")
        lock.flush()
    return lock


def socket_folder(data_dir: Path, service: str) -> Path:
    """The folder of a service's socket. Every process that knows the data folder comes to the same one."""
    inside = data_dir.resolve() / "run" / service
    is_plain = re.fullmatch(r"[\w./+-]+", str(inside), re.ASCII)
    if is_plain and len(os.fsencode(inside / ".s.PGSQL.5432")) <= SOCKET_PATH_BYTES:
        return inside
    # Too long for a socket, or in need of escapes in an address.
    name = hashlib.sha256(os.fsencode(data_dir.resolve())).hexdigest()[:16]
    outside = TEMPORARY / f"lectern-{os.getuid()}-{name}-{service}"
    if outside.exists() or outside.is_symlink():
        trust(outside)
    return outside


def trust(folder: Path) -> None:
    """Anybody may make a folder in the temp directory: ours is known by its owner and its mode."""
    found, owners = folder.lstat(), {os.getuid()}
    if os.getuid() == 0:
        owners |= {account.pw_uid for name in SERVICE_ACCOUNTS if (account := named_account(name))}
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in owners or stat.S_IMODE(found.st_mode) & 0o077:
        raise LocalError(f"{folder} is not a private folder of Lectern's, and its socket belongs there. Remove it.")


def private_folder(folder: Path, account: pwd.struct_passwd | None = None) -> Path:
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.mkdir(exist_ok=True, mode=0o700)
    if folder.parent == TEMPORARY:
        trust(folder)
    if account and folder.stat().st_uid != account.pw_uid:
        os.chown(folder, account.pw_uid, account.pw_gid)
    return folder
