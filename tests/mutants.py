"""Makes mistakes in core modules on purpose and prints those that no quick test notices.

    python -m tests.mutants                                   # 20 of each module, the same ones each time
    python -m tests.mutants --module engine/lock --sample 0   # all of one module
    make mutants

The checkout is copied first and never touched. What was found is kept in the copy's folder: a run that was stopped goes
on where it was, and a mistake is made again only where the tests that answered have changed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COPIED = ("pipeline", "stages", "jobs", "configs", "tests", "pyproject.toml", "README.md")
MEMORY = Path("/dev/shm")  # files of tests are synced one by one: three times as quick where no disk is asked


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 0 where at least 95 % of the mistakes that change something were noticed, else 1."""
    options = _parser().parse_args(arguments)
    if options.inside:
        return _inside(options)
    state = options.state.absolute()
    state.mkdir(parents=True, exist_ok=True)
    if options.fresh:
        (state / "found.jsonl").unlink(missing_ok=True)
    _copy(ROOT, state / "tree")
    given = list(sys.argv[1:] if arguments is None else arguments)
    quiet = {name: value for name, value in os.environ.items() if name not in ("CI", "PYTEST_ADDOPTS")}
    # Quick tests need no data; with it the answers would depend on the machine.
    own = {"PYTHONPATH": str(state / "tree"), "WIDER8K_SHARED": str(state / "no data"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.mutants", *given, "--state", str(state), "--inside"]
    return subprocess.run(command, cwd=state / "tree", env=quiet | own, check=False).returncode


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutants", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--module", action="append", metavar="NAME", help="only this one, such as engine/plan; repeatable"
    )
    parser.add_argument("--sample", type=int, default=20, metavar="N", help="so many of each module; 0 for all (20)")
    parser.add_argument("--seed", type=int, default=0, help="which ones (0)")
    parser.add_argument("--state", type=Path, default=ROOT / ".mutants", metavar="DIR", help="where to work (.mutants)")
    parser.add_argument("--fresh", action="store_true", help="forget what earlier runs found")
    parser.add_argument("--list", action="store_true", help="print the mistakes and make none")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    return parser


def _copy(root: Path, tree: Path) -> None:
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(parents=True)
    for name in COPIED:
        source = root / name
        if source.is_dir():
            shutil.copytree(source, tree / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        else:
            shutil.copy(source, tree / name)


def _inside(options: argparse.Namespace) -> int:
    """Works in the copy: nothing of the checkout is imported."""
    from tests.mutation import report
    from tests.mutation.modules import MODULES
    from tests.mutation.session import EXPLAINED, Memory, chosen, explain, explanations, try_module
    from tests.mutation.trial import Bench

    os.nice(10)
    tree = Path.cwd()
    unknown = set(options.module or ()) - {module.name for module in MODULES}
    if unknown:
        names = ", ".join(module.name for module in MODULES)
        print(f"no such module: {', '.join(sorted(unknown))}; choose from {names}", file=sys.stderr)
        return 2
    modules = [module for module in MODULES if not options.module or module.name in options.module]
    todo = {module: chosen(module, tree, options.sample, options.seed) for module in modules}
    if options.list:
        for module, some in todo.items():
            print(*(f"{module.path}: {mistake}" for mistake in some), sep="\n")
        return 0
    memory, known, found = Memory(options.state / "found.jsonl", tree), explanations(EXPLAINED), []
    with tempfile.TemporaryDirectory(prefix="mutants-", dir=MEMORY if MEMORY.is_dir() else None) as scratch:
        bench = Bench(tree, Path(scratch))
        for module, some in todo.items():
            found += explain(try_module(module, tree, bench, memory, some), known)
            print(f"{module.name}: {len(some)} mistakes made", flush=True)
    everything = options.sample == 0
    print(*report.without_effect(found), *report.outdated(found, known, everything), sep="\n")
    print(*report.unseen(found), *report.table(found), sep="\n")
    print(f"{report.share(found):.1%} of the mistakes that change something were noticed; wanted {report.WANTED:.0%}")
    return 0 if report.share(found) >= report.WANTED else 1


if __name__ == "__main__":
    sys.exit(main())
