"""From a question to passages: what the search backends found, weighed, joined, told apart and put into order."""

import json
import logging
import math
import time
from dataclasses import replace
from uuid import UUID, uuid4

import numpy as np
import pypdfium2
import pytest
from django.utils import timezone

from chat.answering import answer
from chat.events import Failed, Question
from documents.embeddings import LOCAL_MODEL, embed_query
from documents.indexes import default_index
from documents.models import Chunk, Collection, Document, Index, IndexVersion, Page
from documents.retrieval import Passage, find, reranking, retrieve
from documents.retrieval.duplicates import apart, words_of
from documents.retrieval.joining import TOKENS_MOST
from documents.retrieval.reranking import PASSAGES_MOST
from documents.retrieval.weighing import weight_of_meaning
from documents.search import Entry, SearchBusy, SearchUnavailable
from documents.search.pgvector import PgvectorBackend
from project.circuit import Circuit
from tests.fake_openai import FakeOpenAI, Vectors
from tests.fake_rerank import FakeRerank, Ranking
from tests.library import FILES

EN = frozenset({"en"})


@pytest.fixture
def leases(alice) -> Collection:
    return Collection.objects.create(name="Leases", owner=alice, index=default_index())


def document(collection: Collection, name: str = "lease.pdf", language: str = "en") -> Document:
    return Document.objects.create(
        collection=collection,
        owner=collection.owner,
        name=name,
        kind="pdf",
        sha256=uuid4().hex,
        size=1,
        language=language,
        generation=1,
    )


def page(held: Document, text: str, *spans: tuple[int, int], vectors: list | None = None, **facts) -> Page:
    """A page of these chunks, or of a single one, live and indexed. `facts` are the page's own."""
    chunk_facts = {name: facts.pop(name) for name in ("section", "header_start", "header_end") if name in facts}
    tokens = facts.pop("tokens", 10)
    made = Page.objects.create(
        document=held, generation=1, number=facts.pop("number", held.pages.count() + 1), text=text, **facts
    )
    version, first = held.collection.index.live, held.chunks.count()
    entries = []
    for place, (start, end) in enumerate(spans or [(0, len(text))]):
        chunk = Chunk.objects.create(
            document=held,
            page=made,
            index_version=version,
            generation=1,
            ordinal=first + place,
            start=start,
            end=end,
            tokens=tokens,
            **chunk_facts,
        )
        vector = vectors[place] if vectors else None
        entries.append(Entry(chunk.pk, held.pk, held.collection_id, 1, text[start:end], held.language, vector))
    version.backend.add(entries)
    return made


def add(collection: Collection, *texts: str, language: str = "en", vectors: list | None = None) -> Document:
    """A document of one page and chunk for each text."""
    held = document(collection, language=language)
    for place, text in enumerate(texts):
        page(held, text, vectors=[vectors[place]] if vectors else None)
    return held


def texts_found(question: str, user, **how) -> list[str]:
    return [passage.text for passage in retrieve(question, user, **how)]


def across(text: str) -> list[float]:
    """A vector as far from a text's as can be without pointing away."""
    vector = embed_query(LOCAL_MODEL, text)
    other = np.eye(len(vector), dtype=np.float32)[0]
    other -= vector * (vector @ other)
    return (other / np.linalg.norm(other)).tolist()


# Weights by language -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "weight"),
    [
        ("When is the rent for the boathouse due?", 0.5),
        ("Wann ist die Miete für das Bootshaus fällig?", 0.05),
        ("¿Cuándo se paga el alquiler del embarcadero?", 0.05),
        ("船屋的租金什么时候到期？", 0.05),
        ("متى يستحق إيجار بيت القارب؟", 0.05),
    ],
)
def test_meaning_weighs_less_in_a_language_the_model_does_not_know(question, weight):
    assert weight_of_meaning(question, 0.5, EN, lambda: ["en", "de"]) == pytest.approx(weight)


def test_a_model_of_many_languages_keeps_its_weight():
    assert weight_of_meaning("Wann ist die Miete fällig?", 0.5, None, lambda: ["de"]) == 0.5


@pytest.mark.parametrize(("held", "weight"), [(["de", ""], 0.05), (["de", "en"], 0.5), ([""], 0.5), ([], 0.5)])
def test_a_question_too_short_to_tell_is_in_the_language_of_the_documents(held, weight):
    assert weight_of_meaning("DECnet 1975", 0.5, EN, lambda: held) == pytest.approx(weight)


