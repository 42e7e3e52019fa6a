"""Batch to loss: the released code's training steps in float64, every detector, and one batch in several processes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.boxes.iou import iou_pairs
from pipeline.models.detectors import DETECTORS
from pipeline.models.detectors.detector import Detector, Raw
from pipeline.models.init import without_random_weights, without_weights
from pipeline.models.published_names import MOGFACE, rename
from pipeline.training.assigners import ASSIGNERS
from pipeline.training.assigners.anchors import Anchors
from pipeline.training.assigners.assignment import Assignment
from pipeline.training.assigners.faces import FaceBatch
from pipeline.training.data.batch import Batch, Faces
from pipeline.training.losses.context import discrepancy_label
from pipeline.training.losses.detection import SigmoidObjective
from pipeline.training.losses.targets import encode_targets, matching_frame
from pipeline.training.recipes.detector import DetectorRecipe
from pipeline.training.tasks.detector import OBJECTIVES, DetectorTask, assigner_of, half_size, predicted_by
from pipeline.training.tasks.task import Losses, Normalise
from tests.models.weight_rule import images, published, tensor
from tests.training.gradients import part_of
from tests.training.plain_loop import losses_of, numbers

SHALLOW: dict[str, dict[str, object]] = {
    "mogface": {"depth": 50, "head": "plain"},
    "mogface_e": {"depth": 50, "head": "cpm"},
    "mogface_official": {"depth": 50},
    "mogface_e_official": {"depth": 50},
}
OWN = {
    "retinaface_mobilenet": "max_iou",
    "retinaface_mobilenet_mb1": "max_iou",
    "retinaface_resnet50": "max_iou",
    "hambox_resnet50": "hambox",
    "hrnet_w18": "hambox",
    "hrnet_w32": "hambox",
    "hrnet_w48": "hambox",
    "mogface_baseline": "mogface",
    "mogface_hcam": "mogface",
    "mogface_mobilenet": "mogface",
    "mogface": "ali_ams",
    "mogface_e": "ali_ams",
    "mogface_official": "mogface",
    "mogface_e_official": "mogface",
}


def faces_of(boxes: Tensor, marked: bool = False) -> Faces:
    points = boxes[:, None, :2] + (boxes[:, None, 2:] - boxes[:, None, :2]) * torch.linspace(0.2, 0.8, 5)[:, None]
    return Faces(boxes, points, torch.full((len(boxes),), marked))


# --- the released code's training steps ------------------------------------------------------------------------------


@pytest.mark.wider
@pytest.mark.slow
@pytest.mark.parametrize("net", ["baseline", "hcam"])
@pytest.mark.parametrize("mode", ["eval", "train"])
def test_training_step_equals_the_released_code(shared: Path, net: str, mode: str) -> None:
    z = np.load(shared / f"reference/mogface/train_step_{net}.npz")
    with without_random_weights():
        detector = DETECTORS[f"mogface_{net}"].build()
    # Strict, under the names that `load` gives published tensors; by way of a file they come in the tests of MogFace.
    rule = {rename(each["name"], MOGFACE): tensor(each["name"], each["shape"]) for each in published(shared, net)}
    detector.load_state_dict(rule, assign=True)
    detector = detector.double().train(mode == "train")
    detector.all_heads = True
    outer = torch.tensor([0.0, 0.0, 1.0, 1.0])  # their corners are inclusive pixels
    faces = tuple(faces_of(torch.from_numpy(z[f"{mode}_gt{i}"][:, :4]) + outer) for i in range(2))
    batch = Batch(("a", "b"), images(256, 256, int(z[f"{mode}_input_seed"]), batch=2), faces)
    task = DetectorTask(f"mogface_{net}", DetectorRecipe())
    raw = task.forward(detector, batch)
    losses = task.loss(detector, raw, batch)
    got = {name: term.item() for name, term in losses.terms.items()}
    assert got["face"] == pytest.approx(z[f"{mode}_loss_cls"].item(), rel=1e-6)
    assert 2 * got["box"] == pytest.approx(z[f"{mode}_loss_loc_x2"].item(), rel=1e-6)
    assert losses.total.item() == pytest.approx(z[f"{mode}_loss_total"].item(), rel=1e-6)
    assert losses.counts["positives"].item() == losses.counts["positives_of_level"].sum().item() == z[f"{mode}_n_pos"]
    assert losses.counts["compensated"].item() == 0
    if net == "hcam":
        assert got["context"] == pytest.approx(z[f"{mode}_loss_hcam"].item(), rel=1e-6)
        anchors = Anchors.of(detector.grid, 256, 256, pixel_inclusive=True)
        main = encode_targets(anchors, faces, assigner_of(detector, task.recipe), detector.coder).label
        label = discrepancy_label(raw.logits[..., 0], main)
        counts = [int((label == kind).sum()) for kind in (-1, 0, 1)]
        assert counts == z[f"{mode}_hcam_label_counts_-1_0_1"].tolist()
    losses.total.backward()
    _gradients_equal(detector, z, mode)
    if mode == "train":
        norm = detector.backbone.bn1
        for found, name in ((norm.running_mean, "mean"), (norm.running_var, "var")):
            np.testing.assert_allclose(found.numpy(), z[f"train_bn1_running_{name}_after"], rtol=1e-6, atol=1e-9)


def _gradients_equal(detector: Detector, z: np.lib.npyio.NpzFile, mode: str) -> None:
    norms = {name: 0.0 if p.grad is None else p.grad.norm().item() for name, p in detector.named_parameters()}
    names = [rename(str(name), MOGFACE) for name in z[f"{mode}_grad_names"]]
    assert set(names) == set(norms)
    expected = dict(zip(names, z[f"{mode}_grad_l2"].tolist(), strict=True))
    # Biases in front of a norm have no gradient but rounding.
    noise = 1e-10 * z[f"{mode}_total_grad_norm"].item()
    wrong = {n: (norms[n], expected[n]) for n in names if norms[n] != pytest.approx(expected[n], rel=1e-6, abs=noise)}
    assert wrong == {}
    total = float(np.sqrt(sum(value**2 for value in norms.values())))
    assert total == pytest.approx(z[f"{mode}_total_grad_norm"].item(), rel=1e-6)


# --- every detector --------------------------------------------------------------------------------------------------


def batch_of(detector: Detector, side: int = 64, count: int = 2) -> Batch:
    g = torch.Generator().manual_seed(side)
    pixels = torch.randint(0, 256, (count, side, side, 3), dtype=torch.uint8, generator=g)
    faces = [faces_of(torch.tensor([[3.0, 4.0, 19.0, 21.0], [20.0, 16.0, 58.0, 60.0]]), marked=True)]
    faces += [faces_of(torch.tensor([[30.0, 30.0, 38.0, 38.0]]))] * (count - 1)
    images = detector.normalisation(pixels).permute(0, 3, 1, 2)
    return Batch(tuple(f"image {i}" for i in range(count)), images, tuple(faces))


@pytest.mark.parametrize("name", DETECTORS)
def test_every_detector_has_a_finite_loss_and_gradient(name: str) -> None:
    torch.manual_seed(0)
    detector = DETECTORS[name].build(**SHALLOW.get(name, {})).train()
    if getattr(detector, "hierarchical", None) is not None:
        for conv in detector.heads.predict.kinds[1].levels:  # type: ignore[union-attr,index]
            conv.bias.data.fill_(-2.0)  # above 0.1, or the progressive classifier has nothing to learn yet
    assert assigner_of(detector, DetectorRecipe()) == ASSIGNERS[OWN[name]].build()
    losses = losses_of(DetectorTask(name, DetectorRecipe()), detector, batch_of(detector))
    found = numbers(losses)
    assert np.isfinite(list(found.values())).all()
    assert found["box"] > 0 and found["face"] > 0
    assert ("context" in found) == (getattr(detector, "hierarchical", None) is not None)
    assert ("first_face" in found) == ("first_box" in found) == (getattr(detector, "first_shot", None) is not None)
    assert len(losses.counts["positives_of_level"]) == len(detector.strides)
    assert losses.counts["positives_of_level"].sum() == losses.counts["positives"] > 0
    losses.total.backward()
    norms = {each: 0.0 if p.grad is None else p.grad.norm().item() for each, p in detector.named_parameters()}
    assert np.isfinite(list(norms.values())).all()
    moving = {each.split(".")[0] for each, norm in norms.items() if norm > 0}
    assert moving == {each.split(".")[0] for each in norms}


# --- the losses of given outputs, without a network's weights ---------------------------------------------------------


@pytest.fixture(scope="module")
def known() -> dict[str, Detector]:
    """Detectors whose anchors and coder are wanted, not their weights."""
    with without_weights():
        return {name: DETECTORS[name].build() for name in ("mogface", "hambox_resnet50", "retinaface_mobilenet")}


SIDE = 128
BOXES = [
    [[10.0, 12.0, 30.0, 34.0], [40.0, 40.0, 104.0, 100.0]],
    [],
    [[5.0, 5.0, 15.0, 15.0], [49.0, 50.0, 66.0, 68.0], [80.0, 20.0, 93.0, 30.0]],
    [[60.0, 8.0, 76.0, 27.0], [62.0, 70.0, 94.0, 102.0], [2.0, 90.0, 37.0, 120.0]],
]
FACES = tuple(faces_of(torch.tensor(boxes).reshape(-1, 4), marked=index != 2) for index, boxes in enumerate(BOXES))


def outputs_of(detector: Detector, seed: int = 0) -> Raw:
    """Random outputs of four images."""
    g = torch.Generator().manual_seed(seed)
    columns = 2 if detector.coder.size_variance == 0.2 and len(detector.grid.sizes) == 3 else 1

    def parts(count: int) -> tuple[Tensor, Tensor]:
        return (torch.randn(4, count, k, generator=g) * s for k, s in ((4, 0.3), (columns, 2.0)))  # type: ignore[return-value]

    count = detector.grid.count(SIDE, SIDE)
    raw = Raw(*parts(count))
    if columns == 2:
        return replace(raw, landmarks=torch.randn(4, count, 10, generator=g))
    context = torch.randn(4, count, 1, generator=g) if getattr(detector, "hierarchical", None) is not None else None
    first = Raw(*parts(count)) if getattr(detector, "first_shot", None) is not None else None
    return replace(raw, progressive=context, first_shot=first)


def batch_with(faces: tuple[Faces, ...]) -> Batch:
    """A batch of which only the size of the images is read."""
    return Batch(("",) * len(faces), torch.empty(len(faces), 3, SIDE, SIDE), faces)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("mogface", {}),
        ("mogface", {"assigner": "ota", "context_weight": 3.0, "first_shot_weight": 0.5}),
        ("hambox_resnet50", {}),
        ("hambox_resnet50", {"regression_aware": True}),
        ("retinaface_mobilenet", {}),
    ],
)
def test_halves_with_summed_normalisers_equal_the_whole(known: dict[str, Detector], name: str, change: dict) -> None:
    detector = known[name]
    task, raw = DetectorTask(name, DetectorRecipe(**change)), outputs_of(known[name])
    whole = task.loss(detector, raw, batch_with(FACES))
    halves = (slice(0, 3), slice(3, 4))
    counts: list[Tensor] = []

    def noted(own: Tensor) -> Tensor:
        counts.append(own)
        return own

    def of_half(half: slice, normalise: Normalise) -> Losses:
        return task.loss(detector, part_of(raw, half), batch_with(FACES[half]), normalise)

    alone = [of_half(half, noted) for half in halves]
    assert len(counts) == 2
    together = [of_half(half, lambda _: counts[0] + counts[1]) for half in halves]
    for term, value in (whole.terms | {"total": whole.total}).items():
        parts = [(each.terms | {"total": each.total})[term].item() for each in together]
        assert sum(parts) == pytest.approx(value.item(), rel=1e-6), term
    assert sum(each.total.item() for each in alone) != pytest.approx(whole.total.item(), rel=1e-2)
    for kind, value in whole.counts.items():
        assert torch.equal(together[0].counts[kind] + together[1].counts[kind], value)


def test_ali_ams_adds_anchors_at_the_end_of_the_forward_pass(known: dict[str, Detector]) -> None:
    raw = outputs_of(known["mogface"])
    plain, mined = (
        DetectorTask("mogface", DetectorRecipe(assigner=name)).loss(known["mogface"], raw, batch_with(FACES))
        for name in ("mogface", "ali_ams")
    )
    assert plain.counts["compensated"] == 0 < mined.counts["compensated"]
    assert mined.counts["positives"] == plain.counts["positives"] + mined.counts["compensated"]
    # The auxiliary head keeps the standard matching.
    assert mined.terms["first_face"] == plain.terms["first_face"]


@pytest.mark.parametrize("name", ["mogface", "hambox_resnet50"])
def test_assigners_see_decoded_boxes_in_the_frame_of_the_faces_and_without_gradient(
    known: dict[str, Detector], name: str
) -> None:
    """Perfect outputs decode to the faces in either corner convention: HAMBox's F is then 1."""
    detector = known[name]
    inclusive = detector.coder.pixel_inclusive
    anchors = Anchors.of(detector.grid, SIDE, SIDE, pixel_inclusive=inclusive)
    targets = encode_targets(anchors, FACES, ASSIGNERS["mogface"].build(), detector.coder)
    raw = Raw(targets.boxes.clone().requires_grad_(), torch.zeros(4, len(anchors), 1, requires_grad=True))
    predicted = predicted_by(detector, raw, anchors)
    assert not predicted.boxes.requires_grad and not predicted.logits.requires_grad
    batch = FaceBatch.of([matching_frame(each.boxes, detector.coder) for each in FACES])
    image, anchor = torch.nonzero(targets.label == 1, as_tuple=True)
    assignment = targets.assignment
    assert isinstance(assignment, Assignment)
    own = batch.boxes[image, assignment.face[image, anchor]]
    assert iou_pairs(predicted.boxes[image, anchor], own).min() > 0.999
    width = (own[:, 2] - own[:, 0]).max().item()
    assert width == pytest.approx(64.0 - inclusive)
    fitted = encode_targets(anchors, FACES, ASSIGNERS["mogface"].build(), detector.coder, predicted, fit=True)
    assert fitted.fit is not None
    assert fitted.fit[targets.label == 1].min() > 0.999
    assert fitted.fit[targets.label != 1].max() == 0


