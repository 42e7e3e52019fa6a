"""What every entry of DETECTORS must do; a new entry is picked up by itself."""

import io
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.data.canvas import Canvas
from pipeline.inference.predictor import Predictor
from pipeline.models.detectors import DETECTORS
from pipeline.models.detectors.detector import Detector, Raw
from pipeline.models.network_copy import copy_modules
from pipeline.models.weights import open_detector, save_bytes
from tests.models.weight_rule import tensor

# Depth changes nothing that is asked for here but the time it takes; the two paper entries differ in it alone, so that
# one of them is for the narrower head and the other for no deep head.
SHALLOW: dict[str, dict[str, object]] = {
    "mogface": {"depth": 50, "head": "cpm"},
    "mogface_e": {"depth": 50, "deep_head": False, "pyramid_anchor": False},
    "mogface_official": {"depth": 50},
    "mogface_e_official": {"depth": 50},
}
CHEAPEST = "retinaface_mobilenet"
# Large networks, each of which takes seconds to build and to test.
LARGE = ("hrnet_w32", "hrnet_w48", "mogface", "mogface_e", "mogface_official", "mogface_e_official")


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=pytest.mark.slow if name in LARGE else ()) for name in DETECTORS],
)
def named(request: pytest.FixtureRequest) -> tuple[str, Detector]:
    torch.manual_seed(0)
    return request.param, _awake(DETECTORS[request.param].build(**SHALLOW.get(request.param, {})))


@dataclass(frozen=True)
class Seen:
    """What a detector answers to images that several tests ask about."""

    pair: Tensor  # two images of 24 x 40
    together: Raw
    second: Raw  # of the second image alone
    wide: Tensor  # one image, whose sides are 2^n + 1
    of_wide: Raw


@pytest.fixture(scope="module")
def seen(named: tuple[str, Detector]) -> Seen:
    """Every pass of a large network takes a fifth of a second, however small the image."""
    detector = named[1]
    pair, wide = _noise(detector, 24, 40, batch=2), _noise(detector, 17, 129)
    with torch.inference_mode():
        return Seen(pair, detector(pair), detector(pair[1:]), wide, detector(wide))


def _awake(detector: Detector) -> Detector:
    """Lets the norms see one batch: without that an untrained HRNet answers in hundreds of thousands."""
    norms = [module for module in detector.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
    with torch.no_grad():
        detector.train()(_noise(detector, 64, 96, batch=2))
    return detector.eval()


def _noise(detector: Detector, height: int, width: int, batch: int = 1) -> Tensor:
    """Returns random pixels as the detector wants them, [batch, 3, height, width]."""
    generator = torch.Generator().manual_seed(height * width)
    pixels = torch.randint(0, 256, (batch, height, width, 3), dtype=torch.uint8, generator=generator)
    return detector.normalisation(pixels).permute(0, 3, 1, 2)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (33, 17), (32, 64), (5, 131), (1024, 683)])
def test_one_row_per_anchor_whatever_the_size(named: tuple[str, Detector], height: int, width: int) -> None:
    name, detector = named
    if height > 1000 and name != CHEAPEST:
        pytest.skip("large sizes only for the cheapest")
    with torch.inference_mode():
        raw = detector(_noise(detector, height, width, batch=2))
        anchors = detector.anchors(height, width)
        boxes, landmarks = detector.decode(raw, anchors)
        scores = detector.scores(raw.logits)
    assert raw.boxes.shape == (2, len(anchors), 4) == boxes.shape
    assert scores.shape == (2, len(anchors))
    assert scores.dtype == boxes.dtype == torch.float32
    assert torch.isfinite(boxes).all()
    assert ((scores >= 0) & (scores <= 1)).all()
    assert landmarks is None or landmarks.shape == (2, len(anchors), 5, 2)


def test_images_of_a_batch_do_not_touch_each_other(seen: Seen) -> None:
    assert torch.allclose(seen.together.logits[1], seen.second.logits[0], atol=1e-4)


def test_zero_deltas_decode_to_the_anchors(named: tuple[str, Detector]) -> None:
    detector = named[1]
    anchors = detector.anchors(64, 96)
    boxes = detector.coder.decode(torch.zeros(len(anchors), 4), anchors)
    # A network taught inclusive corners means a box half a pixel to the right of and below what it says.
    shift = 0.5 if detector.coder.pixel_inclusive else 0.0
    assert torch.allclose(boxes, detector.grid.corners(64, 96) + shift)


