"""Drawing one head into an image."""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.data.datasets.synthetic.appearance import Appearance
from pipeline.data.datasets.synthetic.shapes import Pen, arc, blend, shade

# A small face is drawn larger and averaged down, else its features would be single pixels.
_LEAST_UNIT: Final = 28
_RIM: Final = 1.05


def draw_face(image: NDArray[np.uint8], head: Appearance, centre: tuple[float, float], unit: float) -> None:
    """Draws a head into uint8 [H, W, 3] BGR, in place.

    ``centre`` is (x, y) of the face in pixels (the corner of the first pixel is 0, 0), ``unit`` half the height of the
    face along its own axis, pixels.
    """
    import cv2

    enlarge = max(1, math.ceil(_LEAST_UNIT / unit))
    left, top = max(0, int(centre[0] - 2.3 * unit)), max(0, int(centre[1] - 2.3 * unit))
    window = image[top : int(centre[1] + 3 * unit) + 1, left : int(centre[0] + 2.3 * unit) + 1]
    height, width = window.shape[:2]
    # Enlarged by copying pixels and shrunk by averaging them, the background comes back unchanged.
    canvas = cv2.resize(window, (width * enlarge, height * enlarge), interpolation=cv2.INTER_NEAREST)
    # OpenCV puts whole numbers at pixel centres, boxes put them at corners.
    origin = ((centre[0] - left) * enlarge - 0.5, (centre[1] - top) * enlarge - 0.5)
    _draw(Pen(canvas, origin, unit * enlarge, head.roll), head)
    window[:] = cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)


def _draw(pen: Pen, head: Appearance) -> None:
    _body_and_back_hair(pen, head)
    for side in (-1, 1):
        pen.ellipse(side * head.breadth * 0.98, 0.02, 0.1, 0.19, shade(head.skin, 0.86))
    pen.ellipse(0, 0, head.breadth, 1, head.skin)
    if head.beard:
        _beard(pen, head)
    for part in (_light, _eyes, _nose, _mouth, _front_hair):
        part(pen, head)
    if head.glasses != "none":
        _glasses(pen, head)
    if head.cover != "none":
        _cover(pen, head)


def _body_and_back_hair(pen: Pen, head: Appearance) -> None:
    k = head.breadth
    if head.style == "long":
        pen.ellipse(0, 0.25, 1.32 * k, 1.45, shade(head.hair, 0.8))
    elif head.style == "scarf":
        pen.ellipse(0, 0.15, 1.28 * k, 1.32, shade(head.shirt, 0.8))
    pen.polygon([(-0.42, 0.6), (0.42, 0.6), (0.5, 1.6), (-0.5, 1.6)], shade(head.skin, 0.74))
    pen.polygon([*arc(0, 2.3, 1.7, 1.0, 180, 360), *arc(0, 2.3, 1.7, 0.62, 0, 180)], head.shirt)
    pen.polygon(arc(0, 1.28, 0.42, 0.3, 0, 180), shade(head.skin, 0.8))
    if head.style == "curly":
        for u, v in arc(0, -0.3, 1.05 * k, 0.85, 150, 390, 9):
            pen.ellipse(u, v, 0.4, 0.4, shade(head.hair, 0.9))
    elif head.style in ("short", "long"):
        pen.ellipse(0, -0.16, 1.12 * k, 1.0, shade(head.hair, 0.9))


def _light(pen: Pen, head: Appearance) -> None:
    """Makes the face round: brighter towards the light, darker at the rim."""
    import cv2

    half_width, half_height = (extent * pen.unit for extent in head.half_extent)
    x0, y0 = max(0, math.floor(pen.centre[0] - half_width)), max(0, math.floor(pen.centre[1] - half_height))
    x1, y1 = math.ceil(pen.centre[0] + half_width) + 1, math.ceil(pen.centre[1] + half_height) + 1
    part = pen.canvas[y0:y1, x0:x1]
    x = (np.arange(x0, x0 + part.shape[1], dtype=np.float32) - pen.centre[0])[None, :] / pen.unit
    y = (np.arange(y0, y0 + part.shape[0], dtype=np.float32) - pen.centre[1])[:, None] / pen.unit
    cosine, sine = math.cos(head.roll), math.sin(head.roll)
    u, v = (cosine * x + sine * y) / head.breadth, cosine * y - sine * x
    radius = u * u + v * v
    factor = 1.08 + head.light[0] * u + head.light[1] * v - 0.22 * radius
    # A little over the rim, so that its anti-aliased pixels do not shine.
    factor = np.where(radius <= _RIM, factor, 1).astype(np.float32)
    part[:] = cv2.multiply(part, cv2.merge([factor] * 3), dtype=cv2.CV_8U)


def _eyes(pen: Pen, head: Appearance) -> None:
    k, v = head.breadth, head.eye_height
    brow = shade(head.hair, 0.8) if head.style != "bald" else shade(head.skin, 0.45)
    for side in (-1, 1):
        u = head.shift + side * head.eye_offset
        open_by = 0.105 * head.squint
        pen.ellipse(u, v, 0.235 * k, 0.17, shade(head.skin, 0.82))
        pen.ellipse(u, v, 0.2 * k, open_by, (236, 238, 240))
        gaze = u + 0.05 * k * head.turn
        pen.ellipse(gaze, v, 0.088, min(0.088, open_by), head.iris)
        pen.ellipse(gaze, v, 0.045, min(0.045, open_by), (14, 12, 12))
        pen.ellipse(gaze + 0.03, v - 0.03, 0.018, 0.018, (255, 255, 255))
        pen.line(arc(u, v, 0.21 * k, open_by * 1.1, 185, 355, 7), shade(head.skin, 0.3), 0.035)
        pen.line(arc(u, v - 0.1, 0.27 * k, 0.13, 205, 335, 7), brow, 0.07)


