from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.io

from pipeline.data.datasets.labels import image_files, yolo_text
from pipeline.data.datasets.labels.conversion import convert_labels
from pipeline.data.datasets.labels.found_labels import find_labels
from pipeline.data.datasets.wider_face.ground_truth import WiderGroundTruth
from pipeline.data.prediction_set import PredictionSet
from pipeline.data.predictions.conversion import convert_predictions
from pipeline.data.predictions.matching import GivenPredictions
from pipeline.data.records import Detections
from pipeline.data.schemas import DETECTIONS
from pipeline.evaluation.evaluate_files import (
    EvaluationInputs,
    apply_unreadable,
    read_inputs,
    read_labels,
    report_page,
)
from pipeline.evaluation.wider_result import WiderResult
from tests.data.wider_text import write_wider_text
from tests.evaluation.six_photographs import NAMES, write_photographs

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
    np.testing.assert_equal(asdict(text)["counts"], asdict(dump)["counts"])
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
    listing.write_text("./e/A.JPG\ne/d.jpg\n")
    result = result_of(tmp_path / "text", truth, images=listing)
    assert (result.protocol["images"], result.problems) == (1, {"listed, not labelled": ["e/d.jpg"]})
    listing.write_text("e/d.jpg\n")
    with pytest.raises(ValueError, match="expected names of images such as e/a, found none: e/d.jpg and the like"):
        result_of(tmp_path / "text", truth, images=listing)


def test_problems_of_a_dump(truth: Path, tmp_path: Path) -> None:
    dump = _dump(tmp_path / "dump", ROWS[0], Detections("e/b", 0, 0, error="truncated"), _row("e/zz", 0.9))
    result = result_of(dump, truth)
    assert result.problems == {"missing": ["e/c"], "extra": ["e/zz"], "errors": ["e/b: truncated"]}
    assert result.counts["hard"].faces == 3


def test_mistakes_are_refused_with_the_choices(truth: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"0\.\.1, got 4"):
        result_of(tmp_path, truth, nms=4)
    with pytest.raises(FileNotFoundError, match="no predictions"):
        result_of(tmp_path / "none", truth)
    with pytest.raises(FileNotFoundError, match=r"wider_face_val\.mat"):
        result_of(tmp_path, tmp_path)
    write_wider_text(tmp_path / "text", ROWS[:2])
    with pytest.raises(ValueError, match="no file for e/c"):
        result_of(tmp_path / "text", truth, reading="python")


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, np.ndarray]]:
    """Twelve images e/0.. with three faces each that count everywhere, and the faces: x y w h."""
    folder = tmp_path_factory.mktemp("crowd")
    rng = np.random.default_rng(5)
    faces = {f"e/{n}": np.c_[rng.integers(60, 400, (3, 2)), rng.integers(20, 50, (3, 2))] for n in range(12)}
    names = _cells(*(name.removeprefix("e/") for name in faces))
    base = {"event_list": _cells("e"), "file_list": _cells(names), "face_bbx_list": _cells(_cells(*faces.values()))}
    scipy.io.savemat(folder / "wider_face_val.mat", base)
    kept = _cells(*[np.array([[1], [2], [3]], np.uint8)] * len(faces))
    for level in ("easy", "medium", "hard"):
        scipy.io.savemat(folder / f"wider_{level}_val.mat", {"gt_list": _cells(kept)})
    return folder, faces


def _text(folder: Path, faces: dict[str, np.ndarray], change: Any = lambda rows: rows, name: str = "{}.txt") -> Path:
    for image_id, xywh in faces.items():
        rows = change(np.c_[xywh.astype(float), [0.9, 0.6, 0.3]])
        file = folder / name.format(image_id)
        file.parent.mkdir(parents=True, exist_ok=True)
        lines = [" ".join(f"{number:g}" for number in row) for row in rows]
        file.write_text("\n".join([image_id, str(len(lines)), *lines]) + "\n")
    return folder


