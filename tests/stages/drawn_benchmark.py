"""Drawn photographs in a folder with the labels of benchmarks beside them: FDDB's folds, COCO JSON and CSV."""

from __future__ import annotations

import json
from pathlib import Path

from pipeline.data.datasets.synthetic.dataset import Synthetic
from pipeline.data.images import encode_jpeg

IMAGES = 7


def write_benchmark(root: Path) -> Path:
    """Writes seven photographs of 160 x 120 px, `FDDB-folds`, `faces.json`, `faces.csv`, `single.csv`, and returns the folder.

    Names are FDDB's, and the labels have them in another order than the alphabet's. Of `single.csv` the first face of an
    image counts alone.
    """
    drawn = Synthetic(images=IMAGES, width=160, height=120, seed=4)
    ellipses, images, annotations, rows = {"01": "", "02": ""}, [], [], ["image,x1,y1,x2,y2,ignore"]
    single = [*rows]
    names: dict[str, list[str]] = {"01": [], "02": []}
    for index in reversed(range(IMAGES)):
        pixels, boxes, _ = drawn.draw(index)
        name = f"2002/08/{11 + index}/big/img_{index}"
        file = root / "originalPics" / f"{name}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(encode_jpeg(pixels))
        fold = "01" if index > 3 else "02"
        names[fold].append(name)
        ellipses[fold] += f"{name}\n{len(boxes)}\n"
        images.append({"id": IMAGES - index, "file_name": f"{name}.jpg"})
        for place, (x1, y1, x2, y2) in enumerate(boxes.astype(float).tolist()):
            ellipses[fold] += f"{(y2 - y1) / 2} {(x2 - x1) / 2} 1.5707963 {(x1 + x2) / 2} {(y1 + y2) / 2} 1\n"
            annotations.append({"image_id": IMAGES - index, "bbox": [x1, y1, x2 - x1, y2 - y1]})
            rows.append(f"{name}.jpg,{x1},{y1},{x2},{y2},{int(place == 3)}")
            single.append(f"{name}.jpg,{x1},{y1},{x2},{y2},{int(place > 0)}")
        rows += [] if len(boxes) else [f"{name}.jpg,,,,,"]
    (root / "FDDB-folds").mkdir()
    for fold, text in ellipses.items():
        (root / "FDDB-folds" / f"FDDB-fold-{fold}-ellipseList.txt").write_text(text)
        (root / "FDDB-folds" / f"FDDB-fold-{fold}.txt").write_text("".join(f"{name}\n" for name in names[fold]))
    (root / "faces.json").write_text(json.dumps({"images": images, "annotations": annotations}))
    (root / "faces.csv").write_text("\n".join(rows) + "\n")
    (root / "single.csv").write_text("\n".join(single) + "\n")
    return root
