"""How Lectern is run: one command, the limit on request bodies, the image, the settings file."""

import asyncio
import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml
from django.conf import settings

from project.asgi import ANONYMOUS_BYTES, ORDINARY_BYTES, BodyLimit, limit_for

ROOT = Path(__file__).resolve().parent.parent


# One command ---------------------------------------------------------------------------------------------------------
class Run:
    """A `manage.py start` of its own, and what it says."""

    def __init__(self, data_dir: Path, port: int) -> None:
        self.data_dir, self.port, self.said = data_dir, port, data_dir.with_suffix(".out")
        self.begin()

    def begin(self) -> None:
        env = os.environ | {"LECTERN_DATA": str(self.data_dir), "PORT": str(self.port), "LECTERN_SAMPLES": "no"}
        with self.said.open("wb") as out:
            command = [sys.executable, "manage.py", "start"]
            self.process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=out, stderr=subprocess.STDOUT)

    def words(self) -> str:
        return self.said.read_text()

    def await_words(self, pattern: str, limit_s: float = 90) -> str:
        deadline = time.monotonic() + limit_s
        while not (found := re.search(pattern, self.words(), re.M)):
            assert self.process.poll() is None and time.monotonic() < deadline, self.words()
            time.sleep(0.05)
        return found[0]

    def await_ready(self) -> str:
        """The address to open."""
        return self.await_words(r"http://\S+/signin/\S+/$")

    def end(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.process.wait(45)


def free_port() -> int:
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return place.getsockname()[1]


def processes_of(data_dir: Path) -> dict[int, str]:
    """Everything that works for a data folder: by its environment, its command line or the folder it is in."""
    found, name = {}, os.fsencode(data_dir)
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            state = (process / "stat").read_text().rpartition(")")[2].split()[0]
            where = os.fsencode((process / "cwd").readlink())
            words = (process / "cmdline").read_bytes()
            if state != "Z" and name in b"\0".join((words, where, (process / "environ").read_bytes())):
                found[int(process.name)] = words.replace(b"\0", b" ").decode()
    return found


@pytest.fixture
def data_dir() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="lectern-"))
    yield made
    shutil.rmtree(made)
    made.with_suffix(".out").unlink(missing_ok=True)


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    """A run that is ready."""
    data_dir = Path(tempfile.mkdtemp(prefix="lectern-"))
    run = Run(data_dir, free_port())
    try:
        run.await_ready()
        yield run
    finally:
        run.end()
        shutil.rmtree(data_dir)
        run.said.unlink()


def test_the_printed_address_signs_in(run: Run):
    line = http.client.HTTPConnection("127.0.0.1", run.port, timeout=10)
    line.request("GET", urlsplit(run.await_ready()).path, headers={"Host": f"localhost:{run.port}"})
    answer = line.getresponse()
    assert (answer.status, "lectern_session" in (answer.getheader("Set-Cookie") or "")) == (302, True)


def test_one_address_is_printed(run: Run):
    assert run.words().count("http") == 1


def test_a_second_run_on_the_same_folder_names_the_first(run: Run):
    second = subprocess.run(
        [sys.executable, "manage.py", "start"],
        cwd=ROOT,
        env=os.environ | {"LECTERN_DATA": str(run.data_dir), "PORT": str(free_port())},
        capture_output=True,
        text=True,
    )
    assert second.returncode == 1 and f"in use by a running Lectern at http://localhost:{run.port}" in second.stderr


def test_other_commands_reach_the_running_services(run: Run):
    env = os.environ | {"LECTERN_DATA": str(run.data_dir), "PORT": str(run.port)}
    command = [sys.executable, "manage.py", "signin_link"]
    assert "/signin/" in subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True).stdout


def test_a_worker_that_dies_is_started_again(run: Run):
    workers = [number for number, words in processes_of(run.data_dir).items() if "celery" in words]
    os.kill(min(workers), signal.SIGKILL)
    run.await_words("The worker ended and is started again")


