"""What only Azure AI Search has: its wire, its limits, its faults, its lag, its own ranking by meaning."""

import json
import logging
import math
import os
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from django.utils import timezone

from documents.indexes import live_version, versions
from documents.models import Collection, Document, Index, IndexVersion
from documents.overview import wants_a_look
from documents.retrieval import retrieve
from documents.search import Entry, Query, SearchBusy, SearchError, SearchUnavailable
from documents.search.azure import calls
from documents.search.azure.syntax import any_of, plain
from documents.tasks import take_away
from tests import library
from tests.fake_search import FakeSearch, Fault
from tests.test_backends import add, ask, collection, direction, find, new_version, serving

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def service(settings) -> Iterator[FakeSearch]:
    with serving(settings) as service:
        yield service


@pytest.fixture
def version(service) -> IndexVersion:
    return new_version(Index.objects.create(name="main"), "azure")


@pytest.fixture
def backend(version):
    backend = version.backend
    backend.search_s, backend.write_s = 2.0, 4.0
    return backend


@pytest.fixture
def leases(alice, version) -> Collection:
    return collection("Leases", alice, version.index)


def entry(number: int, text: str = "rent", vector: list | None = None, document=None) -> Entry:
    return Entry(number, document or uuid4(), uuid4(), 1, text, "en", vector)


def hybrid(leases: Collection, text: str = "rent") -> Query:
    return Query(text, direction(1), frozenset([leases.pk]))


# The index -----------------------------------------------------------------------------------------------------------
def test_the_languages_of_a_version_have_a_field_each_with_their_analyzer(version, service):
    version.languages = ["de", "zh", "tlh"]
    version.backend.drop()
    version.backend.create()
    fields = service.indexes[version.backend.name].fields
    analyzers = {name: facts["analyzer"] for name, facts in fields.items() if "analyzer" in facts}
    assert analyzers == {"text": "standard.lucene", "text_de": "de.microsoft", "text_zh": "zh-Hans.microsoft"}


def test_a_text_longer_than_a_filter_takes_is_no_trouble(backend, service):
    backend.add([entry(1, "rent " * 10_000)])
    assert len(service.indexes[backend.name].stored) == 1


def test_an_index_of_other_dimensions_is_left_as_it_is(version):
    version.dimensions = 99
    with pytest.raises(SearchUnavailable, match="its fields differ"):
        version.backend.create()


def test_the_live_version_is_what_the_name_of_the_index_leads_to(version, service):
    version.backend.publish()
    following = new_version(version.index, "azure").backend
    following.publish()
    assert service.aliases == {"lectern-main": following.name}


def test_an_index_with_a_name_in_another_script_has_an_alias_too(version, service):
    version.index.name = "図書館"
    version.backend.publish()
    assert service.aliases == {f"lectern-index-{version.index_id}": version.backend.name}


@pytest.mark.parametrize("name", ["Main", "main!", "Main "])
def test_indexes_whose_names_come_to_the_same_letters_have_an_alias_each(version, service, name):
    other = new_version(Index.objects.create(name=name), "azure")
    other.backend.publish()
    version.backend.publish()
    assert service.aliases == {
        "lectern-main": version.backend.name,
        f"lectern-index-{other.index_id}": other.backend.name,
    }


@pytest.mark.parametrize("kind", ["version", "index"])
def test_an_index_is_not_called_what_another_index_or_version_is_called(version, service, kind):
    version.index.name = f"{kind.title()} {version.pk}"
    version.backend.publish()
    assert service.aliases == {f"lectern-index-{version.index_id}": version.backend.name}


def test_a_version_that_a_former_name_leads_to_can_be_dropped(version, service):
    version.backend.publish()
    version.index.name = "Another name"
    version.backend.drop()
    assert (service.indexes, service.aliases) == ({}, {})


def test_the_name_of_an_index_leads_to_its_first_version_from_the_start(service, settings):
    settings.SEARCH_BACKEND = "azure"
    first = live_version(Index.objects.create(name="main"))
    assert service.aliases == {"lectern-main": first.backend.name}


