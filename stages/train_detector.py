"""Samples to a checkpoint of one detector."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import AfterValidator, Field, field_validator

from pipeline.data.image_reader import ImageReader
from pipeline.data.records import Sample
from pipeline.data.schemas import CHECKPOINT, SAMPLES
from pipeline.engine.manifest import Artifact
from pipeline.engine.stage import Port, StageContext
from pipeline.inference.worker import naming_weights
from pipeline.models.checkpoint import Checkpoint
from pipeline.models.detectors import DETECTORS
from pipeline.training.recipes.detector import PRESETS, DetectorRecipe
from stages.base_training import TrainingStage, first_weights

if TYPE_CHECKING:
    from pipeline.training.loop.session import Training


class TrainDetector(TrainingStage):
    """Trains a detector with the losses of its own paper, see `DetectorTask`.

    The first weights are random, or ImageNet's with the model arg `pretrained`, or those of a checkpoint: a file in the
    node's `path`, or the node wired to `start`. Images wired to `held_out` are evaluated every `recipe.eval_every`
    steps and at the end; nothing is learnt from them.

    Attributes:
        detector: entry of `DETECTORS`.
        model_args: arguments of its factory, the ablations of its paper.
        recipe: every number that decides the outcome; a config names those that differ from the defaults, or from
            those of `preset`, an entry of `PRESETS`.
        checkpoint_seconds, repeatable: see `TrainingStage`.
    """

    name: ClassVar[str] = "train_detector"
    version: ClassVar[str] = "3"
    inputs: ClassVar[dict[str, Port]] = {
        "samples": Port(SAMPLES),
        "held_out": Port(SAMPLES, optional=True),
        "start": Port(CHECKPOINT, optional=True),
    }

    detector: Annotated[str, AfterValidator(DETECTORS.known)] = "retinaface_mobilenet"
    model_args: dict[str, Any] = Field(default_factory=dict)
    recipe: DetectorRecipe = DetectorRecipe()

    @field_validator("recipe", mode="before")
    @classmethod
    def _preset(cls, value: object) -> object:
        if not isinstance(value, Mapping) or "preset" not in value:
            return value
        if value["preset"] not in PRESETS:
            raise ValueError(f"no preset {value['preset']!r}; there are {', '.join(PRESETS)}")
        return {**asdict(PRESETS[value["preset"]]), **{name: each for name, each in value.items() if name != "preset"}}

    def resolve(self, weights: Checkpoint) -> None:
        """Raises ValueError where a file is known to hold another detector."""
        weights.detector(self.detector)

    def training(self, ctx: StageContext) -> Training:
        """Returns the training.

        Raises:
            ValueError: no face, faces that no anchor can match, first weights of another architecture.
        """
        from pipeline.data.datasets.wider_face.ground_truth import ground_truth_of
        from pipeline.evaluation.wider_result import require_faces
        from pipeline.training.data.detector_dataset import DetectorDataset
        from pipeline.training.loop.preflight import require_matchable
        from pipeline.training.tasks.detector import DetectorTask
        from stages.validators.detector import DetectorValidator

        usable = _usable(ctx.one("samples"), self.recipe.images)
        task = DetectorTask(self.detector, self.recipe, self.model_args, first_weights(ctx))
        # Built here once for its anchors, and to find weights that do not fit before any process starts.
        with naming_weights(ctx, "start"):
            detector = task.build()
        try:
            require_matchable(usable, detector.grid, self.recipe)
        except ValueError as error:
            raise ValueError(f"{ctx.one('samples').node}: {error}") from None
        validator = None
        if held_out := ctx.inputs.get("held_out"):
            samples = _usable(held_out[0], None)
            # Every evaluation would have the same score, and the first weights would stay the best.
            require_faces(ground_truth_of(samples), held_out[0].node)
            validator = DetectorValidator(samples, ImageReader(ctx, held_out[0]).read, ctx.resources.gpus > 0)
        read = ImageReader(ctx, ctx.one("samples")).read
        dataset = DetectorDataset(usable, read, self.recipe, detector.normalisation.mean_bgr)
        return self.assembled(ctx, task, dataset, validator)


def _usable(samples: Artifact, most: int | None) -> list[Sample]:
    rows = (Sample.from_row(row) for row in samples.rows())
    return list(islice((sample for sample in rows if sample.error is None), most))
