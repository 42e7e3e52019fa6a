"""Files, folders and patterns become images in a fixed order, each once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipeline.data.images import encode_png
from stages.cli import image_arguments
from stages.cli.image_arguments import images_of
from tests.stages.world import drawn_image


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.png", "a.png", "deep/er/c.png", "no_ending"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(encode_png(drawn_image(1)))
    (tmp_path / "notes.txt").write_text("text")
    (tmp_path / ".hidden.png").write_bytes(encode_png(drawn_image(1)))
    return tmp_path


def test_a_folder_is_all_images_below_it_by_name_and_bytes(folder: Path) -> None:
    lines: list[str] = []
    found = images_of([folder], lines.append)
    assert found == [folder / name for name in ("a.png", "b.png", "deep/er/c.png", "no_ending")]
    (line,) = lines
    assert line == f"{folder}: skipped 2 files and folders; 1 hidden: .hidden.png; 1 that are no images: notes.txt"


def test_files_are_kept_as_they_are_named_and_each_once(folder: Path) -> None:
    files = [folder / "notes.txt", folder / "gone.png", folder / "b.png", folder]
    found = images_of(files, lambda line: None)
    assert found == [*files[:3], folder / "a.png", folder / "deep/er/c.png", folder / "no_ending"]


def test_a_pattern_that_the_shell_left_alone(folder: Path) -> None:
    assert images_of([folder / "*.png"], print) == [folder / "a.png", folder / "b.png"]
    assert images_of([folder / "**/*.png"], print) == [folder / n for n in ("a.png", "b.png", "deep/er/c.png")]
    with pytest.raises(FileNotFoundError, match=r"nothing matches .*\*\.webp"):
        images_of([folder / "*.webp"], print)


def test_a_file_whose_name_looks_like_a_pattern(folder: Path) -> None:
    file = folder / "holiday [1].png"
    file.write_bytes(b"x")
    assert images_of([file], print) == [file]


@pytest.mark.parametrize(
    "typed", ["https://example.com/a.jpg", "s3://bucket/photos", "https://a/b.jpg?size=1", "s3://bucket/*.jpg"]
)
def test_an_address_is_refused_with_what_reads_it(typed: str) -> None:
    with pytest.raises(
        ValueError, match=f"{re.escape(typed)}: expected files and folders of this machine, found an address"
    ):
        images_of([Path(typed)], print)


def test_a_folder_without_images_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no image below"):
        images_of([tmp_path], print)


def test_of_very_many_a_run_is_the_better_command(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_arguments, "FOLDER_RUN", 3)
    lines: list[str] = []
    images_of([folder], lines.append)
    assert lines[-1].startswith("4 images: wider8k run -c folder --set faces.path=")
