"""Which tests are slow, from measured runs: what leaves a quick part of a minute and a half on two cores.

uv run pytest --junitxml=/tmp/suite.xml
uv run pytest -m "not ray and not slow" --junitxml=/tmp/quick.xml
uv run python -m tests.slow_tests /tmp/suite.xml /tmp/quick.xml

Two reports: what is made once and kept is paid by the first test that asks for it, in the quick part by another one
than in a whole run.
"""

from __future__ import annotations

import os
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

import pytest

LEAST_SECONDS = 0.15
"""From here on a test is slow, with its own set-up."""
LIST = Path(__file__).parent / "slow_tests.txt"


def mark(items: list[pytest.Item]) -> None:
    """Marks the tests of the list `slow`, and those of `faults`, which a measured run leaves out.

    `WIDER8K_UNLISTED` leaves the list out, for mutants, which need every test.
    """
    slow = set() if os.environ.get("WIDER8K_UNLISTED") else set(LIST.read_text(encoding="utf-8").splitlines())
    for item in items:
        if item.nodeid in slow or item.get_closest_marker("faults"):
            item.add_marker(pytest.mark.slow)


def measured(report: Path, root: Path) -> Iterator[tuple[str, float]]:
    """Yields (node id, seconds) of the tests of a JUnit report."""
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        parts = str(case.get("classname")).split(".")
        length = next(n for n in range(len(parts), 0, -1) if (root / "/".join(parts[:n])).with_suffix(".py").is_file())
        yield (
            "::".join(["/".join(parts[:length]) + ".py", *parts[length:], str(case.get("name"))]),
            float(case.get("time", 0)),
        )


if __name__ == "__main__":
    each = (entry for report in sys.argv[1:] for entry in measured(Path(report), LIST.parents[1]))
    found = sorted({name for name, seconds in each if seconds >= LEAST_SECONDS})
    LIST.write_text("".join(f"{name}\n" for name in found), encoding="utf-8")
    print(f"{len(found)} tests take {LEAST_SECONDS} s or more: {LIST}")
