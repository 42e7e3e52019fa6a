"""Canvases made of other images: known boxes, equal bytes everywhere, and nothing of them on disk."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.data.datasets import DATASETS, Mosaic, Synthetic
from pipeline.data.datasets.config_field import dataset_fields, parse_dataset
from pipeline.data.images import decode
from pipeline.engine.fingerprint import hash_bytes

SMALL = {"width": 512, "height": 288, "largest": 270, "smallest": 8, "finest": 36, "choices": 2}
DRAWN = {"kind": "synthetic", "images": 12, "width": 200, "height": 150}
CODE = f"""
from pipeline.data.datasets import Mosaic
from pipeline.engine.fingerprint import hash_bytes
made = Mosaic.model_validate({{"of": {DRAWN!r}, "images": 3, **{SMALL!r}}})
print(*[hash_bytes(made.compose("", entry.path).tobytes()) + entry.version for entry in made.entries("")])
"""


def mosaic(**fields: object) -> Mosaic:
    return Mosaic.model_validate({"of": DRAWN, "images": 3, **SMALL, **fields})


def test_another_process_composes_the_same() -> None:
    made = mosaic()
    here = [hash_bytes(made.compose("", entry.path).tobytes()) + entry.version for entry in made.entries("")]
    there = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True).stdout.split()
    assert there == here


def test_samples_know_what_is_in_the_image() -> None:
    made = mosaic(images=6)
    read, faces = made.open(""), 0
    for entry in made.entries(""):
        sample = read(entry)
        assert (sample.width, sample.height) == (512, 288) and (sample.boxes[:, :2] >= -0.01).all()
        assert (sample.boxes[:, 2:] <= [512.01, 288.01]).all() and sample.landmarks is not None
        centres = sample.landmarks.mean(axis=1)
        assert ((centres > sample.boxes[:, :2]) & (centres < sample.boxes[:, 2:])).all()
        canvas = made.compose("", entry.path)
        for x1, y1, x2, y2 in sample.boxes[sample.boxes[:, 3] - sample.boxes[:, 1] > 24].astype(int):
            faces += 1
            cheek = canvas[(y1 + y2) // 2 : (y1 + 2 * y2) // 3, x1 + 3 : x2 - 3]
            assert cheek.std() > 0  # no background
    assert faces > 10


def test_heights_run_from_tiny_to_the_whole_canvas() -> None:
    made = mosaic(images=40)
    read = made.open("")
    boxes = np.concatenate([read(entry).boxes for entry in made.entries("")])
    heights = boxes[:, 3] - boxes[:, 1]
    assert heights.min() < 12 and heights.max() > 250
    # Those aimed at lie log-uniformly, so that each third of the range has some; smaller bystanders come on top.
    assert (np.histogram(heights, [8, 26, 84, 271])[0] > 20).all()


def test_a_canvas_needs_only_its_path() -> None:
    """Which images there were when it was indexed is forgotten, as `only` of WIDER FACE is, and does not matter."""
    first = mosaic().entries("")[1]
    more = mosaic(of={**DRAWN, "images": 500}, images=2)
    np.testing.assert_array_equal(more.compose("", first.path), mosaic().compose("", first.path))


def test_more_canvases_keep_the_first_and_other_parameters_change_them() -> None:
    item_versions = [entry.version for entry in mosaic().entries("")]
    assert [entry.version for entry in mosaic(images=5).entries("")][:3] == item_versions
    for change in ({"seed": 1}, {"tilt": 1}, {"quality": 90}, {"of": {**DRAWN, "seed": 3}}):
        assert not set(item_versions) & {entry.version for entry in mosaic(**change).entries("")}


def test_the_bytes_are_a_jpeg_of_the_canvas() -> None:
    made = mosaic(quality=100)
    path = made.entries("")[0].path
    content = made.image_bytes("", path)
    assert content[:2] == b"\xff\xd8"
    assert np.abs(decode(content).astype(int) - made.compose("", path)).mean() < 2
    assert len(mosaic(quality=50).image_bytes("", path)) < len(content)


def test_a_changed_source_is_another_canvas(wider_root: Path, write_image: Callable[..., Path]) -> None:
    made = mosaic(of={"kind": "wider_face", "split": "train"}, images=2)
    before = [(entry.version, made.open(str(wider_root))(entry)) for entry in made.entries(str(wider_root))]
    for name in ("0--Parade/a", "0--Parade/b", "1--Handshaking/c"):
        write_image(wider_root / "WIDER_train" / "images" / f"{name}.jpg", width=44)
    for (version, sample), entry in zip(before, made.entries(str(wider_root)), strict=True):
        assert entry.version != version
        assert made.open(str(wider_root))(entry).content_hash != sample.content_hash


def test_a_source_that_cannot_be_read_leaves_its_cell_to_others(wider_root: Path) -> None:
    made = mosaic(of={"kind": "wider_face", "split": "train"}, images=4, choices=8)
    (wider_root / "WIDER_train/images/0--Parade/b.jpg").write_bytes(b"no image")
    for entry in made.entries(str(wider_root)):
        sample = made.open(str(wider_root))(entry)
        assert sample.error is None
        assert decode(made.image_bytes(str(wider_root), entry.path)).shape == (288, 512, 3)


def test_a_source_that_is_gone_is_told(wider_root: Path) -> None:
    made = mosaic(of={"kind": "wider_face", "split": "train"}, images=1)
    (entry,) = made.entries(str(wider_root))
    for name in ("0--Parade/a", "0--Parade/b", "1--Handshaking/c"):
        (wider_root / "WIDER_train" / "images" / f"{name}.jpg").unlink()
    with pytest.raises(FileNotFoundError):
        made.image_bytes(str(wider_root), entry.path)


def test_the_table_and_its_fields_know_it() -> None:
    made = mosaic()
    assert DATASETS["mosaic"] is Mosaic and dataset_fields(made)["of"]["kind"] == "synthetic"
    assert parse_dataset(json.loads(json.dumps(dataset_fields(made)))) == made
    assert (made.needs_root, Mosaic().needs_root) == (False, True)
    assert (Mosaic().width, Mosaic().height, Mosaic().of.needs_root) == (7680, 4320, True)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"of": "image_folder"}, "made of images with labelled faces"),
        ({"of": {"kind": "mosaic"}}, "and not of mosaics"),
        ({"of": "photos"}, "no dataset is called 'photos'"),
        ({"largest": 300}, "at most the canvas's 288 pixels of height"),
        ({"smallest": 271}, "expected smallest below largest"),
    ],
)
def test_mistakes_are_named(fields: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        mosaic(**fields)


@pytest.mark.parametrize("path", ["mosaic/000001.jpg", "[0, []]", "{}", '[0, [["a"]]]'])
def test_foreign_paths_are_refused(path: str) -> None:
    with pytest.raises(ValueError, match="is not the path of a canvas of this set"):
        mosaic().image_bytes("", path)


def test_a_source_may_be_named_by_its_kind_alone() -> None:
    assert isinstance(parse_dataset({"kind": "mosaic", "of": "synthetic"}).of, Synthetic)  # type: ignore[attr-defined]


@pytest.mark.wider
def test_real_faces_up_to_four_thousand_pixels(shared: Path) -> None:
    made = Mosaic.model_validate({"of": {"kind": "wider_face", "missing": "skip"}, "images": 60, "seed": 2})
    root = str(shared / "data/wider_images")
    read = made.open(root)
    samples = [read(entry) for entry in made.entries(root)[:30]]
    heights = np.concatenate([sample.boxes[:, 3] - sample.boxes[:, 1] for sample in samples])
    assert heights.max() > 4000 and heights.min() < 10
    for sample in samples:
        assert (sample.boxes >= 0).all() and (sample.boxes <= [7680, 4320, 7680, 4320]).all()
        assert set(sample.attributes) == {"blur", "expression", "illumination", "invalid", "occlusion", "pose"}
