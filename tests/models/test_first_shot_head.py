import torch

from pipeline.models.first_shot_head import FirstShot


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
