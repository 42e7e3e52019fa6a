from __future__ import annotations

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from pipeline.data.canvas import Canvas
from pipeline.data.images import encode_jpeg, encode_png
from pipeline.inference.engines import fastest
from pipeline.inference.faces import blur_faces
from pipeline.inference.postprocess import detections
from pipeline.inference.predictor import Predictor
from pipeline.inference.rerank import Reranker
from pipeline.inference.test_time import MODES, detect
from pipeline.models.rankers import RANKERS
from pipeline.models.weights import open_detector, open_ranker, save_bytes
from stages.cli.found_faces import stems_of
from tests.counted_text import Counted, counted
from tests.data.photograph_forms import photograph_forms, preview_first
from tests.stages.world import World, drawn_image


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    file = tmp_path / "photo.png"
    file.write_bytes(encode_png(drawn_image(4)))
    return file


def test_json_holds_what_the_detector_finds(wider8k, photo: Path, weights: str, tmp_path: Path) -> None:
    answer = wider8k("detect", photo, "--weights", weights, "--score", 0.3, "--json", tmp_path / "found.json")
    assert answer.code == 0
    (found,) = json.loads((tmp_path / "found.json").read_text())
    assert list(found) == ["image", "width", "height", "boxes", "scores", "landmarks"]
    assert (found["image"], found["width"], found["height"]) == (str(photo), 96, 64)
    expected = detections(Predictor(open_detector(weights)[1]).candidates(drawn_image(4), Canvas(None)), score=0.3)
    assert len(expected) > 0
    np.testing.assert_array_equal(np.array(found["boxes"], np.float32), expected.boxes)
    np.testing.assert_array_equal(np.array(found["scores"], np.float32), expected.scores)
    np.testing.assert_array_equal(np.array(found["landmarks"], np.float32), expected.landmarks)
    shown = int((expected.scores > 0.5).sum())
    assert f"{photo}: {shown} faces above 0.5 ({len(expected)} above 0.3, best {expected.scores[0]:.3f})" in answer.out
    assert "retinaface_mobilenet" in answer.out


@pytest.mark.slow
def test_a_mode_looks_at_several_sizes_and_votes(wider8k, photo: Path, weights: str, tmp_path: Path) -> None:
    file = tmp_path / "found.json"
    arguments = ("detect", photo, "--weights", weights, "--score", 0.3, "--mode", "mogface_multi")
    assert wider8k(*arguments, "--json", file).code == 0
    (found,) = json.loads(file.read_text())
    expected = detect(Predictor(open_detector(weights)[1]), drawn_image(4), MODES.find("mogface_multi"))
    kept = expected.scores > 0.3
    assert kept.any()
    np.testing.assert_array_equal(np.array(found["boxes"], np.float32), expected.boxes[kept])
    refused = wider8k(*arguments, "--canvas", "8k")
    assert refused.code == 2
    assert "mode mogface_multi has sizes of its own" in refused.err


def test_boxes_are_drawn_on_the_image(wider8k, photo: Path, weights: str, tmp_path: Path) -> None:
    answer = wider8k("detect", photo, "--weights", weights, "--out", tmp_path / "out", "--draw-score", 0.4)
    assert answer.code == 0
    assert f"drawn: {tmp_path / 'out' / 'photo.jpg'}" in answer.out
    drawn = cv2.imread(str(tmp_path / "out" / "photo.jpg"))
    plain = cv2.imdecode(np.frombuffer(encode_jpeg(drawn_image(4)), np.uint8), cv2.IMREAD_COLOR)
    assert drawn.shape == (64, 96, 3)
    assert np.abs(drawn.astype(int) - plain).max() > 60


def test_nothing_found_is_an_empty_list(wider8k, photo: Path, weights: str, tmp_path: Path) -> None:
    answer = wider8k("detect", photo, "--weights", weights, "--score", 1, "--json", tmp_path / "found.json")
    assert answer.code == 0
    assert "0 faces above 0.5 (0 above 1)" in answer.out
    (found,) = json.loads((tmp_path / "found.json").read_text())
    assert found["boxes"] == found["scores"] == found["landmarks"] == []


def test_boxes_of_a_larger_canvas_are_in_original_pixels(wider8k, photo: Path, weights: str, tmp_path: Path) -> None:
    options = ("--weights", weights, "--canvas", 384, "--json", tmp_path / "found.json")
    assert wider8k("detect", photo, *options).code == 0
    (found,) = json.loads((tmp_path / "found.json").read_text())
    expected = detections(Predictor(open_detector(weights)[1]).candidates(drawn_image(4), Canvas(384)))
    np.testing.assert_array_equal(np.array(found["boxes"], np.float32), expected.boxes)


