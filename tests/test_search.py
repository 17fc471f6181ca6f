from threading import Barrier, Thread
from uuid import uuid4

import numpy as np
import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connection, transaction
from django.utils import timezone

from documents.embeddings import embed_query
from documents.indexes import default_index
from documents.models import Chunk, Collection, Document, IndexVersion, Page
from documents.retrieval import retrieve
from documents.search import Entry, Query
from documents.search.words import quoted, spelled

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
    version = document.collection.index.live
    for number, text in enumerate(texts, start=1):
        page = Page.objects.create(document=document, generation=generation, number=number, text=text)
        chunk = Chunk.objects.create(
            document=document,
            page=page,
            index_version=version,
            generation=generation,
            ordinal=number,
            start=0,
            end=len(text),
        )
        vector = vectors[number - 1] if vectors else None
        entries.append(
            Entry(chunk.pk, document.pk, document.collection_id, generation, text, document.language, vector)
        )
    version.backend.add(entries)


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


@pytest.mark.parametrize("mode", ["hybrid", "keyword", "vector"])
@pytest.mark.parametrize(
    "question",
    ["?!…", '"', '""', '"the of"', "the", "\ud800 lone", "a & !(b | c):*", "'' OR 1=1; --", "\\", "%(top)s %s {word}"],
)
def test_no_sign_means_anything_to_the_database(leases, question, mode):
    add(leases, "nothing of the kind", vectors=[direction(1)])
    ask(leases, question, direction(1), mode=mode)


def test_of_a_long_question_every_part_is_read(leases):
    add(leases, "The boathouse is let.", "The garden is let.")
    filler = "whoever asks at length says much besides " * 200
    assert ask(leases, f"{filler} boathouse {filler}")[0] == "The boathouse is let."


def test_of_a_long_question_the_rarest_words_are_looked_up(leases):
    common = " ".join(f"common{number}" for number in range(80))
    add(leases, *[f"{common} {number}" for number in range(3)], "The yacht is let.")
    assert "The yacht is let." in ask(leases, f"{common} yacht", mode="keyword")


def test_languages_that_the_index_does_not_know_are_taken_word_for_word(leases, version):
    version.languages = ["en"]
    leases.index.live = version
    add(leases, "Die Häuser wurden vermietet.", language="de")
    assert (ask(leases, "Haus"), ask(leases, "Häuser")) == ([], ["Die Häuser wurden vermietet."])


# Exactness --------------------------------------------------------------------------------------------------------


def test_what_is_quoted_is_found_word_for_word_before_all_else(leases):
    held = "Pay as soon as possible."
    others = ["As possible as soon, soon as possible, possible.", "It is possible soon, as soon."] * 3
    add(leases, *others, held, vectors=[*[direction(1)] * 6, direction(2)])
    for mode in ("hybrid", "keyword"):
        assert ask(leases, 'How is "as soon as possible" meant?', direction(1), mode)[0] == held


def test_a_quotation_of_stop_words_alone_is_found(leases):
    add(leases, "Be not to or be.", "To be or not to be, he said.", "Not at all.")
    assert ask(leases, "“to be or not to be”", mode="keyword") == ["To be or not to be, he said."]


def test_every_quotation_must_be_held(leases):
    add(leases, "red door and blue roof", "red door, roof of blue", "blue roof, door of red")
    assert ask(leases, '"blue roof" "red door"', mode="keyword")[0] == "red door and blue roof"


def test_a_quoted_word_is_not_stemmed(leases):
    add(leases, "rents rents rents", "rent is one word among others here")
    assert ask(leases, '"rent"')[0] == "rent is one word among others here"


def test_a_quotation_that_nobody_holds_is_read_as_words(leases):
    add(leases, "The rent is due in May.")
    assert ask(leases, '"due rent"') == ["The rent is due in May."]


def test_a_quotation_is_not_found_where_one_may_not_look(leases, alice):
    other = Collection.objects.create(name="Other", owner=alice, index=leases.index)
    add(other, "to be or not to be", "red door")
    assert ask(leases, '"to be or not to be"') == ask(leases, '"red door"') == []


@pytest.mark.parametrize("exact_up_to", [10_000, 0])
def test_a_part_number_is_found_among_its_likes(leases, backend, exact_up_to):
    add(leases, *[f"Order part AB-{number}/X today." for number in range(1200, 1260)])
    backend.exact_up_to = exact_up_to
    found = backend.search(Query("AB-1234/X", None, frozenset([leases.pk])), 1)
    assert Chunk.objects.get(pk=found[0].chunk_id).text == "Order part AB-1234/X today."


