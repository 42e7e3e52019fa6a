"""Ours against peers, side by side in one run: evaluation, images/s, memory, the object store, training, joining.

    uv run python jobs/benchmark.py all --shared ../shared --json benchmark.json

Give it a quiet machine. Real images, weights and predictions come from a folder `--shared` that holds `data/` with
`wider_images`, `wider_val_gt`, `weights` and `predictions`; without it the pipeline sections run on drawn images and
random weights, and the evaluation is skipped.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # `jobs` is no installed package

from jobs.benchmarks import engine_commands, storage_commands  # noqa: E402
from jobs.benchmarks.command_line import begin, check, conclude, measured, shared_folder  # noqa: E402
from jobs.benchmarks.results import Section, cores, table, writable  # noqa: E402
from pipeline.data.canvas import parse_canvas  # noqa: E402
from pipeline.models.detectors import DETECTORS  # noqa: E402
from pipeline.models.rankers import RANKERS  # noqa: E402

SharedOption = Annotated[Path | None, typer.Option(help="Folder of real data; default $WIDER8K_SHARED, ../shared.")]
RoundsOption = Annotated[int, typer.Option(min=1, help="Alternating runs of both sides; medians count.")]
WorkersOption = Annotated[int | None, typer.Option(min=1, help="Pipeline workers of one core; default all cores.")]
BudgetOption = Annotated[float, typer.Option(min=0, help="Memory of a worker in the run with tiles, GB; 0: no run.")]
DetectorOption = Annotated[str, typer.Option(help="Any other than the MobileNet has random weights.")]
RankerOption = Annotated[str, typer.Option(help="With random weights.")]
JsonOption = Annotated[Path | None, typer.Option(help="Write every figure with all digits.", callback=writable)]

DETECTOR = "retinaface_mobilenet"  # with published weights
app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, rich_markup_mode=None)
app.add_typer(engine_commands.app)
app.add_typer(storage_commands.app)


@app.command("evaluation")
def evaluation(shared: SharedOption = None, rounds: RoundsOption = 5, json: JsonOption = None) -> None:
    """Full-validation AP against faster-coco-eval on the same boxes.

    Example: uv run python jobs/benchmark.py evaluation --shared ../shared
    """
    conclude([_evaluation(shared_folder(shared), rounds)], json)


@app.command("pipeline-1024")
def pipeline_1024(
    images: Annotated[int, typer.Option(min=1)] = 990,
    shared: SharedOption = None,
    rounds: RoundsOption = 3,
    workers: WorkersOption = None,
    detector: DetectorOption = DETECTOR,
    json: JsonOption = None,
) -> None:
    """Images/s of the prediction node at long edge 1024 against the bare network.

    Example: uv run python jobs/benchmark.py pipeline-1024 --images 120
    """
    conclude([_pipeline("1024", images, shared_folder(shared), rounds, workers, None, detector)], json)


@app.command("pipeline-8k")
def pipeline_8k(
    images: Annotated[int, typer.Option(min=1)] = 12,
    shared: SharedOption = None,
    rounds: RoundsOption = 3,
    workers: WorkersOption = None,
    tile_budget_gb: BudgetOption = 1.5,
    json: JsonOption = None,
) -> None:
    """Images/s of the prediction node at long edge 7680 against the bare network; memory, whole and in tiles.

    Example: uv run python jobs/benchmark.py pipeline-8k --images 8 --rounds 1
    """
    conclude([_pipeline("8k", images, shared_folder(shared), rounds, workers, tile_budget_gb or None, DETECTOR)], json)


@app.command("assigning")
def assigning(rounds: RoundsOption = 5, json: JsonOption = None) -> None:
    """Matching and Ali-AMS of a batch of 8 images of 800 x 800 against the obvious loop over faces.

    Example: uv run python jobs/benchmark.py assigning --rounds 5
    """
    from jobs.benchmarks.assigning import assigning_section

    conclude([measured("assigning", partial(assigning_section, rounds))], json)


@app.command("suppression")
def suppression(shared: SharedOption = None, rounds: RoundsOption = 5, json: JsonOption = None) -> None:
    """NMS and box voting of 5,000 boxes, voting against the plain loop.

    Example: uv run python jobs/benchmark.py suppression --rounds 5
    """
    from jobs.benchmarks.suppression import suppression_section

    conclude([measured("suppression", partial(suppression_section, shared_folder(shared), rounds))], json)


@app.command("training")
def training(
    detector: Annotated[str, typer.Option(help="With random weights.")] = "mogface_mobilenet",
    assigner: Annotated[str, typer.Option(help="One that needs predictions costs most.")] = "ali_ams",
    batch: Annotated[int, typer.Option(min=1)] = 8,
    side: Annotated[int, typer.Option(min=32, help="Of the training images, pixels.")] = 320,
    steps: Annotated[int, typer.Option(min=10)] = 60,
    shared: SharedOption = None,
    rounds: RoundsOption = 1,
    json: JsonOption = None,
) -> None:
    """Training steps/s through Ray Train and Ray Data against the bare loop with its batches in memory.

    Example: uv run python jobs/benchmark.py training --detector mogface_baseline --batch 2 --side 640 --steps 20
    """
    from jobs.benchmarks.training import training_section
    from pipeline.training.recipes.detector import DetectorRecipe

    data = shared_folder(shared)
    numbers: dict[str, Any] = {"steps": steps, "batch": batch, "crop": side, "assigner": assigner}
    recipe = DetectorRecipe(**numbers, warmup=10, learning_rate=1e-3, colour_jitter=True)
    make = partial(training_section, detector, recipe, data, rounds)
    conclude([measured("training", make, detector=detector, batch=batch, side=side, steps=steps)], json)


@app.command("ranker-training")
def ranker_training(
    ranker: RankerOption = "crface_mobilenet",
    batch: Annotated[int, typer.Option(min=1)] = 8,
    side: Annotated[int, typer.Option(min=32, help="Of the training images, pixels.")] = 320,
    steps: Annotated[int, typer.Option(min=10)] = 60,
    images: Annotated[int, typer.Option(min=2, help="With labelled candidates.")] = 64,
    shared: SharedOption = None,
    rounds: RoundsOption = 1,
    json: JsonOption = None,
) -> None:
    """A ranker's training steps/s through Ray Train and Ray Data against the bare loop with its batches in memory.

    Example: uv run python jobs/benchmark.py ranker-training --batch 4 --steps 30
    """
    from jobs.benchmarks.training import ranker_training_section
    from pipeline.training.recipes.ranker import RankerRecipe

    check("--ranker", [ranker], RANKERS.find)
    recipe = RankerRecipe(steps=steps, batch=batch, crop=side)
    make = partial(ranker_training_section, ranker, recipe, images, shared_folder(shared), rounds)
    typed = {"images": images, "ranker": ranker, "batch": batch, "side": side, "steps": steps}
    conclude([measured("ranker-training", make, **typed)], json)


@app.command("reranking")
def reranking(
    images: Annotated[int, typer.Option(min=1)] = 495,
    ranker: RankerOption = "crface_mobilenet",
    size: Annotated[str, typer.Option(help="That the ranker sees: original, 8k, an edge.")] = "original",
    shared: SharedOption = None,
    rounds: RoundsOption = 3,
    workers: WorkersOption = None,
    json: JsonOption = None,
) -> None:
    """Images/s of the re-ranking node against the bare ranker, with suppression and without.

    Example: uv run python jobs/benchmark.py reranking --images 120 --rounds 1
    """
    from jobs.benchmarks.throughput import reranking_section

    check("--ranker", [ranker], RANKERS.find)
    check("--size", [size], parse_canvas)
    make = partial(reranking_section, ranker, size, images, shared_folder(shared), rounds, workers or cores())
    conclude([measured("reranking", make, images=images, ranker=ranker, size=size)], json)


@app.command("joining")
def joining(
    images: Annotated[int, typer.Option(min=1)] = 100_000,
    boxes: Annotated[int, typer.Option(min=0, help="Of each image, by each of three detectors.")] = 50,
    json: JsonOption = None,
) -> None:
    """Rows/s and memory of the join of samples and three dumps of random boxes.

    Example: uv run python jobs/benchmark.py joining --images 10000
    """
    from jobs.benchmarks.joining import joining_section

    make = partial(joining_section, images, boxes)
    conclude([measured("joining", make, images=images, boxes=boxes)], json)


@app.command("forward")
def forward(
    detector: Annotated[list[str] | None, typer.Option(help="Again for more; default every one there is.")] = None,
    canvas: Annotated[list[str] | None, typer.Option(help="Again for more; default 640 and 1024.")] = None,
    passes: Annotated[int, typer.Option(min=1)] = 3,
    budget_gb: Annotated[float, typer.Option(min=0, help="Memory of the process on a CPU, GB; 0: no tiles.")] = 0,
    device: Annotated[str, typer.Option(help="cpu, or cuda: there in bfloat16.")] = "cpu",
    tiles: Annotated[int, typer.Option(min=0, help="Time so many of a canvas's tiles only; 0: all.")] = 0,
    json: JsonOption = None,
) -> None:
    """Milliseconds and peak memory of one image through each detector.

    Example: uv run python jobs/benchmark.py forward --detector mogface --canvas 8k --budget-gb 3 --tiles 2
    """
    from jobs.benchmarks.forward import forward_section

    names, sizes = detector or list(DETECTORS), canvas or ["640", "1024"]
    check("--detector", names, DETECTORS.find)
    make = partial(forward_section, names, sizes, passes, budget_gb or None, device, tiles or None)
    limits = {"budget_gb": [f"{budget_gb:g}"] * bool(budget_gb), "tiles": [tiles] * bool(tiles)}
    conclude([measured("forward", make, detector=detector or [], canvas=canvas or [], **limits)], json)


@app.command("engines")
def engines(
    detector: Annotated[list[str] | None, typer.Option(help="Again for more; default four.")] = None,
    images: Annotated[int, typer.Option(min=1, help="Of the MobileNet at 1024.")] = 495,
    images_8k: Annotated[int, typer.Option("--images-8k", min=1)] = 12,
    slow_images: Annotated[int, typer.Option(min=1, help="Of other detectors at 1024.")] = 8,
    slow_8k: Annotated[int, typer.Option("--slow-8k", min=0, help="Of other detectors at 8K; 0: none.")] = 1,
    budget_gb: Annotated[float, typer.Option(min=0, help="Of other detectors at 8K, GB.")] = 6,
    shared: SharedOption = None,
    json: JsonOption = None,
) -> None:
    """Every engine of a CPU beside torch: images/s at 1024 and 8K, memory, AP, two rankers.

    Example: uv run python jobs/benchmark.py engines --detector retinaface_mobilenet --images 60
    """
    from jobs.benchmarks.engines import engines_sections

    names = detector or ["retinaface_mobilenet", "retinaface_resnet50", "hambox_resnet50", "hrnet_w48"]
    check("--detector", names, DETECTORS.find)
    data, command, sections = shared_folder(shared), begin("engines"), []
    for section in engines_sections(names, (images, images_8k), (slow_images, slow_8k), budget_gb, data):
        sections.append(replace(section, command=command))
        print(table(sections[-1:]), flush=True)  # an hour's work: print what is measured
    conclude(sections, json)


@app.command("all")
def everything(
    images: Annotated[int, typer.Option(min=1, help="At long edge 1024.")] = 990,
    images_8k: Annotated[int, typer.Option("--images-8k", min=1)] = 12,
    shared: SharedOption = None,
    rounds: RoundsOption = 3,
    workers: WorkersOption = None,
    tile_budget_gb: BudgetOption = 1.5,
    json: JsonOption = None,
) -> None:
    """All sections, one table.

    Example: uv run python jobs/benchmark.py all --json benchmark.json
    """
    data = shared_folder(shared)
    small = _pipeline("1024", images, data, rounds, workers, None, DETECTOR)
    large = _pipeline("8k", images_8k, data, rounds, workers, tile_budget_gb or None, DETECTOR)
    conclude([_evaluation(data, rounds), small, large], json)


def _evaluation(shared: Path | None, rounds: int) -> Section:
    from jobs.benchmarks.evaluation import evaluation_section

    if shared is None:
        return Section("evaluation", [], ["skipped, it needs the real predictions and ground truth: see --shared"])
    predictions, truth = shared / "data/predictions/retinaface_mobilenet025.tar.gz", shared / "data/wider_val_gt"
    return measured("evaluation", partial(evaluation_section, predictions, truth, rounds))


def _pipeline(
    canvas: str, images: int, shared: Path | None, rounds: int, workers: int | None, budget: float | None, detector: str
) -> Section:
    from jobs.benchmarks.throughput import throughput_section

    make = partial(throughput_section, canvas, images, detector, shared, rounds, workers or cores(), budget)
    return measured(f"pipeline-{canvas}", make, images=images, detector=[detector] * (detector != DETECTOR))


if __name__ == "__main__":
    app()
