"""The newest intact checkpoint is found; what is saved is a copy of the state."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.engine.storage import Store
from pipeline.training.loop.checkpoints import Checkpoints


@pytest.fixture
def checkpoints(tmp_path: Path) -> Iterator[Checkpoints]:
    opened = Checkpoints(Store(str(tmp_path)), "work")
    yield opened
    opened.close()


def _file(folder: Path, step: int) -> Path:
    return folder / "work" / f"step-{step:010d}.pt"


def _state(value: float) -> dict[str, Any]:
    return {
        "weights": torch.full((3,), value),
        "evaluations": [{"step": 1, "ap": {"easy": value}}],
        "bad": {"a": "why"},
    }


def _saved(checkpoints: Checkpoints, *steps: int) -> None:
    for step in steps:
        checkpoints.save(step, _state(step))
    checkpoints.wait()


def test_nothing_saved_nothing_found(checkpoints: Checkpoints) -> None:
    assert checkpoints.newest() is None
    assert checkpoints.steps() == []


def test_the_newest_is_found_and_one_more_is_kept(checkpoints: Checkpoints, tmp_path: Path) -> None:
    _saved(checkpoints, 8, 9, 10, 100)  # by number, not by text
    found = checkpoints.newest()
    assert found is not None
    step, state = found
    assert step == 100
    assert torch.equal(state["weights"], torch.full((3,), 100.0))
    assert (state["evaluations"], state["bad"]) == ([{"step": 1, "ap": {"easy": 100.0}}], {"a": "why"})
    assert checkpoints.steps() == [10, 100]
    assert sorted(tmp_path.joinpath("work").iterdir()) == [_file(tmp_path, 10), _file(tmp_path, 100)]
    assert Checkpoints(Store(str(tmp_path)), "other").newest() is None


def _flip(place: int) -> Callable[[bytes], bytes]:
    def flipped(data: bytes) -> bytes:
        damaged = bytearray(data)
        damaged[place] ^= 1
        return bytes(damaged)

    return flipped


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: data[: len(data) // 2], id="cut off"),
        pytest.param(lambda data: data[:-1], id="one byte short"),
        pytest.param(lambda data: data + b"\0", id="one byte long"),
        pytest.param(lambda data: b"", id="empty"),
        pytest.param(lambda data: data[:7], id="shorter than the checksum"),
        pytest.param(lambda data: bytes(len(data)), id="zeros"),
        pytest.param(_flip(500), id="a bit flipped"),
        pytest.param(_flip(0), id="a bit of the checksum flipped"),
    ],
)
def test_a_damaged_newest_one_is_replaced_by_the_one_before(
    checkpoints: Checkpoints, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    _saved(checkpoints, 5, 6)
    file = _file(tmp_path, 6)
    file.write_bytes(damage(file.read_bytes()))
    found = checkpoints.newest()
    assert found is not None and found[0] == 5
    _file(tmp_path, 5).unlink()
    assert checkpoints.newest() is None
    # The training overwrites the damaged one.
    _saved(checkpoints, 6)
    assert checkpoints.newest() is not None


def test_what_is_saved_is_a_copy(checkpoints: Checkpoints) -> None:
    weights, evaluations, bad = torch.zeros(300, 300), [{"step": 1}], {"a": "why"}
    checkpoints.save(1, {"nested": [{"weights": weights}], "evaluations": evaluations, "bad": bad})
    weights.fill_(7)  # while the thread may be writing
    evaluations.append({"step": 2})
    bad["b"] = "later"
    checkpoints.wait()
    found = checkpoints.newest()
    assert found is not None
    assert not found[1]["nested"][0]["weights"].any()
    assert (found[1]["evaluations"], found[1]["bad"]) == ([{"step": 1}], {"a": "why"})


def test_layout_and_type_stay(checkpoints: Checkpoints) -> None:
    kernels = torch.randn(4, 3, 3, 3).to(memory_format=torch.channels_last)
    checkpoints.save(1, {"kernels": kernels, "half": kernels.bfloat16(), "count": torch.tensor(3)})
    checkpoints.wait()
    found = checkpoints.newest()
    assert found is not None
    assert torch.equal(found[1]["kernels"], kernels)
    assert found[1]["kernels"].stride() == kernels.stride()
    assert (found[1]["half"].dtype, found[1]["count"].dtype) == (torch.bfloat16, torch.int64)


def test_what_belongs_before_is_there_before(checkpoints: Checkpoints, tmp_path: Path) -> None:
    seen: list[bool] = []
    checkpoints.save(3, _state(1), before=lambda: seen.append(_file(tmp_path, 3).exists()))
    checkpoints.wait()
    assert seen == [False] and _file(tmp_path, 3).exists()


def test_errors_of_the_writing_thread_are_raised(tmp_path: Path) -> None:
    def full() -> None:
        raise OSError("no space left")

    checkpoints = Checkpoints(Store(str(tmp_path)), "work")
    _saved(checkpoints, 1)
    checkpoints.save(2, _state(2), before=full)
    with pytest.raises(OSError, match="no space left"):
        checkpoints.save(3, _state(3))
    with pytest.raises(OSError, match="no space left"):
        checkpoints.close()
    with pytest.raises(RuntimeError):  # the thread has ended all the same
        checkpoints._pool.submit(full)
    found = checkpoints.newest()
    assert found is not None and found[0] == 1
    assert checkpoints.steps() == [1]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "work").write_text("a file where the folder should be")
    checkpoints = Checkpoints(Store(str(tmp_path)), "work/inner")
    checkpoints.save(1, _state(1))
    with pytest.raises(OSError, match="work"):
        checkpoints.close()
