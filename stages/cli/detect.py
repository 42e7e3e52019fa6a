"""detect: the faces that a detector finds in images and videos."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.data.images import MAX_MEGAPIXELS
from pipeline.data.video_kinds import is_video
from pipeline.models.checkpoint import Checkpoint
from stages.cli import detect_options as options
from stages.cli.detect_options import require_blurred, require_outputs
from stages.cli.found_faces import FaceCsv, JsonArray, named, stems_of
from stages.cli.image_arguments import images_of
from stages.cli.unfinished import Unfinished

if TYPE_CHECKING:
    from pipeline.inference.face_finder import FaceFinder
    from stages.cli.detect_run import DetectRun, Input

AHEAD = {"cpu": 1, "cuda": 8}
"""Device -> images that are decoded beside the network."""
_IMAGES, _VIDEOS = (".jpg", ".png"), (".mp4", ".avi")  # endings of what is written


def detect(
    images: options.Images,
    weights: options.Weights,
    detector: options.Detector = None,
    ranker: options.Ranker = None,
    canvas: options.Canvas = "original",
    mode: options.TestTimeMode = "single",
    score: options.Score = 0.02,
    draw_score: options.DrawScore = 0.5,
    blur_score: options.BlurScore = 0.2,
    device: options.Device = "auto",
    engine: options.Engine = "torch",
    every: options.Every = 1,
    max_megapixels: options.MaxMegapixels = MAX_MEGAPIXELS,
    out: options.Out = None,
    blur: options.Blur = None,
    crops: options.Crops = None,
    json: options.Json = None,
    csv: options.Csv = None,
    fresh: options.Fresh = False,
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

    if blur is not None:
        require_blurred(score, blur_score)
    images = images_of(images, lambda line: print(line, file=sys.stderr))
    folders = {kind: folder for kind, folder in (("out", out), ("blur", blur), ("crops", crops)) if folder is not None}
    files = {option: file for option, file in (("--json", json), ("--csv", csv)) if file is not None}
    require_outputs(folders, files, [*images, weights, *([ranker] if ranker else [])])
    if sys.stderr.isatty():  # seconds, in a fresh environment many
        print(f"loading {weights.name}", file=sys.stderr, flush=True)
    place = choose_device(device)
    networks = _Networks(weights, detector, ranker, canvas, mode, score, place, choose_engine(engine, place))
    written = {"--draw-score": draw_score, "--blur-score": blur_score, "--engine": networks.engine, "--every": every}
    log = _log({**networks.settings(), **written}, folders, files, fresh)
    inputs = _inputs(images, folders, log)
    name, finder = networks.finder()
    if engine == "auto":
        print(f"engine: {networks.engine}")
    thresholds = Thresholds(score, draw_score, blur_score)
    run = DetectRun(finder, name, thresholds, log, every=every, max_megapixels=max_megapixels, ahead=AHEAD[place])
    _go_through(inputs, run, files)
    run.conclude()


@dataclass(frozen=True, slots=True)
class _Networks:
    """What finds the faces: files and options as they are typed, a device of `AHEAD` and an entry of `ENGINES`."""

    weights: Path
    detector: str | None
    ranker: Path | None
    canvas: str
    mode: str
    score: float
    device: str
    engine: str

    def settings(self) -> dict[str, Any]:
        """Returns by option what decides which faces there are, but for the engine."""
        return {
            "--weights": Checkpoint(self.weights).content_hash,
            "--ranker": self.ranker and Checkpoint(self.ranker).content_hash,
            "--detector": self.detector,
            "--canvas": self.canvas,
            "--mode": self.mode,
            "--score": self.score,
        }

    def finder(self) -> tuple[str, FaceFinder]:
        """Returns the name of the detector, and what finds its faces."""
        from pipeline.inference.device import predictor_of_any_size
        from pipeline.inference.face_finder import FaceFinder
        from pipeline.inference.rerank import Reranker
        from pipeline.models.weights import open_detector, open_ranker

        reranker = Reranker(open_ranker(self.ranker)[1], self.device) if self.ranker else None
        name, network = open_detector(self.weights, self.detector)
        predictor = predictor_of_any_size(network, self.device, self.engine)
        return name, FaceFinder(predictor, self.canvas, self.score, self.mode, reranker)


def _log(
    settings: Mapping[str, Any], folders: Mapping[str, Path], files: Mapping[str, Path], fresh: bool
) -> Unfinished:
    """Returns what a stopped run with these settings and outputs has done."""
    growing = {option: file for option, file in files.items() if file.is_file() or not file.exists()}
    outputs = {**files, **{f"--{kind}": folder for kind, folder in folders.items()}}
    places = {option: os.path.abspath(output) for option, output in outputs.items()}
    return Unfinished.open(growing, list(folders.values()), {**settings, **places}, fresh=fresh)


def _go_through(inputs: Sequence[Input], run: DetectRun, files: Mapping[str, Path]) -> None:
    """Has the run write its files, behind what a stopped one has left in them."""
    log = run.log
    with ExitStack() as stack:
        stack.enter_context(log)
        if file := files.get("--json"):
            run.rows = stack.enter_context(JsonArray(file, log.sizes.get("--json", 0)))
        if file := files.get("--csv"):
            frames = any(each.video for each in inputs)
            run.lines = stack.enter_context(FaceCsv(file, log.sizes.get("--csv", 0), frames=frames))
        try:
            run(inputs)
        except KeyboardInterrupt:
            if log.file is not None:
                print(f"stopped after {len(log.done)} of {len(inputs)}: the same command goes on", file=sys.stderr)
            raise
    for option, what in (("--json", "boxes"), ("--csv", "faces")):
        if option in files:
            print(f"all {what}: {files[option]}")


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
