"""Single passages that an administrator takes out of the search, and lets in again."""

import pytest

from documents.consistency import faults
from documents.excluding import ExclusionRefused, exclude, include
from documents.indexes import versions
from documents.ingestion import ingest
from documents.ingestion.building import build_next
from documents.intake import retry
from documents.models import Chunk, Document
from documents.retrieval import retrieve
from tests.library import add
from tests.test_backends import serving

pytestmark = pytest.mark.django_db
PARTS = [f"# Rule {n}\n\n" + " ".join(f"{word}{n}" for word in "lorem ipsum dolor amet".split() * 30) for n in range(3)]
RULES = "\n\n".join([*PARTS, "# Rent\n\nThe rent is due on the third working day. " * 12]).encode()


@pytest.fixture
def rules(alice, settings) -> Document:
    settings.CHUNK_TOKENS = 100
    return add(alice, RULES)


def about_rent(document: Document) -> list[Chunk]:
    return [chunk for chunk in document.chunks_live().select_related("page") if "rent is due" in chunk.text]


def out(document: Document, user) -> None:
    for chunk in about_rent(document):
        if Chunk.objects.get(pk=chunk.pk).is_searched:
            exclude(chunk, user)


def found(user) -> list[str]:
    return [passage.text for passage in retrieve("When is the rent due?", user, mode="keyword")]


def test_what_is_taken_out_is_not_found_and_everything_still_agrees(rules, alice):
    assert found(alice)
    out(rules, alice)
    assert not found(alice)
    assert not list(faults(checksums=False))


def test_what_is_taken_out_stays_out_when_the_document_is_read_again(rules, alice):
    out(rules, alice)
    retry(rules)
    ingest(rules)
    rules.refresh_from_db()
    assert rules.generation == 2 and rules.chunks_live().exists()
    assert not found(alice)


def test_what_is_taken_out_stays_out_of_a_version_that_is_cut_otherwise(rules, alice):
    out(rules, alice)
    version = versions.rebuild(rules.collection.index, chunk_tokens=50, embedding_model="")
    assert not build_next(version, 60)
    versions.swap(version)
    assert not found(alice)


def test_what_is_let_in_again_is_found_again(rules, alice):
    out(rules, alice)
    for chunk in about_rent(rules):
        include(chunk)
    build_next(rules.collection.index.live, 60)
    assert found(alice) and not rules.exclusions.exists()
    assert not list(faults(checksums=False))


def test_a_document_that_is_being_read_is_left_alone(rules, alice):
    chunk = about_rent(rules)[0]
    Document.objects.filter(pk=rules.pk).update(state="extracting")
    with pytest.raises(ExclusionRefused, match="being read"):
        exclude(chunk, alice)


def test_azure_finds_it_no_more_either(alice, settings):
    settings.SEARCH_BACKEND = "azure"
    with serving(settings):
        document = add(alice, RULES)
        out(document, alice)
        assert not found(alice)
