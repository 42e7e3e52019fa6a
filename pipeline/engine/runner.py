"""Carries out a plan: independent nodes in parallel; a failure stops only what depends on it."""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Callable, Collection
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import replace

from pipeline.engine.capacity import UNLIMITED, require_capacity, side_by_side
from pipeline.engine.error_rows import check_errors, output_notes, own_errors
from pipeline.engine.executor import Executor, SerialPool
from pipeline.engine.exports import export_files
from pipeline.engine.graph import Graph
from pipeline.engine.live_state import shown_before
from pipeline.engine.manifest import Artifact, Manifest, finish
from pipeline.engine.metrics import Metrics, NoMetrics
from pipeline.engine.node_shards import compute_shards
from pipeline.engine.outcome import Outcome
from pipeline.engine.plan import Decision, NodePlan, Options, context, plan, plan_node
from pipeline.engine.progress import ProgressReporter
from pipeline.engine.provenance import driver, installed_versions
from pipeline.engine.redaction import redact
from pipeline.engine.row_list import write_row_list
from pipeline.engine.row_spool import row_spool
from pipeline.engine.run_id import new_run_id
from pipeline.engine.shard_record import DAMAGED, DamagedError, ReusedShard
from pipeline.engine.shards import ShardJob
from pipeline.engine.spans import spans_of_run
from pipeline.engine.stage import MapStage
from pipeline.engine.stopping import SECONDS_TO_STOP
from pipeline.engine.storage import Store

SECONDS_BETWEEN_COUNTS = 5.0  # of the machines, while a node waits for room beside others


class NodeFailed(RuntimeError):
    """A node could not be finished; its finished shards are kept."""


