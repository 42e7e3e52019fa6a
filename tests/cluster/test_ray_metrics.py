"""A run's figures as a real scrape of Ray's endpoint gives them, and every query of the dashboard on them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from pipeline.cluster.ray_metrics import COUNTERS, GAUGES, _addresses
from pipeline.engine.measures import PIECES
from tests.cluster.published_metrics import MEASURED
from tests.processes import free_port, kill_family

ROOT = Path(__file__).resolve().parents[2]
DASHBOARD = json.loads((ROOT / "jobs/cluster/grafana.json").read_text())
QUERIES = {panel["title"]: [target["expr"] for target in panel["targets"]] for panel in DASHBOARD["panels"]}
ALERTS = yaml.safe_load((ROOT / "jobs/cluster/alerts.yaml").read_text())
RULES = {rule["alert"]: [rule["expr"]] for group in ALERTS["groups"] for rule in group["rules"]}
ON_A_GPU = {"ray_node_gpus_utilization"}  # no machine of these tests has one
Samples = dict[str, list[tuple[dict[str, str], float]]]


def scrape(address: str) -> Samples:
    """Returns name -> (labels, value) of every series at an endpoint."""
    found: Samples = {}
    with urllib.request.urlopen(address, timeout=10) as answer:
        for family in text_string_to_metric_families(answer.read().decode()):
            for sample in family.samples:
                found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def names(expr: str) -> set[str]:
    """Returns the metrics of a query."""
    return set(re.findall(r"\bray_\w+", expr))


def until(condition: Callable[[], Any], seconds: float = 60) -> Any:
    limit = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < limit
        time.sleep(0.5)
    return found


def test_endpoints_are_those_of_living_machines():
    nodes = [
        {"Alive": True, "NodeManagerAddress": "10.0.0.1", "MetricsExportPort": 8080},
        {"Alive": False, "NodeManagerAddress": "10.0.0.2", "MetricsExportPort": 8080},
        {"Alive": True, "NodeManagerAddress": "10.0.0.3", "MetricsExportPort": 0},
    ]
    assert _addresses(nodes) == ["http://10.0.0.1:8080/metrics"]


def test_every_figure_is_on_the_dashboard():
    text = " ".join(expr for exprs in QUERIES.values() for expr in exprs)
    assert [name for name in (*COUNTERS, *GAUGES) if f"ray_{name}" not in text] == []


@pytest.fixture(scope="module")
def driver() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process that publishes a shard for each line it gets, and its address."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
    env["RAY_metrics_report_interval_ms"] = "1000"
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.cluster.published_metrics"],
        cwd=ROOT, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield process, process.stdout.readline().strip()
    finally:
        kill_family(process)


@pytest.fixture(scope="module")
def samples(driver: tuple[subprocess.Popen[str], str]) -> Samples:
    """What is there after two shards, and Ray's own figures, which come a little later."""
    process, address = driver
    wanted = {"ray_node_mem_used", "ray_node_cpu_utilization"}
    # With reports every second Ray drops these in between: they are renewed every few seconds.
    machines = until(lambda: wanted <= (found := scrape(address)).keys() and found)
    process.stdin.write("shard\nshard\n")
    process.stdin.flush()
    shards = "ray_wider8k_shards_total"
    return machines | until(lambda: (found := scrape(address)).get(shards, [({}, 0)])[0][1] == 2 and found)


