import pytest
import torch

from pipeline.models.hierarchical_context import HierarchicalContext

SHAPES = [(8, 8), (4, 4), (2, 2), (1, 1), (1, 1), (1, 1)]
ANCHORS = sum(rows * columns for rows, columns in SHAPES)


def parts() -> tuple[HierarchicalContext, list[torch.Tensor], list[torch.Tensor]]:
    torch.manual_seed(0)
    module = HierarchicalContext((2, 3, 4, 5), 8)
    features = [torch.randn(2, 2 + i, *SHAPES[i]) for i in range(4)]
    return module, features, [torch.randn(2, 8, *shape) for shape in SHAPES]


def test_difference_11_masks_are_squares_cut_off_at_the_border() -> None:
    """The released code fails where a confident cell is within N // 2 cells of the last row or column."""
    logits = torch.full((1, ANCHORS, 1), -9.0)
    for cell in (0, 63, 3 * 8 + 4):  # two corners and an inner cell of the finest level
        logits[0, cell] = 9
    masks = HierarchicalContext((2, 3, 4, 5), 8).masks(logits, SHAPES)
    for n, mask in zip((3, 5), masks[0], strict=True):
        expected, r = torch.zeros(8, 8), n // 2
        for row, column in ((0, 0), (7, 7), (3, 4)):
            expected[max(0, row - r) : row + r + 1, max(0, column - r) : column + r + 1] = 1
        assert torch.equal(mask[0, 0], expected)
    assert all(float(mask.sum()) == 0 for level in masks[1:] for mask in level)


def test_nothing_confident_means_no_context() -> None:
    module, features, pyramid = parts()
    quiet = module.enhanced(features, pyramid, torch.full((2, ANCHORS, 1), -9.0))
    assert all(torch.equal(one, other) for one, other in zip(quiet, pyramid, strict=True))


def test_context_is_added_where_masked_and_never_above_the_backbone() -> None:
    module, features, pyramid = parts()
    logits = torch.full((2, ANCHORS, 1), 9.0)
    full = module.enhanced(features, pyramid, logits)
    expected = pyramid[1] + sum(conv(module.narrow[1](features[1])) for conv in module.contexts[1])
    assert torch.allclose(full[1], expected, atol=1e-6)
    assert torch.equal(full[4], pyramid[4])
    assert torch.equal(full[5], pyramid[5])
    assert module(features, pyramid, logits).shape == (2, ANCHORS, 1)


def test_no_gradient_reaches_the_main_classifier() -> None:
    module, features, pyramid = parts()
    logits = torch.randn(2, ANCHORS, 1, requires_grad=True)
    module(features, pyramid, logits).sum().backward()
    assert logits.grad is None
    assert module.contexts[0][0].weight.grad.abs().sum() > 0


def test_the_threshold_is_a_strict_bound() -> None:
    module = HierarchicalContext((2, 3, 4, 5), 8, threshold=0.5)
    assert module.confident(torch.tensor([0.0, 1e-6, -1e-6])).tolist() == [False, True, False]


@pytest.mark.parametrize("sides", [(), (4,), (3, 0)])
def test_neighbourhoods_are_odd(sides: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="odd numbers of cells"):
        HierarchicalContext((2, 3, 4, 5), 8, neighbourhoods=sides)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_half_precision_decides_as_exactly_as_its_logits_allow(kind: torch.dtype) -> None:
    logits = torch.linspace(-4, 4, 40_001).to(kind).unique()[None, :, None]
    for threshold in (0.1, 0.12, 0.3, 0.5, 0.7):
        context = HierarchicalContext([4, 4, 4, 4], 4, threshold=threshold)
        exact = torch.sigmoid(logits.double()) > threshold
        assert torch.equal(context.confident(logits), exact)
        (one,) = context.masks(logits, [(1, logits.shape[1])])
        assert one[0].dtype == kind
