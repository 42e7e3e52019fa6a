import subprocess
import sys

import pytest
import torch

from pipeline.models.detectors import DETECTORS
from pipeline.models.init import FOCAL_PRIOR_BIAS, without_random_weights, without_weights
from pipeline.models.weights import open_detector, save_bytes


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


def test_a_network_of_shapes_alone_has_no_values_and_draws_nothing() -> None:
    before = torch.get_rng_state()
    with without_weights():
        made = DETECTORS["mogface_mobilenet"].build()
    assert {each.device.type for each in made.parameters()} == {"meta"}
    assert torch.equal(torch.get_rng_state(), before)
    code = (
        "import sys; from pipeline.models.detectors import DETECTORS; from pipeline.models.init import without_weights\n"
        "with without_weights(): DETECTORS.find('mogface_mobilenet').build()\n"
        "print('torch._dynamo' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_weights_that_a_file_replaces_are_not_drawn() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    with without_random_weights():
        made = DETECTORS["mogface_mobilenet"].build()
        convolutions = [part for part in made.modules() if isinstance(part, torch.nn.Conv2d)]
        for each in convolutions:  # what a network is made of is drawn there, and nothing else is left out
            assert torch.nn.init.normal_(each.weight.detach().fill_(7)).eq(7).all()
            assert torch.nn.init.kaiming_uniform_(each.weight.detach()).eq(7).all()
        assert torch.equal(made.state_dict()["backbone.stages.0.0.norm.weight"], torch.ones(8))
    assert torch.equal(torch.get_rng_state(), before)
    drawn = DETECTORS["mogface_mobilenet"].build()
    assert not torch.equal(torch.get_rng_state(), before)
    state = torch.get_rng_state()
    _, opened = open_detector(save_bytes("mogface_mobilenet", drawn))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, opened.state_dict()[name]) for name, value in drawn.state_dict().items())
