"""The files of jobs/cluster, by the readers that Ray has of its own, and against the configs they run."""

from __future__ import annotations

import copy
import itertools
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from ray.autoscaler._private.kuberay.autoscaling_config import _derive_autoscaling_config_from_ray_cr
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.scripts.scripts import start

from jobs import submit
from pipeline.cluster.ray_metrics import COUNTERS, GAUGES
from pipeline.engine.capacity import Machine
from pipeline.engine.config import load_config
from pipeline.engine.stage import Resources
from stages.graph import STAGES

ROOT = Path(__file__).resolve().parents[2]
CLUSTER = ROOT / "jobs/cluster"
RAY_START = {option for parameter in start.params for option in parameter.opts}
GPU4 = yaml.safe_load((ROOT / "configs/bases/machines.yaml").read_text())["machines"]["gpu4"]

# Fields of ray.io/v1 of KubeRay 1.5; its schemas are in no package registry.
JOB = {
    "activeDeadlineSeconds", "backoffLimit", "clusterSelector", "deletionStrategy", "entrypoint", "entrypointNumCpus",
    "entrypointNumGpus", "entrypointResources", "jobId", "managedBy", "metadata", "rayClusterSpec", "runtimeEnvYAML",
    "shutdownAfterJobFinishes", "submissionMode", "submitterConfig", "submitterPodTemplate", "suspend",
    "ttlSecondsAfterFinished",
}  # fmt: skip
SPEC = {
    "authOptions",
    "autoscalerOptions",
    "enableInTreeAutoscaling",
    "headGroupSpec",
    "headServiceAnnotations",
    "rayVersion",
    "suspend",
    "workerGroupSpecs",
}
HEAD = {"enableIngress", "headService", "rayStartParams", "serviceType", "template"}
GROUP = {
    "groupName",
    "maxReplicas",
    "minReplicas",
    "numOfHosts",
    "rayStartParams",
    "replicas",
    "scaleStrategy",
    "template",
}
OPTIONS = {
    "env",
    "envFrom",
    "idleTimeoutSeconds",
    "image",
    "imagePullPolicy",
    "resources",
    "securityContext",
    "upscalingMode",
    "volumeMounts",
}


def read(name: str) -> dict[str, Any]:
    return yaml.safe_load((CLUSTER / name).read_text())


def cluster_spec(name: str) -> dict[str, Any]:
    spec = read(name)["spec"]
    return spec["rayClusterSpec"] if name == "rayjob.yaml" else spec


def groups(spec: dict[str, Any]) -> list[dict[str, Any]]:
    return [spec["headGroupSpec"], *spec["workerGroupSpecs"]]


def fits(resources: Resources, machine: Machine) -> bool:
    return (
        resources.reserved_cpus <= machine.cpus
        and resources.gpus <= machine.gpus
        and resources.memory_gb <= machine.memory_gb
    )


def config_of(words: list[str]) -> None:
    """Reads the config of a command of `jobs/full_pipeline.py` with its choices."""
    sets = [value for option, value in itertools.pairwise(words) if option == "--set"]
    machine = words[words.index("--machine") + 1] if "--machine" in words else None
    load_config(ROOT / words[words.index("-c") + 1], STAGES, sets, machine)


@pytest.mark.parametrize("name", ["raycluster.yaml", "rayjob.yaml"])
class TestKubeRay:
    def test_every_field_is_one_of_the_api(self, name):
        tree = read(name)
        assert (tree["apiVersion"], tree["kind"]) == (
            "ray.io/v1",
            {"raycluster.yaml": "RayCluster", "rayjob.yaml": "RayJob"}[name],
        )
        assert tree.keys() == {"apiVersion", "kind", "metadata", "spec"}
        assert tree["spec"].keys() <= (JOB if name == "rayjob.yaml" else SPEC)
        spec = cluster_spec(name)
        assert spec.keys() <= SPEC
        assert spec["headGroupSpec"].keys() <= HEAD
        assert spec["autoscalerOptions"].keys() <= OPTIONS
        assert spec["autoscalerOptions"]["upscalingMode"] in ("Default", "Aggressive", "Conservative")
        for group in spec["workerGroupSpecs"]:
            assert {"groupName", "maxReplicas", "minReplicas", "rayStartParams", "template"} <= group.keys() <= GROUP
            assert 0 <= group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
        for group in groups(spec):
            assert all(isinstance(value, str) for value in group["rayStartParams"].values()), "KubeRay takes texts only"

    def test_rays_autoscaler_reads_it(self, name):
        spec = copy.deepcopy(cluster_spec(name))
        config = _derive_autoscaling_config_from_ray_cr(
            {"metadata": {"name": "wider8k", "namespace": "default"}, "spec": spec}
        )
        validate_config(config)
        kinds = config["available_node_types"]
        found = {kind: (each["resources"].get("CPU"), each["resources"].get("GPU", 0)) for kind, each in kinds.items()}
        assert found == {"headgroup": (0, 0), "cpu": (8, 0), "gpu": (12, 1)}
        assert (kinds["gpu"]["min_workers"], kinds["gpu"]["max_workers"]) == (0, 8)
        assert config["idle_timeout_minutes"] == 5

    def test_every_worker_of_a_node_fits_one_of_its_machines(self, name):
        room = []
        for group in cluster_spec(name)["workerGroupSpecs"]:
            (container,) = group["template"]["spec"]["containers"]
            limits = container["resources"]["limits"]
            room.append(
                Machine(
                    float(limits["cpu"]),
                    float(limits.get("nvidia.com/gpu", 0)),
                    float(limits["memory"].removesuffix("Gi")),
                )
            )
        for stage, run in GPU4.items():
            resources = Resources.model_validate(run)
            assert any(fits(resources, machine) for machine in room), stage

    def test_its_pods_are_alike_and_hold_no_key(self, name):
        for group in groups(cluster_spec(name)):
            pod = group["template"]["spec"]
            (container,) = pod["containers"]
            assert container["image"] == "registry.example.com/wider8k:0.1.0"
            assert container["resources"]["requests"] == container["resources"]["limits"], "Ray counts the limits"
            assert {"containerPort": 8080, "name": "metrics"} in container["ports"]
            assert container["envFrom"] == [{"secretRef": {"name": "wider8k-store"}}]
            assert "env" not in container
            assert {mount["name"] for mount in container["volumeMounts"]} == {
                volume["name"] for volume in pod["volumes"]
            }

    def test_only_who_has_its_token_may_submit(self, name):
        assert cluster_spec(name)["authOptions"] == {"mode": "token"}

    def test_its_ray_is_that_of_the_lock(self, name):
        (version,) = re.findall(r'\[\[package\]\]\nname = "ray"\nversion = "([^"]+)"', (ROOT / "uv.lock").read_text())
        assert cluster_spec(name)["rayVersion"] == version


