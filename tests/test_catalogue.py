"""The catalogue finds a model by any of its names, warns in time, and says what is wrong with an operator's file."""

import json
from dataclasses import fields
from datetime import date, timedelta
from pathlib import Path

import pytest

from project import catalogue
from project.catalogue import UNKNOWN, CatalogueError, Model, known_models, model_of, retirement_warning


@pytest.fixture
def own(tmp_path):
    """Write an operator's file: the models of one group, or whatever else is given."""

    def write(models: dict, **parts: object) -> Path:
        path = tmp_path / f"models-{len(list(tmp_path.iterdir()))}.json"
        path.write_text(json.dumps({"as_of": "2026-11-01", "groups": [{"models": models}]} | parts))
        return path

    return write


def test_every_entry_is_a_model():
    assert len(known_models()) > 60
    for name in known_models():
        assert model_of(name).name == name
        assert model_of(name).as_of == date(2026, 11, 20)


def test_every_fact_of_a_model_can_be_told_in_a_file():
    assert catalogue.KINDS.keys() == {field.name for field in fields(Model)} - {"name"}


def test_every_group_says_where_it_is_from():
    groups = json.loads(catalogue.SHIPPED.read_text())["groups"]
    assert all(group["sources"] and all(group["sources"]) for group in groups)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("gpt-4o", "gpt-4o"),
        (" GPT-4o ", "gpt-4o"),
        ("gpt-4o-2024-08-06", "gpt-4o"),
        ("gpt-4o-2024-05-13", "gpt-4o-2024-05-13"),  # It has its own day.
        ("gpt-4o-mini-2024-07-18", "gpt-4o-mini"),
        ("gpt-4o-mini-realtime", "gpt-4o-mini"),
        ("ft:gpt-4o-mini-2024-07-18:house::id", "gpt-4o-mini"),
        ("gpt-3.5-turbo-0125", "gpt-3.5-turbo"),
        ("gpt-5.1-2025-11-13", "gpt-5.1"),
        ("gpt-5.9", "gpt-5"),
        ("o3-mini-2025-01-31", "o3-mini"),
        ("o10", "unknown"),
        ("gpt-4omega", "unknown"),
        ("llama-3.3-70b", "unknown"),
        ("", "unknown"),
    ],
)
def test_a_model_is_found_by_its_names(asked, found):
    assert model_of(asked).name == found


def test_an_unknown_model_is_thought_small_and_plain():
    assert model_of("my-own") == UNKNOWN
    assert (UNKNOWN.family, UNKNOWN.context_tokens, UNKNOWN.input_price) == ("classic", 8192, None)


def test_a_relative_of_a_model_has_neither_its_day_nor_its_rare_efforts():
    relative = model_of("gpt-5.1-nova")
    assert relative.retires is None
    assert relative.reasoning_efforts == ("low", "medium", "high")
    assert relative.temperature_when == "never"


def test_a_service_has_its_own_day_and_without_one_the_earlier_counts():
    assert model_of("gpt-5", service="azure").retires == date(2027, 2, 6)
    assert model_of("gpt-5", service="openai").retires == date(2026, 12, 11)
    assert model_of("gpt-5").retires == date(2026, 12, 11)
    assert model_of("gpt-5.3-chat-latest", service="azure").retires is None


def test_the_warning_begins_sixty_days_before_and_does_not_end():
    model, last = Model("old-one", retires=date(2027, 3, 1)), date(2027, 3, 1)
    assert retirement_warning(model, last - timedelta(61)) == ""
    early = retirement_warning(model, last - timedelta(60))
    assert early == "The model old-one retires in 60 days, on 1 March 2027: choose its successor."
    assert "tomorrow" in retirement_warning(model, last - timedelta(1))
    for late in (0, 1, 400):
        assert "was retired on 1 March 2027" in retirement_warning(model, last + timedelta(late))
    assert retirement_warning(UNKNOWN, last) == ""


