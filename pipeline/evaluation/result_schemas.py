"""Arrow schemas of evaluations: those of AP, with the columns that `METRICS` adds."""

from typing import Final

import pyarrow as pa

from pipeline.data.schemas import COUNTS, FLOAT64, INT64, LEVELS, TEXT, columns
from pipeline.evaluation.metrics import metric_kinds

# One row per subset.
AP: Final = pa.schema(
    [
        *columns(TEXT, "subset"),
        *columns(FLOAT64, "ap"),
        *columns(INT64, "faces", "images", "boxes"),
        *columns(COUNTS, "proposals", "matches"),  # at each of the 1,000 thresholds
        *columns(FLOAT64, "score_min", "score_max"),
        *columns(TEXT, "protocol"),  # JSON
        # Null where a metric is not counted.
        *(column for kind in metric_kinds() for column in kind.ap_columns),
    ]
)

# One row per evaluation that is compared. Precisions are in 0..1; NaN where no face counts.
COMPARISON: Final = pa.schema(
    [
        *columns(TEXT, "name"),
        *columns(FLOAT64, *LEVELS),
        *(column for kind in metric_kinds() for column in kind.table_columns),  # likewise
        *columns(FLOAT64, *(f"paper_{name}" for name in LEVELS), null=True),  # a paper's figures, or null
        *columns(INT64, "paper_alarms", null=True),
        *columns(TEXT, "facts"),  # JSON: "stage.parameter" -> value
        # Image to candidates, and candidates to detections, of one image in one worker; null where not asked for.
        *columns(FLOAT64, "detect_ms", "refine_ms", null=True),
        *columns(INT64, "left_out", null=True),  # images that are not in AP since they cannot be read
    ]
)
