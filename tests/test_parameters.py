"""No request carries what its model or its service refuses, and nothing is left out without a word.

What is refused stands here a second time, written from the vendors' documentation and not from the code.
"""

import copy
import re
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.responses import response_create_params
from pydantic import TypeAdapter

from project.catalogue import EFFORTS, Model, known_models, model_of
from project.parameters import CannotAsk, Dialect, Wanted, chat_request, responses_request, with_more_room
from tests.fake_openai import SPECS, properties

DATED, LATE = Dialect("azure-dated", "2024-10-21"), Dialect("azure-dated", "2025-04-01-preview")
AZURE, OPENAI, OWN = Dialect("azure-v1"), Dialect("openai"), Dialect("compatible")
DIALECTS = [DATED, LATE, AZURE, OPENAI, OWN]
MODELS = [*known_models(), "gpt-4o-2024-08-06", "gpt-5.9-nova", "o3-2025-04-16", "my-own"]

# What the services refuse, by name alone ------------------------------------------------------------------------------
REASONING = re.compile(r"o\d|gpt-5")
FROM_5_1 = re.compile(r"gpt-5\.[1-8]")
REFUSED = set(
    "temperature top_p presence_penalty frequency_penalty logprobs top_logprobs logit_bias max_tokens".split()
)
NO_STOP = re.compile(r"o3|o4-mini")
ONLY_RESPONSES = set(
    "gpt-5.5-pro gpt-5-pro gpt-5-codex gpt-5.1-codex-max gpt-5.6-cyber o1-pro o3-pro o3-deep-research "
    "o4-mini-deep-research computer-use-preview gpt-6-cyber gpt-6-rosalind gpt-rosalind-research "
    "gpt-daybreak-blue-latest gpt-daybreak-red-latest".split()
)
KEYS_OF = {
    "system": {"role", "content", "name"},
    "developer": {"role", "content", "name"},
    "user": {"role", "content", "name"},
    "assistant": {"role", "content", "name", "tool_calls", "refusal"},
    "tool": {"role", "content", "tool_call_id"},
}
RESPONSES = TypeAdapter(response_create_params.ResponseCreateParamsNonStreaming)
RESPONSES_KEYS = response_create_params.ResponseCreateParamsStreaming.__annotations__.keys() | (
    response_create_params.ResponseCreateParamsBase.__annotations__.keys()
)


def refused_keys(name: str, effort: str | None) -> set[str]:
    if not REASONING.match(name):
        return {"reasoning_effort", "reasoning"} if re.match(r"gpt-[34]|my-", name) else set()
    takes_temperature = FROM_5_1.match(name) and effort == "none"
    return REFUSED - ({"temperature"} if takes_temperature else set()) | ({"stop"} if NO_STOP.match(name) else set())


def known_efforts(name: str, dialect: Dialect) -> set[str]:
    if dialect == DATED:
        return set()
    if dialect == LATE or name.startswith("o"):
        return {"low", "medium", "high"}
    return {"minimal", "low", "medium", "high"} | ({"none"} if FROM_5_1.match(name) else set())


def nones(value: object) -> bool:
    """Whether a key holds None anywhere."""
    if isinstance(value, dict):
        return any(each is None or nones(each) for each in value.values())
    return isinstance(value, list) and any(map(nones, value))


# Whatever one may want ------------------------------------------------------------------------------------------------
WORDS = st.text("abc JSON\n", max_size=12)
CALL = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
LOOK = {"type": "function", "function": {"name": "look", "description": None, "parameters": {"type": "object"}}}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}, "strict": True}}
PARTS = [{"type": "text", "text": "what is it"}, {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}]
MESSAGES = st.one_of(
    st.fixed_dictionaries({"role": st.sampled_from(["system", "developer"]), "content": WORDS}),
    st.fixed_dictionaries(
        {"role": st.just("user"), "content": st.one_of(WORDS, st.just(PARTS))},
        optional={"name": st.none(), "sources": st.just([1]), "id": st.integers()},
    ),
    st.fixed_dictionaries({"role": st.just("assistant"), "content": st.one_of(WORDS, st.none())}),
    st.just({"role": "assistant", "content": None, "tool_calls": [CALL]}),
    st.just({"role": "tool", "tool_call_id": "call_1", "content": "found", "name": "look"}),
)


def maybe(*values: object) -> st.SearchStrategy:
    return st.sampled_from([None, *values])


