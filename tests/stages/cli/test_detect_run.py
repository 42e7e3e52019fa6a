"""`detect` over videos, and a run that is killed: every row once, whatever had been written."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from pipeline.data.canvas import ORIGINAL, Canvas
from pipeline.data.images import encode_png
from pipeline.inference.postprocess import detections
from pipeline.inference.predictor import Predictor
from pipeline.models.weights import open_detector
from tests.data.tiny_video import RATE, frames_of, read_video, with_a_pause, write_video
from tests.stages.world import drawn_image

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return write_video(tmp_path / "film.mp4", frames_of(7, drawn_image(4)))


def test_boxes_per_frame_with_its_number_and_time(wider8k, film: Path, weights: str, tmp_path: Path) -> None:
    outputs = ("--json", tmp_path / "f.json", "--csv", tmp_path / "f.csv", "--out", tmp_path / "drawn")
    answer = wider8k("detect", film, "--weights", weights, "--score", 0.3, "--every", 3, *outputs)
    assert (answer.code, answer.err) == (0, "")
    assert f"  drawn, without sound: {tmp_path / 'drawn' / 'film.mp4'}\n" in answer.out
    rows = json.loads((tmp_path / "f.json").read_text())
    assert [(row["image"], row["frame"], row["seconds"]) for row in rows] == [
        (str(film), n, n / RATE) for n in (0, 3, 6)
    ]
    frames, _ = read_video(film)
    predictor = Predictor(open_detector(weights)[1])
    for row in rows:
        expected = detections(predictor.candidates(frames[row["frame"]], ORIGINAL), score=0.3)
        assert len(expected) > 0
        np.testing.assert_array_equal(np.array(row["boxes"], np.float32), expected.boxes)
        assert (row["width"], row["height"]) == (96, 64)
    lines = list(csv.DictReader((tmp_path / "f.csv").read_text().splitlines()))
    assert [line["frame"] for line in lines] == [str(row["frame"]) for row in rows for _ in row["scores"]]
    assert lines[-1]["seconds"] == f"{6 / RATE:.3f}"
    shown = sum(score > 0.5 for row in rows for score in row["scores"])
    assert f"{film}: {shown} faces above 0.5 in 3 of 7 frames by retinaface_mobilenet" in answer.out
    drawn, rate = read_video(tmp_path / "drawn" / "film.mp4")
    assert (len(drawn), rate) == (7, RATE)


def test_a_video_that_was_stopped_is_searched_again_and_has_each_frame_once(
    wider8k, film: Path, weights: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launch, calls, found = Predictor.launch, list[int](), tmp_path / "f.json"

    def interrupted(self: Predictor, images: list[np.ndarray], canvas: Canvas, **options: int) -> object:
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return launch(self, images, canvas, **options)

    command = ("detect", film, "--weights", weights, "--json", found, "--blur", tmp_path / "blurred")
    monkeypatch.setattr(Predictor, "launch", interrupted)
    assert "stopped after 0 of 1: the same command goes on" in wider8k(*command).err
    assert [row["frame"] for row in json.loads(found.read_text())] == [0, 1, 2]
    assert len(read_video(tmp_path / "blurred" / "film.mp4")[0]) == 3
    answer = wider8k(*command)
    assert (answer.code, answer.err) == (0, "")
    assert [row["frame"] for row in json.loads(found.read_text())] == list(range(7))
    assert len(read_video(tmp_path / "blurred" / "film.mp4")[0]) == 7


def test_videos_and_photographs_together(wider8k, film: Path, weights: str, tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    photo.write_bytes(encode_png(drawn_image(4)))
    outputs = ("--blur", tmp_path / "blurred", "--csv", tmp_path / "f.csv")
    answer = wider8k("detect", photo, film, "--weights", weights, *outputs)
    assert (answer.code, answer.err) == (0, "")
    assert {file.name for file in (tmp_path / "blurred").iterdir()} == {"photo.jpg", "film.mp4"}
    first, *_, last = csv.DictReader((tmp_path / "f.csv").read_text().splitlines())
    assert (first["image"], first["frame"], first["seconds"]) == (str(photo), "", "")
    assert (last["image"], last["frame"]) == (str(film), "6")


def test_what_is_wrong_with_a_video_is_a_line_and_the_others_are_done(
    wider8k, film: Path, weights: str, tmp_path: Path
) -> None:
    noise = [np.random.default_rng(n).integers(0, 255, (64, 96, 3), np.uint8) for n in range(20)]
    cut = write_video(tmp_path / "cut.avi", noise)
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    page = tmp_path / "page.mp4"
    page.write_text("<html>")
    with_a_pause(film, 2, 4)
    outputs = ("--json", tmp_path / "f.json", "--out", tmp_path / "drawn")
    answer = wider8k("detect", cut, page, film, "--weights", weights, *outputs)
    assert answer.code == 1
    first, second, *counts = answer.err.splitlines()
    read = sum(row["image"] == str(cut) for row in json.loads((tmp_path / "f.json").read_text()))
    assert first == f"{cut}: cut off or damaged: {read} of 20 frames could be read; those read stay"
    assert second.startswith(f"{page}: expected a video, found an HTML page")
    assert counts == ["1 of 3 files could not be read to their end", "1 of 3 files could not be read"]
    assert len(read_video(tmp_path / "drawn" / "cut.mp4")[0]) == read > 0
    assert (
        "its frames are 80 to 320 ms apart: seconds are those of each frame; what is written has 8.75 frames"
        in answer.out
    )
    assert len(read_video(tmp_path / "drawn" / "film.mp4")[0]) == 7


def test_a_video_that_cannot_be_written_is_named_and_the_others_are_done(
    wider8k, film: Path, weights: str, tmp_path: Path
) -> None:
    other = film.rename(tmp_path / "other.mp4")
    (tmp_path / "drawn" / "film.mp4").mkdir(parents=True)
    film.write_bytes(other.read_bytes())
    answer = wider8k("detect", film, other, "--weights", weights, "--out", tmp_path / "drawn")
    assert answer.code == 1
    assert answer.err == f"{film}: Is a directory\n1 of 2 files could not be written\n"
    assert len(read_video(tmp_path / "drawn" / "other.mp4")[0]) == 7


def test_a_drawing_never_replaces_its_video(wider8k, film: Path, weights: str, tmp_path: Path) -> None:
    answer = wider8k("detect", film, "--weights", weights, "--out", tmp_path)
    assert answer.code == 2
    assert f"--out {tmp_path}: a drawing would replace {film}, which is read: give another folder" in answer.err
    assert len(read_video(film)[0]) == 7


def test_the_limit_of_pixels_is_an_option(wider8k, weights: str, tmp_path: Path) -> None:
    wide, photo = tmp_path / "wide.png", tmp_path / "photo.png"
    wide.write_bytes(encode_png(np.zeros((1000, 1100, 3), np.uint8)))
    photo.write_bytes(encode_png(drawn_image(4)))
    command = ("detect", wide, photo, "--weights", weights, "--canvas", 96)
    answer = wider8k(*command, "--max-megapixels", 1)
    assert answer.code == 1
    assert f"{wide}: 1100 x 1000 pixels are 1 megapixels, above the limit of 1: --max-megapixels" in answer.err
    assert f"{photo}: " in answer.out
    assert wider8k(*command).code == 0


def test_another_threshold_does_not_go_on_with_a_stopped_run(wider8k, film: Path, weights: str, tmp_path: Path) -> None:
    found = tmp_path / "f.json"
    command = ("detect", film, "--weights", weights, "--json", found)
    found.with_name("f.json.unfinished").write_text(json.dumps({"--score": 0.5}) + "\n")
    answer = wider8k(*command)
    assert answer.code == 2
    assert "f.json.unfinished: a run that was stopped had " in answer.err
    assert "--fresh starts over" in answer.err
    assert wider8k(*command, "--fresh").code == 0
    assert len(json.loads(found.read_text())) == 7


@pytest.mark.slow
@pytest.mark.faults
def test_a_killed_run_loses_no_row_and_doubles_none(weights: str, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    for number in range(60):
        (folder / f"{number % 3}").mkdir(parents=True, exist_ok=True)
        (folder / f"{number % 3}" / f"{number // 3}.png").write_bytes(encode_png(drawn_image(number)))
    write_video(folder / "film.mp4", frames_of(7, drawn_image(4)))
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()

    def command(name: str) -> list[str]:
        outputs = [f"--json={tmp_path / name}/f.json", f"--csv={tmp_path / name}/f.csv", f"--blur={tmp_path / name}/b"]
        inputs = [str(folder), str(folder / "film.mp4"), "--weights", weights, "--score", "0.1"]
        return [sys.executable, "-m", "stages.cli.main", "detect", *inputs, *outputs]

    def rows(name: str) -> list[dict[str, object]]:
        return json.loads((tmp_path / name / "f.json").read_text())

    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(command("whole"), env=environment, check=True, capture_output=True)
    log, done, kills = tmp_path / "killed" / "f.json.unfinished", 0, 0
    while kills < 4:
        process = subprocess.Popen(command("killed"), env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        while process.poll() is None and (not log.exists() or log.read_bytes().count(b"\n") <= done + 12):
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        kills, done = kills + 1, log.read_bytes().count(b"\n") - 1
        with (tmp_path / "killed" / "f.json").open("ab") as file:
            file.write(b',\n{"image": "of the next one, cut o')  # as a kill may leave it
    last = subprocess.run(command("killed"), env=environment, check=True, capture_output=True, text=True)
    assert f"{done} of 61 were done before: " in last.stdout
    assert rows("killed") == rows("whole")
    assert len(rows("whole")) == 60 + 7
    assert (tmp_path / "killed/f.csv").read_text() == (tmp_path / "whole/f.csv").read_text()
    for name in ("whole", "killed"):
        assert sorted(file.name for file in (tmp_path / name).iterdir()) == ["b", "f.csv", "f.json"]
    whole, killed = (
        {file.name: file.read_bytes() for file in (tmp_path / name / "b").iterdir()} for name in ("whole", "killed")
    )
    assert len(whole) == 61
    assert killed == whole
