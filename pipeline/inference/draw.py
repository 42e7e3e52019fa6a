"""Detections drawn onto an image, for people."""

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Colour = tuple[int, int, int]

_WEAK: Colour = (0, 140, 255)  # BGR: orange, towards score 0
_STRONG: Colour = (90, 220, 60)  # green, towards score 1
_DARK: Colour = (20, 20, 20)
_MARK: Colour = (255, 230, 60)


def draw(
    image_bgr: Image,
    boxes: NDArray[np.float32],
    scores: NDArray[np.float32],
    landmarks: NDArray[np.float32] | None = None,
    *,
    labels: bool = True,
) -> Image:
    """Returns a copy of uint8 [H, W, 3] with boxes, scores (where ``labels``) and landmarks drawn on it.

    Lines grow with the image and have a dark rim, so that they show on any background. Boxes, float32 [N, 4] xyxy in
    pixels, may reach beyond the image; they are coloured from orange (score 0) to green (1), strong ones on top. A
    score is written where its box is wide enough. Landmarks are float32 [N, P, 2] in pixels, or None.
    """
    import cv2

    drawn: Image = np.ascontiguousarray(image_bgr).copy()
    line = max(1, round(max(drawn.shape[:2]) / 700))
    for row in np.argsort(scores, kind="stable"):
        x1, y1, x2, y2 = (round(float(value)) for value in boxes[row])
        colour = _shade(float(scores[row]))
        # Thin lines for small faces, which would vanish under thick ones.
        width = max(1, min(line, (x2 - x1) // 12))
        cv2.rectangle(drawn, (x1, y1), (x2, y2), _DARK, width + 2 * max(1, width // 3), cv2.LINE_AA)
        cv2.rectangle(drawn, (x1, y1), (x2, y2), colour, width, cv2.LINE_AA)
        for x, y in landmarks[row] if landmarks is not None and x2 - x1 >= 30 * line else ():
            cv2.circle(drawn, (round(float(x)), round(float(y))), width + 1, _DARK, -1, cv2.LINE_AA)
            cv2.circle(drawn, (round(float(x)), round(float(y))), width, _MARK, -1, cv2.LINE_AA)
        if labels:
            _label(drawn, f"{float(scores[row]):.2f}", (x1, y1, x2), line, colour)
    return drawn


def _label(drawn: Image, text: str, place: tuple[int, int, int], line: int, colour: Colour) -> None:
    import cv2

    x1, y1, x2 = place
    scale, thickness = 0.4 * line, max(1, line // 2)
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, thickness)
    pad = 1 + line
    if x2 - x1 < 0.75 * width:
        return
    bottom = y1 if y1 >= height + 2 * pad else y1 + height + 2 * pad
    corner = (x1, bottom - height - 2 * pad)
    cv2.rectangle(drawn, corner, (x1 + width + 2 * pad, bottom), colour, -1)
    origin = (x1 + pad, bottom - pad)
    cv2.putText(drawn, text, origin, cv2.FONT_HERSHEY_SIMPLEX, scale, _DARK, thickness, cv2.LINE_AA)


def _shade(score: float) -> Colour:
    blue, green, red = (
        round(weak + (strong - weak) * min(max(score, 0.0), 1.0)) for weak, strong in zip(_WEAK, _STRONG, strict=True)
    )
    return blue, green, red
