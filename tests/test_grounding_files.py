"""What a service quotes is found on our own pages, or honestly nowhere."""

import random

import pytest

from chat.grounding.files import Span, spans_of

PAGES = [
    "The house rules.\nThe rent is due on the third working day of the month.",
    "Pets need a written permis-\nsion of the landlord.  Straße und Groß­stadt.",
    "",
    "A burst pipe costs 480 euros to repair, and the tenant pays a tenth of it within four weeks.",
]


def words(span: Span) -> str:
    return PAGES[span.page][span.start : span.end]


def test_the_very_words_are_found():
    (span,) = spans_of("rent is due on the third", PAGES)
    assert span.page == 0 and words(span) == "rent is due on the third"


@pytest.mark.parametrize(
    "quote",
    [
        "written permission of the landlord",
        "WRITTEN PERMIS-SION  of\nthe land lord",
        "written\u00a0permission of the\u200b landlord",
    ],
)
def test_spaces_hyphens_and_case_do_not_matter(quote):
    (span,) = spans_of(quote, PAGES)
    assert words(span) == "written permis-\nsion of the landlord"


def test_letters_that_grow_when_case_is_folded_keep_their_places():
    (span,) = spans_of("STRASSE UND GROSSSTADT", PAGES)
    assert words(span) == "Straße und Groß­stadt"


def test_a_quotation_over_the_end_of_a_page_is_found_on_both():
    first, second = spans_of("third working day of the month. Pets need a written permission", PAGES)
    assert words(first) == "third working day of the month."
    assert words(second) == "Pets need a written permis-\nsion"


def test_changed_words_lead_to_the_page_that_shares_most():
    (span,) = spans_of("The burst pipe costs 480 euros to repair and the tenant pays one tenth of it", PAGES)
    assert span.page == 3 and "480 euros to repair" in words(span)


@pytest.mark.parametrize("quote", ["", "  ", "the", "- -", "Nothing of this stands on any of the pages at all."])
def test_what_stands_nowhere_is_found_nowhere(quote):
    assert spans_of(quote, PAGES) == [] and spans_of(quote, []) == []


def test_every_stretch_of_a_text_cut_anywhere_into_pages_is_found_where_it_stands():
    rng = random.Random(7)
    text = " ".join(f"word{number} of-the" if number % 7 else f"line{number}\n\nbreak" for number in range(400))
    for _ in range(200):
        cuts = sorted(rng.sample(range(1, len(text)), 3))
        pages = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
        start = rng.randrange(len(text) - 60)
        quote = text[start : start + rng.randrange(30, 60)]
        spans = spans_of(quote, pages)
        found = "".join("".join(pages[span.page][span.start : span.end].split()) for span in spans).replace("-", "")
        whole = "".join(quote.split()).replace("-", "")
        assert found and found in whole and len(whole) - len(found) <= 2 * 8