def test_a_first_version_whose_making_was_not_answered_leaves_no_second_index(service, settings):
    settings.SEARCH_BACKEND = "azure"
    index = Index.objects.create(name="main")
    service.wrong = [Fault(403, "put_index", done_all_the_same=True)]
    with pytest.raises(SearchUnavailable):
        live_version(index)
    assert list(service.indexes) == [live_version(index).backend.name]


def test_a_rebuild_that_could_not_begin_leaves_no_index_behind(version, service):
    service.wrong = [Fault(403, "put_index", done_all_the_same=True)]
    with pytest.raises(SearchUnavailable):
        versions.rebuild(version.index, chunk_tokens=60)
    take_away(str(IndexVersion.objects.get(number=2).pk))
    assert list(service.indexes) == [version.backend.name]
    assert versions.rebuild(version.index, chunk_tokens=60).state == IndexVersion.State.BUILDING


def test_a_swap_of_which_the_service_could_not_be_told_is_shown_and_told_again_by_the_sweep(version, service):
    version.backend.publish()
    following = new_version(version.index, "azure")
    service.wrong = [Fault(403, "put_alias")]
    versions.swap(following)
    index = Index.objects.get()
    assert (index.live, service.aliases) == (following, {"lectern-main": version.backend.name})
    assert index.unpublished == "The search service refuses the key."
    assert [look.text for look in wants_a_look() if look.shape == "bad"] == [index.unpublished]
    versions.sweep()
    index.refresh_from_db()
    assert (index.unpublished, service.aliases) == ("", {"lectern-main": following.backend.name})
    assert [look for look in wants_a_look() if look.shape == "bad"] == []


def test_a_service_without_aliases_is_no_error(version, service, caplog):
    service.has_aliases = False
    version.backend.publish()
    assert "does not lead to" in caplog.text
    version.backend.drop()
    assert service.indexes == {}


def test_a_published_version_can_be_dropped(version, service):
    version.backend.publish()
    version.backend.drop()
    assert (service.indexes, service.aliases) == ({}, {})


def test_a_version_can_be_dropped_though_its_index_was_renamed_since(version, service):
    version.backend.publish()
    version.index.name = "Another name"
    version.backend.drop()
    assert (service.indexes, service.aliases) == ({}, {})


def test_renaming_an_index_loses_nothing(leases, version):
    add(leases, "rent")
    Index.objects.update(name="Another name")
    version.index.refresh_from_db()
    assert ask(leases, "rent") == ["rent"]


# Writing -------------------------------------------------------------------------------------------------------------
def test_no_batch_has_more_entries_than_the_service_takes(backend, service):
    document = uuid4()
    backend.add(entry(number, document=document) for number in range(1, 2_101))
    sizes = [len(request["body"]["value"]) for request in service.asked("index_documents")]
    assert sizes == [1000, 1000, 100] and backend.count(document, 1) == 2_100
    assert backend.held() == [(document, 1, 2_100)]
    backend.remove(document)
    assert backend.held() == []


def test_no_batch_is_larger_than_the_service_takes(backend, service):
    backend.add(entry(number, "ض" * 170_000) for number in range(1, 21))  # Six bytes a letter, as it is sent.
    sizes = [request["size"] for request in service.asked("index_documents")]
    assert len(sizes) == 2 and max(sizes) <= 16_000_000
    assert len(service.indexes[backend.name].stored) == 20


def test_an_entry_that_is_refused_for_the_moment_is_sent_again_alone(backend, service):
    service.item_statuses = [200, 409, 503, 429, 422]
    backend.add(entry(number) for number in range(1, 6))
    sent = [[one["id"] for one in request["body"]["value"]] for request in service.asked("index_documents")]
    assert sent == [["1", "2", "3", "4", "5"], ["2", "3", "4", "5"]]
    assert len(service.indexes[backend.name].stored) == 5


def test_an_entry_that_is_refused_for_good_is_told(backend, service):
    service.item_statuses = [200, 400]
    with pytest.raises(SearchUnavailable, match=r"refused a passage \(status 400\)"):
        backend.add([entry(1), entry(2)])


