"""Arrow schemas of everything that lies in the store: one place that says what a row is.

Boxes are corners ``x1, y1, x2, y2`` in pixels of the original image *after* its orientation tag is applied, with
``x2 = x + w`` (never ``x + w - 1``). List columns of one row have one entry per box unless a comment says otherwise.
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa

FLOATS: Final = pa.list_(pa.float32())
CORNERS: Final = ("x1", "y1", "x2", "y2")
ATTRIBUTES: Final = ("blur", "expression", "illumination", "invalid", "occlusion", "pose")
LEVELS: Final = ("easy", "medium", "hard")

SAMPLES: Final = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False),  # WIDER FACE: "<event>/<name>" without ".jpg"
        pa.field("path", pa.string(), nullable=False),  # relative to the dataset's root, forward slashes
        pa.field("digest", pa.string(), nullable=False),  # BLAKE2b-128 of the file's bytes
        pa.field("width", pa.int32(), nullable=False),  # after orientation; 0 where the header is unreadable
        pa.field("height", pa.int32(), nullable=False),
        *[pa.field(name, FLOATS, nullable=False) for name in CORNERS],
        # Empty where the dataset has no such attribute, else one per face.
        *[pa.field(name, pa.list_(pa.int8()), nullable=False) for name in ATTRIBUTES],
        # True where the face counts in that subset; a face that counts nowhere is ignored, not absent.
        *[pa.field(name, pa.list_(pa.bool_()), nullable=False) for name in LEVELS],
        # Ten numbers per face (eyes, nose, mouth corners), flattened; empty where the dataset has none.
        pa.field("landmarks", FLOATS, nullable=False),
        pa.field("error", pa.string()),
    ]
)

# Both a dump (candidates before suppression) and final detections; rows fall in score.
DETECTIONS: Final = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("width", pa.int32(), nullable=False),
        pa.field("height", pa.int32(), nullable=False),
        pa.field("valid", pa.int32(), nullable=False),  # number of boxes in this row
        *[pa.field(name, FLOATS, nullable=False) for name in (*CORNERS, "score")],
        # Ten numbers per box (five x, y pairs), flattened; empty where the detector predicts none.
        pa.field("landmarks", FLOATS, nullable=False),
        pa.field("error", pa.string()),
    ]
)

# One row: a trained network, whole. ``config`` is the JSON a registry entry needs to build it again.
CHECKPOINT: Final = pa.schema(
    [
        pa.field("detector", pa.string(), nullable=False),
        pa.field("config", pa.string(), nullable=False),
        pa.field("digest", pa.string(), nullable=False),
        pa.field("weights", pa.large_binary(), nullable=False),  # safetensors
        pa.field("loss", FLOATS, nullable=False),  # training loss per logged step
    ]
)

# One row per subset.
AP: Final = pa.schema(
    [
        pa.field("subset", pa.string(), nullable=False),
        pa.field("ap", pa.float64(), nullable=False),
        pa.field("faces", pa.int64(), nullable=False),
        pa.field("images", pa.int64(), nullable=False),
        pa.field("boxes", pa.int64(), nullable=False),
        pa.field("proposals", pa.list_(pa.int64()), nullable=False),  # at each of the 1,000 thresholds
        pa.field("matches", pa.list_(pa.int64()), nullable=False),
        pa.field("score_min", pa.float64(), nullable=False),
        pa.field("score_max", pa.float64(), nullable=False),
        pa.field("protocol", pa.string(), nullable=False),  # JSON
    ]
)

# One row: a page and its file name.
PAGE: Final = pa.schema(
    [pa.field("name", pa.string(), nullable=False), pa.field("content", pa.large_string(), nullable=False)]
)
