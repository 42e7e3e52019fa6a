"""OTA: anchors go to faces and background as the cheapest transport (Ge et al., CVPR 2021)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as functional
from torch import Tensor

from pipeline.training.assigners.anchor_set import Anchors
from pipeline.training.assigners.assignment import FACE, Assignment, all_background
from pipeline.training.assigners.face_batch import FaceBatch, FaceRows, Predicted, required
from pipeline.training.assigners.overlaps import Pairs, aligned_iou, centred
from pipeline.training.assigners.ranking import prevailing, rank_in_group
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
        said, rows = required(predicted, "ota"), faces.rows()
        out = all_background(rows.images, len(anchors), rows.boxes.device)
        pairs = centred(anchors, rows, self.radius)
        if len(pairs.row) == 0:
            return out
        logits, boxes = said.logits.reshape(-1).double(), said.boxes.reshape(-1, 4).float()
        iou = aligned_iou(boxes[pairs.place], rows.boxes[pairs.row])
        share, rest = self._shares(pairs, iou, rows, logits, len(anchors))
        better = share >= rest[pairs.place]  # the background is the last row: faces win ties
        pairs, share = pairs.where(better), share[better]
        wins = prevailing(pairs.place, share.float(), pairs.row, len(logits))
        out.face.view(-1)[pairs.place[wins]] = rows.index[pairs.row[wins]]
        out.label.view(-1)[pairs.place[wins]] = FACE
        return out

    def _shares(self, pairs: Pairs, iou: Tensor, rows: FaceRows, logits: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """Returns each pair's part of its face's maximum, float64 [P], and the background's of each place [B * A]."""
        images, faces = rows.images, len(rows)
        column = torch.unique(pairs.place)  # anchors that some face reaches
        image_C = torch.div(column, count, rounding_mode="floor")
        others_B = count - torch.bincount(image_C, minlength=images)
        top = rank_in_group(pairs.row, iou, faces) < self.candidates
        total_G = logits.new_zeros(faces).scatter_add_(0, pairs.row[top], iou[top].double())
        reached_G = torch.bincount(pairs.row, minlength=faces) > 0
        supply_G = torch.where(reached_G, total_G.floor().clamp(min=1), 0.0)
        supplied_B = logits.new_zeros(images).scatter_add_(0, rows.image, supply_G)
        cost = self._focal(logits[pairs.place], 1) - self.box_weight * iou.double().clamp(min=1e-8).log()
        every = torch.arange(images, device=column.device)
        # Rows: faces, then one background for each image. Columns: reached anchors, then all others of an image as one.
        edges_row = torch.cat([pairs.row, faces + image_C, faces + every])
        edges_column = torch.cat(
            [torch.searchsorted(column, pairs.place), torch.arange(len(column), device=column.device),
             len(column) + every]
        )  # fmt: skip
        plan = transport(
            edges_row, edges_column, torch.cat([cost, self._focal(logits[column], 0), torch.zeros_like(supplied_B)]),
            torch.cat([supply_G, count - supplied_B]), torch.cat([torch.ones_like(logits[column]), others_B.double()]),
            self.epsilon, self.iterations,
        )  # fmt: skip
        plan = torch.cat([plan[:-images], plan[-images:] / others_B.clamp(min=1)])
        most = plan.new_zeros(faces + images).scatter_reduce_(0, edges_row, plan, "amax")
        share = plan / most.clamp(min=1e-300)[edges_row]  # more faces than anchors leave the background nothing
        rest = torch.zeros_like(logits)
        rest[column] = share[len(pairs.row) : -images]
        return share[: len(pairs.row)], rest

    def _focal(self, logits: Tensor, target: int) -> Tensor:
        signed = logits if target else -logits
        weight = self.focal_alpha if target else 1 - self.focal_alpha
        return -weight * torch.sigmoid(-signed) ** self.focal_gamma * functional.logsigmoid(signed)
