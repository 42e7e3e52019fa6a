"""The worker of a dump, in batches as on a GPU: rows in order, none lost or doubled, errors in their own rows."""

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
import torch

from jobs.benchmarks.forward import settled
from pipeline.data.canvas import Canvas
from pipeline.data.image_reader import Decoded
from pipeline.data.images import Image
from pipeline.data.records import Detections
from pipeline.engine.stage import Item
from pipeline.inference.batch_worker import BatchWorker
from pipeline.inference.predictor import PendingBatch, Predictor, Sizing
from pipeline.models.detectors import DETECTORS

CANVAS = Canvas(256)
BROKEN = (3, 11)


class Watched(Predictor):
    """Counts the images of every launch, and the batches at work at the same time."""

    def __init__(self, *arguments: object, **how: object) -> None:
        super().__init__(*arguments, **how)  # type: ignore[arg-type]
        self.launches: list[int] = []
        self.at_work = self.most_at_work = 0

    def launch(self, images_bgr: Sequence[Image], canvas: Sizing, *, tile: int | None = None) -> PendingBatch:
        self.launches.append(len(images_bgr))
        self.at_work += 1
        self.most_at_work = max(self.most_at_work, self.at_work)
        launched = super().launch(images_bgr, canvas, tile=tile)
        waited = launched.wait

        def wait() -> list[object]:
            self.at_work -= 1
            return waited()  # type: ignore[return-value]

        launched.wait = wait  # type: ignore[method-assign, assignment]
        return launched


@pytest.fixture(scope="module")
def images() -> list[Image]:
    rng = np.random.default_rng(0)
    sizes = rng.integers(60, 300, (17, 2))
    return [rng.integers(0, 256, (int(height), int(width), 3), np.uint8) for height, width in sizes]


def items_of(images: Sequence[Image]) -> list[Item]:
    found = []
    for number, image in enumerate(images):
        size = {"width": image.shape[1], "height": image.shape[0]}
        if number == BROKEN[1]:
            size = {"width": 0, "height": 0}  # as an index has it for an unreadable header
        found.append(Item(f"{number}.png", "", {"path": f"{number}.png", **size}))
    return found


def decoder(pixels: Sequence[Image], asked: list[str]):  # type: ignore[no-untyped-def]
    def images(items: Sequence[Item]) -> Iterator[Decoded]:
        for item in items:
            asked.append(item.key)
            number = int(item.key.removesuffix(".png"))
            if number in BROKEN:
                yield item, None, f"ValueError: {item.key} is broken"
            else:
                yield item, pixels[number], None

    return images


@pytest.mark.parametrize("ahead", [0, 1])
@pytest.mark.parametrize("most", [1, 3, 32])
def test_rows_are_those_of_one_at_a_time(images: list[Image], most: int, ahead: int) -> None:
    torch.manual_seed(0)
    detector = settled(DETECTORS.find("retinaface_mobilenet").build())
    items, asked = items_of(images), []
    plain = BatchWorker(Predictor(detector, max_candidates=50), CANVAS, decoder(images, []))
    expected = [Detections.from_row(row) for row in plain(items)]
    predictor = Watched(detector, max_candidates=50, pads=True)
    predictor.batch_pixels = most * 256 * 256
    work = BatchWorker(predictor, CANVAS, decoder(images, asked))
    work._ahead = ahead
    found = [Detections.from_row(row) for row in work(items)]
    assert [row.image_id for row in found] == [item.key for item in items]
    assert sorted(asked) == sorted(item.key for item in items)  # each read once
    assert sum(predictor.launches) == len(items) - len(BROKEN)
    assert max(predictor.launches) == (1 if most == 1 else 3 if most == 3 else len(items) - len(BROKEN))
    assert predictor.most_at_work == min(1 + ahead, len(predictor.launches)) and predictor.at_work == 0
    for number, (one, other) in enumerate(zip(found, expected, strict=True)):
        assert (one.error, one.width, one.height) == (other.error, other.width, other.height)
        assert (one.error is not None) == (number in BROKEN)
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-5)


def test_an_empty_shard_has_no_rows(images: list[Image]) -> None:
    detector = DETECTORS.find("retinaface_mobilenet").build()
    assert list(BatchWorker(Predictor(detector, pads=True), CANVAS, decoder(images, []))([])) == []
