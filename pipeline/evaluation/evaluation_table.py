"""Several evaluations as one table: AP, false alarms, the parameters that differ, a paper's figures.

Nothing is rounded before it is printed; the Markdown is aligned, so that it reads well in a terminal too.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pipeline.data.schemas import LEVELS
from pipeline.evaluation.result_table import NONE, shortened

CONTENT_HASH: Final = "content_hash"  # last part of a fact's name
LONGEST: Final = 28  # characters of a parameter's value
Column = tuple[str, list[str], bool]  # title, one text per row, whether it is a number, aligned to the right
_PLAIN: Final = ("name", "alarm_score", "alarms", "recall", "paper_alarms", "detect_ms", "refine_ms", "left_out")


@dataclass(frozen=True, slots=True)
class EvaluationRow:
    """One row of the table.

    Attributes:
        name: of the row.
        ap: "easy" | "medium" | "hard" -> AP in 0..1, NaN where no face counts.
        alarm_score: raw score at and above which false alarms were counted; None where they were not.
        alarms: their number.
        recall: share of the hard faces found at that score, 0..1.
        paper_ap: level -> AP in a paper, in 0..1; without the levels that it does not state.
        paper_alarms: likewise.
        facts: "stage.parameter" -> plain value, of all that led to this row.
        detect_ms: milliseconds of one image in one worker, from its bytes to candidates; None where not measured.
        refine_ms: likewise, from candidates to detections.
        left_out: unreadable images that AP leaves out.
    """

    name: str
    ap: Mapping[str, float]
    alarm_score: float | None = None
    alarms: int | None = None
    recall: float | None = None
    paper_ap: Mapping[str, float] = field(default_factory=dict)
    paper_alarms: int | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    detect_ms: float | None = None
    refine_ms: float | None = None
    left_out: int = 0

    def to_row(self) -> dict[str, Any]:
        """Returns a row of `schemas.COMPARISON`."""
        return {
            **{name: getattr(self, name) for name in _PLAIN},
            **{level: self.ap[level] for level in LEVELS},
            **{f"paper_{level}": self.paper_ap.get(level) for level in LEVELS},
            "facts": json.dumps(dict(self.facts), sort_keys=True, ensure_ascii=False),
        }

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> EvaluationRow:
        """Returns the record of a row of `schemas.COMPARISON`."""
        stated = {level: row[f"paper_{level}"] for level in LEVELS}
        return cls(
            **{name: row[name] for name in _PLAIN},
            ap={level: row[level] for level in LEVELS},
            paper_ap={level: value for level, value in stated.items() if value is not None},
            facts=json.loads(row["facts"]),
        )


def markdown(rows: Sequence[EvaluationRow]) -> str:
    """Returns the table as Markdown, one line per row, ending in a newline.

    AP and recall in per cent with two digits. Empty columns are left out, and so are the parameters in which the rows
    agree.
    """
    figures = [*_figures(rows), *_left_out(rows), *_times(rows), *_paper(rows)]
    return columns_as_markdown(
        [("", [row.name for row in rows], False), *figures, *differing_parameters([row.facts for row in rows])]
    )


def columns_as_markdown(columns: Sequence[Column]) -> str:
    """Returns aligned columns as a table, one line per row, ending in a newline."""
    lines = zip(*(_aligned(column) for column in columns), strict=True)
    return "".join(f"|{'|'.join(cells)}|\n" for cells in lines)


def without_ap(rows: Sequence[EvaluationRow]) -> list[str]:
    """Returns a line for every row that lacks an AP because no face counts there."""
    missing = ((row.name, [level for level in LEVELS if math.isnan(row.ap[level])]) for row in rows)
    return [f"{name}: no face counts in {', '.join(levels)}: there is no AP" for name, levels in missing if levels]


def _figures(rows: Sequence[EvaluationRow]) -> list[Column]:
    columns = [(level, [_percent(row.ap[level]) for row in rows], True) for level in LEVELS]
    scores = {row.alarm_score for row in rows if row.alarm_score is not None}
    if not scores:
        return columns
    # Alarms at different scores are not comparable.
    one = f" at {scores.pop():g}" if len(scores) == 1 else ""

    def shown(show: Callable[[EvaluationRow], str]) -> list[str]:
        return [NONE if row.alarms is None else show(row) + ("" if one else f" at {row.alarm_score:g}") for row in rows]

    alarms = shown(lambda row: str(row.alarms))
    recall = shown(lambda row: _percent(row.recall))
    return [*columns, (f"false alarms{one}", alarms, True), (f"hard recall{one}", recall, True)]


def _left_out(rows: Sequence[EvaluationRow]) -> list[Column]:
    # Rows of other images are not comparable.
    counts = [str(row.left_out) for row in rows]
    return [("images left out", counts, True)] if any(row.left_out for row in rows) else []


def _times(rows: Sequence[EvaluationRow]) -> list[Column]:
    shown = {"detect ms": [row.detect_ms for row in rows], "refine ms": [row.refine_ms for row in rows]}
    return [
        (title, [NONE if each is None else f"{each:.1f}" for each in values], True)
        for title, values in shown.items()
        if any(each is not None for each in values)
    ]


def _paper(rows: Sequence[EvaluationRow]) -> list[Column]:
    columns = [(f"paper {level}", [_percent(row.paper_ap.get(level), 1) for row in rows], True) for level in LEVELS]
    columns.append(("paper NFA", [NONE if row.paper_alarms is None else str(row.paper_alarms) for row in rows], True))
    return [column for column in columns if set(column[1]) != {NONE}]


def differing_parameters(facts: Sequence[Mapping[str, Any]]) -> list[Column]:
    """Returns the parameters in which rows differ, each under the shortest end of its name that no other one has.

    ``facts`` has for each row "stage.parameter" -> plain value.
    """
    # Weights trained here always differ, and follow from the other facts.
    names = [name for name in dict.fromkeys(n for row in facts for n in row) if not name.endswith(f".{CONTENT_HASH}")]
    differing = [name for name in names if any(row.get(name) != facts[0].get(name) for row in facts)]
    columns = {name: [_shown(row.get(name)) for row in facts] for name in differing}
    return [(_title(name, differing), shortened(texts, LONGEST), False) for name, texts in columns.items()]


def _title(name: str, names: Sequence[str]) -> str:
    """Returns the shortest end of a dotted name that belongs to no other one."""
    parts = name.split(".")
    ends = [".".join(parts[start:]) for start in range(len(parts) - 1, 0, -1)]
    alone = (end for end in ends if sum(f".{other}".endswith(f".{end}") for other in names) == 1)
    return next(alone, name)


def _percent(value: float | None, digits: int = 2) -> str:
    return NONE if value is None or math.isnan(value) else f"{100 * value:.{digits}f}"


def _shown(value: Any) -> str:
    if value is None:
        return NONE
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _aligned(column: Column) -> list[str]:
    """Returns title, rule and texts of a column, all of one width; a bar in a text is escaped."""
    title, texts, right = column
    cells = [each.replace("|", "\\|").replace("\n", " ") for each in (title, *texts)]
    width = max(3, *map(len, cells))
    rule = "-" * (width + 1) + (":" if right else "-")
    padded = [f" {each.rjust(width) if right else each.ljust(width)} " for each in cells]
    return [padded[0], rule, *padded[1:]]