def test_the_first_shot_head_learns_anchors_of_half_the_size(known: dict[str, Detector]) -> None:
    """A face of 16 x 16 pixels is met by the half-size anchors of the second level, by the whole ones of the first."""
    detector = known["mogface"]
    assert [sizes[0] for sizes in half_size(detector.grid).sizes] == [8, 16, 32, 64, 128, 256]
    anchors = Anchors.of(half_size(detector.grid), SIDE, SIDE, pixel_inclusive=True)
    faces = (faces_of(torch.tensor([[52.0, 52.0, 68.0, 68.0]])),)
    wanted = encode_targets(anchors, faces, ASSIGNERS["mogface"].build(), detector.coder)
    first = anchors.level_ends[0]
    assert (wanted.label[0, first:] == 1).any() and not (wanted.label[0, :first] == 1).any()
    raw = part_of(outputs_of(detector), slice(0, 1))
    perfect = replace(raw, first_shot=Raw(wanted.boxes, torch.where(wanted.label == 1, 12.0, -12.0)[..., None]))
    losses = DetectorTask("mogface", DetectorRecipe()).loss(detector, perfect, batch_with(faces))
    assert losses.terms["first_box"].item() == pytest.approx(0, abs=1e-9)
    assert losses.terms["first_face"] < 1e-6


