"""What the documents say of the code is true of it."""

import argparse
import re
import shlex
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
SETTING = re.compile(r'\b(?:text|words|switch|whole_number|fraction|choice|limits|names)\(\s*"([A-Z_]+)"')


def settings_read() -> set[str]:
    return set(SETTING.findall((ROOT / "project" / "settings.py").read_text()))


def table(page: str) -> set[str]:
    """The variables in the first columns of a page's tables."""
    return set(re.findall(r"^\| `([A-Z_]+)`", (ROOT / page).read_text(), re.M))


def test_the_configuration_page_lists_every_setting_and_no_other():
    assert table("docs/configuration.md") == settings_read()


def test_the_readme_lists_settings_that_are_read():
    assert table("README.md") and table("README.md") <= settings_read()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_link_leads_somewhere(path):
    targets = re.findall(r"\]\(([^)\s#]+)", path.read_text())
    missing = [target for target in targets if "://" not in target and not (path.parent / target).exists()]
    assert missing == []


def test_every_command_that_is_shown_is_there():
    shown = {found for page in PAGES for found in re.findall(r"manage\.py ([a-z_]+)", page.read_text())}
    assert shown <= get_commands().keys() | {"help"}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_option_that_is_shown_is_taken(path):
    for line in re.findall(r"manage\.py ([a-z_]+ [^\n`|#)]*)", path.read_text()):
        command, *words = shlex.split(line.replace("…", "").replace("'", ""))
        app = get_commands()[command]
        parser = load_command_class(app, command).create_parser("manage.py", command)
        for verbs in [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]:
            parser = verbs.choices[words[0]]
        known = {option for action in parser._actions for option in action.option_strings}
        assert {word.split("=")[0] for word in words if word.startswith("--")} <= known, line


def test_every_target_that_is_shown_is_in_the_makefile():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    shown = {found for page in PAGES for found in re.findall(r"`?make ([a-z]+)\b`", page.read_text())}
    assert shown <= targets