@pytest.mark.ray
@pytest.mark.slow
class TestAtRaysEndpoint:
    def test_every_figure_has_its_labels_and_value(self, samples: Samples):
        def values(name: str, **labels: str) -> list[float]:
            wanted = {"run": "run1", "node": "boxes", "stage": "predict", **labels}
            return [value for found, value in samples[f"ray_{name}"] if wanted.items() <= found.items()]

        assert [name for name in (*COUNTERS, *GAUGES) if f"ray_{name}" not in samples] == []
        assert values("wider8k_images_total") == [8]
        assert values("wider8k_boxes_total") == [140]
        assert values("wider8k_errors_total") == [2]
        assert values("wider8k_worker_deaths_total") == [2]
        assert values("wider8k_bytes_total", direction="read") == [2000]
        assert values("wider8k_bytes_total", direction="written") == [600]
        for piece in PIECES:
            assert values("wider8k_seconds_total", piece=piece) == [2 * MEASURED[f"{piece}_seconds"]]
        assert values("wider8k_seconds_total", piece="all") == [16]
        assert values("wider8k_time_left_seconds") == [12.5]
        assert values("wider8k_progress_ratio") == [0.25]
        assert values("wider8k_images_per_second") == [0.5]
        assert values("wider8k_stalled") == values("wider8k_running") == [1]
        assert values("wider8k_worker_memory_bytes") == [512 * 2**20]
        # What is not known of a node is no zero.
        assert {labels["node"] for labels, _ in samples["ray_wider8k_time_left_seconds"]} == {"boxes"}

    @pytest.mark.parametrize("panel", [*QUERIES, *RULES])
    def test_every_query_names_series_and_labels_that_are_there(self, samples: Samples, panel: str):
        for expr in (QUERIES | RULES)[panel]:
            used = names(expr)
            assert used
            assert used - samples.keys() <= ON_A_GPU
            asked = {label for group in re.findall(r"by \(([^)]*)\)", expr) for label in group.split(", ")}
            asked |= set(re.findall(r"[{,](\w+)(?:=~|!~|!=|=)", expr))
            for name in used - ON_A_GPU:
                known = {label for labels, _ in samples[name] for label in labels}
                own = set(COUNTERS.get(name.removeprefix("ray_"), ("", ()))[1])
                # Of a query with several metrics each has the common labels, and these where they are its own.
                assert asked - ({"piece", "direction"} - own) <= known, name

    @pytest.mark.parametrize("panel", list(QUERIES))
    def test_every_legend_is_a_label_of_its_query(self, samples: Samples, panel: str):
        (found,) = (each for each in DASHBOARD["panels"] if each["title"] == panel)
        for target in found["targets"]:
            grouped = re.search(r"by \(([^)]*)\)", target["expr"])
            name = re.search(r"ray_\w+", target["expr"])[0]
            if name in ON_A_GPU:
                continue
            known = (
                set(grouped[1].split(", ")) if grouped else {label for labels, _ in samples[name] for label in labels}
            )
            assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= known

    @pytest.mark.skipif(
        not shutil.which("prometheus"), reason="needs the binary of Prometheus: apt-get install prometheus"
    )
    def test_a_real_prometheus_answers_every_query(self, driver, samples: Samples, tmp_path: Path):
        process, address = driver
        port, host = free_port(), urllib.parse.urlparse(address).netloc
        config = yaml.safe_load((ROOT / "jobs/cluster/prometheus.yaml").read_text())
        config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        config["scrape_configs"] = [{"job_name": "ray", "static_configs": [{"targets": [host]}]}]
        config["rule_files"] = [str(ROOT / "jobs/cluster/alerts.yaml")]
        (tmp_path / "prometheus.yaml").write_text(yaml.safe_dump(config))
        command = ["prometheus", f"--config.file={tmp_path}/prometheus.yaml", f"--storage.tsdb.path={tmp_path}/data"]
        server = subprocess.Popen([*command, f"--web.listen-address=127.0.0.1:{port}"], stderr=subprocess.DEVNULL)

        def ask(expr: str) -> list[Any]:
            for name, value in {"run": ".*", "node": ".*", "interval": "1m", "__range": "1h"}.items():
                expr = expr.replace(f"${name}", value)
            url = f"http://127.0.0.1:{port}/api/v1/query?{urllib.parse.urlencode({'query': expr})}"
            try:
                with urllib.request.urlopen(url, timeout=10) as answer:
                    return json.load(answer)["data"]["result"]
            except urllib.error.URLError as error:
                if isinstance(error, urllib.error.HTTPError):
                    pytest.fail(f"{expr}: {error.read().decode()}")
                return []

        try:
            until(lambda: ask("ray_wider8k_shards_total"))
            left, answers = {expr for exprs in QUERIES.values() for expr in exprs}, {}
            limit = time.monotonic() + 60
            while time.monotonic() < limit and not all(ON_A_GPU & names(expr) for expr in left):
                process.stdin.write("shard\n")  # counters that rise
                process.stdin.flush()
                time.sleep(2)
                answers |= {expr: found for expr in left if (found := ask(expr))}
                left -= answers.keys()
            assert [expr for expr in left if not ON_A_GPU & names(expr)] == []
            share = next(
                float(found[0]["value"][1]) for expr, found in answers.items() if "network|device_wait" in expr
            )
            assert share == pytest.approx(6 / 8)
        finally:
            server.terminate()
            server.wait()

    def test_an_ended_node_is_at_rest(self, driver, samples: Samples):
        process, address = driver
        process.stdin.write("end\n")
        process.stdin.flush()

        def rested() -> bool:
            found = scrape(address)
            names = ("wider8k_running", "wider8k_stalled", "wider8k_time_left_seconds", "wider8k_images_per_second")
            series = [each for name in names for each in found.get(f"ray_{name}", []) if each[0]["node"] == "boxes"]
            return all(value == 0 for _, value in series)

        until(rested)
