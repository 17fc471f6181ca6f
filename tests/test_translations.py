"""The interface in another language: no page is left in English, and kept sentences are told in the reader's."""

import ast
import gettext
import io
import re
import string
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import translation

from project.messages import compiled, found, read
from project.messages.finding import in_sentences
from project.translating import translated
from tests.rows import row

PO = Path(settings.LOCALE_PATHS[0]) / "de" / "LC_MESSAGES" / "django.po"
GERMAN = {"headers": {"Accept-Language": "de"}}
GAPS = re.compile(r"%\(\w+\)[sd]|%%|\{\w+\}")
TAGS = re.compile(r"</?\w+[^>]*>")

# What is left of a template without its tags, elements and blocks of names is read by somebody.
TAG = re.compile(r"{% blocktranslate.*?{% endblocktranslate %}|{#.*?#}|{%.*?%}|{{.*?}}", re.DOTALL)
ELEMENT = re.compile(r"<!doctype html>|<[^>]*>")
NOT_READ = re.compile(
    r"<(code|pre|script|style|kbd|samp)\b.*?</\1>|{% block (?:shell_class|door_class|in_\w+) %}.*?{% endblock %}",
    re.DOTALL,
)
SPOKEN = re.compile(r'\b(?:aria-label|title|placeholder|alt)="([^"{}]*)"')
SAME_EVERYWHERE = {
    "sha256",
    "ms",
    "ms · ms",
    "kB",
    "MB",
    "manage.py start",
    "v",
    "s",
    "handbook.pdf",
    "handbook.pdf#page=4",
}


@pytest.fixture(autouse=True)
def english():
    yield
    translation.activate(settings.LANGUAGE_CODE)


@pytest.fixture
def german():
    with translation.override("de"):
        yield


@pytest.fixture(scope="module")
def catalogue():
    return read(PO.read_text())


# The catalogue -------------------------------------------------------------------------------------------------------
def test_every_sentence_has_a_translation(catalogue):
    missing = [original[0] for original in found(settings.BASE_DIR) if not all(catalogue.get(original, ("",)))]
    assert missing == [], "make messages adds them to the catalogue"


def test_the_catalogue_holds_nothing_that_is_not_said_any_more(catalogue):
    assert set(catalogue) - {("", "")} == set(found(settings.BASE_DIR))


def test_a_translation_has_the_gaps_and_the_elements_of_its_sentence(catalogue):
    wrong = [
        said
        for (one, many), translations in catalogue.items()
        if one
        for said in translations
        for whole in [many or one]
        if sorted(GAPS.findall(said)) not in (sorted(GAPS.findall(whole)), sorted(GAPS.findall(one)))
        or sorted(TAGS.findall(said)) != sorted(TAGS.findall(whole))
    ]
    assert wrong == []


def test_no_translation_breaks_out_of_an_attribute(catalogue):
    assert [said for original, said in catalogue.items() if original[0] and '"' in TAGS.sub("", "".join(said))] == []


def test_the_compiled_catalogue_is_that_of_the_text(catalogue):
    assert PO.with_suffix(".mo").read_bytes() == compiled(catalogue), "make messages compiles it"


def test_a_compiled_catalogue_is_read_by_gettext():
    made = compiled({("", ""): ("Content-Type: text/plain; charset=UTF-8\n",), ("page", "pages"): ("Seite", "Seiten")})
    assert gettext.GNUTranslations(io.BytesIO(made)).ngettext("page", "pages", 2) == "Seiten"


@pytest.mark.parametrize(
    "path", sorted(Path(settings.BASE_DIR, "templates").rglob("*.html")), ids=lambda path: path.name
)
def test_no_template_holds_a_word_that_is_not_marked(path):
    text = TAG.sub("", NOT_READ.sub("", path.read_text()))
    words = [" ".join(part.split()) for part in ELEMENT.split(text)] + SPOKEN.findall(text)
    said = [re.sub(r"&\w+;|Lectern|Ctrl\+[\w+]+", "", each).strip(string.punctuation + "·–…„“”‹›× ") for each in words]
    assert [each for each in said if re.search(r"[A-Za-z]{2}", each) and each not in SAME_EVERYWHERE] == []


