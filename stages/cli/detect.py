"""detect: the faces that a detector finds in some images."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline.models.published import weights_file
from stages.cli.found_faces import KINDS, FaceCsv, JsonArray, named, stems_of, write_kind
from stages.cli.image_arguments import images_of
from stages.cli.outputs import require_files, require_folder

LISTED = 50  # images that have a line each; of more there is one from time to time
SECONDS_BETWEEN_LINES = 10.0


def detect(
    images: Annotated[
        list[Path], typer.Argument(help="Image files, folders with all below them, or '*.jpg' patterns.")
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
    out: Annotated[Path | None, typer.Option(help="Folder for the images with boxes drawn.")] = None,
    blur: Annotated[Path | None, typer.Option(help="Folder for the images with every face blurred for good.")] = None,
    crops: Annotated[Path | None, typer.Option(help="Folder for an image of each face.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write boxes, scores and landmarks in original pixels.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write a line per face: image, corners in pixels, score.")] = None,
) -> None:
    """Find faces in images; print how many, and draw, blur, crop or write them.

    What goes wrong with one image is a line of its own, and exit code 1 at the end; the others are done. A blurred copy
    is written of every image, also of one without faces.

    Example: wider8k detect photo.jpg --weights runs/smoke/detector.safetensors --out found

    Example: wider8k detect ~/photos --weights runs/smoke/detector.safetensors --blur blurred --csv faces.csv
    """
    from pipeline.inference.predictor import Predictor
    from pipeline.models.weights import open_detector

    if blur is not None and score > blur_score:
        raise ValueError(
            f"--score {score:g}: boxes down to --blur-score {blur_score:g} are blurred, expected at most that"
        )
    images = images_of(images, lambda line: print(line, file=sys.stderr))
    folders = {kind: folder for kind, folder in (("out", out), ("blur", blur), ("crops", crops)) if folder is not None}
    stems, read = stems_of(images), [*images, weights, *([ranker] if ranker else [])]
    _check_outputs(images, folders, stems, read, {"--json": json, "--csv": csv})
    chosen_device = _device(device)
    detections = _detections(scale, mode, score, _reranker(ranker, mode, chosen_device))
    chosen_engine = _engine(engine, chosen_device)
    name, network = open_detector(weights, detector)
    predictor = Predictor(network, chosen_device, engine=chosen_engine)
    with ExitStack() as stack:
        rows = stack.enter_context(JsonArray(json)) if json else None
        lines = stack.enter_context(FaceCsv(csv)) if csv else None
        done = _Done(len(images), score, draw_score, blur_score, name, rows, lines)
        for path, stem in zip(images, stems, strict=True):
            targets = {kind: folder / stem for kind, folder in folders.items()}
            done.one(path, targets, lambda image: detections(predictor, image))
    for file, what in ((json, "boxes"), (csv, "faces")):
        if file:
            print(f"all {what}: {file}")
    done.conclude()


@dataclass(slots=True)
class _Done:
    """What is done so far: numbers of images and faces, and of images per failed action."""

    images: int
    score: float
    draw_score: float
    blur_score: float
    detector: str
    rows: JsonArray | None
    lines: FaceCsv | None
    count: int = 0
    faces: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    begun: float = field(default_factory=time.monotonic)
    last: float = field(default_factory=time.monotonic)

    def one(self, path: Path, targets: Mapping[str, Path], detect: Callable[[Any], Any]) -> None:
        """Reads one image, detects its faces, prints their number and writes what is wanted."""
        from pipeline.data.file_bytes import read_file
        from pipeline.data.images import decode

        self.count += 1
        image = self._attempt(path, "read", lambda: decode(read_file(path)))
        found = None if image is None else self._attempt(path, "processed", lambda: detect(image))
        if found is None:
            return
        height, width = image.shape[:2]
        marks = [] if found.landmarks is None else found.landmarks.tolist()
        row = {"image": str(path), "width": width, "height": height, "boxes": found.boxes.tolist()}
        if self.rows:
            self.rows.add({**row, "scores": found.scores.tolist(), "landmarks": marks})
        if self.lines:
            self.lines.add(path, found)
        shown = found.take(found.scores > self.draw_score)
        blurred = found.take(found.scores > self.blur_score)
        self.faces += len(shown)
        self._print(path, found, len(shown))
        for kind, target in targets.items():
            written = self._attempt(
                path, KINDS[kind], partial(write_kind, kind, target, image, blurred if kind == "blur" else shown)
            )
            if written and self.images <= LISTED:
                print(f"  {KINDS[kind]}: {written}")

    def conclude(self) -> None:
        """Prints the totals of many images, and raises typer.Exit(1) where something failed."""
        if self.images > LISTED:
            seconds = time.monotonic() - self.begun
            print(f"{self.faces} faces above {self.draw_score:g} in {self.images} images in {seconds:.0f} s")
        for what, failed in self.failed.items():
            print(f"{failed} of {self.images} images could not be {what}", file=sys.stderr)
        if self.failed:
            raise typer.Exit(1)

    def _print(self, path: Path, found: Any, shown: int) -> None:
        now = time.monotonic()
        if self.images <= LISTED:
            best = f", best {found.scores[0]:.3f}" if len(found.scores) else ""
            counts = f"{shown} faces above {self.draw_score:g} ({len(found.scores)} above {self.score:g}{best})"
            print(f"{path}: {counts} by {self.detector}")
        elif now - self.last >= SECONDS_BETWEEN_LINES:
            self.last, rate = now, self.count / (now - self.begun)
            left = (self.images - self.count) / rate
            print(f"{self.count}/{self.images} images {self.faces} faces {rate:.3g}/s {left:.0f} s left", flush=True)

    def _attempt(self, path: Path, what: str, action: Callable[[], Any]) -> Any:
        """Returns what the action gives, or None where it fails: printed and counted, and the others go on."""
        try:
            return action()
        except Exception as error:  # one image of many: decoders, networks and encoders have their own kinds of errors
            if os.environ.get("WIDER8K_DEBUG"):
                raise
            reason = error.strerror if isinstance(error, OSError) else next(iter(str(error).splitlines()), "")
            print(f"{path}: {reason or type(error).__name__}", file=sys.stderr)
            self.failed[what] = self.failed.get(what, 0) + 1
            return None


def _check_outputs(
    images: Sequence[Path],
    folders: Mapping[str, Path],
    stems: Sequence[str],
    inputs: Sequence[Path],
    files: Mapping[str, Path | None],
) -> None:
    """Raises ValueError for what could not be written in the end, or would replace what is read or written."""
    require_files(files, inputs)
    read, taken = {os.path.realpath(path) for path in images}, dict[str, str]()
    for kind, folder in folders.items():
        require_folder(f"--{kind}", folder)
        real = os.path.realpath(folder)
        if real in taken:
            raise ValueError(f"--{kind} {folder}: expected another folder than that of --{taken[real]}, found the same")
        taken[real] = kind
        for target in (os.path.realpath(named(folder / stem, suffix)) for stem in stems for suffix in (".jpg", ".png")):
            if target in read and kind != "crops":
                what = "a drawing" if kind == "out" else "a blurred copy"
                raise ValueError(
                    f"--{kind} {folder}: {what} would replace {target}, which is read: give another folder"
                )


def _reranker(file: Path | None, mode: str, device: str) -> Callable[[Any, Any], Any] | None:
    """Returns a function from image and candidates to candidates in a ranker's order, None without a ranker."""
    if file is None:
        return None
    from pipeline.inference.rerank import Reranker
    from pipeline.models.weights import open_ranker

    if mode != "single":
        raise ValueError(f"--ranker re-scores the candidates of one pass: expected no --mode, found {mode}")
    return Reranker(open_ranker(file)[1], device)


