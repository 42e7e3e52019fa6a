"""Every dataset of the table obeys the contract of `Dataset`; a new one is picked up by itself."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError

from pipeline.data.datasets import DATASETS, Dataset
from pipeline.data.datasets.labels.forms import LABELLED
from pipeline.data.datasets.labels.label_table import EVERY, LabelTableBuilder
from pipeline.data.images import decode, encode_jpeg
from pipeline.data.records import Sample
from pipeline.data.schemas import LEVELS, SAMPLES
from pipeline.engine.fingerprint import hash_bytes
from tests.data.datasets.fddb.folds import ELLIPSES, write_folds

Built = tuple[Dataset, str]


def _image(file: Path, shade: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(encode_jpeg(np.full((20, 30, 3), shade, np.uint8)))


def _wider_face(root: Path) -> Dataset:
    lines = ""
    for name in ("0--A/y.jpg", "0--A/x.jpg", "1--B/z.jpg"):
        _image(root / "WIDER_train" / "images" / name, 40)
        lines += f"{name}\n2\n1 2 10 11 0 1 0 0 2 0 \n0 0 0 0 0 0 0 1 0 0 \n"
    (root / "wider_face_train_bbx_gt.txt").write_text(lines)
    return DATASETS["wider_face"].model_validate({"split": "train"})


def _image_folder(root: Path) -> Dataset:
    for name in ("b.jpg", "deep/a.jpg"):
        _image(root / name, 60)
    return DATASETS["image_folder"]()


def _fddb(root: Path) -> Dataset:
    write_folds(root / "FDDB-folds")
    for name in (name for images in ELLIPSES.values() for name in images):
        _image(root / "originalPics" / f"{name}.jpg", 100)
    return DATASETS["fddb"]()


def _labelled(kind: str) -> Callable[[Path], Dataset]:
    def build(root: Path) -> Dataset:
        builder = LabelTableBuilder()
        for name in ("b.jpg", "deep/a.jpg"):
            _image(root / "images" / name, 90)
            builder.face(builder.image(name, (30, 20)), (1, 2, 9.5, 15), "face", landmarks=[5.0] * 10)
        write = LABELLED[kind].label_form.write
        assert write is not None
        write(builder.build(root, EVERY), root)
        return DATASETS[kind]()

    return build


def _synthetic(root: Path) -> Dataset:
    return DATASETS["synthetic"].model_validate({"images": 4, "width": 64, "height": 48})


def _mosaic(root: Path) -> Dataset:
    size = {"width": 256, "height": 144, "largest": 130, "finest": 36}
    return DATASETS["mosaic"].model_validate({"of": {"kind": "synthetic", "images": 9}, "images": 3, **size})


BUILDERS: dict[str, Callable[[Path], Dataset]] = {
    "wider_face": _wider_face,
    "image_folder": _image_folder,
    "fddb": _fddb,
    **{kind: _labelled(kind) for kind in LABELLED},
    "synthetic": _synthetic,
    "mosaic": _mosaic,
}


@pytest.fixture(params=sorted(DATASETS))
def built(request: pytest.FixtureRequest, tmp_path: Path) -> Built:
    return BUILDERS[request.param](tmp_path), str(tmp_path)


def test_every_dataset_is_tested() -> None:
    assert set(BUILDERS) == set(DATASETS)


def test_entries_are_sorted_unique_and_repeatable(built: Built) -> None:
    data, root = built
    entries = data.entries(root)
    names = [entry.image_id for entry in entries]
    assert names == sorted(set(names))
    assert len(names) >= 2
    assert data.entries(root) == entries
    assert all(entry.version and not entry.path.startswith("/") and "\\" not in entry.path for entry in entries)


def test_samples_match_their_entries_and_their_pixels(built: Built) -> None:
    data, root = built
    read = data.open(root)
    for entry in data.entries(root):
        sample = read(entry)
        assert (sample.image_id, sample.path, sample.error) == (entry.image_id, entry.path, None)
        assert len(sample.content_hash) == 32
        content = data.image_bytes(root, sample.path)
        assert decode(content).shape == (sample.height, sample.width, 3)
        assert (hash_bytes(content) == sample.content_hash) is data.hash_is_of_bytes
        assert sample.boxes.dtype == np.float32
        assert set(sample.levels) == set(data.levels)
        assert set(data.levels) <= set(LEVELS)


def test_samples_survive_the_schema(built: Built) -> None:
    data, root = built
    read = data.open(root)
    samples = [read(entry) for entry in data.entries(root)]
    table = pa.Table.from_pylist([sample.to_row() for sample in samples], SAMPLES)
    for sample, row in zip(samples, table.to_pylist(), strict=True):
        back = Sample.from_row(row)
        np.testing.assert_array_equal(back.boxes, sample.boxes)
        assert back.to_row().keys() == sample.to_row().keys()
        for name, values in sample.to_row().items():
            np.testing.assert_array_equal(back.to_row()[name], values)


def test_reading_does_not_depend_on_order(built: Built) -> None:
    data, root = built
    entries = data.entries(root)
    forwards, backwards = data.open(root), data.open(root)
    rows = [str(forwards(entry).to_row()) for entry in entries]
    assert rows == [str(backwards(entry).to_row()) for entry in reversed(entries)][::-1]


def test_datasets_are_frozen_strict_and_picklable(built: Built) -> None:
    data, root = built
    twin = pickle.loads(pickle.dumps(data))
    assert twin == data
    assert twin.entries(root) == data.entries(root)
    assert type(data).model_validate(data.model_dump(mode="json")) == data
    with pytest.raises(ValidationError):
        type(data).model_validate({"no_such_parameter": 1})
    with pytest.raises(ValidationError):
        data.anything = 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", sorted(DATASETS))
def test_a_missing_folder_is_refused(kind: str, tmp_path: Path) -> None:
    data = DATASETS[kind]()
    if not data.needs_root:
        assert data.entries("") == data.entries(str(tmp_path / "nowhere"))
        return
    for act in (data.entries, data.open, lambda root: data.image_bytes(root, "a.jpg")):
        with pytest.raises(FileNotFoundError, match="does not exist"):
            act(str(tmp_path / "nowhere"))


ON_DISK = sorted(kind for kind in DATASETS if DATASETS[kind]().needs_root and kind != "mosaic")


@pytest.mark.parametrize("kind", [*ON_DISK, "mosaic"])
def test_a_dataset_in_a_store_is_that_on_the_disk(kind: str, tmp_path: Path, stored: Callable[[Path], str]) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    data = BUILDERS[kind if kind in ON_DISK else "wider_face"](folder)
    if kind == "mosaic":
        size = {"width": 256, "height": 144, "largest": 130, "finest": 36}
        data = DATASETS["mosaic"].model_validate({"of": {"kind": "wider_face", "split": "train"}, "images": 2, **size})
    address, here = stored(folder), data.entries(str(folder))
    there = data.entries(address)
    assert [(each.image_id, each.path) for each in there] == [(each.image_id, each.path) for each in here]
    assert {each.version for each in there}.isdisjoint({each.version for each in here})
    assert data.entries(address) == there
    read_here, read_there = data.open(str(folder)), data.open(address)
    for one, other in zip(here, there, strict=True):
        sample = read_there(other)
        assert str(sample.to_row()) == str(read_here(one).to_row())
        assert data.image_bytes(address, sample.path) == data.image_bytes(str(folder), sample.path)
    tables = [pa.Table.from_pylist([read_here(each).to_row() for each in here], SAMPLES)]
    assert review(data, address, tables).replace(address, str(folder)) == review(data, str(folder), tables)


def review(data: Dataset, root: str, tables: list[pa.Table]) -> str:
    """Returns the lines or the error."""
    try:
        return "\n".join(data.review(root, tables))
    except ValueError as error:
        return str(error)


@pytest.mark.parametrize("kind", ON_DISK)
def test_a_store_without_it_is_one_line(kind: str, s3_bucket: str, tmp_path: Path) -> None:
    for address, words in (
        (f"{s3_bucket}/{tmp_path.name}", tmp_path.name),
        ("s3://no-such-bucket/x", "no such bucket"),
    ):
        with pytest.raises((ValueError, OSError), match=words) as caught:
            DATASETS[kind]().entries(address)
        assert len(str(caught.value).splitlines()) == 1


def test_listing_needs_neither_torch_nor_opencv() -> None:
    code = (
        "import sys; from pipeline.data.datasets import DATASETS; DATASETS['synthetic']().entries('');"
        "print([name for name in ('torch', 'cv2', 'scipy', 'ray', 'PIL') if name in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