CORNERS, CENTRE, SHARES = [
    np.array(matrix, float)
    for matrix in (
        [[1, 0, 1, 0, 0], [0, 1, 0, 1, 0], [0, 0, 1, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 1]],
        [[1, 0, 0, 0, 0], [0, 1, 0, 0, 0], [0.5, 0, 1, 0, 0], [0, 0.5, 0, 1, 0], [0, 0, 0, 0, 1]],
        np.diag([1 / 500, 1 / 500, 1 / 500, 1 / 500, 1]),
    )
]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda rows: rows @ CORNERS, "look like x1 y1 x2 y2 score: so read they meet 36 of 36 faces"),
        (lambda rows: rows @ CENTRE, "look like cx cy w h score"),
        (lambda rows: rows @ SHARES, "found numbers in 0..1"),
        (lambda rows: rows[:, [4, 0, 1, 2, 3]], "look like score x y w h"),
        (lambda rows: np.c_[np.zeros(3), rows], "look like class x y w h score"),
        (lambda rows: np.c_[rows, np.ones(3)], "leave out what follows the score"),
    ],
)  # fmt: skip
def test_predictions_in_another_form_are_refused(
    crowd: tuple[Path, dict[str, np.ndarray]], tmp_path: Path, change: Any, words: str
) -> None:
    truth, faces = crowd
    assert result_of(_text(tmp_path / "good", faces), truth).ap == {"easy": 1, "medium": 1, "hard": 1}
    with pytest.raises(ValueError, match=f"^{tmp_path}/text: expected rows of x y w h score .*{words}"):
        read_inputs(_text(tmp_path / "text", faces, change), truth)


@pytest.mark.parametrize("name", ["{}.jpg.txt", "{}.TXT", "found/{}.txt", "found/E/{}.txt", "FLAT"])
def test_names_are_compared_tolerantly(crowd: tuple[Path, dict[str, np.ndarray]], tmp_path: Path, name: str) -> None:
    truth, faces = crowd
    text = _text(tmp_path / "text", faces, name=name if name != "FLAT" else "{}.txt")
    if name == "FLAT":
        text = text / "e"
    result = result_of(text, truth)
    assert (result.ap["hard"], result.problems) == (1, {})


def test_the_python_tool_finds_files_by_their_first_line(
    crowd: tuple[Path, dict[str, np.ndarray]], tmp_path: Path
) -> None:
    truth, faces = crowd
    assert result_of(_text(tmp_path / "a", faces, name="{}.jpg.txt"), truth, reading="python").ap["hard"] == 1
    with pytest.raises(ValueError, match="none of 12 images has a file, the first would be e/\\d+.txt; "):
        read_inputs(_text(tmp_path / "b", faces, name="flat_{}.txt"), truth, reading="python")


def test_names_that_do_not_match_are_refused(crowd: tuple[Path, dict[str, np.ndarray]], tmp_path: Path) -> None:
    truth, faces = crowd
    with pytest.raises(ValueError, match="none of 12 images has a file.*found flat_e/0.txt: put it into a folder e"):
        read_inputs(_text(tmp_path / "flat", faces, name="flat_{}.txt"), truth)
    with pytest.raises(ValueError, match=r"expected predictions as .*found no text, but e/\d+\.json"):
        read_inputs(_text(tmp_path / "other", faces, name="{}.json"), truth)
    both = _text(_text(tmp_path / "both", faces), faces, name="{}.jpg.txt")
    with pytest.raises(ValueError, match=r"e/0(\.jpg)?\.txt and e/0(\.jpg)?\.txt are both files of e/0"):
        read_inputs(both, truth)