def test_a_script_tells_the_language_of_a_question_too_short_to_tell():
    assert weight_of_meaning("ما DECnet؟ X.25", 0.5, EN, lambda: ["en", "ar"]) == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("question", "language", "first"),
    [
        ("When is the rent for the boathouse due?", "en", "meaning"),
        ("Wann ist die Miete für das Bootshaus fällig?", "de", "words"),
    ],
)
def test_words_decide_where_the_model_does_not_know_the_language(leases, alice, question, language, first):
    """Two chunks: one holds the words and means something else, the other holds a few of them and means just that."""
    vector = embed_query(LOCAL_MODEL, question).tolist()
    few = " ".join(question.split()[:6])
    add(leases, question, few, "oak", language=language, vectors=[across(question), vector, across("oak")])
    assert texts_found(question, alice)[0] == (few if first == "meaning" else question)


# Neighbours ----------------------------------------------------------------------------------------------------------

RULES = "Rent is due in May. Rent for boats is due in June.\n\nRent for sheds is never due."


def test_neighbours_that_overlap_are_one_passage_without_doubled_words(leases, alice):
    made = page(document(leases), RULES, (0, 50), (20, 82))
    found = retrieve("rent", alice, mode="keyword")
    assert [(passage.start, passage.end, passage.text) for passage in found] == [(0, 82, RULES)]
    assert found[0].text == made.shown_text(found[0].start, found[0].end)


def test_neighbours_that_touch_are_one_passage_with_the_best_of_their_ranks(leases, alice):
    page(document(leases), RULES, (0, 19), (20, 50), (52, 82))
    best = Chunk.objects.get(start=20)
    found = retrieve("rent boats", alice, mode="keyword")
    assert [(passage.start, passage.end, passage.chunk_id) for passage in found] == [(0, 82, best.pk)]
    assert found[0].keyword.rank == 1 and found[0].score == 1


def test_chunks_with_words_between_them_stay_apart(leases, alice):
    page(document(leases), RULES, (0, 19), (52, 82))
    assert len(retrieve("rent", alice, mode="keyword")) == 2


def test_chunks_of_two_pages_stay_apart(leases, alice):
    held = document(leases)
    page(held, "rent of one"), page(held, "rent of two")
    assert len(retrieve("rent", alice, mode="keyword")) == 2


def test_sections_stay_apart(leases, alice):
    made = page(document(leases), RULES, (0, 50), (52, 82))
    Chunk.objects.filter(page=made, start=52).update(section="Sheds")
    assert len(retrieve("rent", alice, mode="keyword")) == 2