def test_boxes_come_back_in_the_original_frame(named: tuple[str, Detector]) -> None:
    detector = named[1]
    boxes = {key: value for key, value in detector.named_parameters() if "kinds.0." in key}
    before = {key: value.detach().clone() for key, value in boxes.items()}
    with torch.no_grad():
        for parameter in boxes.values():  # every box is then its anchor, 3 times smaller than on the canvas
            parameter.zero_()
        predictor = Predictor(detector, max_candidates=20)
        for key, parameter in boxes.items():
            parameter.copy_(before[key])
    image = np.random.default_rng(0).integers(0, 256, (11, 15, 3), dtype=np.uint8)
    found = predictor.candidates(image, Canvas(45))
    assert len(found) == 20
    assert (np.diff(found.scores) <= 0).all()
    assert found.boxes.dtype == found.scores.dtype == np.float32
    shift = 0.5 if detector.coder.pixel_inclusive else 0.0
    canvas = (detector.grid.corners(33, 45).numpy() + shift) / 3
    nearest = np.abs(found.boxes[:, None] - canvas[None]).max(2).min(1)
    assert (nearest < 1e-3).all()


def test_halo_is_whole_cells_and_memory_is_measured(named: tuple[str, Detector]) -> None:
    detector = named[1]
    assert detector.receptive_halo % max(detector.strides) == 0 < detector.receptive_halo
    assert detector.memory.per_pixel >= 12  # the input alone
    assert list(detector.strides) == sorted(detector.strides)


def _pickled(detector: Detector) -> Detector:
    """Returns a copy by way of pickle; the storages of its tensors, torch's own matter, are shared instead of written."""
    file, storages = io.BytesIO(), list[object]()

    class Pickler(pickle.Pickler):
        def persistent_id(self, part: object) -> int | None:
            if not isinstance(part, torch.TypedStorage):
                return None
            storages.append(part)
            return len(storages) - 1

    class Unpickler(pickle.Unpickler):
        def persistent_load(self, number: int) -> object:
            return storages[number]

    Pickler(file).dump(detector)
    file.seek(0)
    return Unpickler(file).load()


def test_pickled_and_saved_copies_answer_alike(named: tuple[str, Detector], seen: Seen) -> None:
    name, detector = named
    images, expected = seen.pair[1:], seen.second.logits
    with torch.inference_mode():
        assert torch.equal(_pickled(detector)(images).logits, expected)
        found, loaded = open_detector(save_bytes(name, detector, {"model_args": SHALLOW.get(name, {})}))
        assert found == name
        assert torch.equal(loaded(images).logits, expected)


def test_an_empty_image_is_no_trouble(named: tuple[str, Detector]) -> None:
    detector = named[1]
    black = detector.normalisation(torch.zeros(24, 40, 3, dtype=torch.uint8)).permute(2, 0, 1)[None]
    with torch.inference_mode():
        raw = detector(black)
        boxes, _ = detector.decode(raw, detector.anchors(24, 40))
    assert torch.isfinite(raw.logits).all()
    assert torch.isfinite(boxes).all()


def test_half_precision_answers_like_single(named: tuple[str, Detector], seen: Seen) -> None:
    one, half = seen.second, copy_modules(named[1])
    half.load_state_dict({key: value.bfloat16() for key, value in half.state_dict().items()}, assign=True)
    with torch.inference_mode():
        other = half(seen.pair[1:].bfloat16())
        boxes, _ = half.decode(other, half.anchors(24, 40))
    assert other.logits.dtype == torch.bfloat16
    assert boxes.dtype == torch.float32
    assert torch.isfinite(boxes).all()
    # An untrained network is sure of nothing, so single scores move; together they say the same.
    both = torch.stack([half.scores(other.logits)[0], named[1].scores(one.logits)[0]])
    assert torch.corrcoef(both)[0, 1] > 0.7


@contextmanager
def _kernels(detector: Detector, change: Callable[[Tensor], Tensor]) -> Iterator[Detector]:
    """Gives the detector other kernels for a while."""
    own = {part: part.weight for part in detector.modules() if isinstance(part, torch.nn.Conv2d)}
    for part, weight in own.items():
        part.weight = torch.nn.Parameter(change(weight.detach()).contiguous())
    try:
        yield detector
    finally:
        for part, weight in own.items():
            part.weight = weight


