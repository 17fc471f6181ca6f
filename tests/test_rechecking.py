"""Kept answers are looked at again when a document they cite changes: the edited facts, and only those, are told."""

from __future__ import annotations

import pytest
from django.utils import timezone

from chat.conversations.conversing import ask
from chat.models import Conversation, Message, Recheck, Share
from chat.proof.rechecking import recheck
from documents import intake
from documents.models import Document
from tests.cited import answered, first_page
from tests.library import add, shared_collection

pytestmark = pytest.mark.django_db

FACTS = [
    "Supplies shall be restored within twelve hours of the first report.",
    "Every household still dry after the limit is owed 50 euros.",
    "The money goes out within twenty working days.",
    "The control room informs the board member on call within one hour.",
    "Homes on the priority register get bottled water at the door.",
    "The head of networks may lengthen a limit in writing.",
]
GUIDE = "# Restoring supply\n\n" + "\n\n".join(FACTS)


def keep(message: Message) -> Message:
    Conversation.objects.filter(pk=message.conversation_id).update(pinned_at=timezone.now())
    return message


@pytest.fixture
def kept(alice) -> Message:
    """An answer that rests on every sentence of the guide."""
    page = first_page(add(alice, GUIDE.encode(), "guide.md"))
    return keep(answered(alice, *((fact, page, fact) for fact in FACTS)))


def edited(owner, *edits: tuple[str, str], text: str = GUIDE, collection=None) -> Document:
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    return add(owner, text.encode(), "guide.md", collection)


def told() -> list[tuple[str, str]]:
    recheck()
    return [(each["sentence"], each["reason"]) for row in Recheck.objects.all() for each in row.sentences]


@pytest.mark.parametrize(
    ("old", "new", "place", "reason"),
    [
        ("twelve hours", "ten hours", 0, "number"),
        ("50 euros", "60 euros", 1, "number"),
        ("twenty working days", "thirty working days", 2, "number"),
        ("within one hour", "within three hours", 3, "number"),
        ("get bottled water", "get no bottled water", 4, "negation"),
    ],
)
def test_an_edited_fact_is_told_and_no_other(alice, kept, old, new, place, reason):
    edited(alice, (old, new))
    assert told() == [(FACTS[place], reason)]


def test_two_edited_facts_are_told_together(alice, kept):
    edited(alice, ("twelve", "ten"), ("50", "60"))
    assert [sentence for sentence, _ in told()] == FACTS[:2]
    assert Recheck.objects.count() == 1


def test_a_sentence_that_was_taken_out_is_told(alice, kept):
    edited(alice, (FACTS[4] + "\n\n", ""))
    assert told() == [(FACTS[4], "no match")]


@pytest.mark.parametrize(
    "edit",
    [
        ("# Restoring supply", "# Restoring supply\n\nThis guide was printed in 14 towns."),
        ("\n\nEvery", "\n\nA new paragraph about something else.\n\nEvery"),
        ("Supplies shall", "Supplies must"),
        ("The money goes out", "The money is sent out"),
        ("Supplies shall be restored", "Supplies\nshall be   restored"),
    ],
)
def test_what_says_the_same_in_other_words_is_not_told(alice, kept, edit):
    edited(alice, edit)
    assert told() == [] and Recheck.objects.count() == 1


def test_facts_in_another_order_are_not_told(alice, kept):
    add(alice, ("# Restoring supply\n\n" + "\n\n".join(reversed(FACTS))).encode(), "guide.md")
    assert told() == []


def test_a_deleted_document_is_told(alice, kept):
    intake.delete(Document.objects.get())
    assert told() == [(fact, "gone") for fact in FACTS]


