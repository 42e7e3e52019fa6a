"""detect: a quick look at what a detector finds in some images."""

from __future__ import annotations

import json as jsonlib
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, count
from pathlib import Path
from typing import Annotated, Any

import typer


def register(app: typer.Typer) -> None:
    """Adds the command of this file."""
    app.command()(detect)


def detect(
    images: Annotated[list[Path], typer.Argument(help="Image files.")],
    weights: Annotated[Path, typer.Option(help="Checkpoint: ours (.safetensors) or a published RetinaFace (.pth).")],
    detector: Annotated[str | None, typer.Option(help="Needed only where the weights do not tell it.")] = None,
    scale: Annotated[
        str, typer.Option(help="original, 8k, a long edge in pixels, or a short one: short-640.")
    ] = "original",
    mode: Annotated[str, typer.Option(help="Test-time mode with sizes of its own, e.g. crface_multi.")] = "single",
    score: Annotated[float, typer.Option(min=0, max=1, help="Only boxes above it.")] = 0.02,
    draw_score: Annotated[float, typer.Option(min=0, max=1, help="Only boxes above it are drawn.")] = 0.5,
    device: Annotated[str, typer.Option(help="auto (cuda where there is one), cpu or cuda.")] = "auto",
    out: Annotated[Path | None, typer.Option(help="Folder for the images with boxes drawn.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write boxes, scores and landmarks in original pixels.")] = None,
) -> None:
    """Find faces in images; print how many, and draw or write them.

    Example: wider8k detect photo.jpg --weights runs/smoke/detector.safetensors --out found
    """
    from pipeline.data.images import decode
    from pipeline.inference.predictor import Predictor
    from pipeline.models.weights import open_detector

    look, place = _look(scale, mode, score), _device(device)
    name, network = open_detector(weights, detector)
    predictor, rows, failed = Predictor(network, place), [], 0
    for path, stem in zip(images, _stems(images), strict=True):
        try:
            image = decode(path.read_bytes())
        except (OSError, ValueError) as error:
            print(f"{path}: {error}", file=sys.stderr)
            failed += 1
            continue
        found = look(predictor, image)
        height, width = image.shape[:2]
        rows.append(_row(path, width, height, found))
        shown = int((found.scores > draw_score).sum())
        best = f", best {found.scores[0]:.3f}" if len(found.scores) else ""
        print(f"{path}: {shown} faces above {draw_score:g} ({len(found.scores)} above {score:g}{best}) by {name}")
        if out:
            print(f"  drawn: {_draw(out / f'{stem}.jpg', image, found, shown)}")
    if json:
        json.write_text(jsonlib.dumps(rows) + "\n", encoding="utf-8")
        print(f"all boxes: {json}")
    if failed:
        print(f"{failed} of {len(images)} images could not be read", file=sys.stderr)
        raise typer.Exit(1)


def _look(scale: str, name: str, score: float) -> Callable[[Any, Any], Any]:
    """Returns a function from predictor and image to detections: one pass and suppression, or a mode's own rule."""
    from pipeline.data.canvas import parse_canvas
    from pipeline.inference.postprocess import detections
    from pipeline.inference.test_time import detect, mode_named

    canvas, mode = parse_canvas(scale), mode_named(name)
    if name == "single":
        return lambda predictor, image: detections(
            predictor.candidates(image, canvas), score=score, convention=predictor.detector.convention
        )
    if scale != "original":
        raise ValueError(f"--mode {name} has sizes of its own: expected no --scale, found {scale}")
    if mode.fusion is None:
        return lambda predictor, image: detections(
            detect(predictor, image, mode), score=score, convention=mode.convention
        )

    def fused(predictor: Any, image: Any) -> Any:
        found = detect(predictor, image, mode)
        return found.take(found.scores > score)

    return fused


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


def _row(path: Path, width: int, height: int, found: Any) -> dict[str, Any]:
    marks = [] if found.landmarks is None else found.landmarks.tolist()
    return {
        "image": str(path),
        "width": width,
        "height": height,
        "boxes": found.boxes.tolist(),
        "scores": found.scores.tolist(),
        "landmarks": marks,
    }


def _stems(images: Sequence[Path]) -> list[str]:
    """Returns a name for each drawing; images of one name in several folders are numbered."""
    stems: dict[str, None] = {}
    others: dict[str, Iterator[str]] = {}
    for path in images:
        # Counted on from the last number of a name, so that a thousand folders of one name are a thousand steps.
        names = others.setdefault(path.stem, chain([path.stem], map(f"{path.stem}_{{}}".format, count(2))))
        stems[next(stem for stem in names if stem not in stems)] = None
    return list(stems)


def _draw(target: Path, image: Any, found: Any, shown: int) -> Path:
    from pipeline.data.images import encode_jpeg
    from pipeline.inference.draw import draw

    target.parent.mkdir(parents=True, exist_ok=True)
    marks = None if found.landmarks is None else found.landmarks[:shown]
    target.write_bytes(encode_jpeg(draw(image, found.boxes[:shown], found.scores[:shown], marks)))
    return target
