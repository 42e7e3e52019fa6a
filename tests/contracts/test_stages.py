"""Every stage of the table obeys the contract of `Stage`."""

from __future__ import annotations

import inspect
import pickle
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml
from pydantic import ValidationError

from pipeline.engine.fingerprint import hash_json
from pipeline.engine.stage import Item, MapStage, Port, Stage, WholeStage
from stages.graph import STAGES

ROOT = Path(__file__).resolve().parents[2]
# Parameters that a stage cannot do without, and for each stage one choice beside its defaults.
NEEDED: dict[str, dict[str, Any]] = {"index": {"dataset": "synthetic"}, "benchmark": {"benchmark": "fddb"}}
OTHER: dict[str, dict[str, Any]] = {
    "index": {"dataset": {"kind": "wider_face", "split": "train", "missing": "skip"}},
    "statistics": {"policies": ["plain"], "epochs": 2, "assigner": "atss"},
    "train_detector": {"recipe": {"steps": 7, "crop_scales": [0.5, 1], "crop": [64, 96]}},
    "train_ranker": {"ranker": "roi_mobilenet", "recipe": {"steps": 7, "crop_scales": [0.5, 1], "num_candidates": 50}},
    "table": {"paper": {"ap": [95.1, 94.2, 87.4, 192]}},
    "predict": {"canvas": 4096, "max_candidates": 10, "memory_budget_gb": 2, "detector": "retinaface_mobilenet_mb1"},
    "rerank": {"canvas": "8k", "iou": None, "max_candidates": 100, "score_format": "clip"},
    "rerank_by_agreement": {"max_detections": 3},
    "redetect": {"context": 2, "canvas": 320},
    "text_predictions": {"max_candidates": 3},
    "suppress": {"score": 0.5, "max_detections": 3},
    "fuse": {"rule": "nms", "iou": 0.5, "max_detections": 3},
    "label_candidates": {"max_candidates": 10},
    "label_agreement": {"score": 0.1, "iou": 0.3},
    "train_agreement": {"recipe": {"steps": 7, "seed": 1}},
    "oracle": {"pixel_inclusive": False, "iou": None},
    "ranking_accuracy": {"pairs": 3, "pixel_inclusive": True},
    "evaluate": {"coordinates": "whole"},
    "benchmark": {"benchmark": "afw", "protocol": "face-eval"},
    "benchmark_table": {"title": "t", "differences": False},
    "report": {"title": "t", "score": 1, "subset": "easy"},
}


@pytest.fixture(params=sorted(STAGES))
def kind(request: pytest.FixtureRequest) -> type[Stage]:
    return STAGES[request.param]


def examples(kind: type[Stage]) -> list[Stage]:
    base = NEEDED.get(kind.name, {})
    return [kind.model_validate(fields) for fields in (base, {**base, **OTHER[kind.name]})]


def test_every_stage_has_another_choice_to_test() -> None:
    assert set(OTHER) == set(STAGES)


def test_the_table_says_the_stages_own_names() -> None:
    assert {name: kind.name for name, kind in STAGES.items()} == {name: name for name in STAGES}
    assert len(set(STAGES.values())) == len(STAGES)


def test_names_versions_and_schemas_are_set(kind: type[Stage]) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]*", kind.name)
    assert isinstance(kind.version, str)
    assert kind.version
    assert isinstance(kind.output, pa.Schema)
    assert issubclass(kind, MapStage | WholeStage)
    assert not inspect.isabstract(kind)
    for port, spec in kind.inputs.items():
        assert port.isidentifier()
        assert isinstance(spec, Port)
        assert any(other.output.equals(spec.schema) for other in STAGES.values()), f"nothing feeds {port}"
    for stage in examples(kind):
        assert set(stage.exports("one")).isdisjoint(stage.exports("other")), "two nodes would write one file"
    if issubclass(kind, MapStage):
        assert kind.key in kind.output.names
        assert "error" in kind.output.names
        assert set(kind.mapped_inputs) <= set(kind.inputs)


def test_parameters_survive_yaml_with_their_identity(kind: type[Stage]) -> None:
    for stage in examples(kind):
        text = yaml.safe_dump(stage.model_dump(mode="json"))
        twin = kind.model_validate(yaml.safe_load(text))
        assert twin == stage
        assert hash_json(twin.model_dump(mode="python")) == hash_json(stage.model_dump(mode="python"))


def test_another_choice_is_another_identity(kind: type[Stage]) -> None:
    first, second = examples(kind)
    assert hash_json(first.model_dump(mode="python")) != hash_json(second.model_dump(mode="python"))


def test_stages_are_picklable_frozen_and_strict(kind: type[Stage]) -> None:
    for stage in examples(kind):
        assert pickle.loads(pickle.dumps(stage)) == stage
        for field in kind.model_fields:
            with pytest.raises(ValidationError):
                setattr(stage, field, None)
    with pytest.raises(ValidationError):
        kind.model_validate({**NEEDED.get(kind.name, {}), "no_such_parameter": 1})


def test_every_parameter_is_explained(kind: type[Stage]) -> None:
    explained: set[str] = set()
    for line in (inspect.getdoc(kind) or "").splitlines():
        if match := re.match(r" {4}([a-z_0-9]+(?:, [a-z_0-9]+)*): \S", line):
            explained |= set(match[1].split(", "))
    assert set(kind.model_fields) <= explained


@pytest.mark.parametrize("name", [name for name, kind in STAGES.items() if issubclass(kind, MapStage)])
def test_the_row_of_a_dead_worker_fits_the_schema(name: str) -> None:
    stage = examples(STAGES[name])[0]
    assert isinstance(stage, MapStage)
    table = pa.Table.from_pylist([stage.error_row(Item("some/image", "1"), "died")], schema=stage.output)
    table.validate(full=True)
    (row,) = table.to_pylist()
    assert (row[stage.key], row["error"]) == ("some/image", "died")
    assert all(row[column.name] is not None for column in stage.output if not column.nullable)
