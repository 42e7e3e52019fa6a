"""A whole augmentation in the paper's order, by name, and what it drew for one picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from pipeline.engine.registry import Registry
from pipeline.training.augment.das import DataAnchorSampling
from pipeline.training.augment.face_scale import FaceScale
from pipeline.training.augment.mirror import mirror
from pipeline.training.augment.multi_scale import MultiScale
from pipeline.training.augment.photometric import Distortion, Photometric
from pipeline.training.augment.scene import Float32, Pixels, Scene, has_area
from pipeline.training.augment.small_faces import drop_small_faces
from pipeline.training.augment.square_crop import SquareCrop
from pipeline.training.augment.sse import CONFIG_EDGES, SelectiveScale
from pipeline.training.augment.view import MEAN_BGR, Colours, Geometry, View, Whole


@dataclass(frozen=True, slots=True)
class Plan:
    """All that happens to one picture: colours, view, mirror, small faces, in this order; no chance is left in it.

    Attributes:
        view: cut, scale and window; made for one picture's size.
        distortion: of the colours, None for none.
        mirrored: seen from the other side.
        smallest: faces below it are dropped, pixels.
        fill: BGR outside the picture.
        pixels: dtype of the result; "uint8" rounds and clips once, at the very end, and is a quarter of the bytes.
        colours: when they are distorted, see `View.apply`.
    """

    view: View
    distortion: Distortion | None = None
    mirrored: bool = False
    smallest: float = 8.0
    fill: tuple[float, float, float] = MEAN_BGR
    pixels: Literal["float32", "uint8"] = "float32"
    colours: Colours = "first"

    def apply(self, scene: Scene) -> Scene:
        """Returns the scene as training sees it, [side, side, 3]; the same bytes every time."""
        seen = self.view.apply(scene, self.fill, self._colours, self.colours)
        if self.pixels == "uint8" and seen.image.dtype != np.uint8:
            seen = replace(seen, image=np.rint(seen.image).clip(0, 255).astype(np.uint8))
        return drop_small_faces(mirror(seen) if self.mirrored else seen, self.smallest)

    def _colours(self, image: Pixels) -> Pixels:
        if self.distortion is not None:
            return self.distortion.apply(image)
        return image if self.pixels == "uint8" else image.astype(np.float32)


@dataclass(frozen=True, slots=True)
class Policy:
    """Draws plans: which scale and crop, and the parts that every row of the paper's Table 4 shares.

    Attributes:
        geometry: of the view.
        side: of the training picture, pixels.
        photometric: of the colours, None for none.
        mirrored: share of pictures that are mirrored.
        smallest: faces below it, in the training picture, are dropped unless all are.
        fill: BGR outside the picture; take the detector's own mean, so that it is zero after normalisation.
        pixels: "float32" keeps what photometric distortion puts outside 0..255, as the released code does.
        colours: when they are distorted, see `View.apply`; the released code's order is "first".
    """

    geometry: Geometry
    side: int = 640
    photometric: Photometric | None = field(default_factory=Photometric)
    mirrored: float = 0.5
    smallest: float = 8.0
    fill: tuple[float, float, float] = MEAN_BGR
    pixels: Literal["float32", "uint8"] = "float32"
    colours: Colours = "first"

    def __post_init__(self) -> None:
        """Raises ValueError where a number makes no sense."""
        if self.side < 1 or not 0 <= self.mirrored <= 1 or self.smallest < 0:
            numbers = f"side {self.side}, mirrored {self.mirrored}, smallest {self.smallest}"
            raise ValueError(f"{numbers}: expected 1 or more, a share in 0..1 and 0 or more")

    def draw(self, rng: np.random.Generator, width: int, height: int, boxes: Float32) -> Plan:
        """Returns what is to happen to a picture; its pixels have no part in it, so that statistics need none.

        Args:
            rng: decides; `seeds.generator_for` gives one that belongs to the picture and the epoch.
            width: of the picture, pixels.
            height: likewise.
            boxes: float32 [F, 4] xyxy of the faces that may be aimed at; those without an area are passed over.
        """
        distortion = None if self.photometric is None else self.photometric.draw(rng)
        view = self.geometry.draw(rng, width, height, boxes[has_area(boxes)], self.side)
        mirrored = bool(rng.random() < self.mirrored)
        return Plan(view, distortion, mirrored, self.smallest, self.fill, self.pixels, self.colours)

    def __call__(self, rng: np.random.Generator, scene: Scene) -> Scene:
        """Returns the scene augmented: a plan drawn and applied."""
        height, width = scene.image.shape[:2]
        return self.draw(rng, width, height, scene.boxes[scene.valid]).apply(scene)


POLICIES: Registry[Callable[[], Geometry]] = Registry(
    "augmentation",
    {
        "das": lambda: FaceScale(DataAnchorSampling()),
        "sse": lambda: FaceScale(SelectiveScale(), most=None, short_side=(640, 1280), otherwise="centre"),
        "sse_anywhere": lambda: FaceScale(SelectiveScale(), most=None, short_side=(640, 1280), window="anywhere"),
        "sse_official": lambda: FaceScale(SelectiveScale(CONFIG_EDGES, reading="official")),
        "mst": MultiScale,
        "square_crop": SquareCrop,
        "plain": Whole,
    },
)
"""Name -> its geometry: the rows of Table 4, SSE with Algorithm 2's crop to the letter, the released code's SSE, and
S3FD's crop."""


def policy(name: str, **changes: Any) -> Policy:
    """Returns the policy of a name.

    Args:
        name: one of `POLICIES`.
        changes: fields of `Policy` that differ, for instance `side=multi_scale.once(0)` for the released SSE.

    Raises:
        ValueError: a name that is not there.
    """
    return Policy(**{"geometry": POLICIES.find(name)(), **changes})
