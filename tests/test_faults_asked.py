"""Faults while an answer is written, checked, put right or judged: the queue stopped, the database restarted, the web
killed. No word is lost or doubled, nothing is stuck, nobody pays twice. `make test-faults` runs these."""

from __future__ import annotations

import re
import threading
import time

import httpx2
import pytest

from tests.fake_openai import FakeOpenAI, Reply
from tests.stack import Stack, wait_for
from tests.test_asking import FETCH, events, stream_url
from tests.test_moments_asked import MOMENTS, QUESTION
from tests.test_opinions import RULES

TRUE = "The rent is due on the third working day of the month. [1] Dogs may be kept with a written permission. [1]"
SAID = {name: (replies, said) for name, (_, replies, said) in MOMENTS.items()}
SAID["checked"] = ([Reply([f"{word} " for word in TRUE.split()], pause_s=0.1)], TRUE)  # Nothing is put right after it.

pytestmark = [pytest.mark.faults, pytest.mark.slow]


@pytest.fixture(scope="module")
def service():
    with FakeOpenAI() as fake:
        yield fake
        assert fake.faults == []


@pytest.fixture(scope="module")
def lectern(service):
    named = {"OPENAI_BASE_URL": f"{service.url}/v1", "OPENAI_API_KEY": "secret", "OPENAI_CHAT_MODEL": "gpt-test"}
    chosen = {"LECTERN_UNSUPPORTED": "rewrite", "LECTERN_SECOND_OPINION": "yes", "LECTERN_SUGGESTIONS": "no"}
    with Stack(**named, **chosen, LECTERN_UNREAD_SECONDS="60") as stack:
        assert stack.ended(stack.upload(RULES, "rules.md"))["state"] == "ready"
        yield stack


@pytest.fixture(scope="module")
def http(lectern):
    address = f"http://127.0.0.1:{lectern.port}"
    with httpx2.Client(base_url=address, timeout=60, follow_redirects=True) as browser:
        link = lectern.manage("signin_link").strip().splitlines()[-1]
        page = browser.get(link[link.index("/signin/") :])
        token = re.search(r'name="csrf-token" content="([^"]+)"', page.text)[1]
        browser.headers |= {"X-CSRFToken": token, "Referer": address}
        yield browser


class Asked:
    """A question on its way; it is read aside, as a page would, until the connection ends."""

    def __init__(self, lectern: Stack, http: httpx2.Client, service: FakeOpenAI, replies: list[Reply]) -> None:
        self.http, self.service, self.lectern = http, service, lectern
        service.replies = [Reply(list(each.pieces), pause_s=each.pause_s) for each in replies]
        self.before, self.bills = len(service.requests), len(service.ledger)
        told = http.post("/ask/", data={"text": QUESTION, "client_key": str(time.time())}, headers=FETCH).json()
        self.page, self.url = told["conversation_url"], stream_url(told)
        self.seen: list[tuple[str, dict]] = []
        self.fault: httpx2.HTTPError | None = None
        self.reader = threading.Thread(target=self._read)
        self.reader.start()
        wait_for(lambda: self.calls == len(replies) and (len(replies) > 1 or "third" in self.row()[1]), 30)

    def _read(self) -> None:
        try:
            self.seen += events(self.http, self.url)
        except httpx2.HTTPError as exc:
            self.fault = exc  # The web was killed.

    @property
    def calls(self) -> int:
        return len(self.service.requests) - self.before

    def row(self) -> tuple[str, str, list]:
        """The answer's state, its text, and what was found of its sentences."""
        with self.lectern.database() as database:
            found = "SELECT state, content, proofs FROM chat_message WHERE id = %s"
            return database.execute(found, [self.url.split("/")[2]]).fetchone()

    def end(self) -> tuple[str, str, list]:
        """The same, once it has its end."""
        self.reader.join(60)
        assert not self.reader.is_alive() and self.fault is None
        return self.row()


@pytest.mark.parametrize("moment", SAID)
def test_the_queue_stopped(lectern, http, service, moment):
    replies, said = SAID[moment]
    asked = Asked(lectern, http, service, replies)
    lectern.redis.stop()
    try:
        state, content, _ = asked.end()
    finally:
        lectern.redis.start()
    assert (state, asked.seen[-1][0], asked.calls) == ("done", "done", len(replies))
    assert content.count("rent") == said.count("rent")
    assert http.get(asked.page).status_code == 200


@pytest.mark.parametrize("moment", SAID)
def test_the_database_restarted(lectern, http, service, moment):
    replies, said = SAID[moment]
    asked = Asked(lectern, http, service, replies)
    lectern.postgres.stop()
    time.sleep(2)
    lectern.postgres.start()
    state, content, _ = asked.end()
    assert (state, asked.seen[-1][0], asked.calls) == ("done", "done", len(replies))
    assert content.count("rent") == said.count("rent")
    assert http.get(asked.page).status_code == 200


@pytest.mark.parametrize("moment", SAID)
def test_the_web_killed(lectern, http, service, moment):
    replies, said = SAID[moment]
    asked = Asked(lectern, http, service, replies)
    wait_for(lambda: asked.row()[2], 30)  # Its first sentence is judged, and that is kept.
    lectern.kill_web()
    lectern.start_web()
    name, body = events(http, asked.url)[-1]
    assert name == "error" and "What was written is kept" in body["html"]
    assert "data-panel" in body["html"] and "in the sources" in body["html"]
    assert asked.calls == len(replies)  # What was there is told, and not asked for again.
    service.replies = [Reply(["That is all."])]
    told = http.post(asked.url.replace("stream", "go-on"), headers=FETCH).json()
    assert events(http, stream_url(told))[-1][0] == "done"
    state, content, _ = asked.row()
    assert state == "done" and content.count("rent") == said.count("rent") and content.count("That is all.") == 1
