"""Files that mean no good come to an end that was written down beforehand, soon, in plain words, and alone."""

import re
import resource
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer

import pytest

from tests.hostile import FILES, Hostile
from tests.stack import ENDS, Stack

SECONDS, PAGES = 8, 3  # what reading one of them may take, and how much of it is read
LONGEST_S = 20
MEMORY_KB = 1_048_576
# What only we should see: a path, a place in a program, the name of a fault.
NOT_PLAIN = re.compile(r"/(?:tmp|etc|usr|var|home|root|work)\b|\.py\b|Traceback|[a-z]Error\b|Exception|\bNone\b|\b0x")


class Outside(ThreadingTCPServer):
    """A server on this machine that nobody should ask anything."""

    daemon_threads = True

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        super().__init__(("127.0.0.1", 0), Asked)
        self.address = f"http://127.0.0.1:{self.server_address[1]}"


class Asked(StreamRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, Outside)
        self.server.asked.append(self.rfile.readline(1_000))


@pytest.fixture(scope="module")
def outside() -> Iterator[Outside]:
    with Outside() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def strict(settings) -> None:
    settings.EXTRACT_SECONDS, settings.PAGES_MAX = SECONDS, PAGES


def came_to(hostile: Hostile, owner, outside: Outside) -> tuple[str, list[str]]:
    """The end a file comes to, and what a person is told of it. What was attached to it is read as well."""
    from documents.ingestion import ingest_next
    from documents.intake import UploadRefused
    from documents.models import Document
    from tests.library import upload

    try:
        document = upload(owner, hostile.content(outside.address), hostile.name)
    except UploadRefused as exc:
        return f"refused {exc.code}", [exc.reason, exc.advice]
    while Document.objects.waiting().exists():
        ingest_next(LONGEST_S)
    document.refresh_from_db()
    if document.error:
        return f"failed {document.error['code']}", [document.error["reason"], document.error["advice"]]
    return document.state, document.warnings


@pytest.mark.parametrize("hostile", FILES, ids=lambda hostile: re.sub(r"[^\w.-]+", "_", hostile.name[:40]))
def test_it_ends_as_it_is_written(hostile, alice, outside, strict):
    began = time.monotonic()
    end, told = came_to(hostile, alice, outside)
    assert end == hostile.end, told
    assert hostile.says in " ".join(told)
    assert [words for words in told if not words.endswith(".") or NOT_PLAIN.search(words)] == []
    assert time.monotonic() - began < LONGEST_S
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < MEMORY_KB
    assert outside.asked == []


def test_a_harmless_document_is_found_among_them(alice, outside, strict):
    from documents.retrieval import retrieve
    from tests.library import add

    for hostile in FILES[-12:]:
        came_to(hostile, alice, outside)
    rules = add(alice)
    assert retrieve("When is the rent due?", alice)[0].document_id == rules.pk


def test_nothing_is_written_where_a_name_points(alice, outside, strict):
    for hostile in FILES:
        if hostile.name in ("paths.docx", "odd-names.eml", "../../../../tmp/lectern-was-here.md"):
            came_to(hostile, alice, outside)
    assert list(Path("/tmp").glob("lectern-was-here*")) == []


def test_mails_in_mails_are_taken_in_to_some_depth_only(alice, outside, strict):
    """Each is stored with all that is in it: without an end a small file would fill the disk."""
    from documents.models import Document

    end, told = came_to(next(hostile for hostile in FILES if hostile.name == "mail-attached.eml"), alice, outside)
    assert (end, Document.objects.count()) == ("ready", 6), told


@pytest.mark.slow
@pytest.mark.faults
def test_a_running_lectern_takes_them_all_and_serves_others(outside):
    """One person uploads every one of them, another a harmless file: the same processes are there afterwards."""
    with Stack(LECTERN_EXTRACT_SECONDS=str(SECONDS), LECTERN_PAGES_MAX=str(PAGES)) as lectern:
        mallory, bob = lectern.key_of("mallory"), lectern.key_of("bob")
        processes = family(lectern.workers[0].process.pid)
        taken, refused = {}, {}
        for hostile in FILES:
            content = hostile.content(outside.address)
            answer = lectern.call("POST", "/documents", files={"file": (hostile.name, content)}, key=mallory)
            assert answer.status_code < 500, (hostile.name, answer.text)
            if answer.status_code in {200, 201}:
                taken[hostile.name] = answer.json()["id"]
            else:
                refused[hostile.name] = answer.json()
        harmless = lectern.upload(b"The ferry goes at noon.", "ferry.md", key=bob)
        assert ended(lectern, harmless, bob)["state"] == "ready"
        ends = {name: ended(lectern, pk, mallory)["state"] for name, pk in taken.items()}
        assert {name: state for name, state in ends.items() if state not in ENDS} == {}
        assert [hostile.name for hostile in FILES if hostile.end.startswith("refused")] == list(refused)
        assert lectern.call("POST", "/search", json={"query": "ferry noon"}, key=bob).json()["results"]
        assert lectern.workers[0].is_running
        assert family(lectern.workers[0].process.pid) == processes
        assert outside.asked == []
        lectern.is_consistent()


def family(pid: int) -> set[int]:
    """A process and those that it started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {pid, *map(int, children)}


def ended(lectern: Stack, pk: str, key: str, limit_s: float = 300) -> dict:
    deadline = time.monotonic() + limit_s
    while (document := lectern.call("GET", f"/documents/{pk}", key=key).json())["state"] not in ENDS:
        assert time.monotonic() < deadline, (document["name"], document["state"], lectern.last_words())
        time.sleep(0.5)
    return document