def test_entries_that_are_never_taken_are_tried_later(backend, service):
    service.item_statuses = [503] * 50
    with pytest.raises(SearchBusy, match="has not taken 1 passages yet"):
        backend.add([entry(1)])


def test_a_connection_cut_after_the_work_leaves_each_entry_there_once(backend, service):
    service.wrong = [Fault(0, "index_documents", done_all_the_same=True)]
    document = uuid4()
    backend.add([entry(1, document=document), entry(2, document=document)])
    assert backend.held() == [(document, 1, 2)]


def test_half_a_letter_in_a_text_does_not_stop_it(backend, service):
    backend.add([entry(1, "rent \ud800 and \x00 deposit")])
    assert "rent" in service.indexes[backend.name].stored["1"]["text_en"]


# Lag -----------------------------------------------------------------------------------------------------------------
def test_what_is_not_shown_yet_is_not_counted_yet(leases, backend, service):
    service.delay_s = math.inf
    document = add(leases, "rent")
    assert backend.count(document.pk, 1) == 0
    service.settle()
    assert backend.count(document.pk, 1) == 1


def test_what_is_removed_before_it_was_shown_is_gone(leases, backend, service):
    service.delay_s = math.inf
    document = add(leases, "rent")
    backend.remove(document.pk)
    service.settle()
    assert backend.held() == []


def test_what_moves_before_it_was_shown_is_moved(leases, alice, backend, service):
    service.delay_s = math.inf
    document, elsewhere = add(leases, "rent"), collection("Elsewhere", alice, leases.index)
    Document.objects.filter(pk=document.pk).update(collection=elsewhere)
    backend.move(document.pk, elsewhere.pk)
    service.settle()
    assert ask(elsewhere, "rent") == ["rent"]


def test_what_moved_away_is_not_found_while_the_service_has_it_at_its_old_place(leases, alice, service):
    document, elsewhere = add(leases, "rent"), collection("Elsewhere", alice, leases.index)
    service.delay_s = math.inf
    Document.objects.filter(pk=document.pk).update(collection=elsewhere)
    leases.index.live.backend.move(document.pk, elsewhere.pk)
    assert ask(leases, "rent") == []


def test_a_chunk_without_a_row_is_not_found(leases):
    add(leases, "rent").chunks.all().delete()
    assert ask(leases, "rent") == []


def test_a_file_is_read_into_the_index_and_is_ready_when_the_service_shows_it(alice, settings, service):
    settings.SEARCH_BACKEND, service.delay_s = "azure", 1.0
    document = library.add(alice)
    passages = retrieve("When is the rent due?", alice, top=1)
    assert document.state == "ready" and "third working day" in passages[0].text
    assert passages[0].keyword and passages[0].vector
    assert service.requests and document.collection.index.live.backend_name == "azure"


# Searching -----------------------------------------------------------------------------------------------------------
def test_a_chunk_found_by_its_words_alone_is_compared_by_meaning_too(leases, settings):
    settings.FUSION_ALPHA = 0.5
    near = [(0.9 * np.array(direction(1)) + 0.1 * np.array(direction(2))).tolist()] * 60
    far = [(cosine * np.array(direction(1)) + (1 - cosine**2) ** 0.5 * np.array(direction(3))) for cosine in (0.5, 0.1)]
    add(leases, *["roof"] * 60, "rent", "rent", vectors=near + [one.tolist() for one in far])
    best = find(leases, "rent", direction(1))[0]
    assert best.keyword and best.vector is None
    assert best.score == pytest.approx(0.5 + 0.5 * 0.4 / 0.894, abs=0.01)


def test_a_service_that_tells_no_scores_of_its_legs_ranks_by_itself(leases, service):
    service.tells_scores = False
    add(leases, "rent", "roof", "rent", vectors=[direction(1), direction(2), direction(3)])
    hits = find(leases, "rent", direction(1))
    assert [hit.keyword or hit.vector for hit in hits] == [None] * 3
    assert 1 >= hits[0].score > hits[1].score > hits[2].score > 0


