"""Tiny real stages for the engine's tests: numbers, their squares, and the sum of the squares."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import pyarrow as pa

from pipeline.engine.stage import Item, MapStage, Port, Row, StageContext, WholeStage

NUMBERS = pa.schema(
    [pa.field("image_id", pa.string(), False), pa.field("value", pa.int64(), False), pa.field("error", pa.string())]
)
TOTAL = pa.schema([pa.field("total", pa.int64(), False)])


class Numbers(MapStage):
    """Reads ``name value`` lines of the file `path`."""

    name: ClassVar[str] = "numbers"
    version: ClassVar[str] = "1"
    output: ClassVar[pa.Schema] = NUMBERS
    plus: int = 0

    def items(self, ctx: StageContext) -> list[Item]:
        path = Path(ctx.path or "missing")
        if not path.is_file():
            raise ValueError(f"{path}: no such file of numbers")
        pairs = [line.split() for line in path.read_text().splitlines()]
        return [Item(name, value, {"value": int(value)}) for name, value in pairs]

    def open(self, ctx: StageContext) -> Callable[[Sequence[Item]], Iterator[Row]]:
        def work(items: Sequence[Item]) -> Iterator[Row]:
            for item in items:
                yield {"image_id": item.key, "value": item.data["value"] + self.plus, "error": None}

        return work


class Squares(MapStage):
    """Squares every number; writes the key it works on to `trace` files and can be set to fail or die.

    A file `pace` beside the trace holds seconds that each number takes, and the variable SQUARES_PAUSE of a machine those
    that it takes there: other than `seconds`, no part of the output.
    It reads the file ``<path>.<key>`` of an item that has one: no parameter, so that the output has the same identity.
    """

    name: ClassVar[str] = "squares"
    version: ClassVar[str] = "1"
    mapped_inputs: ClassVar[tuple[str, ...]] = ("numbers",)
    inputs: ClassVar[dict[str, Port]] = {"numbers": Port(NUMBERS)}
    output: ClassVar[pa.Schema] = NUMBERS
    power: int = 2
    fail_on: str = ""
    die_on: str = ""
    flaky: bool = False
    open_fails: bool = False
    seconds: float = 0.0

    def items(self, ctx: StageContext) -> list[Item]:
        rows = ctx.one("numbers").rows()
        return [Item(r["image_id"], str(r["value"]), {"value": r["value"]}) for r in rows]

    def open(self, ctx: StageContext) -> Callable[[Sequence[Item]], Iterator[Row]]:
        if self.open_fails:
            raise ValueError("squares is set not to open")

        def work(items: Sequence[Item]) -> Iterator[Row]:
            for item in items:
                if ctx.path and not self.flaky:
                    with open(ctx.path, "a") as trace:
                        trace.write(item.key + "\n")
                time.sleep(self.seconds + _pace(ctx.path) + float(os.environ.get("SQUARES_PAUSE", "0")))
                if os.path.exists(f"{ctx.path}.{item.key}"):
                    Path(f"{ctx.path}.{item.key}").read_bytes()  # hangs where it is a FIFO without a writer
                if item.key == self.die_on:
                    os.kill(os.getpid(), signal.SIGKILL)
                trouble = self.flaky and os.path.exists(ctx.path or "") and item.key in ("n003", "n004")
                bad = item.key == self.fail_on or trouble
                value = 0 if bad else item.data["value"] ** self.power
                yield {"image_id": item.key, "value": value, "error": "set to fail" if bad else None}

        return work


def _pace(trace: str | None) -> float:
    file = Path(trace or "missing").with_name("pace")
    return float(file.read_text()) if file.exists() else 0.0


class Total(WholeStage):
    """Adds up all numbers of its inputs, each shard on its own.

    Its process dies as often as `deaths` says, by the lines of the file `path`, one for each try. It reads the file
    ``<path>.total`` where there is one.
    """

    name: ClassVar[str] = "total"
    version: ClassVar[str] = "1"
    inputs: ClassVar[dict[str, Port]] = {"numbers": Port(NUMBERS, many=True)}
    output: ClassVar[pa.Schema] = TOTAL
    broken: bool = False
    deaths: int = 0

    def run(self, ctx: StageContext) -> Iterable[Row]:
        if self.deaths:
            with open(ctx.path or "missing", "a+") as trace:
                trace.write("total\n")
                trace.seek(0)
                if len(trace.readlines()) <= self.deaths:
                    trace.flush()
                    os.kill(os.getpid(), signal.SIGKILL)
        if os.path.exists(f"{ctx.path}.total"):
            Path(f"{ctx.path}.total").read_bytes()
        if self.broken:
            raise RuntimeError("set to break")
        tables = [table for artifact in ctx.inputs["numbers"] for table in artifact.tables(["value"])]
        return [{"total": sum(ctx.fan_out(_add, tables))}]

    def exports(self, node: str) -> dict[str, Callable[[Sequence[Row]], bytes]]:
        return {f"{node}.txt": lambda rows: str(rows[0]["total"]).encode()}


def _add(table: pa.Table) -> int:
    return int(sum(table["value"].to_pylist()))


STAGES = {stage.name: stage for stage in (Numbers, Squares, Total)}
