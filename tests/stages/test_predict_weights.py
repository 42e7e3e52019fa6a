"""Where the weights of a dump come from, and what is said of those that do not fit."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import pytest
import torch

from pipeline.engine.plan import Decision
from tests.stages.photo_dump import ONE_MEGABYTE, STANDARD, wire, worker, write_photos
from tests.stages.world import World


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return write_photos(tmp_path)


def test_a_plan_reads_the_weights_once(
    world: World, photos: Path, weights: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, read = hashlib.file_digest, list[str]()
    monkeypatch.setattr(hashlib, "file_digest", lambda file, name: read.append(file.name) or plain(file, name))
    wire(world, photos, weights)
    world.plan()
    assert read == [weights]


def test_weights_must_be_those_that_were_planned(world: World, photos: Path, weights: str) -> None:
    copy = world.folder / "copy.safetensors"
    copy.write_bytes(Path(weights).read_bytes())
    wire(world, photos, str(copy))
    world.done()
    planned = world.graph().nodes["boxes"].stage.file_hashes(str(copy))
    assert len(worker(world, planned)()) == 3
    compute = worker(world, planned)
    data = bytearray(copy.read_bytes())
    data[-1] ^= 1
    copy.write_bytes(bytes(data))
    with pytest.raises(ValueError, match=r"weights at .*copy\.safetensors on \S+ are not those that were planned"):
        compute()


def test_weights_that_are_not_whole_stop_a_run_before_it_begins(world: World, photos: Path, weights: str) -> None:
    cut = world.folder / "cut.safetensors"
    cut.write_bytes(Path(weights).read_bytes()[:-1])
    wire(world, photos, str(cut))
    with pytest.raises(
        ValueError, match=rf"boxes: {cut}: expected a checkpoint of [\d,]+ bytes, found [\d,]+: cut off"
    ) as error:
        world.run()
    assert str(error.value).count(str(cut)) == 1
    assert world.store.folders() == []
    # What only a reader of its tensors can see is named too.
    sink = io.BytesIO()
    torch.save({"a": 1}, sink)
    cut.write_bytes(sink.getvalue())
    (message,) = world.run("boxes.detector=retinaface_mobilenet").failed.values()
    assert f"{cut}: a checkpoint must map names to tensors, this one holds 'a', which is int" in message


def test_weights_come_from_exactly_one_place(world: World, photos: Path, weights: str) -> None:
    wire(world, photos, weights)
    world.nodes["boxes"].pop("path")
    with pytest.raises(ValueError, match=r"boxes: expected weights .*, found neither"):
        world.run()
    world.node("drawings", "index", dataset={"kind": "synthetic", "images": 2})
    world.node("trained", "train_detector", inputs={"samples": "drawings"})
    world.nodes["boxes"].update(path=weights, inputs={"samples": "images", "checkpoint": "trained"})
    with pytest.raises(ValueError, match=r"boxes: expected weights .*, found both"):
        world.run()
    assert world.store.folders() == []


def test_a_plan_names_weights_that_are_missing_or_of_another_detector(world: World, photos: Path, weights: str) -> None:
    wire(world, photos, weights, detector="retinaface_resnet50")
    plan = world.plan()["boxes"]
    assert plan.decision is Decision.BLOCKED
    assert plan.invalid
    assert "checkpoint is retinaface_mobilenet (by the name stored in it), not retinaface_resnet50" in plan.reason
    wire(world, photos, str(world.folder / "gone.pth"))
    assert "gone.pth" in world.plan()["boxes"].reason
    unknown = world.folder / "unknown.pth"
    torch.save({"a": torch.ones(2)}, unknown)
    wire(world, photos, str(unknown))
    reason = world.plan()["boxes"].reason
    assert "say which detector it belongs to, one of " in reason
    assert "retinaface_mobilenet, " in reason


def test_changed_weights_are_another_output(world: World, photos: Path, weights: str) -> None:
    copy = world.folder / "copy.safetensors"
    copy.write_bytes(Path(weights).read_bytes())
    wire(world, photos, weights)
    world.done()
    world.nodes["boxes"]["path"] = str(copy)
    assert world.plan()["boxes"].decision is Decision.REUSE
    data = bytearray(copy.read_bytes())
    data[-1] ^= 1
    copy.write_bytes(bytes(data))
    changed = world.plan()["boxes"]
    assert changed.decision is Decision.RUN
    assert "file_hashes.weights" in changed.reason


@pytest.mark.wider
def test_the_other_published_variant_is_refused_at_plan_time(world: World, shared: Path, photos: Path) -> None:
    for file, own, other in (
        (STANDARD, "retinaface_mobilenet", "retinaface_mobilenet_mb1"),
        (ONE_MEGABYTE, "retinaface_mobilenet_mb1", "retinaface_mobilenet"),
    ):
        wire(world, photos, str(shared / "data/weights" / file), detector=other)
        with pytest.raises(ValueError, match=f"checkpoint is {own} .*, not {other}"):
            world.run()