def test_thousands_of_collections_are_asked_in_parts(leases, alice, service):
    def place(number: int) -> Collection:
        return Collection(name=f"Place {number}", owner=alice, index=leases.index)

    places = Collection.objects.bulk_create(place(number) for number in range(4_500))
    facts = {"owner": alice, "name": "x", "kind": "text", "size": 1, "generation": 1}
    Document.objects.bulk_create(Document(collection=one, sha256=uuid4().hex, **facts) for one in places)
    documents = [add(one, "rent", vectors=[direction(1)]) for one in (places[0], places[-1], leases)]
    everywhere = frozenset(one.pk for one in places)
    hits = leases.index.live.backend.search(Query("rent", direction(1), everywhere), 10)
    assert {hit.chunk_id for hit in hits} == {one.chunks.get().pk for one in documents[:2]}
    sizes = [request["size"] for request in service.asked("search")]
    assert len(sizes) == 3 and max(sizes) < 100_000


def test_collections_without_documents_are_not_asked_about(leases, service):
    add(leases, "rent")
    many = frozenset({leases.pk, *(uuid4() for _ in range(5_000))})
    assert len(leases.index.live.backend.search(Query("rent", None, many), 10)) == 1
    assert [request["size"] < 1_000 for request in service.asked("search")] == [True]


def test_the_filter_itself_carries_the_permission(leases, service):
    """The rows would do alone; but what nobody asks for, nobody can see on its way."""
    document = add(leases, "rent", vectors=[direction(1)])
    find(leases, "rent", direction(1))
    find(leases, "rent", direction(1), documents=frozenset([document.pk, uuid4()]))
    place = f"search.in(collection_id, '{leases.pk}', ',')"
    filters = [request["body"]["filter"] for request in service.asked("search")]
    assert filters == [place, f"{place} and search.in(document_id, '{document.pk}', ',')"]


def test_a_filter_takes_no_words_of_a_person():
    with pytest.raises((ValueError, TypeError)):
        any_of("collection_id", ["x') or true or search.in(id, '"])


@pytest.mark.parametrize(
    ("question", "asked"),
    [
        ("rent -deposit +roof | (wall) wi-fi", "rent deposit roof wall wi-fi"),
        ('"a" ~b* c\\d', "a b c d"),
        ("x\ud800y", "x\ufffdy"),
        ("*", ""),
        ("", ""),
        ("word " * 1_000, " ".join(["word"] * 100)),
    ],
)
def test_a_question_is_sent_as_plain_words(question, asked):
    assert plain(question, 30) == asked


# Ranked anew by the service ------------------------------------------------------------------------------------------
def test_what_the_service_ranks_anew_comes_in_that_order_with_a_caption(leases, settings):
    settings.AZURE_SEARCH_SEMANTIC = True
    texts = ["The rent. Rent, rent and rent!", "Somebody waits. The tenant pays the rent in May."]
    add(leases, *texts, vectors=[direction(1), direction(2)])
    hits = find(leases, "tenant pays rent May", direction(1))
    assert [hit.reranked for hit in hits] == [1.0, 0.25] and all(0 <= hit.score <= 1 for hit in hits)
    assert hits[0].caption == "The tenant pays the rent in May."


def test_a_reranker_that_does_not_come_in_time_changes_nothing(leases, settings, service):
    add(leases, "rent", "rent deposit", vectors=[direction(1), direction(2)])
    plainly = find(leases, "rent deposit", direction(1))
    settings.AZURE_SEARCH_SEMANTIC, service.has_reranker = True, False
    assert find(leases, "rent deposit", direction(1)) == plainly
    assert service.asked("search")[-1]["body"]["semanticErrorHandling"] == "partial"


def test_the_reranker_is_not_asked_unless_it_is_wanted(leases, service):
    find(leases, "rent", direction(1))
    assert {request["body"]["queryType"] for request in service.asked("search")} == {"simple"}


