"""Kept words are found again, or the words that took their place, or nothing."""

from __future__ import annotations

import random

import pytest

from documents.anchoring import Kept, Place, check_of, difference, find, find_by_check, is_same, kept_from

PAGE = (
    "3 Restoring supply\n\nSupplies shall be restored within twelve hours of the company becoming aware of the burst. "
    "The duty manager records the time of the first call.\n\nThe fee is 50 euros for each household. "
    "Item | Heat | Water\nMay | 40 | 41\nJune | 40 | 42\n"
)
OTHER = "4 Money\n\nThe fee is 50 euros for each shop. It is paid within twenty working days, and nobody has to ask.\n"


def kept(words: str, page: int = 1, text: str = PAGE) -> Kept:
    start = text.index(words)
    return kept_from(text, (start, start + len(words)), page=page, start=0)


def found(words: str, pages: dict[int, str], page: int = 1, text: str = PAGE) -> str | None:
    place = find(kept(words, page, text), pages)
    return pages[place.page][place.start : place.end] if place else None


@pytest.mark.parametrize("words", ["within twelve hours", "50", "June", "restored", "The fee is 50 euros"])
def test_words_are_found_where_they_stood(words):
    assert found(words, {1: PAGE, 2: OTHER}) == words


def test_any_stretch_of_a_page_is_found_at_its_own_place():
    dice = random.Random(7)
    for _ in range(200):
        start = dice.randrange(len(PAGE) - 40)
        end = start + dice.randrange(8, 40)
        if not PAGE[start:end].strip():
            continue
        place = find(kept_from(PAGE, (start, end), page=1, start=0), {1: PAGE, 2: OTHER})
        assert place and place.is_same and is_same(PAGE[place.start : place.end], PAGE[start:end])
        assert abs(place.start - start) < 5


def test_short_words_that_a_page_break_parts_from_their_neighbours_are_the_same():
    cut = PAGE.index("50 euros")
    place = find(kept("50 euros"), {1: f"A page was added.\n{PAGE[:cut]}", 2: PAGE[cut:], 3: OTHER})
    assert place == Place(2, 0, 8)


def log_line(n: int) -> str:
    towns = ["Netherfold", "Highdale", "Aldermere", "Easterly", "Brackwater", "Millhaven", "Stonebeck", "Osier Green"]
    return f"The pump {n + 101} of {towns[n // 10 % 8]} was seen on {1 + n % 28} May by {3 + n % 31} people."


def test_a_line_at_the_top_of_the_next_page_is_nearer_than_one_like_it_far_away():
    lines = [log_line(n) for n in range(240)]
    pages = {1: "\n".join(["One was added.", *lines[76:79]]), 2: lines[79], 6: "\n".join(lines[231:239])}
    place = find(kept(lines[79], text="\n".join(lines[76:80])), pages)
    assert place == Place(2, 0, len(lines[79]))


@pytest.mark.parametrize(
    "read",
    [
        PAGE.replace(" ", "\n"),
        PAGE.replace("Supplies", "Sup-\nplies").replace("restored", "res\u00adtored"),
        PAGE.replace("fi", "\ufb01"),
        "Aldermere Water, version 4\n\n" + PAGE.replace(" | ", "   "),
        PAGE.replace("\n", "\r\n").replace(".", ". "),
    ],
    ids=["line breaks", "hyphens", "ligatures", "table signs", "other blanks"],
)
@pytest.mark.parametrize("words", ["Supplies shall be restored within twelve hours", "The fee is 50 euros", "42"])
def test_another_way_of_reading_loses_no_words(words, read):
    again = found(words, {1: read})
    assert again is not None and is_same(again, words)


def test_of_words_that_stand_twice_the_ones_in_their_context_are_found():
    place = find(kept("40", 1, PAGE[PAGE.index("June") - 1 :]), {1: PAGE})
    assert place and place.start == PAGE.rindex("40")


def test_words_on_the_next_page_are_found_there():
    place = find(kept("The duty manager records the time"), {1: OTHER, 2: PAGE})
    assert place and place.page == 2


