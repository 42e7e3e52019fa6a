"""Several evaluations to one table: AP and false alarms of every row, what sets the rows apart, the paper's figures.

The end of an ablation: a config trains, predicts and evaluates every row, and this node prints them together.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Final

import pyarrow as pa
from pydantic import Field, field_validator

from pipeline.data.schemas import AP, CHECKPOINT, COMPARISON, DETECTIONS, LEVELS
from pipeline.engine.graph import nearest
from pipeline.engine.manifest import Artifact
from pipeline.engine.stage import Port, Row, StageContext, WholeStage
from pipeline.evaluation.comparison import CONTENT_HASH, Compared, markdown, without_ap
from pipeline.evaluation.missing_answers import LEFT_OUT

Stated = tuple[float | None, ...]
# From a row's AP to what it came from, nearest first; each is made of the next.
_LINE: Final = ("ap", "detections", "candidates", "checkpoint")


class Table(WholeStage):
    """One row per evaluation, named after its node; printed at the end of a run and published as `{node}.md`.

    Wire to `detections`, `candidates` and `checkpoint` what the evaluations came from, in the same order, to see in
    which parameters the rows differ; each of the three may be left out.

    Attributes:
        paper: row -> what a paper states: easy, medium and hard AP in per cent and, if it tells it, the number of
            false alarms; null where it does not. Example: `{hcam: [95.1, 94.2, 87.4, 192], sse: [95.6, 94.1, null]}`.
        timed: show the milliseconds that an image took one worker, reading and decoding included: for its candidates,
            and from them to its detections. As the stored shards say, on whatever machine they were computed.
        differences: show the parameters in which the rows differ.
    """

    name: ClassVar[str] = "table"
    version: ClassVar[str] = "1"
    names_in_identity: ClassVar[bool] = True
    line: ClassVar[tuple[str, ...]] = _LINE
    inputs: ClassVar[dict[str, Port]] = {
        "ap": Port(AP, many=True),
        "detections": Port(DETECTIONS, many=True, optional=True),
        "candidates": Port(DETECTIONS, many=True, optional=True),
        "checkpoint": Port(CHECKPOINT, many=True, optional=True),
    }
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
                raise ValueError(f"{name}: an AP in per cent lies in 0..100, found {ap}")
            if any(each is not None and (each < 0 or each != int(each)) for each in alarms):
                raise ValueError(f"{name}: false alarms are a whole number, found {alarms[0]}")
        return value

    def check(self, path: str | None, inputs: Mapping[str, tuple[str, ...]]) -> None:
        """Raises ValueError unless every row has one name and one entry in each input, and the paper's rows exist."""
        rows = inputs.get("ap", ())
        if len(set(rows)) != len(rows):
            raise ValueError(f"inputs.ap: expected each evaluation once, found {', '.join(rows)}")
        for port in _LINE[1:]:
            if (found := len(inputs.get(port, ()))) not in (0, len(rows)):
                raise ValueError(f"inputs.{port}: expected none or one for each of {len(rows)} rows, found {found}")
        if self.timed and not inputs.get("detections"):
            raise ValueError("timed: expected inputs.detections, whose times they are, and inputs.candidates")
        for name in self.paper:
            if name not in rows:
                raise ValueError(f"paper.{name}: no row is called so{nearest(name, rows)}")

    def run(self, ctx: StageContext) -> Iterable[Row]:
        """Returns one row per evaluation, in the order they are wired."""
        for row, ap in enumerate(ctx.inputs["ap"]):
            line = {port: ctx.inputs[port][row] for port in _LINE if ctx.inputs[port]}
            yield self._compared(ap, line).to_row()

    def exports(self, node: str) -> dict[str, Callable[[Sequence[Row]], bytes]]:
        """Returns the table as Markdown."""
        return {f"{node}.md": _page}

    def _compared(self, ap: Artifact, line: Mapping[str, Artifact]) -> Compared:
        rows = {row["subset"]: row for row in ap.rows()}
        hard, stated = rows["hard"], self.paper.get(ap.node, ())
        # An evaluation stored by an earlier version has no column for false alarms.
        score, found = hard.get("alarm_score"), hard.get("found")
        alarms = stated[len(LEVELS)] if len(stated) > len(LEVELS) else None
        return Compared(
            name=ap.node,
            ap={level: rows[level]["ap"] for level in LEVELS},
            alarm_score=score,
            alarms=hard.get("alarms"),
            recall=None if found is None or not hard["faces"] else found / hard["faces"],
            paper_ap={level: each / 100 for level, each in zip(LEVELS, stated, strict=False) if each is not None},
            paper_alarms=None if alarms is None else int(alarms),
            left_out=json.loads(hard["protocol"]).get(LEFT_OUT, 0),
            facts=dict(_facts(line)) if self.differences else {},
            **(_times(line) if self.timed else {}),
        )


def _page(rows: Sequence[Row]) -> bytes:
    """Returns the table as Markdown; below it, which of its rows have no AP and why."""
    compared = [Compared.from_row(row) for row in rows]
    return "".join([markdown(compared), *(f"\n{line}\n" for line in without_ap(compared))]).encode()


def _times(line: Mapping[str, Artifact]) -> dict[str, float | None]:
    candidates, detections = line.get("candidates"), line["detections"]
    # A detector of several passes gives final detections, wired as both: no time was spent after it.
    final = candidates is not None and candidates.manifest.content_hash == detections.manifest.content_hash
    return {
        "detect_ms": None if candidates is None else candidates.ms_per_row(),
        "refine_ms": None if final else detections.ms_per_row(),
    }


def _facts(line: Mapping[str, Artifact]) -> Iterator[tuple[str, Any]]:
    """Yields ("stage.parameter", value) of all that led to a row, the first cause first."""
    for port in reversed(_LINE):
        if port in line:
            fingerprint_fields = line[port].manifest.fingerprint_fields
            yield from _flat(
                fingerprint_fields["stage"], {**fingerprint_fields["params"], **fingerprint_fields["file_hashes"]}
            )
            if port == "checkpoint":
                yield (
                    f"{fingerprint_fields['stage']}.{CONTENT_HASH}",
                    next(line[port].rows([CONTENT_HASH]))[CONTENT_HASH],
                )


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(f"{name}.{key}", inner)
    else:
        yield name, value