def test_an_operators_file_adds_to_what_is_known(own):
    path = own({"gpt-4o": {"context_tokens": 64000, "input_price": 2.5}, "Llama-3.3": {"family": "classic"}})
    model = model_of("gpt-4o-2024-08-06", own=path)
    assert (model.context_tokens, model.input_price, model.encoding) == (64000, 2.5, "o200k_base")
    assert model.as_of == date(2026, 11, 1)
    assert model_of("llama-3.3-70b", own=path).name == "llama-3.3"
    assert (model_of("gpt-4o").context_tokens, model_of("gpt-4o").input_price) == (128000, None)


def test_windows_and_longest_answers_are_as_the_service_tells_them():
    told = {name: (model_of(name).context_tokens, model_of(name).output_tokens_most) for name in known_models()}
    assert told["gpt-5.5"] == (1050000, 128000) and told["gpt-5-mini"] == (400000, 128000)
    assert told["gpt-5.1-chat"] == (128000, 16384) and told["o4-mini"] == (200000, 100000)
    assert told["gpt-4o-2024-05-13"] == (128000, 4096) and told["gpt-6-astra"] == (None, None)
    assert all(window is None or window > (longest or 0) for window, longest in told.values())


def test_a_snapshot_of_its_own_learns_what_an_operator_says_of_its_model(own):
    assert model_of("gpt-4o-2024-05-13", own=own({"gpt-4o": {"context_tokens": 9}})).context_tokens == 9


def test_null_takes_a_fact_back(own):
    model = model_of("gpt-5", own=own({"gpt-5": {"retires": None, "encoding": None}}))
    assert (model.retires, model.encoding) == (None, None)


def test_efforts_are_kept_in_their_order(own):
    path = own({"mine": {"family": "reasoning", "reasoning_efforts": ["max", "low", "none"]}})
    assert model_of("mine", own=path).reasoning_efforts == ("none", "low", "max")
    assert model_of("mine", own=path).temperature_when == "never"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("context_tokens", 0),
        ("context_tokens", "128k"),
        ("context_tokens", True),
        ("output_tokens_most", 1.5),
        ("input_price", -1),
        ("output_price", float("inf")),
        ("output_price", float("nan")),
        ("tools", "yes"),
        ("family", "clever"),
        ("family", None),
        ("family", []),
        ("reasoning_efforts", "low"),
        ("reasoning_efforts", ["extreme"]),
        ("reasoning_efforts", [["low"]]),
        ("temperature_when", "sometimes"),
        ("retires", "2027-01-01"),
        ("retires", {"azure": "soon"}),
        ("retires", {"elsewhere": "2027-01-01"}),
        ("as_of", None),
        ("windows", 7),
    ],
)
def test_a_fact_of_the_wrong_kind_is_named_with_its_file(own, key, value):
    path = own({"gpt-4o": {key: value}})
    with pytest.raises(CatalogueError) as caught:
        model_of("gpt-4o", own=path)
    sentence = str(caught.value)
    assert str(path) in sentence and "gpt-4o" in sentence and f"“{key}”" in sentence
    assert sentence.endswith(".") and "\n" not in sentence


def test_a_new_model_needs_a_family(own):
    with pytest.raises(CatalogueError, match="“family” must be told"):
        model_of("mine", own=own({"mine": {"context_tokens": 100}}))


@pytest.mark.parametrize(
    "parts",
    [{"as_of": "yesterday"}, {"groups": {}}, {"groups": [1]}, {"groups": [{}]}, {"groups": [{"models": {"a": 1}}]}],
)
def test_a_file_of_the_wrong_shape_is_refused(own, parts):
    with pytest.raises(CatalogueError):
        model_of("gpt-4o", own=own({}, **parts))


@pytest.mark.parametrize("content", [b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000])
def test_a_file_that_is_no_catalogue_is_refused(tmp_path, content):
    path = tmp_path / "models.json"
    path.write_bytes(content)
    with pytest.raises(CatalogueError, match=r"models\.json"):
        model_of("gpt-4o", own=path)


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(CatalogueError, match="No such file"):
        model_of("gpt-4o", own=tmp_path / "none.json")
