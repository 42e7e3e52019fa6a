"""What a soak prints: a line for each fault and a table at the end."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jobs.soaking.comparison import Difference


@dataclass
class Happened:
    """A fault that was injected.

    Attributes:
        kind: name of the fault.
        what: what was done to what.
        place: the pass, and where its store is.
        at: when it began, in seconds of this machine's clock.
        recovered: seconds from its end until work went on: a shard, a checkpoint or an output was finished, or the
            whole run. None while that has not happened.
        ended_run: whether the run failed by it.
    """

    kind: str
    what: str
    place: str
    at: float
    recovered: float | None = None
    ended_run: bool = False

    def line(self) -> str:
        """Returns it as a line of the log."""
        since = "work did not go on" if self.recovered is None else f"work went on after {self.recovered:.1f} s"
        ended = "; the run failed and was submitted again" if self.ended_run else ""
        at = time.strftime("%H:%M:%S", time.localtime(self.at))
        return f"{at}  {self.place}  {self.kind}: {self.what}; {since}{ended}"


@dataclass(frozen=True)
class Passed:
    """A pass that ended.

    Attributes:
        place: its name.
        seconds: it took.
        submissions: of the run.
        damaged: whether something was found damaged at its end by reading every byte, and computed again.
        rows, files: compared.
        difference: from the quiet one.
    """

    place: str
    seconds: float
    submissions: int
    damaged: bool
    rows: int
    files: int
    difference: Difference

    def line(self) -> str:
        """Returns it as a line of the log."""
        again = "; what was damaged and read by no node was found by status --verify" if self.damaged else ""
        same = "the same bytes" if not self.difference else f"DIFFERENT: {_counts(self.difference)}"
        return (
            f"{time.strftime('%H:%M:%S')}  {self.place}  ended after {self.seconds:.0f} s and {self.submissions} "
            f"submissions{again}; {self.rows} rows, {self.files} files: {same}"
        )


class Log:
    """Prints lines, and appends them to a file."""

    def __init__(self, file: Path) -> None:
        """Begins the file."""
        self._file = file
        file.write_text("", encoding="utf-8")

    def __call__(self, line: str) -> None:
        """Prints a line."""
        print(line, flush=True)
        with self._file.open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def table(happened: Sequence[Happened], left_out: Mapping[str, str], kinds: Sequence[str]) -> str:
    """Returns Markdown with a row for each kind of fault, also those that never happened, with the reason."""
    lines = [
        "| fault | times | run submitted again | median s to recovery | worst |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for kind in kinds:
        found = [each for each in happened if each.kind == kind]
        if not found:
            lines.append(f"| {kind} | not injected: {left_out.get(kind, 'it was never its turn')} | | | |")
            continue
        seconds = [each.recovered for each in found if each.recovered is not None]
        lost = "" if len(seconds) == len(found) else f", {len(found) - len(seconds)} never"
        median, worst = (f"{each(seconds):.1f}" if seconds else "" for each in _AVERAGES)
        ended = sum(each.ended_run for each in found)
        lines.append(f"| {kind} | {len(found)} | {ended} | {median} | {worst}{lost} |")
    return "\n".join(lines)


_AVERAGES: tuple[Callable[[Sequence[float]], float], ...] = (statistics.median, max)


def summary(passes: Sequence[Passed], seconds: float) -> str:
    """Returns a line on all passes together."""
    rows, files = sum(each.rows for each in passes), sum(each.files for each in passes)
    difference = sum((each.difference for each in passes), Difference())
    return (
        f"{len(passes)} passes in {seconds / 60:.1f} min, {sum(each.submissions for each in passes)} submissions; "
        f"{rows} rows and {files} files compared with the quiet run: {_counts(difference)}"
    )


def _counts(difference: Difference) -> str:
    words = {
        "lost": "rows lost",
        "doubled": "rows doubled",
        "changed": "files of other bytes",
        "absent": "files missing",
    }
    words |= {"added": "files too many"}
    return ", ".join(f"{count} {words[name]}" for name, count in difference.counts.items())
