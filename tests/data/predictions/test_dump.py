from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.data.predictions.dump import dump_shards, read_dump, read_dump_table, write_dump
from pipeline.data.predictions.form import WriteOptions
from pipeline.data.predictions.table import PredictionTable
from pipeline.data.records import Detections
from pipeline.data.schemas import DETECTIONS
from pipeline.engine.fingerprint import hash_bytes
from pipeline.engine.shard_record import ShardRecord, item_columns
from tests.data.predictions.conftest import rows_of


def write_shard(file: Path, *rows: Detections) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist([row.to_row() for row in rows], schema=DETECTIONS), file)


def _row(image_id: str, *scores: float) -> Detections:
    boxes = np.array([[i, 1, i + 10, 12] for i, _ in enumerate(scores)], np.float32).reshape(-1, 4)
    return Detections(image_id, 20, 20, boxes + np.float32(0.1), np.array(scores, np.float32))


def test_shards_at_any_depth_in_order(tmp_path: Path) -> None:
    write_shard(tmp_path / "f" / "00001.parquet", _row("e/c", 0.5))
    write_shard(tmp_path / "f" / "00000.parquet", _row("e/a", 0.9, 0.1), Detections("e/b", 0, 0, error="broken"))
    (tmp_path / "f" / ".tmp-1.parquet").write_bytes(b"half written")
    dump = read_dump(tmp_path)
    assert dump.predictions.image_ids == ("e/a", "e/b", "e/c")
    assert dump.predictions.offsets.tolist() == [0, 2, 2, 3]
    assert dump.predictions.boxes[1].tolist() == _row("e/a", 0.9, 0.1).boxes[1].astype(np.float64).tolist()
    assert dump.predictions.scores.tolist() == [float(np.float32(score)) for score in (0.9, 0.1, 0.5)]
    assert dump.errors == {"e/b": "broken"}
    assert len(dump_shards(tmp_path)) == 2


