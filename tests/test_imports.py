"""The import table of ARCHITECTURE.md holds, and no module-level cycle exists."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import araneus

ROOT = Path(araneus.__file__).parent
ALLOWED: dict[str, set[str]] = {
    "model": set(),
    "cwl": {"model"},
    "engine": {"cwl", "model"},
    "store": {"model"},
    "storage": {"model"},
    "executors": {"model"},
    "lint": {"cwl", "model"},
    "scheduler": {"engine", "cwl", "store", "storage", "executors", "model"},
    "api": {"store", "storage", "cwl", "model"},
    "testing": {"model", "store", "storage", "executors"},
}
ONLY_IN = {"sqlalchemy": "store", "alembic": "store", "starlette": "api", "quickjs": "cwl"}


def modules() -> list[Path]:
    return sorted(ROOT.rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, lazily or not, by its full name."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_what_its_package_may(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0]
    if package not in ALLOWED:
        return
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "araneus" and len(parts) > 1 and (ROOT / parts[1]).exists():
            assert parts[1] in ALLOWED[package] | {package}, f"{package} may not import {name}"
        if parts[0] in ONLY_IN:
            assert package == ONLY_IN[parts[0]], f"only {ONLY_IN[parts[0]]} may import {parts[0]}"


def test_every_package_has_a_row() -> None:
    assert {path.name for path in ROOT.iterdir() if (path / "__init__.py").exists()} == set(ALLOWED)


def test_there_is_no_import_cycle() -> None:
    names = {".".join(["araneus", *path.relative_to(ROOT).with_suffix("").parts]): path for path in modules()}
    graph = {
        name: {other for other in imports(path) if other in names and other != name} for name, path in names.items()
    }
    list(TopologicalSorter(graph).static_order())
