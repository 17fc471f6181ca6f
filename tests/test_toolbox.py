"""A model calls tools: checked before they run, answered whatever happens, and never without end."""

import json
from typing import Annotated

import pytest
from asgiref.sync import async_to_sync
from pydantic import BaseModel, Field

from chat.tools.schemas import Arguments
from chat.tools.toolbox import NO_MORE, Limits, Outcome, Toolbox, ToolError, Used, with_tools
from project.provider.pieces import Cut, Tokens, ToolCall
from tests.scripted import Scripted, call

pytestmark = pytest.mark.django_db  # A call gives its connection back.

FENCE = "<<f00d"


class Multiply(Arguments):
    a: Annotated[int, Field(ge=0, description="The first.")]
    b: int | None = None


@pytest.fixture
def done():
    """What the tools really did."""
    return []


@pytest.fixture
def toolbox(done):
    box: Toolbox[list] = Toolbox()

    @box.tool
    def multiply(desk: list, wanted: Multiply) -> Outcome:
        """Multiply two numbers,
        exactly."""
        done.append((wanted.a, wanted.b))
        if wanted.a == 13:
            raise ToolError("Thirteen is not multiplied.")
        if wanted.a == 14:
            raise ZeroDivisionError
        if wanted.a == 15:
            return Outcome("long " * 10_000, "Multiplied at length")
        return Outcome(str(wanted.a * (wanted.b or 1)), f"Multiplied {wanted.a}")

    return box


def run(ask, toolbox, **more) -> list:
    async def collect():
        messages = [{"role": "user", "content": "What is 6 times 7?"}]
        return [piece async for piece in with_tools(ask, messages, toolbox, [], fence=FENCE, **more)]

    return async_to_sync(collect)()


def text(pieces: list) -> str:
    return "".join(piece for piece in pieces if isinstance(piece, str))


def test_a_schema_is_strict_and_says_what_the_function_says(toolbox):
    assert toolbox.schemas == [
        {
            "type": "function",
            "function": {
                "name": "multiply",
                "description": "Multiply two numbers, exactly.",
                "strict": True,
                "parameters": {
                    "type": "object",
                    "properties": {
                        "a": {"type": "integer", "description": "The first."},
                        "b": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
                    },
                    "required": ["a", "b"],
                    "additionalProperties": False,
                },
            },
        }
    ]


def test_a_function_without_a_docstring_or_with_loose_arguments_is_no_tool():
    class Loose(BaseModel):
        a: int

    def silent(desk: list, wanted: Multiply) -> Outcome: ...

    def loose(desk: list, wanted: Loose) -> Outcome:
        """Takes anything."""

    for function in (silent, loose):
        with pytest.raises(ValueError, match=function.__name__):
            Toolbox().tool(function)


def test_two_rounds_with_parallel_calls_end_in_an_answer(toolbox, done):
    ask = Scripted(
        [call("multiply", "c1", a=6, b=7), call("multiply", "c2", a=2, b=3)],
        [call("multiply", a=42, b=6)],
        ["252", "."],
    )
    pieces = run(ask, toolbox)
    assert text(pieces) == "252." and done == [(6, 7), (2, 3), (42, 6)]
    assert [piece.said for piece in pieces if isinstance(piece, Used)] == [
        "Multiplied 6",
        "Multiplied 2",
        "Multiplied 42",
    ]
    assert [piece for piece in pieces if isinstance(piece, Tokens)][-1] == Tokens(300, 30)


def test_parallel_calls_are_answered_in_order_each_with_its_id(toolbox):
    ask = Scripted([call("multiply", "x", a=6), call("multiply", "y", a=2)], ["Done."])
    run(ask, toolbox)
    _, said, first, second = ask.heard[1]["messages"]
    assert [each["id"] for each in said["tool_calls"]] == ["x", "y"] and "content" not in said
    assert (first["tool_call_id"], second["tool_call_id"]) == ("x", "y")
    assert first["content"] == f"{FENCE} result of multiply\n6\n{FENCE} end of the result"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ('{"a": "6"}', "a: Input should be a valid integer"),
        ('{"a": -1}', "a: Input should be greater than or equal to 0"),
        ('{"a": 1, "c": 2}', "c: Extra inputs are not permitted"),
        ("", "a: Field required"),
        ('{"a": 1', "Invalid JSON"),
        ("[" * 5_000, "Invalid JSON"),
        ('"a"', "should be an object"),
    ],
)
def test_wrong_arguments_are_told_and_nothing_runs(toolbox, done, arguments, reason):
    ask = Scripted([ToolCall("c1", "multiply", arguments)], ["Sorry."])
    assert text(run(ask, toolbox)) == "Sorry."
    assert reason in ask.results[0] and done == []
    assert isinstance(json.loads(ask.heard[1]["messages"][1]["tool_calls"][0]["function"]["arguments"]), dict)


