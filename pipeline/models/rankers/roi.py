"""A ranker of ours that looks at every box and at what overlaps it, where CRFace's own can only correct ranks.

Same interface, still model-agnostic: only the image and the table go in. The body, pyramid and context are those of
RetinaFace by name and shape, so that they may start from a detector's weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from pipeline.models.backbones.mobilenet import MobileNetV1
from pipeline.models.backbones.resnet import Depth, ResNet
from pipeline.models.blocks import Activation, rectifier
from pipeline.models.context import SSH
from pipeline.models.detectors.detector import Normalisation
from pipeline.models.pyramid import FeaturePyramid
from pipeline.models.rankers.box_numbers import OWN, own_numbers
from pipeline.models.rankers.message_passing import Exchange
from pipeline.models.rankers.neighbours import STATISTICS, Neighbours, best_neighbours, overlapping, statistics
from pipeline.models.rankers.normalisations import PIXELS, Pixels
from pipeline.models.rankers.ranker import ROWS, Ranker
from pipeline.models.rankers.roi_features import BoxLook


class RoIRanker(Ranker):
    """Per box: a look at its place, its score, rank and size, what its neighbours say; then one number.

    Boxes that nothing overlaps hear nothing; rows that are no candidates are not computed.
    """

    def __init__(
        self,
        backbone: nn.Module,
        channels: Sequence[int],
        strides: Sequence[int],
        *,
        width: int,
        activation: Activation,
        normalisation: Normalisation,
        num_candidates: int = ROWS,
        hidden: int = 128,
        num_neighbours: int = 8,
        margin: float = 0.25,
        frozen: bool = False,
    ) -> None:
        """Assembles the parts.

        Args:
            backbone: image to three feature levels, finest first.
            channels: of each level.
            strides: pixels per cell of each level.
            width: channels of pyramid and context.
            activation: makes every activation of both.
            normalisation: of the image.
            num_candidates: N.
            hidden: length of a box's vector.
            num_neighbours: neighbours that a box hears, at most; 0 leaves the exchange out.
            margin: surroundings that are looked at, see `BoxLook`.
            frozen: body, pyramid and context learn nothing, their norms neither; a step then takes half the time.
        """
        super().__init__()
        self.normalisation = normalisation
        self.num_candidates = num_candidates
        self.num_neighbours = num_neighbours
        self.backbone = backbone
        self.pyramid = FeaturePyramid(channels, width, activation=activation)
        self.context = nn.ModuleList(SSH(width, width, activation=activation) for _ in channels)
        self.look = BoxLook(width, hidden, strides, margin=margin)
        self.embed = nn.Sequential(
            nn.Linear(hidden + OWN + STATISTICS, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU()
        )
        self.exchange = Exchange(hidden, hidden // 2) if num_neighbours else None
        last = nn.Linear(hidden, 1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.answer = nn.Sequential(nn.Linear(2 * hidden if num_neighbours else hidden, hidden), nn.ReLU(), last)
        self.frozen = frozen
        if frozen:
            for part in self._body():
                part.requires_grad_(False)
            self.train()

    def train(self, mode: bool = True) -> Self:
        """Sets the mode of what learns and returns itself; what is frozen stays in evaluation mode."""
        super().train(mode)
        if self.frozen:
            for part in self._body():
                part.eval()
        return self

    def maps(self, images: Tensor) -> list[Tensor]:
        """Returns pyramid and context of each level, see `Ranker`."""
        # Without gradient a large image also goes through the body in blocks.
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            levels = self.pyramid(self.backbone(images))
            return [context(level) for context, level in zip(self.context, levels, strict=True)]

    def residual(self, maps: Sequence[Tensor], sides: tuple[int, int], tables: Tensor, valid: Tensor) -> Tensor:
        """Returns the residual float32 [B, N], see `Ranker`; 0 for all rows of a ranker that has not learnt yet."""
        real = self.real(tables, valid)
        tables = tables.float()
        rows = tables[real]
        image, place = torch.nonzero(real, as_tuple=True)
        size = torch.tensor([sides[1], sides[0]] * 2, dtype=torch.float32, device=tables.device)
        corners = torch.cat([rows[:, :2], rows[:, :2] + rows[:, 2:4]], dim=1)
        numbers, near = _neighbourhood(corners, rows[:, 4], valid.tolist(), self.num_neighbours)
        looked = self._looked(list(maps), image, corners * size)
        inputs = torch.cat(
            [looked, own_numbers(rows, place, size[:2], self.num_candidates).to(looked), numbers.to(looked)], 1
        )
        vectors = self.embed(inputs)
        if self.exchange is not None:
            vectors = torch.cat([vectors, self.exchange(vectors, near)], dim=1)
        residual = tables.new_zeros(tables.shape[:2])
        return residual.index_put((image, place), self.answer(vectors).squeeze(1).float())

    def _body(self) -> tuple[nn.Module, ...]:
        return self.backbone, self.pyramid, self.context

    def _looked(self, levels: list[Tensor], image: Tensor, boxes: Tensor) -> Tensor:
        if not (self.checkpointed and torch.is_grad_enabled()):
            first: Tensor = self.look(levels, image, boxes)
            return first
        again: Tensor = checkpoint(self.look, levels, image, boxes, use_reentrant=False, preserve_rng_state=False)
        return again


def _neighbourhood(
    boxes: Tensor, scores: Tensor, valid: Sequence[int], num_neighbours: int
) -> tuple[Tensor, Neighbours]:
    """Returns statistics and best neighbours of the boxes of all images, one image's after the other's."""
    numbers, near, start = [], [], 0
    for own, sure in zip(torch.split(boxes, list(valid)), torch.split(scores, list(valid)), strict=True):
        pairs = overlapping(own)
        numbers.append(statistics(own, sure, pairs))
        found = best_neighbours(own, sure, pairs, num_neighbours)
        near.append((found.index + start, found.there, found.geometry))
        start += len(own)
    index, there, geometry = (torch.cat(part) for part in zip(*near, strict=True))
    return torch.cat(numbers), Neighbours(index, there, geometry)


def roi(
    *,
    num_neighbours: int = 8,
    margin: float = 0.25,
    frozen: bool = False,
    pixels: Pixels = "retinaface",
    num_candidates: int = ROWS,
    depth: Depth = 50,
    pretrained: bool = False,
) -> RoIRanker:
    """Returns the large one with random weights; body, pyramid and context as RetinaFace on ResNet-50 has them.

    Args:
        num_neighbours: neighbours that a box hears, at most.
        margin: surroundings that are looked at, in sides of the box.
        frozen: see `RoIRanker`; for a body that starts from a detector's weights.
        pixels: how the image is normalised, see `PIXELS`.
        num_candidates: N.
        depth: of the ResNet.
        pretrained: start it from ImageNet's weights, which want pixels: imagenet.

    Raises:
        ValueError: ``pretrained`` with other pixels.
    """
    if pretrained and pixels != "imagenet":
        raise ValueError(f"ImageNet's weights want pixels: imagenet, found {pixels}; set both switches")
    backbone = ResNet(depth, layers=(2, 3, 4), pretrained=pretrained)
    return RoIRanker(
        backbone,
        backbone.channels,
        backbone.strides,
        width=256,
        activation=rectifier(),
        normalisation=PIXELS.find(pixels),
        num_candidates=num_candidates,
        num_neighbours=num_neighbours,
        margin=margin,
        frozen=frozen,
    )


def roi_mobilenet(
    *,
    num_neighbours: int = 8,
    margin: float = 0.25,
    frozen: bool = False,
    pixels: Pixels = "retinaface",
    num_candidates: int = ROWS,
    slope: float = 0.1,
) -> RoIRanker:
    """Returns the small one with random weights; body, pyramid and context as RetinaFace on MobileNet-0.25 has them.

    Args:
        num_neighbours: as for `roi`.
        margin: likewise.
        frozen: likewise.
        pixels: likewise.
        num_candidates: N.
        slope: negative slope of the activations of body, pyramid and context.
    """
    backbone = MobileNetV1(0.25, activation=rectifier(slope))
    return RoIRanker(
        backbone,
        backbone.channels,
        backbone.strides,
        width=64,
        activation=rectifier(slope),
        normalisation=PIXELS.find(pixels),
        num_candidates=num_candidates,
        num_neighbours=num_neighbours,
        margin=margin,
        frozen=frozen,
    )
