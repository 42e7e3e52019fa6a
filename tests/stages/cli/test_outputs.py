from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from pipeline.engine.storage import Store
from stages.cli.outputs import Outputs, require_exports, require_files, require_folder, typed_command
from tests.stages.world import World


def test_what_can_be_written_is_left_as_it_was(tmp_path: Path) -> None:
    there = tmp_path / "there.json"
    there.write_text("mine")
    require_files({"--json": there, "--report": tmp_path / "new.html", "--none": None}, [tmp_path / "other"])
    require_folder("--out", tmp_path / "a" / "b")
    assert [file.name for file in tmp_path.iterdir()] == ["there.json"]
    assert there.read_text() == "mine"


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    (tmp_path / "link").symlink_to(file)
    for path, words in (
        (tmp_path / "gone" / "x.json", f"--json {tmp_path / 'gone' / 'x.json'}: expected a file in a folder that exists"),
        (tmp_path, "found a folder"),
        (file / "x", "found no folder"),
        (tmp_path / ("n" * 300), "it cannot be written (File name too long)"),
        (tmp_path / "a\0b", "it cannot be written (embedded null byte)"),
        (file, "expected another file than what is read, found the same"),
        (tmp_path / "link", "expected another file than what is read, found the same"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=re.escape(words)):
            require_files({"--json": path}, [file])
    with pytest.raises(ValueError, match="expected another file than that of --json"):
        require_files({"--json": tmp_path / "x", "--report": tmp_path / "." / "x"})
    with pytest.raises(ValueError, match=f"--out {file}/x: expected a folder, found that {file} is none"):
        require_folder("--out", file / "x")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["file", "link"]


def test_only_what_is_asked_for_is_computed_and_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "s3://key:secret@bucket/run"
    monkeypatch.setattr(sys, "argv", ["/bin/wider8k", "compare", url, "two words"])
    outputs = Outputs(None, tmp_path / "page.html")
    outputs.require([tmp_path / "other"])
    outputs.write(lambda: pytest.fail("no figures are asked for"), typed_command)
    assert (tmp_path / "page.html").read_text() == "wider8k compare s3://bucket/run 'two words'"
    assert capsys.readouterr().out == f"page: {tmp_path / 'page.html'}\n"
    Outputs(tmp_path / "ap.json", None).write(lambda: "é\n", lambda: pytest.fail("no page is asked for"))
    assert (tmp_path / "ap.json").read_bytes() == "é\n".encode()
    assert capsys.readouterr().out == f"all digits: {tmp_path / 'ap.json'}\n"
    with pytest.raises(ValueError, match="--report .*: expected another file than that of --json"):
        Outputs(tmp_path / "x", tmp_path / "x").require([])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ValueError, match="Permission denied"):
        require_files({"--json": tmp_path / "x"})
    with pytest.raises(ValueError, match=r"nothing can be written into .* \(Permission denied\)"):
        require_folder("--out", tmp_path / "x")
    tmp_path.chmod(0o700)


def test_a_run_is_refused_where_its_page_cannot_be_written(wider8k, world: World) -> None:
    world.node("faces", "index", dataset={"kind": "synthetic", "images": 2, "width": 64, "height": 64})
    world.node("scales", "statistics", inputs={"samples": "faces"})
    world.node("page", "report", inputs={"samples": "faces", "statistics": "scales"})
    require_exports(world.graph(), world.store)
    folder = Path(world.store.path("page.html"))
    folder.mkdir(parents=True)
    answer = wider8k("run", "--local", "-c", world.config)
    assert answer.code == 2
    assert answer.err == f"error: page: it writes {folder}, found a folder of that name: move it away\n"
    assert not Path(world.store.path("faces")).exists()
    folder.rmdir()
    Path(world.store.path("faces")).write_text("a file")
    assert "expected a folder for its rows, found the file" in wider8k("run", "--local", "-c", world.config).err
    with pytest.raises(ValueError, match=f"store {folder.parent}/faces: expected a folder"):
        require_exports(world.graph(), Store(f"{folder.parent}/faces"))
