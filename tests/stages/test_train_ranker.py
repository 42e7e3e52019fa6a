"""A ranker trained by its stage: equal bytes, first weights, evaluations, and each bad input refused at the start."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from pipeline.data.images import encode_png
from pipeline.models.checkpoint import Checkpoint
from pipeline.models.detectors import DETECTORS
from pipeline.models.weights import open_ranker, save_bytes
from tests.stages.world import World, drawn_image

TINY = {"steps": 4, "batch": 2, "crop": 64, "num_candidates": 50, "pairs": 3}
SYNTHETIC = {"kind": "synthetic", "width": 96, "height": 96}


@pytest.fixture
def trained(world: World) -> World:
    """Candidates of two detectors on six synthetic images."""
    world.node("drawings", "index", dataset={**SYNTHETIC, "split": "train", "images": 6})
    world.node("one", "guess", inputs={"samples": "drawings"}, jitter=0.2, false_alarms=10)
    world.node("other", "guess", inputs={"samples": "drawings"}, jitter=0.4, false_alarms=5)
    world.node("pairs", "label_candidates", inputs={"samples": "drawings", "candidates": ["one", "other"]})
    world.node(
        "order", "train_ranker", inputs={"labelled": "pairs", "samples": "drawings"},
        ranker="crface_mobilenet", recipe=TINY,
    )  # fmt: skip
    return world


def checkpoint(world: World, *sets: str) -> dict:
    (row,) = world.rows("order", *sets)
    return row


def log_of(row: dict) -> list[dict]:
    return [json.loads(line) for line in row["log"].splitlines()]


def failure(world: World) -> str:
    outcome = world.run()
    assert set(outcome.failed) == {"order"}, outcome
    return outcome.failed["order"]


def test_a_few_steps_give_a_checkpoint_that_opens(trained: World) -> None:
    trained.done()
    row = checkpoint(trained)
    file = Path(trained.store.path("order.safetensors"))
    assert file.read_bytes() == row["weights"]
    assert row["content_hash"] == Checkpoint(file).content_hash
    name, ranker = open_ranker(file)
    assert name == row["detector"] == "crface_mobilenet"
    with torch.inference_mode():
        residual = ranker(torch.zeros(1, 3, 64, 64), torch.rand(1, 50, 5), torch.tensor([50]))
    assert residual.isfinite().all() and residual.abs().max() > 0
    config = json.loads(row["config"])
    assert config == Checkpoint(file).config
    assert config["model_args"] == {"num_candidates": 50} and config["recipe"]["loss"] == "rank"
    log = log_of(row)
    assert [entry["step"] for entry in log] == [1, 2, 3, 4]
    assert [entry["loss"]["total"] for entry in log] == pytest.approx(row["loss"])
    assert all(0 <= entry["ordered"] <= entry["pairs"] > 0 for entry in log)
    assert [entry["rate"] for entry in log] == pytest.approx([1e-3 * 10 ** (-3 * t / 4) for t in range(4)])
    assert json.loads(Path(trained.store.path("order.jsonl")).read_text().splitlines()[0]) == log[0]


def test_the_same_seed_gives_the_same_bytes_and_another_one_does_not(trained: World) -> None:
    trained.done()
    first = checkpoint(trained)
    trained.done(force=frozenset({"order"}))
    assert trained.computed("order") == 1
    assert checkpoint(trained) == first
    trained.done("order.recipe.seed=1")
    assert checkpoint(trained, "order.recipe.seed=1")["content_hash"] != first["content_hash"]


def test_defaults_are_part_of_the_identity_and_checkpoint_seconds_are_not(trained: World) -> None:
    plain = trained.identity("order")
    assert trained.identity("order", "order.recipe.temperature=1", "order.checkpoint_seconds=3") == plain
    assert trained.identity("order", "order.recipe.temperature=2") != plain
    assert trained.identity("order", "order.recipe.learning_rate=1e-3") == plain


def test_held_out_images_are_evaluated_and_the_best_weights_saved(trained: World) -> None:
    trained.node("few", "index", dataset={**SYNTHETIC, "split": "test", "images": 3})
    trained.node("found", "guess", inputs={"samples": "few"}, false_alarms=10)
    trained.node("unseen", "label_candidates", inputs={"samples": "few", "candidates": ["found"]})
    inputs = {"labelled": "pairs", "samples": ["few", "drawings"], "held_out": "unseen"}
    trained.nodes["order"] |= {"inputs": inputs, "recipe": {**TINY, "eval_every": 2, "select": "best"}}
    trained.done()
    row = checkpoint(trained)
    evaluated = {entry["step"]: entry["ranking"] for entry in log_of(row) if "ranking" in entry}
    assert list(evaluated) == [2, 4]
    for metrics in evaluated.values():
        assert set(metrics) == {"before", "after", "near_before", "near_after", "loss_before", "loss_after"}
        assert all(0 < value < 1 for value in metrics.values())
    assert len({metrics["before"] for metrics in evaluated.values()}) == 1
    # Another network than the first one, of which nothing is refined.
    assert any(metrics["loss_after"] != metrics["loss_before"] for metrics in evaluated.values())
    plain = {**TINY, "eval_every": 0, "select": "last"}
    trained.nodes["order"] |= {"inputs": {"labelled": "pairs", "samples": "drawings"}, "recipe": plain}
    trained.done()
    assert checkpoint(trained)["loss"] == row["loss"]


def test_it_starts_from_a_detectors_body_or_from_another_node(trained: World) -> None:
    still = {**TINY, "steps": 1, "learning_rate": 1e-12, "final_rate": 1e-12, "norms": "frozen"}
    torch.manual_seed(3)
    body = save_bytes("retinaface_mobilenet", DETECTORS["retinaface_mobilenet"].build())
    file = trained.folder / "detector.safetensors"
    file.write_bytes(body)
    trained.nodes["order"] |= {"path": str(file), "recipe": still}
    inputs = {"labelled": "pairs", "samples": "drawings", "start": "order"}
    trained.node("tuned", "train_ranker", inputs=inputs, ranker="crface_mobilenet", recipe=still)
    trained.done()
    found, tuned = (
        Checkpoint(checkpoint(trained)["weights"]).tensors,
        Checkpoint(trained.rows("tuned")[0]["weights"]).tensors,
    )
    for name, value in Checkpoint(body).tensors.items():
        if name.startswith("backbone."):
            assert torch.allclose(found[name], value, atol=1e-9), name
    assert all(torch.allclose(tuned[name], value, atol=1e-9) for name, value in found.items())


def test_first_weights_that_do_not_fit_are_refused_before_anything_starts(trained: World) -> None:
    file = trained.folder / "weights.safetensors"
    file.write_bytes(save_bytes("mogface_baseline", torch.nn.Linear(1, 1)))
    trained.nodes["order"]["path"] = str(file)
    assert "the backbone of mogface_baseline is not that of" in failure(trained)
    trained.nodes["order"]["path"] = None
    trained.done()
    file.write_bytes(checkpoint(trained)["weights"])
    trained.nodes["order"] |= {"path": str(file), "ranker": "roi_mobilenet"}
    assert "checkpoint is crface_mobilenet" in trained.plan()["order"].reason
    file.write_bytes(b"nothing of the kind")
    assert "not a checkpoint" in trained.plan()["order"].reason


def test_boxes_without_an_order_are_refused_before_training(trained: World) -> None:
    """No face anywhere: every overlap is 0, as with tables of zeros."""
    folder = trained.folder / "photos"
    folder.mkdir()
    for seed in range(2):
        (folder / f"{seed}.png").write_bytes(encode_png(drawn_image(seed)))
    trained.node("drawings", "index", dataset="image_folder", path=str(folder))
    message = failure(trained)
    assert message.startswith("pairs: 2 readable images with 30 boxes: none overlaps a face more than another; ")
    for name in ("one", "other"):
        trained.nodes[name]["false_alarms"] = 0
    assert "pairs: 2 readable images with 0 boxes: there is nothing to rank" in failure(trained)


def test_held_out_images_without_an_order_are_refused_too(trained: World) -> None:
    folder = trained.folder / "photos"
    folder.mkdir()
    (folder / "0.png").write_bytes(encode_png(drawn_image(0)))
    trained.node("few", "index", dataset="image_folder", path=str(folder))
    trained.node("found", "guess", inputs={"samples": "few"})
    trained.node("unseen", "label_candidates", inputs={"samples": "few", "candidates": ["found"]})
    trained.nodes["order"]["inputs"] = {"labelled": "pairs", "samples": ["drawings", "few"], "held_out": "unseen"}
    assert failure(trained).startswith("unseen: 1 readable images with 3 boxes: none overlaps")


def test_samples_of_another_set_are_refused(trained: World) -> None:
    trained.node("few", "index", dataset={**SYNTHETIC, "split": "test", "images": 3})
    trained.nodes["order"]["inputs"] = {"labelled": "pairs", "samples": ["few"]}
    assert (
        failure(trained) == "pairs was not made of few: wire the samples of all labelled candidates to inputs.samples"
    )


def test_a_dump_instead_of_a_join_is_refused(trained: World) -> None:
    trained.nodes["order"]["inputs"] = {"labelled": "one", "samples": "drawings"}
    with pytest.raises(ValueError, match=r"order\.inputs\.labelled: expected rows of \(image_id, path, .*, one gives "):
        trained.plan()


def test_images_that_cannot_be_decoded_are_counted_and_too_many_stop_it(trained: World) -> None:
    """The header is intact, so that only decoding finds it."""
    folder = trained.folder / "photos"
    folder.mkdir()
    names = [f"{i}.png" for i in range(4)]
    images = [{"id": name, "file_name": name} for name in names]
    faces = [{"image_id": name, "bbox": [10, 10, 40, 40]} for name in names]
    (folder / "annotations.json").write_text(json.dumps({"images": images, "annotations": faces}))
    trained.node("drawings", "index", dataset="coco_json", path=str(folder))

    def spoil(*broken: str) -> None:
        for seed, name in enumerate(names):
            data = encode_png(drawn_image(seed))
            spoiled = data[:41] + bytes(1000) + data[1041:]  # within the first piece of pixels
            (folder / name).write_bytes(spoiled if name in broken else data)

    spoil("1.png")
    notes = trained.done().notes
    assert max(entry["bad_images"] for entry in log_of(checkpoint(trained))) == 1
    assert "order: 1 images cannot be read: nothing was learnt from them" in notes
    spoil("1.png", "2.png", "3.png")
    assert " of 4 images cannot be read, allowed are 2: " in failure(trained)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"recipe": {"stepps": 5}}, "stepps"),
        ({"recipe": {**TINY, "pairs": 50}}, "pairs is 50, expected less than the 50 rows"),
        ({"recipe": {**TINY, "loss": "hinge"}}, "'rank', 'margin'"),
        ({"ranker": "crface_mobile"}, "no ranker is called 'crface_mobile'"),
    ],
)
def test_mistakes_are_named(trained: World, change: dict, words: str) -> None:
    trained.nodes["order"] |= change
    with pytest.raises(ValueError, match=rf"nodes\.order\.(recipe|ranker).*{words}"):
        trained.plan()


def test_unknown_switches_are_named(trained: World) -> None:
    trained.nodes["order"]["model_args"] = {"kernell": [3, 5]}
    assert "no switch kernell" in failure(trained)
    trained.nodes["order"]["model_args"] = {"num_candidates": 60}
    assert "model_args.num_candidates is 60 and recipe.num_candidates 50" in failure(trained)
