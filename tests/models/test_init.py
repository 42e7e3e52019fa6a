import pytest
import torch

from pipeline.models.detectors import DETECTORS
from pipeline.models.init import FOCAL_PRIOR_BIAS


def test_first_weights_are_those_of_the_paper() -> None:
    torch.manual_seed(0)
    detector = DETECTORS["mogface"].build(depth=50, head="plain", deep_head=False)
    classes = (detector.heads.predict.kinds[1], detector.hierarchical.classifier, detector.first_shot.heads.kinds[1])
    assert pytest.approx(-4.595, abs=1e-3) == FOCAL_PRIOR_BIAS
    for part in classes:
        for conv in part.levels:
            assert torch.all(conv.bias == FOCAL_PRIOR_BIAS)
            assert conv.weight.std().item() == pytest.approx(0.01, rel=0.1)
    for conv in (*detector.heads.predict.kinds[0].levels, *detector.pyramid.tops, *detector.first_shot.maps):
        assert torch.all(conv.bias == 0)
        assert conv.weight.std().item() == pytest.approx(0.01, rel=0.1)
    # The context convolutions keep the framework's start: uniform within 1 / sqrt(fan in).
    bound = (256 * 9) ** -0.5
    assert detector.hierarchical.contexts[0][0].weight.abs().max().item() == pytest.approx(bound, rel=0.01)
    with torch.inference_mode():
        assert detector.eval().scores(detector(torch.zeros(1, 3, 32, 32)).logits).mean().item() == pytest.approx(
            0.01, abs=1e-3
        )
