"""What could be asked next: at most three questions, each of which the documents answer.

With a model they are asked for in one small call, from the passages that were found and not cited. Without one they
are made from the headings of those passages and of the pages cited, in languages whose grammar allows it. Every
question is searched for as if it were asked, and is shown only if a sentence of the documents answers it. None is
better than a weak one.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from uuid import UUID

from asgiref.sync import sync_to_async
from django.db import close_old_connections
from django.db.models import F

from chat.conversations.conversing import question_of
from chat.events import Question
from chat.llm import Extractive
from chat.models import Citation, Message
from chat.prompts import suggesting_messages
from chat.reading import asked
from chat.verification import content_stems
from documents import retrieval
from documents.embeddings import sentence_vectors
from documents.models import Document, Page
from documents.retrieval import Passage, Scope
from documents.search import SearchError
from project.deployments import UNUSABLE, Deployment, chosen
from project.provider import ProviderError
from project.spending import BudgetSpent

log = logging.getLogger(__name__)

PURPOSE = "suggest"
MOST = 3
TRIED_MOST = 8  # questions that are searched for
TOKENS, SECONDS = 400, 15.0
LETTERS = 6_000  # of passages
QUESTION_LETTERS = 160
LOOKED_AT = 4  # passages that are looked through for an answer
NUMBERING = re.compile(
    r"^(?:(?:chapter|section|part|annex|kapitel|abschnitt|teil)\s+)?[\divxlc]+(?:\.\d+)*[.):]?\s+", re.I
)
HEADING = re.compile(r"[^\W\d_][\w’'-]*(?: [\w’'-]+){0,5}")
EMPTY_HEADINGS = frozenset(
    "introduction overview contents summary conclusion annex appendix general notes references definitions background "
    "scope purpose index glossary foreword preface einleitung inhalt zusammenfassung anhang allgemeines".split()
)
# How a heading is asked about; a language that is not here makes no question of one.
WORDINGS = {
    "en": "What does “{title}” say about {heading}?",
    "de": "Was steht in „{title}“ unter „{heading}“?",
}


async def suggest(message: Message) -> None:
    """Look for what could be asked next, and keep it with the answer; nothing found is kept as well."""
    question, answer, others = await sync_to_async(_given)(message)
    found: list[str] = []
    if others:
        written = await _written(question, answer, others)
        drafts = await sync_to_async(_of_headings)(question, answer, others) if written is None else written
        found = await sync_to_async(_answerable)(question, answer, drafts)
    message.suggestions = found
    await Message.objects.filter(pk=message.pk).aupdate(suggestions=found)


def _given(message: Message) -> tuple[Question, str, list[Passage]]:
    """The question, its answer, and what was found for it that the asker may still read, the uncited first."""
    try:
        question = question_of(message)
        rows = (
            message.citations.filter(document__isnull=False).select_related("document").order_by("is_cited", "number")
        )
        readable = Document.objects.for_user(question.user).current()
        return question, message.content, [_passage(row) for row in rows.filter(document__in=readable)[:LOOKED_AT]]
    finally:
        close_old_connections()


async def _written(question: Question, answer: str, others: Sequence[Passage]) -> list[str] | None:
    """What a model suggests; None where there is none, or it has no time or money for it."""
    try:
        deployment: Deployment | None = await sync_to_async(chosen)(question.deployment)
    except UNUSABLE:
        return None
    if deployment is None:
        return None
    messages = suggesting_messages(question.text, answer, others, MOST, LETTERS)
    try:
        written = await asked(deployment, messages, question, PURPOSE, TOKENS, SECONDS)
    except (ProviderError, TimeoutError, BudgetSpent) as exc:
        log.warning("no questions were suggested: %r", exc)
        return None
    return [line for line in map(_cleaned, written.splitlines()) if line.endswith(("?", "？", "؟"))]


def _cleaned(line: str) -> str:
    """A line of a model's as a question, or "".

    >>> _cleaned("1. “When is the rent due?”"), len(_cleaned("word " * 60))
    ('When is the rent due?', 0)
    """
    text = re.sub(r"^[\s\-*•\d.)]+", "", line).strip(' "“”„«»')
    return text if 8 <= len(text) <= QUESTION_LETTERS else ""


def _of_headings(question: Question, answer: str, found: Sequence[Passage]) -> list[str]:
    """Questions about the sections that were found, and those that stand on the same pages, one a section."""
    try:
        rows = Document.objects.filter(pk__in=[each.document_id for each in found])
        languages: dict[UUID | None, str] = dict(rows.values_list("pk", "language"))
        said = set(content_stems(f"{question.text} {answer}"))
        questions = []
        for passage, section, text in [*((each, each.section, each.text) for each in found), *_on_the_page(found)]:
            wording = WORDINGS.get(languages.get(passage.document_id, ""), "")
            heading = heading_of(section)
            if wording and heading and _is_new(heading, said, passage):
                told = heading if wording.startswith("Was") else _in_a_sentence(heading, text)
                questions.append(wording.format(title=passage.document_title, heading=told))
        return list(dict.fromkeys(questions))
    finally:
        close_old_connections()


def _on_the_page(found: Sequence[Passage]) -> Iterator[tuple[Passage, str, str]]:
    """The headings of the pages that were found, below that of the page itself, with the page's text."""
    for passage in found:
        live = Page.objects.filter(document=passage.document_id, generation=F("document__generation"))
        for page in live.filter(number=passage.page_number).select_related("document"):
            text = page.shown_text(0, len(page.text))
            # A heading that is kept out of answers is none of theirs.
            yield from ((passage, title, text) for _, level, title in page.headings if level > 1 and title in text)


