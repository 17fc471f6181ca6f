"""A command that is given nonsense, or that the world fails, says one plain sentence and ends with 1 or 2."""

import shlex
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from documents.indexes import default_index, versions
from documents.management.commands import indexes as command
from documents.models import Index, IndexVersion
from tests.test_backends import new_version, serving

pytestmark = pytest.mark.django_db

NONSENSE = """
indexes
indexes nonsense
indexes list more
indexes create
indexes create main
indexes create a\0b
indexes create a\ud800b
indexes create a\x1b[31mb
indexes create {81}
indexes create "  "
indexes create “”
indexes rebuild --index bare
indexes rebuild --index bare --estimate
indexes rebuild --index a\0b
indexes rebuild --index a\ud800b
indexes rebuild --index {81}
indexes rebuild --index ""
indexes rebuild --backend elastic
indexes rebuild --backend azure
indexes rebuild --backend a\0
indexes rebuild --model service
indexes rebuild --model nonsense
indexes rebuild --chunk-tokens -1
indexes rebuild --chunk-tokens 99999999999999999999
indexes rebuild --chunk-tokens many
indexes rebuild --chunk-overlap nan
indexes rebuild --chunk-overlap 1e400
indexes rebuild --languages ,
indexes rebuild --languages \0
indexes swap 99999999999999999999
indexes swap -1
indexes swap first
indexes swap --index bare
indexes swap --index a\0b
indexes cancel
indexes cancel --index bare
indexes resume
indexes resume --index bare
indexes drop 1
indexes drop --index bare
indexes watch 7
indexes watch --index bare
indexes rollback
indexes rollback --index bare
indexes rollback --index a\0b
indexes compare
indexes compare --index bare
indexes compare 2 --questions -1
indexes compare 2 --questions 99999999999999999999
indexes compare 2 --questions many
indexes compare 2 --set {300}
indexes compare 2 --set /
indexes compare 2 --set a\0b
indexes compare 2 --set {file} --user a\0b
indexes compare 2 --set {file} --user a\ud800b
evaluate {300}
evaluate a\0b
evaluate {file} --user a\0b
evaluate {file} --limit 0
evaluate {file} --top -1
search rent --user a\0b
search rent --top 0
search rent --explain a\0b
search rent --explain a\ud800b
search rent --explain rules.md#page=99999999999999999999
search rent\0 --explain rules.md
ingest {300}
ingest a\0b
ingest {file} --user nobody
ingest {file} --collection a\0b
ingest {file} --collection {300}
evaluate {file} --collection a\0b
evaluate {file} --collection {300}
ask rent --user a\0b
create_api_key nobody
create_api_key alice --name a\0b
create_api_key alice --name {300}
signin_link a\0b
""".strip().split("\n")


@pytest.mark.parametrize("line", NONSENSE, ids=ascii)
def test_nonsense_is_answered_with_a_sentence(alice, tmp_path, capsys, line):
    new_version(default_index(), "pgvector")
    Index.objects.create(name="bare")
    file = tmp_path / "set.jsonl"
    file.write_text('{"question": "When?", "pages": ["rules.md#page=1"]}\n')
    for mark, word in (("{81}", "x" * 81), ("{300}", "x" * 300), ("{file}", str(file))):
        line = line.replace(mark, word)
    try:
        call_command(*shlex.split(line))
    except CommandError as exc:
        said, code = str(exc), exc.returncode
    except SystemExit as exc:
        said, code = capsys.readouterr().err, exc.code
    assert code in (1, 2) and said.strip() and said.strip().count("\n") == 0


# Indexes -------------------------------------------------------------------------------------------------------------
@pytest.fixture
def building(alice) -> IndexVersion:
    return versions.rebuild(default_index(), chunk_tokens=60)


def watch_while(monkeypatch, act) -> None:
    monkeypatch.setattr(command.time, "sleep", lambda seconds: act())
    call_command("indexes", "watch")


def test_a_version_that_is_cancelled_while_it_is_watched_is_said_to_be(building, monkeypatch):
    def cancel() -> None:
        versions.cancel(building)
        versions.take_away(building)

    with pytest.raises(CommandError, match="main 2 was cancelled"):
        watch_while(monkeypatch, cancel)


def test_whoever_stops_watching_does_not_stop_the_building(building, monkeypatch, capsys):
    def interrupt() -> None:
        raise KeyboardInterrupt

    watch_while(monkeypatch, interrupt)
    assert "main 2 is built on" in capsys.readouterr().out


def test_a_version_that_fails_while_it_is_watched_is_told_with_the_reason(building, monkeypatch):
    def fail() -> None:
        IndexVersion.objects.filter(pk=building.pk).update(state=IndexVersion.State.FAILED, error="The key is wrong.")

    with pytest.raises(CommandError, match=r"^main 2: failed. The key is wrong.$"):
        watch_while(monkeypatch, fail)


def test_an_index_that_a_service_refused_can_be_made_once_it_does_not(alice, settings, capsys):
    default_index()
    settings.SEARCH_BACKEND = "azure"
    with serving(settings) as service:
        key, settings.AZURE_SEARCH_KEY = settings.AZURE_SEARCH_KEY, "another"
        with pytest.raises(CommandError, match="refuses the key"):
            call_command("indexes", "create", "second")
        assert not Index.objects.filter(name="second").exists()
        settings.AZURE_SEARCH_KEY = key
        call_command("indexes", "create", "second")
        assert len(service.indexes) == 1 and "Made second 1" in capsys.readouterr().out


def test_an_index_without_a_version_is_listed_and_gets_its_first(alice, capsys):
    default_index()
    Index.objects.create(name="bare")
    call_command("indexes", "list")
    call_command("indexes", "create", "“bare”")
    said = capsys.readouterr().out
    assert "“bare” has no version to search yet" in said and "Made bare 1" in said


def test_no_more_is_compared_than_anybody_waits_for(alice, capsys):
    new_version(default_index(), "pgvector")
    with pytest.raises(CommandError, match="choose 0 to 1,000"):
        call_command("indexes", "compare", "--questions", "1001")


def test_a_file_that_may_not_be_read_does_not_stop_the_others(alice, tmp_path, monkeypatch, capsys):
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text(f"The rent of {name} is due in May.")
    opened = Path.open

    def refused(path: Path, *args):
        if path.name == "a.txt":
            raise PermissionError(13, "Permission denied")
        return opened(path, *args)

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(SystemExit, match="1"):
        call_command("ingest", str(tmp_path), "--user", "alice", "--no-wait")
    said = capsys.readouterr().out
    assert "b.txt: waiting" in said and "a.txt: not taken. It cannot be read: Permission denied." in said
