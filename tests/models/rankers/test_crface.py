from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from pipeline.models.blocks import rectifier
from pipeline.models.init import without_weights
from pipeline.models.rankers import RANKERS
from pipeline.models.rankers.crface import CRFace, CRFaceConfig, Sampling
from pipeline.models.rankers.ranker import PIXELS
from pipeline.training.losses.pairwise_rank import PairwiseRankLoss


class Strides(nn.Module):
    """Means over the cells of strides 8, 16 and 32: a backbone that costs nothing."""

    channels = (3, 3, 3)

    def forward(self, images: Tensor) -> list[Tensor]:
        return [nn.functional.avg_pool2d(images, stride, ceil_mode=True) for stride in (8, 16, 32)]


def tiny(rows: int, *, sampling: Sampling = "nearest", learnt: bool = True) -> CRFace:
    """A ranker of four channels, whose last layers say something where it has learnt."""
    torch.manual_seed(0)
    config = CRFaceConfig(pixels="retinaface", num_candidates=rows, sampling=sampling)
    ranker = CRFace(Strides(), config, width=4, activation=rectifier(0.1), box_width=4)
    if learnt:
        for module in ranker.confidence:
            nn.init.normal_(module.answer.weight)
    return ranker.eval()


def tables(rows: int, batch: int = 1) -> Tensor:
    return torch.rand(batch, rows, 5, generator=torch.Generator().manual_seed(rows))


@pytest.mark.parametrize(("name", "least", "most"), [("crface", 31.6e6, 32.4e6), ("crface_mobilenet", 1.85e6, 1.95e6)])
def test_size_is_what_the_papers_megabytes_say(name: str, least: float, most: float) -> None:
    with without_weights():
        ranker = RANKERS.find(name).build()
    assert least < sum(parameter.numel() for parameter in ranker.parameters()) < most
    assert sum(parameter.numel() for parameter in ranker.boxes.parameters()) == 493_056


@pytest.mark.parametrize("sampling", ["nearest", "average"])
@pytest.mark.parametrize(("height", "width"), [(64, 96), (33, 17), (1, 1), (70, 131)])
def test_one_number_per_row_whatever_the_size(sampling: Sampling, height: int, width: int) -> None:
    ranker = tiny(30, sampling=sampling)
    residual = ranker(torch.randn(2, 3, height, width), tables(30, 2), torch.tensor([30, 4]))
    assert residual.shape == (2, 30)
    assert residual.dtype == torch.float32
    assert (residual[0] != 0).all()
    assert (residual[1] != 0).tolist() == [True] * 4 + [False] * 26


def test_nothing_is_corrected_before_it_has_learnt() -> None:
    residual = (
        RANKERS["crface_mobilenet"]
        .build(num_candidates=50)
        .eval()(torch.randn(1, 3, 40, 40), tables(50), torch.tensor([50]))
    )
    assert not residual.any()


def test_without_a_candidate_there_is_nothing_to_correct() -> None:
    residual = tiny(20)(torch.randn(1, 3, 40, 40), torch.zeros(1, 20, 5), torch.tensor([0]))
    assert not residual.any()


def test_images_of_a_batch_do_not_touch_each_other() -> None:
    ranker, images, boxes = tiny(40), torch.randn(3, 3, 40, 56), tables(40, 3)
    together = ranker(images, boxes, torch.tensor([40, 40, 40]))
    alone = ranker(images[1:2], boxes[1:2], torch.tensor([40]))
    torch.testing.assert_close(together[1:2], alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("sampling", "rows"), [("nearest", 1095), ("average", 5000)])
def test_rows_that_count_by_autograd(sampling: Sampling, rows: int) -> None:
    """1,095 of 5,000 at 1024 x 768, and all of them where rows are averaged."""
    table = tables(5000).requires_grad_()
    ranker = tiny(5000, sampling=sampling)
    ranker(torch.randn(1, 3, 768, 1024), table, torch.tensor([5000])).square().sum().backward()
    assert int(table.grad.abs().sum(2).count_nonzero()) == rows


def test_what_the_confidence_modules_say_is_averaged() -> None:
    ranker, image, boxes = tiny(20), torch.randn(1, 3, 64, 64), tables(20)
    whole = ranker(image, boxes, torch.tensor([20]))
    for module in ranker.confidence[1:]:
        nn.init.zeros_(module.answer.weight)
    first = ranker(image, boxes, torch.tensor([20]))
    levels = ranker.backbone(image)
    maps = ranker.boxes.nearest(boxes, [level.shape[2:] for level in levels])
    fine = ranker.pyramid([torch.cat(pair, 1) for pair in zip(levels, maps, strict=True)])[0]
    torch.testing.assert_close(first, ranker.confidence[0](fine) / 3)
    assert not torch.allclose(first, whole)


def test_equal_gradients_each_time() -> None:
    torch.use_deterministic_algorithms(True)
    try:
        ranker, image, gradients = tiny(60).train(), torch.randn(2, 3, 64, 64), []
        for ranker.checkpointed in (False, False, True):
            ranker.zero_grad()
            ranker(image, tables(60, 2), torch.tensor([60, 30])).square().sum().backward()
            gradients.append(torch.cat([parameter.grad.flatten() for parameter in ranker.parameters()]))
    finally:
        torch.use_deterministic_algorithms(False)
    assert gradients[0].any()
    assert torch.equal(gradients[0], gradients[1])
    torch.testing.assert_close(gradients[0], gradients[2], rtol=1e-4, atol=1e-6)