# What goes wrong -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("status", [429, 503, 500, 409, 0])
def test_a_passing_fault_is_overcome(leases, backend, service, status):
    service.wrong = [Fault(status, "search"), Fault(status, "index_documents")]
    add(leases, "rent", vectors=[direction(1)])
    assert len(backend.search(hybrid(leases), 10)) == 1 and service.wrong == []


@pytest.mark.parametrize(
    ("headers", "least", "most"),
    [
        ({}, 15, 15),
        ({"Retry-After": "20"}, 20, 20),
        ({"retry-after-ms": "30000"}, 30, 30),
        ({"Retry-After": "a date"}, 590, 600),
    ],
    ids=["untold", "seconds", "milliseconds", "date"],
)
def test_a_busy_service_is_left_alone_as_long_as_it_asks(leases, backend, service, headers, least, most):
    if "a date" in headers.values():
        headers = {"Retry-After": formatdate(time.time() + 600, usegmt=True)}
    service.wrong = [Fault(429, headers=headers) for _ in range(9)]
    began = time.monotonic()
    with pytest.raises(SearchBusy, match="is busy") as caught:
        backend.search(hybrid(leases), 10)
    assert least <= caught.value.retry_after <= most and time.monotonic() - began < 3


def test_nobody_waits_long_for_a_slow_service(leases, backend, service):
    backend.search_s = 0.6
    service.wrong = [Fault(200, pause_s=5)]
    began = time.monotonic()
    with pytest.raises(SearchBusy, match="does not answer"):
        backend.search(hybrid(leases), 10)
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("part", ["head", "body"])
def test_nobody_waits_long_for_an_answer_that_comes_byte_by_byte(leases, backend, service, part):
    backend.search_s = 0.6
    service.wrong = [Fault(200, body=b" " * 10_000, drip_s=0.05, drips=part)]
    began = time.monotonic()
    with pytest.raises(SearchBusy):
        backend.search(hybrid(leases), 10)
    assert time.monotonic() - began < 5


def test_a_body_that_comes_byte_by_byte_keeps_no_thread_busy(leases, backend, service):
    backend.search_s = 0.6
    service.wrong = [Fault(200, body=b" " * 10_000, drip_s=0.05)]
    before = {thread for thread in threading.enumerate() if thread.name == "search"}
    with pytest.raises(SearchBusy):
        backend.search(hybrid(leases), 10)
    for thread in [thread for thread in threading.enumerate() if thread.name == "search" and thread not in before]:
        thread.join(10)
        assert not thread.is_alive()
    backend.search_s = 30
    assert backend.search(hybrid(leases), 10) == []


def test_an_answer_that_cannot_be_read_is_a_passing_fault(leases, backend, service):
    service.wrong = [Fault(200, body=b"<html>Sorry</html>") for _ in range(9)]
    with pytest.raises(SearchBusy, match="cannot be read"):
        backend.search(hybrid(leases), 10)


def test_a_service_that_is_not_there_is_a_passing_fault(leases, backend, settings):
    settings.AZURE_SEARCH_ENDPOINT = "http://127.0.0.1:9"
    with pytest.raises(SearchBusy, match="cannot be reached"):
        backend.search(hybrid(leases), 10)


def test_an_index_at_a_service_that_is_no_longer_set_up_says_so(leases, backend, settings):
    settings.AZURE_SEARCH_ENDPOINT = ""
    with pytest.raises(SearchUnavailable, match="AZURE_SEARCH_ENDPOINT"):
        backend.search(hybrid(leases), 10)


@pytest.mark.parametrize(
    ("status", "message", "said"),
    [
        (400, "no", "its fields differ"),
        (401, "no", "refuses the key"),
        (403, "no", "refuses the key"),
        (403, "Quota exceeded", "is full"),
        (404, "no", "has no index “lectern-version"),
        (405, "no", r"status 405"),
    ],
)
def test_what_only_an_operator_can_mend_is_said_at_once(leases, backend, service, status, message, said):
    service.wrong = [Fault(status, message=message)]
    with pytest.raises(SearchUnavailable, match=said):
        backend.search(hybrid(leases), 10)
    assert len(service.asked("search")) == 1


