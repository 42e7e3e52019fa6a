"""What becomes of images that are odd, broken, gone or changed, and of those that the network cannot answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.data.images import encode_png
from pipeline.data.records import Detections
from pipeline.engine.fingerprint import hash_bytes
from pipeline.engine.plan import context
from pipeline.engine.stage import Item, StageContext
from pipeline.inference.predictor import PendingBatch, Predictor, Sizing
from pipeline.models.detectors.detector import Detector
from pipeline.models.weights import open_detector, save_bytes
from stages.predict import Predict
from tests.stages.odd_images import broken_files, odd_files
from tests.stages.photo_dump import boxes, wire, worker, write_photos
from tests.stages.world import World, drawn_image


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return write_photos(tmp_path)


def test_odd_images_are_seen_as_they_show_and_broken_ones_become_error_rows(
    world: World, photos: Path, weights: str
) -> None:
    odd, broken = odd_files(photos), broken_files(photos)
    wire(world, photos, weights, run={"max_error_share": 0.3, "shard_rows": 4})
    world.done()
    found = boxes(world)
    assert set(found) == {path.name for path in photos.iterdir()}
    for name, plain in odd.items():
        assert found[name].error is None
        assert (found[name].width, found[name].height) == (found[plain].width, found[plain].height)
        np.testing.assert_array_equal(found[name].boxes, found[plain].boxes, err_msg=name)
        np.testing.assert_array_equal(found[name].scores, found[plain].scores, err_msg=name)
    assert (found["turned.png"].width, found["turned.png"].height) == (64, 96)
    assert not np.array_equal(found["grey.png"].scores, found["deep.png"].scores)
    for name, words in broken.items():
        assert words in str(found[name].error)
        assert len(found[name].boxes) == found[name].width == 0
    errors = dict(world.artifact("boxes").manifest.errors)
    assert errors.keys() == broken.keys()


def test_too_many_broken_images_fail_the_node_and_lose_nothing(world: World, photos: Path, weights: str) -> None:
    broken_files(photos)
    wire(world, photos, weights, run={"max_error_share": 0.4})
    world.node("found", "suppress", inputs={"candidates": "boxes"}, run={"max_error_share": 0.5})
    outcome = world.run()
    assert outcome.blocked == ["found"]
    assert "3 of 6 rows are errors (50.0%), allowed are 40.0%" in outcome.failed["boxes"]
    world.nodes["boxes"]["run"] = {"max_error_share": 0.5}
    world.done()
    assert world.computed("boxes") == 0


def test_a_file_that_vanished_after_planning_is_an_error_row(world: World, photos: Path, weights: str) -> None:
    wire(world, photos, weights)
    world.done()
    plans = world.plan()
    ctx = context(world.graph(), "boxes", plans, {})
    work, items = plans["boxes"].node.stage.open(ctx), world.items("boxes")
    (photos / "1.png").unlink()
    rows = [Detections.from_row(row) for row in work(items)]
    assert [row.image_id for row in rows] == ["0.png", "1.png", "2.png"]
    assert [row.error is None for row in rows] == [True, False, True]
    assert "No such file" in str(rows[1].error)


def test_an_image_that_changed_after_it_was_indexed_is_an_error_row(world: World, photos: Path, weights: str) -> None:
    wire(world, photos, weights)
    world.done()
    compute = worker(world)
    (photos / "1.png").write_bytes(encode_png(drawn_image(8)))
    rows = compute()
    assert [row.error for row in rows] == [None, "ValueError: 1.png has changed since it was indexed; run again", None]
    world.done()  # indexes it again
    assert [row.error for row in worker(world)()] == [None] * 3


def test_an_image_that_could_not_be_read_by_the_index_waits_for_the_next(
    world: World, photos: Path, weights: str
) -> None:
    wire(world, photos, weights)
    world.done()
    stage, ctx = world.graph().nodes["boxes"].stage, context(world.graph(), "boxes", world.plan(), {})
    assert isinstance(stage, Predict)
    (row,) = stage.open(ctx)([Item("1.png", "", {"path": "1.png"})])
    assert "could not be read when it was indexed; run again with --retry-errors" in row["error"]


def test_trouble_of_the_machine_is_no_row(world: World, photos: Path, weights: str) -> None:
    wire(world, photos, weights)
    world.done()
    compute = worker(world)
    (photos / "1.png").unlink()
    (photos / "1.png").symlink_to("1.png")  # a loop: an OSError that is none of a single image's
    with pytest.raises(OSError, match="symbolic links"):
        compute()


class Clumsy(Predictor):
    """Asks for a petabyte, or multiplies what does not fit, where an image is 5 or 6 pixels high."""

    def launch(self, images_bgr: Sequence[np.ndarray], canvas: Sizing, *, tile: int | None = None) -> PendingBatch:
        for image in images_bgr:
            if image.shape[0] == 5:
                torch.empty(2**50, dtype=torch.uint8)
            if image.shape[0] == 6:
                torch.ones(2, 3) @ torch.ones(2, 3)
        return super().launch(images_bgr, canvas, tile=tile)


class PredictClumsily(Predict):
    def predictor(self, ctx: StageContext) -> Predictor:
        return Clumsy(super().predictor(ctx).detector, max_candidates=self.max_candidates)


def test_only_a_lack_of_memory_is_an_images_own_trouble(world: World, photos: Path, weights: str) -> None:
    (photos / "1.png").write_bytes(encode_png(drawn_image(1)[:5]))
    wire(world, photos, weights)
    world.done()
    plans = world.plan()
    items, ctx = world.items("boxes"), context(world.graph(), "boxes", plans, {})
    stage = PredictClumsily(canvas="original", max_candidates=100)
    assert items
    rows = [Detections.from_row(row) for row in stage.open(ctx)(items)]
    assert [row.error is None for row in rows] == [True, False, True]
    assert "can't allocate memory" in str(rows[1].error)
    assert (rows[1].width, rows[1].height) == (96, 5)
    data = encode_png(drawn_image(1)[:6])
    (photos / "1.png").write_bytes(data)
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        list(stage.open(ctx)([Item("1.png", hash_bytes(data), {"path": "1.png"})]))


def sick(world: World, weights: str, change: Callable[[Detector], None]) -> str:
    _, detector = open_detector(weights)
    with torch.no_grad():
        change(detector)
    file = world.folder / "sick.safetensors"
    file.write_bytes(save_bytes("retinaface_mobilenet", detector))
    return str(file)


def test_an_image_the_network_cannot_answer_is_an_error_row(world: World, photos: Path, weights: str) -> None:
    def overflow_unless_black(detector: Detector) -> None:
        """One channel of the finest level, multiplied so that only what a black image never gives is infinite."""
        seen: list[Tensor] = []
        detector.eval().context[0].register_forward_hook(lambda *passed: seen.append(passed[2].amax((0, 2, 3))))
        for image in (np.zeros((256, 256, 3), np.uint8), *(drawn_image(each) for each in range(3))):
            detector(detector.normalisation(torch.from_numpy(image)).permute(2, 0, 1)[None])
        black, least = seen[0], torch.stack(seen[1:]).amin(0)
        channel = int((least / (black + 1e-3)).argmax())
        assert least[channel] > 1.2 * black[channel]
        conv = detector.heads.kinds[1].levels[0]
        conv.weight[:, channel] = 3.4e38 / float((least[channel] * (black[channel] + 1e-3)).sqrt())

    wire(world, photos, sick(world, weights, overflow_unless_black), run={"max_error_share": 1})
    world.done()
    for found in boxes(world).values():
        assert "the network answered with NaN or infinity in its logits" in str(found.error)
        assert (found.width, found.height, len(found.boxes)) == (96, 64, 0)


def test_a_network_that_answers_nothing_stops_its_node_at_once(world: World, photos: Path, weights: str) -> None:
    def spoil(detector: Detector) -> None:
        detector.heads.kinds[1].levels[0].bias.fill_(torch.nan)

    wire(world, photos, sick(world, weights, spoil), run={"max_error_share": 1})
    failed = world.run().failed
    assert "the network answered with NaN or infinity in its logits" in failed["boxes"]


def test_new_pixels_under_an_old_name_are_seen(world: World, photos: Path, weights: str) -> None:
    wire(world, photos, weights)
    world.done()
    before = boxes(world)
    (photos / "1.png").write_bytes(encode_png(drawn_image(8)))
    world.done()
    assert world.computed("boxes") == 1
    after = boxes(world)
    assert [np.array_equal(after[name].boxes, before[name].boxes) for name in before] == [True, False, True]
