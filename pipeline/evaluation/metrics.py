"""The metrics that may be asked for beside AP: an explicit table. A new one is a file here and an entry in `METRICS`.

Importing it costs nothing, so that the options of a command are known without NumPy and Arrow.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from pipeline.engine.registry import Registry

if TYPE_CHECKING:
    from pipeline.data.datasets.wider_face.ground_truth import WiderGroundTruth
    from pipeline.data.prediction_set import PredictionSet
    from pipeline.evaluation.counted_metric import CountedMetric, Figures

Counted = dict[str, "CountedMetric"]  # name -> what was counted, without what was not asked for


@dataclass(frozen=True, slots=True)
class MetricEntry:
    """What may be asked for, and what counts it.

    Attributes:
        place: module and name of the `CountedMetric`, with a dot between them.
        setting: type of the setting in configs and on the command line; None does not count.
        help: what is counted at which setting, a sentence.
    """

    place: str
    setting: type[bool | int | float | str]
    help: str

    @property
    def kind(self) -> type[CountedMetric]:
        """Its class, imported now if it is not yet."""
        module, _, name = self.place.rpartition(".")
        found: type[CountedMetric] = getattr(import_module(module), name)
        return found


METRICS: Final[Registry[MetricEntry]] = Registry(
    "metric",
    {
        "false_alarms": MetricEntry(
            "pipeline.evaluation.false_alarms.FalseAlarms", float, "Count boxes from this score on that hit no face."
        ),
    },
)


def metric_kinds() -> list[type[CountedMetric]]:
    """Returns the class of every metric, in the order of columns."""
    return [entry.kind for entry in METRICS.values()]


def count_metrics(asked: Mapping[str, Any], predictions: PredictionSet, truth: WiderGroundTruth) -> Counted:
    """Returns the counts of metrics over some images; `asked` is name -> setting, None of those that are not.

    Raises ValueError: there is no metric of a name.
    """
    wanted = {name: setting for name, setting in asked.items() if setting is not None}
    return {name: METRICS.find(name).kind.count(predictions, truth, setting) for name, setting in wanted.items()}


def add_counted(parts: Iterable[Counted]) -> Counted:
    """Returns the sum of the same metrics over parts of the images; {} without any part."""
    total: Counted = {}
    for part in parts:
        total = {name: total[name] + each if name in total else each for name, each in part.items()}
    return total


def ap_values(counted: Counted, subset: str) -> dict[str, Any]:
    """Returns the values of all metrics in a row of `AP`; null of those that were not counted."""
    missing = dict.fromkeys(column.name for kind in metric_kinds() for column in kind.ap_columns)
    return missing | {name: value for each in counted.values() for name, value in each.row(subset).items()}


def figures_of(hard: Mapping[str, Any]) -> Figures:
    """Returns the figures of all metrics that were counted in a row of `AP` of the hard faces."""
    found: dict[str, Any] = {}
    for kind in metric_kinds():
        if any(hard[column.name] is not None for column in kind.ap_columns):
            found |= kind.figures(hard)
    return {name: value for name, value in found.items() if value is not None}


def texts_of(kind: type[CountedMetric], figures: Figures) -> dict[str, str]:
    """Returns what tables show of one metric, title -> text; {} where it was not counted."""
    if not any(column.name in figures for column in kind.table_columns):
        return {}
    return dict(zip(kind.titles, kind.texts(figures), strict=True))