def test_the_image_has_all_that_is_imported():
    text = (CLUSTER / "Dockerfile").read_text()
    copied = {
        source for line in re.findall(r"^COPY --chown=ray (.*)$", text, re.MULTILINE) for source in line.split()[:-1]
    }
    assert {"pyproject.toml", "uv.lock", "README.md", "LICENSE", "pipeline", "stages", "configs", "jobs"} == copied
    assert all((ROOT / source).exists() for source in copied)


def test_a_ray_job_has_the_cluster_of_the_other_file():
    assert cluster_spec("rayjob.yaml") == cluster_spec("raycluster.yaml")


def test_what_a_ray_job_runs_exists_and_its_config_is_read():
    job = read("rayjob.yaml")
    (folder,) = re.findall(r"^WORKDIR (.*)$", (CLUSTER / "Dockerfile").read_text(), re.MULTILINE)
    # Absolute: a job without an upload has the working directory of the machine it is on.
    words = [word.removeprefix(f"{folder}/") for word in shlex.split(job["spec"]["entrypoint"])]
    assert job["spec"]["entrypoint"].count(f"{folder}/") == 2
    assert words[0] == "python"
    assert (ROOT / words[1]).is_file()
    config_of(words)
    assert job["spec"]["jobId"] == job["metadata"]["name"]
    assert job["spec"]["backoffLimit"] > 0, "a retry resumes"


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    """The file of the machines as `ray up` reads it, with Ray's defaults of the provider."""
    config = prepare_config(read("vms.yaml"))
    validate_config(config)
    return config


class TestVirtualMachines:
    def test_a_field_that_ray_does_not_know_is_refused(self):
        with pytest.raises(jsonschema.ValidationError, match="wrong"):
            validate_config(prepare_config(read("vms.yaml") | {"wrong": 1}))

    def test_workers_come_and_go(self, config):
        kinds = config["available_node_types"]
        assert {name: (kind["min_workers"], kind["max_workers"]) for name, kind in kinds.items()} == {
            "head": (0, 0), "cpu": (0, 4), "gpu": (0, 8),
        }  # fmt: skip
        assert config["max_workers"] == 12
        assert kinds["head"]["resources"] == {"CPU": 0}
        market = {name: kind["node_config"].get("InstanceMarketOptions") for name, kind in kinds.items()}
        assert market == {"head": None, "cpu": {"MarketType": "spot"}, "gpu": {"MarketType": "spot"}}

    @pytest.mark.parametrize("stage", GPU4)
    def test_every_worker_of_a_node_fits_one_of_its_machines(self, config, stage):
        kinds = (kind["resources"] for kind in config["available_node_types"].values())
        room = [Machine(kind["CPU"], kind.get("GPU", 0), kind.get("memory", 0) / 2**30) for kind in kinds]
        assert any(fits(Resources.model_validate(GPU4[stage]), machine) for machine in room)

    def test_only_who_has_the_token_may_submit(self, config):
        assert config["file_mounts"]["/home/ubuntu/.ray/auth_token"] == "~/.ray/auth_token"
        for line in (config["head_start_ray_commands"][-1], config["worker_start_ray_commands"][-1]):
            assert "RAY_AUTH_MODE=token" in line.partition("ray start")[0]

    def test_its_start_commands_are_rays(self, config):
        for line in (*config["head_start_ray_commands"], *config["worker_start_ray_commands"]):
            assert set(re.findall(r"--[a-z-]+", line.partition("ray start")[2])) <= RAY_START


