"""Every sentence of an answer is looked for in its passages while it streams, whoever writes it."""

import asyncio
import json
import threading
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any, cast

import pytest

from chat import cache
from chat.events import Cite, Done, Event, Failed, Found, Proved, Question, Ran, Source, Text
from chat.proof.proving import LETTERS_MOST, NO_SOURCE, proved, settled
from chat.verification import Reason, Verdict
from documents.retrieval import Passage
from project.provider import Tokens
from tests.test_prompts import passage

RENT = passage("The rent is due on the third working day of the month. It may be paid in cash.")
PETS = passage("Dogs need a written permission of the owner. Cats are kept free of charge.", 2)
LOSS = passage("The share of leaks fell to 12 per cent in 2023.", 3)
PASSAGES = [RENT, PETS, LOSS]
DONE = Done(False, [Source(each) for each in PASSAGES], "", [], "m", Tokens(1, 1))
QUESTION = Question("What do the rules say?", cast("Any", None))


def told(*pieces: str | int | Event, passages: list[Passage] = PASSAGES, done: Event = DONE) -> list[Event]:
    """What comes of an answer that is written in these pieces."""

    async def write(_: Question) -> AsyncGenerator[Event]:
        yield Found(passages)
        for piece in pieces:
            yield Text(piece) if isinstance(piece, str) else Cite(piece) if isinstance(piece, int) else piece
        yield done

    async def collect() -> list[Event]:
        return [event async for event in proved(QUESTION, write=write)]

    return asyncio.run(collect())


def sentences(*pieces: str | int | Event, **more: Any) -> list[Proved]:
    return [event for event in told(*pieces, **more) if isinstance(event, Proved)]


def end(*pieces: str | int | Event, **more: Any) -> Done:
    done = told(*pieces, **more)[-1]
    assert isinstance(done, Done)
    return done


def verdicts(*pieces: str | int | Event, **more: Any) -> list[str]:
    return [each.proof.verdict.value if each.proof else "" for each in sentences(*pieces, **more)]


def lit(source: Source) -> list[str]:
    return [source.passage.text[start:end] for start, end in source.marks]


def test_a_sentence_that_stands_there_leads_to_the_very_words():
    done = end("The rent is due on the third working day of the month. ", 1)
    assert lit(done.sources[0]) == ["The rent is due on the third working day of the month."]
    assert [source.is_cited for source in done.sources] == [True, False, False]


def test_a_wrong_figure_is_unsupported_and_both_figures_are_told():
    (sentence,) = sentences("The share of leaks fell to 21 per cent in 2023. ", 3)
    assert sentence.proof.verdict is Verdict.UNSUPPORTED and sentence.proof.reason is Reason.NUMBER
    assert (sentence.proof.said, sentence.proof.shown) == ("21 per cent", "12 per cent")


def test_a_wrong_source_number_is_put_right():
    done = end("Dogs need a written permission of the owner. ", 1)
    assert [source.is_cited for source in done.sources] == [False, True, False]
    assert ("Put right", "the source number of 1 of them") in done.how


def test_a_sentence_without_a_number_gets_that_of_the_passage_which_carries_it():
    (sentence,) = sentences("Dogs need a written permission of the owner.")
    assert sentence.cites == (2,) and sentence.cited == () and not sentence.is_corrected


def test_a_number_that_carries_nothing_stays_where_nothing_else_carries_the_sentence():
    (sentence,) = sentences("The castle was built by monks from Ghent in stone. ", 1)
    assert sentence.cites == (1,) and sentence.proof.verdict is Verdict.UNSUPPORTED and sentence.spans == ()


def test_items_stand_on_the_sources_of_their_lead_in():
    first, dogs, cats = sentences("On pets the rules say: ", 2, "\n\n- dogs need a written permission\n- cats are free")
    assert first.proof is None and dogs.proof.verdict is Verdict.SUPPORTED
    assert dogs.cites == cats.cites == ()  # Once is enough.


def test_an_answer_that_names_no_source_says_so_only_when_none_could_be_added():
    assert end("The castle was built by monks from Ghent in stone.").notice == NO_SOURCE
    assert end("Dogs need a written permission of the owner.").notice == ""


def test_verdicts_come_while_the_answer_is_still_written():
    """The second sentence is held back until the verdict on the first one is there."""
    released = threading.Event()

    async def write(_: Question) -> AsyncGenerator[Event]:
        yield Found(PASSAGES)
        for piece in ("The rent is due on the third working day of the month. ", "Dogs need"):
            yield Text(piece)
        await asyncio.to_thread(released.wait, 30)
        yield Text(" a written permission of the owner.")
        yield DONE

    async def collect() -> list[Event]:
        found = []
        async for event in proved(QUESTION, write=write):
            found.append(event)
            if isinstance(event, Proved):
                released.set()
        return found

    kinds = [type(event) for event in asyncio.run(collect())]
    assert kinds == [Found, Text, Text, Proved, Text, Proved, Done]


def test_text_waits_for_no_verdict():
    events = told(*["The rent is due on the third working day of the month. ", 1, " "] * 12)
    texts = [at for at, event in enumerate(events) if isinstance(event, Text)]
    assert len([event for event in events[: texts[-1]] if isinstance(event, Proved)]) < 11