def test_what_another_source_still_says_holds_after_a_deletion(alice):
    one = first_page(add(alice, GUIDE.encode(), "guide.md"))
    other = first_page(add(alice, f"# Copy\n\n{FACTS[0]}\n\nMore.".encode(), "copy.md"))
    sources = (FACTS[0], one, FACTS[0]), (FACTS[1], one, FACTS[1]), (FACTS[0], other, FACTS[0])
    message = keep(answered(alice, *sources))
    Message.objects.filter(pk=message.pk).update(content=f"{FACTS[0][:-1]}[1][3]. {FACTS[1][:-1]}[2].")
    intake.delete(one.document)
    assert told() == [(FACTS[1], "gone")]


def test_a_change_is_told_once(alice, kept):
    edited(alice, ("twelve", "ten"))
    assert len(recheck()) == 1 and recheck() == [] and Recheck.objects.count() == 1


def test_the_next_change_is_told_anew(alice, kept):
    edited(alice, ("twelve", "ten"))
    assert len(told()) == 1
    edited(alice, ("50", "60"), ("twelve", "ten"))
    assert len(told()) == 3 and Recheck.objects.count() == 2


def test_a_document_that_nobody_changed_is_not_looked_at(alice, kept):
    assert recheck() == []


def test_a_table_whose_cell_changed_is_told(alice):
    table = "# Levels\n\n| Town | May | June |\n|---|---|---|\n| Netherfold | 40 | 41 |\n| Highdale | 12 | 13 |\n"
    page = first_page(add(alice, table.encode(), "levels.md"))
    sources = ("Highdale stood at 12 in May.", page, "Highdale | 12"), ("Netherfold had 41.", page, "40 | 41")
    keep(answered(alice, *sources))
    add(alice, table.replace("| 12 |", "| 17 |").encode(), "levels.md")
    assert [sentence for sentence, _ in told()] == ["Highdale stood at 12 in May."]


# Which answers -------------------------------------------------------------------------------------------------------
def test_an_answer_that_nobody_kept_is_not_looked_at(alice, kept):
    Conversation.objects.update(pinned_at=None)
    edited(alice, ("twelve", "ten"))
    assert recheck() == []


def test_a_shared_answer_is_looked_at_as_long_as_its_link_opens(alice, kept):
    Conversation.objects.update(pinned_at=None)
    share, _ = Share.make(kept.conversation, [kept], days=7)
    edited(alice, ("twelve", "ten"))
    Share.objects.filter(pk=share.pk).update(revoked_at=timezone.now())
    assert recheck() == []
    Share.objects.filter(pk=share.pk).update(revoked_at=None)
    assert len(recheck()) == 1


def test_what_is_pinned_after_the_change_is_told_too(alice, kept):
    Conversation.objects.update(pinned_at=None)
    edited(alice, ("twelve", "ten"))
    assert told() == []
    Conversation.objects.update(pinned_at=timezone.now())
    assert told() == [(FACTS[0], "number")]


def test_a_version_that_is_not_shown_any_more_is_not_looked_at(alice, kept):
    ask(kept.conversation, "What else?", "", replaces=kept.question)
    edited(alice, ("twelve", "ten"))
    assert told() == []


def test_what_was_told_of_a_version_goes_with_it(client, alice, kept):
    edited(alice, ("twelve", "ten"))
    recheck()
    ask(kept.conversation, "What else?", "", replaces=kept.question)
    client.force_login(alice)
    assert "a document it cites has changed" not in client.get(kept.conversation.get_absolute_url()).text


def test_the_list_leads_to_a_shared_version_that_is_not_shown_any_more(client, alice, kept):
    Share.make(kept.conversation, [kept], days=7)
    edited(alice, ("twelve", "ten"))
    recheck()
    ask(kept.conversation, "What else?", "", replaces=kept.question)
    client.force_login(alice)
    html = client.get(kept.conversation.get_absolute_url()).text
    assert "a document it cites has changed" in html and f'href="{kept.get_absolute_url()}"' in html


