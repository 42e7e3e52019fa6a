"""detect: the faces that a detector finds in some images."""

from __future__ import annotations

import json as jsonlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, count
from pathlib import Path
from typing import Annotated, Any

import typer

from stages.cli.outputs import require_files, require_folder

JPEG_SIDE = 65_500  # pixels, libjpeg's limit; a longer image is written as PNG


def detect(
    images: Annotated[list[Path], typer.Argument(help="Image files.")],
    weights: Annotated[Path, typer.Option(help="Checkpoint: ours (.safetensors) or a published RetinaFace (.pth).")],
    detector: Annotated[str | None, typer.Option(help="Needed only where the weights do not name it.")] = None,
    scale: Annotated[
        str, typer.Option(help="original, 8k, a long edge in pixels, or a short one: short-640.")
    ] = "original",
    mode: Annotated[str, typer.Option(help="Test-time mode with sizes of its own, e.g. crface_multi.")] = "single",
    score: Annotated[float, typer.Option(min=0, max=1, help="Only boxes above it.")] = 0.02,
    draw_score: Annotated[float, typer.Option(min=0, max=1, help="Only boxes above it are drawn.")] = 0.5,
    device: Annotated[str, typer.Option(help="auto (cuda where there is one), cpu or cuda.")] = "auto",
    engine: Annotated[
        str, typer.Option(help="torch, openvino, onnxruntime, ...; auto: the fastest one installed.")
    ] = "torch",
    out: Annotated[Path | None, typer.Option(help="Folder for the images with boxes drawn.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write boxes, scores and landmarks in original pixels.")] = None,
) -> None:
    """Find faces in images; print how many, and draw or write them.

    What goes wrong with one image is a line of its own, and exit code 1 at the end; the others are done.

    Example: wider8k detect photo.jpg --weights runs/smoke/detector.safetensors --out found
    """
    from pipeline.inference.predictor import Predictor
    from pipeline.models.weights import open_detector

    stems = _stems(images)
    _check_outputs(images, weights, out, stems, json)
    detections, chosen_device = _detections(scale, mode, score), _device(device)
    chosen_engine = _engine(engine, chosen_device)
    name, network = open_detector(weights, detector)
    predictor, done = Predictor(network, chosen_device, engine=chosen_engine), _Done()
    try:
        for path, stem in zip(images, stems, strict=True):
            _one(path, out and out / stem, partial(detections, predictor), done, (score, draw_score, name))
    finally:
        if json:
            json.write_text(jsonlib.dumps(done.rows) + "\n", encoding="utf-8")
            print(f"all boxes: {json}")
    for what, failed in done.failed.items():
        print(f"{failed} of {len(images)} images could not be {what}", file=sys.stderr)
    if done.failed:
        raise typer.Exit(1)


@dataclass(slots=True)
class _Done:
    """Rows found so far, and the number of images per failed action."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    failed: dict[str, int] = field(default_factory=dict)

    def attempt(self, path: Path, what: str, action: Callable[[], Any]) -> Any:
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


def _one(
    path: Path, target: Path | None, detect: Callable[[Any], Any], done: _Done, shown_as: tuple[float, float, str]
) -> None:
    """Reads one image, detects its faces, prints their number and draws them."""
    from pipeline.data.images import decode

    image = done.attempt(path, "read", lambda: decode(path.read_bytes()))
    found = None if image is None else done.attempt(path, "processed", lambda: detect(image))
    if found is None:
        return
    score, draw_score, name = shown_as
    height, width = image.shape[:2]
    marks = [] if found.landmarks is None else found.landmarks.tolist()
    row = {"image": str(path), "width": width, "height": height, "boxes": found.boxes.tolist()}
    done.rows.append({**row, "scores": found.scores.tolist(), "landmarks": marks})
    shown = int((found.scores > draw_score).sum())
    best = f", best {found.scores[0]:.3f}" if len(found.scores) else ""
    print(f"{path}: {shown} faces above {draw_score:g} ({len(found.scores)} above {score:g}{best}) by {name}")
    if target and (drawn := done.attempt(path, "drawn", lambda: _draw(target, image, found, shown))):
        print(f"  drawn: {drawn}")


def _check_outputs(
    images: Sequence[Path], weights: Path, out: Path | None, stems: Sequence[str], json: Path | None
) -> None:
    """Raises ValueError for what could not be written in the end, or would replace what is read."""
    require_files({"--json": json}, (*images, weights))
    if out is None:
        return
    require_folder("--out", out)
    read = {os.path.realpath(path) for path in images}
    for target in (os.path.realpath(_named(out / stem, suffix)) for stem in stems for suffix in (".jpg", ".png")):
        if target in read:
            raise ValueError(f"--out {out}: a drawing would replace {target}, which is read: give another folder")


def _detections(scale: str, name: str, score: float) -> Callable[[Any, Any], Any]:
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


def _stems(images: Sequence[Path]) -> list[str]:
    """Returns a name for each drawing; images of one name in several folders are numbered."""
    stems: dict[str, None] = {}
    others: dict[str, Iterator[str]] = {}
    for path in images:
        # Counted on from the last number of a name, so that a thousand folders of one name are a thousand steps.
        names = others.setdefault(path.stem, chain([path.stem], map(f"{path.stem}_{{}}".format, count(2))))
        stems[next(stem for stem in names if stem not in stems)] = None
    return list(stems)


def _named(stem: Path, suffix: str) -> Path:
    return stem.with_name(stem.name + suffix)


def _draw(stem: Path, image: Any, found: Any, shown: int) -> Path:
    """Writes the drawing and returns its file: a JPEG, or a PNG where a side is longer than a JPEG's may be."""
    from pipeline.data.images import encode_jpeg, encode_png
    from pipeline.inference.draw import draw

    marks = None if found.landmarks is None else found.landmarks[:shown]
    drawing = draw(image, found.boxes[:shown], found.scores[:shown], marks)
    long = max(drawing.shape[:2]) > JPEG_SIDE
    target = _named(stem, ".png" if long else ".jpg")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(encode_png(drawing) if long else encode_jpeg(drawing))
    return target
