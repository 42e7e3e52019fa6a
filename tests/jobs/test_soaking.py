"""The parts of the soak: what is drawn, what is counted, and that a fault is one."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from jobs.soaking.clocks import Clock
from jobs.soaking.comparison import Contents, Difference, difference
from jobs.soaking.disturbed import Disturbed, _Pending
from jobs.soaking.faults import DriverKilled, Fault, WorkerKilled, has_work
from jobs.soaking.figures import Happened, Log, Passed, summary, table
from jobs.soaking.scene import Scene, is_output
from jobs.soaking.schedule import Schedule
from jobs.soaking.small_disk import small_disk
from jobs.soaking.storage_faults import DiskFull, fill, flip
from pipeline.engine.storage import Store
from tests.lacking import lacks

KINDS = ("a", "b", "c", "d")


def drawn(seed: int, times: int) -> list[tuple[float, str | None]]:
    schedule = Schedule(seed, KINDS, 20, 60)
    return [(schedule.seconds(), schedule.kind(KINDS)) for _ in range(times)]


def test_a_schedule_is_that_of_its_seed_and_uses_every_kind_equally_often() -> None:
    assert drawn(7, 40) == drawn(7, 40) != drawn(8, 40)
    assert set(Counter(kind for _, kind in drawn(7, 40)).values()) == {10}
    seconds = [each for each, _ in drawn(7, 400)]
    assert 20 <= min(seconds) < 21 and 59 < max(seconds) <= 60


def test_what_is_not_possible_now_is_made_up_for_later() -> None:
    schedule = Schedule(1, KINDS, 1, 1)
    assert schedule.kind(()) is None
    assert {schedule.kind(("a", "b")) for _ in range(4)} == {"a", "b"}
    assert sorted(str(schedule.kind(KINDS)) for _ in range(4)) == ["c", "c", "d", "d"]
    last = schedule.kind(("d",))
    assert last == "d"
    schedule.give_back("d")
    assert schedule.kind(("d", "a")) in {"a", "d"}


@pytest.mark.parametrize(("kinds", "least", "most"), [((), 1, 2), (KINDS, 0, 2), (KINDS, 3, 2)])
def test_a_schedule_that_cannot_be_is_refused(kinds: tuple[str, ...], least: float, most: float) -> None:
    with pytest.raises(ValueError, match="expected"):
        Schedule(1, kinds, least, most)


GOOD = Contents({("n", "x"): 1, ("n", "y"): 1}, {"n/shard-1": "11", "n/shard-2": "22", "n.md": "33"})


def test_equal_contents_have_no_difference() -> None:
    assert not difference(GOOD, GOOD)
    assert GOOD.count == 2


def test_every_difference_is_counted_and_named() -> None:
    found = Contents({("n", "x"): 3}, {"n/shard-1": "other", "n/shard-3": "44", "n.md": "33"})
    unlike = difference(found, GOOD)
    assert unlike
    assert unlike.counts == {"lost": 1, "doubled": 2, "changed": 1, "absent": 1, "added": 1}
    assert unlike.names == (
        "n: row y lost",
        "n: row x doubled",
        "n/shard-1 has other bytes",
        "n/shard-2 is missing",
        "n/shard-3 is not in the quiet run",
    )
    assert (unlike + unlike).doubled == 4


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("boxes/4f/shard-1.parquet", True),
        ("boxes/4f/shard-1.json", True),
        ("boxes/4f/manifest-1.json", True),
        ("detector/4f/work/step-0000000012.pt", True),
        ("detector/4f/work/best.safetensors", True),
        ("detector/4f/work/ray/state.json", False),
        ("boxes/4f/_inflight/x.json", False),
        ("boxes/4f/.tmp-12.json", False),
        ("runs/20261127.jsonl", False),
        ("runs/live.json", False),
        ("lock.json", False),
        ("detector.safetensors", False),
    ],
)
def test_progress_is_what_a_later_run_can_use(name: str, expected: bool) -> None:
    assert is_output(name) is expected


def test_a_clock_is_moved_while_its_process_runs(tmp_path: Path) -> None:
    clock = Clock(tmp_path / "clock")
    code = (
        "import time, pickle\n"
        "for _ in range(2): input(); print(time.time(), time.time_ns(), time.monotonic())\n"
        "assert pickle.loads(pickle.dumps(time.time)) is time.time"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env=os.environ | clock.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdin and process.stdout
    for seconds in (0.0, -86_400.0):
        clock.move(seconds)
        process.stdin.write("\n")
        process.stdin.flush()
        now, now_ns, steady = map(float, process.stdout.readline().split())
        assert abs(now - time.time() - seconds) < 5
        assert abs(now_ns / 1e9 - now) < 1
        assert abs(steady - time.monotonic()) < 5
    assert process.wait() == 0


def test_a_bit_is_flipped_in_place(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    store.write("n/x", b"abcd")
    file = (tmp_path / "n/x").stat().st_ino
    assert flip(store, "n/x", 0.5, 1) == 2
    assert store.read("n/x") == bytes([*b"ab", ord("c") ^ 2, *b"d"])
    assert (tmp_path / "n/x").stat().st_ino == file
    assert flip(store, "n/gone", 0.5, 1) is None


def test_a_full_disk_is_full_to_the_last_byte(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 2) as problem:
        if problem:
            lacks(problem)
        store = Store(str(tmp_path / "disk/store"))
        store.write("kept", b"1" * 5000)
        assert fill(tmp_path / "disk/ballast") > 2**20
        with pytest.raises(OSError, match="No space left"):
            store.write("other", b"1" * 5000)
        assert store.read("kept") == b"1" * 5000
        (tmp_path / "disk/ballast").unlink()
        store.write("other", b"1" * 5000)
    assert list((tmp_path / "disk").iterdir()) == []


def test_where_nothing_can_be_mounted_it_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with small_disk(tmp_path / "disk", 2) as problem:
        assert "no small file system can be mounted here" in problem and "mount" in problem


def test_the_table_has_a_row_for_every_kind_also_for_those_that_never_happened() -> None:
    happened = [Happened("a", "x", "p", 0, seconds, ended) for seconds, ended in ((1, False), (9, True), (2, False))]
    lines = table([*happened, Happened("b", "y", "p", 0)], {"c": "no mount"}, KINDS).splitlines()
    assert lines[2:] == [
        "| a | 3 | 1 | 2.0 | 9.0 |",
        "| b | 1 | 0 |  | , 1 never |",
        "| c | not injected: no mount | | | |",
        "| d | not injected: it was never its turn | | | |",
    ]


def test_a_fault_and_a_pass_are_a_line_each() -> None:
    line = Happened("a", "process 7", "pass 1 disk", 0, 2.25, ended_run=True).line()
    assert line.endswith("pass 1 disk  a: process 7; work went on after 2.2 s; the run failed and was submitted again")
    assert Happened("a", "process 7", "pass 1 disk", 0).line().endswith("process 7; work did not go on")
    passed = Passed("pass 1 S3", 60, 2, True, 5, 3, Difference())
    assert "pass 1 S3  ended after 60 s and 2 submissions; what was damaged" in passed.line()
    assert passed.line().endswith("5 rows, 3 files: the same bytes")
    other = Passed("pass 2 disk", 60, 1, False, 5, 3, Difference(lost=2, changed=1))
    assert "DIFFERENT: 2 rows lost, 0 rows doubled, 1 files of other bytes" in other.line()
    assert summary([passed, other], 120) == (
        "2 passes in 2.0 min, 3 submissions; 10 rows and 6 files compared with the quiet run: "
        "2 rows lost, 0 rows doubled, 1 files of other bytes, 0 files missing, 0 files too many"
    )


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("ray::MapWorker(MapBatches(ShardWorker)).submit()", True),
        ("ray::RayTrainWorker", True),
        ("ray::compute_whole", True),
        ("ray::IDLE", False),
        ("ray::RuntimeEnvAgent", False),
        ("ray::DashboardAgent", False),
        ("/usr/bin/python -m stages.cli.main run", False),
        ("", False),
    ],
)
def test_workers_that_have_work_are_known_by_their_name(command: str, expected: bool) -> None:
    assert has_work(command) is expected


@pytest.mark.parametrize(("fault", "explains"), [(WorkerKilled(), False), (DriverKilled(), True), (DiskFull(), True)])
def test_a_run_that_fails_is_a_problem_unless_the_fault_may_end_it(
    fault: Fault, explains: bool, tmp_path: Path
) -> None:
    (tmp_path / "pass-1.log").write_text("failed\n")
    scene = cast(Scene, SimpleNamespace(folder=tmp_path))
    passes = Disturbed(scene, Schedule(0, ["a"], 1, 1), {}, Contents({}, {}), Log(tmp_path / "log"), 1)
    passes._place = "pass 1"
    passes._pending.append(_Pending(Happened(fault.name, "one", "pass 1", 0.0), fault, 0.0, 0.0, set()))
    assert passes._explained(1) is explains
    assert passes._pending[0].happened.ended_run is explains
