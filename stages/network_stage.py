"""Common part of the stages that run a network on every row: weights, precision, engine."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, model_validator

from pipeline.data.canvas import parse_canvas
from pipeline.engine.stage import NODE, Item, MapStage, Row
from pipeline.inference.engines import require_engine
from pipeline.inference.worker import size_of
from pipeline.models.checkpoint import Checkpoint


def _canvas_name(value: object) -> str:
    return str(parse_canvas(value if isinstance(value, int) else str(value)))


CanvasName = Annotated[str, BeforeValidator(_canvas_name)]
"""A canvas as `parse_canvas` reads it, kept in one way of writing."""


class NetworkStage(MapStage):
    """Weights come from the node's `path`, or from the node wired to `checkpoint`.

    Attributes:
        precision: numbers the network computes with; on a GPU float32 is as torch has it, with TF32 in convolutions.
        engine: that runs the network, of `pipeline.inference.engines.ENGINES`: "torch", or one that is faster and
            rounds in other ways.
    """

    precision: Literal["float32", "bfloat16"] = "float32"
    engine: str = "torch"

    @model_validator(mode="after")
    def _engine(self) -> Self:
        require_engine(self.engine, self.precision)
        return self

    @abstractmethod
    def resolve(self, weights: Checkpoint) -> None:
        """Raises ValueError where a weights file is of another network."""

    def check(self, path: str | None, inputs: Mapping[str, tuple[str, ...]]) -> None:
        """Raises ValueError unless weights come from one place: the node's `path`, or the node at `checkpoint`."""
        require_weights(path, inputs)

    def file_hashes(self, path: str | None) -> Mapping[str, str]:
        """Returns the content hash of the weights file, if there is one; raises ValueError where it does not fit."""
        if not path:
            return {}
        self.resolve(weights := Checkpoint(path))
        return {"weights": weights.content_hash}

    def error_row(self, item: Item, message: str) -> Row:
        """Returns the row of an image that killed its worker: with its size, since it was not the image's reading."""
        return {**super().error_row(item, message), **size_of(item)}


def require_weights(path: str | None, inputs: Mapping[str, tuple[str, ...]]) -> None:
    """Raises ValueError unless weights come from one place: a node's `path`, or the node wired to `checkpoint`."""
    if bool(inputs.get("checkpoint")) == bool(path):
        found = "both" if path else f"neither: --set {NODE}.path=FILE, or a name that wider8k weights list prints"
        raise ValueError(f"expected weights either as a file in `path` or from inputs.checkpoint, found {found}")
