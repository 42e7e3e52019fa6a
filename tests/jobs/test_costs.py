"""COSTS.md is what the command prints, every config is in it, and its figures follow code, rates and configs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from typer.testing import CliRunner

from jobs.costing.networks import Network
from jobs.costing.nodes import Cost, candidate_bytes, costs_of
from jobs.costing.pace import FORWARD_AND_BACK, Pace, operations_of, pace_of
from jobs.costing.rates import DUMP_BYTES, RATES, Rate
from jobs.costing.sources import WIDER_FACE
from jobs.costs import app, page
from pipeline.data.records import Detections
from pipeline.data.schemas import DETECTIONS
from pipeline.engine.config import load_config
from pipeline.engine.shards import encode
from pipeline.models.detectors import DETECTORS
from pipeline.models.flops import flops, ranker_flops
from pipeline.models.init import without_weights
from pipeline.models.rankers import RANKERS
from stages.graph import STAGES

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = ROOT / "configs"
COMMITTED = (CONFIGS / "COSTS.md").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Rankers that are counted with numbers take twenty times as long in two threads of a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def costs(name: str, *overrides: str) -> dict[str, Cost]:
    return {each.node: each for each in costs_of(load_config(CONFIGS / f"{name}.yaml", STAGES, overrides))}


def section(title: str) -> str:
    return next(part for part in COMMITTED.split("\n## ") if part.startswith(title))


@pytest.mark.slow
def test_what_is_committed_is_what_the_command_prints() -> None:
    assert page() == COMMITTED, "print it again: uv run python jobs/costs.py > configs/COSTS.md"


def test_every_config_has_a_row() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", section("Every config"), re.MULTILINE)
    assert rows == sorted(file.stem for file in CONFIGS.glob("*.yaml"))


@pytest.mark.parametrize("name", ["retinaface_resnet50", "mogface_hcam"])
@pytest.mark.parametrize("training", [False, True])
def test_operations_of_a_detector_are_those_that_flops_counts(name: str, training: bool) -> None:
    with without_weights():
        detector = DETECTORS[name].build().eval()
    detector.all_heads = training
    assert Network(name).flops(7680, 5248, training=training) == flops(detector, 5248, 7680)


@pytest.mark.parametrize("name", ["crface_mobilenet", "roi_mobilenet"])
def test_operations_of_a_ranker_are_those_that_flops_counts(name: str) -> None:
    assert Network(name).flops(192, 256) == ranker_flops(RANKERS[name].build().eval(), 256, 192)


def test_heads_of_training_and_switches_cost_something() -> None:
    final = Network("mogface")
    assert final.flops(640, 640, training=True) > final.flops(640, 640)
    assert Network.of("mogface_baseline", {"hcam": [3, 5]}).flops(64, 64) == Network("mogface_hcam").flops(64, 64)
    assert Network.of("mogface_baseline", {"pretrained": True}) == Network("mogface_baseline")


def test_a_training_is_steps_times_batch_times_three_forward_passes_at_its_measured_rate() -> None:
    whole, half = costs("mogface_full")["detector"], costs("mogface_full", "detector.recipe.steps=70000")["detector"]
    (rate,) = (each for each in RATES if each.work == "training" and each.network == "mogface")
    assert whole.operations == 140_000 * 28 * 3 * Network("mogface").flops(640, 640, training=True)
    assert whole.seconds == pytest.approx(140_000 * 28 * rate.seconds)
    assert whole.measured
    assert half.operations * 2 == whole.operations
    assert half.seconds * 2 == pytest.approx(whole.seconds)


def test_a_training_that_nobody_measured_is_counted_from_its_nearest() -> None:
    found = costs("mogface_e")["detector"]
    (rate,) = (each for each in RATES if each.work == "training" and each.network == "mogface")
    assert not found.measured
    assert found.operations / found.seconds == pytest.approx(operations_of(rate) / rate.seconds)


def test_a_training_in_numbers_that_nobody_measured_is_slower_as_an_8k_image_is() -> None:
    network = Network("mogface_baseline")
    exact, rough = (pace_of(network, "training", each) for each in ("float32", "bfloat16"))
    assert (exact.measured, rough.measured) == (False, True)
    assert exact.seconds(1e12) / rough.seconds(1e12) == pytest.approx(89.3 / 59.6)  # of ResNet-50, its nearest


@pytest.mark.parametrize("rate", RATES, ids=lambda rate: f"{rate.work}-{rate.network}-{rate.numbers}-{rate.width}")
def test_what_was_measured_comes_out_again(rate: Rate) -> None:
    pace = pace_of(Network(rate.network), rate.work, rate.numbers)
    assert pace.measured
    assert pace.seconds(operations_of(rate)) == pytest.approx(rate.seconds)


def test_between_two_sizes_there_is_a_line_and_below_the_smaller_one_a_floor() -> None:
    pace = Pace(((100.0, 2.0, 10, 50.0), (300.0, 6.0, 30, 90.0)), True, "")
    assert [pace.seconds(each) for each in (50, 100, 200, 400)] == [2, 2, 4, 8]
    assert [pace.memory_mb(each) for each in (5, 20, 40)] == [50, 70, 110]
    alone = Pace(((100.0, 2.0, 10, 50.0),), True, "", factor=1.5)
    assert alone.seconds(50) == 1.5
    assert alone.memory_mb(10) is None


def test_forward_and_back_is_what_torch_counts_for_a_network_all_of_which_learns() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    network = torch.nn.Sequential(*(torch.nn.Conv2d(8, 8, 3, padding=1) for _ in range(3)))
    with FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 8, 16, 16, requires_grad=True)).sum().backward()
    assert counter.get_total_flops() == FORWARD_AND_BACK * 3 * 2 * 8 * 8 * 9 * 256


@pytest.mark.parametrize("landmarks", [False, True])
def test_bytes_of_a_candidate_are_those_of_the_schema(landmarks: bool) -> None:
    def size(count: int) -> tuple[int, int]:
        rng = np.random.default_rng(0)
        boxes, scores = rng.random((count, 4), np.float32), np.sort(rng.random(count, np.float32))[::-1]
        points = rng.random((count, 5, 2), np.float32) if landmarks else None
        table = pa.Table.from_pylist([Detections("a", 9, 9, boxes, scores, points).to_row()], DETECTIONS)
        return table.nbytes, len(encode(table))

    (plain, packed), (empty, _) = size(5000), size(0)
    assert plain - empty == 5000 * candidate_bytes(landmarks)
    assert DUMP_BYTES[landmarks] * 5000 < packed  # noise is the worst there is


def test_the_dump_is_of_all_three_parts_and_its_pixels_stay_in_the_workers() -> None:
    assert WIDER_FACE.count == 32_203
    found = costs("full")["hambox_train_8k"]
    wide, high = 7680 * 5295, 5296 * 7680
    assert found.pixels == pytest.approx(3 * 12_880 * (0.76 * wide + 0.24 * high))
    assert found.raw == 12_880 * 5000 * 20
    assert costs("full")["hambox_train_original"].pixels == 0


def test_several_passes_are_counted_each() -> None:
    one, many = costs("full")["boxes_val_hambox"], costs("full")["multi_val_hambox"]
    areas = sum(0.76 * each**2 * 1024 / 706 + 0.24 * each**2 * 1485 / 1024 for each in (500, 800, 1100, 1400, 1700))
    image = 1024 * (0.76 * 706 + 0.24 * 1485)
    assert many.operations / one.operations == pytest.approx(2 * areas / image, rel=1e-3)


def test_rankers_of_another_config_are_found_by_their_file() -> None:
    found = costs("crface_text")
    assert [found[f"rank_{row}"].network for row in ("crface", "roi")] == ["crface_mobilenet", "roi_mobilenet"]
    assert found["rank_roi"].operations == 3226 * Network("roi_mobilenet", '{"num_neighbours": 0}').flops(2048, 2048)
    with pytest.raises(ValueError, match=r"rank_roi: no config beside it trains runs/nowhere/roi\.safetensors"):
        costs("crface_text", "rank_roi.path=runs/nowhere/roi.safetensors")


def test_one_config_is_shown_node_by_node_and_help_has_an_example() -> None:
    run = CliRunner().invoke(app, ["-c", str(CONFIGS / "dump_8k.yaml")])
    assert run.exit_code == 0
    assert "| `mobilenet` | dump | `retinaface_mobilenet` | 3,226 images, 8K |" in run.stdout
    assert "Example: uv run python jobs/costs.py -c configs/" in CliRunner().invoke(app, ["--help"]).stdout
    assert CliRunner().invoke(app, ["--set", "mobilenet.top=10"]).exit_code == 2
