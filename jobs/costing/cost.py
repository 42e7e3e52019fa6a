"""What a piece of work costs, and what its bytes are counted from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pipeline.data.schemas import DETECTIONS, FLOATS

FLOAT: Final = 4  # bytes of a number
COLOURS: Final = 3  # bytes of a pixel
_LANDMARKS: Final = 10  # numbers of a candidate


@dataclass(frozen=True, slots=True)
class Cost:
    """What one node costs, or something that is cut like one.

    Attributes:
        node: its name.
        kind: "training", "dump", "re-ranking" or "labelling".
        network: entry of `DETECTORS` or `RANKERS`, empty without one.
        amount: what is done so often, in words.
        operations: floating-point operations of all of it.
        seconds: of one GPU that does nothing else.
        measured: whether this network was, see `Pace.measured`.
        raw: bytes of the numbers that go into the store.
        stored: bytes that they take there.
        pixels: bytes of enlarged images, made and forgotten in the workers.
        on_gpu: whether the config puts it on one.
    """

    node: str
    kind: str
    network: str
    amount: str
    operations: float = 0.0
    seconds: float = 0.0
    measured: bool = False
    raw: float = 0.0
    stored: float = 0.0
    pixels: float = 0.0
    on_gpu: bool = False


def candidate_bytes(landmarks: bool) -> int:
    """Returns the bytes of one candidate of a dump by its schema, before compression."""
    plain = sum(field.type == FLOATS for field in DETECTIONS if field.name != "landmarks")
    return FLOAT * (plain + _LANDMARKS * landmarks)
