"""The processes that read: they come from one nursery, share long files, and leave nothing behind."""

import io
import os
import signal
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

import pypdf
import pytest

from documents.extraction import ExtractedDocument, ExtractedPage, ExtractionError, Order, extract
from documents.extraction.__main__ import ANSWERS, read
from documents.extraction.nursery import reader
from documents.extraction.pages import BLOCK, LONG, LONG_BYTES, READERS
from tests import pdfs

ROOT = Path(__file__).resolve().parent.parent
GIB = 2**30
MANY = LONG + 3 * BLOCK + 1  # pages that are dealt out
linux = pytest.mark.skipif(sys.platform != "linux", reason="only there the system tells of other processes")
two_processors = pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one processor has one reader")


# Files -------------------------------------------------------------------------------------------------------------
def saved(tmp_path: Path, data: bytes, name: str = "file") -> Path:
    path = tmp_path / name
    path.write_bytes(data)
    return path


def line(words: str) -> bytes:
    return pdfs.text([(50, 500, 12, words.encode())])


def numbered(pages: int = MANY, **fields) -> bytes:
    return pdfs.pdf(*(line(f"page {number}") for number in range(1, pages + 1)), **fields)


def long_text(tmp_path: Path) -> Path:
    """One whose reader is still busy when its first page has come."""
    return saved(tmp_path, b"text " * 2_000_000)


def reading(path: Path, kind: str = "pdf", *, memory_bytes: int = 2 * GIB, **fields) -> Iterator:
    return extract(Order(path, fields.pop("pages_max", 9_999), **fields), kind, memory_bytes=memory_bytes, seconds=60)


def texts(items) -> list[str]:
    return [item.text for item in items if isinstance(item, ExtractedPage)]


def as_alone(path: Path, **fields) -> list:
    """What one reader finds, here in this process, without the times it took."""
    return timeless(read("pdf", Order(path, fields.pop("pages_max", 9_999), **fields)))


def timeless(items) -> list:
    return [(type(item).__name__, deepcopy(vars(item)) | {"seconds": 0.0, "dealt": False}) for item in items]


def pages_and_end(found: list) -> list:
    """Without what is said again where another reader takes over."""
    return [*(item for item in found if item[0] == "ExtractedPage"), found[-1]]


