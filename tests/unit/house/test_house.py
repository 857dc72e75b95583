"""The house: which room may import which, how big rooms are, and how things are called."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from places import PROJECT

FLOORS = (
    {"engine"},
    {"settings"},
    {"console", "control", "traffic", "alerts", "dashboards"},
    {"steps"},
    {"roles"},
    {"certs", "discovery", "records"},
    {"health"},
    {"rollout"},
    {"drills", "incidents"},
    {"acceptance", "report"},
    {"flows"},
    {"menu"},
)
"""From the bottom up. A room imports itself and rooms of lower floors; not its neighbours."""

LEVEL = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}

ONLY = {"report": {"engine", "settings"}}
"""Rooms that may import still less: the report is made of JSON."""


def read_modules(package: Path) -> dict[str, ast.Module]:
    """Every module of the package by its dotted name, without the package's own."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = ast.parse(
            path.read_text()
        )
    return found


def room_of(module: str) -> str:
    """The room in which a module is; the package itself belongs to the menu."""
    return module.partition(".")[0] or "menu"


def imported_modules(
    module: str, tree: ast.AST, modules: Iterable[str], is_package: bool
) -> set[str]:
    """The modules of ours that an import anywhere in `tree` loads: in functions and under
    TYPE_CHECKING as well."""
    known, found = set(modules), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            package = module.split(".") if module else []
            base = package[: len(package) - node.level + is_package] if package else []
            source = ".".join([*base, *(node.module.split(".") if node.module else [])])
            for name in (alias.name for alias in node.names):
                inner = f"{source}.{name}" if source else name
                found.add(inner if inner in known else source)
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and "import " in node.value
        ):
            found |= set(_imports_in_string(node.value, known))
    return found - {module}


def _imports_in_string(text: str, known: set[str]) -> Iterator[str]:
    """Python in a string that another process runs counts as an import too."""
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            root, _, rest = name.partition(".")
            if root in ("lab", "provision", "tests", "tasks"):
                yield root
            elif root == "fabfile" and rest in known:
                yield rest


def import_graph(package: Path) -> dict[str, set[str]]:
    """Module → the modules of ours that it imports."""
    trees = read_modules(package)
    packages = {
        ".".join(path.parent.relative_to(package).parts) for path in package.rglob("__init__.py")
    }
    return {
        name: imported_modules(name, tree, trees, name in packages) for name, tree in trees.items()
    }


def faults_of(graph: dict[str, set[str]]) -> list[str]:
    """What the graph does that it must not: imports upwards or sideways, circles of files or of
    rooms."""
    faults = []
    rooms: dict[str, set[str]] = {room: set() for room in LEVEL}
    for module, others in graph.items():
        mine = room_of(module)
        for other in others:
            room = room_of(other)
            if room == mine:
                continue
            rooms.setdefault(mine, set()).add(room)
            allowed = ONLY.get(mine, {name for name in LEVEL if LEVEL[name] < LEVEL[mine]})
            if room not in allowed:
                faults.append(
                    f"{module or 'fabfile'} imports {other}: {mine} may not import {room}"
                )
    for what, edges in (("files", graph), ("rooms", rooms)):
        try:
            list(TopologicalSorter(edges).static_order())
        except CycleError as error:
            faults.append(f"circle of {what}: {' → '.join(error.args[1])}")
    return faults


GRAPH = import_graph(PROJECT / "fabfile")


def test_every_import_goes_down() -> None:
    assert len(GRAPH) > 150
    assert sum(map(len, GRAPH.values())) > 700
    assert faults_of(GRAPH) == []


@pytest.mark.parametrize(
    ("module", "line", "fault"),
    [
        (
            "engine/messages.py",
            "def later():\n    from ..flows import check\n",
            "engine may not import flows",
        ),
        (
            "engine/messages.py",
            (
                "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ..flows.check import"
                " CheckOptions\n"
            ),
            "circle of files",
        ),
        ("engine/messages.py", "def later():\n    from .link import Link\n", "circle of files"),
        ("drills/table.py", "CODE = 'from lab.releases import add'\n", "drills may not import lab"),
        ("report/svg.py", "from ..drills import result\n", "report may not import drills"),
    ],
)
def test_a_wrong_import_is_seen(module: str, line: str, fault: str) -> None:
    """Wherever it stands: in a function, under TYPE_CHECKING, in a string."""
    name = module.removesuffix(".py").replace("/", ".")
    graph = {**GRAPH, name: GRAPH[name] | imported_modules(name, ast.parse(line), GRAPH, False)}
    assert any(fault in found for found in faults_of(graph))


def test_no_room_holds_more_than_a_fifth() -> None:
    lines: Counter[str] = Counter()
    for path in (PROJECT / "fabfile").rglob("*.py"):
        lines[room_of(".".join(path.relative_to(PROJECT / "fabfile").with_suffix("").parts))] += (
            len(path.read_text().splitlines())
        )
    lines["menu"] += lines.pop("__init__", 0)
    biggest, count = lines.most_common(1)[0]
    assert count <= sum(lines.values()) / 5, f"{biggest} has {count} of {sum(lines.values())} lines"


def definitions(kind: type[ast.AST], *packages: str) -> Iterator[tuple[str, str]]:
    """(name, module) of every definition of this kind, methods and inner functions included."""
    for package in packages:
        for module, tree in read_modules(PROJECT / package).items():
            for node in ast.walk(tree):
                if isinstance(node, kind):
                    yield node.name, f"{package}.{module}"  # type: ignore[attr-defined]


def test_most_functions_are_called_by_verb_and_object() -> None:
    names = [
        name for name, _ in definitions(ast.FunctionDef, "fabfile") if not name.startswith("__")
    ]
    short = [name for name in names if "_" not in name.strip("_")]
    assert len(names) > 1000
    assert len(short) / len(names) < 0.45, Counter(short).most_common(20)


def test_a_class_name_means_one_thing() -> None:
    homes: dict[str, list[str]] = {}
    for package in ("fabfile", "healer", "lab", "watchdog", "bench", "provision"):
        for name, module in definitions(ast.ClassDef, package):
            homes.setdefault(name, []).append(module)
    assert {name: modules for name, modules in homes.items() if len(modules) > 1} == {}


@pytest.mark.parametrize("program", ["fab", "inv"])
def test_no_task_wraps_in_a_list_of_80_columns(program: str) -> None:
    """Each task is one line, and the first line of its help at most 60 letters."""
    command = [str(Path(sys.executable).parent / program), "--list"]
    environment = {"PATH": "/usr/bin:/bin", "COLUMNS": "80", "HOME": "/nonexistent"}
    done = subprocess.run(
        command, cwd=PROJECT, capture_output=True, text=True, check=True, env=environment
    )
    lines = done.stdout.splitlines()
    tasks = [line for line in lines if line.startswith("  ")]
    assert len(tasks) > 10
    assert [line for line in tasks if len(line) > 80 or line.startswith("        ")] == []
