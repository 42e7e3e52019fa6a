"""Jobs on a cluster: started, asked for, stopped."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from collections.abc import Callable, Mapping
from typing import Final

_SECONDS_BETWEEN: Final = 2  # questions of whether a condition holds


def wait_until(condition: Callable[[], bool], seconds: float) -> None:
    """Returns once the condition holds. Raises TimeoutError."""
    limit = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > limit:
            raise TimeoutError(f"not within {seconds:g} s")
        time.sleep(_SECONDS_BETWEEN)


def ray_job(env: Mapping[str, str], *words: str) -> str:
    """Returns what `ray job` prints."""
    done = subprocess.run(["ray", "job", *words], env=env, capture_output=True, text=True, timeout=300, check=False)
    return done.stdout + done.stderr


def job_ended(env: Mapping[str, str], job: str) -> bool:
    """Returns whether a job has ended in any way."""
    return job_status(env, job) in ("SUCCEEDED", "STOPPED", "FAILED")


def job_status(env: Mapping[str, str], job: str) -> str:
    """Returns the status of a job; `ray job status` takes three seconds of a core for it."""
    with urllib.request.urlopen(f"{env['RAY_API_SERVER_ADDRESS']}/api/jobs/{job}", timeout=60) as answer:
        return str(json.load(answer)["status"])
