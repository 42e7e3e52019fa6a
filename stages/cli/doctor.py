"""doctor: whether this machine has what the commands need, and the command that fixes what it lacks."""

from __future__ import annotations

import json as jsonlib
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Literal

import psutil
import typer

from pipeline.engine.install_command import install_command

GIGABYTE = 2**30
PACKAGES = ("wider8k", "torch", "torchvision", "ray", "pyarrow", "numpy", "opencv-python-headless")
STORE_GB = 1.0  # below it not even the smoke run and Ray's logs have room
SHARED_MEMORY_GB = 0.5  # of a local cluster's object store


@dataclass(frozen=True, slots=True)
class Check:
    """One line: what was checked, how it is, what was found, and the command that helps."""

    name: str
    state: Literal["ok", "optional", "missing"]
    found: str
    fix: str = ""


def doctor(
    store: Annotated[Path, typer.Option(help="Folder that runs will be stored in.")] = Path("runs"),
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of lines.")] = False,
    start_ray: Annotated[bool, typer.Option("--ray/--no-ray", help="Start Ray for a moment: five seconds.")] = True,
) -> None:
    """Check versions, devices, memory, disk, the store and Ray; exit code 1 where something needed is missing.

    Example: wider8k doctor --no-ray
    """
    checks = [*_versions(), *_devices(), *_engines(), _memory(), _shared_memory(), *_store(store)]
    checks += [_ray()] if start_ray else []
    if json:
        print(jsonlib.dumps([asdict(check) for check in checks], indent=2))
    else:
        _print(checks)
    if any(check.state == "missing" for check in checks):
        raise typer.Exit(1)


def _print(checks: Sequence[Check]) -> None:
    signs = {"ok": "ok", "optional": "--", "missing": "NO"}
    width = max(len(check.name) for check in checks)
    for check in checks:
        print(f"{signs[check.state]}  {check.name:{width}}  {check.found}")
        if check.fix:
            print(f"    {'':{width}}  {check.fix}")
    bad = sum(check.state == "missing" for check in checks)
    print(f"{bad} of {len(checks)} checks failed" if bad else "everything needed is here")


def _versions() -> list[Check]:
    good = sys.version_info >= (3, 11)
    fix = "" if good else "install Python 3.11 or newer"
    checks = [Check("Python", "ok" if good else "missing", f"{platform.python_version()} ({sys.executable})", fix)]
    for package in PACKAGES:
        try:
            checks.append(Check(package, "ok", version(package)))
        except PackageNotFoundError:
            # A checkout on the path is no installed package.
            state: Literal["optional", "missing"] = "optional" if package == "wider8k" else "missing"
            checks.append(Check(package, state, "not installed", install_command(package)))
    return checks


def _devices() -> list[Check]:
    import torch

    checks = [Check("CPU cores", "ok", f"{psutil.cpu_count() or 1} ({platform.machine()})")]
    if not torch.cuda.is_available():
        reason = "torch is built without CUDA" if torch.version.cuda is None else "no CUDA device, or no driver"
        return [*checks, Check("GPU", "optional", f"none: {reason}")]
    for number in range(torch.cuda.device_count()):
        device = torch.cuda.get_device_properties(number)
        checks.append(Check(f"GPU {number}", "ok", f"{device.name}, {device.total_memory / GIGABYTE:.0f} GB"))
    return checks


def _engines() -> list[Check]:
    from pipeline.inference.engines import ENGINES

    checks = []
    for name, engine in ENGINES.items():
        missing = engine.missing
        found = f"not installed: {', '.join(missing)}" if missing else f"on {' and '.join(engine.devices)}"
        fix = install_command(f"wider8k[{engine.extra}]") if missing and engine.extra else ""
        checks.append(Check(f"engine {name}", "optional" if missing else "ok", found, fix))
    return checks


def _memory() -> Check:
    memory = psutil.virtual_memory()
    return Check("memory", "ok", f"{memory.available / GIGABYTE:.1f} of {memory.total / GIGABYTE:.1f} GB free")


def _shared_memory() -> Check:
    folder = Path("/dev/shm")
    if not folder.is_dir():
        return Check("shared memory", "ok", "this system has no /dev/shm; Ray uses files")
    free = shutil.disk_usage(folder).free / GIGABYTE
    good = free >= SHARED_MEMORY_GB
    fix = "" if good else "in a container: docker run --shm-size=1g; else Ray uses files, and is slower"
    return Check("shared memory", "ok" if good else "optional", f"{free:.1f} GB free in {folder}", fix)


def _store(store: Path) -> list[Check]:
    above = store.absolute()
    while not above.exists() and above != above.parent:
        above = above.parent
    free = shutil.disk_usage(above).free / GIGABYTE
    good = free >= STORE_GB
    fix = "" if good else "free some, or store elsewhere: --set store=/a/larger/disk"
    return [
        _attempt("store", lambda: _write_into(above), "choose another: --set store=/a/folder/of/yours"),
        Check("disk", "ok" if good else "missing", f"{free:.1f} GB free at {above}", fix),
    ]


def _write_into(folder: Path) -> str:
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is no folder")
    try:
        with tempfile.TemporaryFile(dir=folder):
            return f"{folder} can be written"
    except OSError as error:
        raise OSError(f"nothing can be written into {folder} ({error.strerror})") from None


def _ray() -> Check:
    def start() -> str:
        from pipeline.cluster.address import joined
        from pipeline.cluster.ray_executor import RayExecutor

        executor = RayExecutor(cpus=None if joined() else os.cpu_count())
        try:
            machines = executor.machines()
        finally:
            executor.close()
        cores = sum(machine.cpus for machine in machines)
        where = "the cluster of RAY_ADDRESS" if joined() else "a cluster of this machine"
        return f"{where} starts: {len(machines)} machine{'s' * (len(machines) != 1)}, {cores:.0f} CPUs"

    return _attempt("Ray", start, "--local works without it")


def _attempt(name: str, action: Callable[[], str], fix: str) -> Check:
    try:
        return Check(name, "ok", action())
    except (OSError, ValueError, RuntimeError) as error:
        return Check(name, "missing", next(iter(str(error).splitlines()), type(error).__name__), fix)