def _detections(
    scale: str, name: str, score: float, rerank: Callable[[Any, Any], Any] | None
) -> Callable[[Any, Any], Any]:
    """Returns a function from predictor and image to detections: one pass and suppression, or a mode's own rule."""
    from pipeline.data.canvas import parse_canvas
    from pipeline.inference.batches import candidates_within_memory
    from pipeline.inference.engines import ENGINES
    from pipeline.inference.memory import require_memory
    from pipeline.inference.postprocess import detections
    from pipeline.inference.test_time import MODES, detect

    canvas, mode = parse_canvas(scale), MODES.find(name)
    if name != "single" and scale != "original":
        raise ValueError(f"--mode {name} has sizes of its own: expected no --scale, found {scale}")

    def found_in(predictor: Any, image: Any) -> Any:
        if name != "single":
            found, convention = detect(predictor, image, mode), mode.convention
            if mode.fusion is not None:
                return found.take(found.scores > score)
        else:
            if predictor.device.type == "cpu":  # elsewhere too little memory is an error of its own, not the end
                factor = ENGINES.find(predictor.engine).memory
                require_memory(predictor.detector, *canvas.size(image.shape[1], image.shape[0]), factor)
            found, convention = candidates_within_memory(predictor, image, canvas), predictor.detector.convention
            found = rerank(image, found) if rerank else found
        return detections(found, score=score, convention=convention)

    return found_in


def _device(choice: str) -> str:
    """Returns "cpu" or "cuda"."""
    import torch

    if choice not in ("auto", "cpu", "cuda"):
        raise ValueError(f"--device {choice}: expected auto, cpu or cuda")
    if choice == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if choice == "cuda" and not torch.cuda.is_available():
        raise ValueError("--device cuda: torch sees no CUDA device here; choose cpu or auto")
    return choice


def _engine(choice: str, device: str) -> str:
    """Returns the name of an installed engine, and prints it for `auto`."""
    from pipeline.inference.engines import fastest, require_engine

    if choice != "auto":
        require_engine(choice, "float32", device)
        return choice
    name = fastest(device)
    print(f"engine: {name}")
    return name
