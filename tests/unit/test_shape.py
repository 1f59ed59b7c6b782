"""The inside stays one that a newcomer can walk through: small files, no circles, each library in its own folder."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.site import ROOT

LONGEST_FILE = 330
"""Lines of a module, blanks and docstrings included."""
FULLEST_FOLDER = 13
"""Modules in one folder, beside `__init__.py`."""
WHOLE = 16709
"""Lines of `sync/`, blanks and docstrings included. It is to go down to 9,500; it goes up by what a feature needs, and
by no more."""
LAYERS = (
    ("errors",),
    ("log", "data_folder", "ending", "lock"),
    ("fast", "hidden_paths"),
    ("text",),
    ("model", "queue"),
    ("settings",),
    ("mapping", "state"),
    ("stash",),
    ("plex",),
    ("worker", "back"),
    ("sleeper",),
    ("status",),
    ("bulk", "setup"),
    ("process_queue",),
    ("tasks",),
    ("hook", "command_line"),
    ("pages",),
    ("entry",),
)
"""The folders and single modules of `sync/`, each layer above those that it may import."""
MUTUAL = {"worker", "back"}
"""A sync settles a scene's rating first (`back/ratings.py`), and what comes back is located as by a sync."""
HOMES = {"plexapi": "plex", "stashapi": "stash", "persistqueue": "queue"}
"""A library -> the only folder of `sync/` that imports it."""

MODULES = sorted(path.relative_to(ROOT) for path in (ROOT / "sync").rglob("*.py"))


def test_no_file_is_too_long_to_read() -> None:
    long = {str(module): length for module in MODULES if (length := _length(module)) > LONGEST_FILE}
    assert not long


def test_no_folder_is_too_full_to_search() -> None:
    folders = {module.parent for module in MODULES}
    full = {str(folder): count for folder in folders if (count := len(_in(folder))) > FULLEST_FOLDER}
    assert not full


def test_the_whole_stays_small() -> None:
    assert sum(map(_length, MODULES)) <= WHOLE


def test_no_module_imports_itself_by_way_of_others() -> None:
    graph = {_name(module): set(_imported(module)) & {_name(one) for one in MODULES} for module in MODULES}
    left = dict(graph)
    while free := [name for name, needs in left.items() if not needs & left.keys() - {name}]:
        for name in free:
            del left[name]
    assert not left, "these import one another"


def test_a_folder_knows_only_what_stands_below_it() -> None:
    height = {place: layer for layer, places in enumerate(LAYERS) for place in places}
    assert {_place(_name(module)) for module in MODULES if module.parent != Path("sync")} <= height.keys()
    up = [
        f"{module} imports {name}"
        for module in MODULES
        for name in set(_imported(module)) & {_name(one) for one in MODULES if one.name != "__init__.py"}
        if (here := _place(_name(module))) != (there := _place(name)) and not {here, there} <= MUTUAL
        if height[there] >= height[here]
    ]
    assert up == []


@pytest.mark.parametrize(("library", "folder"), HOMES.items())
def test_a_library_is_imported_in_its_folder_alone(library: str, folder: str) -> None:
    users = [module for module in MODULES if any(name.split(".")[0] == library for name in _imported(module))]
    assert users, "else this test says nothing"
    assert [str(module) for module in users if module.parts[1] != folder] == []


def test_decisions_call_no_server() -> None:
    """Mapping, matching and comparing are pure: they import no client, no file and no clock."""
    pure = [module for module in MODULES if module.parts[1] in ("mapping", "text")]
    pure += [Path("sync/plex/matcher.py"), Path("sync/plex/difference.py"), Path("sync/worker/backoff.py")]
    forbidden = {"sqlite3", "requests", "socket", "time", "os", "http", "urllib3", "subprocess"}
    for module in pure:
        roots = {name.split(".")[0] for name in _imported(module)}
        assert not roots & forbidden, module
        assert not {"sync.plex.client", "sync.stash.client", "sync.state.state"} & set(_imported(module)), module


def _in(folder: Path) -> list[Path]:
    return [module for module in MODULES if module.parent == folder and module.name != "__init__.py"]


def _length(module: Path) -> int:
    return len((ROOT / module).read_text(encoding="utf-8").splitlines())


def _name(module: Path) -> str:
    return ".".join(module.with_suffix("").parts).removesuffix(".__init__")


def _place(name: str) -> str:
    """The folder of `sync/` that a module is in, or the module itself."""
    return name.split(".")[1]


def _imported(module: Path) -> Iterator[str]:
    """Yield what a module imports, inside functions too; not what only type checkers see."""
    tree = ast.parse((ROOT / module).read_text(encoding="utf-8"))
    for node in _run_by_python(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _run_by_python(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            yield from (inner for other in node.orelse for inner in ast.walk(other))
        else:
            yield node
            yield from _run_by_python(node)