class Runner:
    """Runs the selected nodes of a graph on one store."""

    def __init__(
        self,
        graph: Graph,
        store: Store,
        options: Options,
        make_executor: Callable[[], Executor],
        quiet: bool = False,
        make_metrics: Callable[[str], Metrics] = lambda run_id: NoMetrics(),
    ) -> None:
        """Starts nothing: the executor is made only when a node has work, and then the metrics, of the run's id.

        A `quiet` one shows no progress.
        """
        self._quiet, self._make_metrics = quiet, make_metrics
        self._graph, self._store, self._options = graph, store, options
        self._make_executor = make_executor
        self._run_id = new_run_id(store)
        self._guard = threading.Lock()
        self._tools: tuple[Executor, ProgressReporter] | None = None

    def run(self) -> Outcome:
        """Carries out the plan and returns the outcome of every selected node.

        Stored outputs that turn out to be damaged are computed again, and nodes that failed over it run again.

        Raises ValueError before any work, if a node cannot run as configured or asks for more than the cluster has.
        """
        with ExitStack() as self._open:
            outcome, options, repaired = self._attempt(self._options), self._options, set[str]()
            while damaged := self._found_damaged(outcome, repaired):
                repaired |= damaged
                lost = {name for name in outcome.failed if not self._with_inputs(name) & damaged}
                # What failed for another reason would fail again, and what was forced has been computed.
                selected, force = options.selected - lost, options.force - set(outcome.computed)
                options = replace(options, selected=selected, force=force)
                outcome = outcome.followed_by(self._attempt(options), lost)
            if self._tools:
                self._tools[1].event("run ended", outcome=outcome.line())
        for name in (name for name in self._graph.order if name in self._options.selected):
            planned = self._plans[name]
            if planned.artifact:
                outcome.outputs[name] = planned.artifact
                manifest, inputs = planned.artifact.manifest, context(self._graph, name, self._plans, {}).inputs
                if own := own_errors(planned.node, manifest, inputs):
                    outcome.errors[name] = own
                outcome.notes += output_notes(planned.node, manifest, own)
        return outcome

    def _attempt(self, options: Options) -> Outcome:
        self._chosen = options
        self._plans = plan(self._graph, self._store, options)
        invalid = [f"{p.node.name}: {p.reason}" for p in self._plans.values() if p.invalid]
        if invalid:
            raise ValueError("nothing was started:\n" + "\n".join(f"  - {line}" for line in invalid))
        chosen = [p for name, p in self._plans.items() if name in options.selected]
        for note in (f"{p.node.name}: {note}" for p in chosen for note in p.notes):
            print(note, file=sys.stderr, flush=True)
        outcome = Outcome()
        for name, artifact in ((p.node.name, p.artifact) for p in chosen if p.artifact):
            try:
                export_files(self._graph.nodes[name], artifact)
                outcome.reused.append(name)
            except DamagedError as error:
                outcome.failed[name] = str(error)
        waiting = {p.node.name for p in chosen if p.decision in (Decision.RUN, Decision.RESUME)}
        outcome.blocked = [p.node.name for p in chosen if p.decision is Decision.BLOCKED]
        wanted = {name for blocked in outcome.blocked for name in self._graph.nodes[blocked].upstream}
        skipped = [name for name, each in self._plans.items() if each.decision is Decision.SKIPPED]
        outcome.missing = [name for name in skipped if name in wanted]
        if waiting:
            executor, reporter = self._start()
            reporter.selected([shown_before(each) for each in chosen])
            nodes = [self._plans[name].node for name in self._graph.order if name in waiting]
            for line in require_capacity(nodes, executor.machines(), executor.outlook()):
                reporter.log(line)
            for name in (n for n in self._graph.order if n in waiting and self._plans[n].damaged):
                reporter.log(f"{name}: {self._plans[name].reason}")
            del chosen  # the items of a node go when it ends
            self._carry_out(waiting, executor, reporter, outcome)
        return outcome

    def _start(self) -> tuple[Executor, ProgressReporter]:
        """Returns the executor and the progress reporter of this run, made when they are first needed."""
        if self._tools is None:
            executor = self._make_executor()
            self._open.callback(executor.close)
            reporter = self._open.enter_context(self._make_reporter())
            executor.log = reporter.log
            if spans := spans_of_run(reporter.log):
                reporter.listen(spans)
            self._tools = executor, reporter
            reporter.event(
                "run started", run=self._run_id, store=self._store.url, **driver(), versions=installed_versions()
            )
        return self._tools

    def _make_reporter(self) -> ProgressReporter:
        return ProgressReporter(self._store, self._run_id, quiet=self._quiet, metrics=self._make_metrics(self._run_id))

    def _with_inputs(self, name: str) -> set[str]:
        """Returns a node and those it reads."""
        return {name, *self._graph.nodes[name].upstream}

    def _found_damaged(self, outcome: Outcome, repaired: Collection[str]) -> set[str]:
        """Returns the nodes to compute again: those whose stored output was found damaged by one that failed.

        Where one shard is damaged, all bytes of the output are read: more of it may be. The run ends if the output of
        one that was `repaired` before is damaged once more.
        """
        found = set[str]()
        suspects = {each for failed in outcome.failed for each in self._with_inputs(failed)}
        for name in sorted(suspects & self._chosen.selected):
            artifact = self._plans[name].artifact
            if not artifact or not (broken := artifact.manifest.broken(self._store)):
                continue
            if name in repaired:
                problem = f"{', '.join(broken)} damaged again: the disk of {self._store.url} is failing"
                outcome.failed[name] = problem
                continue
            bad = artifact.manifest.verify(self._store) or broken
            self._start()[1].log(f"{name}: damaged: {', '.join(bad)}; computed again")
            found.add(name)
        return found

    def _carry_out(self, waiting: set[str], executor: Executor, reporter: ProgressReporter, outcome: Outcome) -> None:
        running: dict[Future[bool], str] = {}
        # Threads only wait for the cluster; without one the work is done here, where Ctrl-C reaches it.
        pool = (
            SerialPool()
            if executor.machines() == UNLIMITED
            else ThreadPoolExecutor(len(waiting), thread_name_prefix="node")
        )
        try:
            while waiting or running:
                machines = executor.machines()  # some join, some are lost
                for name in [n for n in self._graph.order if n in waiting]:
                    together = [self._graph.nodes[each] for each in (*running.values(), name)]
                    ready = all(self._plans[u].artifact for u in self._graph.nodes[name].upstream)
                    if ready and (not running or side_by_side(together, machines)):
                        waiting.discard(name)
                        running[pool.submit(self._run_node, name, executor, reporter)] = name
                if not running:
                    break
                wait(running, SECONDS_BETWEEN_COUNTS if waiting else None, FIRST_COMPLETED)
                for future in [each for each in running if each.done()]:
                    self._settle(running.pop(future), future, reporter, outcome)
        except BaseException:
            # The threads end before the cluster does: a call on one that is gone might connect to another.
            executor.stop()
            wait(running, timeout=SECONDS_TO_STOP)
            raise
        finally:
            pool.shutdown(wait=all(each.done() for each in running), cancel_futures=True)
        outcome.blocked += [name for name in self._graph.order if name in waiting]

    def _settle(self, name: str, future: Future[bool], reporter: ProgressReporter, outcome: Outcome) -> None:
        error = future.exception()
        if error is None:
            (outcome.computed if future.result() else outcome.reused).append(name)
            return
        if not isinstance(error, Exception):
            raise error
        # A user's mistake is one line; anything else keeps its trace in the log.
        message = str(error) if isinstance(error, ValueError | NodeFailed) else f"{type(error).__name__}: {error}"
        outcome.failed[name] = message = redact(message)
        reporter.node_failed(name, message, "".join(traceback.format_exception(error)))

    def _run_node(self, name: str, executor: Executor, reporter: ProgressReporter) -> bool:
        """Returns whether anything had to be computed."""
        with self._guard:
            planned = self._plans[name]
            if planned.fingerprint is None:  # its inputs were not finished when the run was planned
                planned = plan_node(self._graph, name, self._store, self._plans, self._chosen)
        if planned.invalid:
            raise ValueError(planned.reason)
        if planned.artifact:  # its inputs came out as they were
            with self._guard:
                self._plans[name] = planned
            export_files(planned.node, planned.artifact)
            return False
        self._compute(planned, executor, reporter)
        return True

    def _compute(self, planned: NodePlan, executor: Executor, reporter: ProgressReporter) -> None:
        node, fields = planned.node, planned.fingerprint_fields
        assert planned.row_fingerprint and planned.fingerprint and fields
        folder = f"{node.name}/{planned.row_fingerprint}"
        ctx = context(self._graph, node.name, self._plans, fields["file_hashes"])
        files = self._store.sizes(folder)
        damaged = frozenset(name.removesuffix(DAMAGED) for name in files if name.endswith(DAMAGED))
        job = ShardJob(self._store, folder, planned.row_fingerprint, self._run_id, node.stage, ctx, damaged)
        manifest = self._computed(planned, job, executor, reporter)
        run, artifact = manifest.run, Artifact(self._store, manifest)
        for line in node.stage.review(ctx, artifact):
            reporter.log(f"{node.name}: {line}")
        manifest = replace(manifest, run={**run, "notes": list(node.stage.notes(artifact))})
        manifest.save(self._store)
        artifact = Artifact(self._store, manifest)
        done = replace(
            planned,
            decision=Decision.REUSE,
            reason="just computed",
            artifact=artifact,
            items=None,
            shard_plan=None,
            damaged=(),
        )
        with self._guard:
            self._plans[node.name] = done
        export_files(node, artifact)
        errors = f", {len(manifest.errors)} errors (first: {': '.join(manifest.errors[0])})" if manifest.errors else ""
        reporter.node_ended(node.name, f"{manifest.rows} rows{errors}", fingerprint=manifest.fingerprint, **run)
        self._store.delete_folder(f"{folder}/_inflight")  # the reporter has read the reports in it

    def _computed(self, planned: NodePlan, job: ShardJob, executor: Executor, reporter: ProgressReporter) -> Manifest:
        """Computes what a node lacks and lists its rows; returns the manifest, which is not saved yet."""
        node, fields = planned.node, planned.fingerprint_fields
        assert planned.row_fingerprint and planned.fingerprint and fields
        started = time.monotonic()
        with row_spool(node.stage.output) as rows:
            kept, facts = compute_shards(planned, job, executor, reporter, rows)
            run = {
                "finished": round(time.time(), 6), "wall_seconds": round(time.monotonic() - started, 3), **facts,
                "run_id": self._run_id, "machine": driver()["machine"], "versions": installed_versions(),
            }  # fmt: skip
            key = node.stage.key if isinstance(node.stage, MapStage) else node.stage.output.names[0]
            base = Manifest(node.name, planned.fingerprint, planned.row_fingerprint, fields, key, run=run)
            manifest = finish(base, kept)
            check_errors(node, manifest, own_errors(node, manifest, job.ctx.inputs))
            _check_visible(manifest, kept, self._store)
            if not isinstance(node.stage, MapStage):
                return manifest
            table = rows.table(each.record.name for each in kept)
        row_list = write_row_list(self._store, job.folder, planned.fingerprint, table)
        if row_list.name in job.damaged:
            self._store.delete(f"{job.folder}/{row_list.name}{DAMAGED}")
        return replace(manifest, row_list=row_list)


def _check_visible(manifest: Manifest, kept: list[ReusedShard], store: Store) -> None:
    unseen = set(manifest.broken(store))
    hosts = sorted({k.record.host.partition(":")[0] for k in kept if k.record.name in unseen})
    if unseen:
        raise NodeFailed(
            f"{len(unseen)} shards that workers on {', '.join(hosts)} wrote are not to be seen here in {store.url}; "
            "a cluster needs a store that all its machines share: a network folder, s3://, gs:// or az://"
        )