WANTED = st.builds(
    Wanted,
    messages=st.lists(MESSAGES, min_size=1, max_size=5),
    max_output_tokens=maybe(16, 1000, 10**6),
    temperature=maybe(0.0, 1, 1.5),
    top_p=maybe(0.5),
    presence_penalty=maybe(-1.0, 0.0),
    frequency_penalty=maybe(0.5),
    logit_bias=maybe({}, {"50256": -100}),
    seed=maybe(0, 7),
    stop=maybe("end", ["a", "b"], []),
    reasoning_effort=maybe("", "extreme", *EFFORTS),
    response_format=maybe({"type": "text"}, {"type": "json_object"}, SCHEMA),
    tools=maybe([], [LOOK]),
    tool_choice=maybe("auto", "required", {"type": "function", "function": {"name": "look"}}),
    parallel_tool_calls=maybe(True, False),
    logprobs=maybe(True, False),
    top_logprobs=maybe(0, 3),
    stream=st.booleans(),
)


def answers(name: str) -> bool:
    return not name.startswith("text-embedding")


def takes_chat(name: str, dialect: Dialect) -> bool:
    return answers(name) and (name not in ONLY_RESPONSES or dialect.name == "compatible")


@settings(max_examples=60, deadline=None)
@given(WANTED)
def test_no_chat_request_carries_what_its_model_refuses(wanted):
    before = copy.deepcopy(wanted)
    for name in MODELS:
        for dialect in filter(lambda each: takes_chat(name, each), DIALECTS):
            request, notices = chat_request(model_of(name), dialect, wanted)
            effort = request.get("reasoning_effort")
            assert not request.keys() & refused_keys(name, effort), (name, dialect)
            assert effort is None or effort in known_efforts(name, dialect), (name, dialect)
            assert not nones(request)
            assert all(message.keys() <= KEYS_OF[message["role"]] for message in request["messages"])
            assert len(notices) == len(set(notices))
            check_service(name, dialect, wanted, request)
    assert wanted == before


def check_service(name: str, dialect: Dialect, wanted: Wanted, request: dict) -> None:
    roles = {message["role"] for message in request["messages"]}
    knows_developer = dialect not in (DATED, OWN)
    assert not {"system", "developer"} <= roles
    assert "developer" not in roles or knows_developer
    if knows_developer and REASONING.match(name):
        assert "system" not in roles
    if dialect.name == "compatible" and model_of(name).family != "reasoning":
        assert "max_completion_tokens" not in request
    if dialect.name != "compatible":
        assert "max_tokens" not in request
    assert ("stream_options" in request) == wanted.stream
    assert "tools" in request or not {"tool_choice", "parallel_tool_calls"} & request.keys()
    if request.get("response_format") == {"type": "json_object"}:
        assert "json" in str(request["messages"]).lower()


def validator(way: str) -> jsonschema.Draft202012Validator:
    spec = SPECS["/chat/completions"][way]
    return jsonschema.Draft202012Validator(
        {"$ref": f"#/components/schemas/{spec['request']}", "components": spec["components"]}
    )


WAYS = {DATED: "azure-2024-10-21", LATE: "azure-2025-03-01-preview", AZURE: "azure-v1", OPENAI: "openai-v1"}
VALIDATORS = {dialect: validator(way) for dialect, way in WAYS.items()}


@settings(max_examples=200, deadline=None)
@given(WANTED, st.sampled_from([name for name in MODELS if answers(name) and name not in ONLY_RESPONSES]))
def test_every_chat_request_is_one_the_service_describes(wanted, name):
    for dialect, way in WAYS.items():
        request = chat_request(model_of(name), dialect, wanted)[0] | {"model": name}
        VALIDATORS[dialect].validate(request)
        spec = SPECS["/chat/completions"][way]
        assert request.keys() <= properties(spec["components"]["schemas"], spec["request"]) | {"model"}


@settings(max_examples=60, deadline=None)
@given(WANTED)
def test_no_response_request_carries_what_its_model_refuses(wanted):
    for name in filter(answers, MODELS):
        for dialect in (each for each in DIALECTS if each != DATED):
            request, notices = responses_request(model_of(name), dialect, wanted)
            effort = request.get("reasoning", {}).get("effort")
            assert not request.keys() & refused_keys(name, effort), (name, dialect)
            assert not (REASONING.match(name) and "include" in request)
            assert effort is None or effort in known_efforts(name, dialect), (name, dialect)
            assert request.keys() <= RESPONSES_KEYS
            assert not nones(request)
            assert len(notices) == len(set(notices))