# Sentences that are kept ----------------------------------------------------------------------------------------------
def test_a_kept_sentence_is_told_in_the_language_of_its_reader(german):
    assert translated("The file is empty.") == "Die Datei ist leer."


def test_a_kept_sentence_keeps_its_values(german):
    assert translated("“Guide.pdf” belongs to alice.") == "„Guide.pdf“ gehört alice."


def test_a_number_in_a_kept_sentence_is_written_as_its_reader_writes_it(german):
    assert translated("You have 50,000 documents, which is the limit.").startswith("Sie haben 50.000 Dokumente")


def test_several_kept_sentences_in_a_row_are_told_one_by_one(german):
    assert translated("The file is empty. Nobody knows this one. Send it again.") == (
        "Die Datei ist leer. Nobody knows this one. Senden Sie sie noch einmal."
    )


def test_words_of_a_person_stay_as_they_are(german):
    assert translated("When must supply be back after a burst main?") == "When must supply be back after a burst main?"


def test_in_english_a_kept_sentence_is_what_it_was():
    assert translated("“Guide.pdf” belongs to alice.") == "“Guide.pdf” belongs to alice."


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ('raise Refused(413, f"The file is larger than {limit:,} MB.")', "The file is larger than {1} MB."),
        ('LONG = "Sheet “{}” has more than {:,} rows."', "Sheet “{1}” has more than {2} rows."),
        ('yield Status("answering", f"Read {n} passages")', "Read {1} passages"),
    ],
)
def test_a_sentence_that_is_kept_needs_no_mark(source, sentence):
    assert [one for one, _ in in_sentences(ast.parse(source))] == [sentence]


def test_what_goes_to_the_log_is_not_translated():
    assert list(in_sentences(ast.parse('log.warning("The queue does not answer.")'))) == []


# Choosing -------------------------------------------------------------------------------------------------------------
def test_a_page_speaks_the_language_of_the_browser(client, alice):
    client.force_login(alice)
    html = client.get("/", **GERMAN).content.decode()
    assert '<html lang="de" dir="ltr">' in html and "Neues Gespräch" in html


def test_another_language_than_ours_gets_english(client):
    assert (
        "Sign in to your documents"
        in client.get("/accounts/login/", headers={"Accept-Language": "fr"}).content.decode()
    )


def test_what_was_chosen_counts_more_than_the_browser(client):
    chosen = client.post("/language/", {"language": "de"}, headers={"Referer": "http://testserver/accounts/login/"})
    assert chosen.url == "http://testserver/accounts/login/" or chosen.url == "/accounts/login/"
    assert (
        "Bei Ihren Dokumenten anmelden"
        in client.get("/accounts/login/", headers={"Accept-Language": "en"}).content.decode()
    )


def test_a_link_alone_changes_no_language(client):
    assert client.get("/language/?language=de").status_code == 405


def test_a_program_is_told_the_same_words_whatever_it_accepts(client):
    said = client.get("/api/documents", **GERMAN)
    assert said.content == client.get("/api/documents").content


def test_an_error_page_speaks_german_too(client, alice):
    client.force_login(alice)
    assert "Unter dieser Adresse ist nichts" in client.get("/nowhere/", **GERMAN).content.decode()


def test_dates_sizes_and_numbers_are_written_as_the_reader_writes_them(client, alice):
    document = row(alice, "a.md", size=4_080_000, chunk_count=1_234, page_count=2)
    client.force_login(alice)
    html = client.get(document.get_absolute_url(), **GERMAN).content.decode()
    assert "4,1 MB" in html and "1.234 Passagen" in html


@pytest.mark.parametrize("address", ["/", "/library/", "/usage/", "/console/", "/console/health/", "/console/models/"])
def test_no_sentence_of_ours_is_left_in_english_on_a_german_page(client, admin_user, catalogue, address):
    client.force_login(admin_user)
    html = client.get(address, **GERMAN).content.decode()
    read_words = {" ".join(part.split()) for part in ELEMENT.split(NOT_READ.sub("", html))}
    english_words = {one for (one, _), said in catalogue.items() if one and said[0] != one and " " in one}
    assert read_words & english_words == set()
