"""Textured backgrounds without faces: gradient, noise of several scales, and shapes that a detector may mistake."""

from typing import Final

import numpy as np

from pipeline.data.datasets.synthetic.shapes import Colour
from pipeline.data.images import Image

_NOISE: Final = ((4, True, 0.3), (11, False, 0.3), (40, False, 0.2))  # cells across, in colour, greatest share


def background(rng: np.random.Generator, width: int, height: int) -> Image:
    """Returns uint8 [height, width, 3] BGR, sampled from ``rng``."""
    image = _ground(rng, width, height)
    for _ in range(int(rng.integers(5, 14))):
        _SHAPES[int(rng.integers(len(_SHAPES)))](image, rng)
    return image


def finish(image: Image, rng: np.random.Generator) -> Image:
    """Returns the image with camera effects: exposure, contrast, a colour cast, some blur, and grain."""
    import cv2

    gain = rng.uniform(0.72, 1.2) * rng.uniform(0.94, 1.06, 3)
    lift = rng.uniform(-18, 22)
    curve = np.clip(np.arange(256)[:, None] * gain + lift, 0, 255).astype(np.uint8)
    graded = cv2.LUT(image, curve[None])
    if rng.random() < 0.35:
        graded = cv2.GaussianBlur(graded, (3, 3), rng.uniform(0.4, 1.0))
    grain = int(rng.integers(2, 9))
    noise = rng.integers(0, 2 * grain + 1, graded.shape, np.uint8)
    noisy: Image = cv2.subtract(cv2.add(graded, noise), np.full_like(graded, grain))
    return noisy


def _ground(rng: np.random.Generator, width: int, height: int) -> Image:
    import cv2

    base = rng.integers(40, 216, 3)
    corners = np.clip(base + rng.integers(-50, 51, (2, 2, 3)), 0, 255).astype(np.uint8)
    image = cv2.resize(corners, (width, height), interpolation=cv2.INTER_LINEAR)
    for cells, tinted, strength in _NOISE:
        coarse = rng.integers(0, 256, (cells, cells, 3 if tinted else 1), np.uint8)
        if not tinted:
            coarse = cv2.merge([coarse] * 3)
        noise = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        share = strength * rng.uniform(0.3, 1.0)
        image = cv2.addWeighted(image, 1 - share, noise, share, 0)
    ground: Image = image
    return ground


def _place(image: Image, rng: np.random.Generator) -> tuple[int, int, int]:
    """Returns (x, y, size) in pixels: anywhere, up to a third of the shorter side."""
    height, width = image.shape[:2]
    most = max(4, min(height, width) // 3)
    x, y = int(rng.integers(width)), int(rng.integers(height))
    return x, y, round(float(np.exp(rng.uniform(np.log(3), np.log(most)))))


def _colour(rng: np.random.Generator) -> Colour:
    # Two in five have the hue of skin, so that colour alone does not give a face away.
    if rng.random() < 0.4:
        depth = rng.uniform(0.35, 1.0)
        return round(160 * depth), round(188 * depth), round(232 * depth)
    blue, green, red = (int(channel) for channel in rng.integers(20, 240, 3))
    return blue, green, red


def _disc(image: Image, rng: np.random.Generator) -> None:
    import cv2

    x, y, size = _place(image, rng)
    axes = (max(1, size), max(1, int(size * rng.uniform(0.5, 1.4))))
    colour = _colour(rng)
    cv2.ellipse(image, (x, y), axes, float(rng.uniform(0, 180)), 0, 360, colour, -1, cv2.LINE_AA)
    cv2.circle(image, (x - axes[0] // 3, y - axes[1] // 3), max(1, size // 5), _lighter(colour), -1, cv2.LINE_AA)


def _window(image: Image, rng: np.random.Generator) -> None:
    import cv2

    x, y, size = _place(image, rng)
    wide, tall = size, int(size * rng.uniform(0.6, 2.0)) + 1
    colour = _colour(rng)
    cv2.rectangle(image, (x, y), (x + wide, y + tall), colour, -1)
    cv2.rectangle(image, (x, y), (x + wide, y + tall), _lighter(colour), max(1, size // 14))
    if rng.random() < 0.5:
        cv2.line(image, (x + wide // 2, y), (x + wide // 2, y + tall), _lighter(colour), max(1, size // 16))
        cv2.line(image, (x, y + tall // 2), (x + wide, y + tall // 2), _lighter(colour), max(1, size // 16))


def _stripes(image: Image, rng: np.random.Generator) -> None:
    import cv2

    x, y, size = _place(image, rng)
    angle = rng.uniform(0, np.pi)
    along = np.array([np.cos(angle), np.sin(angle)]) * size
    across = np.array([-np.sin(angle), np.cos(angle)]) * max(2, size / 4)
    colour = _colour(rng)
    for step in range(int(rng.integers(2, 7))):
        start = np.array([x, y]) + across * step
        ends = [tuple(map(int, point)) for point in (start, start + along)]
        cv2.line(image, ends[0], ends[1], colour, max(1, size // 12), cv2.LINE_AA)


def _leaves(image: Image, rng: np.random.Generator) -> None:
    import cv2

    x, y, size = _place(image, rng)
    colour = _colour(rng)
    petals = int(rng.integers(4, 8))
    for angle in 2 * np.pi * np.arange(petals) / petals + rng.uniform(0, 1):
        petal = (int(x + size * 0.6 * np.cos(angle)), int(y + size * 0.6 * np.sin(angle)))
        axes = (max(1, size // 2), max(1, size // 4))
        cv2.ellipse(image, petal, axes, float(np.degrees(angle)), 0, 360, colour, -1, cv2.LINE_AA)
    cv2.circle(image, (x, y), max(1, size // 4), _lighter(colour), -1, cv2.LINE_AA)


def _dots(image: Image, rng: np.random.Generator) -> None:
    """Two or three dark spots on a plain disc: a button or a socket, nearly a face."""
    import cv2

    x, y, size = _place(image, rng)
    colour = _colour(rng)
    cv2.circle(image, (x, y), size, colour, -1, cv2.LINE_AA)
    count = int(rng.integers(2, 5))
    for angle in 2 * np.pi * np.arange(count) / count + rng.uniform(0, 6):
        spot = (int(x + size * 0.4 * np.cos(angle)), int(y + size * 0.4 * np.sin(angle)))
        cv2.circle(image, spot, max(1, size // 8), (30, 30, 34), -1, cv2.LINE_AA)


def _lighter(colour: Colour) -> Colour:
    blue, green, red = (min(255, channel + 45) for channel in colour)
    return blue, green, red


_SHAPES: Final = (_disc, _window, _stripes, _leaves, _dots)
