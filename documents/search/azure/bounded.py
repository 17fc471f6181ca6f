"""A call to the service ends in time, whatever drips in: its own time limits hold for each piece that comes alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

import requests
from azure.core.exceptions import ServiceResponseTimeoutError
from azure.core.pipeline.transport import RequestsTransport
from requests.adapters import HTTPAdapter

Answer = TypeVar("Answer")


def in_time(make: Callable[[], Answer], seconds: float) -> Answer:
    """What it answers. A name, a sign-in or headers that do not come are waited for elsewhere, and no longer here."""
    done: Future[Answer] = Future()

    def ask() -> None:
        try:
            done.set_result(make())
        except BaseException as exc:  # noqa: BLE001 - it is raised where the answer is waited for
            done.set_exception(exc)

    threading.Thread(target=ask, name="search", daemon=True).start()
    try:
        return done.result(timeout=seconds)
    except TimeoutError:
        if done.done():  # It says so itself.
            raise
        raise ServiceResponseTimeoutError("late") from None


class _WholeBody(HTTPAdapter):
    """Reads an answer to its end, and cuts the connection when that takes longer than a piece of it may."""

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> requests.Response:
        ends = time.monotonic() + timeout[1]
        response = super().send(request, stream, timeout, verify, cert, proxies)
        watch = threading.Timer(max(0.0, ends - time.monotonic()), _cut, [response])
        watch.daemon = True
        watch.start()
        try:
            response.content  # noqa: B018 - it is kept there
        finally:
            watch.cancel()
        return response


def _cut(response: requests.Response) -> None:
    with suppress(OSError, ValueError):  # It has ended by itself at this moment.
        response.raw.shutdown()


def transport() -> RequestsTransport:
    """Of one client, as the package makes it itself but for this."""
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, _WholeBody())
    return RequestsTransport(session=session)