def test_a_dump_that_cannot_be_meant_is_refused(crowd: tuple[Path, dict[str, np.ndarray]], tmp_path: Path) -> None:
    truth, faces = crowd

    def dump(name: str, rename: str = "{}", change: Any = lambda boxes: boxes, error: str | None = None) -> Path:
        rows = []
        for image_id, xywh in faces.items():
            boxes = change(np.c_[xywh[:, :2], xywh[:, :2] + xywh[:, 2:]]).astype(np.float32)
            scores = np.array([0.9, 0.6, 0.3], np.float32)
            row = Detections(rename.format(image_id), 500, 500, boxes, scores) if error is None else None
            rows.append(row or Detections(rename.format(image_id), 0, 0, error=error))
        return _dump(tmp_path / name, *rows)

    assert result_of(dump("good"), truth).ap["hard"] == 1
    assert result_of(dump("named", "{}.jpg"), truth).ap["hard"] == 1
    with pytest.raises(ValueError, match="found other-e/0 and 11 more|found other-e/0: put it into a folder e"):
        read_inputs(dump("other", "other-{}"), truth)
    with pytest.raises(ValueError, match="expected rows of x1 y1 x2 y2 score .* look like x y w h score"):
        read_inputs(dump("sizes", change=lambda boxes: np.c_[boxes[:, :2], boxes[:, 2:] - boxes[:, :2]]), truth)
    with pytest.raises(ValueError, match="expected detections, found 12 rows that are all errors: e/0: out of memory"):
        read_inputs(dump("failed", error="out of memory"), truth)


def test_what_finds_nothing_is_evaluated_and_says_so(crowd: tuple[Path, dict[str, np.ndarray]], tmp_path: Path) -> None:
    truth, faces = crowd
    nothing = result_of(_text(tmp_path / "none", faces, lambda rows: rows[:0]), truth)
    assert (nothing.ap["hard"], nothing.problems) == (0, {"boxes": ["none in any image with faces: nothing was found"]})
    wrong = result_of(_text(tmp_path / "off", faces, lambda rows: rows - [-500, -500, 0, 0, 0]), truth)
    assert (wrong.ap["hard"], wrong.problems) == (0, {"boxes": ["none of 36 meets a face that counts"]})
    part = result_of(_text(tmp_path / "part", dict(list(faces.items())[:1])), truth)
    assert part.ap["hard"] == pytest.approx(1 / 12)
    assert len(part.problems["missing"]) == 11


def test_page_of_an_evaluation(truth: Path, tmp_path: Path) -> None:
    write_wider_text(tmp_path / "text", ROWS[:2])
    inputs = read_inputs(tmp_path / "text", truth)
    page = report_page(inputs, inputs.evaluate(), "mine", commands=["wider8k evaluate text"])
    assert "mine on WIDER FACE" in page
    assert "missing: e/c.txt" in page
    assert "2 of 3 faces found" in page
    assert "wider8k evaluate text" in page


def test_labels_of_ones_own_by_the_same_rule(crowd: tuple[Path, dict[str, np.ndarray]], tmp_path: Path) -> None:
    truth, faces = crowd
    rows = [
        f"{name}.jpg,{','.join(map(str, face))},{row == 2 and name == 'e/3':d}"
        for name, each in faces.items()
        for row, face in enumerate(each.tolist())
    ]
    labels = tmp_path / "labels.csv"
    labels.write_text("\n".join(["image,x,y,w,h,ignore", *rows]))
    text = _text(tmp_path / "text", dict(list(faces.items())[:6]))
    inputs = read_inputs(text, read_labels(labels))
    result = inputs.evaluate({"false_alarms": 0.5})
    assert result.ap["all"] == pytest.approx(17 / 35)
    assert (result.counts["all"].faces, result.metrics["false_alarms"].found) == (35, {"all": 12})
    assert result.problems["missing"] == [f"{name}.jpg" for name in list(faces)[6:]]
    assert (result.protocol["labels"], result.protocol["source"]) == ("CSV", "WIDER text")
    page = report_page(inputs, result, "mine")
    assert "mine on CSV" in page and "labels by the rule of WIDER FACE" in page
    assert result_of(text, truth).ap["hard"] == result_of(text, read_labels(truth)).ap["hard"] == pytest.approx(18 / 36)
    with pytest.raises(ValueError, match="--reading python: expected the official .mat files"):
        read_inputs(text, read_labels(labels), reading="python")


