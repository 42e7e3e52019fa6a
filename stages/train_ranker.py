"""Labelled candidates of any detectors to a checkpoint of one ranker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import AfterValidator, Field

from pipeline.data.image_reader import ImageReader
from pipeline.data.labelled_candidates import LabelledCandidateReader
from pipeline.data.schemas import CHECKPOINT, LABELLED_CANDIDATES, SAMPLES
from pipeline.engine.manifest import Artifact
from pipeline.engine.stage import Port, StageContext
from pipeline.inference.worker import naming_weights
from pipeline.models.checkpoint import Checkpoint
from pipeline.models.rankers import RANKERS
from pipeline.training.recipes.ranker import RankerRecipe
from stages.base_training import TrainingStage, first_weights

if TYPE_CHECKING:
    from pipeline.training.loop.session import Training


class TrainRanker(TrainingStage):
    """Trains a ranker with the candidates of all detectors (CRFace, section 4.2).

    The first weights are random, or ImageNet's with the model arg `pretrained`, or those of a checkpoint: of the same
    ranker, or of a detector with the same backbone, which is taken over; a file in the node's `path`, or the node wired
    to `start`. Labelled candidates wired to `held_out` are evaluated every `recipe.eval_every` steps and at the end:
    the share of their pairs of boxes in the right order; nothing is learnt from them. `samples` are those that the
    candidates were labelled with; they have the paths of the images.

    Attributes:
        ranker: entry of `RANKERS`.
        model_args: arguments of its factory; `num_candidates` is the recipe's.
        recipe: every number that decides the outcome; a config names those that differ from the defaults.
        checkpoint_seconds, repeatable: see `TrainingStage`.
    """

    name: ClassVar[str] = "train_ranker"
    version: ClassVar[str] = "4"
    inputs: ClassVar[dict[str, Port]] = {
        "labelled": Port(LABELLED_CANDIDATES),
        "samples": Port(SAMPLES, many=True),
        "held_out": Port(LABELLED_CANDIDATES, optional=True),
        "start": Port(CHECKPOINT, optional=True),
    }

    ranker: Annotated[str, AfterValidator(RANKERS.known)] = "crface"
    model_args: dict[str, Any] = Field(default_factory=dict)
    recipe: RankerRecipe = RankerRecipe()

    def resolve(self, weights: Checkpoint) -> None:
        """Raises ValueError where a file holds neither this ranker nor a known detector."""
        if weights.kind == "ranker":
            weights.ranker(self.ranker)
        else:
            weights.detector()

    def training(self, ctx: StageContext) -> Training:
        """Returns the training.

        Raises:
            ValueError: nothing to rank, samples of other images, first weights that do not fit.
        """
        from pipeline.training.data.ranker_dataset import RankerDataset
        from pipeline.training.tasks.ranker import RankerTask
        from stages.validators.ranker import RankerValidator

        labelled = ctx.one("labelled")
        rows = _reader(labelled, self.recipe, self.recipe.images)
        task = RankerTask(self.ranker, self.recipe, self.model_args, first_weights(ctx))
        # Built here once for its normalisation, and to find weights that do not fit before any process starts.
        with naming_weights(ctx, "start"):
            normalisation = task.build().normalisation
        validator = None
        if held_out := ctx.inputs.get("held_out"):
            read = ImageReader(ctx, _samples_of(ctx, held_out[0])).read
            validator = RankerValidator(_reader(held_out[0], self.recipe), read, self.recipe)
        read = ImageReader(ctx, _samples_of(ctx, labelled)).read
        return self.assembled(ctx, task, RankerDataset(rows, read, self.recipe, normalisation.mean_bgr), validator)


def _reader(labelled: Artifact, recipe: RankerRecipe, limit: int | None = None) -> LabelledCandidateReader:
    """Returns the rows of labelled candidates; raises ValueError where there is nothing to rank."""
    from pipeline.training.loop.preflight import require_rankable

    rows = LabelledCandidateReader(labelled, limit)
    try:
        require_rankable(rows, recipe)
    except ValueError as error:
        raise ValueError(f"{labelled.node}: {error}") from None
    return rows


def _samples_of(ctx: StageContext, labelled: Artifact) -> Artifact:
    """Returns those of the wired samples that candidates were labelled with."""
    made_of = set(labelled.manifest.fingerprint_fields["inputs"]["samples"])
    for samples in ctx.inputs["samples"]:
        if samples.manifest.content_hash in made_of:
            return samples
    found = ", ".join(each.node for each in ctx.inputs["samples"])
    raise ValueError(
        f"{labelled.node} was not made of {found}: wire the samples of all labelled candidates to inputs.samples"
    )