def test_a_transposed_image_gives_a_transposed_answer(named: tuple[str, Detector], seen: Seen) -> None:
    """Rows and columns are treated alike: exact for any network whose kernels are transposed too."""
    detector, (height, width) = named[1], seen.wide.shape[2:]
    with torch.inference_mode(), _kernels(detector, lambda weight: weight.transpose(2, 3)) as turned:
        other = turned(seen.wide.transpose(2, 3).contiguous())
    maps = _maps(detector, seen.of_wide, height, width), _maps(detector, other, width, height)
    for level, theirs in zip(*maps, strict=True):
        # The last layer's kernels are turned like the others, so that what it says of x is still said of x.
        back = theirs.transpose(1, 2)
        assert torch.allclose(level, back, rtol=1e-3, atol=1e-3 * float(level.std()) + 1e-5)


def test_a_mirrored_image_gives_a_mirrored_answer_on_the_coarsest_level(
    named: tuple[str, Detector], seen: Seen
) -> None:
    """With mirrored kernels, on sides of 2^n + 1 where strides meet both borders alike; finer levels are resampled."""
    name, detector = named
    if name.startswith("hrnet"):
        pytest.skip("HRNet's branches exchange resampled maps")
    height, width = seen.wide.shape[2:]
    with torch.inference_mode(), _kernels(detector, lambda weight: weight.flip(3)) as mirrored:
        other = _maps(detector, mirrored(seen.wide.flip(3)), height, width)[-1].flip(2)
    one = _maps(detector, seen.of_wide, height, width)[-1]
    assert torch.allclose(one, other, rtol=1e-3, atol=1e-3 * float(one.std()) + 1e-5)


def test_a_tile_with_its_halo_equals_the_whole_image(named: tuple[str, Detector]) -> None:
    name, detector = named
    if detector.whole_image_statistics or name in ("retinaface_resnet50", "hrnet_w32", "hrnet_w48"):
        pytest.skip("norms over whole maps see everything; wider twins of networks that are tried")
    detector = copy_modules(detector)
    # Untrained answers hardly vary; these weights make scores that do.
    state = {}
    for key, value in detector.state_dict().items():
        heads = key.replace("kinds.1", "pred_cls").replace("kinds.0", "pred_loc").replace("classifier", "pred_cls")
        state[key] = tensor(heads, list(value.shape))
    detector.load_state_dict(state, assign=True)
    halo, coarse, height = detector.receptive_halo, max(detector.strides), 32
    width = 2 * halo + 3 * coarse
    images = torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(0))
    whole_x = detector.anchors(height, width)[:, 0]
    compared = 0
    with torch.inference_mode():
        whole = detector.scores(detector(images).logits)[0]
        for x0, x1, first, last in (
            (0, halo + coarse, 0, coarse),
            (width - halo - coarse, width, width - coarse, width),
        ):
            x0 = x0 // coarse * coarse
            part = detector.scores(detector(images[..., x0:x1]).logits)[0]
            index = detector.grid.window_indices(height, width, (x0, 0, x1, height))
            core = (whole_x[index] >= first) & (whole_x[index] < last)
            assert (part[core] - whole[index][core]).abs().max() < 1e-4
            compared += int(core.sum())
    assert compared > 50
    assert whole.std() > 0.001


def _maps(detector: Detector, raw: Raw, height: int, width: int) -> list[Tensor]:
    """Returns per level boxes and logits as [B, rows, columns, anchors per cell, 4 + C]."""
    shapes = detector.grid.shapes(height, width)
    counts = [rows * columns * len(sizes) for (rows, columns), sizes in zip(shapes, detector.grid.sizes, strict=True)]
    parts = torch.cat([raw.boxes, raw.logits], dim=-1).split(counts, dim=1)
    return [part.unflatten(1, (*shape, -1)) for part, shape in zip(parts, shapes, strict=True)]


def test_names_are_listed_where_one_is_wrong() -> None:
    with pytest.raises(
        ValueError,
        match="choices: retinaface_mobilenet, retinaface_mobilenet_mb1, retinaface_resnet50, hambox_resnet50",
    ):
        DETECTORS.find("retinaface")


def test_no_content_hash_belongs_to_two_detectors() -> None:
    hashes = [content_hash for spec in DETECTORS.values() for content_hash in spec.content_hashes]
    assert len(hashes) == len(set(hashes))
    assert all(len(content_hash) == 64 for content_hash in hashes)