def test_the_progressive_classifier_learns_where_the_network_uses_it() -> None:
    with without_weights():
        detector = DETECTORS["mogface_hcam"].build(threshold=0.3)
    objective = OBJECTIVES.find(detector.spec.objective)(detector, DetectorRecipe())
    assert isinstance(objective, SigmoidObjective)
    assert objective.threshold == 0.3


def test_bfloat16_is_for_the_network_only() -> None:
    torch.manual_seed(0)
    detector = DETECTORS["retinaface_mobilenet"].build().train()
    task, batch = DetectorTask("retinaface_mobilenet", DetectorRecipe()), batch_of(detector)
    types: list[torch.dtype] = []
    handle = detector.heads.register_forward_hook(lambda _, __, out: types.append(out[0].dtype))  # type: ignore[union-attr]
    exact, rough = (task.forward(detector, batch, bf16=on) for on in (False, True))
    handle.remove()
    assert types == [torch.float32, torch.bfloat16]
    assert rough.logits.dtype == rough.boxes.dtype == torch.float32
    one, other = (task.loss(detector, raw, batch) for raw in (exact, rough))
    assert 0 < abs(one.total.item() - other.total.item()) < 0.05 * one.total.item()
    other.total.backward()
    assert {p.dtype for p in detector.parameters()} == {p.grad.dtype for p in detector.parameters()} == {torch.float32}  # type: ignore[union-attr]


def test_images_may_be_sent_through_a_wrapper_of_the_network() -> None:
    torch.manual_seed(0)
    detector = DETECTORS["retinaface_mobilenet"].build().eval()
    batch, seen = batch_of(detector), []

    def wrapped(x: Tensor) -> Raw:
        seen.append(x.shape)
        raw: Raw = detector(x)
        return raw

    network: Callable[[Tensor], Raw] = wrapped
    task = DetectorTask("retinaface_mobilenet", DetectorRecipe())
    found, plain = (task.forward(detector, batch, network=each) for each in (network, None))
    assert seen == [(2, 3, 64, 64)]
    assert torch.equal(found.logits, plain.logits) and torch.equal(found.boxes, plain.boxes)


def test_fit_needs_a_prediction(known: dict[str, Detector]) -> None:
    detector = known["mogface"]
    anchors = Anchors.of(detector.grid, SIDE, SIDE, pixel_inclusive=True)
    with pytest.raises(ValueError, match="pass `predicted`"):
        encode_targets(anchors, FACES, ASSIGNERS["mogface"].build(), detector.coder, fit=True)
