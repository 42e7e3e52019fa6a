"""Batches as loaders make them: NumPy only, so that they travel cheaply; pixels are normalised on the device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.training.data.batch import Batch, Example, Faces, Float32, RankerBatch, RankerExample

if TYPE_CHECKING:  # The workers that decode and augment need no torch.
    import torch

    from pipeline.models.detectors.detector import Normalisation


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pixels:
    """B images of one size; the base of both batches.

    Attributes:
        step: that it belongs to.
        image_ids: B names.
        pixels: uint8 or float32 [B, H, W, 3], BGR.
        errors: "name: reason" of images that could not be read; they are black, without boxes.
    """

    step: int
    image_ids: tuple[str, ...]
    pixels: NDArray[Any]
    errors: tuple[str, ...] = ()

    def images(self, normalisation: Normalisation, device: torch.device | str) -> torch.Tensor:
        """Returns the images [B, 3, H, W] on a device, normalised there."""
        import torch

        from pipeline.models.transfer import to_device

        # A permuted view of H x W x 3 is channels-last already, which is the faster layout for the convolutions.
        return normalisation(to_device(torch.from_numpy(self.pixels), device)).permute(0, 3, 1, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelBatch(_Pixels):
    """B images and their faces, F of them in all.

    Attributes:
        step, image_ids, pixels, errors: see `_Pixels`.
        boxes: float32 [F, 4], xyxy in pixels, those of the first image first.
        landmarks: float32 [F, 5, 2], NaN where a face has none.
        counts: int64 [B], faces of each image.
    """

    boxes: Float32
    landmarks: Float32
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, step: int, examples: Sequence[Example], errors: Sequence[str] = ()) -> PixelBatch:
        """Returns the batch of examples; raises ValueError where they differ in size."""
        return cls(
            **_stacked(step, examples, errors),
            boxes=np.concatenate([example.boxes for example in examples]).astype(np.float32),
            landmarks=np.concatenate([example.landmarks for example in examples]).astype(np.float32),
            counts=np.array([len(example.boxes) for example in examples], np.int64),
        )

    def to_batch(self, normalisation: Normalisation, device: torch.device | str = "cpu") -> Batch:
        """Returns the batch with its images on a device; faces stay on the host, where they are matched."""
        import torch

        marked = np.isfinite(self.landmarks).all(axis=(1, 2))
        sizes = self.counts.tolist()
        flat = [torch.from_numpy(values) for values in (self.boxes, self.landmarks, marked)]
        faces = tuple(Faces(*parts) for parts in zip(*(torch.split(values, sizes) for values in flat), strict=True))
        return Batch(self.image_ids, self.images(normalisation, device), faces)


@dataclass(frozen=True, slots=True, kw_only=True)
class RankerPixelBatch(_Pixels):
    """B images and the tables of one detector's candidates. 32 of 640 x 640: 43 MB.

    Attributes:
        step, image_ids, pixels, errors: see `_Pixels`.
        tables: float32 [B, N, 5], see `RankerExample`.
        truths: float32 [B, N].
        valid: int64 [B].
    """

    tables: Float32
    truths: Float32
    valid: NDArray[np.int64]

    @classmethod
    def of(cls, step: int, examples: Sequence[RankerExample], errors: Sequence[str] = ()) -> RankerPixelBatch:
        """Returns the batch of examples; raises ValueError where they differ in size or number of rows."""
        stacked = _stacked(step, examples, errors)
        if len(rows := {len(example.table) for example in examples}) > 1:
            raise ValueError(f"tables of one batch differ in rows: {sorted(rows)}")
        return cls(
            **stacked,
            tables=np.stack([example.table for example in examples]),
            truths=np.stack([example.truth for example in examples]),
            valid=np.array([example.valid for example in examples], np.int64),
        )

    def to_batch(self, normalisation: Normalisation, device: torch.device | str = "cpu") -> RankerBatch:
        """Returns the batch on a device."""
        import torch

        from pipeline.models.transfer import to_device

        images = self.images(normalisation, device)
        rest = (to_device(torch.from_numpy(each), device) for each in (self.tables, self.truths, self.valid))
        return RankerBatch(self.image_ids, images, *rest)


def _stacked(step: int, examples: Sequence[Example | RankerExample], errors: Sequence[str]) -> dict[str, Any]:
    """Returns the fields of `_Pixels`."""
    if len(sizes := {example.image.shape for example in examples}) > 1:
        raise ValueError(f"images of one batch differ in size: {sorted(sizes)}")
    return {
        "step": step,
        "image_ids": tuple(example.image_id for example in examples),
        "pixels": np.stack([example.image for example in examples]),
        "errors": tuple(errors),
    }
