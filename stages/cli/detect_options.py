"""What may be asked of `wider8k detect`, and what its outputs must not be."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from pipeline.data.images import MOST_MEGAPIXELS
from pipeline.models.published import PUBLISHED, weights_file
from stages.cli.completion import weight_names
from stages.cli.outputs import require_files, require_folder

Images = Annotated[
    list[Path], typer.Argument(help="Image and video files, folders with all images below them, or '*.jpg' patterns.")
]


def _weights(given: Path | None) -> Path:
    # Here and not in `default_factory`, which is also called where a shell completes what is typed.
    if given is None:
        names = " or ".join(PUBLISHED)
        raise typer.BadParameter(
            "expected a checkpoint, ours or a published one, or the name of one that can be fetched "
            f"({names}), found none",
            param_hint="'--weights'",
        )
    return weights_file(given)


Weights = Annotated[
    Path,
    typer.Option(
        default_factory=lambda: None,
        show_default="required",
        autocompletion=weight_names,
        help="Checkpoint: ours (.safetensors), a published RetinaFace (.pth), or a name of `wider8k weights list`.",
        callback=_weights,
    ),
]
Detector = Annotated[str | None, typer.Option(help="Needed only where the weights do not name it.")]
Ranker = Annotated[Path | None, typer.Option(help="Trained ranker that re-scores the candidates first.")]
Canvas = Annotated[str, typer.Option(help="original, 8k, a long edge in pixels, or a short one: short-640.")]
TestTimeMode = Annotated[str, typer.Option(help="Test-time mode with sizes of its own, e.g. crface_multi.")]
Score = Annotated[float, typer.Option(min=0, max=1, help="Only boxes above it.")]
DrawScore = Annotated[float, typer.Option(min=0, max=1, help="Only boxes above it are drawn and cropped.")]
BlurScore = Annotated[
    float, typer.Option(min=0, max=1, help="Boxes above it are blurred: rather one too many than a face too few.")
]
Device = Annotated[str, typer.Option(help="auto (cuda where there is one), cpu or cuda.")]
Engine = Annotated[str, typer.Option(help="torch, openvino, onnxruntime, ...; auto: the fastest one installed.")]
Every = Annotated[int, typer.Option(min=1, help="Of a video, only every n-th frame, shown until the next.")]
MaxMegapixels = Annotated[
    int, typer.Option(min=1, max=MOST_MEGAPIXELS, help="Larger images are an error, before they take memory.")
]
Out = Annotated[Path | None, typer.Option(help="Folder for the images and videos with boxes drawn.")]
Blur = Annotated[Path | None, typer.Option(help="Folder for them with every face blurred for good.")]
Crops = Annotated[Path | None, typer.Option(help="Folder for an image of each face.")]
Json = Annotated[Path | None, typer.Option(help="Write boxes, scores and landmarks in original pixels.")]
Csv = Annotated[
    Path | None, typer.Option(help="Write a line per face: image, of a video frame and seconds, corners, score.")
]
Fresh = Annotated[bool, typer.Option("--fresh", help="Forget what a stopped run has done.")]


def require_blurred(score: float, blur_score: float) -> None:
    """Raises ValueError where boxes that are to be blurred would not be found."""
    if score > blur_score:
        raise ValueError(
            f"--score {score:g}: boxes down to --blur-score {blur_score:g} are blurred, expected at most that"
        )


def require_outputs(folders: Mapping[str, Path], files: Mapping[str, Path], inputs: Sequence[Path]) -> None:
    """Raises ValueError for what could not be written in the end.

    Args:
        folders: by kind of `KINDS`.
        files: by option.
        inputs: files that are read.
    """
    require_files(files, inputs)
    taken = dict[str, str]()
    for kind, folder in folders.items():
        require_folder(f"--{kind}", folder)
        real = os.path.realpath(folder)
        if real in taken:
            raise ValueError(f"--{kind} {folder}: expected another folder than that of --{taken[real]}, found the same")
        taken[real] = kind
