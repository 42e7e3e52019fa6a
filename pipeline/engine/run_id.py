"""The id of a run, by which its log and its unfinished work are named: that of the job it is, if it is one."""

from __future__ import annotations

import json
import os
import re
import time
import uuid
from typing import Any, Final

from pipeline.engine.run_log import run_of
from pipeline.engine.run_log_file import FOLDER
from pipeline.engine.storage import Store

RUN_ID_VARIABLE: Final = "WIDER8K_RUN_ID"
_RAY_JOB_VARIABLE: Final = "RAY_JOB_CONFIG_JSON_ENV_VAR"  # which Ray sets for the driver of a submitted job
_LONGEST: Final = 100


def new_run_id(store: Store) -> str:
    """Returns an id that no run of the store has: that of the job, else the time and a random part.

    The job is named by ``WIDER8K_RUN_ID``, or is the submission id of ``ray job submit``. A second run of one job gets
    the suffix ``.2``, and so on.
    """
    named = _safe(os.environ.get(RUN_ID_VARIABLE) or _submission_id())
    if not named:
        return time.strftime("%Y%m%d-%H%M%S-") + uuid.uuid4().hex[:6]
    taken = {run_of(name) for name in store.sizes(FOLDER)}
    number = 1
    while (found := f"{named}.{number}" if number > 1 else named) in taken:
        number += 1
    return found


def _submission_id() -> str:
    try:
        config: Any = json.loads(os.environ.get(_RAY_JOB_VARIABLE) or "null")
        return str(config["metadata"]["job_submission_id"])
    except (ValueError, TypeError, KeyError):  # no submitted job
        return ""


def _safe(name: str) -> str:
    """Returns a name as a file may have it; `live` is that of the live state."""
    text = re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("._")[:_LONGEST]
    return f"{text}_" if text == "live" else text