def test_words_of_a_page_far_away_are_found():
    place = find(kept("The duty manager records the time"), {**dict.fromkeys(range(1, 60), OTHER), 60: PAGE})
    assert place and place.page == 60


@pytest.mark.parametrize(
    ("old", "new", "words", "now"),
    [
        ("twelve", "ten", "within twelve hours of the company", "within ten hours of the company"),
        ("twelve", "ten", "twelve", "ten"),
        ("50 euros for each household", "60 euros for each household", "50", "60"),
        ("June | 40", "June | 45", "40 | 42", "45 | 42"),
        ("records the time of", "writes down", "manager records the time of the", "manager writes down the"),
    ],
)
def test_words_that_were_edited_lead_to_those_in_their_place(old, new, words, now):
    place = find(kept(words), {1: PAGE.replace(old, new), 2: OTHER})
    assert place and not place.is_same and PAGE.replace(old, new)[place.start : place.end] == now


def test_a_fact_that_stands_elsewhere_too_is_no_sign_that_it_is_unchanged():
    place = find(kept("The fee is 50 euros"), {1: PAGE.replace("50 euros", "60 euros"), 2: OTHER})
    assert place and (place.page, place.is_same) == (1, False)


@pytest.mark.parametrize("words", ["The duty manager records the time of the first call.", "The fee is 50 euros"])
def test_words_that_were_taken_out_are_not_there(words):
    assert found(words, {1: PAGE.replace(words, ""), 3: "Notes on leave. Who is ill says so on the first day."}) is None


def test_nothing_is_found_on_a_page_of_something_else():
    assert found("within twelve hours", {1: "Notes on leave. Who is ill says so on the first day."}) is None


def test_no_pages_hold_nothing():
    assert find(kept("twelve"), {}) is None


def test_a_decimal_point_counts():
    assert not is_same("It costs 1.50", "It costs 150")


def test_a_sign_before_a_figure_counts():
    assert not is_same("below -5 degrees", "below 5 degrees")


# By a check alone ----------------------------------------------------------------------------------------------------
def test_words_are_known_again_by_their_check():
    start = PAGE.index("The duty")
    check = check_of(PAGE[start : start + 60])
    read = {1: OTHER, 2: "Head\n" + PAGE.replace(" ", "  ")}
    place = find_by_check(check, read, 1, start)
    assert place and place.page == 2 and is_same(read[2][place.start : place.end], PAGE[start : start + 60])


def test_of_two_places_with_the_same_check_the_nearest_counts():
    place = find_by_check(check_of("40"), {1: PAGE}, 1, PAGE.rindex("40") + 3)
    assert place and place.start == PAGE.rindex("40")


@pytest.mark.parametrize("check", ["", "x", "0-0-0000000000000000", "9" * 40, "5-1f-xyz", "3-ff-0123456789abcdef"])
def test_what_is_no_check_finds_nothing(check):
    assert find_by_check(check, {1: PAGE}, 1, 0) is None


# What is different ---------------------------------------------------------------------------------------------------
def test_a_difference_holds_both_texts():
    old, new = "The fee is 50 euros for each household.", "The fee is now 60 euros for each home."
    changes = difference(old, new)
    assert "".join(each.text for each in changes if each.kind != "ins").split() == old.split()
    assert "".join(each.text for each in changes if each.kind != "del").split() == new.split()


def test_only_what_changed_is_marked():
    changes = difference("Restored within twelve hours.", "Restored within ten hours.")
    assert [(each.kind, each.text.strip()) for each in changes if each.kind] == [("del", "twelve"), ("ins", "ten")]


def test_words_that_are_gone_are_all_taken_out():
    assert [(each.kind, each.text) for each in difference("Paid in May.", "")] == [("del", "Paid in May.")]


def test_a_long_stretch_without_a_change_is_cut_short():
    long = " ".join(f"word{n}" for n in range(300))
    changes = difference(f"May {long} June", f"March {long} June")
    assert sum(len(each.text) for each in changes) < 400 and any("…" in each.text for each in changes)
