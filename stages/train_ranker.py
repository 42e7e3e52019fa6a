"""A join of samples and dumps to a checkpoint of one ranker; the detectors that made the dumps have no part in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, field_validator

from pipeline.data.image_bytes import bytes_reader
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
    """Training of CRFace's ranker, or of ours, with the candidates of all detectors of a join (section 4.2).

    The first weights are random, or ImageNet's where the switch `pretrained` says so, or those of a checkpoint: of the
    same ranker, or of a detector with the same backbone, which is taken over; a file in the node's `path`, or the node
    wired to `start`. A join wired to `held_out` is judged every `recipe.eval_every` steps and at the end: how many
    of its pairs of boxes are in the right order; nothing is learnt from it. `samples` are those that the joins were
    made of: they say where an image lies.

    Attributes:
        ranker: entry of `RANKERS`.
        model_args: arguments of its factory; `rows` is the recipe's.
        recipe: every number that decides the outcome; a config names those that differ from the defaults.
        checkpoint_seconds, repeatable: see `TrainingStage`.
    """

    name: ClassVar[str] = "train_ranker"
    version: ClassVar[str] = "3"
    inputs: ClassVar[dict[str, Port]] = {
        "rankings": Port(LABELLED_CANDIDATES),
        "samples": Port(SAMPLES, many=True),
        "held_out": Port(LABELLED_CANDIDATES, optional=True),
        "start": Port(CHECKPOINT, optional=True),
    }

    ranker: str = "crface"
    model_args: dict[str, Any] = Field(default_factory=dict)
    recipe: RankerRecipe = RankerRecipe()

    @field_validator("ranker")
    @classmethod
    def _ranker(cls, value: str) -> str:
        RANKERS.find(value)
        return value

    def resolve(self, file: str) -> None:
        """Raises ValueError where a file is neither of this ranker nor of a known detector."""
        checkpoint = Checkpoint(file)
        if checkpoint.kind == "ranker":
            checkpoint.ranker(self.ranker)
        else:
            checkpoint.detector()

    def training(self, ctx: StageContext) -> Training:
        """Returns the training.

        Raises:
            ValueError: nothing to put in order, samples that a join was not made of, first weights that do not fit.
        """
        from pipeline.training.data.ranker_dataset import RankerDataset
        from pipeline.training.data.sampler import BatchSampler
        from pipeline.training.loop.session import Training
        from pipeline.training.tasks.ranker_learner import RankerLearner
        from stages.validators.ranker import RankerValidator

        assert ctx.work_dir is not None
        join = ctx.one("rankings")
        rankings = _rankings(join, self.recipe, self.recipe.images)
        learner = RankerLearner(self.ranker, self.recipe, self.model_args, first_weights(ctx))
        # Built here once for its normalisation and to find out before any process starts whether the weights fit.
        with naming_weights(ctx, "start"):
            normalisation = learner.first().normalisation
        validator = None
        if held_out := ctx.inputs.get("held_out"):
            read = bytes_reader(ctx, _samples_of(ctx, held_out[0]))
            validator = RankerValidator(_rankings(held_out[0], self.recipe), read, self.recipe)
        pictures = RankerDataset(
            rankings, bytes_reader(ctx, _samples_of(ctx, join)), self.recipe, normalisation.mean_bgr
        )
        return Training(
            learner=learner,
            batches=BatchSampler(pictures, self.recipe.batch, self.recipe.seed, self.recipe.sides),
            store=ctx.work_dir.store,
            folder=ctx.work_dir.folder,
            validator=validator,
            threads=max(1, int(ctx.resources.cpus)),
            accelerated=ctx.resources.gpus > 0,
            checkpoint_seconds=self.checkpoint_seconds,
            repeatable=self.repeatable,
            bad_share=ctx.resources.max_error_share,
        )


def _rankings(join: Artifact, recipe: RankerRecipe, most: int | None = None) -> LabelledCandidateReader:
    """Returns the rows of a join; raises ValueError where there is nothing to put in order."""
    from pipeline.training.loop.ranker_preflight import require_rankable

    rows = LabelledCandidateReader(join, most)
    try:
        require_rankable(rows, recipe)
    except ValueError as error:
        raise ValueError(f"{join.node}: {error}") from None
    return rows


def _samples_of(ctx: StageContext, join: Artifact) -> Artifact:
    """Returns those of the wired samples that a join was made of."""
    made_of = set(join.manifest.fingerprint_fields["inputs"]["samples"])
    for samples in ctx.inputs["samples"]:
        if samples.manifest.content in made_of:
            return samples
    found = ", ".join(each.node for each in ctx.inputs["samples"])
    raise ValueError(f"{join.node} was not made of {found}: wire the samples of every join to inputs.samples")
