"""Limits and use of memory, of the machine and of a control group."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from pipeline.engine import machine_memory
from pipeline.engine.machine_memory import kernel_kills, memory_limit, memory_shortage

GB = 2**30


@pytest.fixture
def group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A control group's files on a machine of 64 GB, of which 8 are in use."""
    for name, file in (("_LIMITS", "max"), ("_USES", "current"), ("_STATISTICS", "stat")):
        monkeypatch.setattr(machine_memory, name, (str(tmp_path / file), str(tmp_path / "none")))
    machine = SimpleNamespace(total=64 * GB, available=56 * GB)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: machine)
    return tmp_path


def write(group: Path, limit: object, used: int, files: int) -> None:
    (group / "max").write_text(f"{limit}\n")
    (group / "current").write_text(f"{used}\n")
    (group / "stat").write_text(f"anon 5\ninactive_file {files}\nactive_file 7\n")


def test_the_limit_is_the_lower_one(group: Path) -> None:
    assert memory_limit() == 64 * GB
    write(group, 16 * GB, GB, 0)
    assert memory_limit() == 16 * GB
    write(group, "max", GB, 0)
    assert memory_limit() == 64 * GB


def test_memory_is_short_in_the_group_or_on_the_machine(group: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert memory_shortage() == ""
    write(group, 16 * GB, 15 * GB, GB)
    assert memory_shortage() == "", "the kernel drops files first"
    write(group, 16 * GB, 15 * GB, 0)
    assert re.fullmatch(r"15\.0 of 16\.0 GB in use, \d+\.\d by this process", memory_shortage())
    write(group, "max", 15 * GB, 0)
    assert memory_shortage() == ""
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=64 * GB, available=6 * GB))
    assert memory_shortage().startswith("58.0 of 64.0 GB in use")


def test_on_this_machine_there_is_memory_and_a_count() -> None:
    assert GB // 2 < memory_limit() < 2**50
    assert kernel_kills() >= 0


def test_a_count_that_cannot_be_read_is_zero(tmp_path: Path) -> None:
    (tmp_path / "vmstat").write_text("pgfault 12\noom_kill 3\nbroken\n")
    assert machine_memory._field(str(tmp_path / "vmstat"), "oom_kill") == 3
    assert machine_memory._field(str(tmp_path / "vmstat"), "other") == 0
    assert machine_memory._field(str(tmp_path / "none"), "oom_kill") == 0
