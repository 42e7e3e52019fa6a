from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.data.datasets.synthetic.dataset import Synthetic
from pipeline.data.images import encode_png
from pipeline.engine.plan import Decision
from pipeline.models.checkpoint import Checkpoint
from pipeline.models.weights import open_detector
from tests.stages.labelled_set import labelled_set
from tests.stages.world import World, drawn_image

TINY = {"steps": 5, "batch": 2, "images": 4, "crop": 64, "warmup": 1}


@pytest.fixture
def trained(world: World) -> World:
    world.node(
        "drawings", "index", dataset={"kind": "synthetic", "split": "train", "images": 6, "width": 96, "height": 96}
    )
    world.node("detector", "train_detector", inputs={"samples": "drawings"}, recipe=TINY)
    return world


def checkpoint(world: World, *sets: str) -> dict:
    (row,) = world.rows("detector", *sets)
    return row


def test_a_few_steps_give_a_checkpoint_that_opens(trained: World) -> None:
    trained.done()
    row = checkpoint(trained)
    file = Path(trained.store.path("detector.safetensors"))
    assert file.read_bytes() == row["weights"]
    assert row["content_hash"] == Checkpoint(file).content_hash
    name, detector = open_detector(file)
    assert name == row["detector"] == "retinaface_mobilenet"
    assert not detector.training
    with torch.inference_mode():
        assert torch.isfinite(detector(torch.zeros(1, 3, 64, 64)).logits).all()
    assert len(row["loss"]) == 5
    assert np.isfinite(row["loss"]).all()
    recipe = json.loads(row["config"])["recipe"]
    assert recipe["steps"] == 5
    assert recipe["learning_rate"] == 0.008
    assert Checkpoint(file).config["recipe"] == recipe


def test_it_moves_the_weights(trained: World) -> None:
    trained.done()
    trained.done("detector.recipe.steps=1", "detector.recipe.learning_rate=1.0e-12")
    untouched = checkpoint(trained, "detector.recipe.steps=1", "detector.recipe.learning_rate=1.0e-12")
    assert untouched["loss"][0] == pytest.approx(checkpoint(trained)["loss"][0])
    before, after = (open_detector(row["weights"])[1] for row in (untouched, checkpoint(trained)))
    moved = max((a - b).abs().max() for a, b in zip(before.parameters(), after.parameters(), strict=True))
    assert moved > 1e-3


def test_the_same_seed_gives_the_same_bytes_and_another_one_does_not(trained: World) -> None:
    trained.done()
    first = checkpoint(trained)
    trained.done(force=frozenset({"detector"}))
    assert trained.computed("detector") == 1
    assert checkpoint(trained)["weights"] == first["weights"]
    trained.done("detector.recipe.seed=1")
    assert checkpoint(trained, "detector.recipe.seed=1")["content_hash"] != first["content_hash"]


def test_defaults_are_part_of_the_identity(trained: World) -> None:
    same, other = "detector.recipe.momentum=0.9", "detector.recipe.momentum=0.8"
    fingerprints = [trained.identity("detector", *sets) for sets in ((), (same,), (other,))]
    assert fingerprints[0] == fingerprints[1] != fingerprints[2]


def test_numbers_may_be_written_without_a_point(trained: World) -> None:
    """YAML reads 8e-3 as text; the config's models make it a number."""
    plain = trained.identity("detector")
    assert trained.identity("detector", "detector.recipe.learning_rate=8e-3") == plain


def test_images_without_faces_are_background_but_none_at_all_is_an_error(trained: World) -> None:
    folder = trained.folder / "photos"
    folder.mkdir()
    for seed in range(2):
        (folder / f"{seed}.png").write_bytes(encode_png(drawn_image(seed)))
    trained.node("drawings", "index", dataset="image_folder", path=str(folder))
    outcome = trained.run()
    assert outcome.failed == {
        "detector": "drawings: no labelled face with an area in 2 readable images; nothing to train on"
    }
    annotation = {"images": [{"id": 1, "file_name": "0.png"}, {"id": 2, "file_name": "1.png"}]}
    annotation["annotations"] = [{"image_id": 1, "bbox": [10, 10, 40, 40]}]
    (folder / "annotations.json").write_text(json.dumps(annotation))
    trained.node("drawings", "index", dataset="coco_json", path=str(folder))
    trained.done()  # without landmarks, and one image without a face
    assert np.isfinite(checkpoint(trained)["loss"]).all()


