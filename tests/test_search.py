from uuid import uuid4

import numpy as np
import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.utils import timezone

from documents.embeddings import embed_query
from documents.indexes import default_index
from documents.models import Chunk, Collection, Document, IndexVersion, Page
from documents.retrieval import retrieve
from documents.search import Entry, Query
from documents.search.words import spelled

pytestmark = pytest.mark.django_db


@pytest.fixture
def version(db) -> IndexVersion:
    return default_index().live


@pytest.fixture
def backend(version):
    return version.backend


@pytest.fixture
def leases(alice) -> Collection:
    return Collection.objects.create(name="Leases", owner=alice, index=default_index())


def direction(number: int) -> list[float]:
    """A vector that is like no other number's."""
    vector = np.zeros(384, np.float32)
    vector[number] = 1
    return vector.tolist()


def add(
    collection: Collection, *texts: str, language: str = "en", vectors: list | None = None, generation: int = 1
) -> Document:
    """A document of one page a text, each of them one chunk, live and indexed."""
    document = Document.objects.create(
        collection=collection,
        owner=collection.owner,
        name="lease.pdf",
        kind="pdf",
        sha256=uuid4().hex,
        size=1,
        language=language,
        generation=generation,
    )
    index_again(document, *texts, vectors=vectors, generation=generation)
    return document


def index_again(document: Document, *texts: str, vectors: list | None = None, generation: int = 1) -> None:
    entries = []
    for number, text in enumerate(texts, start=1):
        page = Page.objects.create(document=document, generation=generation, number=number, text=text)
        chunk = Chunk.objects.create(
            document=document, page=page, generation=generation, ordinal=number, start=0, end=len(text)
        )
        vector = vectors[number - 1] if vectors else None
        entries.append(Entry(chunk.pk, document.pk, generation, text, document.language, vector))
    document.collection.index.live.backend.add(entries)


def ask(collection: Collection, text: str, vector=None, mode="hybrid", top=10, documents=None) -> list[str]:
    """The texts of the chunks found, best first."""
    query = Query(text, vector, frozenset([collection.pk]), documents, mode)
    hits = collection.index.live.backend.search(query, top)
    return [Chunk.objects.get(pk=hit.chunk_id).text for hit in hits]


# Words ------------------------------------------------------------------------------------------------------------


def test_a_chunk_is_found_by_another_form_of_its_word(leases):
    add(leases, "The tenant pays rents.", "The roof was repaired.")
    assert ask(leases, "paying the rent?") == ["The tenant pays rents."]


def test_a_rare_word_weighs_more_than_a_common_one(leases):
    add(leases, "rent and rent and rent", "rent for the boathouse", "rent in May", "rent in June")
    assert ask(leases, "rent boathouse")[0] == "rent for the boathouse"


def test_a_german_text_is_found_by_a_german_form(leases):
    add(leases, "Die Häuser wurden vermietet.", language="de")
    assert ask(leases, "Wann wurde das Haus vermietet?") == ["Die Häuser wurden vermietet."]


def test_texts_of_two_languages_are_found_by_one_question(leases):
    add(leases, "The Warsaw agreement was signed.")
    add(leases, "Das Abkommen von Warsaw wurde unterzeichnet.", language="de")
    assert len(ask(leases, "Warsaw")) == 2


@pytest.mark.parametrize(
    ("language", "text", "question"),
    [
        ("zh", "夏季剧院位于附近的萨克森花园中。", "剧院在哪里"),
        ("ja", "家賃は五月に支払われます。", "家賃はいつ"),
        ("ko", "임대료는 오월에 지불됩니다.", "임대료"),
        ("th", "ค่าเช่าครบกำหนดในเดือนพฤษภาคม", "ค่าเช่า"),
        ("hi", "किराया मई में देय है।", "किराया कब"),
        ("ar", "الإيجار مستحق في مايو", "الإيجار"),
    ],
)
def test_a_text_in_any_script_is_found_by_its_words(leases, language, text, question):
    add(leases, text, "nothing of the kind", language=language)
    assert ask(leases, question)[0] == text


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("Order part AB-1234/X today.", "AB1234X"),
        ("Order part AB-1234/X today.", "ab-1234/x"),
        ("The rent is 1,250,000 pounds.", "1250000"),
        ("The rate is 12,5 per cent.", "12.5"),
        ("Landlord and/or tenant", "tenant"),
        ("Send an e-mail.", "email"),
        ("The infor-\nmation is kept.", "information"),
        ("Full width: ＡＢ１２", "AB12"),
        ("The oﬃce is closed.", "office"),
    ],
)
def test_a_spelling_is_found_by_its_twin(leases, text, question):
    add(leases, text, "nothing of the kind")
    assert ask(leases, question) == [text]


