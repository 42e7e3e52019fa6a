"""A metric of a stranger: one class and one line. Run as a program it is registered before anything is made of it.

How to run: python -m tests.contracts.new_metric FOLDER
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from io import StringIO
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from pipeline.data.datasets.wider_face.ground_truth import WiderGroundTruth
from pipeline.data.prediction_set import PredictionSet
from pipeline.data.schemas import FLOAT64, INT64, columns
from pipeline.evaluation.counted_metric import CountedMetric, Figures
from pipeline.evaluation.metrics import METRICS, MetricEntry
from pipeline.evaluation.result_table import percent
from tests.stages.world import World

NAME = "crowded_images"
PLACE = "tests.contracts.new_metric.CrowdedImages"
ENTRY = MetricEntry(PLACE, int, "Count images with at least so many boxes.")


@dataclass(frozen=True, slots=True)
class CrowdedImages(CountedMetric):
    """Images with at least so many boxes."""

    ap_columns: ClassVar[tuple[pa.Field, ...]] = tuple(columns(INT64, "crowd", "crowded", "uncrowded", null=True))
    table_columns: ClassVar[tuple[pa.Field, ...]] = (
        *columns(INT64, "crowd", null=True),
        *columns(FLOAT64, "crowded_share", null=True),
    )
    titles: ClassVar[tuple[str, ...]] = ("crowded images",)

    boxes: int
    crowded: int
    others: int

    @classmethod
    def count(cls, predictions: PredictionSet, truth: WiderGroundTruth, setting: int) -> CrowdedImages:
        rows = np.diff(predictions.select(truth.image_ids).offsets)
        crowded = int((rows >= setting).sum())
        return cls(setting, crowded, len(truth.image_ids) - crowded)

    def __add__(self, other: CrowdedImages) -> CrowdedImages:
        if self.boxes != other.boxes:
            raise ValueError(f"crowds of {self.boxes} and {other.boxes} boxes do not add up")
        return CrowdedImages(self.boxes, self.crowded + other.crowded, self.others + other.others)

    def row(self, subset: str) -> Mapping[str, Any]:
        return {"crowd": self.boxes, "crowded": self.crowded, "uncrowded": self.others}

    def to_json(self) -> Mapping[str, Any]:
        return asdict(self)

    def line(self, subset: str, faces: int) -> str:
        return f"{self.crowded} images have {self.boxes} boxes or more"

    @classmethod
    def figures(cls, hard: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"crowd": hard["crowd"], "crowded_share": hard["crowded"] / (hard["crowded"] + hard["uncrowded"])}

    @classmethod
    def texts(cls, figures: Figures) -> Sequence[str]:
        return (percent(figures["crowded_share"]),)

    @classmethod
    def at(cls, figures: Figures) -> str:
        return f" at {figures['crowd']}"


def compared(folder: Path) -> World:
    """Two guesses about the same faces, evaluated without the metric, and their table."""
    world = World(folder)
    world.node("faces", "index", dataset={"kind": "synthetic", "images": 5, "width": 160, "height": 120})
    for name, false_alarms in (("few", 1), ("many", 4)):
        world.node(name, "guess", inputs={"samples": "faces"}, false_alarms=false_alarms, run={"shard_rows": 2})
        world.node(f"ap_{name}", "evaluate", inputs={"samples": "faces", "detections": name})
    world.node("table", "table", inputs={"ap": ["ap_few", "ap_many"]}, differences=False)
    return world


def main(folder: Path) -> dict[str, Any]:
    """Returns what the stage, the table and the command say of the metric, and the nodes that its runs compute."""
    METRICS[NAME] = ENTRY
    world = compared(folder)
    computed = [world.done().computed]
    world.nodes["ap_many"][NAME] = 16
    computed += [world.done().computed, world.done().computed]
    return {
        "rows": {name: world.rows(name) for name in ("ap_few", "ap_many", "table")},
        "boxes": [len(each.boxes) for each in world.by_id("many").values()],
        "table": Path(world.store.path("table.md")).read_text(encoding="utf-8"),
        "computed": computed,
        "command": _command(folder),
    }


def _command(folder: Path) -> dict[str, Any]:
    """Returns what `wider8k evaluate` prints and writes."""
    from stages.cli.main import app

    (folder / "faces.csv").write_text("image,x1,y1,x2,y2\na,0,0,99,99\nb,0,0,50,50\n")
    (folder / "found.csv").write_text("image,x1,y1,x2,y2,score\na,0,0,99,99,0.9\na,300,0,319,19,0.8\nb,0,0,50,50,0.4\n")
    files = (str(folder / "found.csv"), "--labels", str(folder / "faces.csv"), "--json", str(folder / "ap.json"))
    found = {}
    for name, options in {"asked": ("--crowded-images", "2"), "plain": (), "help": ("--help",)}.items():
        with redirect_stdout(StringIO()) as out:
            app(["evaluate", *files, *options], standalone_mode=False)
        found[name] = out.getvalue()
        found[f"{name}.json"] = json.loads((folder / "ap.json").read_text(encoding="utf-8"))
    return found


if __name__ == "__main__":
    with redirect_stdout(sys.stderr):
        answer = json.dumps(main(Path(sys.argv[1])))
    print(answer)
