"""Arrow schemas of everything in the store but evaluations: the columns of each kind of row.

Boxes are corners ``x1, y1, x2, y2`` in pixels of the original image *after* its orientation tag is applied, with
``x2 = x + w`` (never ``x + w - 1``). List columns of one row have one entry per box unless a comment says otherwise.
Nullable columns are marked ``null``. Those of AP, to which metrics add theirs, are in
`pipeline/evaluation/result_schemas.py`.
"""

from typing import Final

import pyarrow as pa

FLOATS: Final = pa.list_(pa.float32())
COUNTS: Final = pa.list_(pa.int64())
TEXT, INT32, INT64, FLOAT64, BINARY = pa.string(), pa.int32(), pa.int64(), pa.float64(), pa.large_binary()
CORNERS: Final = ("x1", "y1", "x2", "y2")
ATTRIBUTES: Final = ("blur", "expression", "illumination", "invalid", "occlusion", "pose")
LEVELS: Final = ("easy", "medium", "hard")


def columns(kind: pa.DataType, *names: str, null: bool = False) -> list[pa.Field]:
    """Returns one column of a type per name."""
    return [pa.field(name, kind, nullable=null) for name in names]


SAMPLES: Final = pa.schema(
    [
        *columns(TEXT, "image_id"),  # WIDER FACE: "<event>/<name>" without ".jpg"
        *columns(TEXT, "path"),  # relative to the dataset's root, forward slashes
        *columns(TEXT, "content_hash"),  # BLAKE2b-128 of the file's bytes
        *columns(INT32, "width", "height"),  # after orientation; 0 where the header is unreadable
        *columns(FLOATS, *CORNERS),
        *columns(pa.list_(pa.int8()), *ATTRIBUTES),  # empty where the dataset has no such attribute, else one per face
        # True where the face counts in that subset; a face that counts nowhere is ignored, not absent.
        *columns(pa.list_(pa.bool_()), *LEVELS),
        # Ten numbers per face (eyes, nose, mouth corners), flattened; empty where the dataset has none.
        *columns(FLOATS, "landmarks"),
        *columns(TEXT, "error", null=True),
    ],
    {"planned_with": "content_hash,path,width,height"},
)

# Both a dump (candidates before suppression) and final detections; rows fall in score.
DETECTIONS: Final = pa.schema(
    [
        *columns(TEXT, "image_id"),
        *columns(INT32, "width", "height", "valid"),  # valid: number of boxes in this row
        *columns(FLOATS, *CORNERS, "score"),
        # Ten numbers per box (five x, y pairs), flattened; empty where the detector predicts none.
        *columns(FLOATS, "landmarks"),
        *columns(TEXT, "error", null=True),
    ]
)

# One row per image: the candidates of each detector, one after the other, and the overlap of each with the faces. A row
# is a row group of its own, so that training reads any of them alone.
LABELLED_CANDIDATES: Final = pa.schema(
    [
        *columns(TEXT, "image_id", "path"),  # as in the sample
        *columns(INT32, "width", "height"),
        *columns(pa.list_(INT32), "valid"),  # number of boxes of each detector, as they are wired
        # All detectors one after the other; within one of them rows fall in score.
        *columns(FLOATS, *CORNERS, "score"),
        *columns(FLOATS, "overlap"),  # plain IoU with the closest labelled face, in 0..1
        *columns(TEXT, "error", null=True),
    ],
    metadata={"row_group": "1"},
)

# One row per image: the boxes of a union of canvases or detectors that are ordered, best first.
LABELLED_AGREEMENT: Final = pa.schema(
    [
        *columns(TEXT, "image_id"),
        *columns(INT32, "width", "height"),
        *columns(FLOATS, "features"),  # seven numbers per box, flattened: `pipeline.boxes.agreement.FEATURES`
        *columns(pa.list_(pa.bool_()), "hit"),  # the best box of a face
        *columns(pa.list_(pa.bool_()), *LEVELS),  # False where the box is on a face that is ignored in that subset
        *columns(COUNTS, "faces"),  # three numbers: the image's faces that count in each subset, found or not
        *columns(TEXT, "error", null=True),
    ]
)

# One row: a trained network, whole. ``config`` is the JSON a registry entry needs to build it again.
CHECKPOINT: Final = pa.schema(
    [
        *columns(TEXT, "detector", "config", "content_hash"),
        *columns(BINARY, "weights"),  # safetensors
        *columns(FLOATS, "loss"),  # training loss per logged step
        *columns(BINARY, "log", null=True),  # JSON lines, one per step and evaluation of held-out images; no timings
    ]
)

# One row: the figures of a benchmark other than WIDER FACE.
BENCHMARK: Final = pa.schema(
    [
        *columns(TEXT, "benchmark"),
        *columns(pa.list_(TEXT), "lines"),  # to be printed
        *columns(pa.large_string(), "content"),  # JSON: figures, curves, protocol
    ]
)

# One row per result of a benchmark that is compared.
BENCHMARK_TABLE: Final = pa.schema(
    [
        *columns(TEXT, "name"),
        *columns(pa.large_string(), "content"),  # JSON, as of `BENCHMARK`
        *columns(TEXT, "facts"),  # JSON: "stage.parameter" -> value
    ]
)

# One row per set of candidates: pairs of boxes of the same image, and how many are in the right order.
RANKING_ACCURACY: Final = pa.schema(
    [
        *columns(TEXT, "name"),
        *columns(INT64, "images", "boxes"),
        *columns(COUNTS, "pairs", "untied", "right"),  # one number for each distance 1..n in the detector's order
        *columns(INT64, "all_pairs", "all_untied", "all_right"),  # the same over every pair
        *columns(FLOAT64, "neighbours", "near", "every"),  # shares of the untied pairs in 0..1; NaN without one
        *columns(INT64, "left_out", null=True),  # images that one of the sets has as an error
    ]
)

# One row per bin, level and target size: the counts of `stages/statistics.py`. Scales are roots of areas in pixels.
STATISTICS: Final = pa.schema(
    [
        # "scales": faces per bin of their scale; "targets": sizes that faces are brought to, per level of the pyramid;
        # "levels": the range of scales of a level, and the anchors it gives to faces in there.
        *columns(TEXT, "part"),
        # "original" or an augmentation; of levels the reading: "best", "most", "any", or where a range was published.
        *columns(TEXT, "name"),
        *columns(INT32, "level", null=True),  # log2 of its stride: 2 for p2; null for a bin
        # Pixels, inclusive and exclusive; null where there is no border, both for a level without a range.
        *columns(FLOAT64, "low", "high", null=True),
        *columns(INT64, "count"),
        *columns(FLOAT64, "share"),  # in 0..1
        *columns(FLOAT64, "expected", null=True),  # the same share in closed form, where there is one
    ]
)

# One row: a page and its file name.
PAGE: Final = pa.schema([*columns(TEXT, "name"), *columns(pa.large_string(), "content")])