def test_inches_are_no_quotation():
    assert quoted('a 5" pipe and a 3" one') == []


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
    backend.add([Entry(chunk.pk, document.pk, leases.pk, 1, "deposit", "en", direction(2))])
    found = [len(ask(leases, word, mode="keyword")) for word in ("rent", "deposit")]
    assert (found, backend.count(document.pk, 1)) == ([0, 1], 1)


def counts_are_right(backend) -> bool:
    """Whether each document's word counts are what its words add up to."""
    counted = "SELECT slot, count(*), lexeme FROM {word} GROUP BY slot, lexeme".format(**backend.tables)
    kept = "SELECT slot, chunks, lexeme FROM {frequency} WHERE chunks <> 0".format(**backend.tables)
    with connection.cursor() as cursor:
        cursor.execute(f"({counted} EXCEPT {kept}) UNION ALL ({kept} EXCEPT {counted})")
        return not cursor.fetchall()


def test_what_is_counted_never_drifts(leases, backend):
    document = add(leases, "rent in May", "rent in June", "deposit")
    first, *_ = document.chunks.all()
    for text in ("rent and deposit", "deposit", "deposit", "rent"):
        backend.add([Entry(first.pk, document.pk, leases.pk, 1, text, "en", None)] * 2)
        assert counts_are_right(backend)
    index_again(document, "rent in July", generation=2)
    backend.remove(document.pk, keep_generation=2)
    assert counts_are_right(backend) and backend.count(document.pk, 2) == 1


@pytest.mark.django_db(transaction=True)
def test_many_may_add_the_same_words_at_once(alice):
    collection = Collection.objects.create(name="Leases", owner=alice, index=default_index())
    backend, texts = default_index().live.backend, wordy(60)
    backend.create()
    documents = [add(collection, *texts[place : place + 20]) for place in (0, 20, 40)]
    entries = [
        [Entry(c.pk, d.pk, collection.pk, 1, t, "en", None) for c, t in zip(d.chunks.all(), texts, strict=False)]
        for d in documents
    ]
    faults, ready = [], Barrier(6)

    def work(batch: list[Entry]) -> None:
        try:
            ready.wait()
            for turn in range(5):
                backend.add(batch[:: 1 if turn % 2 else -1])
                backend.search(Query("w1 w2", None, frozenset([collection.pk])), 5)
        except Exception as exc:
            faults.append(exc)
        finally:
            connection.close()

    threads = [Thread(target=work, args=[batch]) for batch in entries * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == [] and counts_are_right(backend)
    assert [backend.count(document.pk, 1) for document in documents] == [20, 20, 20]


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


def of_chance(count: int, seed: int = 7) -> list[list[float]]:
    vectors = np.random.default_rng(seed).normal(size=(count, 384))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).tolist()


def wordy(count: int, seed: int = 7) -> list[str]:
    """Texts of forty words each, some of them in most texts and most of them in few."""
    drawn = np.random.default_rng(seed).zipf(1.4, (count, 40)) % 5_000
    return [" ".join(f"w{number}" for number in row) for row in drawn]


def test_one_chunk_in_a_hundred_may_be_seen_and_all_asked_for_are_found(leases, alice, backend):
    other = Collection.objects.create(name="Other", owner=alice, index=leases.index)
    texts, vectors = wordy(1_000), of_chance(1_000)
    add(other, *texts[:990], vectors=vectors[:990])
    add(leases, *texts[990:], vectors=vectors[990:])
    backend.exact_up_to = 5
    for question in range(0, 50, 5):
        for mode in ("hybrid", "vector"):
            hits = backend.search(Query(texts[question], vectors[question], frozenset([leases.pk]), None, mode), 10)
            assert len(hits) == 10


def read_one_by_one(backend) -> int:
    """How many vectors were read without an index."""
    with connection.cursor() as cursor:
        where = [backend.tables["vector"]]
        cursor.execute("SELECT seq_tup_read FROM pg_stat_xact_user_tables WHERE relname = %s", where)
        return cursor.fetchone()[0]


def test_of_a_large_library_only_what_may_be_seen_is_read(leases, alice, backend):
    query, texts = Query("w1 w2", direction(1), frozenset([leases.pk])), wordy(600)
    add(Collection.objects.create(name="Other", owner=alice, index=leases.index), *texts[:590], vectors=of_chance(590))
    add(leases, *texts[590:], vectors=of_chance(10))
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {', '.join([*backend.tables.values(), 'documents_document'])}")
    read = read_one_by_one(backend)
    assert backend.search(query, 10) and read_one_by_one(backend) == read