def test_images_of_one_name_do_not_overwrite_each_other(wider8k, weights: str, tmp_path: Path) -> None:
    files = [tmp_path / folder / "a.png" for folder in ("one", "two")]
    for seed, file in enumerate(files):
        file.parent.mkdir()
        file.write_bytes(encode_png(drawn_image(seed)))
    assert wider8k("detect", *files, "--weights", weights, "--out", tmp_path / "out").code == 0
    drawn = sorted((tmp_path / "out").iterdir())
    assert len(drawn) == 2
    assert drawn[0].read_bytes() != drawn[1].read_bytes()


def test_an_unreadable_image_is_named_and_the_others_are_done(
    wider8k, photo: Path, weights: str, tmp_path: Path
) -> None:
    broken, gone = tmp_path / "broken.jpg", tmp_path / "gone.jpg"
    broken.write_bytes(b"no image")
    answer = wider8k("detect", broken, gone, photo, "--weights", weights, "--json", tmp_path / "found.json")
    assert answer.code == 1
    assert f"{broken}: not an image" in answer.err
    assert str(gone) in answer.err
    assert answer.err.rstrip().endswith("2 of 3 images could not be read")
    assert [row["image"] for row in json.loads((tmp_path / "found.json").read_text())] == [str(photo)]


def test_mistakes_are_named(wider8k, photo: Path, weights: str, tmp_path: Path) -> None:
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(Path(weights).read_bytes()[: 1 << 18])
    for arguments, words in (
        (("--weights", tmp_path / "gone.pth"), "gone.pth"),
        (("--weights", cut), f"error: {cut}: expected a checkpoint of "),
        (("--weights", photo), f"{photo}: expected a checkpoint, found a PNG image"),
        (("--weights", weights, "--detector", "retinaface_resnet50"), "checkpoint is retinaface_mobilenet"),
        (
            ("--weights", weights, "--detector", "yolo"),
            "no detector is called 'yolo'",
        ),
        (("--weights", weights, "--canvas", "9k"), "unknown canvas '9k': choose 8k"),
    ):
        answer = wider8k("detect", photo, *arguments)
        assert answer.code == 2
        assert words in answer.err


def test_the_device_is_chosen_by_name(wider8k, photo: Path, weights: str, tmp_path: Path) -> None:
    found = {}
    for device in ("auto", "cpu"):
        file = tmp_path / f"{device}.json"
        assert wider8k("detect", photo, "--weights", weights, "--device", device, "--json", file).code == 0
        found[device] = json.loads(file.read_text())[0]["scores"]
    np.testing.assert_allclose(found["auto"], found["cpu"], atol=1e-4)
    answer = wider8k("detect", photo, "--weights", weights, "--device", "tpu")
    assert (answer.code, answer.err) == (2, "error: device tpu: expected auto, cpu or cuda\n")


def test_the_fastest_engine_is_named_and_finds_the_same(wider8k, photo: Path, weights: str, tmp_path: Path) -> None:
    found = {}
    for engine in ("torch", "auto"):
        file = tmp_path / f"{engine}.json"
        answer = wider8k("detect", photo, "--weights", weights, "--json", file, "--engine", engine)
        assert answer.code == 0
        assert (f"engine: {fastest('cpu')}\n" in answer.out) == (engine == "auto")
        found[engine] = json.loads(file.read_text())[0]["scores"]
    np.testing.assert_allclose(found["auto"], found["torch"], atol=1e-4)
    answer = wider8k("detect", photo, "--weights", weights, "--engine", "cuda_graph", "--device", "cpu")
    assert (answer.code, answer.err) == (2, "error: engine cuda_graph runs on cuda, not on cpu\n")


@pytest.mark.skipif(torch.cuda.is_available(), reason="only where there is no CUDA device")
def test_a_device_that_is_not_there_is_a_mistake(wider8k, photo: Path, weights: str) -> None:
    answer = wider8k("detect", photo, "--weights", weights, "--device", "cuda")
    assert answer.code == 2
    assert "torch sees no CUDA device here; choose cpu or auto" in answer.err


