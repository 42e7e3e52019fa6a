"""Colour distortions of the SSD family: brightness, contrast, saturation and hue, never clipped."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.training.augment.labelled_image import Float32, Pixels


@dataclass(frozen=True, slots=True)
class Distortion:
    """Changes of an image's colours; None leaves a step out.

    Attributes:
        brightness: added to every channel.
        contrast: every channel is multiplied by it.
        saturation: the S of HSV is multiplied by it.
        hue: degrees added to the H of HSV, wrapped to 0..360.
        contrast_last: contrast after saturation and hue instead of before them.
    """

    brightness: float | None = None
    contrast: float | None = None
    saturation: float | None = None
    hue: float | None = None
    contrast_last: bool = False

    def apply(self, image: Pixels) -> Float32:
        """Returns the distorted image, float32 [H, W, 3] BGR in units of 0..255 but not clipped to it."""
        done: Float32 = image.astype(np.float32)
        if self.brightness is not None:
            done += np.float32(self.brightness)
        if self.contrast is not None and not self.contrast_last:
            done *= np.float32(self.contrast)
        if self.saturation is not None or self.hue is not None:
            done = _recolour(done, self.saturation, self.hue)
        if self.contrast is not None and self.contrast_last:
            done *= np.float32(self.contrast)
        return done


@dataclass(frozen=True, slots=True)
class Photometric:
    """Samples distortions; the defaults are those of MogFace's code.

    Attributes:
        chance: of each of the four, independently.
        brightness: largest shift, grey levels.
        contrast, saturation: smallest and largest factor.
        hue: largest rotation, degrees.
    """

    chance: float = 0.5
    brightness: float = 32.0
    contrast: tuple[float, float] = (0.5, 1.5)
    saturation: tuple[float, float] = (0.5, 1.5)
    hue: float = 18.0

    def sample(self, rng: np.random.Generator) -> Distortion:
        """Returns one distortion; contrast is last with probability 0.5."""
        used = rng.random(4) < self.chance
        values = (
            rng.uniform(-self.brightness, self.brightness),
            rng.uniform(*self.contrast),
            rng.uniform(*self.saturation),
            rng.uniform(-self.hue, self.hue),
        )
        kept = [float(value) if use else None for value, use in zip(values, used, strict=True)]
        return Distortion(kept[0], kept[1], kept[2], kept[3], contrast_last=bool(rng.random() < 0.5))


def _recolour(image: Float32, saturation: float | None, hue: float | None) -> Float32:
    import cv2  # Here, because it is slow to import and `sample` does not need it.

    hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)  # float pixels: H in degrees, S without unit, V in grey levels
    if saturation is not None:
        hsv[..., 1] *= np.float32(saturation)
    if hue is not None:
        turned = hsv[..., 0] + np.float32(hue)
        hsv[..., 0] = np.where(turned < 0, turned + 360, np.where(turned >= 360, turned - 360, turned))
    back: Float32 = cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)
    return back