def test_unreadable_images_are_left_out(trained: World) -> None:
    trained.done()
    folder = trained.folder / "photos"
    folder.mkdir()
    names = [f"{i}.png" for i in range(3)]
    (folder / "0.png").write_bytes(b"")
    for name in names[1:]:
        (folder / name).write_bytes(encode_png(drawn_image(5)))
    images = [{"id": name, "file_name": name} for name in names]
    faces = [{"image_id": name, "bbox": [10, 10, 40, 40]} for name in names]
    (folder / "annotations.json").write_text(json.dumps({"images": images, "annotations": faces}))
    trained.node("drawings", "index", dataset="coco_json", path=str(folder), run={"max_error_share": 0.5})
    trained.done()
    assert len(checkpoint(trained)["loss"]) == 5


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        ({"stepps": 5}, "stepps"),
        ({"steps": 0}, "steps is 0, expected greater than 0"),
        ({"steps": "many"}, "valid integer"),
        ({"decay": "never"}, "'cosine' or 'steps'"),
    ],
)
def test_mistakes_in_the_recipe_are_named(trained: World, recipe: dict, words: str) -> None:
    trained.nodes["detector"]["recipe"] = recipe
    with pytest.raises(ValueError, match=rf"nodes\.detector\.recipe.*{words}"):
        trained.plan()


def test_an_unknown_detector_is_named(trained: World) -> None:
    trained.nodes["detector"]["detector"] = "yolo"
    with pytest.raises(ValueError, match=r"nodes\.detector\.detector: .*no detector is called 'yolo'"):
        trained.plan()


def test_a_preset_gives_the_rest(trained: World) -> None:
    trained.nodes["detector"]["recipe"] = {"preset": "official", "steps": 7}
    recipe = trained.graph().nodes["detector"].stage.model_dump()["recipe"]
    assert recipe["steps"] == 7
    assert (recipe["weight_decay"], recipe["augmentation"], recipe["crop"]) == (1e-4, "das", 640)
    trained.nodes["detector"]["recipe"] = {"preset": "papper"}
    with pytest.raises(ValueError, match=r"no preset 'papper'; there are paper, "):
        trained.plan()


def test_how_often_it_is_saved_is_not_what_it_is(trained: World) -> None:
    plain = trained.identity("detector")
    assert trained.identity("detector", "detector.checkpoint_seconds=3") == plain
    assert trained.identity("detector", "detector.repeatable=required") == plain


def test_on_a_cpu_every_kind_of_repeatable_gives_the_same_bytes(trained: World) -> None:
    trained.done()
    plain = checkpoint(trained)["weights"]
    for kind in ("required", "off"):
        trained.done(f"detector.repeatable={kind}", force=frozenset({"detector"}))
        assert checkpoint(trained)["weights"] == plain


@pytest.mark.parametrize(
    ("run", "message"),
    [
        ({"workers": 2, "gpus": 0.5}, r"gpus is 0.5 for 2 workers, .*cannot share a GPU: take run.workers=1, or"),
        ({"workers": "auto"}, r"workers is auto, .* shard by shard; .*take run.workers=1, or the number of GPUs"),
        ({"workers": 3, "gpus": 2}, r"gpus is 2, and a process trains on one GPU: take run.gpus=1, and run.workers=6"),
    ],
)
def test_shares_of_gpus_that_cannot_be_trained_on_are_refused_before_anything_starts(
    trained: World, run: dict[str, float], message: str
) -> None:
    trained.nodes["detector"]["run"] = run
    plan = trained.plan()["detector"]
    assert plan.decision is Decision.BLOCKED
    assert re.search(message, plan.reason)


@pytest.mark.parametrize("run", [{"workers": 1, "gpus": 0.5}, {"workers": 8, "gpus": 1}, {"workers": 8, "gpus": 0}])
def test_other_shares_are_planned(trained: World, run: dict[str, float]) -> None:
    trained.nodes["detector"]["run"] = run
    assert trained.plan()["detector"].decision is Decision.RUN


def test_held_out_images_without_a_face_that_counts_are_refused(trained: World) -> None:
    # All weights would have the same score, and the first ones would stay the best.
    trained.node("few", "index", dataset="coco_json", path=labelled_set(trained.folder / "set", [60, 70], ignore=1))
    trained.nodes["detector"]["inputs"] = {"samples": "drawings", "held_out": "few"}
    outcome = trained.run()
    assert (
        "few: expected faces that count in one of easy, medium, hard, found none among 2" in outcome.failed["detector"]
    )


