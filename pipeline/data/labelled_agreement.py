"""The boxes of a union in an image as a ranker that reads agreement learns from them: the record, and all of a node."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.boxes.agreement import FEATURES
from pipeline.data.schemas import LEVELS

Float32 = NDArray[np.float32]
Bools = NDArray[np.bool_]

_FIELDS: Final = ("image_id", "width", "height", "error")


@dataclass(frozen=True, slots=True)
class LabelledAgreement:
    """The N boxes of one image that are ordered, best first."""

    image_id: str
    width: int  # of the original image, pixels; 0 where unknown
    height: int  # likewise
    features: Float32 = field(default_factory=lambda: np.zeros((0, len(FEATURES)), np.float32))  # [N, 7]
    hits: Bools = field(default_factory=lambda: np.zeros(0, bool))  # [N], the first box of a face
    counted: Bools = field(default_factory=lambda: np.zeros((len(LEVELS), 0), bool))  # [3, N], on no ignored face
    faces: tuple[int, ...] = (0,) * len(LEVELS)  # that count in each subset
    error: str | None = None  # why there are no boxes, or None

    def to_row(self) -> dict[str, Any]:
        """Returns a row of `schemas.LABELLED_AGREEMENT`."""
        return {
            **{name: getattr(self, name) for name in _FIELDS},
            "features": self.features.reshape(-1),
            "hit": self.hits,
            **dict(zip(LEVELS, self.counted, strict=True)),
            "faces": list(self.faces),
        }


@dataclass(frozen=True, slots=True)
class AgreementTable:
    """The boxes of all images, one image after the other; N boxes."""

    features: Float32  # [N, 7], see `pipeline.boxes.agreement.FEATURES`
    hits: Bools  # [N], the first box of a face
    counted: Bools  # [3, N], whether it counts in each subset: it is on no face that is ignored there
    faces: NDArray[np.int64]  # [3], that count in each subset, found or not

    @classmethod
    def of(cls, tables: Iterable[pa.Table]) -> AgreementTable:
        """Returns the boxes of tables of `schemas.LABELLED_AGREEMENT`; rows with an error have none."""
        parts = [_part(table) for table in tables]
        return cls(
            np.concatenate([np.zeros((0, len(FEATURES)), np.float32), *(each.features for each in parts)]),
            np.concatenate([np.zeros(0, bool), *(each.hits for each in parts)]),
            np.concatenate([np.zeros((len(LEVELS), 0), bool), *(each.counted for each in parts)], axis=1),
            sum((each.faces for each in parts), np.zeros(len(LEVELS), np.int64)),
        )


def _part(table: pa.Table) -> AgreementTable:
    columns: Mapping[str, NDArray[Any]] = {
        name: table[name].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        for name in ("features", "hit", *LEVELS, "faces")
    }
    return AgreementTable(
        columns["features"].reshape(-1, len(FEATURES)),
        columns["hit"].astype(bool),
        np.stack([columns[name].astype(bool) for name in LEVELS]),
        columns["faces"].reshape(-1, len(LEVELS)).sum(axis=0),
    )
