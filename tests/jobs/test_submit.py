from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from jobs import submit
from pipeline.cluster.upload import upload_size

ROOT = Path(__file__).resolve().parents[2]
SMOKE = ("-c", "configs/smoke.yaml", "--set", "store=s3://bucket/smoke")


class Done(NamedTuple):
    """How a call ended, and what it printed."""

    code: int
    out: str
    err: str


@pytest.fixture
def run(capsys) -> Callable[..., Done]:
    def call(*words: str) -> Done:
        code = submit.main(["--dry-run", *words])
        return Done(code, *capsys.readouterr())

    return call


def test_the_upload_of_this_tree_is_small():
    assert 1e6 < upload_size(ROOT) < submit.LIMIT_MB * 1e6


def test_a_dry_run_weighs_the_upload_and_prints_how_to_watch_stop_and_resume():
    command = [sys.executable, "jobs/submit.py", "--dry-run", "--id", "smoke-1", *SMOKE, "--until", "boxes"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    first, *rest = done.stdout.splitlines()
    assert first.startswith("upload: ")
    assert first.endswith(" MB, allowed are 5 MB")
    assert rest == [
        "output: ray job logs --follow smoke-1",
        "watch:  wider8k status -c configs/smoke.yaml --set store=s3://bucket/smoke --watch",
        "log:    s3://bucket/smoke/runs/smoke-1.jsonl",
        "stop:   ray job stop smoke-1",
        "resume: python jobs/submit.py --id smoke-1-r2 -c configs/smoke.yaml --set store=s3://bucket/smoke --until boxes",
    ]


def test_a_packaged_config_is_named_as_for_the_command_itself(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the job is in the project's folder wherever it is submitted from
    done = run("--id", "a", "-c", "smoke", "--set=store=s3://bucket/smoke")
    assert done.code == 0
    assert "watch:  wider8k status -c smoke --set store=s3://bucket/smoke --watch" in done.out


def test_the_command_names_the_job_and_passes_the_rest_on():
    assert submit.submission("a-1", "jobs/dump_8k.py", ["--limit", "3"], wait=False) == [
        "ray", "job", "submit", "--submission-id", "a-1", "--no-wait", "--working-dir", ".", "--",
        "python", "jobs/dump_8k.py", "--limit", "3",
    ]  # fmt: skip
    assert "--no-wait" not in submit.submission("a-1", "jobs/dump_8k.py", [], wait=True)


@pytest.mark.parametrize(("job", "following"), [("a-1", "a-1-r2"), ("a-1-r2", "a-1-r3"), ("x-r9", "x-r10")])
def test_each_submission_has_an_id_of_its_own(job, following):
    assert submit.next_id(job) == following


def test_an_upload_that_is_too_large_is_refused_with_its_largest_files(run):
    done = run(*SMOKE, "--limit-mb", "0.1")
    assert done.code == 2
    assert done.err.startswith(
        "error: the upload is too large: add to .rayignore or .gitignore what no job needs: configs/RESULTS.md (0."
    )
    assert "stop:" not in done.out


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ((), "expected -c CONFIG among the options of `wider8k run`, found none"),
        (("-c", "configs/smoke.yaml"), "store: runs/smoke would be in Ray's copy of the project and lost with it"),
        (("-c", "configs/none.yaml"), "configs/none.yaml"),
        ((*SMOKE, "--set", "boxes.canvass=8k"), "canvass"),
        (("-c", "configs/full.yaml", "--set", "store=s3://bucket/full", "--machine", "gpu5"), "gpu5"),
    ],
)
def test_a_mistake_is_one_line_before_the_upload(run, words, problem):
    done = run(*words)
    assert done.code == 2
    assert problem in done.err
    assert done.err.startswith("error: ")
    assert "Traceback" not in done.err


def test_keys_in_an_address_are_left_out_of_the_lines():
    words = ["-c", "configs/smoke.yaml", "--set", "store=s3://KEY:SECRET@bucket/smoke"]
    text = "\n".join(submit.lines("a-1", "jobs/full_pipeline.py", words, "s3://KEY:SECRET@bucket/smoke"))
    assert "SECRET" not in text
    assert "store=s3://bucket/smoke" in text
