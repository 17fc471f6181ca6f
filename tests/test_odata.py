"""OData filters over documents: what they let through, what they refuse and where, and that they only ever narrow."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from documents.models import Document
from documents.retrieval.odata import FIELDS, FilterFault, condition, narrowed
from tests.library import shared_collection

pytestmark = pytest.mark.django_db


@pytest.fixture
def library(alice, charlie):
    """Three documents of Alice's in two collections, and one of Charlie's that bears the name of one of them."""
    rules, archive = shared_collection(alice, name="Rules"), shared_collection(alice, name="O'Neill's Archive")
    others = shared_collection(charlie, name="Rules")

    def document(collection, name, title="", **more):
        return Document.objects.create(
            collection=collection,
            owner=collection.owner,
            name=name,
            title=title,
            kind="pdf",
            sha256=name,
            size=10,
            **more,
        )

    document(rules, "rent.pdf", "House rules", language="en", page_count=3)
    document(rules, "pets.v2.md", language="de", version=2, page_count=1)
    document(archive, "old.pdf", "It's old", page_count=9)
    document(others, "rent.pdf", "House rules")
    return Document.objects.for_user(alice).current()


def names(rows, written, given=None):
    return {row.name for row in narrowed(rows, written, given)}


ALL = {"rent.pdf", "pets.v2.md", "old.pdf"}


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("title eq 'House rules'", {"rent.pdf"}),
        ("title eq 'pets.v2'", {"pets.v2.md"}),  # shown by its name, for want of a title
        ("title eq 'It''s old'", {"old.pdf"}),
        ("title eq 'house rules'", set()),
        ("filepath ne 'rent.pdf'", ALL - {"rent.pdf"}),
        ("collection eq 'Rules'", {"rent.pdf", "pets.v2.md"}),
        ("collection eq 'O''Neill''s Archive'", {"old.pdf"}),
        ("language eq null", {"old.pdf"}),
        ("language ne null", {"rent.pdf", "pets.v2.md"}),
        ("page_count eq null", set()),
        ("page_count gt 1 and page_count le 9", {"rent.pdf", "old.pdf"}),
        ("version ge 2", {"pets.v2.md"}),
        ("created_at gt 2020-01-01 and created_at lt 2999-12-31T23:59:59Z", ALL),
        ("created_at lt 2020-01-01T00:00:00+02:00", set()),
        ("not (collection eq 'Rules')", {"old.pdf"}),
        ("not not collection eq 'Rules'", {"rent.pdf", "pets.v2.md"}),
        ("version eq 2 or page_count eq 9 and language eq 'en'", {"pets.v2.md"}),  # “and” binds more
        ("(version eq 2 or page_count eq 9) and language eq 'de'", {"pets.v2.md"}),
        ("search.in(filepath, 'rent.pdf, old.pdf')", {"rent.pdf", "old.pdf"}),
        ("search.in(title, 'House rules|pets.v2', '|')", {"rent.pdf", "pets.v2.md"}),
        ("search.in(title, '')", set()),
        ("url eq 'https://example.org/elsewhere'", set()),
        ("not (url eq 'https://example.org/elsewhere')", ALL),
        ("  filepath  eq\n'rent.pdf' ", {"rent.pdf"}),
        ("title eq '; DROP TABLE documents_document; --'", set()),
    ],
)
def test_a_filter_lets_through_what_it_says(library, written, found):
    assert names(library, written) == found


def test_an_address_is_the_document_s(library):
    document = library.get(name="rent.pdf")
    url = f"https://lectern.example{document.get_absolute_url()}pages/3/?passage=1-2"
    assert names(library, f"url eq '{url}'") == names(library, f"document_id eq '{document.pk}'") == {"rent.pdf"}
    assert names(library, f"search.in(url, '{url}|x', '|')") == {"rent.pdf"}
    assert names(library, f"url ne '{url}'") == ALL - {"rent.pdf"}


def test_other_names_stand_for_fields(library):
    assert names(library, "metadata_path eq 'rent.pdf'", {"metadata_path": "filepath"}) == {"rent.pdf"}


@pytest.mark.parametrize("written", ["title ne 'x'", "not (title eq 'x')", "size ge 0 or size lt 0"])
def test_no_filter_shows_what_is_not_yours(library, written):
    assert names(library, written) == ALL
    assert library.count() == len(ALL) < Document.objects.count()


@pytest.mark.parametrize(
    ("written", "place", "said"),
    [
        ("", 0, "name of a field"),
        ("titel eq 'x'", 0, "There is no field “titel”"),
        ("title eqq 'x'", 6, "no comparison"),
        ("title gt 'x'", 6, "eq, ne or search.in"),
        ("title eq", 8, "A value was expected"),
        ("title eq x", 9, "not a text in quotation marks"),
        ("title eq 'x", 9, "was not expected"),
        ("title eq 'x' or", 15, "name of a field"),
        ("title eq 'x' title eq 'y'", 13, "“and” or “or”"),
        ("(title eq 'x'", 13, "“)” was expected"),
        ("page_count eq 'x'", 14, "not a whole number"),
        ("page_count eq 1.5", 14, "not a whole number"),
        ("page_count eq 99999999999999999999999999", 14, "not a whole number"),
        ("created_at gt 2024-13-01", 14, "not a day"),
        ("search.in(page_count, '1')", 10, "field of text"),
        ("search.in(title 'x')", 16, "“,” was expected"),
        ("search.ismatch('x')", 0, "There is no field “search.ismatch”"),
        ("groups/any(g: g eq 'x')", 6, "was not expected"),
        ("title eq 'x' ; drop", 13, "“;” was not expected"),
        ("user_id eq 1", 0, "There is no field"),
        ("collection__owner__password eq 'x'", 0, "There is no field"),
    ],
)
def test_a_fault_is_told_with_its_place(written, place, said):
    with pytest.raises(FilterFault) as caught:
        condition(written)
    assert str(caught.value).startswith(f"Invalid expression: syntax error at position {place}.")
    assert said in str(caught.value)


@pytest.mark.parametrize("written", ["(" * 5_000, "not " * 4_000 + "size eq 1", "x" * 30_000, "size eq 1 or " * 1_400])
def test_nothing_is_too_much_for_it(library, written):
    try:
        names(library, written)
    except FilterFault as fault:
        assert len(str(fault)) < 400


@pytest.mark.parametrize(
    ("written", "found"),
    [
        (" or ".join(["size eq 1"] * 1_400 + ["page_count eq 9"]), {"old.pdf"}),
        (" and ".join(["size eq 10"] * 1_300), ALL),
        (f"search.in(filepath, '{','.join(['x'] * 1_900)},old.pdf')", {"old.pdf"}),
        ("not " * 1_001 + "page_count eq 9", {"rent.pdf", "pets.v2.md"}),
        ("(" * 39 + "page_count eq 9" + ")" * 39, {"old.pdf"}),
        ("title eq 'It''''s old'", set()),
        ("title eq '\u2019 or 1 eq 1 or title eq \u2018'", set()),
        ("title eq 'H\u200bouse rules' or title eq '\u202eHouse rules'", set()),
        ("title eq 'a\0b' or title eq '\ud800'", set()),
        ("search.in(title, 'a\0b|\ud800', '|')", set()),
        ("collection eq '\\' or collection eq '%' or collection eq '_'", set()),
        ("title eq '\uff28ouse rules'", set()),
    ],
    ids=range(12),
)
def test_floods_and_odd_letters_mean_what_they_say(library, written, found):
    assert names(library, written) == found


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("TITLE eq 'x'", "There is no field “TITLE”"),
        ("title EQ 'x'", "no comparison"),
        ("title eq 'x' AND title eq 'y'", "“and” or “or”"),
        ("(" * 41 + "size eq 1" + ")" * 41, "too deep"),
        (" or ".join(["size eq 1"] * 10_000), "longer than 20,000 letters"),
        (f"search.in(title, '{'|'.join('x' * 10_000)}', '|')", "longer than 20,000 letters"),
        (f"search.in(title, '{','.join('x' * 2_500)}')", "takes 2,000 values at most"),
        ("titl\u0435 eq 'x'", "was not expected"),
        ("title\u00a0eq\u00a0x", "not a text"),
        ("size eq \u0661", "was not expected"),
    ],
    ids=range(10),
)
def test_what_is_too_much_or_not_of_the_language_is_told_as_such(written, said):
    with pytest.raises(FilterFault, match=said):
        condition(written)


WORDS = [
    *FIELDS,
    "eq",
    "ne",
    "gt",
    "and",
    "or",
    "not",
    "(",
    ")",
    ",",
    "'a'",
    "''",
    "1",
    "null",
    "2024-01-01",
    "search.in",
]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.lists(st.sampled_from(WORDS), max_size=9).map(" ".join), st.text(max_size=40)))
def test_whatever_is_written_is_read_or_refused(library, written):
    try:
        found = names(library, written)
    except FilterFault:
        return
    assert found <= ALL