def test_joining_ends_before_the_prompt_is_full(leases, alice):
    page(document(leases), "rent a. rent b. rent c.", (0, 7), (8, 15), (16, 23), tokens=TOKENS_MOST // 2)
    assert sorted(texts_found("rent", alice, mode="keyword")) == ["rent a. rent b.", "rent c."]


TABLE = "boat rent\nskiff rent 5\npunt rent 6\nraft rent 7\n"


def test_a_later_part_of_a_table_keeps_its_header(leases, alice):
    made = page(document(leases), TABLE, (23, 34), (35, 46), header_start=0, header_end=9)
    found = retrieve("punt raft", alice, mode="keyword")
    assert [(passage.header, passage.text) for passage in found] == [("boat rent", made.text[23:46])]


def test_the_first_part_of_a_table_joins_the_next_and_needs_no_header(leases, alice):
    made = page(document(leases), TABLE, (0, 22), (23, 46))
    Chunk.objects.filter(page=made, start=23).update(header_start=0, header_end=9)
    found = retrieve("rent", alice, mode="keyword")
    assert [(passage.header, passage.text) for passage in found] == [("", TABLE.strip())]


def test_parts_of_two_tables_stay_apart(leases, alice):
    made = page(document(leases), TABLE, (23, 34), (35, 46), header_start=0, header_end=9)
    Chunk.objects.filter(page=made, start=35).update(header_start=10, header_end=22)
    assert len(retrieve("rent", alice, mode="keyword")) == 2


def test_withheld_words_stay_blank_in_a_joined_passage(leases, alice):
    page(document(leases), RULES, (0, 50), (52, 82), findings=[[5, 7, "hidden", "white on white"]])
    found = retrieve("rent", alice, mode="keyword")[0]
    assert (found.text[:11], found.end) == ("Rent    due", 82)


def test_joining_leaves_no_gap_in_the_number_asked_for(leases, alice):
    for n in range(4):
        page(document(leases), f"rent {n} w. rent {n} x. rent {n} y. rent {n} z.", (0, 9), (10, 19), (20, 29), (30, 39))
    assert len(retrieve("rent", alice, mode="keyword", top=4)) == 4


# Copies --------------------------------------------------------------------------------------------------------------


def passage(text: str, *, title: str = "one", page_number: int = 1, header: str = "") -> Passage:
    pk = UUID(int=abs(hash(title)))
    return Passage(1, pk, title, title, 1, page_number, "", 0, len(text), "", text, 1.0, None, None, header)


LEASE = (
    "The tenant of House 4 pays 450.00 EUR a month to Mrs Winter, and keeps no horses in the rooms above the stable."
)


@pytest.mark.parametrize(
    "other",
    [
        LEASE,
        LEASE.upper(),
        LEASE.replace(" ", "\n"),
        "• " + LEASE.replace("tenant", "ten-\nant").replace(", and", " and"),
        LEASE.replace("rooms", "ro\u00adoms"),
        LEASE[11:80].strip(),
    ],
)
def test_the_same_words_are_a_copy(other):
    kept, copies = apart([passage(LEASE), passage(other, title="two", page_number=7)])
    assert (titles(kept), titles(copies)) == (["one"], ["two"])
    assert [(place.document_title, place.page_number) for place in kept[0].duplicates] == [("two", 7)]


def titles(passages: list[Passage]) -> list[str]:
    return [each.document_title for each in passages]


@pytest.mark.parametrize(
    "other",
    [
        LEASE.replace("450.00", "455.00"),
        LEASE.replace("450.00", "-450.00"),
        LEASE.replace("EUR", "USD"),
        LEASE.replace("House 4", "House 14"),
        LEASE.replace("Winter", "Sommer"),
        LEASE.replace("month", "week"),
        LEASE.replace("keeps no", "keeps"),
        LEASE + " Nor goats.",
        "夏季租金每月四百五十元",
    ],
)
def test_what_differs_in_a_word_is_no_copy(other):
    assert titles(apart([passage(LEASE), passage(other, title="two")])[0]) == ["one", "two"]


def test_parts_of_tables_under_two_headers_are_no_copies():
    kept, _ = apart([passage("12 | 14", header="May | June"), passage("12 | 14", title="two", header="July | August")])
    assert titles(kept) == ["one", "two"]


def test_passages_without_words_are_no_copies():
    assert len(apart([passage("---"), passage("***", title="two")])[0]) == 2


@pytest.mark.skipif(not FILES.is_dir(), reason="the real files are not here")
def test_reports_alike_but_for_their_facts_are_no_copies_and_a_copied_report_is():
    pages = [
        passage(sheet.get_textpage().get_text_range(), title=path.stem, page_number=number)
        for path in sorted((FILES / "ntsb").glob("*.pdf"))
        for number, sheet in enumerate(pypdfium2.PdfDocument(path), 1)
    ]
    assert len({each.document_title for each in pages}) == 10
    assert apart(pages) == (pages, [])
    copied = [replace(each, document_title=f"{each.document_title} again") for each in pages]
    kept, copies = apart([*pages, *copied])
    assert titles(kept) == titles(pages) and copies == copied


def test_copies_do_not_crowd_out_others_and_are_told_of(leases, alice):
    other = Collection.objects.create(name="Archive", owner=alice, index=leases.index)
    add(leases, "The rent is due in May, and the rent is 5 EUR."), add(leases, "Rent for boats.")
    copy = add(other, "The rent is due in May, and the rent is 5 EUR.")
    found = retrieve("rent due", alice, mode="keyword", top=2)
    assert [each.text[:10] for each in found] == ["The rent i", "Rent for b"]
    assert [place.document_id for place in found[0].duplicates] == [copy.pk]


def test_copies_fill_up_what_others_leave_empty(leases, alice):
    add(leases, "The rent is due in May."), add(leases, "The rent is due in May."), add(leases, "Rent for boats.")
    found = retrieve("rent due", alice, mode="keyword", top=3)
    assert [each.text[:8] for each in found] == ["The rent", "Rent for", "The rent"]


def test_a_hundred_copies_do_not_hide_what_comes_after_them(leases, alice):
    for _ in range(25):
        add(leases, "The rent is due, the rent is due.")
    add(leases, "Rent for boats, and for sheds which have an owner and a key.")
    assert len(set(texts_found("rent due", alice, mode="keyword", top=4))) == 2


def test_a_stranger_is_not_told_of_copies(leases, alice, bob):
    hers = Collection.objects.create(name="Hers", owner=bob, index=leases.index)
    add(leases, "The rent is due in May."), add(hers, "The rent is due in May.")
    assert retrieve("rent", alice, mode="keyword")[0].duplicates == ()


# The reranker --------------------------------------------------------------------------------------------------------


@pytest.fixture
def reranker(settings):
    settings.RERANK_SECONDS = 2
    with FakeRerank() as service:
        settings.RERANK_URL, settings.RERANK_KEY = f"{service.url}/v2/rerank", "secret"
        settings.RERANK_MODEL = "rerank-v3.5"
        yield service


@pytest.fixture
def rents(leases) -> Document:
    return add(leases, "rent rent rent rent", "The rent is due in May.", "rent and rent")


IN_ORDER = ["rent rent rent rent", "rent and rent", "The rent is due in May."]


def by_dots(question: str, text: str) -> float:
    """A score that puts the passage with a sentence first."""
    return 0.9 if "." in text else 0.2 + len(text) / 1_000


def test_without_a_reranker_none_is_asked(rents, alice):
    assert find("rent", alice).notices == []


@pytest.mark.parametrize(("path", "model"), [("/v2/rerank", "rerank-v3.5"), ("/rerank", "")])
def test_a_reranker_puts_the_passages_into_order(rents, alice, reranker, settings, path, model):
    settings.RERANK_URL, settings.RERANK_MODEL = f"{reranker.url}{path}", model
    reranker.rankings = [Ranking(score=by_dots)]
    found = find("rent", alice)
    assert reranker.faults == [] and found.notices == []
    assert found.passages[0].text == "The rent is due in May." and found.passages[0].score == 0.9
    assert found.passages[0].keyword and [each.score for each in found.passages[1:]] == [0.225, 0.219]


def test_logits_are_brought_between_nought_and_one(rents, alice, reranker):
    reranker.rankings = [Ranking(score=lambda question, text: 2 if "." in text else -900 if "and" in text else 0.5)]
    found = find("rent", alice)
    assert [round(each.score, 3) for each in found.passages] == [0.881, 0.622, 0.0] and not found.notices


def test_only_a_hybrid_search_is_reranked(rents, alice, reranker):
    retrieve("rent", alice, mode="keyword"), retrieve("rent", alice, mode="vector"), retrieve(" ", alice)
    assert reranker.requests == []


def test_nothing_found_asks_nobody(alice, reranker):
    assert find("rent", alice).notices == [] and reranker.requests == []


def test_withheld_words_never_leave_the_house(leases, alice, reranker):
    page(document(leases), "The rent is secretly due in May.", findings=[[12, 20, "hidden", "white on white"]])
    retrieve("rent", alice)
    assert reranker.requests[0]["documents"] == ["lease\nThe rent is          due in May."]


def test_no_more_passages_are_sent_than_the_service_takes(leases, alice, reranker, settings):
    settings.RERANK_URL, settings.RERANK_MODEL = f"{reranker.url}/rerank", ""
    add(leases, *[f"rent {number}" for number in range(40)])
    found = find("rent", alice, top=40)
    assert reranker.faults == [] and len(reranker.requests[0]["texts"]) == PASSAGES_MOST
    assert len(found.passages) == 40 and found.passages == sorted(found.passages, key=lambda each: -each.score)


RIGHT = [{"index": index, "relevance_score": 0.1 * index} for index in range(3)]
NONSENSE = {
    "an index is missing": Ranking(mend=lambda rows: rows[1:]),
    "an index twice": Ranking(mend=lambda rows: [*rows[1:], rows[1]]),
    "one too many": Ranking(mend=lambda rows: [*rows, rows[0]]),
    "an index too high": Ranking(mend=lambda rows: [*rows[1:], rows[0] | {"index": 3}]),
    "an index that is true": Ranking(mend=lambda rows: [row | {"index": bool(row["index"])} for row in rows]),
    "an index of text": Ranking(mend=lambda rows: [row | {"index": str(row["index"])} for row in rows]),
    "no number": Ranking(score=lambda question, text: math.nan),
    "infinite": Ranking(score=lambda question, text: math.inf),
    "beyond every number": Ranking(score=lambda question, text: 10**400),
    "text": Ranking(score=lambda question, text: "0.9"),
    "true": Ranking(score=lambda question, text: True),
    "nothing": Ranking(score=lambda question, text: None),
    "no score": Ranking(mend=lambda rows: [{"index": row["index"]} for row in rows]),
    "no rows": Ranking(mend=lambda rows: []),
    "rows that are text": Ranking(mend=lambda rows: ["relevance_score"] * 3),
    "another shape": Ranking(mend=lambda rows: {"data": rows}),
    "a number": Ranking(body=b"7"),
    "null": Ranking(body=b"null"),
    "a page": Ranking(body=b"<html>"),
    "not a letter": Ranking(body=b"\xff\xfe\x00"),
    "empty": Ranking(body=b""),
    "very deep": Ranking(body=b"[" * 100_000),
    "100 MB": Ranking(body=json.dumps(RIGHT).encode() + b" " * 100_000_000),
    "broken off": Ranking(body=b"{", headers={"Content-Length": "5000"}),
    "packed": Ranking(headers={"Content-Encoding": "gzip"}, body=b"\x1f\x8b\x08"),
    "a redirect": Ranking(307, {"Location": "/elsewhere"}),
    "another redirect": Ranking(302, {"Location": "/elsewhere"}),
    "busy": Ranking(429),
    "at fault": Ranking(500),
    "refused": Ranking(401),
}


@pytest.mark.parametrize("ranking", NONSENSE.values(), ids=NONSENSE)
def test_nonsense_leaves_the_order_as_it_was(rents, alice, reranker, ranking, caplog):
    reranker.rankings = [ranking]
    with caplog.at_level(logging.INFO):
        found = find("rent", alice)
    assert sorted(each.text for each in found.passages) == sorted(IN_ORDER)
    assert found.passages == sorted(found.passages, key=lambda each: -each.score)
    assert len(found.notices) == 1 and reranker.faults == [] and len(reranker.requests) == 1
    assert [record.name for record in caplog.records if record.levelno >= logging.WARNING] == [
        "documents.retrieval"
    ] and "secret" not in caplog.text


@pytest.mark.parametrize("ranking", [Ranking(pause_s=5), Ranking(drip_s=0.05)], ids=["silent", "dripping"])
def test_a_late_reranker_is_not_waited_for(rents, alice, reranker, settings, ranking):
    retrieve("rent", alice)  # The model is loaded by now.
    settings.RERANK_SECONDS = 0.4
    reranker.rankings = [ranking]
    began = time.monotonic()
    found = find("rent", alice)
    assert time.monotonic() - began < 1.2 and len(found.notices) == 1 and len(found.passages) == 3


@pytest.mark.parametrize(
    ("name", "value"),
    [("RERANK_URL", "http://127.0.0.1:1/rerank"), ("RERANK_URL", "http://[oh"), ("RERANK_KEY", "schlüssel\n")],
)
def test_a_reranker_that_cannot_be_called_changes_nothing(rents, alice, reranker, settings, name, value, caplog):
    setattr(settings, name, value)
    found = find("rent", alice)
    assert len(found.passages) == 3 and len(found.notices) == 1 and value not in caplog.text


@pytest.mark.parametrize("ranking", [Ranking(503), Ranking(pause_s=1)], ids=["at fault", "silent"])
def test_a_reranker_that_is_not_there_again_and_again_is_left_alone(rents, alice, reranker, settings, ranking):
    settings.RERANK_SECONDS = 0.2
    reranker.rankings = [ranking] * 3
    notices = [find("rent", alice).notices for _ in range(5)]
    assert len(reranker.requests) == 3 and all(len(told) == 1 for told in notices)


def test_a_reranker_that_is_there_again_is_asked_again(rents, alice, reranker, monkeypatch):
    monkeypatch.setattr(reranking, "CIRCUIT", Circuit("rerank", failures=1, open_s=0.001))
    reranker.rankings = [Ranking(503)]
    while find("rent", alice).notices:
        pass
    assert len(reranker.requests) == 2 and reranking.CIRCUIT.state().word == "closed"


def test_a_reranker_that_refuses_is_there(rents, alice, reranker):
    reranker.rankings = [Ranking(429)] * 4
    for _ in range(5):
        find("rent", alice)
    assert len(reranker.requests) == 5


# What goes wrong, and what changes meanwhile --------------------------------------------------------------------------


class Between(PgvectorBackend):
    """The real backend, with something happening between the search and the reading of the rows."""

    meanwhile = staticmethod(lambda: None)
    reranked: dict[str, float] = {}

    def search(self, query, top):
        hits = super().search(query, top)
        type(self).meanwhile()
        texts = {chunk.pk: chunk.text for chunk in Chunk.objects.filter(pk__in=[hit.chunk_id for hit in hits])}
        return [replace(hit, reranked=self.reranked.get(texts.get(hit.chunk_id, ""))) for hit in hits]


@pytest.fixture
def between(settings, monkeypatch):
    settings.SEARCH_BACKENDS = settings.SEARCH_BACKENDS | {"pgvector": "tests.test_retrieval.Between"}

    def happening(act):
        monkeypatch.setattr(Between, "meanwhile", staticmethod(act))

    return happening


def moved(held: Document) -> None:
    other = Collection.objects.create(name="Elsewhere", owner=held.owner, index=held.collection.index)
    Document.objects.filter(pk=held.pk).update(collection=other)


CHANGES = {
    "deleted": lambda held: Document.objects.filter(pk=held.pk).update(deleted_at=timezone.now()),
    "superseded": lambda held: Document.objects.filter(pk=held.pk).update(superseded_at=timezone.now()),
    "read again": lambda held: Document.objects.filter(pk=held.pk).update(generation=2),
    "moved": moved,
    "closed": lambda held: held.collection.memberships.all().delete(),
    "gone": lambda held: held.delete(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_changes_after_the_search_is_not_shown(leases, bob, between, change):
    leases.memberships.create(user=bob)
    held = add(leases, "The rent is due.")
    assert retrieve("rent", bob, mode="keyword", collections=[leases.pk])
    between(lambda: change(held))
    assert retrieve("rent", bob, mode="keyword", collections=[leases.pk]) == []


def test_the_backends_own_ranking_by_meaning_is_the_order(rents, alice, between, monkeypatch):
    monkeypatch.setattr(Between, "reranked", {"The rent is due in May.": 0.7, "rent and rent": 0.1})
    found = retrieve("rent", alice)
    assert [each.text for each in found] == ["The rent is due in May.", "rent and rent", "rent rent rent rent"]
    assert [each.score for each in found[:2]] == [0.7, 0.1] and found[2].score <= 0.1


def test_an_embedding_service_that_is_busy_leaves_the_words(alice, settings):
    settings.EMBEDDING_DIMENSIONS = 0
    with FakeOpenAI() as service:
        settings.OPENAI_BASE_URL, settings.OPENAI_API_KEY = f"{service.url}/v1", "secret"
        settings.OPENAI_EMBEDDING_MODEL = "text-embedding-3-small"
        index = second_index("remote", "openai:text-embedding-3-small", service.length)
        add(Collection.objects.create(name="Remote", owner=alice, index=index), "The rent is due.")
        service.vectors = [Vectors(status=503, headers={"retry-after": "30"})]
        found = find("rent", alice)
    assert [each.text for each in found.passages] == ["The rent is due."] and found.passages[0].vector is None
    assert found.notices == ["Searched by words alone. The embedding service is busy."]


def test_a_missing_model_leaves_the_words(rents, alice):
    IndexVersion.objects.update(embedding_model="some-other-model")
    found = find("rent", alice)
    assert len(found.passages) == 3 and found.notices[0].startswith("Searched by words alone. The index was built with")


class Broken(PgvectorBackend):
    fault: Exception = SearchBusy("The index is busy.", 12.5)

    def search(self, query, top):
        raise self.fault


@pytest.fixture
def broken(settings, rents):
    settings.SEARCH_BACKENDS = settings.SEARCH_BACKENDS | {"pgvector": "tests.test_retrieval.Broken"}


FAULTS = [(SearchBusy("The index is busy.", 12.5), "13"), (SearchUnavailable("The index is gone."), "300")]


@pytest.mark.parametrize(("fault", "wait"), FAULTS)
def test_a_search_that_fails_says_so_to_a_program(alice, client, broken, monkeypatch, fault, wait):
    from project.models import ApiKey

    monkeypatch.setattr(Broken, "fault", fault)
    headers = {"Authorization": f"Bearer {ApiKey.create(alice)[1]}"}
    reply = client.post("/api/search", {"query": "rent"}, content_type="application/json", headers=headers)
    assert (reply.status_code, reply["Retry-After"]) == (503, wait)
    assert json.loads(reply.content)["error"]["reason"] == str(fault)


async def _last(question: Question):
    return [event async for event in answer(question)][-1]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("fault", "_"), FAULTS)
def test_a_search_that_fails_ends_an_answer_with_a_sentence(alice, broken, monkeypatch, fault, _):
    from asgiref.sync import async_to_sync

    monkeypatch.setattr(Broken, "fault", fault)
    end = async_to_sync(_last)(Question("When is the rent due?", alice))
    assert end == Failed(type(fault).__name__, str(fault))


# Several indexes ------------------------------------------------------------------------------------------------------


def second_index(name: str, model: str = LOCAL_MODEL, dimensions: int = 384) -> Index:
    index = Index.objects.create(name=name)
    index.live = IndexVersion.objects.create(index=index, number=1, embedding_model=model, dimensions=dimensions)
    index.live.backend.create()
    index.save()
    return index


BOATS = [
    "A skiff is kept in the boathouse by the lake.",
    "The boathouse opens in April and closes in October.",
    "The rent for a place in the boathouse is due in May.",
]
COOKING = ["The soup is due at noon.", "Salt is kept in the kitchen.", "The oven opens in front."]


def with_vectors(collection: Collection, texts: list[str], *, turned: bool = False) -> None:
    vectors = [embed_query(LOCAL_MODEL, text) for text in texts]
    for text, vector in zip(texts, vectors, strict=True):
        add(collection, text, vectors=[(np.roll(vector, 1) if turned else vector).tolist()])


@pytest.mark.parametrize("first", ["boats", "cooking"])
@pytest.mark.parametrize("mode", ["hybrid", "keyword", "vector"])
def test_an_index_that_knows_nothing_of_it_does_not_come_first(alice, first, mode):
    """Whichever index is searched first, and though each gives its own best passage the highest score."""
    indexes = {"boats": default_index(), "cooking": second_index("second")}
    if first == "cooking":
        indexes = {"boats": indexes["cooking"], "cooking": indexes["boats"]}
    for name, texts in (("boats", BOATS), ("cooking", COOKING)):
        with_vectors(Collection.objects.create(name=name, owner=alice, index=indexes[name]), texts)
    found = texts_found("When is the rent for the boathouse due?", alice, mode=mode)
    assert found[0] == BOATS[2]
    assert mode == "keyword" or found[1] in BOATS


def test_each_index_has_its_say_where_both_know_of_it(alice):
    with_vectors(Collection.objects.create(name="one", owner=alice, index=default_index()), [*BOATS, "Oak and ash."])
    more = ["The rent for the boathouse is due in June, says another lease.", "Salt is dear."]
    with_vectors(Collection.objects.create(name="two", owner=alice, index=second_index("second")), more)
    assert set(texts_found("When is the rent for the boathouse due?", alice)[:2]) == {BOATS[2], more[0]}


def test_cosines_of_two_models_are_not_compared(alice):
    """The other model's cosines are all high, as those of some models are: they must not lift what says nothing."""
    with_vectors(Collection.objects.create(name="boats", owner=alice, index=default_index()), BOATS)
    with FakeOpenAI() as service:
        from django.test import override_settings

        with override_settings(
            OPENAI_BASE_URL=f"{service.url}/v1", OPENAI_API_KEY="secret", OPENAI_EMBEDDING_MODEL="other"
        ):
            index = second_index("second", "openai:other", service.length)
            collection = Collection.objects.create(name="cooking", owner=alice, index=index)
            question = "When is the rent for the boathouse due?"
            near = embed_query("openai:other", question).tolist()
            add(collection, *COOKING, vectors=[near] * 3)
            assert set(texts_found(question, alice)[:2]) <= set(BOATS)


def test_no_more_passages_of_all_indexes_than_asked_for(alice):
    with_vectors(Collection.objects.create(name="one", owner=alice, index=default_index()), BOATS)
    with_vectors(Collection.objects.create(name="two", owner=alice, index=second_index("second")), COOKING)
    assert len(retrieve("boathouse kitchen", alice, top=4)) == 4


def test_words_are_compared_as_they_are_read():
    assert words_of("") == "  " and words_of(" A\x00b ") == " a\x00b "