@pytest.mark.parametrize(
    "question", ["", "   ", "the of and", "a\x00b", "x" * 20_000, "rent is " * 2_500, "'); --", "%s {x}"]
)
def test_an_odd_question_is_no_error(leases, question):
    add(leases, "nothing of the kind")
    assert ask(leases, question) == []


def test_a_chunk_of_stop_words_counts_as_held(leases, backend):
    document = add(leases, "of the and")
    assert backend.count(document.pk, 1) == 1


def test_a_word_has_no_marks_left_for_the_parser_to_read_into():
    assert spelled("See /etc/x.conf, -5 <b>") == "See etc x conf 5 b"


# Meaning ----------------------------------------------------------------------------------------------------------


def test_the_nearest_vector_comes_first(leases):
    add(leases, "one", "two", vectors=[direction(1), direction(2)])
    assert ask(leases, "", direction(2), mode="vector")[0] == "two"


def test_a_leg_tells_its_rank_and_cosine(leases, backend):
    add(leases, "one", "two", vectors=[direction(1), direction(2)])
    hit = backend.search(Query("", direction(2), frozenset([leases.pk]), None, "vector"), 1)[0]
    assert (hit.vector.rank, round(hit.vector.score, 3), hit.keyword) == (1, 1.0, None)


def test_keyword_mode_does_not_look_at_vectors(leases):
    add(leases, "one", "two", vectors=[direction(1), direction(2)])
    assert ask(leases, "one", direction(2), mode="keyword") == ["one"]


def test_a_question_without_a_vector_is_looked_up_by_its_words(leases):
    add(leases, "one rent", vectors=[direction(1)])
    assert ask(leases, "rent", None) == ["one rent"]


def test_a_chunk_without_a_vector_is_found_beside_those_with_one(leases):
    add(leases, "rent", "deposit", vectors=[None, direction(2)])
    assert set(ask(leases, "rent", direction(2))) == {"rent", "deposit"}


@pytest.mark.parametrize("fusion", ["convex", "rrf"])
def test_what_both_legs_praise_comes_first(leases, settings, fusion):
    settings.FUSION = fusion
    add(leases, "rent", "rent deposit", "deposit", vectors=[direction(1), direction(2), direction(3)])
    near = (0.9 * np.array(direction(2)) + 0.4 * np.array(direction(3))).tolist()
    assert ask(leases, "rent deposit", near)[0] == "rent deposit"


@pytest.mark.parametrize("fusion", ["convex", "rrf"])
def test_a_score_is_between_nought_and_one(leases, backend, settings, fusion):
    settings.FUSION = fusion
    add(leases, "rent", "rent deposit", "deposit", vectors=[direction(1), direction(2), direction(3)])
    hits = backend.search(Query("deposit", direction(2), frozenset([leases.pk])), 10)
    assert all(0 <= hit.score <= 1 for hit in hits)


def test_equals_keep_the_order_of_their_ids(leases, backend):
    add(leases, "rent", "rent", "rent", vectors=[direction(1)] * 3)
    hits = backend.search(Query("rent", direction(1), frozenset([leases.pk])), 10)
    assert [hit.chunk_id for hit in hits] == sorted(hit.chunk_id for hit in hits)


# Permission and life ----------------------------------------------------------------------------------------------


def test_a_question_to_no_collection_finds_nothing(leases, backend):
    add(leases, "rent", vectors=[direction(1)])
    assert backend.search(Query("rent", direction(1), frozenset()), 10) == []


def test_another_collection_is_not_looked_at(leases, alice):
    other = Collection.objects.create(name="Other", owner=alice, index=leases.index)
    add(other, "rent", vectors=[direction(1)])
    assert ask(leases, "rent", direction(1)) == []


def test_what_one_may_not_see_does_not_change_a_score(leases, alice, backend):
    add(leases, "rent", "deposit", vectors=[direction(1), direction(2)])
    query = Query("rent deposit", direction(1), frozenset([leases.pk]))
    before = backend.search(query, 10)
    other = Collection.objects.create(name="Other", owner=alice, index=leases.index)
    add(other, "rent", "rent", "rent", vectors=[direction(1)] * 3)
    assert backend.search(query, 10) == before


def test_documents_narrow_the_search(leases):
    first, _ = add(leases, "rent in May"), add(leases, "rent in June")
    assert ask(leases, "rent", documents=frozenset([first.pk])) == ["rent in May"]