def test_an_index_that_is_gone_is_said_to_be(leases, backend, service):
    service.indexes.clear()
    for verb in (lambda: backend.search(hybrid(leases), 10), lambda: backend.add([entry(1)]), backend.held):
        with pytest.raises(SearchUnavailable, match="has no index"):
            verb()


def test_a_vector_of_another_length_is_refused(leases, backend):
    with pytest.raises(SearchUnavailable, match="its fields differ"):
        backend.search(Query("rent", [0.5] * 7, frozenset([leases.pk])), 10)


def test_a_key_for_reading_can_search_and_not_write(leases, backend, service, settings):
    add(leases, "rent")
    settings.AZURE_SEARCH_KEY = service.query_key
    assert ask(leases, "rent") == ["rent"]
    with pytest.raises(SearchUnavailable, match="refuses the key"):
        backend.add([entry(1)])


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500])
def test_a_key_that_the_service_repeats_reaches_neither_log_nor_message(
    leases,
    backend,
    service,
    settings,
    caplog,
    status,
):
    backend.search_s = 0.3
    service.key = settings.AZURE_SEARCH_KEY = "sesame"
    service.wrong = [Fault(status, message="The key sesame is no good for “boathouse”.") for _ in range(9)]
    with caplog.at_level(logging.INFO), pytest.raises(SearchError) as caught:
        backend.search(hybrid(leases, "boathouse"), 10)
    shown = caplog.text + "".join(traceback.format_exception(caught.value))
    assert "sesame" not in shown and "“boathouse”" not in shown


def test_a_key_with_letters_that_no_key_has_is_refused_before_it_is_sent(leases, backend, service, settings):
    settings.AZURE_SEARCH_KEY = "sesame…"
    with pytest.raises(SearchUnavailable, match="letters that no key has"):
        backend.search(hybrid(leases), 10)
    assert service.asked("search") == []


