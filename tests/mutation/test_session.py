"""The program on a module of one function, in a process of its own; and what it knows of the real modules."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutants import main
from tests.mutation import report
from tests.mutation.changes import Mistake, mistakes
from tests.mutation.modules import MODULES
from tests.mutation.named import NAMED, Named
from tests.mutation.session import EXPLAINED, Explanation, Finding, Memory, chosen, explain, explanations
from tests.mutation.trial import Answer

ROOT = Path(__file__).resolve().parents[2]
TINY = """def count(n, most=9):
    found = 0
    while n > 0 and found < most:
        n -= 1
        found += 1
    while n <= -most:
        continue
    return found
"""
TEST = "from tiny import count\n\ndef test_count():\n    assert count(2) == 2\n"
TRIALS = """
import json, sys
from pathlib import Path
from tests.mutation.changes import mistakes
from tests.mutation.trial import Bench

tree = Path(sys.argv[1])
bench = Bench(tree, tree / "scratch", warm=())
answers = {"plain": bench.try_plain(["tests/test_tiny.py"])}
for each in mistakes((tree / "pipeline/tiny.py").read_text()):
    if each.after not in sys.argv[2:]:
        continue
    answers[each.after] = bench.try_changed("pipeline/tiny.py", each.source, ["tests/test_tiny.py"], 3.0)
print(json.dumps({name: vars(answer) for name, answer in answers.items()}))
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tree")
    for name, text in (("pipeline/tiny.py", TINY), ("tests/test_tiny.py", TEST)):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "pyproject.toml").write_text(
        '[tool.pytest.ini_options]\naddopts = "--import-mode=importlib"\npythonpath = ["pipeline"]\n'
        'markers = ["ray", "slow"]\n'
    )
    return root


@pytest.mark.slow
def test_what_the_tests_notice_by_failing_and_by_hanging_and_what_they_do_not(tree: Path) -> None:
    failed = (False, "tests/test_tiny.py::test_count", False)
    wanted = {
        "plain": (True, "", False),
        "def count(n, most=10):": (True, "", False),
        "found = 1": failed,
        "while n <= most:": (False, "", True),
        "n -= 2": failed,
    }
    command = [sys.executable, "-c", TRIALS, str(tree), *wanted]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    answers = {name: Answer(**answer) for name, answer in json.loads(ran.stdout).items()}
    assert {name: (answer.passed, answer.test, answer.hung) for name, answer in answers.items()} == wanted
    assert (tree / "pipeline/tiny.py").read_text() == TINY
    assert {path.name for path in (tree / "scratch").iterdir()} <= {"log", "witness"}


def test_what_was_found_holds_while_the_tests_that_said_so_are_the_same(tree: Path, tmp_path: Path) -> None:
    first, second, *_ = mistakes(TINY)
    tests, file = ("tests/test_tiny.py", "tests/test_more.py"), tmp_path / "found.jsonl"
    (tree / "tests/test_more.py").write_text("")
    noticed, unseen = Answer(False, "tests/test_tiny.py::test_count", False, 1.0), Answer(True, "", False, 1.0)
    memory = Memory(file, tree)
    assert memory.recall(first, tests) is None
    memory.keep(first, tests, noticed)
    memory.keep(second, tests, unseen)
    file.open("a").write('{"mistake": "cut o')
    assert [Memory(file, tree).recall(each, tests) for each in (first, second)] == [noticed, unseen]
    (tree / "tests/test_more.py").write_text("# another test\n")
    assert [Memory(file, tree).recall(each, tests) for each in (first, second)] == [noticed, None]


def test_a_sample_is_the_same_each_time_and_another_with_another_seed() -> None:
    module = next(module for module in MODULES if module.name == "engine/lock")
    by_hand = sum(named.module == module.name for named in NAMED)
    first = chosen(module, ROOT, 7, 0)
    assert by_hand > 2
    assert len(first) == 7 + by_hand
    assert first == chosen(module, ROOT, 7, 0)
    assert first != chosen(module, ROOT, 7, 1)
    assert len(chosen(module, ROOT, 0, 0)) == by_hand + len(mistakes((ROOT / module.path).read_text()))


def finding(line: int, passed: bool, hung: bool = False) -> Finding:
    return Finding("m", Mistake("kind", "f", line, f"a{line}", f"b{line}", ""), Answer(passed, "", hung, 1.0))


def test_the_table_counts_what_changes_something() -> None:
    known = [Explanation("m", "f", "a3", "b3", "none reads it"), Explanation("m", "f", "a9", "b9", "gone"),
             Explanation("m", "f", "a1", "b1", "wrong")]  # fmt: skip
    found = explain([finding(1, False), finding(2, False, hung=True), finding(3, True), finding(4, True)], known)
    assert report.share(found) == pytest.approx(2 / 3)
    assert [line.split() for line in report.table(found)][1:] == [
        ["m", "4", "2", "1", "1", "1", "66.7%"], ["all", "4", "2", "1", "1", "1", "66.7%"],
    ]  # fmt: skip
    assert list(report.unseen(found)) == ["UNSEEN  pipeline/m.py: line 4, f, kind: a4  ->  b4"]
    assert len(list(report.without_effect(found))) == 1
    assert [line.partition(":")[0] for line in report.outdated(found, known, True)] == [
        "explained, yet no such mistake", "explained, yet noticed",
    ]  # fmt: skip
    assert [line.partition(":")[0] for line in report.outdated(found, known, False)] == ["explained, yet noticed"]


@pytest.mark.parametrize("named", NAMED, ids=lambda named: f"{named.module}: {named.title}")
def test_mistakes_written_by_hand_fit_the_modules_as_they_are(named: Named) -> None:
    compile(named.mistake((ROOT / f"pipeline/{named.module}.py").read_text()).source, named.module, "exec")


def test_a_mistake_that_no_longer_fits_is_named() -> None:
    with pytest.raises(ValueError, match=r"named.py: m: 'title': expected 'old' once in the module, found it 0 times"):
        Named("m", "title", "old", "new").mistake("nothing")


def test_every_module_has_tests_and_every_explanation_a_module() -> None:
    names = {module.name for module in MODULES}
    assert all((ROOT / module.path).is_file() and module.tests(ROOT) for module in MODULES)
    assert {each.module for each in explanations(ROOT / EXPLAINED)} <= names
    assert {named.module for named in NAMED} <= names


def test_an_unknown_module_is_refused_and_the_help_has_an_example(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["--module", "engine/plam", "--state", str(tmp_path)]) == 2
    assert "no such module: engine/plam; choose from engine/plan, " in capfd.readouterr().err
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "python -m tests.mutants --module engine/lock --sample 0" in capfd.readouterr().out
