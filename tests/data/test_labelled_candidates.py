"""One row of labelled candidates at a time, by number."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.data import labelled_candidates
from pipeline.data.labelled_candidates import LabelledCandidateReader, LabelledCandidates
from pipeline.data.schemas import LABELLED_CANDIDATES
from pipeline.engine.manifest import Artifact
from tests.data.stored_labelled import drawn, stored

ROWS = [drawn("a", (5, 3)), drawn("b", (0, 4), 1), drawn("c", (2, 0), 2), drawn("d", (0, 0), 3), drawn("e", (6, 1), 4)]


def same(one: LabelledCandidates, other: LabelledCandidates) -> bool:
    plain = all(getattr(one, each) == getattr(other, each) for each in ("image_id", "path", "width", "height", "valid"))
    return plain and all(
        np.array_equal(getattr(one, each), getattr(other, each)) and getattr(one, each).dtype == np.float32
        for each in ("boxes", "scores", "overlaps")
    )


def test_a_row_survives_the_table() -> None:
    table = pa.Table.from_pylist([each.to_row() for each in ROWS], schema=LABELLED_CANDIDATES)
    assert all(same(LabelledCandidates.from_row(row), each) for row, each in zip(table.to_pylist(), ROWS, strict=True))


def test_rows_by_number_in_any_order(tmp_path: Path) -> None:
    rows = LabelledCandidateReader(stored(tmp_path, ROWS[:2], [], ROWS[2:]))
    assert len(rows) == 5 and [rows.name(number) for number in range(5)] == list("abcde")
    for number in (4, 0, 3, 1, 2, 4):
        assert same(rows[number], ROWS[number])


def test_the_boxes_of_one_detector() -> None:
    ranking = ROWS[0]
    for place, rows in ((0, slice(0, 5)), (1, slice(5, 8))):
        boxes, scores, overlaps = ranking.of_detector(place)
        np.testing.assert_array_equal(boxes, ranking.boxes[rows])
        np.testing.assert_array_equal(scores, ranking.scores[rows])
        np.testing.assert_array_equal(overlaps, ranking.overlaps[rows])
    assert len(ROWS[1].of_detector(0)[1]) == 0 and len(ROWS[1].of_detector(1)[1]) == 4


def test_errors_are_left_out_and_only_the_first_are_taken(tmp_path: Path) -> None:
    broken = LabelledCandidates("x", "x.png", 0, 0, (0, 0), error="images: cut off")
    artifact = stored(tmp_path, [ROWS[0], broken, ROWS[1]], [broken, ROWS[2], ROWS[3]])
    rows = LabelledCandidateReader(artifact)
    assert [rows.name(number) for number in range(len(rows))] == list("abcd")
    assert all(same(rows[number], ROWS[number]) for number in range(4))
    few = LabelledCandidateReader(artifact, most=3)
    assert len(few) == 3 and same(few[2], ROWS[2])


def test_rows_that_do_not_count_any_more_are_left_out(tmp_path: Path) -> None:
    """A shard of an earlier run serves again row by row: the manifest says which of its rows count."""
    artifact = stored(tmp_path, ROWS[:3], ROWS[3:])
    first, second = artifact.manifest.shards
    manifest = replace(artifact.manifest, shards=(replace(first, keys=("a", "c")), second))
    rows = LabelledCandidateReader(Artifact(artifact.store, manifest))
    assert [rows.name(number) for number in range(len(rows))] == list("acde")
    assert same(rows[1], ROWS[2]) and same(rows[2], ROWS[3])


def test_other_rows_are_not_read(tmp_path: Path) -> None:
    """Their bytes may even be gone."""
    artifact = stored(tmp_path, ROWS)
    rows = LabelledCandidateReader(artifact)
    name = artifact.store.path("join/recipe/shard-0.parquet")
    footer = pq.read_metadata(name)
    data = bytearray(Path(name).read_bytes())
    for number in (0, 1, 3, 4):
        group = footer.row_group(number)
        for column in map(group.column, range(group.num_columns)):
            start = column.dictionary_page_offset or column.data_page_offset
            data[start : start + column.total_compressed_size] = bytes(column.total_compressed_size)
    Path(name).write_bytes(data)
    assert same(rows[2], ROWS[2])
    with pytest.raises(ValueError, match=r"(?s)shard-0\.parquet: .* found a damaged one .* --force join"):
        rows[4]


def test_a_read_that_fails_on_the_way_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = LabelledCandidateReader(stored(tmp_path, ROWS))

    def failing(*_: object) -> None:
        raise OSError("AWS Error INTERNAL_FAILURE during GetObject operation")

    monkeypatch.setattr(labelled_candidates, "_footer", failing)
    assert same(rows[2], ROWS[2])


def test_readers_pickle_and_serve_several_threads(tmp_path: Path) -> None:
    rows = LabelledCandidateReader(stored(tmp_path, ROWS[:3], ROWS[3:]))
    twin = pickle.loads(pickle.dumps(rows))
    assert len(pickle.dumps(rows)) < 2000
    labelled_candidates._footer.cache_clear()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda number: twin[number % 5], range(60)))
    assert all(same(each, ROWS[number % 5]) for number, each in enumerate(found))


def test_a_file_written_again_is_read_again(tmp_path: Path) -> None:
    assert same(LabelledCandidateReader(stored(tmp_path, ROWS))[1], ROWS[1])
    others = [replace(ROWS[0], image_id="a much longer name than before"), *ROWS[2:]]
    assert same(LabelledCandidateReader(stored(tmp_path, others))[1], ROWS[2])


def test_files_that_cannot_be_read_row_by_row_are_refused(tmp_path: Path) -> None:
    expected = "5 rows in 1 row groups cannot be read one by one; expected the output of stage label_candidates"
    with pytest.raises(ValueError, match=expected):
        LabelledCandidateReader(stored(tmp_path, ROWS, row_group=None))
    artifact = stored(tmp_path, ROWS)
    file = Path(artifact.store.path("join/recipe/shard-0.parquet"))
    file.write_bytes(file.read_bytes()[:-30])
    labelled_candidates._footer.cache_clear()
    with pytest.raises(ValueError, match="is damaged: expected the"):
        LabelledCandidateReader(artifact)


def test_lengths_that_disagree_are_refused() -> None:
    with pytest.raises(ValueError, match=r"a: boxes \(8, 4\), scores \(8,\) and overlaps \(8,\) for 5 \+ 4 rows"):
        replace(ROWS[0], valid=(5, 4))
    with pytest.raises(ValueError, match=r"overlaps \(7,\)"):
        replace(ROWS[0], overlaps=ROWS[0].overlaps[1:])
