"""A batch as loaders make it and networks of any device take it over: whole pictures, faces in one flat array."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.training.data.batch import Batch, Example, Faces, Float32

if TYPE_CHECKING:  # The workers that decode and augment need no torch.
    import torch

    from pipeline.models.detectors.detector import Normalisation


@dataclass(frozen=True, slots=True)
class PixelBatch:
    """B pictures of one size and their faces, F of them in all; NumPy only, so it travels cheaply.

    Attributes:
        step: that it belongs to.
        image_ids: B names.
        pixels: uint8 or float32 [B, H, W, 3], BGR.
        boxes: float32 [F, 4], xyxy in pixels, those of the first picture first.
        landmarks: float32 [F, 5, 2], NaN where a face has none.
        counts: int64 [B], faces of each picture.
        errors: "name: reason" of pictures that could not be read; they are blank, without faces.
    """

    step: int
    image_ids: tuple[str, ...]
    pixels: NDArray[Any]
    boxes: Float32
    landmarks: Float32
    counts: NDArray[np.int64]
    errors: tuple[str, ...] = ()

    @classmethod
    def of(cls, step: int, examples: Sequence[Example], errors: Sequence[str] = ()) -> PixelBatch:
        """Returns the batch of examples.

        Raises:
            ValueError: where they differ in size.
        """
        if len(sizes := {example.image.shape for example in examples}) > 1:
            raise ValueError(f"images of one batch differ in size: {sorted(sizes)}")
        return cls(
            step=step,
            image_ids=tuple(example.image_id for example in examples),
            pixels=np.stack([example.image for example in examples]),
            boxes=np.concatenate([example.boxes for example in examples]).astype(np.float32),
            landmarks=np.concatenate([example.landmarks for example in examples]).astype(np.float32),
            counts=np.array([len(example.boxes) for example in examples], np.int64),
            errors=tuple(errors),
        )

    def to_batch(self, normalisation: Normalisation, device: torch.device | str = "cpu") -> Batch:
        """Returns what a training step takes; pixels are normalised on the device, faces stay where they are matched.

        Args:
            normalisation: the detector's.
            device: of the images.
        """
        import torch

        from pipeline.models.transfer import moved

        pixels = moved(torch.from_numpy(self.pixels), device)
        # A permuted view of H x W x 3 is channels-last already, which is the faster layout for the convolutions.
        images = normalisation(pixels).permute(0, 3, 1, 2)
        marked = np.isfinite(self.landmarks).all(axis=(1, 2))
        sizes = self.counts.tolist()
        flat = [torch.from_numpy(values) for values in (self.boxes, self.landmarks, marked)]
        faces = tuple(Faces(*parts) for parts in zip(*(torch.split(values, sizes) for values in flat), strict=True))
        return Batch(self.image_ids, images, faces)


class LabelledSource(ABC):
    """What every source of pictures with faces puts into batches; see `batches.Source`."""

    @abstractmethod
    def name(self, index: int) -> str:
        """Returns the picture's name."""

    def blank(self, index: int, side: int) -> Example:
        """Returns a black picture without faces."""
        empty = np.zeros((0, 4), np.float32)
        return Example(self.name(index), np.zeros((side, side, 3), np.uint8), empty, np.zeros((0, 5, 2), np.float32))

    def assemble(self, step: int, examples: Sequence[Example], errors: Sequence[str]) -> PixelBatch:
        """Returns the batch of examples, see `PixelBatch.of`."""
        return PixelBatch.of(step, examples, errors)
