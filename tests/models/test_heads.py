import pytest
import torch

from pipeline.models.heads import DenseHead, DenseHeads, flatten_levels


def test_order_is_level_row_column_anchor() -> None:
    values, anchors = 3, 2
    maps = []
    for level, (rows, columns) in enumerate([(2, 3), (1, 2)]):
        c, y, x = torch.meshgrid(torch.arange(6), torch.arange(rows), torch.arange(columns), indexing="ij")
        maps.append((1000 * level + 100 * y + 10 * x + c)[None])
    expected = [
        [1000 * level + 100 * y + 10 * x + values * anchor + value for value in range(values)]
        for level, (rows, columns) in enumerate([(2, 3), (1, 2)])
        for y in range(rows)
        for x in range(columns)
        for anchor in range(anchors)
    ]
    assert flatten_levels(maps, values)[0].tolist() == expected


def test_levels_have_their_own_weights_and_a_bias() -> None:
    head = DenseHead(4, (2, 1), 5, kernel=3)
    assert [tuple(conv.weight.shape) for conv in head.levels] == [(10, 4, 3, 3), (5, 4, 3, 3)]
    assert all(conv.bias is not None for conv in head.levels)
    assert head([torch.zeros(2, 4, 3, 4), torch.zeros(2, 4, 2, 2)]).shape == (2, 24 + 4, 5)


def test_joined_heads_give_the_same_numbers() -> None:
    heads = DenseHeads(8, (2, 1, 3), (4, 2, 10))
    levels = [torch.randn(2, 8, 5, 3), torch.randn(2, 8, 3, 2), torch.randn(2, 8, 1, 1)]
    apart, joined = heads(levels), heads.joined()(levels)
    assert [tuple(part.shape) for part in joined] == [(2, 39, 4), (2, 39, 2), (2, 39, 10)]
    for one, other in zip(apart, joined, strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def test_a_shared_head_is_one_convolution_for_all_levels() -> None:
    heads = DenseHeads(4, (1, 1), (4, 1), kernel=3, shared=True)
    levels = [torch.randn(2, 4, 5, 3), torch.randn(2, 4, 3, 2)]
    boxes, logits = heads(levels)
    (conv,) = heads.kinds[0].levels
    assert torch.allclose(boxes[:, 15:], conv(levels[1]).permute(0, 2, 3, 1).reshape(2, 6, 4), atol=1e-6)
    assert logits.shape == (2, 21, 1)
    for one, other in zip((boxes, logits), heads.joined()(levels), strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def test_levels_with_different_anchors_cannot_share() -> None:
    with pytest.raises(ValueError, match=r"\[2, 1\] anchors per cell cannot share"):
        DenseHead(4, (2, 1), 5, shared=True)
