"""Scale augmentation aimed at one face: DAS and SSE differ only in its target size."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipeline.training.augment.das import DataAnchorSampling
from pipeline.training.augment.labelled_image import Float32, face_scales
from pipeline.training.augment.resize import sample_interpolation, scaled_size
from pipeline.training.augment.sse import SelectiveScale
from pipeline.training.augment.view import Squeeze, View
from pipeline.training.augment.window import window_anywhere, window_around


@dataclass(frozen=True, slots=True)
class FaceScale:
    """The image is resized so that a random face gets a sampled size, and a window around it is cut out.

    Images without faces are squeezed to the training size, as in MogFace's code; with `short_side` they get the first
    step of MogFace's Algorithm 2 and a window anywhere.

    Attributes:
        target: samples the size of the face.
        max_side: the resized image has at most `max_side`^2 pixels: 12000, or 4000 for the released MogFace_E. A bound
            of the code only, which keeps small faces from the high levels; None for none, as in Algorithm 2.
        short_side: smallest and largest short side, pixels, of an image without faces; None squeezes it.
        window: "face" as in the code, which the level shares need; "anywhere" is Algorithm 2's "crop at random" to the
            letter, which may miss the face.
        fallback: where no window is good, as for long faces larger than it: "squeeze" the whole image as the code does
            (2 % of WIDER FACE under Algorithm 2, all of them meant for p7), or "centre" the window on the face.
    """

    target: SelectiveScale | DataAnchorSampling
    max_side: int | None = 12000
    short_side: tuple[int, int] | None = None
    window: Literal["face", "anywhere"] = "face"
    fallback: Literal["squeeze", "centre"] = "squeeze"

    def sample(self, rng: np.random.Generator, width: int, height: int, boxes: Float32, side: int) -> View:
        """Returns a view; its `target` is the sampled size, before the bound of `max_side`. See `Geometry`."""
        if len(boxes) == 0:
            return self._without_faces(rng, width, height, side)
        face = int(rng.integers(len(boxes)))
        scale = float(face_scales(boxes[face : face + 1])[0])
        target = self.target.sample(rng, scale)
        new_width, new_height = scaled_size(width, height, target / scale, self.max_side)
        kind = sample_interpolation(rng)
        if self.window == "anywhere":
            corner: tuple[int, int] | None = window_anywhere(rng, new_width, new_height, side)
        else:
            factor = np.array([new_width / width, new_height / height] * 2)
            placed = (boxes * factor).astype(np.float32)
            corner = window_around(rng, new_width, new_height, placed, face, side)
            if corner is None and self.fallback == "centre":
                x1, y1, x2, y2 = placed[face].tolist()
                corner = math.floor((x1 + x2 - side) / 2), math.floor((y1 + y2 - side) / 2)
        if corner is None:
            return Squeeze(kind).sample(rng, width, height, boxes, side)
        return View((0, 0, width, height), new_width, new_height, *corner, side, kind, target)

    def _without_faces(self, rng: np.random.Generator, width: int, height: int, side: int) -> View:
        if self.short_side is None:
            return Squeeze().sample(rng, width, height, np.zeros((0, 4), np.float32), side)
        ratio = float(rng.uniform(*self.short_side)) / min(width, height)
        new_width, new_height = scaled_size(width, height, ratio, self.max_side)
        kind = sample_interpolation(rng)
        x, y = window_anywhere(rng, new_width, new_height, side)
        return View((0, 0, width, height), new_width, new_height, x, y, side, kind)