@settings(max_examples=100, deadline=None)
@given(WANTED, st.sampled_from([name for name in MODELS if answers(name)]))
def test_every_response_request_is_one_the_client_describes(wanted, name):
    request = responses_request(model_of(name), OPENAI, wanted)[0]
    request.pop("stream", None)  # Described apart; a boolean.
    RESPONSES.validate_python(request)
    for tool in request.get("tools", []):
        assert tool.keys() >= {"type", "name", "parameters", "strict"}


ASK = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}]


def ask(model: str, dialect: Dialect, **wishes: Any) -> tuple[dict, list[str]]:
    return chat_request(model_of(model), dialect, Wanted(ASK, **wishes))


def respond(model: str, **wishes: Any) -> tuple[dict, list[str]]:
    return responses_request(model_of(model), OPENAI, Wanted(**{"messages": ASK} | wishes))


def test_a_classic_model_gets_all_it_takes_and_nothing_is_said():
    wishes = {"temperature": 0, "top_p": 0.5, "seed": 0, "stop": ["x"], "logprobs": True, "top_logprobs": 2}
    request, notices = ask("gpt-4o", OPENAI, max_output_tokens=100, **wishes)
    assert request == {"messages": ASK, "max_completion_tokens": 100, **wishes}
    assert notices == []


