import pytest
import torch

from pipeline.models.context import DilatedSSH
from pipeline.models.face_heads import DeepTower, FaceHeads, FirstShot


def maps(width: int = 16) -> list[torch.Tensor]:
    return [torch.randn(2, width, 6, 5), torch.randn(2, width, 3, 3)]


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("context", [None, DilatedSSH])
def test_shapes_of_every_combination(shared: bool, deep: bool, context: type | None) -> None:
    heads = FaceHeads((1, 1), 16, context=context, deep=deep, shared=shared)
    boxes, logits = heads(maps())
    assert (boxes.shape, logits.shape) == ((2, 39, 4), (2, 39, 1))
    assert heads.reach == 1 + (5 if context else 0) + (4 if deep else 0)
    assert len(heads.predict.kinds[0].levels) == (1 if shared else 2)


def test_box_and_class_have_towers_of_their_own() -> None:
    heads, levels = FaceHeads((1, 1), 16, deep=True, shared=True), maps()
    boxes, logits = heads(levels)
    with torch.no_grad():
        heads.box_towers[0].norms[3].bias.add_(1)
    moved, same = heads(levels)
    assert torch.equal(logits, same)
    assert not torch.allclose(boxes, moved)


def test_difference_8_repeating_uses_the_first_convolution_only() -> None:
    tower, x = DeepTower(16, repeat=True), torch.randn(1, 16, 4, 4)
    tower(x).sum().backward()
    assert tower.convs[0].weight.grad is not None
    assert all(conv.weight.grad is None for conv in tower.convs[1:])
    plain = DeepTower(16)
    plain(x).sum().backward()
    assert all(conv.weight.grad is not None for conv in plain.convs)
    with torch.no_grad():
        for conv in plain.convs:
            conv.load_state_dict(tower.convs[0].state_dict())
        assert torch.equal(plain(x), tower(x))


def test_the_head_is_given_raw_backbone_levels_and_finished_top_maps() -> None:
    head = FirstShot((2, 3, 4, 5), 8)
    features = [torch.randn(2, 2 + i, 16 >> i, 16 >> i) for i in range(4)]
    pyramid = [torch.randn(2, 8, 16 >> i if i < 5 else 1, 16 >> i if i < 5 else 1) for i in range(6)]
    boxes, logits = head(features, pyramid)
    anchors = 256 + 64 + 16 + 4 + 1 + 1
    assert (boxes.shape, logits.shape) == ((2, anchors, 4), (2, anchors, 1))
    maps = head.features(features, pyramid)
    assert torch.equal(maps[1], head.maps[1](features[1]))
    assert torch.equal(maps[4], head.maps[4](pyramid[4]))
    # Where the backbone answers, the pyramid does not count.
    again = head(features, [torch.zeros_like(level) for level in pyramid[:4]] + pyramid[4:])
    assert torch.equal(boxes, again[0])
