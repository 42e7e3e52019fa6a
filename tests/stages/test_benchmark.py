from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.data.images import encode_jpeg
from pipeline.evaluation.benchmarks import BENCHMARKS
from pipeline.evaluation.benchmarks.benchmark_set import BenchmarkOptions
from pipeline.evaluation.evaluate_benchmark import evaluate_benchmark
from tests.stages.drawn_benchmark import write_benchmark
from tests.stages.world import World

CASES: dict[str, tuple[dict[str, Any], str]] = {
    "fddb": ({"benchmark": "fddb"}, "FDDB-folds"),
    "pascal": ({"benchmark": "pascal"}, "faces.csv"),
    "afw": ({"benchmark": "afw", "min_face": 12.0}, "faces.json"),
    "face-eval": ({"benchmark": "pascal", "protocol": "face-eval"}, "faces.csv"),
    "coco": ({"benchmark": "coco", "max_detections": 8}, "faces.json"),
    "single": ({"benchmark": "single", "score": 0.6}, "single.csv"),
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_benchmark(tmp_path / "set")


@pytest.fixture
def guessed(world: World, root: Path) -> World:
    """Guesses about seven drawn images, in shards of two."""
    world.node("faces", "index", dataset="fddb", path=str(root))
    world.node("found", "guess", inputs={"samples": "faces"}, jitter=0.08, run={"shard_rows": 2})
    return world


def add(world: World, root: Path, case: str) -> None:
    fields, labels = CASES[case]
    world.node("figures", "benchmark", inputs={"samples": "faces", "detections": "found"}, path=str(root / labels), **fields)  # fmt: skip


def content(world: World, *sets: str) -> dict[str, Any]:
    (row,) = world.rows("figures", *sets)
    found: dict[str, Any] = json.loads(row["content"])
    return found


def test_every_benchmark_is_a_case() -> None:
    assert {fields["benchmark"] for fields, _ in CASES.values()} == set(BENCHMARKS)


@pytest.mark.parametrize("case", CASES)
def test_shards_add_up_to_the_bits_of_the_command(guessed: World, root: Path, case: str) -> None:
    add(guessed, root, case)
    guessed.done()
    found = content(guessed)
    fields, labels = CASES[case]
    options = BenchmarkOptions(**{name: value for name, value in fields.items() if name != "benchmark"})
    dump = Path(guessed.store.url) / "found"
    expected = dict(evaluate_benchmark(fields["benchmark"], dump, root / labels, options).content)
    source, given = found.pop("protocol"), expected.pop("protocol")
    found.pop("problems")
    assert found == expected
    assert {**source, "source": ""} == json.loads(json.dumps({**given, "source": "", "labels": source["labels"]}))
    assert found["images"] == 7 and found["faces"] >= (7 if case == "single" else 10)
    rate = found["continuous"][-1][1] if case == "fddb" else found["ap"]
    assert 0.05 < rate < 0.95
    guessed.nodes["found"]["run"]["shard_rows"] = 100
    guessed.done(force=frozenset({"found", "figures"}))
    assert content(guessed) == {**found, "protocol": source, "problems": {}}


def test_figures_are_printed_and_kept_in_files(guessed: World, root: Path) -> None:
    add(guessed, root, "fddb")
    guessed.done()
    lines = guessed.store.read("figures.md").decode()
    assert lines.startswith("    FDDB: ") and "discrete  continuous" in lines
    assert json.loads(guessed.store.read("figures.json")) == content(guessed)
    page = guessed.store.read("figures.html").decode()
    assert "figures on FDDB" in page and page.count('class="plot chart"') == 2
    assert content(guessed)["protocol"]["borders"] == "of 7 photographs, of the others 0 and 450"


def test_images_that_are_not_in_the_samples_are_left_out_and_counted(guessed: World, root: Path) -> None:
    add(guessed, root, "pascal")
    outcome = guessed.done(limit=4)
    assert "figures: 3 images of the labels are not in the samples: left out" in outcome.notes
    assert json.loads(guessed.store.read("figures.json"))["images"] == 4


def test_an_image_that_cannot_be_read_is_left_out_or_its_faces_are_missed(guessed: World, root: Path) -> None:
    add(guessed, root, "coco")
    guessed.done()
    every = content(guessed)
    fails = "found.fails_on=2002/08/12/big/img_1"
    outcome = guessed.done(fails)
    assert any("images that cannot be read are left out of AP" in line for line in outcome.notes)
    left_out = content(guessed, fails)
    assert left_out["images"] == 6 and left_out["faces"] < every["faces"]
    guessed.done(fails, "figures.unreadable=missed")
    missed = content(guessed, fails, "figures.unreadable=missed")
    assert (missed["images"], missed["faces"]) == (7, every["faces"])
    assert missed["ap"] < left_out["ap"]


def test_new_labels_are_another_output_of_the_same_detections(guessed: World, root: Path) -> None:
    add(guessed, root, "pascal")
    guessed.done()
    before = guessed.identity("figures")
    file = root / "faces.csv"
    file.write_text(file.read_text().replace(",1\n", ",0\n"))
    assert guessed.identity("figures") != before
    outcome = guessed.done()
    assert outcome.computed == ["figures"]


@pytest.mark.parametrize("name", ["faces.csv", "faces.json"])
def test_new_labels_in_a_folder_are_another_output_too(guessed: World, root: Path, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "labels"
    folder.mkdir()
    (folder / name).write_bytes((root / name).read_bytes())
    guessed.node("figures", "benchmark", inputs={"samples": "faces", "detections": "found"}, path=str(folder), benchmark="pascal")  # fmt: skip
    guessed.done()
    before = guessed.identity("figures")
    (folder / name).write_text((folder / name).read_text() + "\n")
    assert guessed.identity("figures") != before


def test_what_does_not_fit_is_named(guessed: World, root: Path, tmp_path: Path) -> None:
    add(guessed, root, "pascal")
    (tmp_path / "few.csv").write_text("image,x1,y1,x2,y2\n2002/08/11/big/img_0.jpg,0,0,9,9\n")
    (tmp_path / "none.csv").write_text("image,x1,y1,x2,y2\na.jpg,,,,\n")
    for sets, words in (
        (("figures.path=",), "path: expected the labels of the benchmark"),
        (("figures.path=gone.csv",), "path: no labels at gone.csv"),
        ((f"figures.path={tmp_path / 'few.csv'}",), "faces: 6 of 7 images are not in the labels"),
        ((f"figures.path={tmp_path / 'none.csv'}",), "none.csv: expected faces that count, found none in 1 images"),
        (("figures.max_detections=3",), "max_detections: expected with coco only, found pascal"),
        (("figures.benchmark=fddb", "figures.min_face=4"), "min_face: expected with pascal or afw only, found fddb"),
    ):
        try:
            problem = "".join(guessed.run(*sets).failed.values())
        except ValueError as error:  # found before anything was started
            problem = str(error)
        assert words in problem, problem


def write_yolo(root: Path, scale: int) -> Path:
    """The faces of `faces.csv` as shares of the sides, beside photographs of another size."""
    folder, rows = root / "yolo", dict[str, list[str]]()
    folder.mkdir()
    (folder / "data.yaml").write_text("names: [face]\n")
    for line in (root / "faces.csv").read_text().splitlines()[1:]:
        name, *numbers = line.split(",")
        x1, y1, x2, y2 = (float(each or 0) for each in numbers[:4])
        rows.setdefault(name, [])
        if numbers[0]:
            rows[name].append(f"0 {(x1 + x2) / 320} {(y1 + y2) / 240} {(x2 - x1) / 160} {(y2 - y1) / 120}")
    for name, lines in rows.items():
        for kind, ending, data in (
            ("images", ".jpg", encode_jpeg(np.zeros((120 * scale, 160 * scale, 3), np.uint8))),
            ("labels", ".txt", "\n".join(lines).encode()),
        ):
            file = (folder / kind / name).with_suffix(ending)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
    return folder


def test_shares_are_of_the_images_that_were_searched(guessed: World, root: Path) -> None:
    (root / "faces.csv").write_text((root / "faces.csv").read_text().replace(",1\n", ",0\n"))  # YOLO ignores none
    add(guessed, root, "pascal")
    guessed.done()
    expected = content(guessed)["ap"]
    folder = write_yolo(root, scale=2)
    labels = f"figures.path={folder}"
    guessed.done(labels)
    assert content(guessed, labels)["ap"] == pytest.approx(expected, abs=1e-12)
    assert 0.05 < expected < 0.95
    # Some of the labelled images are not in the samples.
    guessed.done(labels, limit=4)
    before = guessed.identity("figures", labels)
    next(folder.rglob("img_0.jpg")).unlink()
    assert guessed.identity("figures", labels) != before
