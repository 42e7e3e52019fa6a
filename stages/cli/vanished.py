"""False alarms that vanish once they are examined again, beside the faces that vanish with them (MogFace, Fig. 1c)."""

from __future__ import annotations

from pipeline.evaluation.evaluation_table import EvaluationRow
from pipeline.evaluation.paper_items import PaperItem
from pipeline.evaluation.paper_tables import PaperRow, beside
from pipeline.evaluation.result_table import NONE, percent
from stages.cli.finished_run import FinishedRun, PaperResult


def vanished_result(item: PaperItem, run: FinishedRun, node: str) -> PaperResult:
    """Returns what is left of the first row's false alarms and found faces in each row of a table.

    Raises:
        ValueError: the table's evaluations count no false alarms.
    """
    compared = [EvaluationRow.from_row(row) for row in run.artifact(node).rows()]
    first = compared[0]
    if any("alarms" not in row.metrics for row in compared):
        raise ValueError(
            f"{node}: expected evaluations that count false alarms (false_alarms: 0.5), found some without"
        )
    rows = []
    for each in compared:
        name = item.rows.get(each.name, each.name)
        alarms, recall = each.metrics["alarms"], each.metrics.get("recall")
        cells = {"false alarms": f"{alarms:,}", "hard recall": percent(_number(recall))}
        if each is not first:
            cells["alarms vanished"] = _lost(alarms, first.metrics["alarms"])
            cells["faces vanished"] = _lost(recall, first.metrics.get("recall"))
        cells["hard AP"] = percent(each.ap["hard"])
        stated = {column: _text(number) for column, number in item.paper.get(each.name, {}).items()}
        rows.append(PaperRow(name, cells, stated))
    note = (
        f"At a score of {first.metrics['alarm_score']:g}. Vanished: per cent of the first row's false alarms, and of "
        "the hard faces that it finds, that are no longer there. The paper's share is of another detector, and "
        "what its crops are is not in our notes."
    )
    return PaperResult([beside(item.shows, rows, note)], run.runs(item, node))


def _lost(after: float | None, before: float | None) -> str:
    return percent(1 - after / before) if after is not None and before else NONE


def _text(number: float | str) -> str:
    return number if isinstance(number, str) else f"{number:g}"


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
