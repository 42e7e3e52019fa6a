"""plan, run, status, clean: a config's graph and what is stored of it."""

from __future__ import annotations

import shlex
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from pipeline.engine.config import Config, load_config
from pipeline.engine.executor import Executor, LocalExecutor
from pipeline.engine.lock import StoreLock
from pipeline.engine.node_progress import duration
from pipeline.engine.plan import NodePlan, Options
from pipeline.engine.plan import plan as make_plan
from pipeline.engine.redaction import advice, without_keys
from pipeline.engine.runner import Runner
from pipeline.engine.stopping import stoppable
from pipeline.engine.storage import Store
from stages.cli.conclusion import FAILED, conclude, print_pages
from stages.cli.metrics import MetricsOption, metrics_of_run
from stages.cli.outputs import require_exports
from stages.cli.run_options import (
    ConfigOption,
    ForceOption,
    FromOption,
    LimitOption,
    MachineOption,
    OnlyOption,
    RetryOption,
    SetOption,
    UntilOption,
    WaitOption,
)
from stages.cli.stored import clear, is_begun, status_line, stored_badly
from stages.cli.watch import watch as watch_run
from stages.graph import STAGES

MISTAKE = 2


@dataclass(frozen=True)
class Choice:
    """What the options of a command choose, as they are typed."""

    config: Path
    set_: list[str] | None
    limit: int | None
    machine: str | None = None
    only: list[str] | None = None
    from_: str | None = None
    until: str | None = None
    force: list[str] | None = None
    retry_errors: bool = False
    wait_minutes: float | None = None

    def read(self) -> tuple[Config, Store, Options]:
        """Returns the config, its store and what of it is chosen; raises ValueError where there is no such node."""
        loaded = load_config(self.config, STAGES, self.set_ or [], self.machine)
        for name in self.force or []:
            loaded.graph.nodes.find(name)
        selected = frozenset(loaded.graph.select(self.only or (), self.from_, self.until))
        options = Options(selected, frozenset(self.force or []), self.limit, self.retry_errors)
        return loaded, Store(loaded.store), options

    def planned(self) -> tuple[Store, dict[str, NodePlan]]:
        """Returns the store and the plan of every node."""
        loaded, store, options = self.read()
        return store, make_plan(loaded.graph, store, options)

    def again(self, local: bool) -> str:
        """Returns the command that resumes a run: the same choices without --force, which would start again."""
        words = ["wider8k", "run", "-c", str(self.config)]
        words += [word for name in self.only or [] for word in ("--only", name)]
        options = {"--from": self.from_, "--until": self.until, "--limit": self.limit, "--machine": self.machine}
        options |= {"--wait-minutes": None if self.wait_minutes is None else f"{self.wait_minutes:g}"}
        for option, value in options.items():
            words += [] if value is None else [option, str(value)]
        words += [word for each in self.set_ or [] for word in ("--set", each)]
        words += ["--local"] if local else []
        lacking = advice(" ".join(words))
        return shlex.join(map(without_keys, words)) + (f" ({lacking})" if lacking else "")


def plan(
    config: ConfigOption,
    only: OnlyOption = None,
    from_: FromOption = None,
    until: UntilOption = None,
    force: ForceOption = None,
    set_: SetOption = None,
    limit: LimitOption = None,
    retry_errors: RetryOption = False,
    machine: MachineOption = None,
) -> None:
    """Print what a run would do to every node, and why. Starts nothing.

    Example: wider8k plan -c configs/smoke.yaml --set boxes.canvas=8k
    """
    _, plans = Choice(config, set_, limit, machine, only, from_, until, force, retry_errors).planned()
    width = max(map(len, plans))
    for name, each in plans.items():
        print(f"{name:<{width}}  {each.decision:<8}  {each.reason}")
        for note in each.notes:
            print(f"{'':<{width}}  {note}")
    if any(each.invalid for each in plans.values()):
        raise typer.Exit(MISTAKE)


def run(
    config: ConfigOption,
    only: OnlyOption = None,
    from_: FromOption = None,
    until: UntilOption = None,
    force: ForceOption = None,
    set_: SetOption = None,
    limit: LimitOption = None,
    retry_errors: RetryOption = False,
    machine: MachineOption = None,
    local: Annotated[bool, typer.Option("--local", help="In this process, without Ray: same bytes, to debug.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Let Ray's own log lines through.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress: results and failures only.")] = False,
    report: Annotated[bool, typer.Option("--report", help="End with a link to each page that was made.")] = False,
    metrics: MetricsOption = None,
    wait_minutes: WaitOption = None,
) -> None:
    """Compute what is missing or changed, and nothing else. Interrupt it at any time: the next run resumes.

    Example: wider8k run -c configs/smoke.yaml
    """
    choice = Choice(config, set_, limit, machine, only, from_, until, force, retry_errors, wait_minutes)
    carry_out(choice, choice.again(local), local, verbose, quiet, report, metrics=metrics)


