from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from pipeline.models.init import without_weights
from pipeline.models.rankers import RANKERS
from pipeline.models.rankers.roi import OWN, RoIRanker, box_numbers

ROWS = 60


def learnt(**model_args: object) -> RoIRanker:
    """A ranker whose last layer says something."""
    torch.manual_seed(0)
    ranker = RANKERS["roi_mobilenet"].build(num_candidates=ROWS, **model_args)
    assert isinstance(ranker, RoIRanker)
    nn.init.normal_(ranker.answer[-1].weight)
    return ranker.eval()


def tables(*valid: int) -> tuple[Tensor, Tensor]:
    """Tables with boxes in heaps, best first, and how many rows are real."""
    generator = torch.Generator().manual_seed(3)
    batch = len(valid)
    heaps = torch.rand(batch, 6, 4, generator=generator) * torch.tensor([0.6, 0.6, 0.3, 0.3]) + 0.02
    boxes = heaps.repeat(1, ROWS // 6, 1) * (1 + 0.1 * torch.randn(batch, ROWS, 4, generator=generator))
    scores = torch.rand(batch, ROWS, 1, generator=generator).sort(dim=1, descending=True).values
    whole = torch.cat([boxes, scores], dim=2)
    counts = torch.tensor(valid)
    return whole * (torch.arange(ROWS) < counts[:, None])[..., None], counts


def pixels(batch: int = 1, height: int = 96, width: int = 128) -> Tensor:
    return 50 * torch.randn(batch, 3, height, width, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize(("name", "millions"), [("roi", 27.47), ("roi_mobilenet", 0.61)])
def test_size(name: str, millions: float) -> None:
    with without_weights():
        ranker = RANKERS.find(name).build()
    assert sum(parameter.numel() for parameter in ranker.parameters()) / 1e6 == pytest.approx(millions, abs=0.005)


@pytest.mark.parametrize(("height", "width"), [(96, 128), (33, 17), (1, 1)])
def test_one_number_per_candidate_whatever_the_size(height: int, width: int) -> None:
    table, valid = tables(ROWS, 4, 1, 0)
    residual = learnt()(pixels(4, height, width), table, valid)
    assert residual.shape == (4, ROWS)
    assert residual.dtype == torch.float32
    assert ((residual != 0).sum(dim=1) == valid).all()
    assert all((row[:count] != 0).all() for row, count in zip(residual, valid.tolist(), strict=True))


def test_nothing_is_corrected_before_it_has_learnt() -> None:
    residual = RANKERS["roi_mobilenet"].build(num_candidates=ROWS).eval()(pixels(), *tables(ROWS))
    assert not residual.any()


def test_padding_and_the_other_images_change_nothing() -> None:
    ranker, (table, valid) = learnt(), tables(ROWS, 30, 7)
    together = ranker(pixels(3), table, valid)
    table[1, 30:] = 0.7
    torch.testing.assert_close(ranker(pixels(3)[1:2], table[1:2], valid[1:2]), together[1:2], atol=1e-4, rtol=1e-4)


def test_it_is_boxes_that_are_corrected_not_ranks() -> None:
    """Two boxes of equal score change places: so do their corrections, but for what the rank itself says."""
    ranker, (table, valid) = learnt(num_neighbours=0), tables(ROWS)
    table[0, 1, 4] = table[0, 0, 4]
    with torch.no_grad():
        ranker.embed[0].weight[:, 128 + 2] = 0  # the rank
        before = ranker(pixels(), table, valid)[0]
        swapped = table.clone()
        swapped[0, :2] = table[0, [1, 0]]
        after = ranker(pixels(), swapped, valid)[0]
    torch.testing.assert_close(after[[1, 0]], before[:2], atol=1e-5, rtol=0.0)
    assert float((before[0] - before[1]).abs()) > 0.01


def test_what_overlaps_a_box_counts() -> None:
    ranker, (table, valid) = learnt(), tables(ROWS)
    alone = table.clone()
    alone[0, 1:, :2] += 5  # nothing overlaps the first box any more
    assert not torch.allclose(ranker(pixels(), table, valid)[0, 0], ranker(pixels(), alone, valid)[0, 0])


def test_equal_gradients_each_time() -> None:
    ranker, gradients = learnt().train(), []
    torch.use_deterministic_algorithms(True)
    try:
        for ranker.checkpointed in (False, False, True):
            ranker.zero_grad()
            ranker(pixels(2), *tables(ROWS, 20)).square().sum().backward()
            gradients.append({name: each.grad.clone() for name, each in ranker.named_parameters()})
    finally:
        torch.use_deterministic_algorithms(False)
    assert all(
        each.any() for name, each in gradients[0].items() if name.startswith(("context.0", "roi_features", "backbone"))
    )
    for name, each in gradients[0].items():
        assert torch.equal(each, gradients[1][name]), name
    one, other = (torch.cat([each.flatten() for each in of.values()]) for of in (gradients[0], gradients[2]))
    assert float((one - other).norm()) < 1e-3 * float(one.norm())


def test_a_frozen_body_stays_as_it_is() -> None:
    ranker = learnt(frozen=True)
    before = {name: value.clone() for name, value in ranker.state_dict().items()}
    ranker.train()
    ranker(pixels(2), *tables(ROWS, ROWS)).square().sum().backward()
    learning = {name for name, each in ranker.named_parameters() if each.requires_grad}
    assert {name.split(".")[0] for name in learning} == {"roi_features", "embed", "messages", "answer"}
    assert all(each.grad is not None for each in ranker.parameters() if each.requires_grad)
    assert all(torch.equal(before[name], value) for name, value in ranker.state_dict().items())
    assert not ranker.backbone.training
    assert ranker.embed.training


def test_tables_of_zeros_are_answered() -> None:
    residual = learnt()(pixels(), torch.zeros(1, ROWS, 5), torch.tensor([ROWS]))
    assert torch.isfinite(residual).all()


def test_imagenets_weights_with_other_pixels_are_refused() -> None:
    with pytest.raises(ValueError, match="ImageNet's weights want pixels: imagenet, found retinaface"):
        RANKERS["roi"].build(pretrained=True)


def test_numbers_of_a_box_by_hand() -> None:
    rows = torch.tensor([[0.25, 0.5, 0.25, 0.25, 0.5], [0, 0, 0, 0.2, 1.0]])
    numbers = box_numbers(rows, torch.tensor([0, 99]), torch.tensor([640.0, 160.0]), 100)
    # Centre at 240 x 100 of 640 pixels along the long edge.
    expected = torch.tensor([0.5, 0, 0, math.log2(160 * 40) / 4 - 2.5, 2, 2 * 240 / 640 - 1, 2 * 100 / 640 - 1])
    assert numbers.shape == (2, OWN)
    torch.testing.assert_close(numbers[0], expected)
    assert float(numbers[1, 2]) == pytest.approx(1)
    assert torch.isfinite(numbers).all()


def test_an_image_padded_to_a_square_changes_nothing() -> None:
    rows = torch.tensor([[0.25, 0.5, 0.25, 0.25, 0.5], [0.1, 0.2, 0.3, 0.4, 0.4]])
    padded = rows * torch.tensor([1, 0.25, 1, 0.25, 1])
    alone, square = (
        box_numbers(table, torch.tensor([0, 1]), torch.tensor(size), 100)
        for table, size in ((rows, [640.0, 160.0]), (padded, [640.0, 640.0]))
    )
    torch.testing.assert_close(alone, square)


@pytest.mark.parametrize(
    ("score", "logit"), [(1.0, 1 - 1e-5), (0.0, 1e-5), (1.3, 1 - 1e-5), (-0.2, 1e-5), (0.75, 0.75)]
)
def test_the_logit_of_a_score_ends_near_the_ends(score: float, logit: float) -> None:
    """Scores of a dump may lie outside 0..1; the score itself stays as it is."""
    rows = torch.tensor([[0.1, 0.1, 0.2, 0.2, score]])
    numbers = box_numbers(rows, torch.tensor([0]), torch.tensor([100.0, 100.0]), 10)[0]
    assert numbers[0].item() == pytest.approx(score)
    assert numbers[1].item() == pytest.approx(math.log(logit / (1 - logit)) / 5, rel=1e-3)


def test_a_table_of_one_row() -> None:
    numbers = box_numbers(torch.full((1, 5), 0.5), torch.tensor([0]), torch.tensor([100.0, 100.0]), 1)
    assert torch.isfinite(numbers).all() and numbers[0, 2] == 0