@pytest.mark.parametrize(
    "change", [{"deleted_at": timezone.now()}, {"superseded_at": timezone.now()}, {"generation": 0}]
)
def test_a_document_that_is_not_live_is_not_found(leases, change):
    document = add(leases, "rent", vectors=[direction(1)])
    Document.objects.filter(pk=document.pk).update(**change)
    assert ask(leases, "rent", direction(1)) == []


def test_a_generation_is_not_seen_before_it_is_live(leases):
    document = add(leases, "rent in May", vectors=[direction(1)])
    index_again(document, "rent in June", vectors=[direction(1)], generation=2)
    assert ask(leases, "rent", direction(1)) == ["rent in May"]


def test_a_removed_document_is_no_longer_found(leases, backend):
    _, removed = add(leases, "rent in May"), add(leases, "rent in June")
    backend.remove(removed.pk)
    assert ask(leases, "rent") == ["rent in May"]


def test_the_generation_to_keep_is_kept(leases, backend):
    document = add(leases, "rent in May")
    index_again(document, "rent in June", generation=2)
    backend.remove(document.pk, keep_generation=2)
    assert (backend.count(document.pk, 1), backend.count(document.pk, 2)) == (0, 1)


def test_removing_leaves_no_row_behind(leases, backend):
    document = add(leases, "rent in May", vectors=[direction(1)])
    backend.remove(document.pk)
    with connection.cursor() as cursor:
        for table in backend.tables.values():
            cursor.execute(f"SELECT count(*) FROM {table}")
            assert cursor.fetchone() == (0,)


def test_a_chunk_added_twice_is_there_once_with_its_last_text(leases, backend):
    document = add(leases, "rent in May", vectors=[direction(1)])
    chunk = document.chunks.get()
    backend.add([Entry(chunk.pk, document.pk, 1, "deposit", "en", direction(2))])
    found = [len(ask(leases, word, mode="keyword")) for word in ("rent", "deposit")]
    assert (found, backend.count(document.pk, 1)) == ([0, 1], 1)


def test_create_and_drop_may_be_repeated(version):
    backend = IndexVersion.objects.create(index=version.index, number=9, embedding_model="", dimensions=8).backend
    for verb in (backend.create, backend.create, backend.drop, backend.drop):
        verb()


def test_a_large_library_is_searched_through_its_graph(leases, backend):
    rng = np.random.default_rng(7)
    vectors = rng.normal(size=(300, 384))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    document = add(leases, *[f"text {number}" for number in range(300)], vectors=vectors.tolist())
    backend.exact_up_to = 10
    hits = backend.search(Query("", vectors[123].tolist(), frozenset([leases.pk]), None, "vector"), 10)
    assert hits[0].chunk_id == document.chunks.get(ordinal=124).pk


# Passages ---------------------------------------------------------------------------------------------------------


def with_meaning(*texts: str) -> list:
    return [embed_query("all-MiniLM-L6-v2", text).tolist() for text in texts]


def test_a_passage_knows_its_place(leases, alice):
    texts = ["The rent is due in May.", "A tenant keeps no horses."]
    document = add(leases, *texts, vectors=with_meaning(*texts))
    found = retrieve("Which animals are allowed?", alice)[0]
    assert (found.document_id, found.page_number, found.text) == (document.pk, 2, "A tenant keeps no horses.")


def test_a_stranger_finds_nothing_even_by_name(leases, charlie):
    add(leases, "rent")
    assert retrieve("rent", charlie, collections=[leases.pk]) == []


def test_nobody_signed_in_finds_nothing(leases):
    add(leases, "rent")
    assert retrieve("rent", AnonymousUser()) == []


def test_an_empty_list_of_collections_finds_nothing(leases, alice):
    add(leases, "rent")
    assert retrieve("rent", alice, collections=[]) == []


def test_a_reader_finds_what_is_shared_with_them(leases, charlie):
    add(leases, "rent")
    leases.memberships.create(user=charlie)
    assert [passage.text for passage in retrieve("rent", charlie)] == ["rent"]


def test_an_index_whose_model_is_missing_is_searched_by_words(leases, alice, version):
    IndexVersion.objects.filter(pk=version.pk).update(embedding_model="some-other-model")
    add(leases, "rent")
    assert [passage.text for passage in retrieve("rent", alice)] == ["rent"]


def test_no_more_passages_than_asked_for(leases, alice):
    add(leases, *["rent"] * 5)
    assert len(retrieve("rent", alice, top=3)) == 3