def test_every_form_against_the_official_files(crowd: tuple[Path, dict[str, np.ndarray]], tmp_path: Path) -> None:
    truth, faces = crowd
    rows = [
        {"image_id": f"{name}.jpg", "bbox": face, "score": 0.5 + row / 8}
        for name, each in faces.items()
        for row, face in enumerate(each.tolist())
    ]
    (tmp_path / "found.json").write_text(json.dumps(rows))
    result = result_of(tmp_path / "found.json", truth)
    assert (result.ap["hard"], result.problems, result.protocol["source"]) == (1, {}, "COCO results")
    with pytest.raises(ValueError, match="--class 0: expected detections with a class, found WIDER text"):
        read_inputs(_text(tmp_path / "text", faces), truth, given=GivenPredictions(category="0"))


@pytest.mark.wider
def test_the_whole_set_without_torch_or_ray(shared: Path) -> None:
    code = """
import json, sys
from pathlib import Path
from pipeline.evaluation.evaluate_files import read_inputs
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


ONE_FACE = np.array([[10, 10, 19, 19]], np.float32)
ANSWERS = (
    Detections("a", 99, 99, ONE_FACE, np.array([0.9], np.float32)),
    Detections("b", 0, 0, error="plain text"),
    Detections("c", 99, 99, error="out of memory"),
)


def _inputs() -> EvaluationInputs:
    """One face in each of the three images."""
    names = tuple(row.image_id for row in ANSWERS)
    flags = {level: (np.ones(1, bool),) * 3 for level in ("easy", "medium", "hard")}
    truth = WiderGroundTruth(names, (ONE_FACE.astype(np.float64),) * 3, flags)
    problems = {"missing": [], "errors": ["b: plain text", "c: out of memory"]}
    return EvaluationInputs(truth, PredictionSet.of(ANSWERS), problems=problems)


def test_what_nobody_could_read_is_left_out_by_choice_and_counted(tmp_path: Path) -> None:
    without = apply_unreadable(_inputs(), tmp_path, frozenset({"b"}), "left_out")
    result = without.evaluate()
    assert result.ap["hard"] == 0.5  # of a, found, and c, which the detector failed on
    assert result.counts["hard"].faces == 2
    assert result.protocol["images_left_out"] == 1
    assert result.problems["errors"] == ["c: out of memory"]
    assert result.problems["unreadable, left out of AP"] == ["b: plain text"]
    missed = apply_unreadable(_inputs(), tmp_path, frozenset({"b"}), "missed").evaluate()
    assert (missed.ap["hard"], missed.counts["hard"].faces) == (pytest.approx(1 / 3), 3)
    assert missed.protocol["images_unreadable"] == 1
    assert missed.problems["errors"] == ["b: plain text", "c: out of memory"]


@pytest.mark.wider
@pytest.mark.parametrize(("form", "out"), [("wider_text", "a.txt"), ("coco_results", "a.json"), ("csv", "a.csv")])
def test_a_published_set_has_its_ap_in_every_form(shared: Path, tmp_path: Path, form: str, out: str) -> None:
    convert_predictions(shared / "data/predictions/yolov7_face.tar.gz", form, tmp_path / out)
    expected = json.loads((shared / "reference/wider_eval/expected.json").read_text())["sets"]["yolov7_face"]["ap"]
    result = read_inputs(tmp_path / out, shared / "data/wider_val_gt").evaluate()
    assert {subset: round(value, 10) for subset, value in result.ap.items()} == expected


def test_shares_against_shares_read_each_label_and_each_image_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_photographs(tmp_path)
    convert_labels(find_labels(root / "set/labels.csv"), "yolo", root / "yolo")
    convert_predictions(root / "found.csv", "yolo", root / "found", root / "set/labels.csv")
    expected = read_inputs(root / "found.csv", read_labels(root / "set/labels.csv")).evaluate().ap
    read = list[str]()
    for module, name in ((yolo_text, "stream_lines"), (image_files, "read_file")):
        real = getattr(module, name)

        def counted(file: Path, *rest: object, real: Callable[..., object] = real) -> object:
            read.append(str(file))
            return real(file, *rest)

        monkeypatch.setattr(module, name, counted)
    assert read_inputs(root / "found", read_labels(root / "yolo")).evaluate().ap == expected
    assert len(read) == len(set(read)) == 2 * len(NAMES)
