"""Imports point downwards, only one floor knows Ray, planning stays light, and files stay small and documented."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FLOORS = {
    "pipeline.engine": 0,
    "pipeline.boxes": 0,
    "pipeline.data": 1,
    "pipeline.cluster": 1,
    "pipeline.models": 2,
    "pipeline.training": 3,
    "pipeline.inference": 3,
    "pipeline.evaluation": 3,
    "pipeline.api": 4,
    "stages": 5,
    "jobs": 6,
}
EXCEPT_ENGINE = {"pipeline.cluster": {"pipeline.engine"}}  # knows nothing else, boxes neither
HEAVY = {"torch", "torchvision", "ray", "cv2", "scipy", "matplotlib"}
LIGHT_AT_THE_TOP = ("pipeline.engine", "pipeline.data", "pipeline.evaluation")
NOTHING_NAMES = {"utils", "util", "common", "helpers", "helper", "misc"}
MOST_LINES = 300
FILES = sorted(file for top in ("pipeline", "stages", "jobs") for file in (ROOT / top).rglob("*.py"))
MODULES = {".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file for file in FILES}


@dataclass(frozen=True)
class Import:
    """One imported name; `deferred` where it is not carried out when the module is loaded."""

    line: int
    target: str
    deferred: bool


@cache
def imports(source: str, module: str, is_package: bool = False) -> tuple[Import, ...]:
    """Returns every import of a module, those inside functions and under TYPE_CHECKING too."""
    package = module if is_package else module.rpartition(".")[0]

    def walk(node: ast.AST, deferred: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):  # most of a module, and no place for an import
                continue
            if isinstance(child, ast.Import):
                yield from (Import(child.lineno, name.name, deferred) for name in child.names)
            elif isinstance(child, ast.ImportFrom):
                above = ".".join(package.split(".")[: len(package.split(".")) - child.level + 1]) if child.level else ""
                base = ".".join(part for part in (above, child.module) if part)
                yield from (Import(child.lineno, f"{base}.{name.name}", deferred) for name in child.names)
            inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
            typing_only = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
            yield from walk(child, deferred or inside or typing_only)

    return tuple(walk(ast.parse(source), False))


def floor(name: str) -> str | None:
    """Returns the floor that a module is on, None for anything that is not ours."""
    found = [each for each in FLOORS if name == each or name.startswith(each + ".")]
    return found[0] if found else None


def wrong_imports(source: str, module: str, is_package: bool = False) -> list[str]:
    """Returns a line for every import that points upwards or sideways, or that its floor must not have."""
    here = floor(module)
    assert here is not None, f"{module} is on no floor"
    problems = []
    for each in imports(source, module, is_package):
        there, top = floor(each.target), each.target.partition(".")[0]
        where = f"{module}:{each.line}: {each.target}"
        if there is None and top in ("pipeline", "tests"):
            problems.append(f"{where}: is on no floor")
        elif there is not None and there != here:
            if FLOORS[there] >= FLOORS[here]:
                problems.append(f"{where}: {here} is not above {there}")
            elif there not in EXCEPT_ENGINE.get(here, {there}):
                problems.append(f"{where}: {here} may know {', '.join(EXCEPT_ENGINE[here])} only")
        elif top == "ray" and here != "pipeline.cluster":
            problems.append(f"{where}: only pipeline.cluster imports Ray")
        elif top in HEAVY and here == "pipeline.engine":
            problems.append(f"{where}: the engine knows no {top}")
        elif top in HEAVY and here in LIGHT_AT_THE_TOP and not each.deferred:
            problems.append(f"{where}: {top} is to be imported where it is used")
    return problems


def undocumented(source: str, module: str) -> list[str]:
    """Returns the public modules, classes, functions and methods that have no docstring."""
    tree = ast.parse(source)

    def walk(node: ast.AST, prefix: str) -> Iterator[str]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                if child.name.startswith("_"):
                    continue
                if not ast.get_docstring(child):
                    yield f"{prefix}.{child.name}"
                if isinstance(child, ast.ClassDef):
                    yield from walk(child, f"{prefix}.{child.name}")

    return [*([] if ast.get_docstring(tree) else [module]), *walk(tree, module)]


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_point_downwards(module: str) -> None:
    if module == "pipeline":
        loaded = [each.target for each in imports(MODULES[module].read_text(), module, True) if not each.deferred]
        assert loaded == ["__future__.annotations", "importlib", "typing.TYPE_CHECKING", "typing.Any", "typing.Final"]
        return
    file = MODULES[module]
    assert wrong_imports(file.read_text(encoding="utf-8"), module, file.name == "__init__.py") == []


@pytest.mark.parametrize("module", sorted(MODULES))
def test_everything_public_says_what_it_is(module: str) -> None:
    assert undocumented(MODULES[module].read_text(encoding="utf-8"), module) == []


def test_files_are_short_and_named_after_something() -> None:
    long = {str(file.relative_to(ROOT)): n for file in FILES if (n := len(file.read_text().splitlines())) > MOST_LINES}
    assert long == {}
    nameless = [str(f.relative_to(ROOT)) for f in FILES if NOTHING_NAMES & {f.stem, *f.relative_to(ROOT).parts[:-1]}]
    assert nameless == []


def test_every_floor_exists_and_every_module_lies_on_one() -> None:
    assert {floor(module) for module in MODULES} - {None} == set(FLOORS)
    assert [module for module in MODULES if floor(module) is None] == ["pipeline"]


@pytest.mark.parametrize(
    ("module", "source", "words"),
    [
        ("pipeline.engine.plan", "from pipeline.data import records", "pipeline.engine is not above pipeline.data"),
        ("pipeline.engine.plan", "def f():\n import pipeline.boxes.coder", "not above pipeline.boxes"),
        ("pipeline.engine.plan", "def f():\n import torch", "knows no torch"),
        ("pipeline.engine.plan", "if TYPE_CHECKING:\n from stages.index import Index", "not above stages"),
        ("pipeline.data.images", "import cv2", "where it is used"),
        ("pipeline.data.images", "try:\n import torch\nexcept ImportError: pass", "where it is used"),
        ("pipeline.data.images", "from ..cluster import session", "not above pipeline.cluster"),
        ("pipeline.cluster.session", "import pipeline.boxes.coder", "may know pipeline.engine only"),
        (
            "pipeline.training.loop.trainer",
            "from pipeline.inference.predictor import Predictor",
            "not above pipeline.inference",
        ),
        (
            "pipeline.training.loop.trainer",
            "class A:\n def f(self):\n  import ray.data",
            "only pipeline.cluster imports Ray",
        ),
        ("stages.index", "from jobs import full_pipeline", "not above jobs"),
        ("stages.index", "import pipeline.helpers", "is on no floor"),
    ],
)
def test_wrong_imports_are_seen(module: str, source: str, words: str) -> None:
    (problem,) = wrong_imports(source, module)
    assert words in problem


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("pipeline.engine.plan", "from pipeline.engine.stage import Item\nimport pyarrow"),
        ("pipeline.data.images", "def f():\n import cv2\nif TYPE_CHECKING:\n import torch"),
        ("pipeline.cluster.session", "import ray\nfrom pipeline.engine import stage"),
        ("stages.index", "import torch\nfrom stages.graph import STAGES\nfrom pipeline.boxes import coder"),
    ],
)
def test_right_imports_pass(module: str, source: str) -> None:
    assert wrong_imports(source, module) == []


def test_missing_docstrings_are_seen() -> None:
    source = 'class A:\n def f(self): "x"\n def g(self): 1\n def _h(self): 1\ndef k(): 1\nclass _B:\n def m(self): 1'
    assert undocumented(source, "m") == ["m", "m.A", "m.A.g", "m.k"]


ALL = "importlib, stages.graph, stages.cli.main as cli; list(map(importlib.import_module, cli.COMMANDS.values())); "


@pytest.mark.parametrize("what", [f"{ALL} dict(stages.graph.STAGES)", "pipeline"])
def test_the_command_line_and_the_package_start_light(what: str) -> None:
    """All modules of commands and stages, which are imported when they are needed, need none of these."""
    code = f"import sys, {what}; print(sorted(set({sorted(HEAVY)}) & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