def test_a_server_of_ones_own_gets_the_old_cap():
    request, notices = ask("my-own", OWN, max_output_tokens=100, stream=True)
    assert request == {
        "messages": ASK,
        "max_tokens": 100,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert notices == []


def test_a_reasoning_model_gets_its_cap_its_role_and_its_effort():
    request, notices = ask("o3", AZURE, max_output_tokens=100, reasoning_effort="low")
    assert request == {
        "messages": [{"role": "developer", "content": "Be brief."}, ASK[1]],
        "max_completion_tokens": 100,
        "reasoning_effort": "low",
    }
    assert notices == []


def test_each_wish_left_out_is_said_once_in_plain_words():
    notices = ask("o3", OPENAI, temperature=0.0, top_p=0.1, logprobs=True, stop=["x"])[1]
    assert sorted(notices) == [
        "The model o3 does not take a temperature; it was left out.",
        "The model o3 does not take log probabilities; it was left out.",
        "The model o3 does not take nucleus sampling (top_p); it was left out.",
        "The model o3 does not take stop sequences; it was left out.",
    ]


@pytest.mark.parametrize(
    ("model", "dialect", "wanted", "sent"),
    [
        ("gpt-5", OPENAI, "minimal", "minimal"),
        ("gpt-5", OPENAI, "none", "minimal"),
        ("gpt-5", AZURE, "max", "high"),
        ("gpt-5.1", AZURE, "none", "none"),
        ("gpt-5.1", AZURE, "minimal", "none"),
        ("gpt-5.1", LATE, "none", "low"),
        ("o3", OPENAI, "xhigh", "high"),
        ("o3", OPENAI, "none", "low"),
        ("o3", DATED, "low", None),
        ("o3", OPENAI, "extreme", None),
        ("o1-mini", OPENAI, "low", None),
        ("gpt-4o", OPENAI, "low", None),
    ],
)
def test_an_effort_goes_down_to_the_nearest_the_model_knows(model, dialect, wanted, sent):
    request, notices = ask(model, dialect, reasoning_effort=wanted)
    assert request.get("reasoning_effort") == sent
    assert len(notices) == (wanted != sent)


def test_temperature_needs_the_effort_none_where_it_is_taken_at_all():
    assert ask("gpt-5.1", AZURE, temperature=0.2, reasoning_effort="none")[0]["temperature"] == 0.2
    for wishes in ({}, {"reasoning_effort": "low"}):
        request, notices = ask("gpt-5.1", AZURE, temperature=0.2, **wishes)
        assert "temperature" not in request
        assert "unless its effort is none" in notices[0]


def test_the_word_json_is_said_only_where_it_is_missing():
    request = ask("gpt-4o", OPENAI, response_format={"type": "json_object"})[0]
    assert request["messages"][0]["content"] == "Be brief.\n\nAnswer with JSON."
    alone = Wanted([{"role": "user", "content": "Why?"}], response_format={"type": "json_object"})
    assert chat_request(model_of("o3"), OPENAI, alone)[0]["messages"][0]["role"] == "developer"
    said = Wanted(
        [{"role": "user", "content": [{"type": "text", "text": "as json"}]}], response_format={"type": "text"}
    )
    assert len(chat_request(model_of("o3"), OPENAI, said)[0]["messages"]) == 1


def test_what_an_operator_knows_of_a_model_is_heeded():
    model = Model("small", streaming=False, tools=False, json_schema=False, output_tokens_most=50)
    wanted = Wanted(ASK, stream=True, tools=[LOOK], tool_choice="auto", response_format=SCHEMA, max_output_tokens=99)
    request, notices = chat_request(model, OPENAI, wanted)
    assert request.keys() == {"messages", "response_format", "max_completion_tokens"}
    assert request["response_format"] == {"type": "json_object"}
    assert "JSON" in request["messages"][0]["content"]
    assert request["max_completion_tokens"] == 50
    assert len(notices) == 5


def test_null_stays_where_it_is_a_word_of_a_schema():
    parameters = {"type": "object", "properties": {"a": {"const": None}}}
    tool = {"type": "function", "function": {"name": "look", "strict": None, "parameters": parameters}}
    request = ask("gpt-4o", OPENAI, tools=[tool])[0]
    assert request["tools"] == [{"type": "function", "function": {"name": "look", "parameters": parameters}}]


def test_keys_of_our_own_never_travel_in_a_message():
    wanted = Wanted([{"role": "user", "content": "Why?", "sources": [1], "name": None}])
    request, notices = chat_request(model_of("gpt-4o"), OPENAI, wanted)
    assert request["messages"] == [{"role": "user", "content": "Why?"}]
    assert notices == ["Messages held what no service knows (sources); it was left out."]


def test_responses_has_its_own_names_and_shapes():
    choice = {"type": "function", "function": {"name": "look"}}
    request, notices = respond(
        "gpt-5", max_output_tokens=64, reasoning_effort="low", response_format=SCHEMA, tools=[LOOK], tool_choice=choice
    )
    assert request == {
        "input": [
            {"type": "message", "role": "developer", "content": "Be brief."},
            {"type": "message", "role": "user", "content": "Why?"},
        ],
        "max_output_tokens": 64,
        "reasoning": {"effort": "low"},
        "text": {"format": {"type": "json_schema", **SCHEMA["json_schema"]}},
        "tools": [{"type": "function", "name": "look", "parameters": {"type": "object"}, "strict": False}],
        "tool_choice": {"type": "function", "name": "look"},
    }
    assert notices == []


def test_in_responses_a_tools_call_and_its_result_are_items():
    messages = [
        {"role": "user", "content": PARTS},
        {"role": "assistant", "content": "Let me look.", "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "call_1", "content": "found"},
    ]
    request = respond("gpt-4o", messages=messages)[0]
    assert request["input"] == [
        {
            "type": "message",
            "role": "user",
            "content": [
                {"type": "input_text", "text": "what is it"},
                {"type": "input_image", "image_url": "https://x.test/a.png", "detail": "auto"},
            ],
        },
        {"type": "message", "role": "assistant", "content": "Let me look."},
        {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_1", "output": "found"},
    ]


def test_responses_leaves_out_what_only_chat_knows_and_says_so():
    request, notices = respond("gpt-4o", seed=0, stop="x", presence_penalty=0.0, logprobs=True, top_logprobs=2)
    assert request.keys() == {"input", "include", "top_logprobs"}
    assert len(notices) == 3
    assert all(notice.startswith("Responses does not take") for notice in notices)


def test_a_tool_of_the_service_goes_as_it_is():
    search = {"type": "file_search", "vector_store_ids": ["vs_1"]}
    assert respond("gpt-4o", tools=[search])[0]["tools"] == [search]


def test_a_way_that_is_closed_is_said():
    with pytest.raises(CannotAsk, match="makes vectors"):
        ask("text-embedding-3-small", OPENAI)
    with pytest.raises(CannotAsk, match="Responses only"):
        ask("gpt-5-pro", OPENAI)
    with pytest.raises(CannotAsk, match="2024-10-21 has no Responses"):
        responses_request(model_of("gpt-4o"), DATED, Wanted(ASK))
    with pytest.raises(CannotAsk, match="role “wizard”"):
        chat_request(model_of("gpt-4o"), OPENAI, Wanted([{"role": "wizard", "content": "?"}]))


def test_more_room_is_given_once_and_within_what_the_model_writes():
    request = {"messages": ASK, "max_completion_tokens": 100}
    assert with_more_room(request, factor=3) == {"messages": ASK, "max_completion_tokens": 300}
    assert with_more_room({"max_output_tokens": 100}, most=150) == {"max_output_tokens": 150}
    assert with_more_room({"max_tokens": 150}, most=150) is None
    assert with_more_room({"messages": ASK}) is None
    assert request["max_completion_tokens"] == 100