# Who we are ----------------------------------------------------------------------------------------------------------
@pytest.fixture
def identity(monkeypatch, settings, service):
    """A machine with an identity: its endpoint hands out the token that the service takes."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            """Tests are quiet."""

        def do_GET(self) -> None:
            until = str(int(time.time()) + 3600)
            answer = {"access_token": "let me in", "expires_on": until, "token_type": "Bearer", "resource": "search"}
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://127.0.0.1:{server.server_port}/token")
    monkeypatch.setenv("IDENTITY_HEADER", "this machine")
    calls._identity.cache_clear()
    settings.AZURE_SEARCH_KEY, service.token = "", "let me in"
    yield
    server.shutdown()
    server.server_close()
    calls._identity.cache_clear()


def test_without_a_key_the_identity_of_the_process_signs_in(leases, identity, service):
    add(leases, "rent")
    assert ask(leases, "rent") == ["rent"]
    assert {request["headers"]["authorization"] for request in service.asked("search")} == {"Bearer let me in"}


def test_a_process_without_key_or_identity_is_told_so(leases, backend, settings, monkeypatch):
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
    calls._identity.cache_clear()
    settings.AZURE_SEARCH_KEY = ""
    with pytest.raises(SearchUnavailable, match="cannot sign in"):
        backend.search(hybrid(leases), 10)
    calls._identity.cache_clear()


@pytest.mark.parametrize(
    ("endpoint", "is_ours"),
    [
        ("http://127.0.0.1:8080", True),
        ("http://localhost:1", True),
        ("http://[::1]:1", True),
        ("http://127.0.0.1.example.org", False),
        ("http://search.example", False),
        ("http://localhost.example", False),
        ("http://10.0.0.1", False),
    ],
)
def test_a_token_goes_without_tls_to_this_machine_alone(endpoint, is_ours):
    assert calls.is_loopback(endpoint) is is_ours


def test_a_process_keeps_its_connections_and_a_forked_one_has_its_own(version, monkeypatch):
    ours = version.backend._chunks
    assert version.backend._chunks is ours
    monkeypatch.setattr(os, "getpid", lambda: 1)
    assert version.backend._chunks is not ours


# Settings ------------------------------------------------------------------------------------------------------------
def started(**variables: str) -> subprocess.CompletedProcess:
    program = "from project import settings; print(settings.AZURE_SEARCH_KEY)"
    command = [sys.executable, "-c", program]
    return subprocess.run(command, env=os.environ | variables, cwd=ROOT, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("name", ["AZURE_SEARCH_KEY", "AZURE_SEARCH_API_KEY", "AZURE_SEARCH_ADMIN_KEY"])
def test_the_key_has_three_names(name):
    assert started(**{name: "sesame"}).stdout.strip() == "sesame"


@pytest.mark.parametrize(
    "variables",
    [
        {"LECTERN_SEARCH_BACKEND": "azure"},
        {"LECTERN_SEARCH_BACKEND": "elastic"},
        {"AZURE_SEARCH_ENDPOINT": "http://search.example"},
        {"AZURE_SEARCH_ENDPOINT": "search.example"},
        {"AZURE_SEARCH_PREFIX": "Lectern!"},
        {"AZURE_SEARCH_SEMANTIC": "perhaps"},
    ],
    ids=lambda variables: next(iter(variables)),
)
def test_a_setting_that_makes_no_sense_ends_the_start_by_its_name(variables):
    ended = started(**variables)
    assert ended.returncode != 0 and next(iter(variables)) in ended.stderr


# The service as the tests have it ------------------------------------------------------------------------------------
def test_the_fake_refuses_what_the_specification_does_not_know(service):
    import requests

    made = requests.post(
        f"{service.url}/indexes('x')/docs/search.post.search?api-version=2026-04-01",
        headers={"api-key": service.key},
        json={"search": "rent", "serch": 1},
        timeout=5,
    )
    assert made.status_code == 400 and "serch" in service.faults.pop()


def test_a_deleted_document_is_hidden_though_its_entries_fill_the_first_pages(leases, service):
    add(leases, *["rent"] * 120, vectors=[direction(1)] * 120, deleted_at=timezone.now())
    add(leases, "rent of the boathouse")
    assert ask(leases, "rent", direction(1)) == ["rent of the boathouse"]
    assert len(service.asked("search")) <= 4


@pytest.mark.parametrize("mode", ["hybrid", "keyword", "vector"])
def test_entries_of_many_documents_that_are_gone_hide_nothing(leases, backend, mode):
    """More of them than are looked at in several goes, each of another document that no row knows."""
    gone = [Entry(10**6 + n, uuid4(), leases.pk, 1, "rent rent rent", "en", direction(1)) for n in range(700)]
    backend.add(gone)
    slanted = (0.9 * np.array(direction(1)) + 0.1 * np.array(direction(2))).tolist()
    add(leases, "rent of the boathouse", vectors=[slanted])
    assert ask(leases, "rent", direction(1), mode=mode) == ["rent of the boathouse"]


@pytest.mark.parametrize("mode", ["hybrid", "keyword", "vector"])
def test_entries_of_chunks_that_are_gone_hide_nothing_of_their_own_document(leases, backend, mode):
    slanted = (0.9 * np.array(direction(1)) + 0.1 * np.array(direction(2))).tolist()
    document = add(leases, "rent of the boathouse", vectors=[slanted])
    stale = [Entry(10**6 + n, document.pk, leases.pk, 1, "rent rent rent", "en", direction(1)) for n in range(300)]
    backend.add(stale)
    assert ask(leases, "rent", direction(1), mode=mode) == ["rent of the boathouse"]


def test_what_is_gone_does_not_take_the_place_of_what_one_leg_alone_finds(leases, backend, settings):
    """Enough is found by its words; what only its meaning brings lies behind the entries that are gone."""
    settings.FUSION_ALPHA = 0.7
    backend.add(Entry(10**6 + n, uuid4(), leases.pk, 1, "roof", "en", direction(1)) for n in range(60))
    near = (0.9 * np.array(direction(1)) + 0.1 * np.array(direction(2))).tolist()
    add(leases, *["rent"] * 12, "mooring", vectors=[direction(3)] * 12 + [near])
    assert ask(leases, "rent", direction(1), top=10)[0] == "mooring"