def _nose(pen: Pen, head: Appearance) -> None:
    tip = 1.45 * head.shift
    dark, bright = shade(head.skin, 0.68), shade(head.skin, 1.14)
    pen.line([(head.shift + 0.01, head.eye_height + 0.06), (tip, 0.18)], bright, 0.07)
    pen.line(arc(tip, 0.22, 0.15, 0.1, 5, 175, 7), dark, 0.04)
    for side in (-1, 1):
        pen.ellipse(tip + side * 0.07, 0.27, 0.035, 0.022, shade(head.skin, 0.4))


def _mouth(pen: Pen, head: Appearance) -> None:
    left, right = head.landmarks()[3:]
    middle, v = (left[0] + right[0]) / 2, head.mouth_height
    half = (right[0] - left[0]) / 2
    bottom = 0.1 + 0.14 * head.opening
    curve = 0.09 * head.smile
    upper = [left, (middle - half / 2, v - 0.06), (middle, v - 0.035), (middle + half / 2, v - 0.06), right]
    lower = [(middle + half * 0.55, v + bottom * 0.75), (middle, v + bottom), (middle - half * 0.55, v + bottom * 0.75)]
    pen.polygon([*upper, *lower], head.lips)
    side = v + curve * 0.6
    line = [left, (middle - half / 2, side), (middle, v + curve), (middle + half / 2, side), right]
    if head.opening > 0.25:
        gap = [(u, w + 0.13 * head.opening) for u, w in line[1:-1]]
        pen.polygon([*line, *gap[::-1]], (38, 28, 62))
        pen.polygon([*line[1:-1], *[(u, w + 0.05) for u, w in line[1:-1]][::-1]], (232, 236, 238))
    else:
        pen.line(line, shade(head.lips, 0.5), 0.035)


def _beard(pen: Pen, head: Appearance) -> None:
    k, v = head.breadth, head.mouth_height
    tint = blend(head.skin, shade(head.hair, 0.9), head.beard)
    inner = arc(head.shift, v, 0.45 * k, 0.24, 180, 360)
    pen.polygon([*arc(0, 0, k, 1, 8, 172), (-0.72 * k, v - 0.2), *inner, (0.72 * k, v - 0.2)], tint)


def _front_hair(pen: Pen, head: Appearance) -> None:
    k, line = head.breadth, head.fringe
    crown = arc(0, 0, 1.05 * k, 1.06, 200, 340)
    if head.style in ("short", "curly"):
        pen.polygon([*crown, (0.72 * k, line), (head.shift, line - 0.12), (-0.72 * k, line)], head.hair)
    elif head.style == "long":
        parting = 0.5 * k * head.turn
        left = [*arc(0, 0, 1.08 * k, 1.07, 168, 270), (parting, -0.98), (-0.6 * k, line)]
        right = [*arc(0, 0, 1.08 * k, 1.07, 270, 372), (0.6 * k, line), (parting, -0.98)]
        pen.polygon(left, head.hair)
        pen.polygon(right, shade(head.hair, 1.12))
    elif head.style == "hat":
        pen.polygon(arc(0, line + 0.1, 1.12 * k, 0.95, 180, 360), head.shirt)
        pen.line([(-1.16 * k, line + 0.06), (1.16 * k, line + 0.06)], shade(head.shirt, 0.7), 0.16)
    elif head.style == "scarf":
        pen.polygon([*arc(0, 0, 1.16 * k, 1.16, 172, 368), *arc(0, 0.1, 0.86 * k, 0.86, 352, 188)], head.shirt)


def _glasses(pen: Pen, head: Appearance) -> None:
    for side in (-1, 1):
        u = head.shift + side * head.eye_offset
        if head.glasses == "dark":
            pen.ellipse(u, head.eye_height + 0.02, 0.34 * head.breadth, 0.2, (34, 28, 26))
        pen.ellipse(u, head.eye_height + 0.02, 0.34 * head.breadth, 0.2, (30, 30, 34), line=0.045)
    gap = head.eye_offset - 0.34 * head.breadth
    pen.line([(head.shift - gap, head.eye_height), (head.shift + gap, head.eye_height)], (30, 30, 34), 0.045)


def _cover(pen: Pen, head: Appearance) -> None:
    k = head.breadth
    if head.cover == "mask":
        cloth = (214, 206, 176)
        pen.polygon([*arc(0, 0, k, 1.0, 14, 166), (head.shift, 0.12)], cloth)
        for v in (0.45, 0.62):
            pen.line([(-0.6 * k, v), (0.6 * k, v)], shade(cloth, 0.86), 0.02)
    else:
        side = 1 if head.turn > 0 else -1
        corner = [(side * 0.25, 0.55), (side * 1.3, 0.1), (side * 1.7, 1.3), (side * 0.5, 1.6)]
        pen.polygon(corner, shade(head.shirt, 1.25))
