from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from pipeline.data.images import encode_jpeg
from pipeline.data.records import Sample
from pipeline.engine import object_reader
from pipeline.engine.fingerprint import hash_bytes
from pipeline.engine.plan import Decision
from tests.engine.s3_proxy import Proxy, proxy
from tests.stages.world import World, drawn_image

ANNOTATION = "0--Parade/a.jpg\n1\n10 20 30 40 0 0 0 0 0 0 \n0--Parade/b.jpg\n0\n0 0 0 0 0 0 0 0 0 0 \n"


def save(file: Path, seed: int, width: int = 96, height: int = 64) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(encode_jpeg(drawn_image(seed, width, height)))
    return file


def samples(world: World) -> dict[str, Sample]:
    return {row["image_id"]: Sample.from_row(row) for row in world.rows("images")}


def coco(folder: Path, x: float) -> None:
    images = [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "b.jpg"}]
    faces = [{"image_id": 1, "bbox": [x, 2, 30, 40]}, {"image_id": 2, "bbox": [1, 2, 30, 40]}]
    (folder / "annotations.json").write_text(json.dumps({"images": images, "annotations": faces}))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two images in a folder."""
    for seed, name in enumerate(("a", "b")):
        save(tmp_path / "photos" / f"{name}.jpg", seed)
    return tmp_path / "photos"


def test_a_folder(world: World, photos: Path) -> None:
    save(photos / "deep" / "c.jpg", 2, 80, 50)
    world.node("images", "index", dataset="image_folder", path=str(photos))
    assert world.done().computed == ["images"]
    found = samples(world)
    assert list(found) == ["a.jpg", "b.jpg", "deep/c.jpg"]
    deep = found["deep/c.jpg"]
    assert (deep.width, deep.height, deep.path) == (80, 50, "deep/c.jpg")
    assert deep.content_hash == hash_bytes((photos / "deep" / "c.jpg").read_bytes())
    assert deep.boxes.shape == (0, 4)


def test_wider_face(world: World) -> None:
    root = world.folder / "wider"
    for seed, name in enumerate(("a", "b")):
        save(root / "WIDER_train/images/0--Parade" / f"{name}.jpg", seed)
    (root / "wider_face_train_bbx_gt.txt").write_text(ANNOTATION)
    world.node("images", "index", dataset={"kind": "wider_face", "split": "train"}, path=str(root))
    world.done()
    found = samples(world)
    assert list(found) == ["0--Parade/a", "0--Parade/b"]
    assert found["0--Parade/a"].boxes.tolist() == [[10, 20, 40, 60]]
    assert found["0--Parade/a"].levels["medium"].tolist() == [True]
    assert found["0--Parade/a"].levels["easy"].tolist() == [False]
    assert len(found["0--Parade/b"].boxes) == 0


def test_coco(world: World, photos: Path) -> None:
    coco(photos, 7.5)
    world.node("images", "index", dataset={"kind": "coco_json"}, path=str(photos))
    world.done()
    assert samples(world)["a.jpg"].boxes.tolist() == [[7.5, 2, 37.5, 42]]


def test_synthetic_needs_no_folder_and_knows_its_faces(world: World) -> None:
    world.node("images", "index", dataset={"kind": "synthetic", "images": 3, "width": 96, "height": 64})
    world.done()
    found = samples(world)
    assert list(found) == ["test/000000", "test/000001", "test/000002"]
    first = found["test/000000"]
    assert first.landmarks is not None
    assert first.landmarks.shape == (len(first.boxes), 5, 2)
    inside = (first.landmarks >= first.boxes[:, None, :2]) & (first.landmarks <= first.boxes[:, None, 2:])
    assert inside.all()


def test_added_files_alone_are_read(world: World, photos: Path) -> None:
    world.node("images", "index", dataset="image_folder", path=str(photos), run={"shard_rows": 1})
    world.done()
    before = samples(world)
    save(photos / "aa.jpg", 5)
    assert world.plan()["images"].decision is Decision.RESUME
    world.done()
    assert world.computed("images") == 1
    after = samples(world)
    assert sorted(after) == ["a.jpg", "aa.jpg", "b.jpg"]
    assert {name: after[name].content_hash for name in before} == {name: before[name].content_hash for name in before}


def test_a_rewritten_file_is_read_again(world: World, photos: Path) -> None:
    world.node("images", "index", dataset="image_folder", path=str(photos))
    world.done()
    old = samples(world)
    save(photos / "b.jpg", 9)
    world.done()
    assert world.computed("images") == 1
    new = samples(world)
    assert new["b.jpg"].content_hash != old["b.jpg"].content_hash
    assert new["a.jpg"].content_hash == old["a.jpg"].content_hash


def test_the_same_files_elsewhere_are_the_same_dataset(world: World, photos: Path) -> None:
    world.node("images", "index", dataset="image_folder", path=str(photos))
    world.done()
    os.rename(photos, world.folder / "moved")
    world.nodes["images"]["path"] = str(world.folder / "moved")
    assert world.done().reused == ["images"]


def test_a_fresh_copy_is_read_again_and_nothing_follows(world: World, photos: Path, weights: str) -> None:
    world.node("images", "index", dataset="image_folder", path=str(photos))
    world.node("boxes", "predict", inputs={"samples": "images"}, path=weights, canvas="original", max_candidates=20)
    world.done()
    for file in photos.rglob("*.jpg"):
        os.utime(file, (1, 1))  # as `cp -r` or an unpacked archive leaves it
    outcome = world.done()
    assert (outcome.computed, outcome.reused) == (["images"], ["boxes"])


def test_a_changed_label_reads_one_image_again_and_predicts_none(world: World, photos: Path, weights: str) -> None:
    coco(photos, 7.5)
    world.node("images", "index", dataset={"kind": "coco_json"}, path=str(photos))
    world.node("boxes", "predict", inputs={"samples": "images"}, path=weights, canvas="original", max_candidates=20)
    world.done()
    before = world.by_id("boxes")
    coco(photos, 9)
    world.done()
    assert world.computed("images") == 1
    assert samples(world)["a.jpg"].boxes[0, 0] == 9
    assert world.computed("boxes") == 0
    after = world.by_id("boxes")
    assert after.keys() == before.keys()
    for name, found in after.items():
        np.testing.assert_array_equal(found.boxes, before[name].boxes)


def test_an_unreadable_image_is_an_error_row_with_its_faces(world: World, photos: Path) -> None:
    coco(photos, 7.5)
    (photos / "a.jpg").write_bytes((photos / "a.jpg").read_bytes()[:300])
    world.node("images", "index", dataset={"kind": "coco_json"}, path=str(photos), run={"max_error_share": 0.5})
    world.done()
    broken = samples(world)["a.jpg"]
    assert broken.error is not None
    assert (broken.width, broken.height) == (0, 0)
    assert len(broken.boxes) == 1
    assert [key for key, _ in world.artifact("images").manifest.errors] == ["a.jpg"]
    (photos / "b.jpg").write_bytes(b"")
    assert world.run("images.run.max_error_share=0.4").failed.keys() == {"images"}


def test_a_missing_folder_stops_before_any_work(world: World) -> None:
    world.node("images", "index", dataset="image_folder")
    with pytest.raises(
        ValueError, match="images: path: expected the dataset's folder, found none: --set images.path=FOLDER"
    ):
        world.run()
    world.nodes["images"]["path"] = str(world.folder / "nowhere")
    with pytest.raises(ValueError, match=r"images: .*nowhere.* does not exist"):
        world.run()
    assert world.plan()["images"].decision is Decision.BLOCKED


def test_labels_that_contradict_their_images_are_never_finished(
    world: World, photos: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    coco(photos, 7.5)
    content = json.loads((photos / "annotations.json").read_text())
    for image in content["images"]:
        image.update(width=192, height=128)  # labels of images twice as large
    (photos / "annotations.json").write_text(json.dumps(content))
    world.node("images", "index", dataset={"kind": "coco_json"}, path=str(photos))
    outcome = world.run()
    message = outcome.failed["images"]
    assert message.startswith(f"{photos}/annotations.json: expected the widths and heights of the images, ")
    assert "found 2 others: 192 x 128 for a.jpg of 96 x 64 pixels" in message
    assert (
        "--set images.dataset.sizes=scale scales their boxes, --set images.dataset.sizes=ignore takes them" in message
    )
    assert world.plan()["images"].decision is Decision.RESUME  # nothing counts as finished, and no image is read again
    assert world.run().failed["images"] == message
    capfd.readouterr()
    world.done("images.dataset.sizes=scale")
    assert "images: 2 faces in 2 images; of them count: easy 0, medium 0, hard 2" in capfd.readouterr().err
    scaled = {row["image_id"]: Sample.from_row(row) for row in world.rows("images", "images.dataset.sizes=scale")}
    assert scaled["a.jpg"].boxes.tolist() == [[3.75, 1, 18.75, 21]]


def test_doubts_that_are_told_cost_no_image_again(
    world: World, photos: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    coco(photos, 90)
    world.node("images", "index", dataset={"kind": "coco_json"}, path=str(photos))
    message = world.run().failed["images"]
    assert "1 of 2 boxes reach out of their image, such as [90, 2, 30, 40] in a.jpg of 96 x 64 pixels" in message
    assert "--set images.dataset.doubts=report" in message
    world.done("images.dataset.doubts=report")
    assert world.computed("images", "images.dataset.doubts=report") == 0
    assert "images: expected boxes in pixels of their images, found that 1 of 2 boxes" in capfd.readouterr().err


def test_what_is_passed_over_is_told_at_every_run_and_once(
    world: World, photos: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (photos / "notes.txt").write_text("no image")
    world.node("images", "index", dataset="image_folder", path=str(photos))
    line = "images: skipped 1 files and folders; 1 that are no images: notes.txt\n"
    for _ in range(2):
        world.done()
        assert capfd.readouterr().err.count(line) == 1
    assert world.plan()["images"].notes == (line.removeprefix("images: ").rstrip("\n"),)
    world.run(selected=[])
    assert line not in capfd.readouterr().err


def test_images_left_out_are_told(world: World, photos: Path, capfd: pytest.CaptureFixture[str]) -> None:
    coco(photos, 7)
    (photos / "b.jpg").unlink()
    world.node("images", "index", dataset={"kind": "coco_json"}, path=str(photos))
    with pytest.raises(ValueError, match=r"are missing: b\.jpg; --set images\.dataset\.missing=skip uses only"):
        world.run()
    world.done("images.dataset.missing=skip")
    assert "images: left out 1 of 2 images named by " in capfd.readouterr().err


@pytest.fixture
def bucket(world: World, photos: Path, stored: Callable[[Path], str]) -> Callable[[], None]:
    """An index of photographs in a store; the function copies them there again."""

    def copy() -> None:
        world.node("images", "index", dataset="image_folder", path=stored(photos))

    save(photos / "c.jpg", 2)
    copy()
    return copy


def test_a_set_in_a_store_gives_the_rows_of_a_disk(world: World, photos: Path, bucket: Callable[[], None]) -> None:
    world.done()
    there, checksums = world.rows("images"), world.checksums()
    world.node("images", "index", dataset="image_folder", path=str(photos))
    world.done()
    assert world.rows("images") == there
    assert world.checksums() == checksums


def test_of_a_store_only_an_object_of_other_bytes_is_read_again(
    world: World, photos: Path, bucket: Callable[[], None]
) -> None:
    world.done()
    bucket()  # written again, as they are
    assert world.plan()["images"].decision is Decision.REUSE
    save(photos / "b.jpg", 9)
    bucket()
    assert world.plan()["images"].decision is Decision.RESUME
    world.done()
    assert world.computed("images") == 1
    assert samples(world)["b.jpg"].content_hash == hash_bytes((photos / "b.jpg").read_bytes())


@pytest.fixture
def faults(s3_bucket: str, monkeypatch: pytest.MonkeyPatch, photos: Path, bucket: object) -> Iterator[Proxy]:
    monkeypatch.setattr(object_reader, "RETRIES", 2)
    with proxy(os.environ["AWS_ENDPOINT_URL"]) as made:
        monkeypatch.setenv("AWS_ENDPOINT_URL", made.url)
        yield made


def test_an_image_of_a_store_that_is_broken_gone_or_locked_is_an_error_row(
    world: World, photos: Path, bucket: Callable[[], None], faults: Proxy
) -> None:
    (photos / "broken.jpg").write_text("plain text")
    for seed in (3, 4, 5):
        save(photos / f"{seed}.jpg", seed)
    bucket()
    answers = {"a.jpg": (404, "NoSuchKey"), "b.jpg": (403, "AccessDenied")}  # gone since the listing
    faults.fault = lambda method, path: answers.get(path.rpartition("/")[2])
    world.done()
    errors = {name: sample.error for name, sample in samples(world).items() if sample.error}
    assert errors.keys() == {"a.jpg", "b.jpg", "broken.jpg"}
    assert errors["a.jpg"] == "cannot read the file: no such object"
    assert errors["b.jpg"] == "cannot read the file: the store refuses to give it (AccessDenied)"
    assert "not an image" in errors["broken.jpg"]
    reads = [path for method, path in faults.taken() if method == "GET" and path.endswith(".jpg")]
    assert len(reads) == len(set(reads)) == 7, "each image is fetched once"


@pytest.mark.parametrize("fault", [(503, "SlowDown"), (400, "ExpiredToken"), "cut"])
def test_a_store_that_is_down_fails_the_node_and_makes_no_error_rows(
    world: World, faults: Proxy, fault: object
) -> None:
    faults.fault = lambda method, path: fault if path.endswith(".jpg") else None
    outcome = world.run()
    assert list(outcome.failed) == ["images"]
    assert "UnreachableError: s3://bucket/" in outcome.failed["images"]
    assert len(outcome.failed["images"].splitlines()) == 1
    assert not any(name.endswith(".parquet") for name in world.store.below("images"))
    faults.fault = lambda method, path: None
    assert world.done().computed == ["images"]
    assert not any(sample.error for sample in samples(world).values())


def test_a_store_that_cannot_be_listed_is_one_line_and_nothing_starts(world: World, faults: Proxy) -> None:
    faults.fault = lambda method, path: (403, "InvalidAccessKeyId") if "list-type" in path else None
    with pytest.raises(ValueError, match=r"images: s3://bucket: the store answers InvalidAccessKeyId") as caught:
        world.run()
    assert len(str(caught.value).splitlines()) == 2
