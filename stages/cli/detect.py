"""detect: the faces that a detector finds in images and videos."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.data.images import MAX_MEGAPIXELS, MOST_MEGAPIXELS
from pipeline.data.video_kinds import is_video
from pipeline.models.checkpoint import Checkpoint
from pipeline.models.published import weights_file
from stages.cli.found_faces import FaceCsv, JsonArray, named, stems_of
from stages.cli.image_arguments import images_of
from stages.cli.outputs import require_files, require_folder
from stages.cli.unfinished import Unfinished

if TYPE_CHECKING:
    from pipeline.inference.face_finder import FaceFinder
    from stages.cli.detect_run import Input

AHEAD = {"cpu": 1, "cuda": 8}
"""Device -> images that are decoded beside the network."""
_IMAGES, _VIDEOS = (".jpg", ".png"), (".mp4", ".avi")  # endings of what is written


def detect(
    images: Annotated[
        list[Path],
        typer.Argument(help="Image and video files, folders with all images below them, or '*.jpg' patterns."),
    ],
    weights: Annotated[
        Path,
        typer.Option(
            help="Checkpoint: ours (.safetensors), a published RetinaFace (.pth), or a name of `wider8k weights list`.",
            callback=weights_file,
        ),
    ],
    detector: Annotated[str | None, typer.Option(help="Needed only where the weights do not name it.")] = None,
    ranker: Annotated[Path | None, typer.Option(help="Trained ranker that re-scores the candidates first.")] = None,
    scale: Annotated[
        str, typer.Option(help="original, 8k, a long edge in pixels, or a short one: short-640.")
    ] = "original",
    mode: Annotated[str, typer.Option(help="Test-time mode with sizes of its own, e.g. crface_multi.")] = "single",
    score: Annotated[float, typer.Option(min=0, max=1, help="Only boxes above it.")] = 0.02,
    draw_score: Annotated[float, typer.Option(min=0, max=1, help="Only boxes above it are drawn and cropped.")] = 0.5,
    blur_score: Annotated[
        float, typer.Option(min=0, max=1, help="Boxes above it are blurred: rather one too many than a face too few.")
    ] = 0.2,
    device: Annotated[str, typer.Option(help="auto (cuda where there is one), cpu or cuda.")] = "auto",
    engine: Annotated[
        str, typer.Option(help="torch, openvino, onnxruntime, ...; auto: the fastest one installed.")
    ] = "torch",
    every: Annotated[int, typer.Option(min=1, help="Of a video, only every n-th frame, shown until the next.")] = 1,
    max_megapixels: Annotated[
        int, typer.Option(min=1, max=MOST_MEGAPIXELS, help="Larger images are an error, before they take memory.")
    ] = MAX_MEGAPIXELS,
    out: Annotated[Path | None, typer.Option(help="Folder for the images and videos with boxes drawn.")] = None,
    blur: Annotated[Path | None, typer.Option(help="Folder for them with every face blurred for good.")] = None,
    crops: Annotated[Path | None, typer.Option(help="Folder for an image of each face.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write boxes, scores and landmarks in original pixels.")] = None,
    csv: Annotated[
        Path | None, typer.Option(help="Write a line per face: image, of a video frame and seconds, corners, score.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget what a stopped run has done.")] = False,
) -> None:
    """Find faces in images and videos; print how many, and draw, blur, crop or write them.

    What goes wrong with one image is a line of its own, and exit code 1 at the end; the others are done. A blurred copy
    is written of every image, also of one without faces. After a kill the same command goes on where it was stopped.

    Example: wider8k detect photo.jpg --weights runs/smoke/detector.safetensors --out found

    Example: wider8k detect ~/photos --weights runs/smoke/detector.safetensors --blur blurred --csv faces.csv

    Example: wider8k detect film.mp4 --weights retinaface_mobilenet --every 5 --out drawn --json film.json
    """
    from pipeline.inference.device import choose_device, choose_engine
    from stages.cli.detect_run import DetectRun, Thresholds

    if blur is not None and score > blur_score:
        raise ValueError(
            f"--score {score:g}: boxes down to --blur-score {blur_score:g} are blurred, expected at most that"
        )
    images = images_of(images, lambda line: print(line, file=sys.stderr))
    folders = {kind: folder for kind, folder in (("out", out), ("blur", blur), ("crops", crops)) if folder is not None}
    files = {option: file for option, file in (("--json", json), ("--csv", csv)) if file is not None}
    _check_outputs(folders, files, [*images, weights, *([ranker] if ranker else [])])
    place = choose_device(device)
    chosen = choose_engine(engine, place)
    settings = {
        "--weights": _hash(weights),
        "--ranker": ranker and _hash(ranker),
        "--detector": detector,
        "--scale": scale,
        "--mode": mode,
        "--score": score,
        "--draw-score": draw_score,
        "--blur-score": blur_score,
        "--engine": chosen,
        "--every": every,
        **{option: os.path.abspath(file) for option, file in files.items()},
        **{f"--{kind}": os.path.abspath(folder) for kind, folder in folders.items()},
    }
    growing = {option: file for option, file in files.items() if file.is_file() or not file.exists()}
    log = Unfinished.open(growing, list(folders.values()), settings, fresh=fresh)
    inputs = _inputs(images, folders, log)
    name, finder = _finder(weights, detector, ranker, scale, mode, score, place, chosen)
    if engine == "auto":
        print(f"engine: {chosen}")
    with ExitStack() as stack:
        stack.enter_context(log)
        kept, frames = log.sizes, any(each.video for each in inputs)
        rows = stack.enter_context(JsonArray(json, kept.get("--json", 0))) if json else None
        lines = stack.enter_context(FaceCsv(csv, kept.get("--csv", 0), frames=frames)) if csv else None
        run = DetectRun(
            finder,
            name,
            Thresholds(score, draw_score, blur_score),
            log,
            rows,
            lines,
            every,
            max_megapixels,
            AHEAD[place],
        )
        try:
            run(inputs)
        except KeyboardInterrupt:
            if log.file is not None:
                print(f"stopped after {len(log.done)} of {len(inputs)}: the same command goes on", file=sys.stderr)
            raise
    for file, what in ((json, "boxes"), (csv, "faces")):
        if file:
            print(f"all {what}: {file}")
    run.conclude()


def _check_outputs(folders: Mapping[str, Path], files: Mapping[str, Path], inputs: Sequence[Path]) -> None:
    """Raises ValueError for what could not be written in the end."""
    require_files(files, inputs)
    taken = dict[str, str]()
    for kind, folder in folders.items():
        require_folder(f"--{kind}", folder)
        real = os.path.realpath(folder)
        if real in taken:
            raise ValueError(f"--{kind} {folder}: expected another folder than that of --{taken[real]}, found the same")
        taken[real] = kind


def _inputs(images: Sequence[Path], folders: Mapping[str, Path], log: Unfinished) -> list[Input]:
    """Returns the inputs with their targets; raises ValueError where one of these would replace what is read."""
    from stages.cli.detect_run import Input

    known = {path: done.stem for path in images if (done := log.done.get(os.path.abspath(path)))}
    read = {os.path.realpath(path) for path in images}
    inputs = []
    for path, stem in zip(images, stems_of(images, known), strict=True):
        each = Input(path, stem, is_video(path), {kind: folder / stem for kind, folder in folders.items()})
        for kind, target in each.targets.items():
            replaced = [named(target, suffix) for suffix in (_VIDEOS if each.video else _IMAGES)]
            if kind != "crops" and (found := next((file for file in replaced if os.path.realpath(file) in read), None)):
                what = "a drawing" if kind == "out" else "a blurred copy"
                file = os.path.realpath(found)
                raise ValueError(
                    f"--{kind} {target.parent}: {what} would replace {file}, which is read: give another folder"
                )
        inputs.append(each)
    return inputs


def _hash(weights: Path) -> str:
    return Checkpoint(weights).content_hash


def _finder(
    weights: Path,
    detector: str | None,
    ranker: Path | None,
    scale: str,
    mode: str,
    score: float,
    device: str,
    engine: str,
) -> tuple[str, FaceFinder]:
    """Returns the name of the detector, and what finds its faces."""
    from pipeline.inference.device import predictor_of_any_size
    from pipeline.inference.face_finder import FaceFinder
    from pipeline.inference.rerank import Reranker
    from pipeline.models.weights import open_detector, open_ranker

    reranker = Reranker(open_ranker(ranker)[1], device) if ranker else None
    name, network = open_detector(weights, detector)
    return name, FaceFinder(predictor_of_any_size(network, device, engine), scale, score, mode, reranker)