# Processes ---------------------------------------------------------------------------------------------------------
def children_of(pid: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def nurseries(pid: int | None = None) -> list[int]:
    own = children_of(pid or os.getpid())
    return [child for child in own if b"documents.extraction" in Path(f"/proc/{child}/cmdline").read_bytes()]


def readers() -> list[int]:
    """Those that were given an order: it comes by a pipe."""
    return [child for pid in nurseries() for child in children_of(pid) if "pipe" in input_of(child)]


def waiting() -> list[int]:
    """Those that wait for an order."""
    return [child for pid in nurseries() for child in children_of(pid) if "null" in input_of(child)]


def input_of(pid: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/fd/0").readlink())
    except (FileNotFoundError, ProcessLookupError):
        return ""


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def all_end(pids: list[int]) -> bool:
    deadline = time.monotonic() + 5
    while any(map(is_running, pids)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not any(map(is_running, pids))


def in_another_process(script: str, *arguments: object, **fields) -> subprocess.Popen:
    """Run the script, in which `reading` and the like are known."""
    code = f"from tests.test_child import *\nargs = sys.argv[1:]\n{script}"
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, **fields)


# One reader --------------------------------------------------------------------------------------------------------
@linux
def test_closing_the_generator_ends_the_reader(tmp_path):
    pages = reading(long_text(tmp_path), "text")
    next(pages)
    [pid] = readers()
    pages.close()
    assert not Path(f"/proc/{pid}").exists()


@linux
def test_what_is_raised_between_pages_ends_the_reader(tmp_path):
    def heed() -> None:
        if seen:
            raise KeyError

    seen: list = []
    pages = extract(Order(long_text(tmp_path), 9_999), "text", memory_bytes=2 * GIB, seconds=30, heed=heed)
    seen.append(next(pages))
    with pytest.raises(KeyError):
        list(pages)
    assert readers() == []


@linux
def test_a_reader_that_is_killed_is_reported_in_words(tmp_path):
    pages = reading(saved(tmp_path, b"text " * 4_000_000), "text")
    next(pages)
    os.killpg(readers()[0], signal.SIGABRT)
    with pytest.raises(ExtractionError) as caught:
        list(pages)
    assert caught.value.code == "crashed"


@pytest.mark.parametrize(
    ("order", "code"), [(b"no order", 1), (b'{"kind": "text", "memory_bytes": 9, "cpu_seconds": 1}', 1)]
)
def test_how_a_reader_ended_comes_back(order, code):
    with reader("text", order) as process:
        assert process.code() == code


def test_what_a_reader_complained_of_comes_back():
    with reader("text", b"no order") as process:
        process.code()
        process.complaints.seek(0)
        assert b"JSONDecodeError" in process.complaints.read()


@linux
def test_a_reader_holds_nothing_open_but_its_own(tmp_path):
    others = [reading(long_text(tmp_path), "text") for _ in range(2)]
    for each in others:
        next(each)
    held = {int(end.name) for end in Path(f"/proc/{readers()[1]}/fd").iterdir()}
    for each in others:
        each.close()
    assert held == {0, 1, 2, ANSWERS}


# The nursery -------------------------------------------------------------------------------------------------------
@linux
def test_two_hundred_files_leave_no_process_and_nothing_open(tmp_path):
    path = saved(tmp_path, b"a few words")
    list(reading(path, "text"))

    def held() -> tuple[int, ...]:
        """Ends that are open here and in the nursery, and its readers: the last one may be at its end still."""
        [nursery] = nurseries()
        return len(readers()), *(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in (os.getpid(), nursery))

    nursery, before, deadline = nurseries(), held(), time.monotonic() + 30
    for _ in range(200):
        list(reading(path, "text"))
    while any(now > then for now, then in zip(held(), before, strict=True)):
        assert time.monotonic() < deadline, (before, held())
    assert nurseries() == nursery


@linux
def test_a_nursery_that_died_between_two_files_is_started_anew(tmp_path):
    path = saved(tmp_path, numbered(2))
    list(reading(path))
    [old] = nurseries()
    os.kill(old, signal.SIGKILL)
    assert texts(reading(path)) == ["page 1", "page 2"]
    assert nurseries() != [old]


@linux
def test_a_nursery_that_dies_in_the_middle_loses_and_doubles_no_page(tmp_path):
    path = long_text(tmp_path)
    whole = texts(reading(path, "text"))
    pages = reading(path, "text")
    some = [next(pages) for _ in range(5)]
    os.kill(nurseries()[0], signal.SIGKILL)
    assert texts([*some, *pages]) == whole


@linux
def test_a_nursery_that_dies_again_and_again_is_an_error_in_words(tmp_path):
    pages = reading(saved(tmp_path, b"text " * 4_000_000), "text")
    with pytest.raises(ExtractionError) as caught:
        for _ in range(3):
            next(pages)
            next(pages)
            os.kill(nurseries()[0], signal.SIGKILL)
            while texts([next(pages)]):
                pass
    assert caught.value.code == "crashed"


@linux
@pytest.mark.parametrize("victim", [waiting, nurseries])
def test_a_reader_waits_for_the_next_order_and_anew_when_it_or_its_nursery_was_killed(tmp_path, victim):
    path = saved(tmp_path, b"a few words")
    for _ in range(2):
        assert texts(reading(path, "text")) == ["a few words"]
        until = time.monotonic() + 5
        while not waiting() and time.monotonic() < until:
            time.sleep(0.01)
        [spare] = waiting()
        assert {int(end.name) for end in Path(f"/proc/{spare}/fd").iterdir()} == {0, 1, 2, ANSWERS}
        os.kill(*victim(), signal.SIGKILL)
        assert all_end([spare])


@linux
def test_readers_end_with_their_nursery(tmp_path):
    pages = reading(long_text(tmp_path), "text")
    next(pages)
    own = readers()
    os.kill(nurseries()[0], signal.SIGKILL)
    assert all_end(own)
    pages.close()


@linux
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_nursery_and_reader_end_with_a_killed_process(tmp_path, how):
    script = """
pages = reading(Path(args[0]), "text"); next(pages)
print(*nurseries(), *readers(), flush=True); time.sleep(60)
"""
    with in_another_process(script, long_text(tmp_path)) as process:
        pids = [int(pid) for pid in process.stdout.readline().split()]
        process.send_signal(how)
    assert len(pids) == 2
    assert all_end(pids)


@linux
def test_the_nursery_ends_with_its_process(tmp_path):
    script = "list(reading(Path(args[0]), 'text'))\nprint(*nurseries(), flush=True)"
    with in_another_process(script, saved(tmp_path, b"words")) as process:
        [pid] = [int(pid) for pid in process.stdout.read().split()]
    assert process.returncode == 0
    assert all_end([pid])


@linux
def test_after_a_fork_each_process_has_a_nursery_of_its_own(tmp_path):
    script = """
list(reading(Path(args[0]), "text"))
pid = os.fork()
if not pid:
    assert texts(reading(Path(args[0]), "text")) == ["words"]
    print(*nurseries(), flush=True)
    os._exit(0)
os.waitpid(pid, 0)
assert texts(reading(Path(args[0]), "text")) == ["words"]
print(*nurseries(), flush=True)
"""
    with in_another_process(script, saved(tmp_path, b"words")) as process:
        forked, own = (int(pid) for pid in process.stdout.read().split())
    assert forked != own
    assert all_end([forked, own])


def test_many_threads_read_at_once_from_one_nursery(tmp_path):
    paths = [saved(tmp_path, numbered(number), f"{number}.pdf") for number in range(1, 7)]
    found: dict[int, list[str]] = {}
    threads = [
        threading.Thread(target=lambda number=number, path=path: found.update({number: texts(reading(path))}))
        for number, path in enumerate(paths, 1)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert {number: len(pages) for number, pages in found.items()} == {number: number for number in range(1, 7)}


@linux
def test_a_nursery_started_by_a_thread_outlives_it(tmp_path):
    path = saved(tmp_path, b"words")
    script = """
def read(): print(texts(reading(Path(args[0]), "text")), *nurseries())
for _ in range(2):
    thread = threading.Thread(target=read); thread.start(); thread.join()
"""
    with in_another_process(script, path) as process:
        first, second = process.stdout.read().splitlines()
    assert first == second


@linux
def test_readers_are_given_none_of_our_secrets(tmp_path):
    script = """
pages = reading(Path(args[0]), "text"); next(pages)
print(*(b"do-not-tell" in Path(f"/proc/{pid}/environ").read_bytes() for pid in [*nurseries(), *readers()]))
"""
    environment = os.environ | {"DJANGO_SECRET_KEY": "do-not-tell"}
    with in_another_process(script, long_text(tmp_path), env=environment) as process:
        assert process.stdout.read().split() == ["False", "False"]


def test_a_kind_that_cannot_be_imported_harms_no_other(tmp_path):
    path = saved(tmp_path, b"words")
    with pytest.raises(ExtractionError):
        list(reading(path, "nonsense"))
    assert texts(reading(path, "text")) == ["words"]


def test_the_nursery_is_lost_when_it_cannot_start(tmp_path):
    script = """
sys.executable = "/bin/false"
try:
    list(reading(Path(args[0]), "text"))
except ExtractionError as exc:
    print(exc.code)
"""
    with in_another_process(script, saved(tmp_path, b"words")) as process:
        assert process.stdout.read() == "crashed\n"


# Two readers -------------------------------------------------------------------------------------------------------
def address_space(pid: int) -> str:
    """As the system limits it for a process; "unlimited" until a reader has confined itself."""
    rows = Path(f"/proc/{pid}/limits").read_text().splitlines()
    return next(row.split()[3] for row in rows if "address space" in row)


@two_processors
@linux
def test_a_long_file_has_two_readers_with_half_of_the_memory_each(tmp_path):
    pages = reading(saved(tmp_path, numbered(2_000)), memory_bytes=GIB)
    found = next(
        limits for _ in pages if "unlimited" not in (limits := [*map(address_space, readers())]) and limits[1:]
    )
    pages.close()
    assert found == [str(GIB // READERS)] * READERS


@pytest.mark.parametrize("fields", [{}, {"careful": True}])
def test_a_short_file_or_a_careful_reading_has_one_reader(tmp_path, monkeypatch, fields):
    asked = []
    monkeypatch.setattr("documents.extraction.child.reader", lambda *order: asked.append(order) or reader(*order))
    list(reading(saved(tmp_path, numbered(400 if fields else LONG)), **fields))
    assert len(asked) == 1


def large(pages: int) -> bytes:
    """One that looks long by its size."""
    return numbered(pages, more=[pdfs.stream(bytes(LONG_BYTES["pdf"]))])


@two_processors
@linux
def test_the_second_reader_of_a_large_file_is_asked_for_before_the_first_has_told_of_it(tmp_path):
    counts = []

    def heed() -> None:
        """Called first before anything is taken from a reader."""
        deadline = time.monotonic() + 5
        while not counts or (counts[-1] < READERS and time.monotonic() < deadline):
            time.sleep(0.02)
            counts.append(len(readers()))

    order = Order(saved(tmp_path, large(2_000)), 9_999)
    pages = extract(order, "pdf", memory_bytes=2 * GIB, seconds=60, heed=heed)
    next(pages)
    pages.close()
    assert counts[-1] == READERS


@linux
def test_a_large_file_of_few_pages_is_soon_left_to_the_first_reader(tmp_path):
    path = saved(tmp_path, large(LONG))
    pages = reading(path)
    found = [next(pages), next(pages)]
    ended = time.monotonic() + 5
    while len(readers()) > 1 and time.monotonic() < ended:
        time.sleep(0.02)
    assert len(readers()) <= 1
    assert timeless([*found, *pages]) == as_alone(path)


def test_the_second_reader_of_a_file_that_is_not_dealt_out_reads_no_page(tmp_path):
    assert texts(read("pdf", Order(saved(tmp_path, large(LONG)), 9_999, share=1))) == []


@pytest.mark.parametrize("count", [LONG, LONG + 1, MANY, MANY + BLOCK, 100])
@pytest.mark.parametrize("skip", [0, 1, BLOCK, 9])
@pytest.mark.parametrize("file", [numbered, large])
def test_two_readers_find_what_one_finds_in_the_same_order(tmp_path, file, count, skip):
    path = saved(tmp_path, file(count))
    assert timeless(reading(path, skip=skip)) == as_alone(path, skip=skip)


def test_a_long_file_is_cut_where_a_short_one_is(tmp_path):
    path = saved(tmp_path, numbered(60))
    assert timeless(reading(path, pages_max=41)) == as_alone(path, pages_max=41)


def test_a_long_file_that_claims_too_many_pages_ends_with_those_it_has(tmp_path):
    path = saved(tmp_path, numbered(MANY, count=500))
    assert pages_and_end(timeless(reading(path))) == pages_and_end(as_alone(path))


def test_pages_a_long_file_does_not_count_come_behind_the_others(tmp_path):
    path = saved(tmp_path, numbered(MANY, count=MANY - 5))
    assert timeless(reading(path)) == as_alone(path)


def test_a_bad_page_in_a_long_file_stays_in_its_place(tmp_path):
    whole = numbered()
    reference = whole[whole.index(b"/Kids[") + 6 :].split(b" R")[14] + b" R"
    path = saved(tmp_path, whole.replace(reference, b" 999 0 R"[: len(reference)].ljust(len(reference)), 1))
    assert pages_and_end(timeless(reading(path))) == pages_and_end(as_alone(path))


def test_a_long_file_with_a_password_is_opened_once(tmp_path):
    writer = pypdf.PdfWriter(io.BytesIO(numbered()))
    writer.encrypt("knock", owner_password="owner", algorithm="AES-256")
    path = tmp_path / "locked.pdf"
    writer.write(path)
    folder = tmp_path / "folder"
    folder.mkdir()
    items = list(reading(path, password="knock", folder=folder))
    assert items[0].opened
    assert list(folder.iterdir()) == [folder / "opened"]
    assert len(texts(items)) == MANY


def test_files_inside_a_long_file_are_told_with_their_sizes(tmp_path):
    inside = pdfs.files_inside((b"a.txt", zlib.compress(b"hello")), (b"b.csv", zlib.compress(b"1;2")))
    path = saved(tmp_path, numbered(**inside))
    found = pages_and_end(timeless(reading(path)))
    assert found[-1][1]["attachments"] == [("a.txt", 5), ("b.csv", 3)]
    assert found == pages_and_end(as_alone(path))


@two_processors
def test_a_bomb_inside_a_long_file_costs_no_page(tmp_path):
    path = saved(tmp_path, numbered(**pdfs.files_inside((b"bomb", pdfs.bomb()))))
    found = list(reading(path, memory_bytes=2**29))
    assert texts(found) == [f"page {number}" for number in range(1, MANY + 1)]
    assert (found[-1].attachments, found[-1].page_count) == ([("bomb", 0)], MANY)


@two_processors
@linux
@pytest.mark.parametrize("which", range(READERS))
def test_when_one_of_two_readers_breaks_off_another_goes_on_alone(tmp_path, which):
    pages = reading(saved(tmp_path, numbered(2_000)))
    some = [next(pages) for _ in range(3)]
    os.kill(readers()[which], signal.SIGSEGV)
    assert texts([*some, *pages]) == [f"page {number}" for number in range(1, 2_001)]


@two_processors
@linux
def test_a_file_that_breaks_every_reader_is_said_to_behind_the_pages_before(tmp_path):
    pages = reading(saved(tmp_path, numbered(2_000)))
    some = [next(pages) for _ in range(3)]
    os.kill(readers()[0], signal.SIGSEGV)
    with pytest.raises(ExtractionError) as caught:
        for item in pages:
            some.append(item)
            if isinstance(item, ExtractedDocument) and not item.dealt:  # One goes on alone.
                os.kill(readers()[0], signal.SIGSEGV)
    found = texts(some)
    assert caught.value.code == "crashed"
    assert found == [f"page {number}" for number in range(1, len(found) + 1)]
