"""The five minutes of the people in docs/five_minutes: what each begins with, and a script typed line by line.

    python -m tests.five_minutes ../shared

writes down what the scripts print now, `docs/five_minutes/*.txt`.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from pipeline.data.images import read_header
from tests.wheel import ROOT, install_wheel

FOLDER = ROOT / "docs/five_minutes"
WEIGHTS = "retinaface_mobilenet0.25_Final.pth"
_IMAGES = "data/wider_images/WIDER_val/images"
_TRUTH = "data/wider_val_gt"


def photographs(shared: Path, count: int) -> dict[str, list[list[int]]]:
    """Returns the first photographs of the validation set that are there -> the boxes x y w h of their valid faces."""
    lines = (shared / _TRUTH / "wider_face_val_bbx_gt.txt").read_text().splitlines()
    boxes, place = dict[str, list[list[int]]](), 0
    while place < len(lines):
        name, rows = lines[place], max(1, int(lines[place + 1]))
        numbers = [list(map(int, line.split())) for line in lines[place + 2 : place + 2 + rows]]
        boxes[name] = [row[:4] for row in numbers if row[2] > 0 and row[3] > 0 and not row[7]]
        place += 2 + rows
    root = shared / _IMAGES
    names = sorted(str(file.relative_to(root)) for file in root.rglob("*.jpg"))[:count]
    return {name: boxes[name] for name in names}


def researcher(shared: Path, folder: Path) -> None:
    """Six photographs and a checkpoint."""
    (folder / "photos").mkdir()
    for name in photographs(shared, 6):
        shutil.copy(shared / _IMAGES / name, folder / "photos")
    shutil.copy(shared / "data/weights" / WEIGHTS, folder)


def annotator(shared: Path, folder: Path) -> None:
    """Six photographs as Label Studio exports them as "YOLO with images", and a checkpoint."""
    for inside in ("images", "labels"):
        (folder / "labelled" / inside).mkdir(parents=True)
    for number, (name, boxes) in enumerate(photographs(shared, 6).items()):
        stem = f"{number:08x}-{Path(name).stem}"
        shutil.copy(shared / _IMAGES / name, folder / f"labelled/images/{stem}.jpg")
        width, height = read_header((shared / _IMAGES / name).read_bytes())
        rows = [f"0 {(x + w / 2) / width} {(y + h / 2) / height} {w / width} {h / height}" for x, y, w, h in boxes]
        (folder / f"labelled/labels/{stem}.txt").write_text("\n".join(rows))
    (folder / "labelled/classes.txt").write_text("Face\n")
    info = {"year": 2026, "version": "1.0", "contributor": "Label Studio"}
    (folder / "labelled/notes.json").write_text(json.dumps({"categories": [{"id": 0, "name": "Face"}], "info": info}))
    shutil.copy(shared / "data/weights" / WEIGHTS, folder)


def predictions(shared: Path, folder: Path) -> None:
    """COCO labels of twelve photographs, and results about their faces with false alarms, from two made-up detectors."""
    rng = random.Random(0)
    labels = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "face"}]}
    found: dict[str, list[dict[str, object]]] = {"a": [], "b": []}
    for number, (name, boxes) in enumerate(photographs(shared, 12).items(), start=1):
        width, height = read_header((shared / _IMAGES / name).read_bytes())
        labels["images"].append({"id": number, "file_name": name, "width": width, "height": height})
        for box in boxes:
            key = len(labels["annotations"]) + 1
            labels["annotations"].append(
                {"id": key, "image_id": number, "category_id": 1, "bbox": box, "area": box[2] * box[3]}
            )
            for results, jitter in zip(found.values(), (0.2, 0.05), strict=True):
                x, y, w, h = box
                moved = [
                    round(x + rng.uniform(-jitter, jitter) * w, 2),
                    round(y + rng.uniform(-jitter, jitter) * h, 2),
                    w,
                    h,
                ]
                alarm = [rng.randrange(width - 40), rng.randrange(height - 40), 30, 40]
                for each, low, high in ((moved, 0.3, 1), (alarm, 0.02, 0.7)):
                    score = round(rng.uniform(low, high), 4)
                    results.append({"image_id": number, "category_id": 1, "bbox": each, "score": score})
    (folder / "labels.json").write_text(json.dumps(labels))
    for name, results in found.items():
        (folder / f"{name}.json").write_text(json.dumps(results))


def platform(shared: Path, folder: Path) -> None:
    """The validation set in its layout with three of its images, and a checkpoint."""
    shutil.copytree(shared / _TRUTH, folder / "WIDER/wider_face_split")
    for name in photographs(shared, 3):
        target = folder / "WIDER/WIDER_val/images" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(shared / _IMAGES / name, target)
    shutil.copy(shared / "data/weights" / WEIGHTS, folder / "mobilenet.pth")


PEOPLE: Mapping[str, Callable[[Path, Path], None]] = {
    each.__name__: each for each in (researcher, annotator, predictions, platform)
}
"""Name of a script -> what its person has in an empty folder."""


def typed(person: str, shared: Path, folder: Path, env: Mapping[str, str]) -> str:
    """Returns what a terminal shows of a person's script, with the time of each command that takes a second."""
    PEOPLE[person](shared, folder)
    home = {"HOME": str(folder), "COLUMNS": "100", "NO_COLOR": "1"}
    shown = []
    for line in (FOLDER / f"{person}.sh").read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        started = time.monotonic()
        done = subprocess.run(
            ["bash", "-c", line], cwd=folder, env={**env, **home}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=280, check=False,
        )  # fmt: skip
        code = f", exit code {done.returncode}" if done.returncode else ""
        shown.append(f"$ {line}\n{done.stdout}[{time.monotonic() - started:.1f} s{code}]\n")
    return "\n".join(shown).replace(str(folder), "~")


def main(shared: Path) -> None:
    """Writes down what every script prints."""
    with tempfile.TemporaryDirectory() as made:
        (Path(made) / "wheel").mkdir()
        env = install_wheel(Path(made) / "wheel")
        for person in PEOPLE:
            folder = Path(made) / person
            folder.mkdir()
            (FOLDER / f"{person}.txt").write_text(typed(person, shared, folder, env), encoding="utf-8")
            print(FOLDER / f"{person}.txt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
