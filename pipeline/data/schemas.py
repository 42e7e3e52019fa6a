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
        pa.field("content_hash", pa.string(), nullable=False),  # BLAKE2b-128 of the file's bytes
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

# One row per image: what each detector found in it, one after the other, and how well each box lies on a face. A row
# is a row group of its own, so that training reads any of them alone.
LABELLED_CANDIDATES: Final = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),  # of the image, as in its sample
        pa.field("width", pa.int32(), nullable=False),
        pa.field("height", pa.int32(), nullable=False),
        pa.field("valid", pa.list_(pa.int32()), nullable=False),  # number of boxes of each detector, as they are wired
        # All detectors one after the other; within one of them rows fall in score.
        *[pa.field(name, FLOATS, nullable=False) for name in (*CORNERS, "score")],
        pa.field("overlap", FLOATS, nullable=False),  # plain IoU with the closest labelled face, in 0..1
        pa.field("error", pa.string()),
    ],
    metadata={"row_group": "1"},
)

# One row: a trained network, whole. ``config`` is the JSON a registry entry needs to build it again.
CHECKPOINT: Final = pa.schema(
    [
        pa.field("detector", pa.string(), nullable=False),
        pa.field("config", pa.string(), nullable=False),
        pa.field("content_hash", pa.string(), nullable=False),
        pa.field("weights", pa.large_binary(), nullable=False),  # safetensors
        pa.field("loss", FLOATS, nullable=False),  # training loss per logged step
        pa.field("log", pa.large_binary()),  # JSON lines, one per step and look at held-out images; no timings
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
        # Only where false alarms were asked for; those stored before these columns were there do not have them.
        pa.field("alarm_score", pa.float64()),  # raw score at and above which the next two count
        pa.field("alarms", pa.int64()),  # boxes on no face of any level: the same number in every row
        pa.field("found", pa.int64()),  # counted faces of this subset that a box lies on
    ]
)

# One row per evaluation that is compared. Precisions and recalls lie in 0..1; NaN where no face counts.
COMPARISON: Final = pa.schema(
    [
        pa.field("name", pa.string(), nullable=False),
        *[pa.field(name, pa.float64(), nullable=False) for name in LEVELS],
        pa.field("alarm_score", pa.float64()),  # null, like the next two, where false alarms were not counted
        pa.field("alarms", pa.int64()),
        pa.field("recall", pa.float64()),  # share of the hard faces that is found at that score
        *[pa.field(f"paper_{name}", pa.float64()) for name in LEVELS],  # what a paper says; null where it does not
        pa.field("paper_alarms", pa.int64()),
        pa.field("facts", pa.string(), nullable=False),  # JSON: "stage.parameter" -> value
        # Only where times were asked for, of one image in one worker; tables stored before do not have them.
        pa.field("detect_ms", pa.float64()),  # image to candidates
        pa.field("refine_ms", pa.float64()),  # candidates to detections
        # Images that are not in AP since they cannot be read; tables stored before do not have it.
        pa.field("left_out", pa.int64()),
    ]
)

# One row per set of candidates: pairs of boxes of the same image, and how many stand in the right order.
RANKING_ACCURACY: Final = pa.schema(
    [
        pa.field("name", pa.string(), nullable=False),
        pa.field("images", pa.int64(), nullable=False),
        pa.field("boxes", pa.int64(), nullable=False),
        # One number for each distance 1..n in the detector's order.
        pa.field("pairs", pa.list_(pa.int64()), nullable=False),
        pa.field("untied", pa.list_(pa.int64()), nullable=False),
        pa.field("right", pa.list_(pa.int64()), nullable=False),
        # The same over every pair.
        pa.field("all_pairs", pa.int64(), nullable=False),
        pa.field("all_untied", pa.int64(), nullable=False),
        pa.field("all_right", pa.int64(), nullable=False),
        # Shares of the untied pairs in 0..1; NaN where there is none.
        pa.field("neighbours", pa.float64(), nullable=False),
        pa.field("near", pa.float64(), nullable=False),
        pa.field("every", pa.float64(), nullable=False),
        # Images that one of the sets has as an error; those stored before this column was there do not have it.
        pa.field("left_out", pa.int64()),
    ]
)

# One row per bin, level and drawn size: what `stages/statistics.py` counts. Scales are roots of areas in pixels.
STATISTICS: Final = pa.schema(
    [
        # "scales": faces per bin of their scale; "targets": sizes that faces are brought to, per level of the pyramid;
        # "levels": the range of scales that a level is for, and the anchors it gives to faces in there.
        pa.field("part", pa.string(), nullable=False),
        # "original" or an augmentation; of levels the reading: "best", "most", "any", or where a range was published.
        pa.field("name", pa.string(), nullable=False),
        pa.field("level", pa.int32()),  # log2 of its stride: 2 for p2; null for a bin
        pa.field("low", pa.float64()),  # pixels, inclusive; null where there is no border
        pa.field("high", pa.float64()),  # pixels, exclusive; both are null for a level that nothing is for
        pa.field("count", pa.int64(), nullable=False),
        pa.field("share", pa.float64(), nullable=False),  # in 0..1
        pa.field("expected", pa.float64()),  # the same share in closed form, where there is one
    ]
)

# One row: a page and its file name.
PAGE: Final = pa.schema(
    [pa.field("name", pa.string(), nullable=False), pa.field("content", pa.large_string(), nullable=False)]
)
