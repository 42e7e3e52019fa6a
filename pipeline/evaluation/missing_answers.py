"""Images without detections: unreadable ones, and those that the detector failed on."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pipeline.data.records import Sample

LEFT_OUT: Final = "images_left_out"
UNREADABLE: Final = "images_unreadable"
FAILED: Final = "images_failed"
"""Entries of a protocol, only where there are such images: unreadable and left out of AP; unreadable, and failed on by
the detector, both with their faces counted as missed."""


@dataclass(frozen=True, slots=True)
class MissingAnswers:
    """The images of an evaluation whose row is an error.

    Attributes:
        unreadable: files that could not be read or decoded, by the index or by the detector.
        failed: the others.
    """

    unreadable: frozenset[str]
    failed: frozenset[str]

    @classmethod
    def of(cls, samples: Iterable[Sample], rows: Iterable[Mapping[str, Any]]) -> MissingAnswers:
        """Returns the images without an answer; `rows` are errors of `schemas.DETECTIONS`, of size 0 if undecoded."""
        errors = {row["image_id"]: not (row["width"] or row["height"]) for row in rows}
        unreadable = {sample.image_id for sample in samples if sample.error is not None}
        unreadable |= {image_id for image_id, unseen in errors.items() if unseen}
        return cls(frozenset(unreadable), frozenset(errors.keys() - unreadable))

    def counts(self, left_out: Collection[str]) -> dict[str, int]:
        """Returns their numbers as entries of a protocol; `left_out` are not evaluated."""
        counts = {LEFT_OUT: len(left_out), UNREADABLE: len(self.unreadable - set(left_out)), FAILED: len(self.failed)}
        return {name: count for name, count in counts.items() if count}


def notes_of(protocol: Mapping[str, Any], otherwise: str) -> list[str]:
    """Returns one line per kind of image without an answer; `otherwise` is the option that counts them as missed."""
    words = {
        LEFT_OUT: f"that cannot be read are left out of AP ({otherwise} counts their faces as missed)",
        UNREADABLE: "that cannot be read count as missed faces",
        FAILED: "that were read have no answer, their faces count as missed",
    }
    return [f"{protocol[name]} images {text}" for name, text in words.items() if protocol.get(name)]
