"""Parts of the rehearsal; the whole of it, 114 nodes on a cluster, is `python jobs/rehearsal.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from jobs.rehearsal import CONFIG, MACHINE, ROOT, contents, differing_columns, finished, sets_for
from jobs.rehearsing.drawn_wider import write_drawn_wider
from jobs.rehearsing.jobs import wait_until
from pipeline.data.datasets import DATASETS, Mosaic, WiderFace
from pipeline.engine.config import load_config
from stages.graph import STAGES
from tests.stages.world import World


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_drawn_wider(tmp_path_factory.mktemp("drawn") / "WIDER", 2, 128, 96)


def test_the_drawn_set_has_the_official_layout(drawn: Path) -> None:
    faces = {}
    for name, fields in {
        "train": {"split": "train"}, "text": {"split": "val"}, "mat": {"split": "val", "annotation": "mat"},
    }.items():  # fmt: skip
        data = DATASETS["wider_face"].model_validate(fields)
        entries, read = data.entries(str(drawn)), data.open(str(drawn))
        samples = [read(each) for each in entries]
        assert len(samples) == 4
        assert all(not sample.error and (sample.width, sample.height) == (128, 96) for sample in samples)
        faces[name] = [sample.boxes for sample in samples]
    assert sum(map(len, faces["train"])) >= 4
    for text, mat in zip(faces["text"], faces["mat"], strict=True):
        np.testing.assert_array_equal(text, mat)


def test_the_tiny_config_has_every_node_and_reads_what_was_drawn(tmp_path: Path) -> None:
    whole = load_config(ROOT / CONFIG, STAGES, machine=MACHINE).graph
    sets = [word for word in sets_for("s3://bucket/store", "s3://bucket/WIDER", tmp_path) if word != "--set"]
    config = load_config(ROOT / CONFIG, STAGES, sets, MACHINE)
    assert config.graph.order == whole.order
    assert len(whole.order) == 114
    assert config.store == "s3://bucket/store"
    indexed = {name: node for name, node in config.graph.nodes.items() if node.path}
    assert indexed.keys() == {"faces", "train_faces", "canvas_faces"}
    assert {node.path for node in indexed.values()} == {"s3://bucket/WIDER"}
    assert all(isinstance(node.stage.dataset, WiderFace | Mosaic) for node in indexed.values())


def test_outputs_are_compared_by_their_rows(tmp_path: Path) -> None:
    world, other = World(tmp_path / "one"), World(tmp_path / "other")
    for each in (world, other):
        each.folder.mkdir()
    world.photos(3)
    assert finished(world.store) == 0
    world.done()
    assert finished(world.store) == 1
    folder = other.photos(3)
    other.done()
    assert contents(world.store, "images") == contents(other.store, "images")
    (folder / "1.png").write_bytes((folder / "2.png").read_bytes())
    other.store.delete_folder("images")
    other.done()
    assert contents(world.store, "images") != contents(other.store, "images")
    assert differing_columns(world.store, other.store, "images") == ["content_hash"]


def test_a_condition_that_does_not_come_is_not_waited_for_without_end() -> None:
    wait_until(lambda: True, 0)
    with pytest.raises(TimeoutError, match="not within 0 s"):
        wait_until(lambda: False, 0)
