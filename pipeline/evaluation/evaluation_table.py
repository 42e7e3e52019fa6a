"""Several evaluations as one table: AP, counted metrics, the parameters that differ, a paper's figures.

Nothing is rounded before it is printed; the Markdown is aligned, so that it reads well in a terminal too.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pipeline.data.schemas import LEVELS
from pipeline.evaluation.counted_metric import CountedMetric, Figures
from pipeline.evaluation.metrics import metric_kinds, texts_of
from pipeline.evaluation.result_table import NONE, shortened

CONTENT_HASH: Final = "content_hash"  # last part of a fact's name
LONGEST: Final = 28  # characters of a parameter's value
Column = tuple[str, list[str], bool]  # title, one text per row, whether it is a number, aligned to the right
_PLAIN: Final = ("name", "paper_alarms", "detect_ms", "refine_ms", "left_out")


@dataclass(frozen=True, slots=True)
class EvaluationRow:
    """One row of the table.

    Attributes:
        name: of the row.
        ap: "easy" | "medium" | "hard" -> AP in 0..1, NaN where no face counts.
        metrics: figures of the metrics that were counted, see `figures_of`.
        paper_ap: level -> AP in a paper, in 0..1; without the levels that it does not state.
        paper_alarms: false alarms in it, None where it does not state them.
        facts: "stage.parameter" -> plain value, of all that led to this row.
        detect_ms: milliseconds of one image in one worker, from its bytes to candidates; None where not measured.
        refine_ms: likewise, from candidates to detections.
        left_out: unreadable images that AP leaves out.
    """

    name: str
    ap: Mapping[str, float]
    metrics: Figures = field(default_factory=dict)
    paper_ap: Mapping[str, float] = field(default_factory=dict)
    paper_alarms: int | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    detect_ms: float | None = None
    refine_ms: float | None = None
    left_out: int = 0

    def to_row(self) -> dict[str, Any]:
        """Returns a row of `result_schemas.COMPARISON`."""
        return {
            **{name: getattr(self, name) for name in _PLAIN},
            **{name: self.metrics.get(name) for name in _metric_columns()},
            **{level: self.ap[level] for level in LEVELS},
            **{f"paper_{level}": self.paper_ap.get(level) for level in LEVELS},
            "facts": json.dumps(dict(self.facts), sort_keys=True, ensure_ascii=False),
        }

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> EvaluationRow:
        """Returns the record of a row of `result_schemas.COMPARISON`."""
        stated = {level: row[f"paper_{level}"] for level in LEVELS}
        return cls(
            **{name: row[name] for name in _PLAIN},
            ap={level: row[level] for level in LEVELS},
            metrics={name: row[name] for name in _metric_columns() if row[name] is not None},
            paper_ap={level: value for level, value in stated.items() if value is not None},
            facts=json.loads(row["facts"]),
        )


def markdown(rows: Sequence[EvaluationRow]) -> str:
    """Returns the table as Markdown, one line per row, ending in a newline.

    AP in per cent with two digits. Empty columns are left out, and so are the parameters in which the rows
    agree.
    """
    ap: list[Column] = [(level, [_percent(row.ap[level]) for row in rows], True) for level in LEVELS]
    metrics = [column for kind in metric_kinds() for column in _counted(kind, rows)]
    figures = [*ap, *metrics, *_left_out(rows), *_times(rows), *_paper(rows)]
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


def _metric_columns() -> list[str]:
    return [column.name for kind in metric_kinds() for column in kind.table_columns]


def _counted(kind: type[CountedMetric], rows: Sequence[EvaluationRow]) -> list[Column]:
    """Returns the columns of one metric; none where no row has it."""
    shown = [texts_of(kind, row.metrics) for row in rows]
    settings = [kind.at(row.metrics) if texts else None for row, texts in zip(rows, shown, strict=True)]
    if not any(shown):
        return []
    known = {each for each in settings if each is not None}
    one = known.pop() if len(known) == 1 else ""  # figures at different settings are not comparable

    def text(title: str, texts: Mapping[str, str], setting: str | None) -> str:
        return f"{texts[title]}{'' if one else setting}" if texts else NONE

    return [
        (f"{title}{one}", [text(title, *each) for each in zip(shown, settings, strict=True)], True)
        for title in kind.titles
    ]


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