def test_sentences_are_looked_at_by_the_words_they_were_found_in(alice):
    """A source that is cited twice for the same words, and once more for others, has two marks and three numbers."""
    page = first_page(add(alice, GUIDE.encode(), "guide.md"))
    message = keep(answered(alice, (FACTS[0], page, FACTS[0])))
    citation = message.citations.get()
    marks = [[page.text.index(fact), page.text.index(fact) + len(fact)] for fact in FACTS[:2]]
    content, rows = "", []
    for fact, mark in [(FACTS[0], 0), (FACTS[0], 0), (FACTS[1], 1)]:
        rows.append({"start": len(content), "end": len(content) + len(fact), "verdict": "supported",
                     "spans": [[1, *marks[mark]]]})  # fmt: skip
        content += f"{fact}[1] "
    message.citations.filter(pk=citation.pk).update(marks=marks, start=0, end=len(page.text), text=page.text)
    Message.objects.filter(pk=message.pk).update(content=content, proofs=rows)
    edited(alice, ("50 euros", "60 euros"))
    assert told() == [(FACTS[1], "number")]


# Who is told ---------------------------------------------------------------------------------------------------------
def test_the_owner_sees_it_at_the_answer_and_in_the_list(client, alice, kept):
    edited(alice, ("twelve", "ten"))
    recheck()
    client.force_login(alice)
    html = client.get(kept.conversation.get_absolute_url()).text
    assert "one sentence no longer holds" in html and "Another figure stands there now." in html
    assert "a document it cites has changed" in html


def test_it_can_be_put_away(client, alice, kept):
    edited(alice, ("twelve", "ten"))
    (row,) = recheck()
    client.force_login(alice)
    assert client.post(row.dismiss_url).status_code == 302
    html = client.get(kept.conversation.get_absolute_url()).text
    assert "no longer holds" not in html and "has changed" not in html


def test_nobody_else_can_put_it_away(client, alice, charlie, kept):
    edited(alice, ("twelve", "ten"))
    (row,) = recheck()
    client.force_login(charlie)
    assert client.post(row.dismiss_url).status_code == 404 and Recheck.objects.open().exists()


def test_asking_for_it_does_not_put_it_away(client, alice, kept):
    edited(alice, ("twelve", "ten"))
    (row,) = recheck()
    client.force_login(alice)
    assert client.get(row.dismiss_url).status_code == 405 and Recheck.objects.open().exists()


def test_without_the_right_to_read_it_its_name_is_not_told(client, alice, bob):
    collection = shared_collection(alice, bob)
    page = first_page(add(alice, GUIDE.encode(), "guide.md", collection))
    message = keep(answered(bob, (FACTS[0], page, FACTS[0])))
    edited(alice, ("twelve", "ten"), collection=collection)
    recheck()
    collection.members.clear()
    client.force_login(bob)
    html = client.get(message.conversation.get_absolute_url()).text
    assert "one sentence no longer holds" in html and "guide" not in html


# When ----------------------------------------------------------------------------------------------------------------
def test_a_new_version_that_goes_live_has_it_looked_at(alice, kept, django_capture_on_commit_callbacks, sent):
    with django_capture_on_commit_callbacks(execute=True):
        edited(alice, ("twelve", "ten"))
    assert sent == [[str(Document.objects.get(version=1).pk)]]


def test_a_deletion_has_it_looked_at(alice, kept, django_capture_on_commit_callbacks, sent):
    with django_capture_on_commit_callbacks(execute=True):
        intake.delete(Document.objects.get())
    assert sent == [[str(Document.objects.get().pk)]]


@pytest.fixture
def sent() -> list[list[str]]:
    """Ids that the queue was told of, read from the queue itself."""
    from celery.signals import before_task_publish

    found: list[list[str]] = []

    def note(sender=None, body=None, **_):
        if sender == "chat.tasks.recheck":
            found.append(body[0][0])

    before_task_publish.connect(note, weak=False)
    yield found
    before_task_publish.disconnect(note)
