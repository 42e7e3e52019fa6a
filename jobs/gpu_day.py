"""Tests and times a GPU, the most useful parts first, within a budget; an interrupted run keeps its figures.

    python jobs/gpu_day.py run --out gpu-day --budget 480
    python jobs/gpu_day.py run --device cpu --tiny --out /tmp/gpu-day

Parts run in processes of their own, each with a time limit. A part that succeeded is not run again; `--only` selects
parts. The table, `table.md`, is written after every part.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # `jobs` is no installed package

from jobs.gpu.figures import Figures, as_table, machine, read_figures  # noqa: E402
from jobs.gpu.parts import PARTS, Setting  # noqa: E402

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, rich_markup_mode=None)

DeviceOption = Annotated[str, typer.Option(help="cuda or cpu.")]
TinyOption = Annotated[bool, typer.Option("--tiny", help="Sizes that only show that it runs.")]
SharedOption = Annotated[Path | None, typer.Option(help="Folder of real data; default $WIDER8K_SHARED, ../shared.")]
OutOption = Annotated[Path, typer.Option(help="Folder of figures, logs and the table.")]


@app.command()
def run(
    out: OutOption,
    device: DeviceOption = "cuda",
    tiny: TinyOption = False,
    shared: SharedOption = None,
    budget: Annotated[float, typer.Option(min=1, help="Seconds; parts that do not fit any more are left out.")] = 540,
    only: Annotated[list[str] | None, typer.Option(help="Of these parts; again for more.")] = None,
    list_parts: Annotated[bool, typer.Option("--list", help="Print the parts, and stop.")] = False,
) -> None:
    """Runs what is not done yet."""
    begun = time.monotonic()
    if unknown := sorted(set(only or ()) - PARTS.keys()):
        raise typer.BadParameter(f"no part {', '.join(unknown)}; there are {', '.join(PARTS)}", param_hint="--only")
    if list_parts:
        for name, part in PARTS.items():
            print(f"{name:28} at most {part.seconds} s")
        return
    out.mkdir(parents=True, exist_ok=True)
    for name, part in PARTS.items():
        done = out / f"{name}.done"
        if (only and name not in only) or (not only and (done.exists() or (tiny and not part.tiny))):
            continue
        left = budget - (time.monotonic() - begun)
        if left < 10:
            print(f"{name}: left out, {left:.0f} s are left", flush=True)
            continue
        seconds = min(part.seconds, left)
        options = ["--out", str(out), "--device", device, *(["--tiny"] * tiny)]
        options += [] if shared is None else ["--shared", str(shared)]
        # Maps of 64 pixels have no work for a second thread, which would only wait for its turn.
        added = {"OMP_NUM_THREADS": "1"} if tiny and device == "cpu" else {}
        if _ends_well([sys.executable, __file__, "part", name, *options], out / f"{name}.log", seconds, added):
            done.touch()
        else:
            Figures(out, name).add("did not end well", f"see {name}.log", note=f"allowed {seconds:.0f} s")
        table = as_table(read_figures(out), machine(device))
        (out / "table.md").write_text(table, encoding="utf-8")
    print((out / "table.md").read_text(encoding="utf-8") if (out / "table.md").exists() else "nothing was left to do")
    print(f"{time.monotonic() - begun:.0f} s in all")


@app.command()
def part(
    name: str, out: OutOption, device: DeviceOption = "cuda", tiny: TinyOption = False, shared: SharedOption = None
) -> None:
    """Runs one part in this process."""
    folder = shared or Path(os.environ.get("WIDER8K_SHARED", ROOT.parent / "shared"))
    setting = Setting(device, tiny, folder.resolve() if (folder / "data").is_dir() else None, out.resolve())
    PARTS[name].run(setting, Figures(setting.folder, name))


def _ends_well(command: list[str], log: Path, seconds: float, added: dict[str, str]) -> bool:
    """Returns whether a command ended with 0 within its time; afterwards nothing of its process group is left."""
    print(f"{log.stem} ...", flush=True)
    with log.open("w", encoding="utf-8") as file:
        env = {**os.environ, **added}
        process = subprocess.Popen(command, stdout=file, stderr=file, start_new_session=True, cwd=ROOT, env=env)
        try:
            return process.wait(timeout=seconds) == 0
        except subprocess.TimeoutExpired:
            return False
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


if __name__ == "__main__":
    app()
