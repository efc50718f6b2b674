"""The house: imports run one way, nothing of ours is installed, files and functions stay small."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ALLOWED = {"data": {"data"}, "methods": {"data", "methods"}, "bench": {"data", "methods", "bench"}}
ROOT = Path(__file__).parent.parent
SOURCES = [path for folder in ALLOWED for path in (ROOT / folder).rglob("*.py")]
MAX_LINES, MAX_FUNCTION = 300, 40


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return {name.split(".")[0] for name in names}


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_down(path):
    assert imported(path) & ALLOWED.keys() <= ALLOWED[path.relative_to(ROOT).parts[0]]


def test_nothing_of_ours_is_installed():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert settings["tool"]["setuptools"]["packages"] == []
    script = "import importlib.util as u; print([n for n in ('bench', 'methods', 'data') if u.find_spec(n)])"
    found = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, cwd="/")
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("folder", [f.relative_to(ROOT) for p in SOURCES if (f := p.parent)], ids=str)
def test_every_folder_is_a_package(folder):
    assert (ROOT / folder / "__init__.py").is_file()


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_and_functions_stay_small(path):
    text = path.read_text()
    assert text.count("\n") <= MAX_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            docstring = len((ast.get_docstring(node) or "").splitlines())
            assert node.end_lineno - node.lineno + 1 - docstring <= MAX_FUNCTION + 10, node.name


def test_constraints_name_versions_and_no_addresses():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[\w.+!-]+", line) for line in lines if not line.startswith("#"))
