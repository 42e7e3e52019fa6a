"""The appearance of one synthetic head, with its box and landmarks: numbers only, no drawing."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from pipeline.data.datasets.synthetic.shapes import Colour, Points, blend

# Blue, green, red: from pale to deep.
_SKIN: Final = (
    (190, 212, 246), (160, 188, 232), (128, 164, 218), (98, 134, 196), (70, 100, 158), (48, 70, 116), (36, 50, 84),
)  # fmt: skip
_HAIR: Final = (
    (24, 22, 26), (30, 40, 58), (40, 66, 104), (70, 118, 172), (130, 186, 224), (150, 152, 156), (38, 62, 150),
)  # fmt: skip
_IRIS: Final = ((60, 42, 30), (44, 66, 96), (150, 110, 70), (96, 120, 84))
_STYLES: Final = ("short", "long", "curly", "bald", "hat", "scarf")
_STYLE_SHARES: Final = (0.36, 0.28, 0.14, 0.08, 0.08, 0.06)


@dataclass(frozen=True, slots=True)
class Appearance:
    """The traits of one head; lengths in units of half the face height."""

    breadth: float  # half width of the face
    roll: float  # radians, clockwise lean
    turn: float  # -1..1, features moved to the left or right
    style: str  # hair style
    skin: Colour  # BGR, as the next four
    hair: Colour
    iris: Colour
    shirt: Colour
    lips: Colour
    smile: float  # -0.3..1, rise of the mouth corners
    opening: float  # 0..1, of the mouth
    squint: float  # 0.35..1, opening of the eyes
    fringe: float  # -0.75..-0.45, height of the hairline
    light: tuple[float, float]  # (u, v) gradient of brightness over the face
    glasses: str  # "none", "clear" or "dark"
    beard: float  # 0..1, 0 for none
    cover: str  # "none", "mask" (over the mouth) or "object" (over one lower side)
    eye_height: float  # v of the eyes
    mouth_height: float  # v of the mouth

    @property
    def half_extent(self) -> tuple[float, float]:
        """Half width and half height of the upright box around the leaning face, in units."""
        cosine, sine = math.cos(self.roll), math.sin(self.roll)
        return math.hypot(self.breadth * cosine, sine), math.hypot(self.breadth * sine, cosine)

    def landmarks(self) -> Points:
        """Returns left eye, right eye, nose tip, left and right mouth corner (image left first), head coordinates."""
        shift, eye = self.shift, self.eye_offset
        mouth = (0.33 + 0.08 * max(0.0, self.smile)) * self.breadth  # half its width
        corner = self.mouth_height - 0.09 * self.smile
        return [
            (shift - eye, self.eye_height),
            (shift + eye, self.eye_height),
            (1.45 * shift, 0.24),
            (shift - mouth, corner),
            (shift + mouth, corner),
        ]

    @property
    def shift(self) -> float:
        """Offset of a turned head's features from its middle, units to the right."""
        return 0.22 * self.breadth * self.turn

    @property
    def eye_offset(self) -> float:
        """Half the distance between the eyes, units."""
        return 0.45 * self.breadth


def sample_appearance(rng: np.random.Generator) -> Appearance:
    """Returns a head sampled from ``rng``: every skin tone, several hair styles, mild lean and turn, some covered."""
    skin = _between(rng, _SKIN)
    style = str(rng.choice(_STYLES, p=_STYLE_SHARES))
    bearded = rng.random() < 0.25 and style not in ("long", "scarf")
    return Appearance(
        breadth=rng.uniform(0.7, 0.84),
        roll=float(np.clip(rng.normal(0, 0.16), -0.5, 0.5)),
        turn=rng.uniform(-1, 1),
        style=style,
        skin=skin,
        hair=_HAIR[rng.integers(len(_HAIR))],
        iris=_IRIS[rng.integers(len(_IRIS))],
        shirt=_vivid(rng),
        lips=(int(skin[0] * 0.62), int(skin[1] * 0.56), int(skin[2] * 0.86)),
        smile=rng.uniform(-0.3, 1.0),
        opening=max(0.0, rng.uniform(-0.8, 1.0)),
        squint=rng.uniform(0.45, 1.0),
        fringe=rng.uniform(-0.72, -0.48),
        light=(rng.uniform(-0.28, 0.28), rng.uniform(-0.22, 0.08)),
        glasses=str(rng.choice(("none", "clear", "dark"), p=(0.8, 0.15, 0.05))),
        beard=rng.uniform(0.4, 1.0) if bearded else 0.0,
        cover=str(rng.choice(("none", "mask", "object"), p=(0.86, 0.06, 0.08))),
        eye_height=rng.uniform(-0.2, -0.08),
        mouth_height=rng.uniform(0.5, 0.58),
    )


def _between(rng: np.random.Generator, palette: tuple[Colour, ...]) -> Colour:
    position = rng.uniform(0, len(palette) - 1)
    low = min(int(position), len(palette) - 2)
    return blend(palette[low], palette[low + 1], position - low)


def _vivid(rng: np.random.Generator) -> Colour:
    blue, green, red = (int(channel) for channel in rng.integers(30, 230, 3))
    return blue, green, red
