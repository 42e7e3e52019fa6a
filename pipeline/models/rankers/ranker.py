"""What every ranker is: an image and the table of its candidates in, a correction of every candidate's score out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from pipeline.engine.registry import Registry
from pipeline.models.detectors.detector import Normalisation
from pipeline.models.detectors.six_levels import imagenet_rgb
from pipeline.models.rankers.preprocessing import Preprocessing

ROWS = 5000  # of a table, in the paper

Pixels = Literal["imagenet", "retinaface"]

# A body that was trained elsewhere wants the pixels it was trained with; RetinaFace's are not divided.
PIXELS = Registry(
    "way to normalise pixels",
    {"imagenet": imagenet_rgb(), "retinaface": Normalisation((104.0, 117.0, 123.0))},
)


class Ranker(nn.Module, ABC):
    """Base of all rankers (CRFace section 3). They know no detector: only the image and `pipeline.boxes.box_table`.

    Attributes:
        normalisation: of the image.
        num_candidates: N, which the tables must have.
        backbone: image to feature levels, finest first; a detector with the same one has the same names in it.
        preprocessing: how its input is made from an image: as in its training.
        checkpointed: in training, compute what takes most memory a second time in the backward pass instead of holding
            it. The same numbers; not part of a checkpoint.
    """

    normalisation: Normalisation
    num_candidates: int
    backbone: nn.Module
    preprocessing: Preprocessing = Preprocessing()
    checkpointed: bool = False

    @abstractmethod
    def maps(self, images: Tensor) -> list[Tensor]:
        """Returns what is seen of images float32 [B, 3, H, W], already normalised, whatever their boxes.

        The part that an engine runs; maps [B, C_i, H_i, W_i].
        """

    @abstractmethod
    def residual(self, maps: Sequence[Tensor], sides: tuple[int, int], tables: Tensor, valid: Tensor) -> Tensor:
        """Returns the residual float32 [B, N] of the images' maps and (height, width) in pixels; see `forward`."""

    def forward(self, images: Tensor, tables: Tensor, valid: Tensor) -> Tensor:
        """Returns the residual float32 [B, N]; the refined score is ``tables[..., 4] + residual``, not clipped.

        Args:
            images: float32 [B, 3, H, W], already normalised; any H, W >= 1.
            tables: float32 [B, N, 5], see `pipeline.boxes.box_table`; boxes relative to these images.
            valid: int64 [B], rows of each table that are candidates; the residual of the others is 0.

        Raises:
            ValueError: the tables are of another length.
        """
        self.real(tables, valid)  # before the long way
        return self.residual(self.maps(images), (images.shape[2], images.shape[3]), tables, valid)

    def real(self, tables: Tensor, valid: Tensor) -> Tensor:
        """Returns bool [B, N], which rows are candidates.

        Raises:
            ValueError: the tables are not [B, N, 5] with this ranker's N, or ``valid`` is not [B].
        """
        batch = len(tables)
        if tables.shape != (batch, self.num_candidates, 5) or valid.shape != (batch,):
            raise ValueError(
                f"expected tables [B, {self.num_candidates}, 5] and valid [B], "
                f"got {list(tables.shape)} and {list(valid.shape)}"
            )
        return torch.arange(self.num_candidates, device=tables.device) < valid.to(tables.device)[:, None]


class RankerMaps(nn.Module):
    """The part of a ranker that sees the image, with a tuple for an answer."""

    def __init__(self, ranker: Ranker) -> None:
        """Takes the ranker itself."""
        super().__init__()
        self.ranker = ranker

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Returns `Ranker.maps` of images."""
        return tuple(self.ranker.maps(images))


def recomputed(wanted: bool, function: Callable[..., Tensor], *inputs: Any) -> Tensor:
    """Returns ``function(*inputs)``; where ``wanted``, the backward pass computes it again instead of holding it."""
    if not (wanted and torch.is_grad_enabled()):
        return function(*inputs)
    result: Tensor = checkpoint(function, *inputs, use_reentrant=False, preserve_rng_state=False)
    return result
