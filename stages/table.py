"""Several evaluations to one table: AP and counted metrics of every row, what sets the rows apart, the paper's figures.

The end of an ablation: a config trains, predicts and evaluates every row, and this node prints them together.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import ClassVar

import pyarrow as pa
from pydantic import Field, field_validator

from pipeline.data.schemas import LEVELS
from pipeline.engine.manifest import Artifact
from pipeline.engine.registry import nearest
from pipeline.engine.stage import Port, Row, StageContext, WholeStage
from pipeline.evaluation.evaluation_table import EvaluationRow, markdown, without_ap
from pipeline.evaluation.metrics import figures_of
from pipeline.evaluation.missing_answers import LEFT_OUT
from pipeline.evaluation.result_schemas import AP, COMPARISON
from stages.lineage import FOLLOWED, Lineage, facts_of, lineage_of_ap

Stated = tuple[float | None, ...]


class Table(WholeStage):
    """One row per evaluation, named after its node; printed at the end of a run and published as `{node}.md`.

    What the evaluations came from it finds along the graph, to show in which parameters the rows differ and what they
    cost.

    Attributes:
        paper: row -> what a paper states: easy, medium and hard AP in per cent and, if printed, the number of
            false alarms; null where it is not. Example: `{hcam: [95.1, 94.2, 87.4, 192], sse: [95.6, 94.1, null]}`.
        timed: show the milliseconds that an image took one worker, reading and decoding included: for its candidates,
            and from them to its detections. As the stored shards say, on whatever machine they were computed.
        differences: show the parameters in which the rows differ.
    """

    name: ClassVar[str] = "table"
    version: ClassVar[str] = "3"
    names_in_identity: ClassVar[bool] = True
    follows: ClassVar[tuple[str, ...]] = FOLLOWED
    inputs: ClassVar[dict[str, Port]] = {"ap": Port(AP, many=True)}
    output: ClassVar[pa.Schema] = COMPARISON

    paper: dict[str, Stated] = Field(default_factory=dict)
    timed: bool = False
    differences: bool = True

    @field_validator("paper")
    @classmethod
    def _paper(cls, value: dict[str, Stated]) -> dict[str, Stated]:
        for name, stated in value.items():
            ap, alarms = stated[: len(LEVELS)], stated[len(LEVELS) :]
            if len(ap) < len(LEVELS) or len(alarms) > 1:
                raise ValueError(f"{name}: expected easy, medium, hard and at most the false alarms, found {stated}")
            if any(each is not None and not 0 <= each <= 100 for each in ap):
                raise ValueError(f"{name}: an AP in per cent is in 0..100, found {ap}")
            if any(each is not None and (each < 0 or each != int(each)) for each in alarms):
                raise ValueError(f"{name}: false alarms are a whole number, found {alarms[0]}")
        return value

    def check(self, path: str | None, inputs: Mapping[str, tuple[str, ...]]) -> None:
        """Raises ValueError unless every evaluation is there once, and the paper's rows exist."""
        rows = inputs.get("ap", ())
        if len(set(rows)) != len(rows):
            raise ValueError(f"inputs.ap: expected each evaluation once, found {', '.join(rows)}")
        for name in self.paper:
            if name not in rows:
                raise ValueError(f"paper.{name}: no row is called so{nearest(name, rows)}")

    def run(self, ctx: StageContext) -> Iterable[Row]:
        """Returns one row per evaluation, in the order they are wired."""
        for ap in ctx.inputs["ap"]:
            yield self._compared(ap, lineage_of_ap(ctx, ap)).to_row()

    def exports(self, node: str) -> dict[str, Callable[[Sequence[Row]], bytes]]:
        """Returns the table as Markdown."""
        return {f"{node}.md": _page}

    def _compared(self, ap: Artifact, line: Lineage) -> EvaluationRow:
        rows = {row["subset"]: row for row in ap.rows()}
        hard, stated = rows["hard"], self.paper.get(ap.node, ())
        alarms = stated[len(LEVELS)] if len(stated) > len(LEVELS) else None
        detect_ms, refine_ms = line.times if self.timed else (None, None)
        return EvaluationRow(
            name=ap.node,
            ap={level: rows[level]["ap"] for level in LEVELS},
            metrics=figures_of(hard),
            paper_ap={level: each / 100 for level, each in zip(LEVELS, stated, strict=False) if each is not None},
            paper_alarms=None if alarms is None else int(alarms),
            left_out=json.loads(hard["protocol"]).get(LEFT_OUT, 0),
            facts=dict(facts_of(line)) if self.differences else {},
            detect_ms=detect_ms,
            refine_ms=refine_ms,
        )


def _page(rows: Sequence[Row]) -> bytes:
    """Returns the table as Markdown; below it, which of its rows have no AP and why."""
    compared = [EvaluationRow.from_row(row) for row in rows]
    return "".join([markdown(compared), *(f"\n{line}\n" for line in without_ap(compared))]).encode()
