"""Images of several sizes on one padded canvas: every detector answers as for each image alone."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor

from jobs.benchmarks.forward import settled
from pipeline.models.detectors import DETECTORS
from pipeline.models.detectors.detector import Detector, Raw
from pipeline.models.fuse import for_inference
from pipeline.models.init import without_weights
from pipeline.models.network_copy import copy_network
from pipeline.models.padding import COARSEST, Layout, Padding

SIZES = ((101, 125), (128, 67), (33, 17))
SIDE = 128


# Of one kind the smallest. The deep networks of MogFace take a minute each here: their own part, norms over whole maps,
# has a test below, and all of them have one on a GPU.
DEEP = ("mogface", "mogface_e", "mogface_official", "mogface_e_official")
CHEAP = ("retinaface_mobilenet", "retinaface_mobilenet_mb1", "mogface_mobilenet")
KINDS = [
    pytest.param(name, marks=() if name in CHEAP else pytest.mark.slow)
    for name in DETECTORS
    if name not in ("hrnet_w32", "hrnet_w48", *DEEP)
]


def canvas() -> tuple[list[Tensor], Tensor]:
    generator = torch.Generator().manual_seed(0)
    images = [60 * torch.randn(1, 3, height, width, generator=generator) for height, width in SIZES]
    padded = torch.zeros(len(SIZES), 3, SIDE, SIDE)
    for place, image in zip(padded, images, strict=True):
        place[:, : image.shape[2], : image.shape[3]] = image[0]
    return images, padded


def difference(detector: Detector, alone: Raw, padded: Raw, number: int) -> float:
    height, width = SIZES[number]
    inside = detector.grid.window_indices(SIDE, SIDE, (0, 0, width, height))
    assert torch.equal(detector.grid.inside(SIDE, SIDE, torch.tensor(SIZES))[number].nonzero().squeeze(1), inside)
    worst = 0.0
    for one, other in ((alone.boxes, padded.boxes), (alone.logits, padded.logits), (alone.landmarks, padded.landmarks)):
        if one is not None and other is not None:
            away = (one[0] - other[number][inside]).abs().max() / one.abs().max().clamp(min=1)
            worst = max(worst, float(away))
    return worst


@pytest.mark.slow
def test_the_deep_networks_are_those_with_norms_over_whole_maps() -> None:
    with without_weights():
        assert tuple(name for name in DETECTORS if DETECTORS.find(name).build().whole_image_statistics) == DEEP


@pytest.mark.parametrize("name", KINDS)
def test_every_image_gets_its_own_answers(name: str) -> None:
    torch.manual_seed(0)
    detector = for_inference(settled(DETECTORS.find(name).build(), side=256))
    careful, careless = copy_network(detector), detector
    padding = Padding(careful)
    images, padded = canvas()
    with torch.inference_mode():
        alone = [detector(image) for image in images]
        padding.lay(Layout(torch.tensor(SIZES), SIDE, SIDE))
        together, seen = careful(padded), careless(padded[:1])
        for number in range(len(SIZES)):
            assert difference(detector, alone[number], together, number) < 1e-4
        assert difference(detector, alone[0], seen, 0) > 1e-3  # without care the edge is another one
        for number in (0, 2):  # a single one, whose size the host knows
            padding.lay(Layout(torch.tensor(SIZES[number : number + 1]), SIDE, SIDE, alone=SIZES[number]))
            single = careful(canvas()[1][number : number + 1])
            other = Raw(
                *(
                    None if each is None else each.expand(len(SIZES), -1, -1)
                    for each in (single.boxes, single.logits, single.landmarks)
                )
            )
            assert difference(detector, alone[number], other, number) < 1e-4


@pytest.mark.parametrize("decides", ["progressive", "where_masked", "product"])
def test_the_progressive_classifier_sees_no_confident_cell_beyond_an_image(decides: str) -> None:
    torch.manual_seed(0)
    detector = settled(DETECTORS["mogface_mobilenet"].build())
    detector.decide_by(decides)
    detector.hierarchical.threshold = 0.005  # many cells are above it, beyond the images too
    detector = for_inference(detector)
    careful = copy_network(detector)
    padding = Padding(careful)
    images, padded = canvas()
    with torch.inference_mode():
        padding.lay(Layout(torch.tensor(SIZES), SIDE, SIDE))
        together = careful(padded)
        for number, image in enumerate(images):
            assert difference(detector, detector(image), together, number) < 1e-4


def test_a_norm_over_whole_maps_counts_the_cells_of_its_image_only() -> None:
    torch.manual_seed(0)
    layers = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.GroupNorm(2, 8))
    torch.nn.init.normal_(layers[1].weight), torch.nn.init.normal_(layers[1].bias)
    careful = copy.deepcopy(layers)
    padding = Padding(careful)
    images, padded = canvas()
    with torch.inference_mode():
        padding.lay(Layout(torch.tensor(SIZES), SIDE, SIDE))
        together, careless = careful(padded), layers(padded)
        for number, (image, (height, width)) in enumerate(zip(images, SIZES, strict=True)):
            torch.testing.assert_close(together[number, :, :height, :width], layers(image)[0], atol=1e-5, rtol=1e-4)
        assert abs(careless[2, :, :33, :17] - layers(images[2])[0]).max() > 0.1


def test_a_canvas_that_all_images_fill_costs_nothing_and_changes_nothing() -> None:
    torch.manual_seed(0)
    detector = for_inference(settled(DETECTORS["retinaface_mobilenet"].build()))
    careful = copy_network(detector)
    padding = Padding(careful)
    image = torch.randn(2, 3, 100, 140)
    with torch.inference_mode():
        padding.lay(Layout(None, 100, 140))
        assert torch.equal(careful(image).logits, detector(image).logits)


def test_a_canvas_with_two_levels_of_one_size_is_refused() -> None:
    with pytest.raises(ValueError, match=f"multiples of {COARSEST}, found 320 x 256"):
        Layout(torch.tensor([[10, 10]]), 256, 320)
