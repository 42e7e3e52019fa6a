"""A batch taken in parts, or by several processes, gives the gradient of the whole batch."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pipeline.models.detectors import DETECTORS
from pipeline.models.detectors.detector import Detector
from pipeline.training.assigners import ASSIGNERS
from pipeline.training.data.batch import Batch, Faces
from pipeline.training.recipes.detector import DetectorRecipe
from pipeline.training.tasks.detector import DetectorTask, assigner_of
from tests.training.gradients import gradient_of, part_of
from tests.training.plain_loop import numbers
from tests.training.small_mogface import small_mogface

TASK = DetectorTask("", DetectorRecipe())


def batch_of(detector: Detector, count: int) -> Batch:
    rng = np.random.default_rng(3)
    pixels = torch.from_numpy(rng.integers(0, 256, (count, 64, 64, 3), dtype=np.uint8))
    faces = []
    for _ in range(count):
        corner = rng.uniform(2, 30, (2, 2))
        boxes = torch.from_numpy(np.hstack([corner, corner + rng.uniform(8, 34, (2, 2))]).astype(np.float32))
        faces.append(Faces(boxes, boxes[:, None, :2].repeat(1, 5, 1) + 3, torch.tensor([True, False])))
    images = detector.normalisation(pixels).permute(0, 3, 1, 2)
    return Batch(tuple(map(str, range(count))), images, tuple(faces))


def retinaface() -> Detector:
    torch.manual_seed(0)
    return DETECTORS["retinaface_mobilenet"].build().eval().double()


def every_head() -> Detector:
    """The main classifier is confident here and there."""
    detector = small_mogface(seed=0)
    for conv in detector.heads.predict.kinds[1].levels:  # type: ignore[union-attr,index]
        conv.bias.data.fill_(-2.2)
        nn.init.normal_(conv.weight, std=1.0)
    detector.all_heads = True
    return detector.eval().double()


@pytest.mark.parametrize(("make", "count", "parts"), [(retinaface, 8, 2), (retinaface, 5, 3), (every_head, 4, 2)])
def test_parts_equal_the_whole(make, count: int, parts: int) -> None:  # type: ignore[no-untyped-def]
    """Where norms have fixed statistics: 2 parts of 4 are a batch of 8, whatever its losses are divided by."""
    detector = make()
    batch = batch_of(detector, count)
    whole, wanted = gradient_of(TASK, detector, batch)
    assert (whole.counts["compensated"] > 0) == (assigner_of(detector, TASK.recipe) == ASSIGNERS["ali_ams"].build())
    pieces, found = gradient_of(TASK, detector, batch, parts=parts)
    assert numbers(pieces) == pytest.approx(numbers(whole), rel=1e-12)
    assert all(value > 0 for value in numbers(pieces).values())
    assert torch.equal(pieces.counts["positives_of_level"], whole.counts["positives_of_level"])
    assert (found - wanted).norm() < 1e-9 * wanted.norm()


def test_processes_that_average_their_gradients_equal_one() -> None:
    detector = retinaface()
    batch = batch_of(detector, 4)
    _, wanted = gradient_of(TASK, detector, batch)
    halves = [part_of(batch, slice(0, 3)), part_of(batch, slice(3, 4))]
    counts: list[Tensor] = []
    for half in halves:
        gradient_of(TASK, detector, half, normalise=lambda own: counts.append(own) or own)  # type: ignore[func-returns-value]
    summed = {"normalise": lambda _: counts[0] + counts[1], "scale": 2.0}
    each = [gradient_of(TASK, detector, half, **summed)[1] for half in halves]  # type: ignore[arg-type]
    assert ((each[0] + each[1]) / 2 - wanted).norm() < 1e-6 * wanted.norm()


def test_norms_see_every_part_once() -> None:
    detector = retinaface().train()
    twin = deepcopy(detector)
    batch = batch_of(detector, 4)
    gradient_of(TASK, detector, batch, parts=2)
    with torch.no_grad():
        for piece in (slice(0, 2), slice(2, 4)):
            TASK.forward(twin, part_of(batch, piece))
    buffers = dict(twin.named_buffers())
    for name, value in detector.named_buffers():
        assert torch.equal(value, buffers[name]), name
    norms = [part for part in detector.modules() if isinstance(part, nn.BatchNorm2d)]
    assert norms and all(norm.track_running_stats for norm in norms)


def test_a_wrapper_exchanges_gradients_with_the_last_part_only() -> None:
    from contextlib import contextmanager

    detector, calls = retinaface(), []

    class Wrapper:
        def __call__(self, images: Tensor):  # type: ignore[no-untyped-def]
            calls.append("forward")
            return detector(images)

        @contextmanager
        def no_sync(self):  # type: ignore[no-untyped-def]
            calls.append("pause")
            yield
            calls.append("resume")

    batch = batch_of(detector, 3)
    gradient_of(TASK, detector, batch, parts=3, network=Wrapper())
    quiet = ["pause", "forward", "resume"]
    assert calls == ["forward"] * 3 + quiet * 2 + ["forward"]


@pytest.mark.parametrize("parts", [-1, 3])
def test_parts_that_cannot_be_cut_are_refused(parts: int) -> None:
    detector = retinaface()
    with pytest.raises(ValueError, match=f"a batch of 2 images cannot be taken in {parts} parts"):
        gradient_of(TASK, detector, batch_of(detector, 2), parts=parts)
