"""An answer as a typed object: however its text comes in pieces, or a clear error after one repair."""

import json

import pytest
from asgiref.sync import async_to_sync
from pydantic import BaseModel, Field

from chat.tools.structured import StructuredError, typed, way_of
from project.catalogue import Model
from project.provider.pieces import Cut, ToolCall
from tests.scripted import Scripted


class Deadline(BaseModel):
    """When something is due."""

    what: str = Field(min_length=1)
    day: int
    exceptions: list[str] = []


RENT = Deadline(what="Miete “[1]” {ü} 家賃", day=3, exceptions=["a\nb", "\\"])
WHOLE = RENT.model_dump_json()


def asked(ask: Scripted, **more) -> Deadline:
    return async_to_sync(typed)(ask, [{"role": "user", "content": "When?"}], Deadline, **more)


def test_text_cut_at_any_place_gives_the_same_object():
    for cut in range(len(WHOLE) + 1):
        assert asked(Scripted([WHOLE[:cut], WHOLE[cut:]])) == RENT
    assert asked(Scripted(list(WHOLE))) == RENT


def test_the_strict_schema_goes_along():
    ask = Scripted([WHOLE])
    asked(ask)
    form = ask.heard[0]["response_format"]
    assert form["type"] == "json_schema" and form["json_schema"]["strict"] is True
    schema = form["json_schema"]["schema"]
    assert schema["required"] == ["what", "day", "exceptions"] and schema["additionalProperties"] is False
    assert "minLength" not in json.dumps(schema)


def test_a_function_call_is_the_object_too():
    ask = Scripted([ToolCall("c1", "Deadline", WHOLE)])
    assert asked(ask, way="function") == RENT
    assert ask.heard[0]["tool_choice"] == {"type": "function", "function": {"name": "Deadline"}}


def test_a_model_without_schemas_is_told_the_form_in_words():
    ask = Scripted([f"```json\n{WHOLE}\n```"])
    assert asked(ask, way="json_object") == RENT
    assert ask.heard[0]["response_format"] == {"type": "json_object"}
    assert '"day"' in ask.heard[0]["messages"][-1]["content"]


@pytest.mark.parametrize(
    "bad", ["", "It is the third.", WHOLE[:-1], '{"what": "", "day": 3}', '{"what": "x", "day": "?"}']
)
def test_what_does_not_fit_is_said_back_once(bad):
    ask = Scripted([bad], [WHOLE])
    assert asked(ask) == RENT
    *_, said, repair = ask.heard[1]["messages"]
    assert said["role"] == "assistant" and "not of the form asked for" in repair["content"]


def test_what_does_not_fit_twice_is_an_error_with_the_place():
    with pytest.raises(StructuredError, match="day: Input should be a valid integer"):
        asked(Scripted(['{"what": "x", "day": "?"}'], ['{"what": "x", "day": "?"}']))


def test_an_answer_that_was_cut_is_not_asked_for_again():
    ask = Scripted([WHOLE[:20], Cut()])
    with pytest.raises(StructuredError, match="cut off"):
        asked(ask)
    assert len(ask.heard) == 1


@pytest.mark.parametrize(
    ("facts", "way"),
    [
        ({}, "json_schema"),
        ({"json_schema": False}, "function"),
        ({"json_schema": False, "tools": False}, "json_object"),
    ],
)
def test_the_strictest_way_that_a_model_takes_is_taken(facts, way):
    assert way_of(Model("m", **facts)) == way
