"""A plan travels: half an assignment on the host, settled elsewhere."""

from __future__ import annotations

from dataclasses import fields

import pytest
import torch

from pipeline.models.detectors.six_levels import square_anchors
from pipeline.training.assigners import ASSIGNERS
from pipeline.training.assigners.anchors import Anchors
from pipeline.training.assigners.assigner import StaticAssignment
from pipeline.training.assigners.assignment import FACE, all_background
from pipeline.training.assigners.faces import FaceBatch, Predicted

SIDE, GRID = 128, square_anchors()
META = torch.device("meta")
FACES = [
    torch.tensor([[10.0, 12, 30, 34], [40, 40, 104, 100], [42, 44, 100, 104], [3, 60, 22, 80]]),
    torch.zeros(0, 4),
    torch.tensor([[5.0, 5, 15, 15], [49, 50, 66, 68], [7, 6, 18, 16]]),
]


def _predicted(anchors: Anchors, device: str = "cpu") -> Predicted:
    g = torch.Generator().manual_seed(0)
    boxes = anchors.corners + torch.randn(3, len(anchors), 4, generator=g)
    return Predicted(torch.randn(3, len(anchors), generator=g).to(device), boxes.to(device))


@pytest.mark.parametrize("name", ASSIGNERS)
def test_settled_it_is_what_a_call_returns(name: str) -> None:
    anchors, faces = Anchors.of(GRID, SIDE, SIDE), FaceBatch.of(FACES)
    called = ASSIGNERS[name].build()(anchors, faces, _predicted(anchors))
    settled = ASSIGNERS[name].build().prepare(anchors, faces).to(torch.device("cpu")).complete(_predicted(anchors))
    for field in ("face", "label", "compensated"):
        assert torch.equal(getattr(called, field), getattr(settled, field))


@pytest.mark.parametrize("name", ASSIGNERS)
def test_the_places_that_are_listed_hold_every_face_anchor(name: str) -> None:
    anchors, faces = Anchors.of(GRID, SIDE, SIDE), FaceBatch.of(FACES)
    got = ASSIGNERS[name].build()(anchors, faces, _predicted(anchors))
    face = set(torch.nonzero(got.label.flatten() == FACE).flatten().tolist())
    assert face and (got.candidates is not None and face <= set(got.candidates.tolist()))


@pytest.mark.parametrize("name", ASSIGNERS)
def test_elsewhere_nothing_of_the_device_is_asked_for(name: str) -> None:
    """A tensor on "meta" has no numbers: whatever asked for one would raise, and its shape is all that is known."""
    anchors, faces = Anchors.of(GRID, SIDE, SIDE), FaceBatch.of(FACES)
    got = ASSIGNERS[name].build().prepare(anchors, faces).to(META).complete(_predicted(anchors, "meta"))
    assert got.label.is_meta and got.label.shape == (3, len(anchors)) and got.candidates is not None


@pytest.mark.parametrize("name", [name for name, spec in ASSIGNERS.items() if not spec.needs_prediction])
def test_what_boxes_alone_decide_arrives_on_another_device(name: str) -> None:
    """An ignored anchor would not: see `StaticAssignment`."""
    known = ASSIGNERS[name].build()(Anchors.of(GRID, SIDE, SIDE), FaceBatch.of(FACES))
    assert torch.equal(StaticAssignment(known).scattered(torch.device("cpu")).label, known.label)


def test_only_face_anchors_travel_and_all_of_them_arrive() -> None:
    anchors, faces = Anchors.of(GRID, SIDE, SIDE), FaceBatch.of(FACES)
    known = ASSIGNERS["s3fd"].build()(anchors, faces)
    assert known.compensated.any(), "or this test shows less"
    there = StaticAssignment(known).scattered(torch.device("cpu"))
    face = known.label == FACE
    assert torch.equal(there.label, known.label) and torch.equal(there.compensated, known.compensated)
    assert torch.equal(there.face[face], known.face[face])
    assert all(getattr(there, each.name) is not None for each in fields(there))


def test_an_assignment_by_boxes_alone_lists_its_places_by_itself() -> None:
    known = all_background(1, 4).with_faces(torch.tensor([[-1, 1, -1, 0]]), torch.tensor([5, 7]))
    assert known.candidates is None and known.face.tolist() == [[0, 7, 0, 5]]
    listed = StaticAssignment(known).complete(None).candidates
    assert listed is not None and listed.tolist() == [1, 3]


def test_a_batch_without_faces_leaves_an_assignment_as_it_is() -> None:
    nothing = all_background(2, 3)
    assert nothing.with_faces(torch.full((2, 3), -1), torch.zeros(0, dtype=torch.int64)) is nothing
