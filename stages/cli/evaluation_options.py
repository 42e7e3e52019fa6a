"""What may be asked of `wider8k evaluate`, and which options go together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from stages.cli.completion import benchmarks

if TYPE_CHECKING:
    from pipeline.evaluation.evaluate_files import LabelledImages

GroundTruth = Annotated[
    Path | None, typer.Option(help="Folder with wider_face_val.mat and wider_{easy,medium,hard}_val.mat.")
]
Labels = Annotated[
    Path | None,
    typer.Option(help="Labels of any form of `wider8k dataset`, or that folder. fddb: the folder of the folds."),
]
Benchmark = Annotated[
    str,
    typer.Option(
        help="Whose rule: wider, fddb, pascal, afw, coco, or single (one face to an image).", autocompletion=benchmarks
    ),
]
Protocol = Annotated[
    str, typer.Option(help="pascal, afw: voc, or face-eval (30 px, boxes shifted and scaled, as published).")
]
MinFace = Annotated[float | None, typer.Option(help="pascal, afw: ignore faces with a smaller side, in pixels.")]
MaxDetections = Annotated[int, typer.Option(help="coco: the best so many of an image.", min=1)]
Images = Annotated[Path | None, typer.Option(help="Evaluate only the images of this list, a name per line.")]
Json = Annotated[Path | None, typer.Option(help="Write AP with all digits, protocol and counts.")]
Report = Annotated[Path | None, typer.Option(help="Write a page: figures, curves, problems.")]
ReadingOption = Annotated[str, typer.Option(help="Where the official tools differ: matlab or python.")]
Nms = Annotated[float | None, typer.Option(help="Suppress above this overlap first (for dumps: 0.4).")]
Score = Annotated[
    float | None,
    typer.Option(help="Drop boxes at or below it first (for dumps: 0.02); single: those from it on count."),
]
Unreadable = Annotated[
    str, typer.Option(help="Images of a dump that could not be read: their faces are missed, or left_out of AP.")
]
WithDetails = Annotated[
    bool,
    typer.Option("--details", help="Also intervals, error types, recall, oracle, AP by height, event, attribute."),
]
Resamples = Annotated[int, typer.Option(min=1, help="Resamples of the images for the intervals of --details.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of these resamples.")]


@dataclass(frozen=True, slots=True)
class Truth:
    """Where the faces are, and whether they are in the official files."""

    path: Path
    official: bool
    category: str | None

    @classmethod
    def of(cls, ground_truth: Path | None, labels: Path | None, category: str | None) -> Truth | None:
        """Returns what the options name, None without any; raises ValueError where they do not go together."""
        from pipeline.data.datasets.wider_face.ground_truth import is_official

        if ground_truth and labels:
            raise ValueError(
                "--ground-truth and --labels are two names of one folder: expected one of them, found both"
            )
        path = ground_truth or labels
        if path is None:
            return None
        official = labels is None or is_official(labels)
        if official and category is not None:
            raise ValueError("--category: expected with --labels of your own only, found the official files")
        return cls(path, official, category)

    def faces(self) -> LabelledImages:
        """Returns the faces; raises as `read_labels` and `load_ground_truth`."""
        from pipeline.data.datasets.wider_face.ground_truth import load_ground_truth
        from pipeline.evaluation.evaluate_files import LabelledImages, read_labels

        return LabelledImages(load_ground_truth(self.path)) if self.official else read_labels(self.path, self.category)


def chosen_reading(
    reading: str, nms: float | None, score: float | None, unreadable: str
) -> tuple[Literal["matlab", "python"], float | None, float | None, Literal["left_out", "missed"]]:
    """Returns the options of `read_inputs`; raises ValueError where one is none of its choices."""
    if reading not in ("matlab", "python"):
        raise ValueError(f"--reading {reading}: expected matlab or python")
    if unreadable not in ("left_out", "missed"):
        raise ValueError(f"--unreadable {unreadable}: expected left_out or missed")
    tool: Literal["matlab", "python"] = "python" if reading == "python" else "matlab"
    return tool, nms, score, "left_out" if unreadable == "left_out" else "missed"


def require_options_of(ctx: typer.Context, benchmark: str) -> None:
    """Raises ValueError where an option is typed that the benchmark does not use."""
    from pipeline.evaluation.benchmark_fields import USED_BY, unused

    if found := unused(benchmark, (name for name in USED_BY if is_typed(ctx, name))):
        names, users = found
        typed, only = ", ".join(map(option_name, names)), " or ".join(users)
        raise ValueError(f"{typed}: expected with --benchmark {only} only, found {benchmark}")


def require_details(ctx: typer.Context, details: bool) -> None:
    """Raises ValueError where an option of the intervals is typed, even at its default, and `--details` is not."""
    typed = [option_name(name) for name in ("resamples", "seed") if is_typed(ctx, name)]
    if typed and not details:
        raise ValueError(f"{', '.join(typed)}: expected with --details only, found no --details")


def option_name(name: str) -> str:
    """Returns an option as it is typed, for its parameter's name."""
    return "--class" if name == "class_name" else f"--{name.replace('_', '-')}"


def is_typed(ctx: typer.Context, name: str) -> bool:
    """Returns whether an option is on the command line, even at its default."""
    source = ctx.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"
