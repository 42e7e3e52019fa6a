import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from pipeline.engine.stage import Resources, StageContext
from pipeline.inference.memory import out_of_memory
from pipeline.inference.worker import planned_weights, set_threads
from pipeline.models.checkpoint import Checkpoint
from stages.base_training import first_weights


@pytest.mark.parametrize("read", [planned_weights, first_weights])
def test_a_file_is_the_one_that_was_planned_with(tmp_path: Path, read: Callable[[StageContext], bytes | None]) -> None:
    file = tmp_path / "weights"
    file.write_bytes(b"these")
    plain = StageContext("node", str(file), Resources(), {})
    planned = StageContext(
        "node", str(file), Resources(), {}, file_hashes={"weights": Checkpoint(b"these").content_hash}
    )
    assert read(plain) == read(planned) == b"these"
    file.write_bytes(b"others")
    assert read(plain) == b"others"
    with pytest.raises(ValueError, match=r"weights at .* on \S+ are not those that were planned"):
        read(planned)


def test_threads_are_the_nodes() -> None:
    set_threads(StageContext("node", None, Resources(cpus=2), {}))
    assert torch.get_num_threads() == 2
    set_threads(StageContext("node", None, Resources(cpus=0.5), {}))
    assert torch.get_num_threads() == 1


def test_threads_are_set_before_torch_is_imported() -> None:
    """It reads then whether it may use huge pages."""
    code = """
import sys, stages.predict, stages.redetect, stages.rerank
class First(Exception): pass
def check(ctx):
    assert "torch" not in sys.modules
    raise First
for module in (stages.predict, stages.redetect, stages.rerank):
    module.set_threads = check
    name = module.__name__.removeprefix("stages.")
    try:
        getattr(module, name.capitalize())().open(None)
    except First:
        continue
    raise SystemExit("something came first")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_only_a_lack_of_memory_is_one() -> None:
    assert out_of_memory(RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"))
    with pytest.raises(RuntimeError) as error:
        torch.empty(2**50, dtype=torch.uint8)
    assert out_of_memory(error.value)
    with pytest.raises(RuntimeError) as other:
        torch.ones(2, 3) @ torch.ones(2, 3)
    assert not out_of_memory(other.value)
