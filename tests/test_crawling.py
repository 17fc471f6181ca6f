"""Every link of every answer is followed: over all formats, and after all that may become of a document."""

from __future__ import annotations

import random
import re
from html import unescape

import pytest
from django.utils import timezone

from chat.models import Citation, Conversation, Message, Recheck
from chat.proof.rechecking import recheck
from documents import intake
from documents.anchoring import plain
from documents.indexes import default_index, versions
from documents.ingestion import ingest
from documents.ingestion.building import build_next
from documents.models import Document, Page
from tests import made_files
from tests.cited import answered, cite, first_page
from tests.library import FILES, add

pytestmark = pytest.mark.django_db(transaction=True)

TOWNS = ["Netherfold", "Highdale", "Aldermere", "Easterly", "Brackwater", "Millhaven", "Stonebeck", "Osier Green"]
WORKS = ["valve", "pump", "tank", "main", "meter", "hydrant", "filter", "sluice", "gauge", "culvert"]
FACTS = [f"The {work} of {town} is looked at every {3 + n} days." for n, work in enumerate(WORKS) for town in TOWNS[:3]]
TABLE = [["Town", "May", "June"], *([town, str(40 + n), str(61 + n)] for n, town in enumerate(TOWNS))]


def letters(text: str) -> str:
    return plain(text)[0]


def lit(html: str) -> list[str]:
    """The letters that are lit, mark by mark."""
    found: dict[int, str] = {}
    for numbers, text in re.findall(r'<mark class="lit" data-mark="([\d ]+)">(.*?)</mark>', html, re.S):
        for number in map(int, numbers.split()):
            found[number] = found.get(number, "") + unescape(text)
    return [letters(text) for _, text in sorted(found.items())]


def faults_of(client, citation: Citation, words: list[str]) -> list[str]:
    """What is wrong with the page behind a link: [] when it opens and lights just these words."""
    answer = client.get(citation.panel_url)
    if answer.status_code != 200:
        return [f"{citation}: {answer.status_code}"]
    shown = lit(answer.text)
    found = [] if shown == [letters(each) for each in words] else [f"{citation}: {shown} for {words}"]
    if citation.document.kind == "pdf" and 'class="lit" data-mark="0" x=' not in answer.text:
        found.append(f"{citation}: nothing is lit on the picture")
    return found


def stretches(page: Page, dice: random.Random, count: int) -> list[tuple[int, int]]:
    """Places on a page that an answer may rest on: sentences, parts of them, cells."""
    lines = [match.span() for match in re.finditer(r"[^\n]*\w[^\n]*", page.text)]
    cells = [tuple(cell) for table in page.tables for row in table["rows"] for cell in row if cell[0] < cell[1]]
    spans = dice.choices(lines, k=count) + (dice.choices(cells, k=count) if cells else [])
    return [span for span in spans if re.search(r"\w", page.text[slice(*span)])][: count + 1]


def answers_over(owner, documents: list[Document], each: int, dice: random.Random) -> list[tuple[Citation, list[str]]]:
    """So many answers over each document, with the words that each of their citations must light."""
    found = []
    for document in documents:
        pages = [page for page in document.pages_live() if re.search(r"\w", page.text)]
        for _ in range(each):
            page = dice.choice(pages)
            page.document = document
            spans = stretches(page, dice, 1)
            citation = cite(answered(owner), page, spans, around=200)
            found.append((citation, [page.text[slice(*span)] for span in spans]))
    return found


def test_every_link_over_all_formats_opens_with_its_words_lit(client, alice):
    documents = [add(alice, make(FACTS[:12], TABLE), name) for name, make in made_files.FORMATS.items()]
    client.force_login(alice)
    crawled = answers_over(alice, documents, 2, random.Random(6))
    assert [fault for citation, words in crawled for fault in faults_of(client, citation, words)] == []


