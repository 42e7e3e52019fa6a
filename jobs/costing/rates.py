"""What was measured, and the only file that a later day on a GPU changes: rates, bytes of a candidate, image shapes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Work = Literal["image", "network", "rank", "training"]
Numbers = Literal["float32", "bfloat16"]

H100: Final = "H100 80GB"
H200: Final = "H200"
RESULTS: Final = "RESULTS.md, On a GPU (2026-11-26)"


@dataclass(frozen=True, slots=True)
class Rate:
    """How fast one network was seen to be.

    Attributes:
        work: "image": a detector from the decoded image in memory to candidates on the host; "network": its forward
            pass alone, compiled; "rank": a ranker with 5,000 boxes, image to scores; "training": an image of a
            training through Ray Train.
        network: entry of `DETECTORS` or `RANKERS`, as it is built without switches.
        numbers: it computed with; float32 is as torch has it, with TF32 in convolutions.
        width: of the image, pixels.
        height: likewise.
        batch: images at once.
        seconds: of one image.
        device: one of them.
        source: where it was written down.
        memory_mb: of the device at its peak, if it was noted.
    """

    work: Work
    network: str
    numbers: Numbers
    width: int
    height: int
    batch: int
    seconds: float
    device: str
    source: str
    memory_mb: float | None = None


# Milliseconds of an image and MB at the peak: 1024 x 500 in bfloat16 and float32, then 7680 x 3750 likewise.
_IMAGES: Final = {
    "retinaface_mobilenet": ((5.23, 20.9), (5.86, 26.6), (11.4, 1038), (14.3, 1314)),
    "retinaface_resnet50": ((5.61, 244), (8.17, 302), (59.6, 2957), (89.3, 5044)),
    "hambox_resnet50": ((5.9, 394), (7.49, 598), (91.1, 7658), (140, 14355)),
    "hrnet_w48": ((17.8, 641), (23.9, 828), (200, 6521), (320, 11957)),
    "mogface": ((24.2, 815), (30.6, 1229), (1222, 15705), (1524, 30250)),
}
# The same of rankers, in float32 alone, at both sizes.
_RANKS: Final = {
    "crface": ((5.63, 259), (101, 5854)),
    "crface_mobilenet": ((4.04, 67.4), (15.2, 1556)),
    "roi": ((33.2, 227), (116, 5057)),
    "roi_mobilenet": ((30.8, 149), (40.4, 1332)),
}
_SMALL: Final = (1024, 500)
_LARGE: Final = (7680, 3750)

_COMPILED: Final = "torch.compile, one run (2026-11-26)"

RATES: Final[tuple[Rate, ...]] = (
    *(
        Rate("image", name, numbers, *size, 1, figures[place][0] / 1000, H100, RESULTS, figures[place][1])
        for name, figures in _IMAGES.items()
        for place, (size, numbers) in enumerate(
            ((_SMALL, "bfloat16"), (_SMALL, "float32"), (_LARGE, "bfloat16"), (_LARGE, "float32"))
        )
    ),
    Rate("network", "retinaface_resnet50", "bfloat16", 1024, 704, 8, 6.4e-3 / 8, H100, _COMPILED),
    Rate("network", "retinaface_resnet50", "bfloat16", 7680, 5120, 1, 38.7e-3, H100, _COMPILED),
    *(
        Rate("rank", name, "float32", *size, 1, figures[place][0] / 1000, H100, RESULTS, figures[place][1])
        for name, figures in _RANKS.items()
        for place, size in enumerate((_SMALL, _LARGE))
    ),
    Rate("training", "mogface_baseline", "bfloat16", 640, 640, 7, 1 / (9.5 * 7), H200, RESULTS, 4500),
    Rate("training", "mogface", "bfloat16", 640, 640, 4, 1 / 9.1, H100, "Ray Train, one run of 40 steps (2026-11-26)"),
    # It still rose when its time was over.
    Rate("training", "crface", "bfloat16", 640, 640, 32, 1 / 55, H200, RESULTS),
)


@dataclass(frozen=True, slots=True)
class Shape:
    """Images of one size: `share` of all, in 0..1, `width` and `height` in pixels."""

    share: float
    width: int
    height: int


WIDER_SHAPES: Final = (Shape(0.76, 1024, 706), Shape(0.24, 1024, 1485))
"""WIDER FACE's images: all are 1,024 wide; these are the means of the 375 wide and the 120 high ones of 495 of the
validation set (2026-11-26), taken for all three parts."""

WIDER_COUNTS: Final = {"train": 12_880, "val": 3_226, "test": 16_097}

DUMP_BYTES: Final = {True: 45.5, False: 15.5}
"""Bytes of a candidate in a shard, with landmarks and without, as `pipeline.engine.shards.encode` writes them: 40,000
of the published RetinaFace MobileNet-0.25 in 8 real images at 8K (2026-11-26); at original size 46.7 and 15.3."""