def carry_out(
    choice: Choice,
    again: str,
    local: bool,
    verbose: bool,
    quiet: bool = False,
    report: bool = False,
    tables: bool = True,
    metrics: bool | None = None,
) -> None:
    """Runs what is chosen and prints how it ended.

    Args:
        choice: config and nodes.
        again: the command that resumes it, as it is shown.
        local: in this process, without Ray.
        verbose: let Ray's own log lines through.
        quiet: show no progress.
        report: end with a link to each page.
        tables: print the Markdown that its nodes export, not only where it is.
        metrics: publish figures at Ray's Prometheus endpoint; None for on a cluster that is joined.

    Raises:
        typer.Exit: something failed or could not begin.
        ValueError: nothing was started, for a mistake in what is chosen.
    """
    loaded, store, options = choice.read()
    started = time.monotonic()
    _check_lasting(store)
    require_exports(loaded.graph, store)

    def make_executor() -> Executor:
        if local:
            return LocalExecutor()
        from pipeline.cluster.ray_executor import RayExecutor

        return RayExecutor(verbose, wait_minutes=choice.wait_minutes)

    make_metrics = metrics_of_run(metrics, local, _log)
    with (
        stoppable(f"finished shards are kept. Resume with: {again}"),
        StoreLock(store, f"wider8k run -c {choice.config}", _log) as lock,
    ):
        if lock.taken_over:
            print(f"took over {lock.taken_over}", file=sys.stderr)
        outcome = Runner(loaded.graph, store, options, make_executor, quiet, make_metrics).run()
    try:
        conclude(outcome, loaded, store, duration(time.monotonic() - started), again, tables, not quiet)
    finally:
        if report:
            print_pages(outcome, loaded, store)


def _log(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _check_lasting(store: Store) -> None:
    # Where `ray job submit --working-dir` unpacks a job, one folder per upload, which Ray may delete.
    here = Path.cwd()
    if store.local and "working_dir_files" in here.parts and Path(store.url).is_relative_to(here):
        raise ValueError(
            f"store: {store.url} is in Ray's temporary copy of the project and would be lost; "
            "give a folder that all machines share, or s3://, e.g. --set store=/shared/wider8k"
        )


def status(
    config: ConfigOption,
    set_: SetOption = None,
    limit: LimitOption = None,
    verify: Annotated[bool, typer.Option("--verify", help="Read every byte and compare checksums.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Follow a run of another process until it ends.")] = False,
) -> None:
    """Print what is stored of every node: rows, errors, size, seconds and peak memory of its computation.

    Example: wider8k status -c configs/smoke.yaml --verify
    """
    choice = Choice(config, set_, limit)
    if watch:
        try:
            watch_run(Store(load_config(config, STAGES, set_ or []).store), sys.stdout)
        except KeyboardInterrupt:
            raise typer.Exit(130) from None
        if not verify:
            return
    store, plans = choice.planned()
    bad = {name: stored_badly(store, each, verify) for name, each in plans.items()}
    for name, each in plans.items():
        whole = "; all bytes as written" if verify and is_begun(each) else ""
        health = f"; DAMAGED: {', '.join(bad[name])}" if bad[name] else whole
        print(f"{name}: {status_line(store, each)}{health}")
        for key, message in each.artifact.manifest.errors[:5] if each.artifact else ():
            print(f"    {key}: {message}")
    if any(bad.values()):
        print(f"what is damaged is computed again by: wider8k run -c {config}")
        raise typer.Exit(FAILED)


def clean(
    config: ConfigOption,
    set_: SetOption = None,
    limit: LimitOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Delete; without it, only print.")] = False,
) -> None:
    """List, and with --yes delete, stored outputs that this config (with these --set) does not use.

    Example: wider8k clean -c configs/smoke.yaml --yes
    """
    store, plans = Choice(config, set_, limit).planned()
    with StoreLock(store, f"wider8k clean -c {config}", _log):
        count, went = clear(store, plans, yes)
    for name in (name for name, planned in plans.items() if planned.row_fingerprint is None):
        print(f"{name}: {plans[name].reason}: what it uses is known once its inputs are finished; left as it is")
    print(f"{count} outputs {'deleted' if yes else 'could go; add --yes'}" if count or not went else "nothing to clean")
    if not went:
        raise typer.Exit(FAILED)
