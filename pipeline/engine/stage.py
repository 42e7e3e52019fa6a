"""A stage: a small frozen model whose fields are its parameters and whose one method does the work.

* A `MapStage` makes one row per item, in shards, and resumes shard by shard. A row depends on the parameters and its
  item alone.
* A `WholeStage` reads its inputs as a whole and makes few rows at once: a checkpoint, a table, a page.
* A stage gets everything that must not change its output (paths, machines, worker processes) from a `StageContext`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

import pyarrow as pa
from pydantic import ConfigDict, Field, field_validator

from pipeline.engine.items import Item as Item
from pipeline.engine.items import Items as Items
from pipeline.engine.literal_yaml import LiteralModel
from pipeline.engine.manifest import Artifact
from pipeline.engine.storage import Store
from pipeline.engine.worker_group import WorkerGroup, run_locally

Row = Mapping[str, Any]
A = TypeVar("A")
B = TypeVar("B")

AUTO = 1_000_000
"""`Resources.workers` of ``workers: auto``: a maximum that no cluster reaches, so that as many start as fit."""


NODE = "<node>"
"""Placeholder in a stage's messages for the node whose parameter helps: `with_node` replaces it where it is known."""


def with_node(message: str, node: str) -> str:
    """Returns a message with the node's name in place of `NODE`."""
    return message.replace(NODE, node)


class Resources(LiteralModel):
    """How a node is executed: never part of what its output is, so never hashed.

    Attributes:
        workers: processes that work on shards at the same time, at most: fewer start where fewer fit, and more as
            machines join. ``auto`` is `AUTO`. Processes of a training are that many from its start to its end.
        cpus: CPU cores of one worker; also the number of threads it computes with.
        gpus: accelerators of one worker.
        memory_gb: memory of one worker that the cluster reserves; 0 leaves it out of the accounting.
        loaders: processes that make batches for one worker of a training; 0 for threads of the worker itself.
        shard_rows: items of one shard: 2-10 minutes of work is a good size.
        item_seconds: limit on the time an item may take; after it the item is an error row and its worker is replaced.
            None: 20 times the longest of the items before, at least 300 s, and an hour for the first of a process.
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
    item_seconds: float | None = Field(None, gt=0)
    max_error_share: float = Field(0.5, ge=0, le=1)

    @field_validator("workers", mode="before")
    @classmethod
    def _as_many_as_fit(cls, value: Any) -> Any:
        return AUTO if value == "auto" else value

    @property
    def reserved_cpus(self) -> float:
        """CPUs that the cluster reserves for one worker.

        None beside a GPU: such a worker would otherwise take the CPU that its own node's data needs.
        """
        return 0 if self.gpus and self.cpus <= 1 else self.cpus


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
    """Prints a line. Ray replaces the built-in `print`, which then does not pickle; this does."""
    print(line, flush=True)


@dataclass(frozen=True, slots=True)
class WorkDir:
    """Folder of a store for unfinished work, from which a run after a crash resumes; one per row fingerprint."""

    store: Store
    folder: str


@dataclass(frozen=True)
class StageContext:
    """What a stage needs while it works and what must not change its output.

    Attributes:
        node: name of the node.
        path: of the node's outside files (dataset folder, weights file), or None.
        resources: its share of the machine.
        inputs: port -> finished outputs wired to it.
        dataset_paths: node name -> `path` of every node of the graph, for stages that read images of an earlier node.
        file_hashes: of `Stage.file_hashes` at planning time, to be compared with what a worker finds.
        fan_out: like `run_serially`, possibly on a cluster.
        worker_group: like `run_locally`, possibly on a cluster, for `distributed` stages.
        work_dir: for unfinished work of whole stages; None while planning.
        log: takes one line of progress.
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
    log: Callable[[str], None] = to_stdout
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
        name: what configs call it; part of its fingerprint.
        version: bump it when the meaning of the output changes; refactoring needs no bump.
        inputs: port name -> `Port`.
        output: schema of its rows. Metadata ``row_group`` sets the rows of a Parquet row group; without it a shard is
            one group. Metadata ``planned_with`` names small columns, separated by commas, that `Artifact.listing` gives
            to later nodes without reading a shard.
        distributed: whether `Resources.workers` processes work on it, each with its own share of the machine.
        names_in_identity: whether its output names the nodes wired to it: another name is then another output.
        follows: inputs, its own and those of the nodes it reads, along which it sees what its inputs came from, see
            `StageContext.source`. All that is reached this way is part of its fingerprint, by name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: ClassVar[str]
    version: ClassVar[str]
    inputs: ClassVar[Mapping[str, Port]] = {}
    output: ClassVar[pa.Schema]
    distributed: ClassVar[bool] = False
    names_in_identity: ClassVar[bool] = False
    follows: ClassVar[tuple[str, ...]] = ()

    def file_hashes(self, path: str | None) -> Mapping[str, str]:
        """Returns name -> hash of outside files (weights) that the output depends on; called at planning time.

        Raises ValueError if a file is missing or does not fit; the node is then blocked, with this message.
        """
        return {}

    def check(self, path: str | None, inputs: Mapping[str, tuple[str, ...]]) -> None:
        """Raises ValueError for a mistake that can be found before any work; `inputs` are names of nodes by port."""

    def fits(self, resources: Resources) -> None:
        """Raises ValueError where it cannot be executed with such resources on any cluster."""

    def review(self, ctx: StageContext, output: Artifact) -> Sequence[str]:
        """Returns warnings about a new output, printed once, before it counts as finished.

        Raises ValueError if it must not be used; the node fails with the message, and its shards stay.
        """
        return ()

    def notes(self, output: Artifact) -> Sequence[str]:
        """Returns what every reader of the output must know, such as what was left out; printed after each run."""
        return ()

    def exports(self, node: str) -> Mapping[str, Callable[[Sequence[Row]], bytes]]:
        """Returns file name -> function from the output's rows to the bytes of a copy for people, at the store's top.

        Every file name has the node's name in it, so that no two nodes write one file.
        """
        return {}


class MapStage(Stage):
    """A stage that makes exactly one row per item.

    Class attributes:
        key: the output column that holds `Item.key`.
        mapped_inputs: inputs that reach the output through the items' versions alone, so that a new row in them costs
            one new row here; every other input is part of the row fingerprint.
    """

    distributed: ClassVar[bool] = True
    key: ClassVar[str] = "image_id"
    mapped_inputs: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def items(self, ctx: StageContext) -> Sequence[Item]:
        """Returns all items in a stable order; many are best given as `Items`, which are columns.

        Called while planning, unless the output is stored: it must not read pixels nor import torch. What it returns
        depends on the inputs' content alone, but for a node without inputs.

        Lines given to `ctx.log` are shown beside the plan, and once by a run.
        """

    @abstractmethod
    def open(self, ctx: StageContext) -> Callable[[Sequence[Item]], Iterator[Row]]:
        """Returns the worker: made once per process, it holds the model and yields one row per item in order."""

    def error_row(self, item: Item, message: str) -> Row:
        """Returns the row of an item whose worker process died."""

        def empty(column: pa.Field) -> Any:
            if pa.types.is_integer(column.type):
                return 0
            return [] if pa.types.is_list(column.type) else None if column.nullable else ""

        return {**{column.name: empty(column) for column in self.output}, self.key: item.key, "error": message}


class WholeStage(Stage):
    """A stage that makes all its rows at once from whole inputs."""

    @abstractmethod
    def run(self, ctx: StageContext) -> Iterable[Row]:
        """Returns the output's rows."""
