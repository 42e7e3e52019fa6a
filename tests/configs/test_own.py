"""Your own labelled set, from a COCO file to a page, by the config that the repository ships."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from pipeline.data.datasets.labels.conversion import convert_labels
from pipeline.data.datasets.labels.forms import FORMS
from pipeline.data.datasets.labels.found_labels import find_labels
from pipeline.data.datasets.synthetic.dataset import Synthetic
from pipeline.data.images import encode_png
from pipeline.engine.config import load_config
from pipeline.engine.executor import LocalExecutor
from pipeline.engine.plan import Options, plan
from pipeline.engine.runner import Runner
from pipeline.engine.storage import Store
from stages.graph import STAGES

CONFIG = Path(__file__).resolve().parents[2] / "configs/own.yaml"
IMAGES = 3


@pytest.fixture
def heights(tmp_path: Path) -> np.ndarray:
    """Writes a set to `tmp_path`/set; heights of its faces in pixels."""
    drawn, folder = Synthetic(width=160, height=160, seed=3), tmp_path / "set"
    folder.mkdir()
    images, annotations, found = [], [], []
    for index in range(IMAGES):
        pixels, boxes, _ = drawn.draw(index)
        (folder / f"{index}.png").write_bytes(encode_png(pixels))
        images.append({"id": index, "file_name": f"{index}.png"})
        for x1, y1, x2, y2 in boxes.astype(float).tolist():
            annotations.append({"image_id": index, "bbox": [x1, y1, x2 - x1, y2 - y1]})
            found.append(y2 - y1)
    (folder / "annotations.json").write_text(json.dumps({"images": images, "annotations": annotations}))
    return np.array(found)


def test_the_config_leads_from_a_coco_file_to_a_page_with_ap(heights: np.ndarray, weights: str, tmp_path: Path) -> None:
    sets = [f"store={tmp_path / 'store'}", f"faces.path={tmp_path / 'set'}", f"boxes.path={weights}"]
    loaded = load_config(CONFIG, STAGES, sets)
    store, options = Store(loaded.store), Options(frozenset(loaded.graph.order))
    outcome = Runner(loaded.graph, store, options, LocalExecutor).run()
    assert outcome.computed == list(loaded.graph.order)
    ap = plan(loaded.graph, store, options)["ap"].artifact
    assert ap is not None
    rows = {row["subset"]: row for row in ap.rows()}
    assert {subset: row["faces"] for subset, row in rows.items()} == {
        subset: int((heights >= least).sum()) for subset, least in (("easy", 50), ("medium", 30), ("hard", 10))
    }
    assert 0 < rows["easy"]["faces"] < rows["hard"]["faces"]
    assert rows["hard"]["boxes"] > 0
    page = (tmp_path / "store/report.html").read_text(encoding="utf-8")
    assert "Faces found in my own set" in page
    assert all(f"{100 * row['ap']:.2f}" in page and repr(row["ap"]) in page for row in rows.values())
    assert sum(int(faces) for faces in re.findall(r"of (\d+) faces found", page)) == rows["hard"]["faces"]


@pytest.mark.parametrize("kind", [name for name, form in FORMS.items() if form.write])
def test_every_form_of_labels_gives_the_same_faces(kind: str, heights: np.ndarray, tmp_path: Path) -> None:
    convert_labels(find_labels(tmp_path / "set"), kind, tmp_path / "other")
    rows = []
    for folder, chosen in (("set", "coco_json"), ("other", kind)):
        # The order in which a user types them: the form, then what its message advises.
        sets = [f"faces.dataset={chosen}", "faces.dataset.doubts=report", f"faces.path={tmp_path / folder}"]
        loaded = load_config(CONFIG, STAGES, [*sets, "boxes.path=none.pth", f"store={tmp_path / 'store'}"])
        store, options = Store(loaded.store), Options(frozenset({"faces"}))
        Runner(loaded.graph, store, options, LocalExecutor).run()
        samples = plan(loaded.graph, store, options)["faces"].artifact
        assert samples is not None
        rows.append(sorted(samples.rows(), key=lambda row: str(row["image_id"])))
    first, second = rows
    assert sum(len(row["x1"]) for row in first) == len(heights) > 0
    for one, other in zip(first, second, strict=True):
        assert (one["image_id"], one["content_hash"]) == (other["image_id"], other["content_hash"])
        for name in ("easy", "medium", "hard"):
            assert one[name] == other[name]
        for name in ("x1", "y1", "x2", "y2"):
            np.testing.assert_allclose(other[name], one[name], atol=1e-4)
