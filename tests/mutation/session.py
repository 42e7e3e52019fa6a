"""Makes the mistakes of some modules one by one, in a copy of the tree, and remembers what became of each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from tests.mutation.changes import Mistake, mistakes
from tests.mutation.modules import Module
from tests.mutation.named import NAMED
from tests.mutation.trial import Answer, Bench

EXPLAINED = Path("tests/mutation/explained.yaml")
LEAST_SECONDS, TIMES_PLAIN = 10.0, 5.0


@dataclass(frozen=True)
class Finding:
    """A mistake, and what its module's tests said; `reason` where it is known why they cannot notice it."""

    module: str
    mistake: Mistake
    answer: Answer
    reason: str | None = None


class Memory:
    """What earlier trials found, as lines of a file; it holds as long as the tests that gave an answer are the same."""

    def __init__(self, path: Path, tree: Path) -> None:
        """Reads what is there; a line that was cut off is passed over."""
        self._path, self._tree, self._known = path, tree, {}
        for line in path.read_text().splitlines() if path.exists() else ():
            try:
                entry = json.loads(line)
                self._known[entry["mistake"]] = entry
            except (ValueError, KeyError):
                continue

    def recall(self, mistake: Mistake, tests: Sequence[str]) -> Answer | None:
        """Returns an earlier answer: of a test that is still the same, or of all of them where none noticed."""
        entry = self._known.get(_digest(mistake.source))
        if entry is None:
            return None
        answer = Answer(**entry["answer"])
        return answer if entry["evidence"] == self._evidence(answer, tests) else None

    def keep(self, mistake: Mistake, tests: Sequence[str], answer: Answer) -> None:
        """Writes an answer down."""
        entry = {"mistake": _digest(mistake.source), "evidence": self._evidence(answer, tests), "answer": vars(answer)}
        self._known[entry["mistake"]] = entry
        with self._path.open("a") as file:
            file.write(json.dumps(entry) + "\n")

    def _evidence(self, answer: Answer, tests: Sequence[str]) -> str:
        file = answer.test.partition("::")[0]
        files = [file] if file in tests else tests
        return _digest(*(f"{name}\n{(self._tree / name).read_text()}" for name in files))


def _digest(*texts: str) -> str:
    return hashlib.blake2b("\0".join(texts).encode(), digest_size=8).hexdigest()


def chosen(module: Module, tree: Path, sample: int, seed: int) -> list[Mistake]:
    """Returns the mistakes of one module: those written by hand, then so many of the others, all where that is 0."""
    source = (tree / module.path).read_text()
    by_hand = [named.mistake(source) for named in NAMED if named.module == module.name]
    found = mistakes(source)
    # By a hash of each: a line more in the module leaves the others chosen or not as they were.
    ranked = sorted(found, key=lambda each: _digest(str(seed), each.kind, each.where, each.before, each.after))
    wanted = set(ranked[: sample or len(ranked)])
    return by_hand + [each for each in found if each in wanted]


def try_module(module: Module, tree: Path, bench: Bench, memory: Memory, todo: Iterable[Mistake]) -> Iterator[Finding]:
    """Yields what becomes of each mistake.

    Raises:
        RuntimeError: the tests fail without any mistake, or there are none.
    """
    tests = module.tests(tree)
    if not tests:
        raise RuntimeError(f"{module.path}: no tests of this module; name some in tests/mutation/modules.py")
    plain: Answer | None = None
    for mistake in todo:
        answer = memory.recall(mistake, tests)
        if answer is None:
            plain = plain or _plain(module, bench, tests)
            limit = max(LEAST_SECONDS, TIMES_PLAIN * plain.seconds)
            answer = bench.try_changed(module.path, mistake.source, tests, limit)
            memory.keep(mistake, tests, answer)
        yield Finding(module.name, mistake, answer)


def _plain(module: Module, bench: Bench, tests: Sequence[str]) -> Answer:
    answer = bench.try_plain(tests)
    if not answer.passed:
        raise RuntimeError(
            f"{module.path}: its tests fail without any mistake ({answer.test or 'no test answered'}); fix that first:\n"
            + bench.log.read_text()[-2000:]
        )
    return answer


@dataclass(frozen=True)
class Explanation:
    """Why a mistake changes nothing that a test could see: the one that puts `new` for `old` in a line of `where`."""

    module: str
    where: str
    old: str
    new: str
    reason: str

    def fits(self, finding: Finding) -> bool:
        """Returns whether this is about that mistake."""
        mistake, size = finding.mistake, len(self.old)
        places = [i for i in range(len(mistake.before)) if mistake.before.startswith(self.old, i)]
        changed = {f"{mistake.before[:i]}{self.new}{mistake.before[i + size :]}" for i in places}
        return (finding.module, mistake.where) == (self.module, self.where) and mistake.after in changed


def explanations(file: Path) -> list[Explanation]:
    """Returns what `explained.yaml` says."""
    return [Explanation(**entry) for entry in yaml.safe_load(file.read_text()) or ()]


def explain(findings: Iterable[Finding], known: Sequence[Explanation]) -> list[Finding]:
    """Returns the findings, those that no test noticed with the reason where one is known."""
    return [
        finding
        if not finding.answer.passed
        else replace(finding, reason=next((each.reason for each in known if each.fits(finding)), None))
        for finding in findings
    ]
