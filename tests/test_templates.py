"""What every page keeps to, and how the pieces that scripts ask for are drawn: templates alone, no view."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from uuid import UUID

import pytest
from django.conf import settings
from django.contrib.staticfiles import finders
from django.template.loader import get_template, render_to_string
from django.utils import translation
from django.utils.safestring import mark_safe

from documents.models import Document
from documents.rendering import Rect
from documents.textview import blocks
from project.templatetags.icons import ICONS, icon

ROOT = Path(settings.BASE_DIR) / "templates"
TEMPLATES = sorted(str(path.relative_to(ROOT)) for path in ROOT.rglob("*.html"))
SCRIPTS = sorted((ROOT.parent / "static" / "js").rglob("*.js"))
STYLES = sorted((ROOT.parent / "static" / "css").glob("*.css"))
ERRORS = ("400", "403", "404", "413", "429", "500", "503")


def source(**given) -> SimpleNamespace:
    facts = {"number": 1, "title": "Burst Main Handbook", "page_label": "", "page_number": 11, "url": "/page/11"}
    facts |= {"panel_url": "/panel/11", "text": "within twelve hours"}
    facts |= {"pieces": [("within twelve hours", True)], "keyword_rank": None, "vector_rank": None, "is_gone": False}
    facts |= {"is_external": False} | given
    shown = facts["page_label"] or str(facts["page_number"])
    return SimpleNamespace(**facts, shown_page=shown, label=f"{facts['title']}, page {shown}")


def turn(state: str, **given) -> str:
    facts = {"question": "When must supply be back?", "html": "", "citations": [], "retrieved": [], "nearest": []}
    facts |= {"how": [], "notice": "", "stream_url": "/stream", "stop_url": "/stop", "again_url": "/again"}
    message = SimpleNamespace(pk=UUID(int=7), reply_to_id=UUID(int=6), state=state, error=given.pop("error", ""))
    return render_to_string("chat/_turn.html", {"turn": {**facts, "message": message, **given}})


def page(**given) -> str:
    document = SimpleNamespace(display_title="Handbook", get_absolute_url="/documents/1", superseded_at=None)
    facts = {"document": document, "page": SimpleNamespace(number=2, label="", text="Supplies"), "page_count": 3}
    facts |= {"original_url": "/original", "image_url": None, "marks": [], "blocks": []}
    return render_to_string("documents/_page.html", facts | given)


# What the content security policy asks of us -----------------------------------------------------------------------
@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_carries_no_style_and_no_script_of_its_own(name):
    text = (ROOT / name).read_text()
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|hx-on|javascript:|<script(?![^>]*\ssrc=)", text)


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_can_be_read(name):
    get_template(name)


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_file_a_template_links_to_is_there(name):
    linked = re.findall(r"{% static '([^']+)' %}", (ROOT / name).read_text())
    assert [path for path in linked if not finders.find(path)] == []


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_every_module_a_script_imports_is_there(script):
    imported = re.findall(r'^import .*?"(\.\.?/[\w./]+)"', script.read_text(), re.MULTILINE)
    assert [name for name in imported if not (script.parent / name).exists()] == []


@pytest.mark.parametrize("path", [*SCRIPTS, *STYLES], ids=lambda path: path.name)
def test_nothing_is_fetched_from_elsewhere(path):
    assert not re.search(r"https?://|url\(\s*[\"']?//|\beval\(", path.read_text())


@pytest.mark.parametrize("style", STYLES, ids=lambda path: path.name)
def test_colours_are_named_in_one_file(style):
    if style.name != "variables.css":
        assert re.findall(r"(?<![&\w])#[0-9a-f]{3,8}\b", style.read_text()) == []


# Icons -------------------------------------------------------------------------------------------------------------
def test_every_icon_a_template_names_is_drawn():
    named = {name for path in ROOT.rglob("*.html") for name in re.findall(r'{% icon "([^"]+)"', path.read_text())}
    assert named - ICONS.keys() == set()


def test_an_icon_is_silent_for_a_screen_reader():
    assert 'aria-hidden="true"' in icon("search")


def test_an_icon_nobody_drew_is_a_fault():
    with pytest.raises(KeyError):
        icon("sparkles")


# Pages that must stand when nothing else does -----------------------------------------------------------------------
@pytest.mark.parametrize("code", ERRORS)
def test_an_error_page_needs_no_context(code):
    assert re.search(r"<h1>[^<]+</h1>", render_to_string(f"{code}.html"))


@pytest.mark.parametrize("code", ERRORS)
def test_an_error_page_has_a_way_on(code):
    assert 'class="button button--main" href="/' in render_to_string(f"{code}.html")


# A turn of the conversation -----------------------------------------------------------------------------------------
def test_a_question_is_escaped():
    assert "&lt;img src=x&gt;" in turn("done", question="<img src=x>")


def test_a_turn_that_is_being_answered_says_where_its_stream_is():
    html = turn("streaming")
    assert 'data-stream="/stream"' in html and 'aria-busy="true"' in html


@pytest.mark.parametrize("state", ["done", "stopped", "failed", "interrupted", "refused"])
def test_a_turn_that_has_ended_has_no_stream(state):
    assert "data-stream" not in turn(state)


def test_a_citation_brings_its_words():
    pieces = [("Restored ", False), ("within <12> hours", True)]
    html = turn("done", html=mark_safe("<p>Yes.</p>"), citations=[source(pieces=pieces)])
    assert f'id="peek-{UUID(int=7)}-1"' in html and '<span class="lit-text">within &lt;12&gt; hours</span>' in html


@pytest.mark.parametrize("state", ["done", "refused"])
def test_of_a_document_that_is_gone_no_word_and_no_address_is_shown(state):
    gone = source(title="No longer available", is_gone=True)
    html = turn(state, citations=[gone], nearest=[gone], retrieved=[gone])
    assert "within twelve hours" not in html and "/panel/11" not in html


def test_the_printed_label_of_a_page_comes_before_its_number():
    assert "page iv" in turn("done", citations=[source(page_label="iv", page_number=4)])


def test_a_refusal_names_the_nearest_passages():
    html = turn("refused", nearest=[source(pieces=[("Leave is thirty days.", False)])])
    assert "This is not in your documents." in html and "Leave is thirty days." in html


def test_a_stopped_turn_says_so():
    assert "Stopped. What was written is kept." in turn("stopped", html=mark_safe("<p>Half</p>"))


def test_a_failed_turn_gives_the_reason_and_a_way_on():
    html = turn("failed", error="The model did not answer in time.")
    assert "The model did not answer in time." in html and 'action="/again"' in html


def test_what_was_only_retrieved_stands_apart_from_what_is_cited():
    found = source(title="Drought Plan", keyword_rank=4, vector_rank=None, text="Interruptions")
    html = turn("done", citations=[source()], retrieved=[found])
    cited, also = html.split("Also retrieved, not cited")
    assert "Drought Plan" not in cited and "words 4" in also


# A page ------------------------------------------------------------------------------------------------------------
def test_marks_lie_over_the_picture_of_the_page():
    marks = [SimpleNamespace(index=0, rects=[Rect(72.5, 96.25, 200, 14)])]
    html = page(image_url="/image", width=595.0, height=842.0, marks=marks)
    assert '<rect class="lit" data-mark="0" x="72.5" y="96.25" width="200" height="14"' in html


def test_the_passage_is_one_line_in_the_margin():
    html = page(image_url="/image", width=595, height=842, margin="M63 90V164")
    assert '<path class="passage" d="M63 90V164"/>' in html


def test_numbers_in_a_drawing_are_never_written_with_a_comma():
    with translation.override("de"):
        assert 'viewBox="0 0 1595.5 2842.5"' in page(image_url="/image", width=1595.5, height=2842.5)


def test_the_words_of_a_text_stand_as_they_are():
    html = page(blocks=blocks("a <b> from here on end", marks=[(11, 15)], passage=(6, 18)))
    lit = 'from <mark class="lit" data-mark="0">here</mark> on'
    assert f'a &lt;b&gt; <span class="passage-text passage-first passage-last">{lit}</span> end' in html


def test_the_first_page_has_no_page_before():
    html = page(next_url="/documents/1/pages/3", next_panel="/panel/3")
    assert "Page before" not in html and 'data-panel="/panel/3"' in html


# What is on its way ------------------------------------------------------------------------------------------------
def coming(*states: str) -> str:
    documents = [Document(pk=UUID(int=at), name=f"{at}.pdf", state=state, size=1200) for at, state in enumerate(states)]
    return render_to_string("documents/_coming.html", {"under_way": documents})


def test_the_list_is_asked_for_again_while_something_is_under_way():
    assert 'hx-trigger="every 2s, refresh"' in coming("failed", "embedding", "ready")


def test_the_list_is_left_alone_when_nothing_is_under_way():
    assert 'hx-trigger="refresh"' in coming("failed", "ready")


def test_the_list_counts_what_is_under_way():
    assert 'data-under-way="2"' in coming("queued", "failed", "embedding")