def test_it_reads_what_a_run_over_the_folder_reads(wider8k, world: World, weights: str) -> None:
    folder = world.folder / "photos"
    folder.mkdir()
    forms = photograph_forms(folder)
    (folder / "iphone.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99))
    (folder / "raw.dng").write_bytes(preview_first())
    world.node("faces", "index", dataset="image_folder", path=str(folder), run={"max_error_share": 0.5})
    world.done()
    errors = {row["image_id"]: row["error"] for row in world.rows("faces")}
    assert {name for name, error in errors.items() if error is None} == forms
    output = world.folder / "found.json"
    answer = wider8k("detect", *sorted(folder.iterdir()), "--weights", weights, "--json", output)
    assert {Path(row["image"]).name for row in json.loads(output.read_text())} == forms
    for name in ("iphone.heic", "raw.dng"):
        assert f"{folder / name}: {errors[name]}" in answer.err


def test_drawings_of_one_name_are_numbered_and_none_replaces_another() -> None:
    names = ["a/x.jpg", "b/x.jpg", "x_2.png", "c/x.jpg", "y.jpg", "d/x_2.jpg"]
    assert stems_of([Path(name) for name in names]) == ["x", "x_2", "x_2_2", "x_3", "y", "x_2_3"]


def test_a_thousand_drawings_of_one_name_are_a_thousand_steps() -> None:
    class Photo:
        def __init__(self, stem: str) -> None:
            self.stem = stem

    photos = [Photo(stem) for stem in counted(["x"] * 1000)]
    assert len(set(stems_of(photos))) == 1000  # type: ignore[arg-type]
    assert Counted.looks < 20 * len(photos)


@pytest.mark.slow
def test_a_strip_longer_than_a_jpeg_is_drawn_and_the_photo_after_it_too(
    wider8k, photo: Path, weights: str, tmp_path: Path
) -> None:
    strip, out = tmp_path / "strip.png", tmp_path / "out"
    strip.write_bytes(encode_png(np.full((20, 66_000, 3), 90, np.uint8)))
    files = ("--weights", weights, "--out", out, "--json", tmp_path / "found.json")
    answer = wider8k("detect", strip, photo, "--canvas", 2048, *files)
    assert answer.code == 0, answer.err
    assert f"drawn: {out / 'strip.png'}" in answer.out
    assert cv2.imread(str(out / "strip.png")).shape == (20, 66_000, 3)
    assert (out / "photo.jpg").exists()
    assert [row["image"] for row in json.loads((tmp_path / "found.json").read_text())] == [str(strip), str(photo)]


def test_an_image_that_cannot_be_drawn_is_not_the_end(wider8k, photo: Path, weights: str, tmp_path: Path) -> None:
    first, out = tmp_path / "first.png", tmp_path / "out"
    first.write_bytes(photo.read_bytes())
    (out / "first.jpg").mkdir(parents=True)
    answer = wider8k("detect", first, photo, "--weights", weights, "--out", out, "--json", tmp_path / "found.json")
    assert answer.code == 1
    assert answer.err == f"{first}: Is a directory\n1 of 2 images could not be drawn\n"
    assert (out / "photo.jpg").exists()
    assert len(json.loads((tmp_path / "found.json").read_text())) == 2


def test_what_cannot_be_written_is_refused_before_the_work(wider8k, photo: Path, weights: str, tmp_path: Path) -> None:
    near = tmp_path / "photo.jpg"
    near.write_bytes(encode_jpeg(drawn_image(4)))
    file = tmp_path / "file"
    file.write_text("x")
    for arguments, words in (
        (("--json", tmp_path / "missing" / "x.json"), f"--json {tmp_path / 'missing' / 'x.json'}: expected a file in a"),
        (("--json", near), "found the same"),
        (("--json", weights), "found the same"),
        (("--out", file), f"--out {file}: expected a folder, found that {file} is none"),
        (("--out", tmp_path), f"a drawing would replace {near}"),
    ):  # fmt: skip
        answer = wider8k("detect", near, "--weights", weights, *arguments)
        assert (answer.code, answer.out) == (2, ""), arguments
        assert words in answer.err
    assert near.read_bytes() == encode_jpeg(drawn_image(4))


def test_an_interrupted_look_writes_what_it_has(
    wider8k, photo: Path, weights: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = tmp_path / "second.png"
    second.write_bytes(encode_png(drawn_image(5)))
    launch = Predictor.launch

    def interrupted(self: Predictor, images: list[np.ndarray], canvas: Canvas, **options: int) -> object:
        if np.array_equal(images[0], drawn_image(5)):
            raise KeyboardInterrupt
        return launch(self, images, canvas, **options)

    monkeypatch.setattr(Predictor, "launch", interrupted)
    command = ("detect", photo, second, "--weights", weights, "--json", tmp_path / "found.json")
    answer = wider8k(*command)
    assert "stopped after 1 of 2: the same command goes on" in answer.err
    assert [row["image"] for row in json.loads((tmp_path / "found.json").read_text())] == [str(photo)]
    monkeypatch.setattr(Predictor, "launch", launch)
    answer = wider8k(*command)
    assert (answer.code, answer.err) == (0, "")
    assert f"1 of 2 were done before: {tmp_path / 'found.json.unfinished'}" in answer.out
    assert [row["image"] for row in json.loads((tmp_path / "found.json").read_text())] == [str(photo), str(second)]
    assert {file.name for file in tmp_path.iterdir()} == {"photo.png", "second.png", "found.json"}


def test_a_canvas_that_no_machine_holds_is_one_line_and_the_others_are_done(
    wider8k, photo: Path, weights: str, tmp_path: Path
) -> None:
    strip, file = tmp_path / "strip.png", tmp_path / "found.json"
    strip.write_bytes(encode_png(np.zeros((2, 60_000, 3), np.uint8)))
    answer = wider8k("detect", strip, photo, "--weights", weights, "--canvas", "short-640", "--json", file)
    assert answer.code == 1
    assert f"{strip}: a canvas of 19200000 x 640 pixels needs " in answer.err
    assert [row["image"] for row in json.loads(file.read_text())] == [str(photo)]


def test_a_folder_is_blurred_cropped_and_listed(wider8k, weights: str, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    (folder / "below").mkdir(parents=True)
    for seed, name in enumerate(("a.png", "below/b.png")):
        (folder / name).write_bytes(encode_png(drawn_image(seed + 3)))
    outputs = ("--blur", tmp_path / "blurred", "--crops", tmp_path / "crops", "--csv", tmp_path / "faces.csv")
    options = ("--score", 0.3, "--blur-score", 0.3, "--draw-score", 0.4, "--json", tmp_path / "found.json")
    refused = wider8k("detect", folder, "--weights", weights, *outputs, "--score", 0.3)
    assert refused.code == 2
    assert "--score 0.3: boxes down to --blur-score 0.2 are blurred, expected at most that" in refused.err
    answer = wider8k("detect", folder, "--weights", weights, *outputs, *options)
    assert answer.code == 0, answer.err
    found = json.loads((tmp_path / "found.json").read_text())
    assert [row["image"] for row in found] == [str(folder / "a.png"), str(folder / "below/b.png")]
    shown = [sum(score > 0.4 for score in row["scores"]) for row in found]
    assert sum(shown)
    assert len(list((tmp_path / "crops").iterdir())) == sum(shown)
    assert {file.name for file in (tmp_path / "blurred").iterdir()} == {"a.jpg", "b.jpg"}
    (blurred,) = (cv2.imread(str(file)) for file in (tmp_path / "blurred").glob("a.jpg"))
    boxes = np.array(found[0]["boxes"], np.float32)
    assert np.abs(blurred.astype(int) - blur_faces(drawn_image(3), boxes)).mean() < 3
    assert len((tmp_path / "faces.csv").read_text().splitlines()) == 1 + sum(len(row["scores"]) for row in found)


def test_of_many_images_there_is_one_line(
    wider8k, photo: Path, weights: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stages.cli.detect_run.LISTED", 1)
    monkeypatch.setattr("stages.cli.detect_progress.SECONDS_BETWEEN_LINES", 0)
    second = tmp_path / "second.png"
    second.write_bytes(encode_png(drawn_image(5)))
    answer = wider8k("detect", photo, second, "--weights", weights)
    assert answer.code == 0
    first, then, total = answer.out.splitlines()
    assert re.fullmatch(r"detect: 1/2 images \d+ faces \S+/s \S+ left", first)
    assert then.startswith("detect: 2/2 images ")
    assert re.fullmatch(r"\d+ faces above 0.5 in 2 images in \d+ s", total)


@pytest.mark.slow
def test_a_ranker_re_scores_the_candidates(wider8k, photo: Path, weights: str, tmp_path: Path) -> None:
    torch.manual_seed(1)
    network = RANKERS["roi_mobilenet"].build()
    file = tmp_path / "ranker.safetensors"
    file.write_bytes(save_bytes("roi_mobilenet", network))
    assert wider8k("detect", photo, "--weights", weights, "--ranker", file, "--json", tmp_path / "f.json").code == 0
    (found,) = json.loads((tmp_path / "f.json").read_text())
    candidates = Predictor(open_detector(weights)[1]).candidates(drawn_image(4), Canvas(None))
    expected = detections(Reranker(open_ranker(file)[1])(drawn_image(4), candidates), score=0.02)
    np.testing.assert_array_equal(np.array(found["boxes"], np.float32), expected.boxes)
    np.testing.assert_array_equal(np.array(found["scores"], np.float32), expected.scores)
    refused = wider8k("detect", photo, "--weights", weights, "--ranker", file, "--mode", "crface_multi")
    assert refused.code == 2
    assert "a ranker re-scores the candidates of one pass: expected no mode, found crface_multi" in refused.err
    assert wider8k("detect", photo, "--weights", weights, "--ranker", weights).code == 2


def test_two_folders_of_one_name_are_refused(wider8k, photo: Path, weights: str, tmp_path: Path) -> None:
    answer = wider8k("detect", photo, "--weights", weights, "--out", tmp_path / "o", "--blur", tmp_path / "o")
    assert (answer.code, answer.out) == (2, "")
    assert f"--blur {tmp_path / 'o'}: expected another folder than that of --out" in answer.err