class TestSlurm:
    TEXT = (CLUSTER / "slurm.sh").read_text()

    def test_bash_reads_it(self):
        subprocess.run(["bash", "-n", str(CLUSTER / "slurm.sh")], check=True)

    def test_it_stops_at_errors_and_its_options_come_before_the_first_command(self):
        lines = self.TEXT.splitlines()
        options = [number for number, line in enumerate(lines) if line.startswith("#SBATCH ")]
        first = next(number for number, line in enumerate(lines) if line and not line.startswith("#"))
        assert lines[first] == "set -euo pipefail"
        assert options
        assert max(options) < first, "SLURM reads none behind a command"

    def test_its_start_commands_are_rays(self):
        started = " ".join(re.findall(r"(?:ray start |options\+?=\()(.*)", self.TEXT))
        assert set(re.findall(r"--[a-z-]+", started)) <= RAY_START

    def test_it_is_queued_again_before_its_time_is_over(self):
        options = dict(re.findall(r"^#SBATCH --([a-z-]+)(?:=(\S+))?$", self.TEXT, re.MULTILINE))
        assert options["signal"] == "B:USR1@180"
        assert options["open-mode"] == "append"
        assert "requeue" in options
        assert options["ntasks-per-node"] == "1"


# On CI the locked tools are there: a check that is left out there would be a failure.
@pytest.mark.skipif(not (shutil.which("shellcheck") or os.environ.get("CI")), reason="needs shellcheck: uv sync")
@pytest.mark.parametrize("script", ["jobs/cluster/slurm.sh", ".ci/run", ".ci/audit"])
def test_shellcheck_finds_nothing(script):
    done = subprocess.run(["shellcheck", str(ROOT / script)], capture_output=True, text=True, check=False)
    assert done.stdout == ""


COMMENTED = {name: (CLUSTER / name).read_text() for name in ("raycluster.yaml", "rayjob.yaml", "vms.yaml", "slurm.sh")}


@pytest.mark.parametrize("name", COMMENTED)
def test_the_commands_of_a_comment_are_read_by_those_they_name(name):
    comments = "\n".join(line for line in COMMENTED[name].splitlines() if line.startswith("#"))
    text = re.sub(r"\\\n# *", "", comments)
    found = re.findall(r"(?:jobs/submit\.py|jobs/full_pipeline\.py|slurm\.sh|wider8k status) (-c .*)", text)
    assert found
    for line in found:
        words = shlex.split(line.partition("  #")[0].rstrip(" \\"))
        config_of([word for word in words if word != "--watch"])
    for line in re.findall(r"jobs/submit\.py (-c .*)", text):
        assert submit.main(["--dry-run", *shlex.split(line)]) == 0


class TestPage:
    """docs/clusters.md has the figures of configs/COSTS.md and the names that are there."""

    TEXT = (ROOT / "docs/clusters.md").read_text()
    COSTS = (ROOT / "configs/COSTS.md").read_text()

    @staticmethod
    def cells(text: str, first: str) -> list[str]:
        """Returns the cells of the only row of a table that begins so."""
        (line,) = (line for line in text.splitlines() if line.startswith(f"| {first} |"))
        return [cell.strip() for cell in line.strip("|").split("|")]

    @pytest.mark.parametrize("name", ["crface", "crface_8k", "mogface_full", "full"])
    def test_a_config_costs_what_the_page_of_costs_says(self, name):
        configs = self.COSTS[self.COSTS.index("## Every config") : self.COSTS.index("## Every training")]
        costs, page = self.cells(configs, f"`{name}`"), self.cells(self.TEXT, f"`{name}`")
        assert (page[1], page[5]) == (costs[7], costs[10])
        self.require_hours(page)

    def test_the_dumps_cost_what_the_page_of_costs_says(self):
        (line,) = (line for line in self.COSTS.splitlines() if line.startswith("| all three | bfloat16 |"))
        costs = [cell.strip() for cell in line.strip("|").split("|")]
        page = self.cells(self.TEXT, "three dumps of 32,203 images at 8K, bfloat16")
        assert (page[1], page[5]) == (costs[4], costs[7])
        self.require_hours(page)

    @staticmethod
    def require_hours(page: list[str]) -> None:
        for gpus, shown in zip((1, 4, 8), page[2:5], strict=True):
            hours = float(page[1]) / gpus
            assert float(shown.removesuffix(" h")) == pytest.approx(hours, rel=0.02, abs=0.05)

    def test_every_file_is_named(self):
        assert [file.name for file in CLUSTER.iterdir() if f"`{file.name}`" not in self.TEXT] == []

    def test_every_metric_is_named(self):
        names = [name.removeprefix("wider8k") for name in (*COUNTERS, *GAUGES)]
        assert [name for name in names if f"{name}`" not in self.TEXT] == []
