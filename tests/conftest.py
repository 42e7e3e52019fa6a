"""Fixtures that every test may use."""

from __future__ import annotations

import ctypes
import gc
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadGroupScheduling
from xdist.workermanage import WorkerController

from pipeline.engine.storage import Store
from tests import slow_tests
from tests.lacking import lacks
from tests.processes import free_port

_HERE = Path(__file__).resolve().parent
if "PYTEST_XDIST_WORKER" in os.environ:
    # Two processes on two cores; read when torch is imported. Where a test takes two threads, they do not spin while the
    # other process has their core.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    # As `WORKER_MEMORY` has it in the pipeline's workers: a network's buffers stay in the heap, of a tenth of the time
    # that tests of networks take. Of this process alone: those that tests start have what people's have.
    gc.disable()  # until the tests are collected
    for name, value in ((-8, 1), (-4, 0), (-1, 2**30)):  # M_ARENA_MAX, M_MMAP_MAX, M_TRIM_THRESHOLD of malloc.h
        ctypes.CDLL(None).mallopt(name, value)


# Files whose tests share something that takes long to set up, and by what name; the rest goes to any free process.
_TOGETHER = {
    "tests/cluster/test_ray_executor.py": "cluster",
    "tests/stages/test_graph.py": "cluster",
    "tests/stages/test_wider_val.py": "cluster",
    "tests/cluster/test_train.py": "cluster",
    "tests/cluster/test_stopping.py": "stranger",
    "tests/cluster/test_ray_metrics.py": "metrics",
    "tests/jobs/test_ray_job.py": "head",
    "tests/training/loop/test_distributed.py": "two",
    "tests/training/loop/test_session_in_two.py": "two",
    "tests/test_readme.py": "readme",
    "tests/test_five_minutes.py": "wheel",
    "tests/stages/test_packaged_configs.py": "wheel",
}
# Files that build a large network for each first parameter: all tests of one network go to one of the processes.
_BY_PARAMETER = ("tests/contracts/test_detectors.py", "tests/models/detectors/test_mogface.py")


class _Together(LoadGroupScheduling):
    """Gives files that share something to one of the test processes; marks do not reach the scheduler in pytest 9.2."""

    def _split_scope(self, nodeid: str) -> str:
        file, _, test = nodeid.partition("::")
        if file in _BY_PARAMETER and "[" in test:
            return f"{file} {test.partition('[')[2].rstrip(']').partition('-')[0]}"
        return _TOGETHER.get(file, nodeid)

    # A process that dies on a test (its time limit, a crash) must cost that test only. As they are, the two methods
    # below give the test to the next process, which dies as well, and leave a new one waiting for a second test.

    def remove_node(self, node: WorkerController) -> str | None:
        units = self.assigned_work[node].values()
        crashed = next((test for unit in units for test, done in unit.items() if not done), None)
        for unit in units:
            if crashed in unit:
                unit[crashed] = True
        self.assigned_work[node] = {
            scope: unit for scope, unit in self.assigned_work[node].items() if not all(unit.values())
        }
        super().remove_node(node)
        return crashed

    def schedule(self) -> None:
        super().schedule()
        if self.workqueue:
            for node in self.nodes:
                self._reschedule(node)


def pytest_collection_finish() -> None:
    """Leaves what collecting the tests has made, and keeps, out of every later search for garbage.

    The quick tests take a twelfth less of CPU with it.
    """
    gc.freeze()
    gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what a measured run found slow, before `-m` chooses."""
    slow_tests.mark(items)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> _Together:
    """Returns who decides which test process runs what."""
    return _Together(config, log)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real WIDER FACE data and reference vectors; skips where it is absent, fails on CI."""
    root = Path(os.environ.get("WIDER8K_SHARED", _HERE.parent.parent / "shared"))
    if not (root / "reference").is_dir():
        lacks(f"no shared data at {root}; set WIDER8K_SHARED to the folder that holds data/ and reference/")
    return root


@pytest.fixture(scope="session")
def s3_bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of an empty bucket of an S3 server process on loopback."""
    port = free_port()
    log = tmp_path_factory.mktemp("s3") / "log"
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=log.open("w"),
        stderr=subprocess.STDOUT,
    )
    os.environ.update(AWS_ACCESS_KEY_ID="testing", AWS_SECRET_ACCESS_KEY="testing", AWS_DEFAULT_REGION="us-east-1")
    os.environ["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{port}"
    try:
        for _ in range(200):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/moto-api/", timeout=5).close()
                break
            except OSError:
                time.sleep(0.1)
        else:
            raise RuntimeError(f"the S3 server did not start: {log.read_text()}")
        urllib.request.urlopen(
            urllib.request.Request(f"http://127.0.0.1:{port}/bucket", method="PUT"), timeout=10
        ).close()
        yield "s3://bucket"
    finally:
        server.terminate()
        server.wait()
        del os.environ["AWS_ENDPOINT_URL"]


@pytest.fixture
def stored(s3_bucket: str, tmp_path: Path) -> Callable[[Path], str]:
    """Copies the files of a folder into the bucket, and returns the address that they are below."""

    def copy(folder: Path) -> str:
        address = f"{s3_bucket}/{tmp_path.name}/{folder.name}"
        for file in (each for each in folder.rglob("*") if each.is_file()):
            Store(address).write(file.relative_to(folder).as_posix(), file.read_bytes())
        return address

    return copy
