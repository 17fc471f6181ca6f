"""What workers note lately is in the console, wherever they run, without a secret in it."""

import logging

import pytest
from django.urls import reverse

from project import limits, worker_log, workers
from tests.rows import row

pytestmark = pytest.mark.django_db
NAME = "celery@node-7"


@pytest.fixture
def noted():
    """Has a worker of this name note lines."""
    limits.connection().zadd(workers.KEY, {NAME: limits.connection().time()[0]})
    handler = worker_log.LastLines(NAME)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    return lambda *lines: [handler.emit(logging.makeLogRecord({"msg": line, "levelname": "INFO"})) for line in lines]


def test_the_lines_that_name_a_document_are_on_its_page(client, staff, alice, noted):
    document = row(alice, "lease.pdf", "failed")
    noted(f"job_failed document={document.pk} attempt=3", "something else")
    client.force_login(staff)
    page = client.get(reverse("console-document", args=[document.pk])).text
    assert f"job_failed document={document.pk}" in page and "something else" not in page


def test_a_worker_has_a_page_of_its_last_lines_and_nobody_else_may_see_it(client, staff, alice, noted):
    noted("one\ntwo <b>", "three")
    client.force_login(staff)
    address = reverse("console-worker", args=[NAME])
    assert "INFO one\ntwo &lt;b&gt;\nINFO three" in client.get(address).text
    assert address in client.get("/console/").text
    assert client.get(reverse("console-worker", args=["celery@nobody"])).status_code == 404
    client.force_login(alice)
    assert client.get(address).status_code == 404


def test_no_secret_is_kept(noted, settings, monkeypatch):
    monkeypatch.setenv("SEARCH_KEY", "opensesame7")
    worker_log._secrets.cache_clear()
    told = "Authorization: Bearer abcdefgh, postgres://me:hidden@db/x lk_abcdefgh12"
    noted(f"key opensesame7, {settings.SECRET_KEY}, {told}")
    worker_log._secrets.cache_clear()
    (line,) = worker_log.last_lines(NAME)
    assert not any(secret in line for secret in ("opensesame7", settings.SECRET_KEY, "abcdefgh", "hidden"))
    assert line.startswith("INFO key ***") and "@db/x" in line


def test_only_the_last_lines_are_kept_and_they_go_with_the_day(noted, monkeypatch):
    monkeypatch.setattr(worker_log, "LINES_MOST", 3)
    noted(*map(str, range(9)))
    assert worker_log.last_lines(NAME) == ["INFO 6", "INFO 7", "INFO 8"]
    assert 0 < limits.connection().ttl(f"lectern:log:{NAME}") <= worker_log.KEPT_S


def test_without_redis_a_worker_goes_on_and_the_page_says_so(client, staff, noted, settings, alice):
    document = row(alice, "lease.pdf", "failed")
    client.force_login(staff)
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    limits.connection.cache_clear()
    try:
        noted("nobody keeps this")
        assert "Not known while Redis is away." in client.get(reverse("console-document", args=[document.pk])).text
        assert "Not known while Redis is away." in client.get(reverse("console-worker", args=[NAME])).text
    finally:
        limits.connection.cache_clear()
