"""Whether every part is asked, told in time and without a secret, by command and by page."""

import json
import time

import pytest
from django.core.management import call_command

from project import doctor
from project.doctor import Finding, Probe, examine, verdict
from tests.fake_openai import FakeOpenAI, Reply

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def service(settings, tmp_path, monkeypatch):
    """A model service with two deployments, of which the settings know."""
    monkeypatch.setenv("HERE_KEY", "secret")
    with FakeOpenAI() as fake:
        (tmp_path / "models.toml").write_text(f"""
[connections.here]
kind = "azure"
endpoint = "{fake.url}"
key_variable = "HERE_KEY"
[deployments.good]
connection = "here"
fallback = "other"
[deployments.other]
connection = "here"
""")
        settings.DEPLOYMENTS_FILE = str(tmp_path / "models.toml")
        yield fake
        assert fake.faults == []


def found() -> dict[str, Finding]:
    return {each.probe.name: each.finding for each in examine()}


def test_each_deployment_is_asked_itself_and_not_its_fallback(service):
    service.script["Answer with one word: ready"] = [
        Reply(status=404, error={"code": "DeploymentNotFound", "message": "x"}),
        Reply(status=404, error={"code": "DeploymentNotFound", "message": "x"}),
    ]
    parts = found()
    assert {parts["good"].state, parts["other"].state} == {"bad"}
    assert "knows no deployment “good”" in parts["good"].reason


def test_what_works_says_how_long_it_took(service):
    parts = found()
    assert parts["Database"].state == parts["Redis"].state == parts["good"].state == parts["other"].state == "good"
    assert all(parts[name].took_ms is not None for name in ("Database", "good"))


def test_a_silent_service_is_not_waited_for(service):
    service.replies = [Reply(pieces=["ready"]), Reply(pieces=["ready"]), Reply(pause_s=30), Reply(pause_s=30)]
    began = time.monotonic()
    found()
    usual_s, began = time.monotonic() - began, time.monotonic()
    assert found()["good"].state == "bad"
    assert time.monotonic() - began < doctor.TIME_S + 1 + usual_s  # What the machine needs for all else is its own.
    assert doctor.TIME_S < 5


def test_no_secret_is_shown(service, capsys):
    call_command("doctor")
    said = capsys.readouterr().out
    assert "secret" not in said and "signed in by key" in said and "127.0.0.1" in said


def test_a_part_that_does_not_work_makes_the_command_fail(service, capsys):
    service.replies = [Reply(status=401)] * 2
    with pytest.raises(SystemExit) as ended:
        call_command("doctor", "--json")
    report = json.loads(capsys.readouterr().out)
    states = {part["name"]: part["state"] for part in report["parts"]}
    assert ended.value.code == 1 and states["good"] == "bad" and "do not work" in report["verdict"]


def test_a_file_that_cannot_be_used_is_a_finding(settings):
    settings.DEPLOYMENTS_FILE = "/nowhere.toml"
    assert found()["Deployments"].state == "bad"


def test_without_a_model_that_is_said_and_no_fault(settings):
    settings.DEPLOYMENTS_FILE = settings.AZURE_OPENAI_ENDPOINT = settings.OPENAI_CHAT_MODEL = ""
    assert found()["Language model"].state == "none"


def test_a_probe_that_breaks_is_a_finding_of_its_own(settings, monkeypatch):
    def broken(seconds: float) -> Finding:
        raise RuntimeError("oh")

    monkeypatch.setattr(doctor, "probes", lambda: [Probe("This machine", "Odd", "", broken)])
    settings.PROBES = ("project.doctor.probes",)
    (examined,) = examine()
    assert examined.finding.state == "bad" and "itself failed" in examined.finding.reason
    assert verdict([examined]) == "One part does not work."


@pytest.mark.parametrize("page", ["health", "models"])
def test_the_pages_are_for_administrators_alone(client, alice, staff, service, page):
    client.force_login(alice)
    assert client.get(f"/console/{page}/").status_code == 404
    client.force_login(staff)
    answer = client.get(f"/console/{page}/")
    assert answer.status_code == 200 and b"good" in answer.content and b"secret" not in answer.content
