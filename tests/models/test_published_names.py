from pathlib import Path

import pytest

from pipeline.models.detectors import DETECTORS
from pipeline.models.init import without_weights
from pipeline.models.published_names import MOGFACE, rename
from tests.models.weight_rule import NETS, published


@pytest.mark.wider
@pytest.mark.parametrize("net", NETS)
def test_every_published_name_meets_one_of_ours(shared: Path, net: str) -> None:
    with without_weights():
        own = {name: list(value.shape) for name, value in DETECTORS[NETS[net][0]].build().state_dict().items()}
    assert {rename(entry["name"], MOGFACE): entry["shape"] for entry in published(shared, net)} == own
    assert len(published(shared, net)) == len(own)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("module.fpn.c6.3.weight", "pyramid.c6.shrink.conv.weight"),
        ("fpn.c7_lat.bias", "pyramid.tops.2.bias"),
        ("fpn.p2_lat.weight", "pyramid.smooths.0.weight"),
        ("fpn.ff_c5_c4.main_conv.weight", "pyramid.laterals.2.weight"),
        ("pred_net.conv_SSH.conv2_2_1.bias", "heads.contexts.0.far.bias"),
        ("pred_net.conv_CPM.branch2b.bn1.running_mean", "heads.contexts.0.mix.norm.running_mean"),
        ("pred_net.deep_cls_head.gn4.weight", "heads.class_towers.0.norms.3.weight"),
        ("pred_net_1.pred_cls.5.bias", "hierarchical.classifier.levels.5.bias"),
        ("fp_context.context_modules.3.1.weight", "hierarchical.contexts.3.1.weight"),
        ("backbone.layer4.0.downsample.1.weight", "backbone.layer4.0.downsample.1.weight"),
    ],
)
def test_names_by_hand(theirs: str, ours: str) -> None:
    assert rename(theirs, MOGFACE) == ours
    assert rename(ours, MOGFACE) == ours
