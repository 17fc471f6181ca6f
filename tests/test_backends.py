"""What every search backend promises: each test runs on all of them."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from documents.models import Chunk, Collection, Document, Index, IndexVersion, Membership, Page
from documents.retrieval import retrieve
from documents.search import Entry, Hit, Query
from tests.fake_search import FakeSearch

pytestmark = pytest.mark.django_db
DIMENSIONS = 16


@contextmanager
def serving(settings) -> Iterator[FakeSearch]:
    """Azure AI Search as the tests have it. Whatever is asked of it must be as its specification says."""
    with FakeSearch() as service:
        settings.AZURE_SEARCH_ENDPOINT, settings.AZURE_SEARCH_KEY = service.url, service.key
        yield service
    assert service.faults == []


@pytest.fixture(params=["pgvector", "azure"])
def version(request, settings) -> Iterator[IndexVersion]:
    with serving(settings):
        yield new_version(Index.objects.create(name="main"), request.param)


@pytest.fixture
def backend(version):
    return version.backend


@pytest.fixture
def leases(alice, version) -> Collection:
    return collection("Leases", alice, version.index)


def new_version(index: Index, backend_name: str, dimensions: int = DIMENSIONS) -> IndexVersion:
    number = index.versions.count() + 1
    version = IndexVersion.objects.create(
        index=index, number=number, backend_name=backend_name, embedding_model="", dimensions=dimensions
    )
    version.backend.create()
    if index.live is None:
        index.live = version
        index.save()
    return version


def collection(name: str, owner: User, index: Index) -> Collection:
    return Collection.objects.create(name=name, owner=owner, index=index)


def direction(number: int, dimensions: int = DIMENSIONS) -> list[float]:
    return np.eye(dimensions, dtype=np.float32)[number].tolist()


def add(where: Collection, *texts: str, language: str = "en", vectors: list | None = None, **facts) -> Document:
    """A document of one page a text, each of them one chunk, live and indexed."""
    document = Document.objects.create(
        collection=where,
        owner=where.owner,
        name="lease.pdf",
        kind="pdf",
        sha256=uuid4().hex,
        size=1,
        language=language,
        generation=1,
    )
    index_again(document, *texts, vectors=vectors)
    if facts:
        Document.objects.filter(pk=document.pk).update(**facts)
    return document


def index_again(
    document: Document,
    *texts: str,
    vectors: list | None = None,
    generation: int = 1,
    version: IndexVersion | None = None,
) -> None:
    version = version or document.collection.index.live
    entries = []
    for number, text in enumerate(texts, start=1):
        page, _ = Page.objects.get_or_create(
            document=document, generation=generation, number=number, defaults={"text": text}
        )
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


def find(where: Collection, text: str, vector=None, mode="hybrid", top=10, documents=None) -> list[Hit]:
    return where.index.live.backend.search(Query(text, vector, frozenset([where.pk]), documents, mode), top)


def ask(where: Collection, *args, **kwargs) -> list[str]:
    """The texts of the chunks found, best first."""
    return [Chunk.objects.get(pk=hit.chunk_id).text for hit in find(where, *args, **kwargs)]


# What it holds -------------------------------------------------------------------------------------------------------
def test_create_and_drop_may_be_repeated(version):
    other = IndexVersion.objects.create(
        index=version.index, number=9, backend_name=version.backend_name, embedding_model="", dimensions=8
    ).backend
    for verb in (other.drop, other.create, other.create, other.publish, other.publish, other.drop, other.drop):
        verb()


def test_a_chunk_added_twice_is_there_once_with_its_last_text(leases, backend):
    document = add(leases, "rent in May", vectors=[direction(1)])
    chunk = document.chunks.get()
    backend.add([Entry(chunk.pk, document.pk, leases.pk, 1, "deposit", "en", direction(2))])
    found = [len(ask(leases, word, mode="keyword")) for word in ("rent", "deposit")]
    assert (found, backend.count(document.pk, 1)) == ([0, 1], 1)


def test_a_chunk_written_again_without_a_vector_has_none(leases, backend):
    document = add(leases, "rent in May", vectors=[direction(1)])
    backend.add([Entry(document.chunks.get().pk, document.pk, leases.pk, 1, "rent in May", "en", None)])
    assert ask(leases, "", direction(1), mode="vector") == []


def test_a_removed_document_is_no_longer_found(leases, backend):
    _, removed = add(leases, "rent in May"), add(leases, "rent in June")
    backend.remove(removed.pk)
    assert ask(leases, "rent") == ["rent in May"]


def test_removing_what_is_not_there_is_no_error(backend):
    backend.remove(uuid4())


def test_the_generation_to_keep_is_kept(leases, backend):
    document = add(leases, "rent in May")
    index_again(document, "rent in June", generation=2)
    backend.remove(document.pk, keep_generation=2)
    assert (backend.count(document.pk, 1), backend.count(document.pk, 2)) == (0, 1)


def test_every_chunk_is_counted(leases, backend):
    document = add(leases, *[f"rent {number}" for number in range(7)])
    assert backend.count(document.pk, 1) == 7
    assert backend.count(document.pk, 2) == backend.count(uuid4(), 1) == 0


def test_it_tells_all_it_holds(leases, backend):
    first, second = add(leases, "rent", "deposit"), add(leases, "roof")
    index_again(second, "roof", "wall", "door", generation=2)
    assert sorted(backend.held()) == sorted([(first.pk, 1, 2), (second.pk, 1, 1), (second.pk, 2, 3)])


def test_it_grows_with_what_it_holds(leases, backend):
    add(leases, "rent")
    before = backend.size()
    add(leases, *[f"rent number {number} is due on the third working day" for number in range(300)])
    assert 0 < before < backend.size()


def test_two_versions_lie_side_by_side_and_know_nothing_of_each_other(leases, version):
    document = add(leases, "rent in May", vectors=[direction(1)])
    wide = new_version(version.index, version.backend_name, dimensions=24)
    index_again(document, "rent in May", vectors=[direction(1, 24)], version=wide)
    query = Query("rent", direction(1, 24), frozenset([leases.pk]))
    assert [hit.chunk_id for hit in wide.backend.search(query, 10)] == [document.chunks.get(index_version=wide).pk]
    wide.backend.drop()
    assert ask(leases, "rent", direction(1)) == ["rent in May"]


# Words and meaning ---------------------------------------------------------------------------------------------------
def test_a_chunk_is_found_by_another_form_of_its_word(leases):
    add(leases, "The tenant pays rents.", "The roof was repaired.")
    assert ask(leases, "paying the rent?") == ["The tenant pays rents."]


@pytest.mark.parametrize(
    ("language", "text", "question"),
    [
        ("de", "Die Häuser wurden vermietet.", "Wann wurde das Haus vermietet?"),
        ("es", "Los inquilinos pagaban el alquiler.", "¿Cuándo paga el inquilino?"),
        ("ar", "الإيجار مستحق في مايو", "الإيجار"),
        ("zh", "夏季剧院位于附近的萨克森花园中。", "剧院在哪里"),
        ("ja", "家賃は五月に支払われます。", "家賃はいつ"),
        ("tlh", "qaStaHvIS wa ram loS", "ram"),
    ],
)
def test_a_text_in_any_language_is_found_by_another_form_or_a_part(leases, language, text, question):
    add(leases, text, "nothing 1234", language=language)
    assert ask(leases, question)[:1] == [text]


def test_a_rare_word_weighs_more_than_a_common_one(leases):
    add(leases, "rent and rent and rent", "rent for the boathouse", "rent in May", "rent in June")
    assert ask(leases, "rent boathouse")[0] == "rent for the boathouse"


def test_the_nearest_vector_comes_first(leases):
    add(leases, "one", "two", vectors=[direction(1), direction(2)])
    assert ask(leases, "", direction(2), mode="vector")[0] == "two"


@pytest.mark.parametrize("mode", ["hybrid", "vector"])
def test_a_leg_tells_its_rank_and_cosine(leases, mode):
    add(leases, "one", "two", vectors=[direction(1), direction(2)])
    near = (0.8 * np.array(direction(2)) + 0.6 * np.array(direction(1))).tolist()
    one, two = sorted(find(leases, "one", near, mode=mode), key=lambda hit: hit.chunk_id)
    assert [(hit.vector.rank, round(hit.vector.score, 2)) for hit in (one, two)] == [(2, 0.6), (1, 0.8)]
    assert [hit.keyword and hit.keyword.rank for hit in (one, two)] == [1 if mode == "hybrid" else None, None]


def test_keyword_mode_does_not_look_at_vectors(leases):
    add(leases, "one", "two", vectors=[direction(1), direction(2)])
    (hit,) = find(leases, "one", direction(2), mode="keyword")
    assert hit.vector is None and hit.keyword.rank == 1


def test_vector_mode_does_not_look_at_words(leases):
    add(leases, "one", "two", vectors=[direction(1), direction(2)])
    hits = find(leases, "one", direction(2), mode="vector")
    assert [hit.keyword for hit in hits] == [None, None] and hits[0].vector.rank == 1


@pytest.mark.parametrize("mode", ["hybrid", "keyword", "vector"])
def test_a_question_without_a_vector_is_looked_up_by_its_words(leases, mode):
    add(leases, "one rent", vectors=[direction(1)])
    assert ask(leases, "rent", None, mode=mode) == ["one rent"]


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
@pytest.mark.parametrize("mode", ["hybrid", "keyword", "vector"])
def test_scores_lie_between_nought_and_one_and_the_best_comes_first(leases, settings, fusion, mode):
    settings.FUSION = fusion
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(40, DIMENSIONS)).tolist()
    words = ["rent", "deposit", "roof", "tenant", "May"]
    add(leases, *[" ".join(rng.choice(words, 4)) for _ in range(40)], vectors=vectors)
    scores = [hit.score for hit in find(leases, "rent deposit", vectors[0], mode=mode, top=20)]
    assert len(scores) >= 10 and scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)


def test_the_score_of_a_chunk_is_its_share_of_each_legs_best(leases, settings):
    """The same figures on every backend: words by their best, cosines from least to greatest, half and half."""
    settings.FUSION_ALPHA = 0.5
    add(leases, "rent", "roof", "wall", vectors=[direction(1), direction(2), direction(3)])
    near = (0.8 * np.array(direction(2)) + 0.6 * np.array(direction(1))).tolist()
    scores = [round(hit.score, 2) for hit in find(leases, "rent", near)]
    assert scores == [round(0.5 + 0.5 * 0.6 / 0.8, 2), 0.5, 0.0]


def test_equals_keep_the_order_of_their_numbers(leases):
    add(leases, *["rent"] * 12, vectors=[direction(1)] * 12)
    found = [hit.chunk_id for hit in find(leases, "rent", direction(1), top=20)]
    assert len(found) == 12 and found == sorted(found)


def test_one_way_to_the_database_and_back(leases, version, django_assert_num_queries):
    if version.backend_name == "pgvector":
        add(leases, "rent is due", vectors=[direction(1)])
        query = Query("rent", direction(1), frozenset([leases.pk]))
        version.backend.search(query, 3)  # The first time, a connection learns the statement.
        with django_assert_num_queries(1):
            assert version.backend.search(query, 3)


def test_no_more_than_asked_for(leases):
    add(leases, *["rent"] * 5)
    assert [len(find(leases, "rent", top=top)) for top in (0, 3, 10)] == [0, 3, 5]


# Permission and life -------------------------------------------------------------------------------------------------
def test_a_question_to_no_collection_finds_nothing(leases, backend):
    add(leases, "rent", vectors=[direction(1)])
    assert backend.search(Query("rent", direction(1), frozenset()), 10) == []


def test_an_empty_collection_finds_nothing(leases, alice):
    add(leases, "rent", vectors=[direction(1)])
    assert ask(collection("Empty", alice, leases.index), "rent", direction(1)) == []


@pytest.mark.parametrize("mode", ["hybrid", "keyword", "vector"])
def test_another_collection_is_not_looked_at(leases, alice, mode):
    add(collection("Other", alice, leases.index), "rent", vectors=[direction(1)])
    assert ask(leases, "rent", direction(1), mode=mode) == []


def test_documents_narrow_the_search(leases):
    first, _ = add(leases, "rent in May"), add(leases, "rent in June")
    assert ask(leases, "rent", documents=frozenset([first.pk])) == ["rent in May"]
    assert ask(leases, "rent", documents=frozenset()) == []


def test_a_document_named_does_not_widen_the_search(leases, alice):
    hidden = add(collection("Other", alice, leases.index), "rent")
    assert ask(leases, "rent", documents=frozenset([hidden.pk])) == []


@pytest.mark.parametrize(
    "change", [{"deleted_at": timezone.now()}, {"superseded_at": timezone.now()}, {"generation": 0}]
)
@pytest.mark.parametrize("mode", ["hybrid", "keyword", "vector"])
def test_a_document_that_is_not_live_is_not_found_though_the_index_still_has_it(leases, change, mode):
    add(leases, "rent", vectors=[direction(1)], **change)
    assert ask(leases, "rent", direction(1), mode=mode) == []


def test_a_generation_is_not_seen_before_or_after_it_is_live(leases):
    document = add(leases, "rent in May", vectors=[direction(1)])
    index_again(document, "rent in June", vectors=[direction(1)], generation=2)
    assert ask(leases, "rent", direction(1)) == ["rent in May"]
    Document.objects.filter(pk=document.pk).update(generation=2)
    assert ask(leases, "rent", direction(1)) == ["rent in June"]


def test_what_is_gone_does_not_keep_what_is_there_from_being_found(leases):
    """More gone chunks than are looked at in one go, all of them better than the one that may be found."""
    for _ in range(3):
        add(leases, *["rent rent rent"] * 70, vectors=[direction(1)] * 70, deleted_at=timezone.now())
    document = add(leases, *["rent rent"] * 70, vectors=[direction(1)] * 70)
    index_again(document, "The rent of the boathouse is due in the month of May", generation=2)
    Document.objects.filter(pk=document.pk).update(generation=2)
    assert ask(leases, "rent", direction(1)) == ["The rent of the boathouse is due in the month of May"]


def test_a_document_that_moved_is_found_where_it_lies_now(leases, alice, backend):
    elsewhere = collection("Elsewhere", alice, leases.index)
    document = add(leases, "rent", vectors=[direction(1)])
    Document.objects.filter(pk=document.pk).update(collection=elsewhere)
    assert ask(leases, "rent", direction(1)) == []
    backend.move(document.pk, elsewhere.pk)
    assert ask(leases, "rent", direction(1)) == []
    for mode in ("keyword", "vector"):
        assert ask(elsewhere, "rent", direction(1), mode=mode) == ["rent"]


# Where a chunk stands ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("fusion", ["convex", "rrf"])
def test_explaining_agrees_with_searching(leases, backend, settings, fusion):
    settings.FUSION = fusion
    rng = np.random.default_rng(5)
    vectors = rng.normal(size=(30, DIMENSIONS)).tolist()
    words = ["rent", "deposit", "roof", "tenant", "May"]
    add(leases, *[" ".join(rng.choice(words, 5)) for _ in range(30)], vectors=vectors)
    add(leases, "rent deposit", vectors=[vectors[0]], deleted_at=timezone.now())
    query = Query("rent deposit", vectors[0], frozenset([leases.pk]))
    hits = backend.search(query, 10)
    standings = backend.explain(query, [hit.chunk_id for hit in hits])
    assert [standings[hit.chunk_id].fused.rank for hit in hits] == list(range(1, 11))
    for hit in hits:
        standing = standings[hit.chunk_id]
        assert standing.fused.score == pytest.approx(hit.score, abs=1e-3)
        assert (standing.keyword and standing.keyword.rank) == (hit.keyword and hit.keyword.rank)
        assert (standing.vector and standing.vector.rank) == (hit.vector and hit.vector.rank)


@pytest.mark.parametrize(("alpha", "first"), [(0.0, "rent"), (1.0, "roof")])
def test_a_query_may_say_how_much_meaning_weighs(leases, backend, alpha, first):
    document = add(leases, "rent", "roof", vectors=[direction(2), direction(1)])
    query = Query("rent", direction(1), frozenset([leases.pk]), alpha=alpha)
    assert backend.search(query, 1)[0].chunk_id == document.chunks.get(ordinal=1 + (first == "roof")).pk


def test_explaining_leaves_out_what_the_query_may_not_see(leases, alice, backend):
    hidden = add(collection("Other", alice, leases.index), "rent", vectors=[direction(1)]).chunks.get()
    shown = add(leases, "rent", vectors=[direction(1)]).chunks.get()
    query = Query("rent", direction(1), frozenset([leases.pk]))
    assert backend.explain(query, [shown.pk, hidden.pk]).keys() == {shown.pk}


# Hostile questions ---------------------------------------------------------------------------------------------------
HOSTILE = [
    "",
    "   ",
    "*",
    "-",
    '"',
    "rent*",
    "~rent~2",
    "-rent",
    '"rent',
    "(rent",
    "rent) or true",
    "') or collection_id ne '",
    "OData' eq 'x",
    "rent AND NOT x:*",
    "a\x00b rent",
    "\ud800 rent",
    "x" * 20_000,
    "rent is " * 2_500,
    "'); --",
    "%s {x} \\",
    "text_en:rent^9",
    "/.*/",
]


@pytest.mark.parametrize("question", HOSTILE)
@pytest.mark.parametrize("vector", [None, direction(1)], ids=["words", "both"])
def test_a_question_is_never_syntax(leases, alice, question, vector):
    add(collection("Other", alice, leases.index), "rent x eq collection_id", vectors=[direction(1)])
    add(leases, "rent", "deposit", vectors=[None, None])
    expected = ["rent"] if "rent" in question else []
    assert ask(leases, question, vector) == expected


# Nobody is ever shown what they may not read -------------------------------------------------------------------------
def people(rng: random.Random, index: Index) -> tuple[list[User], list[Collection]]:
    """Owners, readers, editors and strangers, of collections that some share."""
    users = [User.objects.create_user(f"person{number}") for number in range(5)]
    places = [collection(f"Place {number}", rng.choice(users), index) for number in range(6)]
    for place in places:
        for user in users:
            role = rng.choice([None, None, Membership.Role.READER, Membership.Role.EDITOR])
            if role and user != place.owner:
                place.memberships.create(user=user, role=role)
    return users, places


def live_and_dead(rng: random.Random, places: list[Collection]) -> dict[int, Document]:
    """Chunks that may be found, with their documents, among as many that are gone, old, or not yet live."""
    found = {}
    for number in range(25):
        texts = [f"rent {number} {rng.choice(['May', 'June'])}" for _ in range(rng.randint(1, 6))]
        vectors = [rng.choice([None, direction(rng.randrange(DIMENSIONS))]) for _ in texts]
        document = add(rng.choice(places), *texts, vectors=vectors)
        fate = rng.choice(["live", "live", "deleted", "superseded", "read again", "being read", "moved"])
        if fate in ("deleted", "superseded"):
            Document.objects.filter(pk=document.pk).update(**{f"{fate}_at": timezone.now()})
            continue
        if fate in ("read again", "being read"):
            index_again(document, *texts, vectors=vectors, generation=2)
        if fate == "read again":
            Document.objects.filter(pk=document.pk).update(generation=2)
        if fate == "moved":
            document.collection = rng.choice(places)
            document.save(update_fields=["collection"])
            document.collection.index.live.backend.move(document.pk, document.collection_id)
        document.refresh_from_db()
        found |= dict.fromkeys(document.chunks_live().values_list("pk", flat=True), document)
    return found


@pytest.mark.parametrize("seed", range(4))
def test_everybody_finds_all_they_may_read_and_nothing_else(version, seed):
    rng = random.Random(seed)
    users, places = people(rng, version.index)
    live = live_and_dead(rng, places)
    for user in users:
        readable = set(Collection.objects.for_user(user).values_list("pk", flat=True))
        expected = {chunk for chunk, document in live.items() if document.collection_id in readable}
        found = {passage.chunk_id for passage in retrieve("rent", user, top=200)}
        assert found == expected
        asked = Query("rent", direction(rng.randrange(DIMENSIONS)), frozenset(readable))
        assert {hit.chunk_id for hit in version.backend.search(asked, 200)} == expected


def test_who_is_sent_away_finds_nothing_with_the_next_question(leases, charlie):
    add(leases, "rent")
    membership = leases.memberships.create(user=charlie)
    assert [passage.text for passage in retrieve("rent", charlie)] == ["rent"]
    membership.delete()
    assert retrieve("rent", charlie) == []


def test_a_chunk_that_is_withdrawn_is_not_found_and_the_others_are(version, leases):
    document = add(leases, "rent is due in May", "rent is due in June")
    out = Chunk.objects.get(document=document, ordinal=2)
    Chunk.objects.filter(pk=out.pk).update(is_searched=False)
    version.backend.withdraw([out.pk])
    version.backend.withdraw([out.pk])  # Again: it does no harm.
    assert ask(leases, "rent") == ["rent is due in May"]
    assert version.backend.count(document.pk, 1) == 1
