"""A ranker, not in the paper, that reads every box and what overlaps it, where CRFace's own can only correct ranks.

Same interface, still model-agnostic: its inputs are the image and the table. The body, pyramid and context are those of
RetinaFace by name and shape, so that they may start from a detector's weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from pipeline.models.backbones.mobilenet import MobileNetV1
from pipeline.models.backbones.resnet import Depth, ResNet
from pipeline.models.blocks import Activation, rectifier
from pipeline.models.context import SSH
from pipeline.models.pyramid import FeaturePyramid
from pipeline.models.rankers.message_passing import MessagePassing
from pipeline.models.rankers.neighbours import STATISTICS, Neighbours, best_neighbours, overlapping, statistics
from pipeline.models.rankers.ranker import PIXELS, ROWS, Pixels, Ranker, recomputed
from pipeline.models.rankers.roi_features import RoIFeatures

OWN = 7  # numbers per box that `box_numbers` gives


@dataclass(frozen=True, kw_only=True)
class RoIConfig:
    """The switches of both RoI rankers.

    Attributes:
        num_neighbours: neighbours whose messages a box gets, at most; 0 leaves message passing out.
        margin: surroundings that the features cover, in sides of the box.
        frozen: body, pyramid and context learn nothing, their norms neither; a step then takes half the time. For a
            body that starts from a detector's weights.
        pixels: how the image is normalised, see `PIXELS`.
        num_candidates: N.
    """

    num_neighbours: int = 8
    margin: float = 0.25
    frozen: bool = False
    pixels: Pixels = "retinaface"
    num_candidates: int = ROWS


class RoIRanker(Ranker):
    """Per box: RoI features, score, rank and size, messages of its neighbours; then one number.

    Boxes that nothing overlaps get no message; rows that are no candidates are not computed.
    """

    def __init__(
        self, backbone: nn.Module, config: RoIConfig, *, width: int, activation: Activation, hidden: int = 128
    ) -> None:
        """Assembles the parts.

        Args:
            backbone: image to three feature levels, finest first; has ``channels`` and ``strides``.
            config: switches.
            width: channels of pyramid and context.
            activation: makes every activation of both.
            hidden: length of a box's vector.

        Raises:
            ValueError: there is no such way to normalise pixels.
        """
        super().__init__()
        channels, strides = tuple(backbone.channels), tuple(backbone.strides)  # type: ignore[arg-type]
        self.normalisation = PIXELS.find(config.pixels)
        self.num_candidates = config.num_candidates
        self.num_neighbours = config.num_neighbours
        self.backbone = backbone
        self.pyramid = FeaturePyramid(channels, width, activation=activation)
        self.context = nn.ModuleList(SSH(width, width, activation=activation) for _ in channels)
        self.roi_features = RoIFeatures(width, hidden, strides, margin=config.margin)
        self.embed = nn.Sequential(
            nn.Linear(hidden + OWN + STATISTICS, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU()
        )
        self.messages = MessagePassing(hidden, hidden // 2) if config.num_neighbours else None
        last = nn.Linear(hidden, 1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        inputs = 2 * hidden if config.num_neighbours else hidden
        self.answer = nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), last)
        self.frozen = config.frozen
        if config.frozen:
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
        features = recomputed(self.checkpointed, self.roi_features, list(maps), image, corners * size)
        own = box_numbers(rows, place, size[:2], self.num_candidates)
        vectors = self.embed(torch.cat([features, own.to(features), numbers.to(features)], 1))
        if self.messages is not None:
            vectors = torch.cat([vectors, self.messages(vectors, near)], dim=1)
        residual = tables.new_zeros(tables.shape[:2])
        return residual.index_put((image, place), self.answer(vectors).squeeze(1).float())

    def _body(self) -> tuple[nn.Module, ...]:
        return self.backbone, self.pyramid, self.context


def box_numbers(rows: Tensor, place: Tensor, size: Tensor, count: int) -> Tensor:
    """Returns features of each box from its table alone, float32 [M, 7], each number of about unit size.

    Score, its logit, log of the rank, log of the mean side in pixels, log of the sides' ratio, and the centre, -1..1
    along the image's long edge: the same numbers whether or not the image has been padded to a square.

    Args:
        rows: float32 [M, 5] of a table.
        place: int64 [M], which row of its table each is.
        size: float32 [2], width and height of the image in pixels.
        count: N.
    """
    score = rows[:, 4]
    sides = (rows[:, 2:4] * size).clamp(min=1)
    centre = (rows[:, :2] + rows[:, 2:4] / 2) * (size / size.max()) * 2 - 1
    return torch.stack(
        [
            score,
            torch.logit(score.clamp(0, 1), eps=1e-5) / 5,
            torch.log(place.float() + 1) / torch.log(torch.tensor(float(max(count, 2)), device=rows.device)),
            sides.prod(dim=1).log2() / 4 - 2.5,
            (sides[:, 0] / sides[:, 1]).log2(),
            centre[:, 0],
            centre[:, 1],
        ],
        dim=1,
    )


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


@dataclass(frozen=True, kw_only=True)
class RoIResNet(RoIConfig):
    """The large one; body, pyramid and context as RetinaFace on ResNet-50 has them.

    Attributes:
        depth: of the ResNet.
        pretrained: start it from ImageNet's weights, which want pixels: imagenet.
    """

    depth: Depth = 50
    pretrained: bool = False

    def build(self) -> RoIRanker:
        """Returns the ranker with random weights.

        Raises:
            ValueError: ``pretrained`` with other pixels, or as `RoIRanker`.
        """
        if self.pretrained and self.pixels != "imagenet":
            raise ValueError(f"ImageNet's weights want pixels: imagenet, found {self.pixels}; set both switches")
        backbone = ResNet(self.depth, layers=(2, 3, 4), pretrained=self.pretrained)
        return RoIRanker(backbone, self, width=256, activation=rectifier())


@dataclass(frozen=True, kw_only=True)
class RoIMobileNet(RoIConfig):
    """The small one; body, pyramid and context as RetinaFace on MobileNet-0.25 has them.

    Attributes:
        slope: negative slope of the activations of body, pyramid and context.
    """

    slope: float = 0.1

    def build(self) -> RoIRanker:
        """Returns the ranker with random weights; errors as `RoIRanker`."""
        activation = rectifier(self.slope)
        return RoIRanker(MobileNetV1(0.25, activation=activation), self, width=64, activation=activation)
