"""Unreadable images of a dump: error rows without a size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pyarrow.parquet as pq

from pipeline.evaluation.dump_reader import dump_shards
from pipeline.evaluation.missing_answers import LEFT_OUT, UNREADABLE

if TYPE_CHECKING:
    from pipeline.evaluation.evaluate_files import EvaluationInputs

_COLUMNS = ["image_id", "width", "height", "error"]


def apply_unreadable(
    inputs: EvaluationInputs, folder: Path, unreadable: Literal["left_out", "missed"]
) -> EvaluationInputs:
    """Returns the inputs of an evaluation without the images that could not be read, or with their number.

    Args:
        inputs: of a dump.
        folder: of the dump.
        unreadable: "left_out" evaluates the other images alone; "missed" counts their faces as missed.
    """
    found = unreadable_images(folder).keys() & set(inputs.truth.image_ids)
    if not found:
        return inputs
    protocol = {**inputs.protocol, (LEFT_OUT if unreadable == "left_out" else UNREADABLE): len(found)}
    if unreadable == "missed":
        return replace(inputs, protocol=protocol)
    truth = inputs.truth.restrict(set(inputs.truth.image_ids) - found)
    if not truth.image_ids:
        raise ValueError(f"{folder}: none of {len(found)} images could be read: nothing to evaluate")
    lines = inputs.problems["errors"]
    left_out = [line for line in lines if line.partition(": ")[0] in found]
    errors = [line for line in lines if line not in left_out]
    problems = {**inputs.problems, "errors": errors, "unreadable, left out of AP": left_out}
    chosen = inputs.predictions.select(truth.image_ids)
    return replace(inputs, truth=truth, predictions=chosen, protocol=protocol, problems=problems)


def unreadable_images(folder: Path) -> Mapping[str, str]:
    """Returns image_id -> reason of the rows that hold an error and no size; a foreign file may lack these columns."""
    found: dict[str, str] = {}
    for shard in dump_shards(folder):
        if set(_COLUMNS) <= set(pq.read_schema(shard).names):
            rows = pq.read_table(shard, columns=_COLUMNS, partitioning=None).to_pylist()
            found |= {r["image_id"]: r["error"] for r in rows if r["error"] is not None and not r["width"]}
    return found
