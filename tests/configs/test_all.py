"""Every config in the repository loads, plans and says how it is run; none repeats what the graph knows."""

from __future__ import annotations

import re
import shutil
from fnmatch import fnmatch
from pathlib import Path

import pytest

from pipeline.engine.config import load_config
from pipeline.engine.literal_yaml import read_yaml
from pipeline.engine.plan import Decision, Options, plan
from pipeline.engine.storage import Store
from stages.graph import STAGES

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
README = (ROOT / "configs" / "README.md").read_text(encoding="utf-8")
BASES = sorted((ROOT / "configs" / "bases").glob("*.yaml"))


def test_there_are_configs() -> None:
    assert ROOT / "configs" / "smoke.yaml" in CONFIGS


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.stem)
def test_every_config_loads_and_plans(file: Path, tmp_path: Path) -> None:
    loaded = load_config(file, STAGES)
    assert (loaded.name, loaded.store) == (file.stem, f"runs/{file.stem}")
    graph = load_config(file, STAGES, [f"store={tmp_path}"]).graph
    plans = plan(graph, Store(str(tmp_path)), Options(frozenset(graph.order)))
    assert list(plans) == list(graph.order)
    for each in plans.values():
        assert each.decision in (Decision.RUN, Decision.BLOCKED)
        assert each.reason
    roots = [name for name, node in graph.nodes.items() if not node.upstream]
    assert any(plans[name].decision is Decision.RUN or "path" in plans[name].reason for name in roots)
    assert list(tmp_path.iterdir()) == [], "planning wrote something"


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.stem)
def test_every_config_says_how_to_run_it(file: Path) -> None:
    head = [line for line in file.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
    assert any(f"-c configs/{file.name}" in line for line in head)


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.stem)
def test_every_set_that_a_config_shows_fits_it(file: Path) -> None:
    """What `--set` in its comments names is a node and a field of it."""
    head = " ".join(line.strip("# ") for line in file.read_text(encoding="utf-8").splitlines() if line.startswith("#"))
    shown = re.findall(r"--set ('[^']*'|[\w.*]+='[^']*'|[\w.*]+=[^\s,;)]+)", head)
    for each in shown:
        load_config(file, STAGES, [each.replace("'", "").rstrip(".")])
    assert len(shown) == head.count("--set ")


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.stem)
@pytest.mark.parametrize("machine", ["cpu2", "gpu4"])
def test_every_config_runs_on_every_machine(file: Path, machine: str) -> None:
    """Another machine is another way to the same outputs."""
    own, other = load_config(file, STAGES).graph, load_config(file, STAGES, machine=machine).graph
    for name, node in other.nodes.items():
        assert (node.stage, node.inputs) == (own.nodes[name].stage, own.nodes[name].inputs)
        assert machine == "gpu4" or node.resources.gpus == 0


@pytest.mark.parametrize("file", [*CONFIGS, *BASES], ids=lambda file: file.stem)
def test_a_base_and_a_matrix_are_the_only_reuse(file: Path) -> None:
    text = re.sub(r"#.*", "", file.read_text(encoding="utf-8"))
    assert not re.search(r"(^|[\s\[{])[&*]\w|<<:", text)
    tree = read_yaml(file.read_bytes(), str(file))
    assert not {"name", "store"} & tree.keys()
    wired = [node["inputs"] for node in tree["nodes"].values() if node and node.get("stage") in ("table", "report")] if "nodes" in tree else []  # fmt: skip
    assert all("candidates" not in inputs for inputs in wired)


def test_the_anatomy_in_the_readme_is_a_config(tmp_path: Path) -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    shutil.copytree(ROOT / "configs" / "bases", tmp_path / "bases")
    (tmp_path / "mine.yaml").write_text(block)
    config = load_config(tmp_path / "mine.yaml", STAGES)
    assert (config.name, config.store) == ("mine", "runs/mine")
    nodes = config.graph.nodes
    assert [name for name in nodes if name.startswith("boxes_")] == [
        f"boxes_{detector}_{size}" for detector in ("small", "large") for size in ("original", "8k")
    ]
    assert nodes["table_8k"].inputs["ap"] == ("ap_small_8k", "ap_large_8k")
    assert (nodes["boxes_large_8k"].resources.shard_rows, nodes["boxes_large_8k"].resources.workers) == (10, 2)


def test_the_readme_names_every_config() -> None:
    named = [
        name for cell in re.findall(r"^\| (`.*?) \|", README, re.MULTILINE) for name in re.findall(r"`([\w*.]+)`", cell)
    ]
    assert [file.name for file in CONFIGS if not any(fnmatch(file.name, each) for each in named)] == []
    assert [each for each in named if not any(fnmatch(file.name, each) for file in CONFIGS)] == []