def test_a_taken_port_is_said_before_anything_is_started(data_dir: Path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        run = Run(data_dir, other.getsockname()[1])
        assert run.process.wait(30) == 1
    assert "is taken by another program" in run.words() and not (data_dir / "postgres").exists()


def test_nothing_outlives_a_killed_run_and_the_next_one_ends_well(run: Run):
    assert len(processes_of(run.data_dir)) > 5
    run.process.kill()
    time.sleep(2)
    assert processes_of(run.data_dir) == {}
    run.begin()
    run.await_ready()
    assert run.end() == 0
    assert processes_of(run.data_dir) == {}


def test_a_run_ends_with_the_last_words_of_a_service_that_died(run: Run):
    run.begin()
    run.await_ready()
    os.kill(int((run.data_dir / "postgres" / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
    assert run.process.wait(45) == 1
    assert "Postgres ended unasked, by signal 9" in run.words()


# The limit on bodies -------------------------------------------------------------------------------------------------
def scope(path: str = "/", **headers: str) -> dict:
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "path": path, "method": "POST", "headers": pairs}


async def reading(scope, receive, send) -> None:
    """An application that reads the whole body as Django does, and says how long it was."""
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size += len(message.get("body", b""))
        if not message.get("more_body"):
            break
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(size).encode()})


def answer(asked: dict, *pieces: bytes) -> tuple[int, dict[str, str], bytes, int]:
    """Status, headers and body of the answer, and how many pieces of the request were read."""
    waiting, sent = list(pieces), []

    async def receive() -> dict:
        if not waiting:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": waiting.pop(0), "more_body": bool(waiting)}

    async def send(message: dict) -> None:
        sent.append(message)

    asyncio.run(BodyLimit(reading)(asked, receive, send))
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return sent[0]["status"], headers, body, len(pieces) - len(waiting)


def test_a_body_within_the_limit_arrives_whole():
    assert answer(scope(), b"a" * 30_000, b"b" * 30_000)[::2] == (200, b"60000")


def test_a_body_that_grows_too_large_is_refused_whatever_it_announced():
    assert answer(scope(content_length="5"), b"a" * ANONYMOUS_BYTES, b"b")[0] == 413


def test_what_is_announced_too_large_is_refused_unread_by_a_client_that_waits():
    status, _, _, read = answer(scope(content_length="100000", expect="100-continue"), b"a" * 100_000)
    assert (status, read) == (413, 0)


def test_the_rest_of_a_refused_body_is_read_so_that_the_client_comes_to_the_answer():
    assert answer(scope(content_length="200000"), *[b"a" * 50_000] * 4)[3] == 4


def test_a_refused_body_is_not_read_for_ever():
    assert answer(scope(), *[b"a" * 1_000_000] * 100)[3] < 20


def test_a_program_is_refused_in_json():
    _, headers, body, _ = answer(scope("/api/search", content_length="3000000", api_key="x"), b"")
    assert headers["content-type"] == "application/json"
    assert "larger than Lectern takes here: at most 2.5 MB" in json.loads(body)["error"]["message"]


def test_a_person_is_refused_in_one_plain_sentence_that_no_browser_reads_as_a_page():
    _, headers, body, _ = answer(scope("/accounts/login/", content_length="3000000"), b"")
    assert body == b"This is larger than Lectern takes here: at most 64 kB in one request.\n"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"].startswith("default-src 'none'")


@pytest.mark.parametrize("path", ["/api/documents", "/v1/files", "/library/upload/"])
def test_files_may_be_as_large_as_the_setting_says(path: str):
    assert limit_for(scope(path, authorization="Bearer x")) == settings.UPLOAD_MAX_BYTES + 1_000_000


def test_a_signed_in_person_may_send_an_ordinary_form():
    assert limit_for(scope(cookie=f"a=b; {settings.SESSION_COOKIE_NAME}=c")) == ORDINARY_BYTES


def test_a_stranger_may_send_little_even_where_files_go():
    assert limit_for(scope("/api/documents", cookie="other=x")) == ANONYMOUS_BYTES


@pytest.mark.django_db(transaction=True)
def test_a_real_client_reads_why_its_endless_body_was_refused(asgi_server: str):
    line = http.client.HTTPConnection(urlsplit(asgi_server).netloc, timeout=10)
    line.request("POST", "/accounts/login/", body=(b"a" * 50_000 for _ in range(60)), encode_chunked=True,
                 headers={"Transfer-Encoding": "chunked"})  # fmt: skip
    reply = line.getresponse()
    assert (reply.status, reply.read()[:14]) == (413, b"This is larger")


# The image and the settings file -------------------------------------------------------------------------------------
def compose() -> dict:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def names_read() -> set[str]:
    """Every variable that the code asks the environment for."""
    asked = r'\b(?:text|whole_number|fraction|switch|words|choice|limits|names)\(\s*"([A-Z_]+)"'
    files = [path for storey in ("project", "documents", "chat") for path in (ROOT / storey).rglob("*.py")]
    return {name for path in files for name in re.findall(asked, path.read_text())}


def test_the_settings_file_lists_every_variable_and_no_other():
    listed = re.findall(r"^#([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.M)
    by_compose = set(re.findall(r"\$\{([A-Z_]+)", (ROOT / "docker-compose.yml").read_text()))
    assert sorted(listed) == sorted(names_read() | by_compose)


def test_the_settings_file_sets_nothing_as_it_is():
    lines = (ROOT / ".env.example").read_text().splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == []


def test_every_variable_of_the_settings_file_is_explained_on_the_line_above():
    lines = (ROOT / ".env.example").read_text().splitlines()
    bare = [line for above, line in zip(lines, lines[1:], strict=False) if line[1:2].isupper() and above[:2] != "# "]
    assert bare == []


def test_compose_runs_each_part_as_a_service_of_its_own():
    assert {"web", "worker", "beat", "migrate", "database", "redis"} == set(compose()["services"])


def test_every_lasting_service_is_watched():
    services = compose()["services"]
    assert all("healthcheck" in services[name] for name in ("web", "worker", "database", "redis"))


def test_no_secret_stands_in_the_compose_file():
    assert compose()["services"]["database"]["environment"]["POSTGRES_PASSWORD"].startswith("${POSTGRES_PASSWORD:?")


def test_compose_lets_only_this_machine_in():
    services = compose()["services"]
    assert {name: service["ports"] for name, service in services.items() if "ports" in service} == {
        "web": ["127.0.0.1:${PORT:-8000}:8000"]
    }


def test_every_volume_that_is_used_is_declared():
    used = {volume.split(":")[0] for service in compose()["services"].values() for volume in service.get("volumes", [])}
    assert used == set(compose()["volumes"])


def test_the_image_takes_the_lock_by_its_hashes_and_does_not_run_as_root():
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    assert "RUN pip install --no-deps --require-hashes -r requirements.lock" in lines and "USER lectern" in lines


def test_what_the_image_runs_exists_here():
    words = re.search(r"CMD (\[.*?\])", (ROOT / "Dockerfile").read_text(), re.S)[1].replace("\\\n", "")
    ours = [service for service in compose()["services"].values() if "build" in service]
    commands = [json.loads(words), *(service["command"] for service in ours if "command" in service)]
    assert all(shutil.which(command[0], path=Path(sys.executable).parent) for command in commands)


def test_what_the_image_copies_exists():
    kept = re.findall(r"^!(\S+)", (ROOT / ".dockerignore").read_text(), re.M)
    assert [name for name in kept if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("target", ["run", "test", "check", "bench", "lock"])
def test_make_knows_its_targets(target: str):
    assert subprocess.run(["make", "--dry-run", target], cwd=ROOT, capture_output=True).returncode == 0


def test_the_check_script_is_sound():
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK) and subprocess.run(["bash", "-n", script]).returncode == 0