def test_an_unknown_tool_is_answered_with_those_there_are(toolbox):
    ask = Scripted([ToolCall("c1", "delete everything!", "{}")], ["No."])
    run(ask, toolbox)
    assert "There are: multiply." in ask.results[0]
    assert ask.heard[1]["messages"][1]["tool_calls"][0]["function"]["name"] == "delete_everything_"


def test_what_a_tool_cannot_do_is_told(toolbox):
    ask = Scripted([call("multiply", a=13)], ["So be it."])
    pieces = run(ask, toolbox)
    assert "Thirteen is not multiplied." in ask.results[0]
    assert [piece.is_error for piece in pieces if isinstance(piece, Used)] == [True]


def test_a_tool_that_breaks_is_told_without_its_insides(toolbox):
    ask = Scripted([call("multiply", a=14)], ["So be it."])
    assert text(run(ask, toolbox)) == "So be it."
    assert "The tool failed." in ask.results[0] and "ZeroDivision" not in ask.results[0]


def test_the_same_call_again_is_answered_from_memory(toolbox, done):
    same = ToolCall("c2", "multiply", '{ "b": 7, "a": 6 }')
    ask = Scripted([call("multiply", "c1", a=6, b=7)], [same], ["42."])
    pieces = run(ask, toolbox)
    assert done == [(6, 7)] and ask.results[0] == ask.results[1]
    assert sum(isinstance(piece, Used) for piece in pieces) == 1


def test_after_the_last_round_the_model_must_answer(toolbox):
    ask = Scripted(*([call("multiply", a=number)] for number in range(4)), ["Enough."])
    assert text(run(ask, toolbox)) == "Enough."
    assert [heard["tool_choice"] for heard in ask.heard] == ["auto"] * 4 + ["none"]


def test_a_model_that_never_ends_is_ended(toolbox, done):
    ask = Scripted(*([call("multiply", a=number)] for number in range(9)))
    run(ask, toolbox)
    assert len(done) == 4 and len(ask.heard) == 5


def test_calls_beyond_the_limit_are_answered_without_being_done(toolbox, done):
    ask = Scripted([call("multiply", f"c{number}", a=number) for number in range(10)], ["Enough."])
    run(ask, toolbox)
    assert len(done) == 8 and ask.results[8:] == [NO_MORE, NO_MORE]
    assert ask.heard[1]["tool_choice"] == "none"


def test_a_long_result_is_cut_and_says_so(toolbox):
    ask = Scripted([call("multiply", a=15)], ["Long."])
    run(ask, toolbox, limits=Limits(letters=500))
    assert len(ask.results[0]) < 650 and "left out for room" in ask.results[0]
    assert ask.results[0].endswith(f"{FENCE} end of the result")


def test_results_together_keep_within_their_tokens(toolbox, done):
    ask = Scripted(
        [call("multiply", "c1", a=15), call("multiply", "c2", a=15, b=2), call("multiply", "c3", a=3)], ["Long."]
    )
    run(ask, toolbox, limits=Limits(letters=100_000, tokens=1_000))
    assert sum(map(len, ask.results)) < 5_000 and (3, None) not in done


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "multiply"}}])
def test_a_forced_call_is_forced_once(toolbox, choice):
    ask = Scripted([call("multiply", a=6)], ["6."])
    run(ask, toolbox, tool_choice=choice)
    assert [heard["tool_choice"] for heard in ask.heard] == [choice, "auto"]


def test_a_model_that_must_not_call_is_asked_once(toolbox, done):
    ask = Scripted([call("multiply", a=6)])
    run(ask, toolbox, tool_choice="none")
    assert done == [] and ask.heard[0]["tool_choice"] == "none"


def test_words_before_a_call_stand_apart_from_those_after(toolbox):
    ask = Scripted(["I look.", call("multiply", a=6)], ["It is", " 6."])
    assert text(run(ask, toolbox)) == "I look.\n\nIt is 6."
    assert ask.heard[1]["messages"][1]["content"] == "I look."


def test_only_an_answer_that_was_cut_is_called_cut(toolbox):
    assert not any(isinstance(p, Cut) for p in run(Scripted([call("multiply", a=6), Cut()], ["6."]), toolbox))
    assert any(isinstance(p, Cut) for p in run(Scripted(["6", Cut()]), toolbox))


def test_a_call_without_an_id_gets_one(toolbox):
    ask = Scripted([ToolCall("", "multiply", '{"a": 6}')], ["6."])
    run(ask, toolbox)
    said, told = ask.heard[1]["messages"][1:]
    assert said["tool_calls"][0]["id"] == told["tool_call_id"] != ""


def test_leaving_early_leaves_the_model_too(toolbox):
    closed = []

    async def endless(messages, **wishes):
        try:
            while True:
                yield "word "
        finally:
            closed.append(True)

    async def leave():
        answer = with_tools(endless, [], toolbox, [], fence=FENCE)
        await anext(answer)
        await answer.aclose()

    async_to_sync(leave)()
    assert closed == [True]
