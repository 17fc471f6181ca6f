"""The models that may be asked: what the environment names, what the operator's file adds, and what is refused."""

import json
from datetime import date, timedelta

import pytest

from project import checks
from project.catalogue import UNKNOWN
from project.deployments import DeploymentsError, UnknownDeployment, chosen, deployments

FILE = """
default = "careful"

[connections.east]
kind = "azure"
endpoint = "https://east.openai.azure.com/"
key_variable = "EAST_KEY"

[connections.own]
kind = "compatible"
endpoint = "http://localhost:11434/v1"

[deployments.quick]
connection = "own"
model = "llama-4"

[deployments.careful]
connection = "east"
model = "desk"
base_model = "gpt-5-mini"
api = "responses"
fallback = "quick"
tokens_a_minute = 90000
generation = { reasoning_effort = "low" }
"""


@pytest.fixture
def written(settings, tmp_path, monkeypatch):
    """Have the operator's file hold this text."""
    monkeypatch.setenv("EAST_KEY", "geheim-east")
    settings.AZURE_OPENAI_ENDPOINT = settings.OPENAI_CHAT_MODEL = ""

    def write(text: str = FILE) -> None:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.toml"
        path.write_text(text)
        settings.DEPLOYMENTS_FILE = str(path)

    return write


def test_without_settings_there_is_no_model(settings):
    settings.AZURE_OPENAI_ENDPOINT = settings.OPENAI_CHAT_MODEL = ""
    assert deployments() == {} and chosen() is None


def test_the_environment_names_one(settings):
    settings.AZURE_OPENAI_ENDPOINT, settings.AZURE_OPENAI_CHAT_DEPLOYMENT = "https://x.openai.azure.com", "desk"
    settings.AZURE_OPENAI_API_VERSION, settings.CHAT_BASE_MODEL = "2024-10-21", "gpt-4o"
    desk = chosen()
    assert (desk.name, desk.base.name, desk.connection.dialect.name) == ("desk", "gpt-4o", "azure-dated")


def test_the_file_adds_more_and_says_which_is_the_default(written):
    written()
    assert list(deployments()) == ["careful", "quick"]
    careful = chosen("default")
    assert careful.connection.endpoint == "https://east.openai.azure.com"
    assert (careful.connection.key, careful.base.family, careful.api) == ("geheim-east", "reasoning", "responses")
    assert careful.generation == {"reasoning_effort": "low"} and careful.fallback == "quick"
    assert chosen("quick").base == UNKNOWN


def test_who_searches_and_whether_code_runs_is_said_of_each(written):
    written(FILE.replace('api = "responses"', 'api = "responses"\ngrounding = "file_search"\ncode_interpreter = true'))
    careful, quick = deployments().values()
    assert (careful.grounding, careful.code_interpreter) == ("file_search", True)
    assert (quick.grounding, quick.code_interpreter) == ("hybrid", False)


def test_the_environments_own_stays_beside_them(written, settings):
    written(FILE.replace('default = "careful"', ""))
    settings.OPENAI_CHAT_MODEL = "gpt-4.1"
    assert list(deployments()) == ["gpt-4.1", "quick", "careful"]


def test_a_key_is_in_no_word_a_log_would_print(written):
    written()
    assert "geheim" not in repr(deployments())


def test_an_unknown_name_is_none_of_them(written):
    written()
    with pytest.raises(UnknownDeployment, match="There is no model 'gpt-9'"):
        chosen("gpt-9")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('connection = "own"', 'connection = "west"', "deployments.quick: there is no connection “west”"),
        ('"EAST_KEY"', '"WEST_KEY"', "connections.east: the variable WEST_KEY is not set"),
        ('fallback = "quick"', 'fallback = "slow"', "deployments.careful: there is no other deployment “slow”"),
        ('fallback = "quick"', 'fallback = "careful"', "there is no other deployment “careful”"),
        ('default = "careful"', 'default = "best"', "default: there is no deployment “best”"),
        ('api = "responses"', 'api = "assistants"', "deployments.careful.api: Input should be 'chat' or 'responses'"),
        ('model = "desk"', 'modell = "desk"', "deployments.careful.modell: Extra inputs are not permitted"),
        ('"https://east.openai.azure.com/"', '"east.openai.azure.com"', "connections.east.endpoint"),
        ('endpoint = "http://localhost:11434/v1"', "", "connections.own: “endpoint” must say where"),
        ("tokens_a_minute = 90000", "tokens_a_minute = -1", "deployments.careful.tokens_a_minute"),
        ('effort = "low"', 'effort = "huge"', "generation.reasoning_effort"),
        ("[connections.east]", "[connections.east", "is not TOML"),
        ('model = "llama-4"', 'grounding = "file_search"', 'deployments.quick: grounding = "file_search" needs api'),
        ('model = "llama-4"', "code_interpreter = true", "deployments.quick: code_interpreter = true needs api"),
        ('model = "desk"', 'grounding = "data_sources"', 'grounding = "data_sources" needs api = "chat"'),
        ('model = "desk"', 'grounding = "web"', "deployments.careful.grounding: Input should be 'hybrid'"),
    ],
)
def test_what_cannot_be_used_is_said_with_its_place(written, old, new, words):
    assert old in FILE
    written(FILE.replace(old, new))
    with pytest.raises(DeploymentsError, match=words.replace(".", r"\.")):
        deployments()


def test_a_file_that_is_not_there_is_said(settings, tmp_path):
    settings.DEPLOYMENTS_FILE = str(tmp_path / "gone.toml")
    with pytest.raises(DeploymentsError, match="cannot be read: No such file"):
        deployments()


# What is said at the start -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"AZURE_OPENAI_ENDPOINT": "https://x.openai.azure.com"}, "AZURE_OPENAI_CHAT_DEPLOYMENT is missing"),
        ({"AZURE_OPENAI_CHAT_DEPLOYMENT": "desk"}, "AZURE_OPENAI_ENDPOINT is missing"),
        ({"OPENAI_CHAT_MODEL": "my-own"}, "OPENAI_API_KEY is missing"),
        ({"DEPLOYMENTS_FILE": "/nowhere.toml"}, "LECTERN_DEPLOYMENTS: /nowhere.toml cannot be read"),
        ({"CATALOGUE_FILE": "/nowhere.json", "OPENAI_CHAT_MODEL": "x", "OPENAI_API_KEY": "k"}, "cannot be read"),
    ],
)
def test_a_missing_setting_is_named_in_one_line(settings, given, words):
    for name in ("AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_CHAT_DEPLOYMENT", "OPENAI_CHAT_MODEL", "OPENAI_API_KEY"):
        setattr(settings, name, "")
    settings.OPENAI_BASE_URL = "https://api.openai.com/v1"
    for name, value in given.items():
        setattr(settings, name, value)
    assert [words in message.msg for message in checks.models()] == [True]


def test_a_model_that_is_about_to_go_is_named(settings, tmp_path):
    soon = date.today() + timedelta(days=20)
    facts = {"family": "classic", "retires": {"openai": soon.isoformat()}}
    own = {"as_of": "2026-11-20", "groups": [{"models": {"old-one": facts}}]}
    (tmp_path / "own.json").write_text(json.dumps(own))
    settings.CATALOGUE_FILE, settings.OPENAI_CHAT_MODEL = str(tmp_path / "own.json"), "old-one"
    settings.OPENAI_API_KEY, settings.OPENAI_BASE_URL = "k", "https://api.openai.com/v1"
    (message,) = checks.models()
    assert message.is_serious() is False and "old-one retires in 20 days" in message.msg
