"""A run on three machines under random faults, again and again: its bytes stay those of a quiet run.

    python jobs/soak.py --minutes 30 --seed 1 --out /tmp/soak

Three `ray start` machines on this one, a store that is by turns on a stand-in for S3 and on a small disk; a dump, a
training, a re-ranking and their AP; every 20 to 60 s a fault: a worker or the driver killed, a machine lost or added, a
clock moved, the disk full, S3 that answers 503 or slowly, a bit flipped. Every shard, checkpoint and figure is compared
by checksum with those of a run without faults; it exits with 1 where anything differs, and where a run failed that no
fault had hit.
"""

from __future__ import annotations

import os
import platform
import random
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import typer

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # `jobs` is no installed package

from jobs.benchmarks.slow_s3 import BUCKET, slow_s3  # noqa: E402
from jobs.simulated.small_cluster import SmallCluster  # noqa: E402
from jobs.soaking.comparison import Contents, contents  # noqa: E402
from jobs.soaking.disturbed import Disturbed, SoakFailed  # noqa: E402
from jobs.soaking.faults import (  # noqa: E402
    ClockMoved,
    DriverKilled,
    MachineAdded,
    MachineLost,
    WorkerKilled,
    by_name,
)
from jobs.soaking.figures import Log, summary, table  # noqa: E402
from jobs.soaking.scene import CONFIG, MACHINES, Scene  # noqa: E402
from jobs.soaking.schedule import Schedule  # noqa: E402
from jobs.soaking.small_disk import small_disk  # noqa: E402
from jobs.soaking.storage_faults import BitFlipped, DiskFull, S3Refuses, S3Slow  # noqa: E402
from pipeline.engine.storage import Store  # noqa: E402

FAULTS = by_name(
    WorkerKilled, DriverKilled, MachineLost, MachineAdded, ClockMoved, DiskFull, S3Refuses, S3Slow, BitFlipped
)
DISK_MB = 400
app = typer.Typer(help=__doc__, add_completion=False, rich_markup_mode=None)


@app.command(help=__doc__)
def soak(
    out: Annotated[Path, typer.Option(help="Folder of stores, logs of the runs and the table; made where absent.")],
    minutes: Annotated[float, typer.Option(min=0.1, help="Of faults; the pass that is under way is finished.")] = 30,
    seed: Annotated[int, typer.Option(help="Of what happens, to what, and when.")] = 1,
    least: Annotated[float, typer.Option(min=1, help="Seconds between two faults, at least.")] = 20,
    most: Annotated[float, typer.Option(min=1, help="Seconds between two faults, at most.")] = 60,
    fault: Annotated[
        list[str] | None, typer.Option(help=f"Of these kinds; again for more: {', '.join(FAULTS)}.")
    ] = None,
) -> None:
    """Runs it."""
    if unknown := sorted({*(fault or ())} - FAULTS.keys()):
        raise typer.BadParameter(f"no fault {', '.join(unknown)}; there are {', '.join(FAULTS)}", param_hint="--fault")
    try:
        schedule = Schedule(seed, fault or FAULTS, least, most)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--least, --most") from None
    out = out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    log = Log(out / "log.txt")
    log(f"{time.strftime('%Y-%m-%d %H:%M:%S')}, seed {seed}, a fault every {least:g} to {most:g} s; {_machine()}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the machines end with it
    try:
        with _scene(out, seed) as scene:
            good = _soak(scene, schedule, fault or list(FAULTS), log, minutes)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    if not good:
        raise typer.Exit(1)


def _soak(scene: Scene, schedule: Schedule, kinds: Sequence[str], log: Log, minutes: float) -> bool:
    """Returns whether every pass gave what the quiet run gave."""
    left_out = {name: FAULTS[name].missing(scene) for name in kinds if FAULTS[name].missing(scene)}
    for name, reason in left_out.items():
        log(f"not injected: {name}: {reason}")
    quiet = _quiet(scene, log)
    faults = {name: FAULTS[name] for name in kinds if name not in left_out}
    disturbed, begun, failed = Disturbed(scene, schedule, faults, quiet, log, minutes), time.monotonic(), ""
    try:
        while not disturbed.over:
            number = len(disturbed.passes) + 1
            where, store = _store(scene, number)
            disturbed.run(f"pass {number} {where}", store)
            if not disturbed.passes[-1].difference:
                store.delete_folder("")
    except SoakFailed as error:
        failed = str(error)
    finally:
        disturbed.stop()
        text = "\n".join(
            ["", table(disturbed.happened, left_out, kinds), "", summary(disturbed.passes, time.monotonic() - begun)]
        )
        log(text)
    for line in (*disturbed.problems, *filter(None, [failed])):
        log(f"FAILED: {line}")
    never = [each for each in disturbed.happened if each.recovered is None]
    return not (failed or disturbed.problems or never or any(each.difference for each in disturbed.passes))


def _quiet(scene: Scene, log: Log) -> Contents:
    """Returns what a run without faults leaves."""
    begun, output = time.monotonic(), scene.folder / "quiet.log"
    if code := scene.submit(str(output)).wait():
        log(f"FAILED: the quiet run ended with {code}; see {output}")
        raise typer.Exit(1)
    found = contents(scene.store, CONFIG)
    seconds = time.monotonic() - begun
    log(f"{time.strftime('%H:%M:%S')}  quiet run: {seconds:.0f} s, {found.count} rows, {len(found.files)} files")
    return found


def _store(scene: Scene, number: int) -> tuple[str, Store]:
    """Returns where the store of a pass is, in a word, and the store: by turns on S3 and here."""
    if number % 2 == 0:
        return "disk", Store(str((scene.disk or scene.folder) / f"pass-{number}"))
    return "S3", Store(f"s3://{BUCKET}/pass-{number}")


@contextmanager
def _scene(out: Path, seed: int) -> Iterator[Scene]:
    """Starts machines, disk and S3, and ends them."""
    for name in ("quiet", "disk"):
        shutil.rmtree(out / name, ignore_errors=True)
    with ExitStack() as opened:
        no_disk = opened.enter_context(small_disk(out / "disk", DISK_MB))
        url = opened.enter_context(slow_s3())
        cluster = SmallCluster()  # of this environment, which names the stand-in
        opened.callback(cluster.close)
        disk = None if no_disk else out / "disk"
        scene = Scene(cluster, out, random.Random(seed), url, disk, no_disk, Store(str(out / "quiet")))
        for _ in range(MACHINES):
            scene.add_machine()
        opened.callback(scene.kill_driver)
        yield scene


def _machine() -> str:
    load = os.getloadavg()[0]
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, load {load:.1f}"


if __name__ == "__main__":
    app()