def _is_new(heading: str, said: set[str], passage: Passage) -> bool:
    """Whether more than half of what a heading says was neither asked nor answered, nor is the document's title."""
    stems = set(content_stems(heading))
    return 2 * len(stems - said - set(content_stems(passage.document_title))) > len(stems)


def heading_of(section: str) -> str:
    """The last heading of a section, if it names something to ask about.

    >>> heading_of("House rules > 3.1 Keeping pets"), heading_of("1 Introduction"), heading_of("Table 4: Rates, 2023")
    ('Keeping pets', '', '')
    """
    last = NUMBERING.sub("", re.split(r"\s[>›]\s", section)[-1].strip())
    words = last.split()
    is_plain = HEADING.fullmatch(last) and len(last) <= 60 and not last.isupper()
    return last if is_plain and words[0].casefold() not in EMPTY_HEADINGS and words[0].casefold() != "table" else ""


def _in_a_sentence(heading: str, text: str) -> str:
    """With a small first letter, unless the text itself writes it large amidst its sentences: then it is a name."""
    first = heading.split()[0]
    is_name = first[1:] != first[1:].lower() or re.search(rf"[a-z,] {re.escape(first)}\b", text)
    return heading if is_name else heading[0].lower() + heading[1:]


def _answerable(question: Question, answer: str, drafts: Iterable[str]) -> list[str]:
    """Those that a search of the same scope finds a sentence for, and that ask for something new."""
    extractive = Extractive(sentence_vectors())
    scope = Scope(collections=question.collections, documents=question.documents)
    known = {_key(question.text), *(_key(turn.question) for turn in question.history)}
    found: list[str] = []
    try:
        for draft in list(drafts)[:TRIED_MOST]:
            if _key(draft) in known:
                continue
            known.add(_key(draft))
            passages = retrieval.find(draft, question.user, scope, top=LOOKED_AT).passages
            told = extractive.choose(draft, passages)
            if told and not all(each.statement.text in answer for each in told):
                found.append(draft)
            if len(found) == MOST:
                break
    except SearchError as exc:
        log.warning("questions could not be tried: %s", exc)
    finally:
        close_old_connections()
    return found


def _key(text: str) -> frozenset[str]:
    return frozenset(content_stems(text))


def _passage(row: Citation) -> Passage:
    assert row.document is not None
    return Passage(
        chunk_id=0,
        document_id=row.document_id,
        document_title=row.document.display_title,
        document_name=row.document.name,
        version=row.document.version,
        page_number=row.page_number,
        page_label=row.page_label,
        start=row.start,
        end=row.end,
        section=row.section,
        text=row.text,
        score=row.score,
        keyword=None,
        vector=None,
    )
