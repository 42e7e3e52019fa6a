"""What a stage is: a small frozen model whose fields are its parameters and whose one method does the work.

Two shapes cover every step. A `MapStage` makes one row per item, in shards, and is resumed shard by shard; its rows
must depend on nothing but the parameters and the item. A `WholeStage` looks at its inputs as a whole and makes few
rows at once (a checkpoint, a table, a page).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import pyarrow as pa
from pydantic import ConfigDict, Field

from pipeline.engine.literal_yaml import LiteralModel
from pipeline.engine.storage import Store
from pipeline.engine.worker_group import WorkerGroup, run_locally

if TYPE_CHECKING:
    from pipeline.engine.manifest import Artifact

Row = Mapping[str, Any]
A = TypeVar("A")
B = TypeVar("B")


class Resources(LiteralModel):
    """How a node is executed: never part of what its output is, so never hashed.

    Attributes:
        workers: processes that work on shards at the same time.
        cpus: CPU cores of one worker; also the number of threads it computes with.
        gpus: accelerators of one worker.
        memory_gb: memory of one worker that the cluster sets aside; 0 leaves it out of the accounting.
        loaders: processes that make batches for one worker of a training; 0 for threads of the worker itself.
        shard_rows: items of one shard: 2-10 minutes of work is a good size.
        max_error_share: the node fails if more than this share of its rows are errors; a single one never fails it.
            Where it is the config's own, errors that are only carried along from an input fail nothing again.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    workers: int = Field(1, ge=1)
    cpus: float = Field(1, gt=0)
    gpus: float = Field(0, ge=0)
    memory_gb: float = Field(0, ge=0)
    loaders: int = Field(1, ge=0)
    shard_rows: int = Field(100, ge=1)
    max_error_share: float = Field(0.5, ge=0, le=1)

    @property
    def reserved_cpus(self) -> float:
        """CPUs that the cluster sets aside for one worker.

        None beside a GPU: such a worker would otherwise take the CPU that its own node's data needs.
        """
        return 0 if self.gpus and self.cpus <= 1 else self.cpus


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to compute a row for.

    Attributes:
        key: unique within the node; the value of the output's key column.
        version: identity of the content the row is computed from.
        data: what the worker needs beside the key (a path, a shard's name); never hashed.
    """

    key: str
    version: str
    data: Mapping[str, Any] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class Port:
    """One named input of a stage: the schema it must have, and how many nodes may be wired to it."""

    schema: pa.Schema
    many: bool = False
    optional: bool = False


def run_serially(function: Callable[[A], B], arguments: Sequence[A]) -> list[B]:
    """Returns [function(a) for a in arguments]: the fan-out of a run without a cluster."""
    return [function(argument) for argument in arguments]


def to_stdout(line: str) -> None:
    """Prints a line. A function of ours, since Ray replaces the built-in `print`, which then no longer pickles."""
    print(line, flush=True)


@dataclass(frozen=True, slots=True)
class WorkDir:
    """Where a stage keeps unfinished work, so that a run after a crash goes on with it; other recipes never see it.

    Attributes:
        store: of the run.
        folder: in it, of this node and recipe.
    """

    store: Store
    folder: str


@dataclass(frozen=True)
class StageContext:
    """Where a stage finds things while it works; nothing in here changes what it computes.

    Attributes:
        node: name of the node.
        path: where the node's outside files lie (dataset folder, weights file), or None.
        resources: its share of the machine.
        inputs: port -> finished outputs wired to it.
        file_hashes: what `Stage.file_hashes` gave when the run was planned, to be compared with what a worker finds.
        dataset_paths: node name -> `path` of every node of the graph, for stages that read images of an earlier node.
        fan_out: like `run_serially`, possibly on a cluster.
        worker_group: like `run_locally`, possibly on a cluster, for stages that say `distributed`.
        work_dir: for unfinished work of whole stages; None while planning.
        say: takes one line of progress.
        lineage: node name -> port -> finished outputs wired to it, of every node reached along `Stage.follows`.
    """

    node: str
    path: str | None
    resources: Resources
    inputs: Mapping[str, tuple[Artifact, ...]]
    dataset_paths: Mapping[str, str | None] = field(default_factory=dict)
    file_hashes: Mapping[str, str] = field(default_factory=dict)
    fan_out: Callable[[Callable[[Any], Any], Sequence[Any]], list[Any]] = run_serially
    worker_group: WorkerGroup = run_locally
    work_dir: WorkDir | None = None
    say: Callable[[str], None] = to_stdout
    lineage: Mapping[str, Mapping[str, tuple[Artifact, ...]]] = field(default_factory=dict)

    def one(self, port: str) -> Artifact:
        """Returns the only output wired to `port`."""
        (artifact,) = self.inputs[port]
        return artifact

    def source(self, artifact: Artifact, port: str) -> Artifact | None:
        """Returns what was wired to a port of the node that made an artifact; None where it was no or several nodes."""
        found = self.lineage.get(artifact.node, {}).get(port, ())
        return found[0] if len(found) == 1 else None


class Stage(LiteralModel, ABC):
    """Base of every stage: the pydantic fields are the parameters and enter the fingerprint, all of them.

    Class attributes:
        name: what configs call it; part of its identity.
        version: bump it when the meaning of the output changes; refactoring needs no bump.
        inputs: port name -> `Port`.
        output: schema of the rows it writes.
        distributed: whether `Resources.workers` processes work on it, each with its own share of the machine.
        names_in_identity: whether its output names the nodes wired to it: another name is then another output.
        follows: inputs, its own and those of the nodes it reads, along which it sees what its inputs came from, see
            `StageContext.source`. All that is reached this way is part of its identity, by name.
        exports: names of the files `publish` writes, `{node}` standing for the node's name.
        told: columns of its output that `notes` reads; empty where it has nothing to say.
        row_group: rows of one row group of its Parquet files; 1 lets a reader take any row alone. None for pyarrow's
            own, one group per shard.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: ClassVar[str]
    version: ClassVar[str]
    inputs: ClassVar[Mapping[str, Port]] = {}
    output: ClassVar[pa.Schema]
    distributed: ClassVar[bool] = False
    names_in_identity: ClassVar[bool] = False
    follows: ClassVar[tuple[str, ...]] = ()
    exports: ClassVar[tuple[str, ...]] = ()
    told: ClassVar[tuple[str, ...]] = ()
    row_group: ClassVar[int | None] = None

    def file_hashes(self, path: str | None) -> Mapping[str, str]:
        """Returns name -> digest of outside files (weights) that the output depends on; read at planning time.

        Raises:
            ValueError: if a file is missing; the node is then shown as blocked with this message.
        """
        return {}

    def check(self, path: str | None, inputs: Mapping[str, tuple[str, ...]]) -> None:
        """Raises ValueError for a mistake that can be seen before any work is done.

        Args:
            path: where the node's outside files lie.
            inputs: port -> names of the nodes wired to it.
        """

    def fits(self, resources: Resources) -> None:
        """Raises ValueError where it could never be executed with such resources, whatever the cluster has."""

    def notes(self, rows: Sequence[Row]) -> Sequence[str]:
        """Returns what whoever reads the output has to know, such as what was left out; printed at the end of runs.

        The node's name is put in for ``{node}``.

        Args:
            rows: of the output, with the columns that `told` names.
        """
        return ()

    def review(self, ctx: StageContext, output: Artifact) -> Sequence[str]:
        """Returns lines for people on what is odd about an output, looked at once, before it counts as finished.

        Raises:
            ValueError: if it must not be used; the node fails with the message, and what was computed stays.
        """
        return ()

    def publish(self, rows: Sequence[Row]) -> Sequence[bytes]:
        """Returns the contents of the `exports` files, copies at the store's top for people to open."""
        return ()


class MapStage(Stage):
    """A stage that makes exactly one row per item.

    Class attributes:
        key: the output column that holds `Item.key`.
        mapped_inputs: the inputs that are mapped row by row. They reach the output through the items' versions alone,
            so that a new row in them costs one new row here; every other input is part of the row fingerprint.
    """

    distributed: ClassVar[bool] = True
    key: ClassVar[str] = "image_id"
    mapped_inputs: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def items(self, ctx: StageContext) -> Sequence[Item]:
        """Returns all items in a stable order. Called while planning: it must not read pixels nor import torch.

        What `ctx.say` is told is shown beside the plan, and once by a run.
        """

    @abstractmethod
    def open(self, ctx: StageContext) -> Callable[[Sequence[Item]], Iterator[Row]]:
        """Returns the worker: called once per process, it holds the model and yields one row per item in order."""

    def error_row(self, item: Item, message: str) -> Row:
        """Returns the row that stands for an item whose worker process died."""
        empty: dict[str, Any] = {}
        for column in self.output:
            if pa.types.is_integer(column.type):
                empty[column.name] = 0
            elif pa.types.is_list(column.type):
                empty[column.name] = []
            else:
                empty[column.name] = None if column.nullable else ""
        return {**empty, self.key: item.key, "error": message}


class WholeStage(Stage):
    """A stage that makes all its rows at once from whole inputs."""

    @abstractmethod
    def run(self, ctx: StageContext) -> Iterable[Row]:
        """Returns the output's rows."""
