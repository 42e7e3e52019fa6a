import pytest
import torch
from torch import nn

from pipeline.models.detectors import DETECTORS
from pipeline.models.detectors.six_levels import PRACTICAL_HALO, SixLevelDetector, square_anchors
from pipeline.models.fuse import for_inference
from tests.models.blank import blank_weights


def test_anchors_are_four_strides_wide() -> None:
    assert [sizes[0] for sizes in square_anchors().sizes] == [16, 32, 64, 128, 256, 512]
    assert square_anchors(0.68).sizes[0][0] == pytest.approx(10.88)
    assert square_anchors().count(640, 640) == 34_125
    assert square_anchors().count(1000, 700) == 58_450


@pytest.mark.slow
def test_no_pixel_beyond_the_halo_reaches_the_baseline() -> None:
    """565 pixels on the coarsest level, so 640 is the least multiple of 128 that holds them."""
    detector = DETECTORS["mogface_baseline"].build().eval().double()
    with torch.no_grad():
        for module in detector.modules():  # all weights positive: no rectifier hides a path
            if isinstance(module, nn.Conv2d):
                module.weight.fill_(1 / module.weight[0].numel())
                if module.bias is not None:
                    module.bias.zero_()
    images = torch.ones(1, 3, 1, 128 * 12, dtype=torch.float64, requires_grad=True)
    logits, first, farthest = detector(images).logits[0], 0, 0
    for stride, (_, columns) in zip(detector.strides, detector.grid.shapes(1, 128 * 12), strict=True):
        cell = columns // 2
        (gradient,) = torch.autograd.grad(logits[first + cell].sum(), images, retain_graph=True)
        seen = torch.nonzero(gradient.abs().sum((0, 1, 2))).squeeze(1)
        farthest = max(farthest, cell * stride - int(seen[0]), int(seen[-1]) + 1 - (cell + 1) * stride)
        first += columns
    assert farthest == 565
    assert detector.receptive_halo == 640


def test_halos_beyond_the_practical_one_are_cut() -> None:
    with torch.device("meta"):
        assert [
            each.receptive_halo
            for each in (
                DETECTORS["hambox_resnet50"].build(head="plain"),
                DETECTORS["hambox_resnet50"].build(),
                DETECTORS["hrnet_w18"].build(),
            )
        ] == [
            640,
            PRACTICAL_HALO,
            PRACTICAL_HALO,
        ]


@pytest.mark.parametrize("head", ["plain", "ssh", "cpm"])
@pytest.mark.parametrize("pyramid", ["low", "v2p"])
def test_switches_of_hrnet_and_hambox(head: str, pyramid: str) -> None:
    with torch.device("meta"), blank_weights():
        for detector in (
            DETECTORS["hrnet_w18"].build(pyramid=pyramid, head=head, pyramid_anchor=True, anchor_scale=0.68),
            DETECTORS["hambox_resnet50"].build(
                head=head, deep_head=True, shared_heads=True, pyramid_anchor=True, anchor_scale=0.68
            ),
        ):
            raw = detector.train()(torch.zeros(2, 3, 64, 96))
            anchors = detector.grid.count(64, 96)
            assert raw.boxes.shape == raw.first_shot.boxes.shape == (2, anchors, 4)
            assert raw.progressive is None
            assert detector.grid.sizes[5][0] == pytest.approx(348.16)


def test_mistakes_list_the_choices() -> None:
    with pytest.raises(ValueError, match="no pyramid 'fpn'; there are low, v2p"):
        DETECTORS["hrnet_w48"].build(pyramid="fpn")
    with pytest.raises(ValueError, match="no head 'x'; there are plain, ssh, cpm"), torch.device("meta"):
        DETECTORS["hambox_resnet50"].build(head="x")


def _uneven(detector: SixLevelDetector) -> SixLevelDetector:
    for module in detector.modules():
        if isinstance(module, nn.BatchNorm2d):  # statistics that do something
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 2, 4)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    return detector.double().eval()


@pytest.mark.parametrize("name", ["hambox", "hrnet"])
def test_folding_changes_nothing(name: str) -> None:
    torch.manual_seed(4)
    detector = _uneven(
        DETECTORS["hambox_resnet50"].build(head="cpm", shared_heads=True)
        if name == "hambox"
        else DETECTORS["hrnet_w18"].build()
    )
    images = torch.randn(1, 3, 35, 45, dtype=torch.float64)
    fast = for_inference(detector)
    with torch.inference_mode():
        expected, found = detector(images), fast(images)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in fast.modules())
    for one, other in ((expected.boxes, found.boxes), (expected.logits, found.logits)):
        assert torch.allclose(one, other, rtol=1e-8, atol=1e-8 * float(one.abs().max()))
