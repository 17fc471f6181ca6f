"""The house has three storeys, and nothing reaches upward or in a circle."""

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent
STOREYS = ["project", "documents", "chat"]
NAMES_UPWARD = {"project/settings.py", "project/urls.py"}  # As strings: they tie the house together.


def imports_of(path: Path) -> set[str]:
    """What a module imports when it runs, at any depth of its code; imports for type checkers alone do not run."""
    found, todo = set(), [ast.parse(path.read_text())]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        todo += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def modules() -> dict[str, set[str]]:
    """Every module of the house with the modules of the house it imports."""
    paths = {
        path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__"): path
        for storey in STOREYS
        for path in (ROOT / storey).rglob("*.py")
    }
    return {name: imports_of(path) & paths.keys() - {name} for name, path in paths.items()}


def test_nothing_imports_upward():
    upward = [
        (name, other)
        for name, found in modules().items()
        for other in found
        if STOREYS.index(other.split(".")[0]) > STOREYS.index(name.split(".")[0])
    ]
    assert upward == []


def test_only_settings_and_urls_name_what_lies_above():
    for path in (ROOT / "project").rglob("*.py"):
        if path.relative_to(ROOT).as_posix() in NAMES_UPWARD:
            continue
        texts = [node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)]
        named = [text for text in texts if isinstance(text, str) and text.startswith(("documents.", "chat."))]
        assert named == [], path


def test_nothing_imports_in_a_circle():
    graph, done = modules(), set()

    def visit(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, " -> ".join([*way[way.index(name) :], name])
        if name not in done:
            for other in sorted(graph[name]):
                visit(other, (*way, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def test_each_outside_service_has_one_door():
    doors = {"openai": {"project.provider"}, "azure.search": {"documents.search.azure"}}
    for package, allowed in doors.items():
        users = {
            path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__")
            for storey in STOREYS
            for path in (ROOT / storey).rglob("*.py")
            if any(name == package or name.startswith(f"{package}.") for name in imports_of(path))
        }
        assert {user for user in users if not user.startswith(tuple(allowed))} == set()