@pytest.mark.faults
@pytest.mark.skipif(not FILES.is_dir(), reason="The public files are not beside this checkout.")
def test_every_link_of_two_hundred_answers_over_real_files(client, alice):
    paths = [path for path in sorted(FILES.glob("office/*")) if path.suffix != ".md"]
    paths += (
        sorted(FILES.glob("ntsb/*.pdf"))[:3] + sorted(FILES.glob("agency/*.pdf"), key=lambda p: p.stat().st_size)[:1]
    )
    documents = [add(alice, make(FACTS, TABLE), name) for name, make in made_files.FORMATS.items()]
    documents += [add(alice, path.read_bytes(), path.name) for path in paths]
    client.force_login(alice)
    crawled = answers_over(alice, documents, 200 // len(documents) + 1, random.Random(7))
    assert len(crawled) >= 200
    assert [fault for citation, words in crawled for fault in faults_of(client, citation, words)] == []


@pytest.mark.parametrize("name", ["plan.xlsx", "plan.csv", "plan.docx", "plan.md", "plan.html", "plan.odt"])
def test_a_cited_cell_is_lit_as_a_cell(client, alice, name):
    document = add(alice, made_files.FORMATS[name](FACTS[:3], TABLE), name)
    page = next(page for page in document.pages_live() if "Brackwater" in page.text)
    page.document = document
    start = page.text.index("65", page.text.index("Brackwater"))
    client.force_login(alice)
    html = client.get(cite(answered(alice), page, [(start, start + 2)]).url).text
    assert re.search(r'<td class="cell--lit">.{0,200}<mark class="lit" data-mark="0">65</mark>', html, re.S)


# After all that may become of it -----------------------------------------------------------------------------------
@pytest.mark.parametrize("links", [45, pytest.param(1_000, marks=pytest.mark.faults)])
def test_old_links_open_the_same_words_and_only_edited_facts_are_told(client, alice, links):
    facts = [
        f"The {WORKS[n % 10]} {n + 101} of {TOWNS[n // 10 % 8]} was seen on {1 + n % 28} May by {3 + n % 31} people."
        for n in range(links)
    ]
    old = add(alice, made_files.pdf(facts), "log.pdf")
    cited = {}
    for at in range(0, links, 5):
        pages = {page.number: page for page in old.pages_live()}
        sources = []
        for fact in facts[at : at + 5]:
            page = next(page for page in pages.values() if fact in page.text)
            page.document = old
            sources.append((fact, page, fact))
        message = answered(alice, *sources)
        Conversation.objects.filter(pk=message.conversation_id).update(pinned_at=timezone.now())
        cited |= dict(zip(message.citations.order_by("number"), facts[at : at + 5], strict=True))
    changed = facts[3 :: max(4, links // 20)]
    edited = ["A page of this log was added in June.", *(_edited(fact) if fact in changed else fact for fact in facts)]
    add(alice, made_files.pdf(edited), "log.pdf")
    for changes in ({"chunk_tokens": 90}, {"chunk_tokens": 150, "embedding_model": ""}):
        version = versions.rebuild(default_index(), **changes)
        while build_next(version, 60):
            pass
        version.refresh_from_db()
        versions.swap(version)
    client.force_login(alice)
    assert [fault for citation, fact in cited.items() for fault in faults_of(client, citation, [fact])] == []
    recheck()
    told = [each["sentence"] for row in Recheck.objects.open() for each in row.sentences]
    assert sorted(told) == sorted(changed)


def _edited(fact: str) -> str:
    return fact.replace(" people.", "0 people.")


def test_links_made_before_the_file_was_read_anew_open_the_same_words(client, alice):
    document = add(alice, made_files.pdf(FACTS), "plan.pdf")
    crawled = answers_over(alice, [document], 10, random.Random(8))
    intake.retry(document)
    ingest(document)
    for page in Page.objects.filter(document=document):
        Page.objects.filter(pk=page.pk).update(text="Aldermere Water\n" + page.text.replace(" of ", "  of\n"), runs=[])
    client.force_login(alice)
    for citation, words in crawled:
        assert lit(client.get(citation.panel_url).text) == [letters(each) for each in words]
    assert Message.objects.count() == 20 and first_page(document).text.startswith("Aldermere")
