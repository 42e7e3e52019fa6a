"""A batch for a ranker: pictures with the tables of one detector's boxes, as loaders make it and as a step takes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # The workers that decode and augment need no torch.
    import torch
    from torch import Tensor

    from pipeline.models.detectors.detector import Normalisation

Float32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class RankerExample:
    """One picture, and what one detector found in it.

    Attributes:
        image_id: names the picture in error messages.
        image: uint8 [S, S, 3], BGR.
        table: float32 [N, 5], x, y, w, h as shares of the picture's sides (corner top left) and score; rows fall in
            score, those behind `valid` are zero.
        truth: float32 [N] in 0..1, the overlap of each box with its closest face, on the untouched picture.
        valid: rows that are boxes.
    """

    image_id: str
    image: NDArray[np.uint8]
    table: Float32
    truth: Float32
    valid: int

    def __post_init__(self) -> None:
        """Raises ValueError where a shape is wrong or there are more boxes than rows."""
        if self.image.ndim != 3 or self.image.shape[2] != 3 or self.image.dtype != np.uint8:
            raise ValueError(
                f"{self.image_id}: image is {self.image.dtype} {self.image.shape}, expected uint8 (S, S, 3)"
            )
        rows = len(self.table)
        if self.table.shape != (rows, 5) or self.truth.shape != (rows,):
            found = f"table {self.table.shape} and truth {self.truth.shape}"
            raise ValueError(f"{self.image_id}: {found} do not go together, expected (N, 5) and (N,)")
        if not 0 <= self.valid <= rows:
            raise ValueError(f"{self.image_id}: {self.valid} boxes in a table of {rows} rows")


@dataclass(frozen=True, slots=True)
class RankerBatch:
    """What one training step of a ranker sees.

    Attributes:
        image_ids: B names.
        images: float32 [B, 3, S, S], normalised as the ranker wants it.
        tables: float32 [B, N, 5], see `RankerExample`.
        truths: float32 [B, N].
        valid: int64 [B].
    """

    image_ids: tuple[str, ...]
    images: Tensor
    tables: Tensor
    truths: Tensor
    valid: Tensor


@dataclass(frozen=True, slots=True)
class RankerPixelBatch:
    """B pictures of one size and their tables; NumPy only, so it travels cheaply. 32 of 640 x 640: 43 MB.

    Attributes:
        step: that it belongs to.
        image_ids: B names.
        pixels: uint8 [B, S, S, 3], BGR.
        tables: float32 [B, N, 5], see `RankerExample`.
        truths: float32 [B, N].
        valid: int64 [B].
        errors: "name: reason" of pictures that could not be read; they are blank, without boxes.
    """

    step: int
    image_ids: tuple[str, ...]
    pixels: NDArray[np.uint8]
    tables: Float32
    truths: Float32
    valid: NDArray[np.int64]
    errors: tuple[str, ...] = ()

    @classmethod
    def of(cls, step: int, examples: Sequence[RankerExample], errors: Sequence[str] = ()) -> RankerPixelBatch:
        """Returns the batch of examples.

        Raises:
            ValueError: where they differ in size or in the number of rows.
        """
        if len(sizes := {example.image.shape for example in examples}) > 1:
            raise ValueError(f"images of one batch differ in size: {sorted(sizes)}")
        if len(rows := {len(example.table) for example in examples}) > 1:
            raise ValueError(f"tables of one batch differ in rows: {sorted(rows)}")
        return cls(
            step=step,
            image_ids=tuple(example.image_id for example in examples),
            pixels=np.stack([example.image for example in examples]),
            tables=np.stack([example.table for example in examples]),
            truths=np.stack([example.truth for example in examples]),
            valid=np.array([example.valid for example in examples], np.int64),
            errors=tuple(errors),
        )

    def to_batch(self, normalisation: Normalisation, device: torch.device | str = "cpu") -> RankerBatch:
        """Returns what a training step takes, on a device; pixels are normalised there.

        Args:
            normalisation: the ranker's.
            device: of all tensors.
        """
        import torch

        from pipeline.models.transfer import moved

        pixels = moved(torch.from_numpy(self.pixels), device)
        # A permuted view of H x W x 3 is channels-last already, which is the faster layout for the convolutions.
        images = normalisation(pixels).permute(0, 3, 1, 2)
        tables, truths, valid = (
            moved(torch.from_numpy(each), device) for each in (self.tables, self.truths, self.valid)
        )
        return RankerBatch(self.image_ids, images, tables, truths, valid)
