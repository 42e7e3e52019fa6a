"""Named augmentations, and the one that is sampled for an image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from pipeline.engine.registry import Registry
from pipeline.training.augment.das import DataAnchorSampling
from pipeline.training.augment.face_scale import FaceScale
from pipeline.training.augment.labelled_image import Float32, LabelledImage, Pixels, drop_small_faces, has_area, mirror
from pipeline.training.augment.multi_scale import MultiScale
from pipeline.training.augment.photometric import Distortion, Photometric
from pipeline.training.augment.square_crop import SquareCrop
from pipeline.training.augment.sse import CONFIG_EDGES, SelectiveScale
from pipeline.training.augment.view import MEAN_BGR, Colours, Geometry, Squeeze, View


@dataclass(frozen=True, slots=True)
class SampledAugmentation:
    """One image's augmentation, deterministic: colours, view, mirror, small faces, in this order.

    Attributes:
        policy: that sampled it.
        view: cut, scale and window; for one image size.
        distortion: of the colours, None for none.
        mirrored: flipped left to right.
    """

    policy: Policy
    view: View
    distortion: Distortion | None
    mirrored: bool

    def apply(self, labelled: LabelledImage) -> LabelledImage:
        """Returns the augmented image, [side, side, 3]; the same bytes every time."""
        policy = self.policy
        seen = self.view.apply(labelled, policy.fill, self._colours, policy.colours)
        if policy.pixels == "uint8" and seen.image.dtype != np.uint8:
            seen = replace(seen, image=np.rint(seen.image).clip(0, 255).astype(np.uint8))
        return drop_small_faces(mirror(seen) if self.mirrored else seen, policy.min_face)

    def _colours(self, image: Pixels) -> Pixels:
        if self.distortion is not None:
            return self.distortion.apply(image)
        return image if self.policy.pixels == "uint8" else image.astype(np.float32)


@dataclass(frozen=True, slots=True)
class Policy:
    """Samples augmentations: a scale and crop, and the parts that all rows of MogFace's Table 4 share.

    Attributes:
        geometry: of the view.
        side: of the training image, pixels.
        photometric: of the colours, None for none.
        flip_prob: share of images that are mirrored.
        min_face: faces below it, in the training image, are dropped unless all are.
        fill: BGR outside the image; the detector's own mean is zero after normalisation.
        pixels: dtype of the result. "float32" keeps what photometric distortion puts outside 0..255, as the released
            code does; "uint8" rounds and clips once, at the end, a quarter of the bytes.
        colours: when they are distorted, see `View.apply`; the released code's order is "first".
    """

    geometry: Geometry
    side: int = 640
    photometric: Photometric | None = field(default_factory=Photometric)
    flip_prob: float = 0.5
    min_face: float = 8.0
    fill: tuple[float, float, float] = MEAN_BGR
    pixels: Literal["float32", "uint8"] = "float32"
    colours: Colours = "first"

    def __post_init__(self) -> None:
        """Raises ValueError where a number is out of range."""
        if self.side < 1 or not 0 <= self.flip_prob <= 1 or self.min_face < 0:
            numbers = f"side {self.side}, flip_prob {self.flip_prob}, min_face {self.min_face}"
            raise ValueError(f"{numbers}: expected 1 or more, a share in 0..1 and 0 or more")

    def sample(self, rng: np.random.Generator, width: int, height: int, boxes: Float32) -> SampledAugmentation:
        """Returns the augmentation of an image; its pixels are not needed.

        Args:
            rng: see `seeds.generator_for`.
            width: of the image, pixels.
            height: of the image, pixels.
            boxes: float32 [F, 4] xyxy of the faces that may be aimed at; those without an area are ignored.
        """
        distortion = None if self.photometric is None else self.photometric.sample(rng)
        view = self.geometry.sample(rng, width, height, boxes[has_area(boxes)], self.side)
        mirrored = bool(rng.random() < self.flip_prob)
        return SampledAugmentation(self, view, distortion, mirrored)

    def __call__(self, rng: np.random.Generator, labelled: LabelledImage) -> LabelledImage:
        """Returns the image with a sampled augmentation applied."""
        height, width = labelled.image.shape[:2]
        return self.sample(rng, width, height, labelled.boxes[labelled.valid]).apply(labelled)


POLICIES: Registry[Callable[[], Geometry]] = Registry(
    "augmentation",
    {
        "das": lambda: FaceScale(DataAnchorSampling()),
        "sse": lambda: FaceScale(SelectiveScale(), max_side=None, short_side=(640, 1280), fallback="centre"),
        "sse_anywhere": lambda: FaceScale(SelectiveScale(), max_side=None, short_side=(640, 1280), window="anywhere"),
        "sse_official": lambda: FaceScale(SelectiveScale(CONFIG_EDGES, variant="official")),
        "mst": MultiScale,
        "square_crop": SquareCrop,
        "plain": Squeeze,
    },
)
"""Name -> its geometry: the rows of Table 4, SSE with Algorithm 2's crop to the letter, the released code's SSE, and
S3FD's crop."""
