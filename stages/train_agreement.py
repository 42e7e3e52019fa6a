"""Labelled boxes of a union to a checkpoint of a ranker that reads agreement."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import ClassVar

import pyarrow as pa

from pipeline.data.labelled_agreement import AgreementTable
from pipeline.data.schemas import CHECKPOINT, LABELLED_AGREEMENT
from pipeline.engine.stage import Port, Row, StageContext, WholeStage
from pipeline.models.checkpoint import AGREEMENT, Checkpoint
from pipeline.training.recipes.agreement import AgreementRecipe
from stages.label_agreement import agreement_of


class TrainAgreement(WholeStage):
    """Trains on the boxes of all images at once, in this process, on the CPU: seconds, and the same bytes every time.

    The checkpoint has with it how the numbers of a box are made and the number of canvases or detectors behind them.

    Attributes:
        recipe: every number that decides the outcome; a config names those that differ from the defaults.
    """

    name: ClassVar[str] = "train_agreement"
    version: ClassVar[str] = "1"
    inputs: ClassVar[dict[str, Port]] = {"labelled": Port(LABELLED_AGREEMENT)}
    output: ClassVar[pa.Schema] = CHECKPOINT

    recipe: AgreementRecipe = AgreementRecipe()

    def run(self, ctx: StageContext) -> Iterable[Row]:
        """Returns the checkpoint as one row.

        Raises:
            ValueError: no hits, no false alarms or no face that counts among the boxes.
        """
        from pipeline.models.rankers.agreement import save_agreement
        from pipeline.training.agreement import LOGGED, train_agreement

        labelled = ctx.one("labelled")
        sets = len(labelled.manifest.fingerprint_fields["inputs"]["candidates"])
        table = AgreementTable.of(labelled.tables())
        try:
            trained = train_agreement(table, agreement_of(labelled.params), sets, self.recipe)
        except ValueError as error:
            raise ValueError(f"{labelled.node}: {error}") from None
        weights = save_agreement(trained.ranker, asdict(self.recipe))
        checkpoint, steps = Checkpoint(weights), self.recipe.steps
        entries = [
            {"step": min(LOGGED * (number + 1), steps), "loss": {"total": loss}}
            for number, loss in enumerate(trained.losses)
        ]
        yield {
            "detector": AGREEMENT,
            "config": json.dumps(checkpoint.config, sort_keys=True),
            "content_hash": checkpoint.content_hash,
            "weights": weights,
            "loss": list(trained.losses),
            "log": "".join(json.dumps(entry, sort_keys=True) + "\n" for entry in entries).encode(),
        }

    def exports(self, node: str) -> dict[str, Callable[[Sequence[Row]], bytes]]:
        """Returns the weights as a safetensors file, and the log as JSON lines."""
        return {
            f"{node}.safetensors": lambda rows: bytes(rows[0]["weights"]),
            f"{node}.jsonl": lambda rows: bytes(rows[0]["log"]),
        }
