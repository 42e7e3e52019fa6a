"""Submits the pipeline as a Ray job: weighs the upload before, and prints how to watch, stop and resume it.

    python jobs/submit.py -c configs/full.yaml --set '*faces.path=/data/WIDER' --set store=s3://bucket/full

Takes its own options first (--id, --script, --limit-mb, --wait, --dry-run), then those of `wider8k run`. The cluster is
that of RAY_API_SERVER_ADDRESS, as for `ray job submit`. The submission id is the run id: the log of the run is
<store>/runs/<id>.jsonl.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # `jobs` is no installed package

from jobs.given_options import given_options  # noqa: E402
from pipeline.cluster.upload import largest_files, upload_size  # noqa: E402
from pipeline.engine.config import load_config  # noqa: E402
from pipeline.engine.redaction import redact, without_keys  # noqa: E402
from stages.graph import STAGES  # noqa: E402
from stages.packaged_configs import find_config  # noqa: E402

SCRIPT = "jobs/full_pipeline.py"
LIMIT_MB = 5.0
LARGEST = 5  # files that are named where the upload is too large


def main(given: Sequence[str]) -> int:
    """Returns the exit code."""
    options, words = _parser().parse_known_args(given)
    words = [word for word in words if word != "--"]
    try:
        name, store = _config(words)
        size = upload_size(ROOT)
        print(f"upload: {size / 1e6:.2f} MB, allowed are {options.limit_mb:g} MB")
        if size > options.limit_mb * 1e6:
            largest = ", ".join(f"{name} ({bytes_ / 1e6:.2f} MB)" for name, bytes_ in largest_files(ROOT, LARGEST))
            raise ValueError(f"the upload is too large: add to .rayignore or .gitignore what no job needs: {largest}")
    except ValueError as error:
        print(f"error: {redact(str(error))}", file=sys.stderr)
        return 2
    job = options.id or f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
    command = submission(job, options.script, words, options.wait)
    if not options.dry_run:
        code = subprocess.run(command, cwd=ROOT, check=False).returncode
        if code:
            return code
    print("\n".join(lines(job, options.script, words, store)))
    return 0


def submission(job: str, script: str, words: Sequence[str], wait: bool) -> list[str]:
    """Returns the command that submits; `words` are options of `wider8k run`."""
    how = ["--submission-id", job, *([] if wait else ["--no-wait"]), "--working-dir", "."]
    return ["ray", "job", "submit", *how, "--", "python", script, *words]


def lines(job: str, script: str, words: Sequence[str], store: str) -> list[str]:
    """Returns how to follow a job, to stop it and to submit it again; without keys that are in an address."""
    own = [] if script == SCRIPT else ["--script", script]
    known = given_options(words)
    chosen = ["-c", *known.config[-1:], *(word for each in known.set for word in ("--set", each))]
    again = shlex.join(map(without_keys, ["python", "jobs/submit.py", "--id", next_id(job), *own, *words]))
    watch = shlex.join(map(without_keys, ["wider8k", "status", *chosen, "--watch"]))
    return [
        f"output: ray job logs --follow {job}",
        f"watch:  {watch}",
        f"log:    {without_keys(store).rstrip('/')}/runs/{job}.jsonl",
        f"stop:   ray job stop {job}",
        f"resume: {again}",
    ]


def next_id(job: str) -> str:
    """Returns the id of the next submission of a job: Ray takes each only once."""
    found = re.fullmatch(r"(.*)-r(\d+)", job)
    return f"{found[1]}-r{int(found[2]) + 1}" if found else f"{job}-r2"


def _config(words: Sequence[str]) -> tuple[str, str]:
    """Returns name and store; a job's own folder would be lost with it, and a mistake is found before the upload."""
    known = given_options(words)
    if not known.config:
        raise ValueError("expected -c CONFIG among the options of `wider8k run`, found none")
    with contextlib.chdir(ROOT):  # where the job is
        loaded = load_config(find_config(Path(known.config[-1])), STAGES, known.set, known.machine)
    if "://" not in loaded.store and not os.path.isabs(loaded.store):
        raise ValueError(
            f"store: {loaded.store} would be in Ray's copy of the project and lost with it; expected s3://, gs://, "
            "az:// or a folder that all machines share: --set store=..."
        )
    return loaded.name, loaded.store


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--id", help="submission and run id; by default name of the config and time")
    parser.add_argument("--script", default=SCRIPT, help="of the folder jobs; default %(default)s")
    parser.add_argument("--limit-mb", type=float, default=LIMIT_MB, help="largest upload; default %(default)s")
    parser.add_argument("--wait", action="store_true", help="print its output until it ends")
    parser.add_argument("--dry-run", action="store_true", help="submit nothing")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