def test_what_the_text_does_to_the_checks_the_answer_goes_on(monkeypatch, caplog):
    def fall(*_: object) -> None:
        raise RecursionError

    monkeypatch.setattr("chat.proof.proving.look_up", fall)
    done = end("The rent is due in May. ", 1, " Dogs are not allowed. ", 2)
    assert [source.is_cited for source in done.sources[:2]] == [True, True]
    assert "sentence_not_checked" in caplog.text


def test_closing_stops_whoever_writes():
    closed = []

    async def write(_: Question) -> AsyncGenerator[Event]:
        try:
            yield Found(PASSAGES)
            await asyncio.sleep(60)
        finally:
            closed.append(True)

    async def look_in() -> None:
        events = proved(QUESTION, write=write)
        await anext(events)
        await events.aclose()

    asyncio.run(look_in())
    assert closed == [True]


def test_what_goes_wrong_in_writing_is_raised_as_it_is():
    class Odd(Exception):
        pass

    async def write(_: Question) -> AsyncGenerator[Event]:
        yield Found(PASSAGES)
        raise Odd

    async def collect() -> None:
        async for _ in proved(QUESTION, write=write):
            pass

    with pytest.raises(Odd):
        asyncio.run(collect())


def test_a_failed_answer_keeps_the_verdicts_on_what_was_written():
    events = told("The rent is due on the third working day of the month. ", 1, " Dogs ar", done=Failed("x", "y"))
    assert [type(event) for event in events[-2:]] == [Proved, Failed]


def test_an_endless_answer_is_stopped_and_the_person_is_told():
    last = told(*["lorem ipsum " * 100] * (LETTERS_MOST // 600))[-1]
    assert isinstance(last, Failed) and "longer than an answer may be" in last.sentence


def test_a_refusal_is_not_checked():
    assert [type(event) for event in told(done=replace(DONE, is_refused=True))] == [Found, Done]


# What was computed ---------------------------------------------------------------------------------------------------
COSTS = replace(
    passage("Pipe | 1200\nPump | 800"), marks=((7, 11), (19, 22)), computed="sum of “Cost” in “costs.csv”\n 2000 EUR"
)


def test_a_computed_number_stands_on_its_cells():
    done = end(
        "The cost comes to a sum of 2,000 EUR. ", 1, passages=[COSTS], done=replace(DONE, sources=[Source(COSTS)])
    )
    assert lit(done.sources[0]) == ["1200", "800"]
    assert verdicts("The cost comes to a sum of 2,000 EUR. ", 1, passages=[COSTS]) == ["supported"]


def test_a_number_that_was_not_computed_so_is_no_better_than_another():
    assert verdicts("The cost comes to a sum of 3,140 EUR. ", 1, passages=[COSTS]) == ["unsupported"]


def test_numbers_of_code_that_a_service_ran_are_not_held_against_the_first_rows():
    assert verdicts(Ran("sum(x)", ""), "All in all the works cost 91,223 EUR. ", 1, passages=[COSTS]) == [""]
    assert verdicts(Ran("sum(x)", "cost 91223"), "The cost is 91,223 EUR. ", 1, passages=[COSTS]) == ["supported"]


# For programs that read along ----------------------------------------------------------------------------------------
def sent(*events: Event) -> list[str | int]:
    """The text and numbers that a program is sent, in order."""

    async def told_on() -> AsyncGenerator[Event]:
        for event in events:
            yield event

    async def collect() -> list[Event]:
        return [event async for event in settled(told_on())]

    found = asyncio.run(collect())
    return [each.text if isinstance(each, Text) else each.number for each in found if isinstance(each, Text | Cite)]


WRONG_LAST = (
    "The rent is due on the third working day of the month. ",
    1,
    " The share fell to 21 per cent in 2023. ",
    3,
)


def test_by_itself_a_program_gets_every_piece_at_once(settings):
    assert sent(*told(*WRONG_LAST)) == list(WRONG_LAST)


def test_what_is_left_out_is_never_sent(settings):
    settings.UNSUPPORTED = "hide"
    words = "".join(piece for piece in sent(*told(*WRONG_LAST)) if isinstance(piece, str))
    assert words.strip() == "The rent is due on the third working day of the month."


def test_a_number_is_sent_as_it_was_put_right_where_text_waits_for_its_verdict(settings):
    settings.UNSUPPORTED = "hide"
    assert sent(*told("Dogs need a written permission of the owner. ", 1)) == [
        "Dogs need a written permission of the owner. ", 2,
    ]  # fmt: skip


def test_who_asks_for_more_than_the_passages_say_is_left_nothing_out(settings, monkeypatch):
    settings.UNSUPPORTED = "hide"
    monkeypatch.setitem(globals(), "QUESTION", replace(QUESTION, is_open=True))
    assert any("21 per cent" in str(piece) for piece in sent(*told(*WRONG_LAST)))


def test_an_answer_in_json_is_left_as_it_is(monkeypatch):
    monkeypatch.setitem(
        globals(), "QUESTION", replace(QUESTION, generation={"response_format": {"type": "json_object"}})
    )
    assert sentences('{"rent": "due in May. Not June."}') == []


# Kept ----------------------------------------------------------------------------------------------------------------
def test_a_kept_answer_has_its_verdicts():
    row = json.loads(json.dumps(cache.asdict(sentences("The share of leaks fell to 21 per cent in 2023. ", 3)[0])))
    assert cache._proved(row) == sentences("The share of leaks fell to 21 per cent in 2023. ", 3)[0]
