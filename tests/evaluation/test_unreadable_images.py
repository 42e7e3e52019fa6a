from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.data.datasets.wider_face.ground_truth import WiderGroundTruth
from pipeline.data.prediction_set import PredictionSet
from pipeline.data.records import Detections
from pipeline.data.schemas import DETECTIONS
from pipeline.engine.fingerprint import hash_bytes
from pipeline.engine.shard_record import ShardRecord
from pipeline.engine.shards import encode
from pipeline.evaluation.dump_reader import read_dump, unreadable_images
from pipeline.evaluation.evaluate_files import EvaluationInputs, apply_unreadable

FACE = np.array([[10, 10, 19, 19]], np.float32)
ROWS = (
    Detections("a", 99, 99, FACE, np.array([0.9], np.float32)),
    Detections("b", 0, 0, error="plain text"),
    Detections("c", 99, 99, error="out of memory"),
)


def dump(folder: Path, *rows: Detections) -> bytes:
    folder.mkdir(exist_ok=True)
    data = encode(pa.Table.from_pylist([row.to_row() for row in rows], schema=DETECTIONS))
    (folder / "0.parquet").write_bytes(data)
    return data


def inputs() -> EvaluationInputs:
    """One face in each of the three images."""
    names = tuple(row.image_id for row in ROWS)
    flags = {level: (np.ones(1, bool),) * 3 for level in ("easy", "medium", "hard")}
    truth = WiderGroundTruth(names, (FACE.astype(np.float64),) * 3, flags)
    problems = {"missing": [], "errors": ["b: plain text", "c: out of memory"]}
    return EvaluationInputs(truth, PredictionSet.of(ROWS), problems=problems)


def test_what_nobody_could_read_is_left_out_by_choice_and_counted(tmp_path: Path) -> None:
    dump(tmp_path, *ROWS)
    without = apply_unreadable(inputs(), tmp_path, "left_out")
    result = without.evaluate()
    assert result.ap["hard"] == 0.5  # of a, found, and c, which the detector failed on
    assert result.counts["hard"].faces == 2
    assert result.protocol["images_left_out"] == 1
    assert result.problems["errors"] == ["c: out of memory"]
    assert result.problems["unreadable, left out of AP"] == ["b: plain text"]
    missed = apply_unreadable(inputs(), tmp_path, "missed").evaluate()
    assert (missed.ap["hard"], missed.counts["hard"].faces) == (pytest.approx(1 / 3), 3)
    assert missed.protocol["images_unreadable"] == 1
    assert missed.problems["errors"] == ["b: plain text", "c: out of memory"]


def test_where_all_can_be_read_nothing_changes(tmp_path: Path) -> None:
    dump(tmp_path, ROWS[0], ROWS[2])
    same = inputs()
    assert apply_unreadable(same, tmp_path, "left_out") is same


def test_files_of_others_need_no_sizes(tmp_path: Path) -> None:
    pq.write_table(pa.table({"image_id": ["b"], "error": ["plain text"]}), tmp_path / "0.parquet")
    assert unreadable_images(tmp_path) == {}


def test_a_flipped_bit_is_found_by_the_record_beside_a_shard(tmp_path: Path) -> None:
    data = dump(tmp_path, *ROWS)
    record = ShardRecord(
        "0", "r", 3, len(data), hash_bytes(data), [(row.image_id, "") for row in ROWS], [], 0.1, 1, "h"
    )
    (tmp_path / "0.json").write_bytes(record.to_json())
    assert len(read_dump(tmp_path).errors) == 2
    for place in range(0, len(data), 97):
        changed = bytearray(data)
        changed[place] ^= 1 << place % 8
        (tmp_path / "0.parquet").write_bytes(changed)
        with pytest.raises(ValueError, match=r"0\.parquet is damaged: expected the \d+ bytes of its record"):
            read_dump(tmp_path)
