from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.io

from pipeline.data.records import Detections
from pipeline.data.schemas import DETECTIONS
from pipeline.data.wider_text import PredictionTextError, TextReport, write_wider_text
from pipeline.data.wider_text_lines import MalformedLine
from pipeline.evaluation.command import read_image_list, read_inputs, report_page, text_problems
from pipeline.evaluation.wider_result import WiderResult

FACE = [[10, 10, 9, 9]]


def _cells(*values: Any) -> np.ndarray:
    column = np.empty((len(values), 1), object)
    for row, value in enumerate(values):
        column[row, 0] = value
    return column


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images e/a, e/b and e/c with one face each; it counts in medium and hard."""
    folder = tmp_path_factory.mktemp("truth")
    boxes = _cells(_cells(*[np.array(FACE, np.int32)] * 3))
    base = {"event_list": _cells("e"), "file_list": _cells(_cells("a", "b", "c")), "face_bbx_list": boxes}
    scipy.io.savemat(folder / "wider_face_val.mat", base)
    for level, kept in (
        ("easy", np.zeros((0, 0), np.uint8)),
        *((k, np.ones((1, 1), np.uint8)) for k in ("medium", "hard")),
    ):
        scipy.io.savemat(folder / f"wider_{level}_val.mat", {"gt_list": _cells(_cells(kept, kept, kept))})
    return folder


def _row(image_id: str, *scores: float) -> Detections:
    """The face, a second box on nearly the same place, and boxes far from it."""
    boxes = [[10, 10, 19, 19], [10, 10, 19, 18], *([50 + 20 * n, 50, 60 + 20 * n, 60] for n in range(len(scores)))]
    chosen = np.array(boxes[: len(scores)], np.float32).reshape(-1, 4)
    return Detections(image_id, 99, 99, chosen, np.array(scores, np.float32))


ROWS = (_row("e/a", 0.9, 0.8, 0.01), _row("e/b", 0.7), _row("e/c"))


def _dump(folder: Path, *rows: Detections) -> Path:
    folder.mkdir()
    pq.write_table(pa.Table.from_pylist([row.to_row() for row in rows], schema=DETECTIONS), folder / "0.parquet")
    return folder


def result_of(*arguments: Path, **options: Any) -> WiderResult:
    return read_inputs(*arguments, **options).evaluate()


def test_text_and_dump_give_the_same(truth: Path, tmp_path: Path) -> None:
    write_wider_text(tmp_path / "text", ROWS, truncate=False)
    text = result_of(tmp_path / "text", truth)
    dump = result_of(_dump(tmp_path / "dump", *ROWS), truth)
    assert text.counts == dump.counts
    assert (text.protocol["source"], dump.protocol["source"]) == ("WIDER text", "dump")
    assert (text.protocol["boxes"], text.problems) == (4, {})
    assert np.isnan(text.ap["easy"])
    assert text.ap["hard"] == pytest.approx(1 / 3 + 1 / 3 * 2 / 3)


def test_score_cut_and_suppression_only_where_asked(truth: Path, tmp_path: Path) -> None:
    dump = _dump(tmp_path / "dump", *ROWS)
    assert result_of(dump, truth, nms=0.4, score=0.02).counts["hard"].boxes == 2
    assert result_of(dump, truth, score=0.02).counts["hard"].boxes == 3
    result = result_of(dump, truth, nms=0.4)
    assert result.counts["hard"].boxes == 3
    assert (result.protocol["nms"], result.protocol["score_cut"]) == (0.4, None)
    assert result.counts["hard"].proposals[999] == 3


def test_a_list_of_images_restricts_and_renormalises(truth: Path, tmp_path: Path) -> None:
    listing = tmp_path / "list.txt"
    listing.write_text("# two of three\ne/b.jpg\n\ne/c\n")
    write_wider_text(tmp_path / "text", ROWS[:2])
    result = result_of(tmp_path / "text", truth, images=listing)
    assert (result.protocol["images"], result.protocol["restricted"]) == (2, True)
    assert (result.protocol["score_min"], result.protocol["score_max"]) == (float(np.float32(0.7)),) * 2
    assert result.problems["missing"] == ["e/c.txt"]
    assert "extra" not in result.problems  # e/a exists, it is only not wanted
    listing.write_text("e/d.jpg\n")
    with pytest.raises(ValueError, match="not in the ground truth: e/d"):
        result_of(tmp_path / "text", truth, images=listing)
    listing.write_text("# none\n")
    with pytest.raises(ValueError, match="lists no image"):
        read_image_list(listing)


def test_problems_of_a_dump(truth: Path, tmp_path: Path) -> None:
    dump = _dump(tmp_path / "dump", ROWS[0], Detections("e/b", 0, 0, error="truncated"), _row("e/zz", 0.9))
    result = result_of(dump, truth)
    assert result.problems == {"missing": ["e/c"], "errors": ["e/b: truncated"]}
    assert result.counts["hard"].faces == 3


def test_mistakes_are_refused_with_the_choices(truth: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="choose matlab or python"):
        result_of(tmp_path, truth, reading="octave")
    with pytest.raises(ValueError, match=r"0\.\.1, got 4"):
        result_of(tmp_path, truth, nms=4)
    with pytest.raises(FileNotFoundError, match="no predictions"):
        result_of(tmp_path / "none", truth)
    with pytest.raises(FileNotFoundError, match=r"wider_face_val\.mat"):
        result_of(tmp_path, tmp_path)
    write_wider_text(tmp_path / "text", ROWS[:2])
    with pytest.raises(PredictionTextError, match="no file for e/c"):
        result_of(tmp_path / "text", truth, reading="python")


def test_text_problems() -> None:
    report = TextReport(9, 9, ("e/a",), ("x.txt",), (MalformedLine("f", 3, "a", "b"),), ("d",))
    assert text_problems(report) == {
        "missing": ["e/a.txt"],
        "extra": ["x.txt"],
        "malformed": ["f:3: expected a, found b"],
        "disagreeing": ["d"],
    }


def test_page_of_an_evaluation(truth: Path, tmp_path: Path) -> None:
    write_wider_text(tmp_path / "text", ROWS[:2])
    inputs = read_inputs(tmp_path / "text", truth)
    page = report_page(inputs, inputs.evaluate(), "mine", commands=["wider8k evaluate text"])
    assert "mine on WIDER FACE" in page
    assert "missing: e/c.txt" in page
    assert "2 of 3 faces found" in page
    assert "wider8k evaluate text" in page


@pytest.mark.wider
def test_the_whole_set_without_torch_or_ray(shared: Path) -> None:
    code = """
import json, sys
from pathlib import Path
from pipeline.evaluation.command import read_inputs
result = read_inputs(Path(sys.argv[1]), Path(sys.argv[2])).evaluate()
loaded = [name for name in ("torch", "ray", "cv2", "matplotlib") if name in sys.modules]
print(json.dumps([loaded, json.loads(result.to_json())]))
"""
    files = [str(shared / "data/predictions/yolov7_face.tar.gz"), str(shared / "data/wider_val_gt")]
    done = subprocess.run([sys.executable, "-c", code, *files], capture_output=True, text=True, check=True)
    loaded, content = json.loads(done.stdout)
    assert loaded == []
    expected = json.loads((shared / "reference/wider_eval/expected.json").read_text())["sets"]["yolov7_face"]["ap"]
    assert {subset: round(content[subset], 10) for subset in expected} == expected