def test_held_out_images_are_evaluated(trained: World) -> None:
    trained.node("few", "index", dataset={"kind": "synthetic", "split": "test", "images": 3, "width": 96, "height": 96})
    trained.nodes["detector"]["inputs"] = {"samples": "drawings", "held_out": "few"}
    trained.done("detector.recipe.eval_every=2")
    log = [json.loads(line) for line in checkpoint(trained, "detector.recipe.eval_every=2")["log"].splitlines()]
    evaluated = {entry["step"]: entry["ap"] for entry in log if "ap" in entry}
    assert list(evaluated) == [2, 4, 5]
    assert all(set(ap) == {"easy", "medium", "hard"} for ap in evaluated.values())
    steps = [entry for entry in log if "loss" in entry]
    assert [entry["step"] for entry in steps] == [1, 2, 3, 4, 5]
    assert all(sum(entry["positives_of_level"]) == entry["positives"] > 0 for entry in steps)


def test_switches_reach_the_network_and_its_checkpoint(trained: World) -> None:
    trained.node(
        "detector", "train_detector", inputs={"samples": "drawings"}, detector="mogface_mobilenet",
        model_args={"hcam": [], "width": 16}, recipe={**TINY, "steps": 2},
    )  # fmt: skip
    trained.done()
    _, detector = open_detector(Path(trained.store.path("detector.safetensors")))
    assert detector.hierarchical is None
    trained.nodes["detector"]["model_args"] = {"hcamm": []}
    (message,) = trained.run().failed.values()
    assert "no switch hcamm" in message


def test_training_goes_on_from_another_nodes_weights(trained: World) -> None:
    trained.node(
        "tuned", "train_detector", inputs={"samples": "drawings", "start": "detector"},
        recipe={**TINY, "steps": 1, "learning_rate": 1e-12},
    )  # fmt: skip
    trained.done()
    (first,), (second,) = trained.rows("detector"), trained.rows("tuned")
    before, after = (open_detector(row["weights"])[1].state_dict() for row in (first, second))
    assert all(
        torch.allclose(before[name], after[name], atol=1e-6)
        for name in before
        if "running" not in name and "num_" not in name
    )


def test_first_weights_of_another_detector_are_refused_before_anything_starts(trained: World) -> None:
    trained.done()
    file = trained.folder / "other.safetensors"
    file.write_bytes(checkpoint(trained)["weights"])
    trained.nodes["detector"] |= {"path": str(file), "detector": "mogface_mobilenet"}
    assert "checkpoint is retinaface_mobilenet" in trained.plan()["detector"].reason
    trained.nodes["detector"] |= {"path": None, "inputs": {"samples": "drawings", "start": "first"}}
    trained.node("first", "train_detector", inputs={"samples": "drawings"}, recipe=TINY)
    (message,) = trained.run().failed.values()
    assert "does not fit" in message
    assert "missing" in message


def test_anchors_that_match_no_face_are_refused_before_training(trained: World) -> None:
    trained.node(
        "detector", "train_detector", inputs={"samples": "drawings"}, detector="mogface_mobilenet",
        model_args={"anchor_scale": 100, "width": 16, "hcam": []}, recipe=TINY,
    )  # fmt: skip
    (message,) = trained.run().failed.values()
    assert "drawings: anchors of 1600 to 51200 px cannot match any face" in message


@pytest.mark.parametrize("marked", [True, False])
def test_landmarks_of_a_label_file_are_trained_and_absent_ones_are_not(
    marked: bool, world: World, tmp_path: Path
) -> None:
    drawn, rows = Synthetic(width=96, height=96), ""
    for index in range(4):
        pixels, boxes, points = drawn.draw(index)
        (tmp_path / f"{index}.png").write_bytes(encode_png(pixels))
        rows += f"# {index}.png\n"
        for (x1, y1, x2, y2), five in zip(boxes.tolist(), points.tolist(), strict=True):
            marks = " ".join(f"{x} {y} 0.0" for x, y in five) if marked else "-1.0 " * 15
            rows += f"{x1} {y1} {x2 - x1} {y2 - y1} {marks} 0.5\n"
    (tmp_path / "label.txt").write_text(rows)
    world.node("labelled", "index", dataset="retinaface", path=str(tmp_path))
    recipe = {**TINY, "steps": 1}
    world.node("detector", "train_detector", inputs={"samples": "labelled"}, recipe=recipe)
    world.done()
    (line,) = Path(world.store.path("detector.jsonl")).read_text().splitlines()
    loss = json.loads(line)["loss"]
    assert loss["box"] > 0
    assert (loss["landmarks"] > 0) is marked