def test_what_is_not_one_dump(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no \*\.parquet"):
        read_dump(tmp_path)
    write_shard(tmp_path / "x" / "0.parquet", _row("e/a", 0.9))
    write_shard(tmp_path / "y" / "0.parquet", _row("e/a", 0.9))
    with pytest.raises(ValueError, match="e/a appears more than once in the predictions; name the folder of one dump"):
        read_dump(tmp_path)
    (tmp_path / "y" / "0.parquet").write_bytes(b"PAR1 broken")
    with pytest.raises(ValueError, match="is not a shard of detections"):
        read_dump(tmp_path / "y")
    pq.write_table(pa.table({"image_id": ["a"]}), tmp_path / "y" / "0.parquet")
    with pytest.raises(ValueError, match="is not a shard of detections"):
        read_dump(tmp_path / "y")


@pytest.mark.parametrize(
    ("name", "value", "message"), [("x1", [1.0], "different lengths"), ("x1", [1.0, np.nan], "finite")]
)
def test_damaged_columns(tmp_path: Path, name: str, value: list[float], message: str) -> None:
    row = {**_row("e/a", 0.9, 0.1).to_row(), name: value}
    pq.write_table(pa.Table.from_pylist([row], schema=DETECTIONS), tmp_path / "0.parquet")
    with pytest.raises(ValueError, match=message):
        read_dump(tmp_path)


def test_a_damaged_or_foreign_shard_is_one_line_that_names_it(tmp_path: Path) -> None:
    shard = tmp_path / "0.parquet"
    write_shard(shard, *[_row(f"e/{n}", 0.9, 0.1) for n in range(50)])
    written = shard.read_bytes()
    row = _row("e/a", 0.9).to_row()
    others = {
        "x1 of string": pa.table({**{name: [value] for name, value in row.items()}, "x1": ["1.5"]}),
        "score of double": pa.table({**{name: [value] for name, value in row.items()}, "score": [0.5]}),
        "image_id of int64": pa.table({**{name: [value] for name, value in row.items()}, "image_id": [7]}),
        "score is empty in 1 rows": pa.table(
            {**{name: [value] for name, value in row.items()}, "score": pa.array([None], pa.list_(pa.float32()))}
        ),
    }
    for content, words in (
        (written[: len(written) // 2], "it is a Parquet file, perhaps cut off"),
        (written[:4] + bytes(len(written) - 8) + written[-4:], "it is a Parquet file"),
        (b"<html>gone</html>", "it is an HTML page"),
        (b"", "it is an empty file"),
        *((table, words) for words, table in others.items()),
    ):
        if isinstance(content, bytes):
            shard.write_bytes(content)
        else:
            pq.write_table(content, shard)
        with pytest.raises(ValueError, match=f"^{shard} is not a shard of detections: .*{words}") as caught:
            read_dump(tmp_path)
        assert "\n" not in str(caught.value)


def test_another_writers_lists_are_read(tmp_path: Path) -> None:
    row = _row("e/a", 0.5, 0.25).to_row()
    table = pa.table({name: [value] for name, value in row.items() if name != "error"})
    pq.write_table(table.append_column("error", pa.nulls(1)), tmp_path / "0.parquet")
    write_shard(tmp_path / "1.parquet", Detections("e/b", 0, 0, error="broken"))
    dump = read_dump(tmp_path)
    assert dump.predictions.scores.tolist() == [0.5, 0.25]
    assert dump.errors == {"e/b": "broken"}


def test_files_of_others_need_no_sizes(tmp_path: Path) -> None:
    write_shard(
        tmp_path / "0.parquet", Detections("b", 0, 0, error="plain text"), Detections("c", 9, 9, error="memory")
    )
    dump = read_dump(tmp_path)
    assert (set(dump.errors), dump.unreadable) == ({"b", "c"}, {"b"})
    table = pq.read_table(tmp_path / "0.parquet").drop_columns(["width", "height"])
    pq.write_table(table, tmp_path / "0.parquet")
    dump = read_dump(tmp_path)
    assert (set(dump.errors), dump.unreadable) == ({"b", "c"}, set())


def test_a_flipped_bit_is_found_by_the_record_beside_a_shard(tmp_path: Path) -> None:
    rows = (_row("a", 0.9), Detections("b", 0, 0, error="plain text"), Detections("c", 99, 99, error="out of memory"))
    write_shard(tmp_path / "0.parquet", *rows)
    data = (tmp_path / "0.parquet").read_bytes()
    items = item_columns({"key": [row.image_id for row in rows], "version": [""] * 3})
    record = ShardRecord("0", "r", 3, len(data), hash_bytes(data), items, [], 0.1, 1, "h")
    (tmp_path / "0.json").write_bytes(record.to_json())
    assert len(read_dump(tmp_path).errors) == 2
    for place in range(0, len(data), 97):
        changed = bytearray(data)
        changed[place] ^= 1 << place % 8
        (tmp_path / "0.parquet").write_bytes(changed)
        with pytest.raises(ValueError, match=r"0\.parquet is damaged: expected the \d+ bytes of its record"):
            read_dump(tmp_path)


def test_one_shard_alone_is_a_dump_by_its_bytes(small: PredictionTable, tmp_path: Path) -> None:
    assert write_dump(small, tmp_path / "out", WriteOptions()) == []
    file = (tmp_path / "out/detections.parquet").rename(tmp_path / "shard")
    assert dump_shards(file) == [file]
    table = read_dump_table(file)
    assert rows_of(table) == rows_of(small)
    assert table.sizes.tolist() == small.sizes.tolist()
    (tmp_path / "text").write_text("PAR0")
    assert dump_shards(tmp_path / "text") == []


def test_sizes_that_are_unknown_and_digits_that_do_not_fit_are_left_out_with_a_line(
    small: PredictionTable, tmp_path: Path
) -> None:
    odd = replace(small, sizes=np.zeros((3, 2), np.int32), boxes=small.boxes / 3, errors={"a.jpg": "no image"})
    assert write_dump(odd, tmp_path / "out", WriteOptions()) == [
        "width and height are left out: the size of some images is unknown",
        "numbers are rounded to single precision",
    ]
    again = read_dump_table(tmp_path / "out")
    assert np.array_equal(again.boxes, odd.boxes.astype(np.float32))
    assert (again.errors, again.unreadable) == ({"a.jpg": "no image"}, frozenset())
