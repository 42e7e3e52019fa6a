"""Runs tests against changed modules: a warm process that is forked for each trial, so that one costs little.

Importing torch takes longer than most of these tests; the warm process has imported everything that is not ours, and
each child imports our modules again, the changed one among them.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import resource
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

WARM = (
    "anyio.pytest_plugin", "cv2", "hypothesis", "numpy", "PIL.Image", "psutil", "pyarrow.compute", "pyarrow.fs",
    "pyarrow.parquet", "pydantic", "pytest_cov.plugin", "scipy.io", "simplejpeg", "torch", "torchvision.ops",
    "xdist.looponfail", "xdist.plugin", "xdist.scheduler", "xdist.workermanage", "yaml",
)  # fmt: skip
MOST_MEMORY = 6 << 30


@dataclass(frozen=True)
class Answer:
    """What became of the tests.

    Attributes:
        passed: whether all did.
        test: the first that failed, or where it could not even be imported; empty where all passed, or none answered.
        hung: the time was over.
        seconds: that it took.
    """

    passed: bool
    test: str
    hung: bool
    seconds: float


class _Witness:
    """A plug-in of pytest that writes the name of the first test that fails."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def _note(self, report: Any) -> None:
        if report.failed and not self._path.exists():
            self._path.write_text(report.nodeid)

    def pytest_runtest_logreport(self, report: Any) -> None:
        self._note(report)

    def pytest_collectreport(self, report: Any) -> None:
        self._note(report)


class Bench:
    """Where trials are made: a copy of the tree, whose changed file is put back after each."""

    def __init__(self, tree: Path, scratch: Path, warm: Sequence[str] = WARM) -> None:
        """Imports what is slow to import.

        Args:
            tree: root of the copy.
            scratch: an own folder for files of tests and for the last trial's output.
            warm: names of modules to import; none of them may import one that is changed.
        """
        self._tree, self._scratch = tree, scratch
        scratch.mkdir(parents=True, exist_ok=True)
        for name in warm:
            importlib.import_module(name)

    @property
    def log(self) -> Path:
        """What the tests of the last trial printed."""
        return self._scratch / "log"

    def try_plain(self, tests: Sequence[str]) -> Answer:
        """Returns how the tests do without any mistake; the bytecode they leave makes later trials quicker."""
        return self._fork(tests, 600.0, keep_bytecode=True)

    def try_changed(self, module: str, source: str, tests: Sequence[str], seconds: float) -> Answer:
        """Returns how the tests do with `source` in place of a module's own, within so many seconds.

        Args:
            module: path from the root of the tree.
            source: the changed module.
            tests: paths of test files, likewise.
            seconds: after which it counts as hanging.
        """
        file = self._tree / module
        plain = file.read_bytes()
        for cached in file.parent.glob(f"__pycache__/{file.stem}.*.pyc"):
            cached.unlink()  # bytecode is known by second and size, which a mistake may leave as they are
        try:
            file.write_text(source)
            return self._fork(tests, seconds, keep_bytecode=False)
        finally:
            file.write_bytes(plain)

    def _fork(self, tests: Sequence[str], seconds: float, keep_bytecode: bool) -> Answer:
        witness, started = self._scratch / "witness", time.monotonic()
        witness.unlink(missing_ok=True)
        child = os.fork()
        if not child:
            self._be_child(tests, witness, keep_bytecode)
        with contextlib.suppress(OSError):
            os.setpgid(child, child)  # the first one, child or parent
        status = None
        try:
            status = _wait(child, started + seconds)
        finally:  # Ctrl-C too
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)  # and what its tests had started
            if status is None:
                os.waitpid(child, 0)
        shutil.rmtree(self._scratch / "files", ignore_errors=True)
        test = witness.read_text() if witness.exists() else ""
        return Answer(status == 0, test, status is None, time.monotonic() - started)

    def _be_child(self, tests: Sequence[str], witness: Path, keep_bytecode: bool) -> None:
        code = 70
        try:
            os.setpgid(0, 0)
            gc.freeze()  # pytest collects garbage ten times at its end: not among what was there before
            with self.log.open("w") as log:
                os.dup2(log.fileno(), 1)
                os.dup2(log.fileno(), 2)
            resource.setrlimit(resource.RLIMIT_DATA, (MOST_MEMORY, MOST_MEMORY))
            os.chdir(self._tree)
            sys.dont_write_bytecode = not keep_bytecode
            if not keep_bytecode:
                os.environ["PYTHONDONTWRITEBYTECODE"] = "1"  # for what tests start
            os.environ["WIDER8K_UNLISTED"] = "1"  # half a second is no reason to miss a mistake
            _quick_hypothesis()
            files = self._scratch / "files"
            how = [
                "-x",
                "-q",
                "-n",
                "0",
                "-W",
                "ignore::pytest.PytestAssertRewriteWarning",
                "-m",
                "not ray and not slow",
            ]
            how += ["-p", "no:cacheprovider", "--basetemp", str(files), "--hypothesis-seed", "0"]
            code = int(pytest.main([*how, *tests], plugins=[_Witness(witness)]))
        finally:
            sys.stdout.flush()
            os._exit(code)


def _quick_hypothesis() -> None:
    from hypothesis import Phase, settings

    # The same examples each time, and none made smaller: that one fails is all there is to know.
    phases = (Phase.explicit, Phase.generate)
    settings.register_profile("mistakes", database=None, derandomize=True, deadline=None, phases=phases)
    settings.load_profile("mistakes")


def _wait(child: int, until: float) -> int | None:
    """Returns a child's exit status, None where it still runs at that time."""
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status
        time.sleep(0.01)
    return None
