"""OTA: assignment of anchors to faces and background as optimal transport (Ge et al., CVPR 2021, section 3.2)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
import torch.nn.functional as functional
from torch import Tensor

from pipeline.boxes.iou import iou_pairs
from pipeline.models.transfer import to_device
from pipeline.training.assigners.anchors import Anchors
from pipeline.training.assigners.assigner import Assigner
from pipeline.training.assigners.assignment import Assignment, all_background
from pipeline.training.assigners.candidate_pairs import centre_prior
from pipeline.training.assigners.faces import FaceBatch, FaceRows, Predicted, require_predicted
from pipeline.training.assigners.grouped_sort import best_of_group, rank_in_group
from pipeline.training.assigners.sinkhorn import transport


@dataclass(frozen=True, slots=True)
class Ota(Assigner):
    """Each face supplies some units, the background the rest, every anchor demands one.

    A face may reach anchors whose centre is inside it and within `radius` strides of its centre. The cost of a pair is
    focal(logit, face) + `box_weight` * -ln(IoU of the decoded box with the face), of an anchor and the background
    focal(logit, background). A face supplies max(1, whole part of the sum of its `candidates` highest IoUs). Sinkhorn
    iterations give the plan; each row is divided by its maximum, and each anchor goes to the row with the largest
    share.

    Example: a face whose five reachable anchors predict it with IoU 0.9, 0.8, 0.4, 0.1, 0.1 supplies 2 units.

    Other pairs, of cost 1e6 in the original, do not exist here: the same plan, but a face without pairs gets no anchor.

    Attributes:
        radius: strides of the anchor's level, on each axis, exclusive.
        candidates: number of highest IoUs in the supply.
        box_weight: alpha of the paper.
        epsilon: of the entropy.
        iterations: of Sinkhorn.
    """

    radius: float = 2.5
    candidates: int = 20
    box_weight: float = 1.5
    epsilon: float = 0.1
    iterations: int = 50
    needs_prediction: ClassVar[bool] = True

    def prepare(self, anchors: Anchors, faces: FaceBatch) -> PartialOta:
        """Returns the reachable anchors of each face as a transport problem; the prediction gives its costs."""
        rows, count = faces.rows(), len(anchors)
        pairs = centre_prior(anchors, rows, self.radius)
        reachable, column = torch.unique(pairs.index, return_inverse=True)
        image_C = torch.div(reachable, count, rounding_mode="floor")
        every, faces_G = torch.arange(rows.images, device=column.device), len(rows)
        return PartialOta(
            rule=self,
            rows=rows,
            anchors=count,
            row=pairs.row,
            index=pairs.index,
            reachable=reachable,
            # Rows: faces, then one background per image. Columns: reachable anchors, then one per image for the others.
            edges_row=torch.cat([pairs.row, faces_G + image_C, faces_G + every]),
            edges_column=torch.cat(
                [column, torch.arange(len(reachable), device=column.device), len(reachable) + every]
            ),
            reached=torch.bincount(pairs.row, minlength=faces_G) > 0,
            others=count - torch.bincount(image_C, minlength=rows.images),
        )


@dataclass(frozen=True, slots=True)
class PartialOta:
    """One transport problem for all images, without edges between them; the costs are not known yet.

    Attributes:
        rule: weights of the costs.
        rows: the faces.
        anchors: A.
        row: int64 [P], the face of each pair.
        index: int64 [P], flat index image * A + anchor of each pair.
        reachable: int64 [C], the different flat indices of the pairs, rising.
        edges_row: int64 [E], source of each edge.
        edges_column: int64 [E], its target; first the P pairs, last B edges from the background to all other anchors.
        reached: bool [G], faces with a pair.
        others: int64 [B], anchors that no face reaches.
    """

    rule: Ota
    rows: FaceRows
    anchors: int
    row: Tensor
    index: Tensor
    reachable: Tensor
    edges_row: Tensor
    edges_column: Tensor
    reached: Tensor
    others: Tensor

    def to(self, device: torch.device) -> PartialOta:
        """Returns it on a device."""
        names = ("row", "index", "reachable", "edges_row", "edges_column", "reached", "others")
        there = {name: to_device(getattr(self, name), device) for name in names}
        return replace(self, rows=self.rows.to(device), **there)  # type: ignore[arg-type]

    def complete(self, predicted: Predicted | None) -> Assignment:
        """Returns the assignment; see `PartialAssignment`."""
        output, rows = require_predicted(predicted, "ota"), self.rows
        out = all_background(rows.images, self.anchors, rows.boxes.device)
        if len(self.row) == 0:
            return replace(out, candidates=self.reachable)
        logits, boxes = output.logits.reshape(-1).double(), output.boxes.reshape(-1, 4).float()
        share, rest = self._shares(iou_pairs(boxes[self.index], rows.boxes[self.row]), logits)
        better = share >= rest[self.index]  # the background is the last row: faces win ties
        taker = best_of_group(self.index, torch.where(better, share, -1.0).float(), self.row, len(logits))
        return replace(out.with_faces(taker.view_as(out.face), rows.column), candidates=self.reachable)

    def _shares(self, iou: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Returns each pair's share of its face's maximum, float64 [P], and the background's of each anchor [B * A]."""
        rule, images, faces = self.rule, self.rows.images, len(self.rows)
        top = rank_in_group(self.row, iou) < rule.candidates
        total_G = logits.new_zeros(faces).scatter_add_(0, self.row, torch.where(top, iou, 0.0).double())
        supply_G = torch.where(self.reached, total_G.floor().clamp(min=1), 0.0)
        supplied_B = logits.new_zeros(images).scatter_add_(0, self.rows.image, supply_G)
        reachable = logits[self.reachable]
        cost = _focal(logits[self.index], face=True) - rule.box_weight * iou.double().clamp(min=1e-8).log()
        background = _focal(reachable, face=False)
        plan = transport(
            self.edges_row, self.edges_column, torch.cat([cost, background, torch.zeros_like(supplied_B)]),
            torch.cat([supply_G, self.anchors - supplied_B]),
            torch.cat([torch.ones_like(background), self.others.double()]), rule.epsilon, rule.iterations
        )  # fmt: skip
        plan = torch.cat([plan[:-images], plan[-images:] / self.others.clamp(min=1)])
        most = plan.new_zeros(faces + images).scatter_reduce_(0, self.edges_row, plan, "amax")
        share = plan / most.clamp(min=1e-300)[self.edges_row]  # more faces than anchors leave the background nothing
        rest = torch.zeros_like(logits)
        rest[self.reachable] = share[len(self.row) : -images]
        return share[: len(self.row)], rest


def _focal(logits: Tensor, *, face: bool) -> Tensor:
    """Returns the focal loss (alpha 0.25, gamma 2, exact logarithms) of each logit as a face or as background."""
    right = logits if face else -logits
    return -(0.25 if face else 0.75) * torch.sigmoid(-right) ** 2.0 * functional.logsigmoid(right)
