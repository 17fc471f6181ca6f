"""A citation's link opens the version, the page and the words it was made from, whatever became of them since."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest

from chat.models import Citation
from documents import intake
from documents.indexes import default_index, versions
from documents.ingestion import ingest
from documents.ingestion.building import build_next
from documents.models import Document, Page, State, page_url
from tests.cited import answered, cite, first_page
from tests.library import add, shared_collection
from tests.rows import page as page_row
from tests.rows import row

pytestmark = pytest.mark.django_db

SAMPLES = Path(__file__).parent.parent / "documents" / "samples"
GUIDE = """# Restoring supply

Supplies shall be restored within twelve hours of the company becoming aware of the burst. The duty manager records
the time of the first call in the incident log.

# Money

Every household still dry after the limit is owed 50 euros. The money goes out within twenty working days.

| Item | May | June |
|------|-----|------|
| Heat | 40  | 41   |
| Water| 12  | 13   |
"""
HOURS = "Supplies shall be restored within twelve hours of the company becoming aware of the burst."
MONEY = "Every household still dry after the limit is owed 50 euros."


@pytest.fixture
def look(client, alice):
    """The page behind a link, as alice gets it."""

    def get(url: str, user=None):
        client.force_login(user or alice)
        return client.get(url)

    return get


def lit(html: str) -> list[str]:
    """The words that are lit, mark by mark."""
    found: dict[str, str] = {}
    for number, text in re.findall(r'<mark class="lit" data-mark="(\d+)">(.*?)</mark>', html, re.S):
        found[number] = f"{found.get(number, '')} {unescape(text)}"
    return [" ".join(text.split()) for _, text in sorted(found.items())]


def cited(owner, document: Document, *words: str) -> Citation:
    page = first_page(document)
    marks = [(page.text.index(each), page.text.index(each) + len(each)) for each in words]
    message = answered(owner)
    return cite(message, page, marks, around=80)


@pytest.fixture
def guide(alice) -> Document:
    return add(alice, GUIDE.encode(), "guide.md")


def read_again(document: Document, change) -> None:
    """As when the way of reading was improved: the same file, another text, and everything stands elsewhere."""
    ingest(_queued(document))
    for page in Page.objects.filter(document=document):
        page.text = change(page.text)
        page.headings, page.tables = [], []
        page.save()


def _queued(document: Document) -> Document:
    intake.retry(document)
    assert document.state == State.QUEUED
    return document


# Whatever happens to the document ------------------------------------------------------------------------------------
def test_the_link_lights_the_cited_words(look, alice, guide):
    citation = cited(alice, guide, HOURS, "50 euros")
    assert lit(look(citation.url).text) == [HOURS, "50 euros"]


def test_the_panel_shows_the_same(look, alice, guide):
    citation = cited(alice, guide, HOURS)
    html = look(citation.panel_url).text
    assert lit(html) == [HOURS] and "<html" not in html and f'href="{citation.url}"' in html


def test_a_newer_version_leaves_the_older_where_it_was(look, alice, guide):
    citation = cited(alice, guide, HOURS)
    add(alice, GUIDE.replace("twelve", "ten").encode(), "guide.md")
    html = look(citation.url).text
    assert lit(html) == [HOURS] and "version 1" in html


def test_a_new_index_of_other_chunks_and_without_vectors_changes_nothing(look, alice, guide):
    citation = cited(alice, guide, HOURS)
    for changes in ({"chunk_tokens": 60}, {"chunk_tokens": 90, "embedding_model": ""}):
        version = versions.rebuild(default_index(), **changes)
        while build_next(version, 60):
            pass
        version.refresh_from_db()
        versions.swap(version)
    assert lit(look(citation.url).text) == [HOURS]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "Aldermere Water, version 4\n\n" + text,
        lambda text: text.replace(" ", "\n"),
        lambda text: text.replace("Supplies", "Sup-\nplies"),
        lambda text: text.replace("# Restoring supply", "").strip(),
    ],
    ids=["more before it", "other line breaks", "hyphens", "less before it"],
)
def test_a_file_that_is_read_anew_shows_the_same_words(look, alice, guide, change):
    citation = cited(alice, guide, HOURS, "50 euros")
    read_again(guide, change)
    found = [words.replace("Sup- plies", "Supplies") for words in lit(look(citation.url).text)]
    assert found == [HOURS, "50 euros"]


def test_words_that_moved_to_another_page_are_found_there(look, alice):
    document = row(alice, "plan.md")
    first = page_row(document, f"Contents.\n\n{HOURS} The duty manager records the time.")
    message = answered(alice)
    start = first.text.index(HOURS)
    citation = cite(message, first, [(start, start + len(HOURS))])
    text = first.text
    Page.objects.filter(pk=first.pk).update(text="A new first page.", number=1)
    page_row(document, text, 2)
    html = look(citation.url).text
    assert lit(html) == [HOURS] and "page 2" in html


def test_words_that_cannot_be_found_any_more_are_said_to_be(look, alice, guide):
    citation = cited(alice, guide, HOURS)
    read_again(guide, lambda text: "Notes on leave. Who is ill says so on the first day.")
    html = look(citation.url).text
    assert lit(html) == [] and "not all of the cited words were found" in html


def test_a_document_in_another_collection_is_opened_by_the_same_link(look, alice, guide):
    citation = cited(alice, guide, HOURS)
    intake.move(guide, shared_collection(alice))
    assert lit(look(citation.url).text) == [HOURS]


def test_another_name_changes_nothing(look, alice, guide):
    citation = cited(alice, guide, HOURS)
    Document.objects.filter(pk=guide.pk).update(name="other.md", title="Another title")
    html = look(citation.url).text
    assert lit(html) == [HOURS] and "Another title" in html


# Who may open it -----------------------------------------------------------------------------------------------------
def test_who_may_read_the_document_may_open_the_link(look, alice, bob):
    document = add(alice, GUIDE.encode(), "guide.md", shared_collection(alice, bob))
    assert lit(look(cited(alice, document, HOURS).url, bob).text) == [HOURS]


def test_a_stranger_does_not_learn_that_there_is_such_a_link(look, alice, charlie, guide):
    assert look(cited(alice, guide, HOURS).url, charlie).status_code == 404
    assert "longer available" not in look(cited(alice, guide, HOURS).url, charlie).text


def test_without_signing_in_nothing_opens(client, alice, guide):
    assert client.get(cited(alice, guide, HOURS).url).status_code == 302


def test_who_asked_and_may_no_longer_read_it_is_told_so_without_a_word_of_it(look, alice, bob):
    collection = shared_collection(alice, bob)
    citation = cited(bob, add(alice, GUIDE.encode(), "guide.md", collection), HOURS)
    collection.members.clear()
    answer = look(citation.url, bob)
    assert answer.status_code == 404 and "no longer available" in answer.text
    assert "twelve" not in answer.text and "guide" not in answer.text


def test_of_a_deleted_document_no_word_is_shown(look, alice, guide):
    citation = cited(alice, guide, HOURS)
    intake.delete(guide)
    answer = look(citation.url)
    assert answer.status_code == 404 and "no longer available" in answer.text and "twelve" not in answer.text


def test_the_panel_says_so_too(look, alice, guide):
    citation = cited(alice, guide, HOURS)
    intake.delete(guide)
    answer = look(citation.panel_url)
    assert "no longer available" in answer.text and "<html" not in answer.text


def test_words_that_are_kept_out_of_answers_stay_so_when_a_passage_is_looked_for(look, alice, guide):
    citation = cited(alice, guide, HOURS)
    page = first_page(guide)
    start = page.text.index("duty manager")
    Page.objects.filter(pk=page.pk).update(findings=[[start, start + 12, "hidden", "colour"]])
    assert lit(look(citation.url).text) == [HOURS]


# A link without a row ------------------------------------------------------------------------------------------------
def api_url(document: Document, words: str) -> str:
    page = first_page(document)
    span = page.text.index(words), page.text.index(words) + len(words)
    return page_url(document.pk, page.number, span, [span], words=words)


def test_what_a_program_was_given_opens_the_same_words(look, alice, guide):
    assert lit(look(api_url(guide, MONEY)).text) == [MONEY]


def test_it_finds_them_when_the_file_was_read_anew(look, alice, guide):
    url = api_url(guide, MONEY)
    read_again(guide, lambda text: "Head of the page\n\n" + text.replace(" ", "\n"))
    assert lit(look(url).text) == [MONEY]


def test_it_finds_them_on_another_page(look, alice, guide):
    url = api_url(guide, MONEY)
    text = first_page(guide).text
    page_row(guide, text, 2)
    Page.objects.filter(document=guide, number=1).update(text="A new first page.")
    assert lit(look(url).text) == [MONEY]


def test_it_says_so_when_they_are_not_there(look, alice, guide):
    url = api_url(guide, MONEY)
    read_again(guide, lambda text: text.replace("50", "60"))
    html = look(url).text
    assert "not all of the cited words were found" in html


@pytest.mark.parametrize("check", ["x", "0-0-0", "9" * 400, "%00", "12-zz-0123456789abcdef"])
def test_a_check_that_is_none_does_no_harm(look, alice, guide, check):
    assert look(f"/library/{guide.pk}/pages/1/?passage=0-20&check={check}").status_code == 200


# Changed since -------------------------------------------------------------------------------------------------------
def replaced(alice, *edits: tuple[str, str]) -> Document:
    text = GUIDE
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    return add(alice, text.encode(), "guide.md")


def changes(html: str) -> tuple[list[str], list[str]]:
    def words(tag: str) -> list[str]:
        found = re.findall(rf"<{tag}><span class=\"hidden-text\">\w+: </span>(.*?)</{tag}>", html, re.S)
        return [unescape(each).strip() for each in found]

    return words("del"), words("ins")


def test_a_changed_fact_is_shown_beside_the_old_one(look, alice, guide):
    citation = cited(alice, guide, HOURS)
    replaced(alice, ("twelve", "ten"))
    html = look(citation.panel_url).text
    assert "version 2 says it differently" in html and changes(html) == (["twelve"], ["ten"])


def test_the_way_to_the_new_words_lights_them(look, alice, guide):
    citation = cited(alice, guide, HOURS)
    replaced(alice, ("twelve", "ten"))
    url = unescape(re.search(r'class="note since".*?<a href="(.*?)"', look(citation.url).text, re.S)[1])
    assert lit(look(url).text) == [HOURS.replace("twelve", "ten")]


def test_words_that_did_not_change_are_said_to_be_unchanged(look, alice, guide):
    citation = cited(alice, guide, MONEY)
    replaced(alice, ("twelve", "ten"), ("# Restoring supply", "# Restoring the supply\n\nA new paragraph."))
    html = look(citation.url).text
    assert "unchanged in version 2" in html and changes(html) == ([], [])


def test_a_changed_cell_is_told_from_equal_ones(look, alice, guide):
    page = first_page(guide)
    start = page.text.index("12  |")
    citation = cite(answered(alice), page, [(start, start + 2)])
    replaced(alice, ("| 12  | 13", "| 40  | 13"))
    assert changes(look(citation.url).text) == (["12"], ["40"])


def test_words_that_were_taken_out_are_said_to_be(look, alice, guide):
    citation = cited(alice, guide, HOURS)
    replaced(alice, (HOURS + " ", ""))
    html = look(citation.url).text
    assert "no longer in version 2" in html


def test_the_newest_of_several_versions_counts(look, alice, guide):
    citation = cited(alice, guide, HOURS)
    replaced(alice, ("twelve", "ten"))
    replaced(alice, ("twelve", "nine"))
    assert changes(look(citation.url).text) == (["twelve"], ["nine"])


def test_a_version_that_failed_is_none(look, alice, guide):
    citation = cited(alice, guide, HOURS)
    newer = row(alice, "guide.md", State.FAILED, version=2, replaces=guide, generation=0)
    assert newer.replaces == guide and "version 2" not in look(citation.url).text


def test_a_hostile_text_in_the_newer_version_stays_text(look, alice, guide):
    citation = cited(alice, guide, HOURS)
    replaced(alice, ("twelve", "<script>alert(1)</script> ten"))
    assert "<script>alert" not in look(citation.url).text


def test_a_newer_version_that_this_person_may_not_read_is_not_quoted(look, alice, bob):
    collection = shared_collection(alice, bob)
    old = add(alice, GUIDE.encode(), "guide.md", collection)
    citation = cited(bob, old, HOURS)
    newer = add(alice, GUIDE.replace("twelve", "ten").encode(), "guide.md", collection)
    Document.objects.filter(pk=newer.pk).update(collection=shared_collection(alice, name="Own"))
    html = look(citation.url, bob).text
    assert "A newer version has replaced this one." in html and changes(html) == ([], [])


def test_a_source_outside_opens_beside_the_answer_without_a_detour_and_for_its_asker_alone(client, alice, bob):
    """A script that fetches a piece takes being led elsewhere for the sign-in page."""
    message = answered(alice)
    citation = message.citations.create(
        number=1, is_external=True, title="House rules", page_number=0, start=0, end=12, text="Rent is due.", marks=[]
    )
    client.force_login(alice)
    answer = client.get(citation.panel_url)
    assert answer.status_code == 200 and "Rent is due." in answer.content.decode() and b"<html" not in answer.content
    client.force_login(bob)
    assert client.get(citation.panel_url).status_code == 404


def test_the_link_of_a_deleted_conversation_shows_nothing_found_elsewhere(client, alice):
    message = answered(alice)
    citation = message.citations.create(
        number=1, is_external=True, title="House rules", page_number=0, start=0, end=12, text="Rent is due.", marks=[]
    )
    message.conversation.discard()
    client.force_login(alice)
    assert client.get(citation.url).status_code == 404