def test_a_large_library_is_searched_by_words_as_a_small_one(leases, backend):
    texts = wordy(400)
    add(leases, *texts)
    for text in texts[:20]:
        query = Query(" ".join(text.split()[:6]), None, frozenset([leases.pk]))
        backend.exact_up_to = 10_000
        exact = backend.search(query, 10)
        backend.exact_up_to = 0
        assert backend.search(query, 10) == exact


@pytest.mark.django_db(transaction=True)
def test_a_search_is_planned_once_for_a_connection_and_anew_after_a_rollback(leases, backend):
    add(leases, "rent is due in May")
    query = Query("rent", direction(1), frozenset([leases.pk]))
    with transaction.atomic():
        backend.search(query, 5)
        transaction.set_rollback(True)
    for _ in range(2):
        backend.search(query, 5)
    plans = "SELECT sum(generic_plans), sum(custom_plans) FROM pg_prepared_statements WHERE strpos(statement, %s) > 0"
    with connection.cursor() as cursor:
        cursor.execute(plans, [backend.tables["word"]])
        assert cursor.fetchone() == (2, 0)


def test_of_common_words_the_heaviest_chunks_are_enough_to_find_the_best(leases, backend):
    add(leases, *wordy(400))
    backend.read_most = 180
    for number in range(1, 8):
        query = Query(f"w{number} w{number + 1} w{number + 3}", None, frozenset([leases.pk]))
        backend.exact_up_to = 10_000
        exact = backend.search(query, 1)
        backend.exact_up_to = 0
        assert backend.search(query, 1) == exact


# The weights and the standing -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("alpha", "first"), [(0.0, "rent"), (1.0, "deposit")])
def test_the_question_may_say_how_much_the_meaning_weighs(leases, backend, alpha, first):
    add(leases, "rent", "deposit", "roof", vectors=[direction(1), direction(2), direction(3)])
    hits = backend.search(Query("rent", direction(2), frozenset([leases.pk]), alpha=alpha), 1)
    assert Chunk.objects.get(pk=hits[0].chunk_id).text == first


def test_a_score_is_the_weighed_mean_of_both_legs(leases, backend):
    add(leases, "rent", "deposit", vectors=[direction(1), direction(2)])
    hits = backend.search(Query("rent", direction(2), frozenset([leases.pk]), alpha=0.25), 2)
    assert [hit.score for hit in hits] == pytest.approx([0.75, 0.25])


def test_without_a_word_on_it_the_setting_says_how_much_the_meaning_weighs(leases, settings):
    add(leases, "rent", "deposit", "roof", vectors=[direction(1), direction(2), direction(3)])
    settings.FUSION_ALPHA = 1.0
    assert ask(leases, "rent", direction(2))[0] == "deposit"


@pytest.mark.parametrize("fusion", ["convex", "rrf"])
@pytest.mark.parametrize("mode", ["hybrid", "keyword", "vector"])
@pytest.mark.parametrize("quote", ["", '"w1 w1"'])
def test_a_standing_agrees_with_the_search(leases, backend, settings, fusion, mode, quote):
    settings.FUSION = fusion
    document = add(leases, *wordy(120), vectors=of_chance(120))
    query = Query(f"w1 w2 w3 w17 {quote}", of_chance(1, seed=8)[0], frozenset([leases.pk]), None, mode)
    hits = backend.search(query, 50)
    standings = backend.explain(query, document.chunks.values_list("pk", flat=True))
    for rank, hit in enumerate(hits, start=1):
        standing = standings[hit.chunk_id]
        assert (standing.fused.rank, standing.fused.score) == (rank, pytest.approx(hit.score))
        for name in ("keyword", "vector"):
            if leg := getattr(hit, name):
                assert getattr(standing, name).rank == leg.rank
                assert getattr(standing, name).score == pytest.approx(leg.score)
    assert len(standings) == 120


def test_a_standing_reaches_beyond_what_is_shown(leases, backend):
    document = add(leases, *["rent"] * 70, "deposit", vectors=of_chance(71))
    last = document.chunks.get(ordinal=70).pk
    query = Query("rent", of_chance(71)[0], frozenset([leases.pk]), None, "keyword")
    standings = backend.explain(query, [last, last + 1])
    assert (standings[last].keyword.rank, standings[last].fused) == (70, None)
    assert (standings[last + 1].keyword, standings[last + 1].fused) == (None, None)


def test_a_chunk_that_one_may_not_see_has_no_standing(leases, alice, backend):
    other = Collection.objects.create(name="Other", owner=alice, index=leases.index)
    hidden = add(other, "rent", vectors=[direction(1)]).chunks.get().pk
    assert backend.explain(Query("rent", direction(1), frozenset([leases.pk])), [hidden]) == {}


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