def step(ranker: CRFace, image: Tensor, boxes: Tensor, rate: float = 1e-3) -> Tensor:
    """Returns the residual after one step of Adam on a random order of the rows."""
    rows = boxes.shape[1]
    truths = torch.rand(1, rows, generator=torch.Generator().manual_seed(7))
    descent = torch.optim.Adam(ranker.parameters(), rate)
    refined = boxes[..., 4] + ranker(image, boxes, torch.tensor([rows]))
    PairwiseRankLoss(10)(refined, truths, torch.tensor([rows])).sum().backward()
    descent.step()
    with torch.no_grad():
        return ranker(image, boxes, torch.tensor([rows]))[0]


def test_a_small_scale_keeps_the_first_steps_below_the_gaps_of_neighbours() -> None:
    """As printed one step tears neighbours apart, whatever the image says; ours leaves their order."""
    rows = 2000
    boxes = tables(rows)
    boxes[..., 4] = torch.linspace(1, 0, rows)
    gap, image = 1 / (rows - 1), torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    printed, scaled = (RANKERS["crface_mobilenet"].build(num_candidates=rows, scale=scale) for scale in (None, 1e-3))
    apart = step(printed, image, boxes).diff().abs().mean().item()
    together = step(scaled, image, boxes).diff().abs().mean().item()
    assert apart > 5 * gap and 0 < together < gap / 10


def test_a_scale_is_learnt_and_is_not_there_as_printed() -> None:
    build = RANKERS["crface_mobilenet"].build
    printed, scaled = build(num_candidates=20), build(num_candidates=20, scale=0.25)
    assert scaled.log_scale is not None and printed.log_scale is None
    assert scaled.state_dict().keys() - printed.state_dict().keys() == {"log_scale"}
    scaled.load_state_dict({**printed.state_dict(), "log_scale": scaled.log_scale}, strict=True)
    for ranker in (printed, scaled):
        for module in ranker.eval().confidence:
            nn.init.constant_(module.answer.bias, 0.3)
    image, boxes = torch.randn(1, 3, 40, 40), tables(20)
    one, other = (ranker(image, boxes, torch.tensor([20])) for ranker in (printed, scaled))
    torch.testing.assert_close(other, one / 4)
    other.square().sum().backward()
    assert scaled.log_scale.grad is not None and scaled.log_scale.grad > 0


def test_switches_reach_the_network() -> None:
    build = RANKERS["crface_mobilenet"].build
    assert build(num_candidates=7, kernel=[5, 3]).boxes.convs[0].kernel_size == (5, 3)
    assert build(num_candidates=7, sampling="average").sampling == "average"
    assert build(num_candidates=7, pixels="imagenet").normalisation == PIXELS["imagenet"]
    assert build(num_candidates=7).normalisation == PIXELS["retinaface"]
    for model_args, words in (
        ({"sampling": "linear"}, "nearest or average, got 'linear'"),
        ({"scale": 0.0}, "scale must be above 0, got 0.0; leave it out"),
        ({"pixels": "grey"}, "no way to normalise pixels is called 'grey'"),
        (
            {"colour": 1},
            "CRFaceMobileNet has no switch colour; there are kernel, sampling, pixels, num_candidates, sees_image, adds_score, scale, slope",
        ),
    ):
        with pytest.raises(ValueError, match=words):
            build(num_candidates=7, **model_args)


def test_without_an_image_the_boxes_alone_decide() -> None:
    ranker = RANKERS["crface_mobilenet"].build(num_candidates=30, sees_image=False).eval()
    assert not list(ranker.backbone.parameters())
    for module in ranker.confidence:
        nn.init.normal_(module.answer.weight)
    with torch.no_grad():
        for height, width in ((70, 131), (1, 1)):
            one, other = (ranker(torch.randn(1, 3, height, width), tables(30), torch.tensor([30])) for _ in range(2))
            assert torch.equal(one, other) and one.all()
            body = RANKERS["crface_mobilenet"].build(num_candidates=30).backbone.eval()
            shapes = [level.shape for level in body(torch.zeros(1, 3, height, width))]
            assert [level.shape for level in ranker.maps(torch.zeros(1, 3, height, width))] == shapes
    with pytest.raises(ValueError, match="pretrained: expected false where sees_image is false"):
        RANKERS["crface"].build(pretrained=True, sees_image=False)


def test_without_the_detectors_score_the_answer_is_all_that_is_left() -> None:
    boxes, image, valid = tables(30), torch.randn(1, 3, 40, 40), torch.tensor([20])
    with torch.no_grad():
        new = RANKERS["crface_mobilenet"].build(num_candidates=30, adds_score=False).eval()
        assert not (boxes[..., 4] + new(image, boxes, valid))[0, :20].any()
        corrects, replaces = tiny(30), tiny(30)
        replaces.adds_score = False
        answer = corrects(image, boxes, valid)
        torch.testing.assert_close((boxes[..., 4] + replaces(image, boxes, valid))[:, :20], answer[:, :20])
        assert not replaces(image, boxes, valid)[:, 20:].any()
