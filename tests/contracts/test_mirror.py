"""Tests of a file lie where it does: pipeline/a/b.py has tests/a/test_b.py, stages/b.py has tests/stages/test_b.py."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Files without tests of their own name, and the tests that run what is in them.
ELSEWHERE = {
    "pipeline/cluster/session.py": "tests/cluster/test_ray_executor.py",
    "pipeline/cluster/shard_worker.py": "tests/cluster/test_ray_executor.py",
    "pipeline/cluster/start.py": "tests/cluster/test_stopping.py",
    "pipeline/data/schemas.py": "tests/data/test_records.py",
    "pipeline/engine/checksummed_json.py": "tests/engine/test_bit_rot.py",
    "pipeline/engine/error_rows.py": "tests/engine/test_runner.py",
    "pipeline/data/image_ends.py": "tests/data/test_images.py",
    "pipeline/engine/executor.py": "tests/engine/test_runner.py",
    "pipeline/engine/exports.py": "tests/contracts/test_stages.py",
    "pipeline/engine/heartbeat.py": "tests/engine/test_progress.py",
    "pipeline/engine/outcome.py": "tests/engine/test_runner.py",
    "pipeline/engine/shard_record.py": "tests/engine/test_bit_rot.py",
    "pipeline/engine/stage.py": "tests/engine/test_plan_identity.py",
    "pipeline/evaluation/counted_metric.py": "tests/contracts/test_metrics.py",
    "pipeline/inference/engines/compiled.py": "tests/inference/test_engines.py",
    "pipeline/inference/engines/eager.py": "tests/inference/test_engines.py",
    "pipeline/inference/engines/engine.py": "tests/inference/test_engines.py",
    "pipeline/inference/engines/graphed.py": "tests/gpu/test_inference.py",
    "pipeline/inference/engines/onnx_runtime.py": "tests/inference/test_engines.py",
    "pipeline/inference/engines/openvino.py": "tests/inference/test_engines.py",
    "pipeline/inference/engines/tensorrt.py": "tests/inference/test_engines.py",
    "pipeline/inference/engines/traced.py": "tests/inference/test_engines.py",
    "pipeline/inference/padded_canvas.py": "tests/inference/test_batches.py",
    "pipeline/inference/selection.py": "tests/inference/test_batches.py",
    "pipeline/inference/streams.py": "tests/gpu/test_inference.py",
    "pipeline/models/detectors/hambox.py": "tests/models/detectors/test_six_levels.py",
    "pipeline/models/detectors/spec.py": "tests/contracts/test_new_detector.py",
    "pipeline/models/lazy.py": "tests/contracts/test_detectors.py",
    "pipeline/models/resampling.py": "tests/models/test_padding.py",
    "pipeline/training/assigners/assignment.py": "tests/contracts/test_assigners.py",
    "pipeline/training/loop/validator.py": "tests/stages/validators/test_detector.py",
    "pipeline/training/tasks/task.py": "tests/training/tasks/test_detector.py",
    "stages/base_training.py": "tests/stages/test_train_detector.py",
    "stages/cli/conclusion.py": "tests/stages/cli/test_pipeline.py",
    "stages/cli/explain.py": "tests/stages/cli/test_pipeline.py",
    "stages/cli/finished_run.py": "tests/stages/cli/test_paper_results.py",
    "stages/cli/run_options.py": "tests/stages/cli/test_pipeline.py",
    "stages/cli/stored.py": "tests/stages/cli/test_pipeline.py",
    "stages/refined_rows.py": "tests/stages/test_rerank.py",
    "stages/network_stage.py": "tests/stages/test_predict_weights.py",
}


def _mirrored(source: Path) -> Path:
    inside = source.relative_to("pipeline") if source.parts[0] == "pipeline" else source
    return Path("tests") / inside.with_name(f"test_{source.name.lstrip('_')}")


def _sources() -> list[Path]:
    files = (file for top in ("pipeline", "stages") for file in sorted((ROOT / top).rglob("*.py")))
    return [file.relative_to(ROOT) for file in files if file.name != "__init__.py"]


def test_every_file_has_tests_at_its_mirrored_place_or_is_listed_with_those_it_has() -> None:
    alone = {str(source) for source in _sources() if not (ROOT / _mirrored(source)).is_file()}
    assert alone == ELSEWHERE.keys()


def test_the_tests_that_are_listed_instead_exist() -> None:
    assert [test for test in ELSEWHERE.values() if not (ROOT / test).is_file()] == []
