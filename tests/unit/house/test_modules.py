"""The house's order: who imports whom, what may be called how, what the menu offers, and what is
pinned."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from invoke import Collection, Task
from places import PROJECT

import fabfile

MODULES = sorted((PROJECT / "fabfile").rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PROJECT)))
def test_imports_are_relative(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import) or (isinstance(node, ast.ImportFrom) and not node.level):
            names = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
            )
            roots = {name.split(".")[0] for name in names}
            assert not roots & {
                "fabfile",
                "lab",
                "tests",
                "tasks",
            }, f"line {node.lineno}: only relative imports work under fab"


def test_no_module_is_called_like_one_of_the_standard_library_or_a_dependency() -> None:
    dependencies = {
        "fabric",
        "invoke",
        "paramiko",
        "cryptography",
        "aioquic",
        "psycopg",
        "rich",
        "sslyze",
        "matplotlib",
        "numpy",
        "jinja2",
        "aiohttp",
        "acme",
        "msgspec",
        "requests",
        "yaml",
        "pytest",
    }
    taken = (set(sys.stdlib_module_names) | dependencies) - {"__init__"}
    for path in {str(path.relative_to(PROJECT)) for path in MODULES}:
        assert not taken & set(Path(path).with_suffix("").parts), path


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PROJECT)))
def test_modules_and_public_functions_are_documented(path: Path) -> None:
    text = path.read_text()
    tree = ast.parse(text)
    if not text.strip():
        return
    assert ast.get_docstring(tree), "a module says what it is for"
    public = [
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name[0] != "_"
    ]
    methods = [node for top in public if isinstance(top, ast.ClassDef) for node in top.body]
    for node in [
        *public,
        *(node for node in methods if isinstance(node, ast.FunctionDef) and node.name[0] != "_"),
    ]:
        assert ast.get_docstring(node), f"{node.name} (line {node.lineno}) has no docstring"


@pytest.mark.parametrize("package", ["fabfile", "healer", "watchdog", "lab", "bench", "provision"])
def test_modules_are_short(package: str) -> None:
    """At most 260 lines: a module holds one idea."""
    paths = {str(path.relative_to(PROJECT)): path for path in (PROJECT / package).rglob("*.py")}
    lines = {name: len(path.read_text().splitlines()) for name, path in paths.items()}
    assert {path: count for path, count in lines.items() if count > 270} == {}


def test_no_two_modules_of_tests_have_the_same_name() -> None:
    """Their folders are no packages: pytest refuses the second one when both are collected."""
    counts = Counter(path.name for path in (PROJECT / "tests").rglob("*.py"))
    counts.pop("conftest.py")
    assert {name: count for name, count in counts.items() if count > 1} == {}


# -- the menu


def everything(menu: Collection) -> Iterator[Task]:
    yield from menu.tasks.values()
    for inner in menu.collections.values():
        yield from everything(inner)


def menus() -> list[Task]:
    from fabfile.menu import certs, database

    others = (certs.namespace, database.namespace)
    return [*everything(fabfile.namespace), *(task for menu in others for task in everything(menu))]


@pytest.mark.parametrize("task", menus(), ids=lambda task: f"{task.body.__module__}.{task.name}")
def test_every_task_and_every_option_is_explained(task: Task) -> None:
    assert task.__doc__
    assert task.__doc__[0].isupper()
    options = list(inspect.signature(task.body).parameters)[1:]
    assert set(task.help) == {name.replace("_", "-") for name in options} | set(task.help) & set(
        options
    )
    assert all(task.help.values())


def test_the_menu_lists_without_loading_what_only_tasks_need() -> None:
    """Trap 10: each of these costs tens of milliseconds."""
    heavy = (
        "psycopg",
        "aiohttp",
        "aioquic",
        "sslyze",
        "matplotlib",
        "acme",
        "requests",
        "cryptography.x509",
        "jinja2",
        "rich.table",
        "rich.console",
        "tomllib",
        "msgspec",
    )
    code = (
        "import sys\nimport fabric\nbefore = set(sys.modules)\nimport fabfile; import"
        f" fabfile.menu.certs, fabfile.menu.database\nprint([name for name in {heavy!r} if name in"
        " set(sys.modules) - before])\nprint(sorted(name for name in sys.modules if"
        " name.startswith('fabfile.')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    heavy_ones, ours = done.stdout.splitlines()
    assert heavy_ones == "[]"
    assert "fabfile.flows" not in ours
    assert "fabfile.steps" not in ours


# -- what is pinned


def test_dependencies_are_pinned_by_hash_and_fit_each_other() -> None:
    """Trap 8: Fabric 3.2 works with Invoke 2 only, and does not ask for the paramiko it needs."""
    declared = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert {"fabric>=3.2,<4", "invoke>=2.2,<3", "paramiko>=3.2"} <= set(declared)
    for name in ("requirements.lock", "requirements-dev.lock"):
        text = (PROJECT / name).read_text()
        pins = dict(re.findall(r"^([a-z0-9._-]+)(?:\[[a-z,]+\])?==([0-9a-z.]+)", text, re.M | re.I))
        assert pins["fabric"].startswith("3.")
        assert pins["invoke"].startswith("2.")
        assert int(pins["paramiko"].split(".")[0]) >= 3
        assert text.count("--hash=sha256:") >= len(pins)
        assert not re.search(
            r"https?://|--index-url|--find-links", re.sub(r"^\s*#.*$", "", text, flags=re.M)
        ), "no host"
        dead = {"patchwork", "fabtools", "fabric2", "fabric3"}
        assert not dead & pins.keys()


def test_the_menu_is_what_fab_loads() -> None:
    assert isinstance(fabfile.namespace, Collection)
    assert {"deploy", "plan", "status", "drain", "undrain", "trust", "check"} <= set(
        fabfile.namespace.task_names
    )
