"""The networks of MogFace against the vectors, and where the paper and the released code differ (mogface.md, section 0)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.models.detectors import DETECTORS
from pipeline.models.detectors.six_levels import SixLevelDetector
from pipeline.models.fuse import for_inference
from pipeline.models.init import without_random_weights, without_weights
from pipeline.models.weights import load
from tests.models.weight_rule import NETS, checkpoint, images, published, tensor


@pytest.fixture(
    scope="module",
    # The deep two take 1 to 3 s of a core per case, the building not counted.
    params=[pytest.param(net, marks=pytest.mark.slow if net.startswith("mogface") else ()) for net in NETS],
)
def known(request: pytest.FixtureRequest, shared: Path) -> tuple[str, SixLevelDetector, np.lib.npyio.NpzFile]:
    """A detector under the weight rule, loaded through the converter, and its vectors."""
    net = request.param
    with without_random_weights():
        detector = DETECTORS[NETS[net][0]].build().eval()
    report = load(detector, checkpoint(shared, net))
    assert report.complete
    assert len(report.matched) == len(published(shared, net))
    detector.all_heads = True
    return net, detector, np.load(shared / f"reference/mogface/forward_{net}.npz")


def close(found: Tensor, expected: np.ndarray, noise: float = 3e-5) -> None:
    """Float32 against float64 differs by up to 2e-5 in these nets (`.._f32_noise`); 1e-3 is asked for."""
    assert np.abs(found.numpy() - expected).max() < noise


@pytest.mark.wider
@pytest.mark.parametrize("case", ["c0", "c1"])
def test_outputs_and_features_equal_the_vectors(known, case: str) -> None:
    net, detector, z = known
    height, width = map(int, z[f"{case}_hw"])
    x = images(height, width, int(z[f"{case}_input_seed"]))
    assert np.array_equal(x.flatten()[:8].numpy(), z[f"{case}_input_first8"])
    seen: list[list[Tensor]] = []
    kept = [
        part.register_forward_hook(lambda *call: seen.append(call[-1]))
        for part in (detector.backbone, detector.pyramid)
    ]
    with torch.inference_mode():
        raw = detector(x)
    for hook in kept:
        hook.remove()
    features, levels = seen
    close(raw.logits[0], z[f"{case}_conf"])
    close(raw.boxes[0], z[f"{case}_loc"])
    maps = {f"c{i}": level for i, level in enumerate(features, start=2)}
    maps |= {f"p{i}": level for i, level in enumerate(levels, start=2)}
    assert (raw.progressive is not None) == (net == "hcam")
    assert (raw.first_shot is not None) == net.startswith("mogface")
    if net == "hcam":
        close(raw.progressive[0], z[f"{case}_conf_1"])
        shapes = [tuple(level.shape[-2:]) for level in levels]
        for level, masks in enumerate(detector.hierarchical.masks(raw.logits, shapes), start=2):
            for n, mask in zip((3, 5), masks, strict=True):
                assert np.array_equal(mask[0, 0].bool().numpy(), z[f"{case}_mask_l{level}_n{n}"])
    if net.startswith("mogface"):
        close(raw.first_shot.logits[0], z[f"{case}_dsfd_conf"])
        close(raw.first_shot.boxes[0], z[f"{case}_dsfd_loc"])
        with torch.inference_mode():
            extra = detector.first_shot.features(features, levels)
        maps |= {f"dsfd{i}": level for i, level in enumerate(extra, start=2)}
    for name, level in maps.items():
        if f"{case}_{name}_shape" not in z:  # features are listed for the first case only
            continue
        found = level[0].detach()
        assert found.shape == tuple(z[f"{case}_{name}_shape"])
        mean, deviation = z[f"{case}_{name}_mean_std"]
        assert found.mean().item() == pytest.approx(mean, abs=1e-4), name
        assert found.std().item() == pytest.approx(deviation, rel=1e-4), name
        samples = z[f"{case}_{name}_samples"]
        step = max(1, found.numel() // 64)
        assert np.abs(found.flatten()[::step][: len(samples)].numpy() - samples).max() < 2e-4, name


@pytest.mark.wider
def test_the_fast_copy_equals_the_vectors_too(known) -> None:
    net, detector, z = known
    if net == "mogface":
        pytest.skip("MogFace-E has every part of it, at half the cost")
    fast = for_inference(detector)
    assert not any(isinstance(part, torch.nn.BatchNorm2d) for part in fast.modules())
    with torch.inference_mode():
        raw = fast(images(*map(int, z["c0_hw"]), int(z["c0_input_seed"])))
    close(raw.logits[0], z["c0_conf"], 1e-4)
    close(raw.boxes[0], z["c0_loc"], 1e-4)
    if net == "hcam":
        close(raw.progressive[0], z["c0_conf_1"], 1e-4)


@pytest.mark.wider
def test_parameters_shapes_and_trainability_are_the_published_ones(known, shared: Path) -> None:
    net, detector, _ = known
    assert sum(parameter.numel() for parameter in detector.parameters()) == NETS[net][1]
    entries = published(shared, net)
    assert len(entries) == len(detector.state_dict())
    trainable = sum(int(np.prod(entry["shape"])) for entry in entries if entry["trainable"])
    assert trainable == NETS[net][1]


@pytest.mark.wider
def test_weights_follow_the_rule(shared: Path) -> None:
    import json

    checks = json.loads((shared / "reference/mogface/weight_rule_check.json").read_text())
    for net, entries in checks.items():
        shapes = {entry["name"]: entry["shape"] for entry in published(shared, net)}
        for name, check in entries.items():
            values = tensor(name, shapes[name]).flatten()
            assert values[:4].tolist() == pytest.approx(check["first4"], abs=1e-7)
            assert values.double().sum().item() == pytest.approx(check["sum_f64"], abs=1e-6)


@pytest.mark.wider
@pytest.mark.parametrize("entry", ["mogface_baseline", "mogface_official"])
def test_anchors_are_the_published_ones(shared: Path, entry: str) -> None:
    """Difference 9: 16..512 in the ablations, times 0.68 in the final models. Theirs end one pixel earlier."""
    z = np.load(shared / "reference/mogface/anchors.npz")
    scale = {"mogface_baseline": "1", "mogface_official": "0.68"}[entry]
    compared = 0
    with without_weights():
        detector = DETECTORS[entry].build()
    for key in z.files:
        if key.startswith("xyxy_") and key.endswith(f"_s{scale}"):
            height, width = (int(part[1:]) for part in key.split("_")[1:3])
            centres = detector.grid.centres(height, width).double().numpy()
            half = (centres[:, 2:] - 1) / 2
            found = np.concatenate([centres[:, :2] - half, centres[:, :2] + half], axis=1)
            assert np.abs(found - z[key]).max() < 1e-3
            compared += 1
    assert compared


@pytest.fixture(scope="module")
def second_look() -> SixLevelDetector:
    """The baseline with HCAM; last layers loud enough that some main scores pass the threshold and others do not."""
    torch.manual_seed(0)
    detector = DETECTORS["mogface_baseline"].build(hcam=(3, 5)).eval()
    with torch.no_grad():
        for part, scale in ((detector.heads.predict.kinds[1], 40.0), (detector.hierarchical.classifier, 40.0)):
            for conv in part.levels:
                conv.weight.mul_(scale)
                conv.bias.fill_(-2.2)
    return detector


def test_difference_2_which_classifier_decides_is_a_choice(second_look: SixLevelDetector) -> None:
    """The released test scores with the main classifier; the paper implies the progressive one."""
    x = torch.randn(1, 3, 64, 64) * 30
    answers = {}
    with torch.inference_mode():
        for choice in ("main", "progressive", "where_masked", "product"):
            second_look.decides = choice
            answers[choice] = second_look.scores(second_look(x).logits)
        second_look.all_heads = True
        raw = second_look(x)
        second_look.all_heads = False
    main, progressive = second_look.scores(raw.logits), second_look.scores(raw.progressive)
    confident = main > 0.1
    assert 0 < confident.sum() < confident.numel()
    assert torch.equal(answers["main"], main)
    assert torch.equal(answers["progressive"], progressive)
    assert torch.equal(answers["where_masked"], torch.where(confident, progressive, main))
    assert torch.allclose(answers["product"], main * progressive, atol=1e-6)


def test_the_order_across_the_masks_border(second_look: SixLevelDetector) -> None:
    """Two cells with nearly the same main score, just above and just below 0.1.

    Where masked, the better one falls to what the progressive classifier says and the other one stays: they change
    places. The product, and the main score of course, keep the order, also beyond the border.
    """
    main = torch.logit(torch.tensor([0.5, 0.1006, 0.0998, 0.05])).reshape(1, -1, 1)
    progressive = torch.logit(torch.full((1, 4, 1), 0.00995))
    found = {}
    for choice in ("main", "where_masked", "product", "progressive"):
        second_look.decide_by(choice)
        found[choice] = second_look.scores(main if choice == "main" else second_look._decided(main, progressive))[0]
    assert found["main"].tolist() == pytest.approx([0.5, 0.1006, 0.0998, 0.05])
    assert found["where_masked"].tolist() == pytest.approx([0.00995, 0.00995, 0.0998, 0.05])
    assert found["where_masked"][1] < found["where_masked"][2]
    assert found["product"].tolist() == pytest.approx([0.004975, 0.00100097, 0.00099301, 0.0004975], rel=1e-4)
    for choice in ("main", "product"):
        assert (found[choice].diff() < 0).all(), choice
    border = torch.linspace(-2.6, -1.8, 400).reshape(1, -1, 1)  # main scores of 0.069 to 0.142
    second_look.decide_by("product")
    assert (second_look._decided(border, torch.full_like(border, 0.3))[0, :, 0].diff() > 0).all()
    second_look.decide_by("where_masked")
    assert (second_look._decided(border, torch.full_like(border, -4.6))[0, :, 0].diff() < 0).sum() >= 1


def test_no_second_classifier_no_choice() -> None:
    with without_weights():
        plain = DETECTORS["mogface_baseline"].build()
    with pytest.raises(ValueError, match="decides='product' needs hierarchical context"):
        plain.decide_by("product")
    with pytest.raises(ValueError, match="decides='progressive' needs hierarchical context"), torch.device("meta"):
        DETECTORS["mogface_baseline"].build(decides="progressive")
    assert plain.decides == "main"


def test_difference_2_paper_entries_let_the_progressive_classifier_decide_official_ones_cannot() -> None:
    with without_weights():
        built = {name: DETECTORS[name].build() for name in DETECTORS if name.startswith("mogface")}
    assert {name: each.decides for name, each in built.items()} == {
        "mogface_baseline": "main",
        "mogface_hcam": "where_masked",
        "mogface_mobilenet": "where_masked",
        "mogface": "where_masked",
        "mogface_e": "where_masked",
        "mogface_official": "main",
        "mogface_e_official": "main",
    }
    assert built["mogface_official"].hierarchical is None


def test_heads_that_do_not_decide_are_not_computed_at_test_time(second_look: SixLevelDetector) -> None:
    calls = []
    handle = second_look.hierarchical.register_forward_hook(lambda *_: calls.append(1))
    second_look.decides = "main"
    with torch.inference_mode():
        assert second_look(torch.zeros(1, 3, 32, 32)).progressive is None
        assert calls == []
        second_look.decides = "where_masked"
        second_look(torch.zeros(1, 3, 32, 32))
    handle.remove()
    assert calls == [1]


@pytest.mark.wider
def test_difference_6_inputs_are_divided_by_255_twice_in_the_official_presets(shared: Path) -> None:
    z = np.load(shared / "reference/mogface/transforms.npz")
    with without_weights():
        official, paper = DETECTORS["mogface_official"].build(), DETECTORS["mogface"].build()
    pixels = torch.from_numpy(np.ascontiguousarray(z["img_bgr"]))
    found = official.normalisation(pixels)
    assert np.abs(found.numpy() - z["norm_out_rgb_hwc"]).max() < 1e-6
    assert torch.allclose(paper.normalisation(pixels) / 255, found, atol=1e-7)


def test_difference_7_depth_152_of_the_code_has_four_blocks_in_its_second_layer() -> None:
    with without_weights():
        official, paper = DETECTORS["mogface_e_official"].build(), DETECTORS["mogface_e"].build()
    blocks = [[len(getattr(each.backbone, f"layer{i}")) for i in (1, 2, 3, 4)] for each in (official, paper)]
    assert blocks == [[3, 4, 36, 3], [3, 8, 36, 3]]


def test_difference_8_the_released_deep_head_repeats_its_first_convolution() -> None:
    with without_weights():
        official, paper = DETECTORS["mogface_official"].build(), DETECTORS["mogface"].build()
    for detector, repeat in ((official, True), (paper, False)):
        for tower in (*detector.heads.box_towers, *detector.heads.class_towers):
            assert tower.repeat is repeat
            assert len(tower.convs) == len(tower.norms) == 4


@pytest.mark.parametrize("neighbourhoods", [(), (3,), (5,), (3, 5)])
def test_every_ablation_of_hcam_is_a_switch(neighbourhoods: tuple[int, ...]) -> None:
    with without_weights():
        detector = DETECTORS["mogface_baseline"].build(hcam=neighbourhoods)
    extra = sum(parameter.numel() for parameter in detector.parameters()) - NETS["baseline"][1]
    per_n, common = 4 * (256 * 256 * 9 + 256), 256 * 3840 + 4 * 256 + 6 * (256 * 9 + 1)
    assert extra == (len(neighbourhoods) * per_n + common if neighbourhoods else 0)


@pytest.mark.parametrize("head", ["plain", "ssh", "cpm"])
@pytest.mark.parametrize("deep_head", [False, True])
@pytest.mark.parametrize("pyramid_anchor", [False, True])
def test_every_ablation_of_the_heads_is_a_switch(head: str, deep_head: bool, pyramid_anchor: bool) -> None:
    with without_weights():
        detector = DETECTORS["mogface"].build(depth=50, head=head, deep_head=deep_head, pyramid_anchor=pyramid_anchor)
        detector.all_heads = True
        raw = detector.eval()(torch.zeros(2, 3, 40, 50))
    anchors = detector.grid.count(40, 50)
    assert raw.logits.shape == raw.progressive.shape == (2, anchors, 1)
    assert raw.boxes.shape == (2, anchors, 4)
    assert (raw.first_shot is not None) == pyramid_anchor
    if raw.first_shot is not None:
        assert raw.first_shot.boxes.shape == (2, anchors, 4)
    assert detector.whole_image_statistics is deep_head
    assert detector.heads.reach == 1 + {"plain": 0, "ssh": 5, "cpm": 4}[head] + 4 * deep_head


def test_wrong_switches_list_the_choices() -> None:
    with pytest.raises(ValueError, match="no head 'fpn'; there are plain, ssh, cpm"), torch.device("meta"):
        DETECTORS["mogface"].build(head="fpn")
    with pytest.raises(ValueError, match="no ResNet of depth 34; there are 50, 101, 152, 152-short"):
        DETECTORS["mogface"].build(depth=34)
    with pytest.raises(ValueError, match="odd numbers of cells, got \\[4\\]"), torch.device("meta"):
        DETECTORS["mogface"].build(hcam=(4,))


def test_difference_1_only_the_paper_entries_combine_context_and_the_final_heads() -> None:
    with without_weights():
        paper, released = DETECTORS["mogface"].build(), DETECTORS["mogface_official"].build()
    assert isinstance(paper, SixLevelDetector)
    assert isinstance(released, SixLevelDetector)
    assert paper.hierarchical is not None
    assert released.hierarchical is None
    for detector in (paper, released):
        assert detector.first_shot is not None
        assert len(detector.heads.box_towers) == 1
