from __future__ import annotations

import json
import re

import pytest

from pipeline.engine.run_id import new_run_id
from pipeline.engine.storage import Store

RAY = "RAY_JOB_CONFIG_JSON_ENV_VAR"


@pytest.fixture
def store(tmp_path, monkeypatch) -> Store:
    monkeypatch.delenv("WIDER8K_RUN_ID", raising=False)
    monkeypatch.delenv(RAY, raising=False)
    return Store(str(tmp_path))


def test_a_run_that_is_no_job_is_named_by_its_time(store):
    assert re.fullmatch(r"\d{8}-\d{6}-[0-9a-f]{6}", new_run_id(store))
    assert new_run_id(store) != new_run_id(store)


def test_a_submitted_job_names_its_run(store, monkeypatch):
    monkeypatch.setenv(RAY, json.dumps({"runtime_env": {}, "metadata": {"job_submission_id": "raysubmit_x1"}}))
    assert new_run_id(store) == "raysubmit_x1"
    store.write("runs/raysubmit_x1.jsonl", b"{}\n")
    store.write("runs/raysubmit_x1.part0001.jsonl", b"{}\n")
    assert new_run_id(store) == "raysubmit_x1.2"
    store.write("runs/raysubmit_x1.2.jsonl", b"{}\n")
    assert new_run_id(store) == "raysubmit_x1.3"


def test_a_name_that_is_given_is_before_it(store, monkeypatch):
    monkeypatch.setenv(RAY, json.dumps({"metadata": {"job_submission_id": "raysubmit_x1"}}))
    monkeypatch.setenv("WIDER8K_RUN_ID", "slurm-4711")
    assert new_run_id(store) == "slurm-4711"


@pytest.mark.parametrize("text", ["{", "[]", "null", '{"metadata": {}}', '{"metadata": null}'])
def test_a_ray_without_a_submission_is_no_job(store, monkeypatch, text):
    monkeypatch.setenv(RAY, text)
    assert re.fullmatch(r"\d{8}-\d{6}-[0-9a-f]{6}", new_run_id(store))


@pytest.mark.parametrize(
    ("given", "name"), [("../../a b/ü", "a_b"), ("x" * 300, "x" * 100), ("live", "live_"), ("a.b-c_1", "a.b-c_1")]
)
def test_a_name_is_one_that_a_file_may_have(store, monkeypatch, given, name):
    monkeypatch.setenv("WIDER8K_RUN_ID", given)
    assert new_run_id(store).rstrip("_") == name.rstrip("_")
