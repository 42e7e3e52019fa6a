"""OTA: anchors go to faces and background as the cheapest transport (Ge et al., CVPR 2021)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
import torch.nn.functional as functional
from torch import Tensor

from pipeline.boxes.iou import iou_pairs
from pipeline.models.transfer import moved
from pipeline.training.assigners.anchors import Anchors
from pipeline.training.assigners.assignment import FACE, Assignment, all_background
from pipeline.training.assigners.candidate_pairs import centred
from pipeline.training.assigners.faces import FaceBatch, FaceRows, Predicted, required
from pipeline.training.assigners.grouped_sort import prevailing, rank_in_group
from pipeline.training.assigners.sinkhorn import transport


@dataclass(frozen=True, slots=True)
class Ota:
    """Each face supplies some units, the background the rest, every anchor demands one.

    A face may reach anchors whose centre lies inside it and within `radius` strides of its centre. The cost of a pair
    is focal(logit, face) + `box_weight` * -ln(IoU of the decoded box with the face), of an anchor and the background
    focal(logit, background). A face supplies max(1, whole part of the sum of its `candidates` highest IoUs). Sinkhorn
    iterations give the plan; each row is divided by its maximum, and each anchor goes to the row with the largest
    share.

    Example: a face whose five reachable anchors predict it with IoU 0.9, 0.8, 0.4, 0.1, 0.1 supplies 2 units.

    The original gives every other pair a cost of 1e6, which `exp` turns into nothing; here such pairs do not exist,
    and anchors that no face reaches are one column together, which is the same plan. A departure: a face that reaches
    no anchor takes part in nothing, where the original would hand it an arbitrary, far anchor.

    Attributes:
        radius: strides of the anchor's level, on each axis, exclusive.
        candidates: highest IoUs that make up the supply.
        box_weight: alpha of the paper.
        epsilon: of the entropy.
        iterations: of Sinkhorn.
        focal_alpha: weight of faces.
        focal_gamma: exponent.
    """

    radius: float = 2.5
    candidates: int = 20
    box_weight: float = 1.5
    epsilon: float = 0.1
    iterations: int = 50
    focal_alpha: float = 0.25
    focal_gamma: float = 2.0
    needs_prediction: ClassVar[bool] = True

    @torch.no_grad()
    def __call__(self, anchors: Anchors, faces: FaceBatch, predicted: Predicted | None = None) -> Assignment:
        """Returns the assignment of a batch, all images in one transport problem without connection between them.

        Args:
            anchors: A of them.
            faces: of B images.
            predicted: logits and decoded boxes.

        Raises:
            ValueError: where `predicted` is None.
        """
        required(predicted, "ota")
        return self.plan(anchors, faces).settle(predicted)

    @torch.no_grad()
    def plan(self, anchors: Anchors, faces: FaceBatch) -> OtaPlan:
        """Returns which anchors each face may reach, and the form of the transport; the answer gives the costs."""
        rows, count = faces.rows(), len(anchors)
        pairs = centred(anchors, rows, self.radius)
        column, place_column = torch.unique(pairs.place, return_inverse=True)  # anchors that some face reaches
        image_C = torch.div(column, count, rounding_mode="floor")
        every, faces_G = torch.arange(rows.images, device=column.device), len(rows)
        return OtaPlan(
            rule=self,
            rows=rows,
            anchors=count,
            row=pairs.row,
            place=pairs.place,
            column=column,
            # Rows: faces, then one background for each image. Columns: reached anchors, then all others of an image
            # as one.
            edges_row=torch.cat([pairs.row, faces_G + image_C, faces_G + every]),
            edges_column=torch.cat(
                [place_column, torch.arange(len(column), device=column.device), len(column) + every]
            ),
            reached=torch.bincount(pairs.row, minlength=faces_G) > 0,
            others=count - torch.bincount(image_C, minlength=rows.images),
        )

    def focal(self, logits: Tensor, target: int) -> Tensor:
        """Returns the focal loss of each logit, float64 [...], as a face (1) or as background (0)."""
        signed = logits if target else -logits
        weight = self.focal_alpha if target else 1 - self.focal_alpha
        return -weight * torch.sigmoid(-signed) ** self.focal_gamma * functional.logsigmoid(signed)


@dataclass(frozen=True, slots=True)
class OtaPlan:
    """All images in one transport problem without connection between them, whose costs are open.

    Attributes:
        rule: with its weights.
        rows: the faces.
        anchors: A.
        row: int64 [P], the face of each pair.
        place: int64 [P], image * A + anchor of each pair.
        column: int64 [C], the places of the pairs, rising, once each.
        edges_row: int64 [E], where each edge of the transport comes from.
        edges_column: int64 [E], where it goes; the pairs are the first P edges, the last B the background's to all
            that no face reaches.
        reached: bool [G], faces with a pair.
        others: int64 [B], anchors that no face reaches.
    """

    rule: Ota
    rows: FaceRows
    anchors: int
    row: Tensor
    place: Tensor
    column: Tensor
    edges_row: Tensor
    edges_column: Tensor
    reached: Tensor
    others: Tensor

    def to(self, device: torch.device) -> OtaPlan:
        """Returns it on a device."""
        names = ("row", "place", "column", "edges_row", "edges_column", "reached", "others")
        there = {name: moved(getattr(self, name), device) for name in names}
        return replace(self, rows=self.rows.to(device), **there)  # type: ignore[arg-type]

    @torch.no_grad()
    def settle(self, predicted: Predicted | None) -> Assignment:
        """Returns the assignment; see `Plan`."""
        said, rows = required(predicted, "ota"), self.rows
        out = all_background(rows.images, self.anchors, rows.boxes.device)
        if len(self.row) == 0:
            return replace(out, places=self.column)
        logits, boxes = said.logits.reshape(-1).double(), said.boxes.reshape(-1, 4).float()
        share, rest = self._shares(iou_pairs(boxes[self.place], rows.boxes[self.row]), logits)
        better = share >= rest[self.place]  # the background is the last row: faces win ties
        wins = prevailing(self.place, torch.where(better, share, -1.0).float(), self.row, len(logits))
        taker = self.row.new_full((len(logits),), -1)
        taker = taker.scatter_reduce_(0, self.place, torch.where(wins, self.row, -1), "amax").view_as(out.face)
        chosen = taker >= 0
        return replace(
            out,
            face=torch.where(chosen, rows.index[taker], out.face),
            label=torch.where(chosen, FACE, out.label),
            places=self.column,
        )

    def _shares(self, iou: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Returns each pair's part of its face's maximum, float64 [P], and the background's of each place [B * A]."""
        rule, images, faces = self.rule, self.rows.images, len(self.rows)
        top = rank_in_group(self.row, iou) < rule.candidates
        total_G = logits.new_zeros(faces).scatter_add_(0, self.row, torch.where(top, iou, 0.0).double())
        supply_G = torch.where(self.reached, total_G.floor().clamp(min=1), 0.0)
        supplied_B = logits.new_zeros(images).scatter_add_(0, self.rows.image, supply_G)
        cost = rule.focal(logits[self.place], 1) - rule.box_weight * iou.double().clamp(min=1e-8).log()
        background = rule.focal(logits[self.column], 0)
        plan = transport(
            self.edges_row, self.edges_column, torch.cat([cost, background, torch.zeros_like(supplied_B)]),
            torch.cat([supply_G, self.anchors - supplied_B]),
            torch.cat([torch.ones_like(background), self.others.double()]), rule.epsilon, rule.iterations,
        )  # fmt: skip
        plan = torch.cat([plan[:-images], plan[-images:] / self.others.clamp(min=1)])
        most = plan.new_zeros(faces + images).scatter_reduce_(0, self.edges_row, plan, "amax")
        share = plan / most.clamp(min=1e-300)[self.edges_row]  # more faces than anchors leave the background nothing
        rest = torch.zeros_like(logits)
        rest[self.column] = share[len(self.row) : -images]
        return share[: len(self.row)], rest
