from __future__ import annotations

import hashlib
import io
import re
from pathlib import Path

import pytest
import torch

from pipeline.data.images import encode_png
from pipeline.engine.registry import Registry
from pipeline.engine.terminal import CLEAR
from pipeline.models import published
from pipeline.models.checkpoint import Checkpoint
from pipeline.models.detectors import DETECTORS
from pipeline.models.detectors.retinaface import retinaface_mobilenet
from pipeline.models.published import Published, cached
from pipeline.models.weights import open_detector, save_bytes
from stages.cli import weights as weights_command
from tests.stages.world import drawn_image


def torch_file(path: Path, state: dict[str, torch.Tensor]) -> Path:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    path.write_bytes(buffer.getvalue())
    return path


@pytest.mark.wider
def test_a_published_checkpoint_becomes_one_of_ours(wider8k, shared: Path, tmp_path: Path) -> None:
    source = shared / "data/weights/retinaface_mobilenet0.25_Final.pth"
    out = tmp_path / "made" / "std.safetensors"
    answer = wider8k("weights", "convert", source, "--out", out)
    assert answer.code == 0
    assert (
        answer.out.strip() == f"{out}: retinaface_mobilenet, 300 tensors matched, sha256 {Checkpoint(out).content_hash}"
    )
    assert Checkpoint(out).config == {
        "detector": "retinaface_mobilenet",
        "source": source.name,
        "source_sha256": Checkpoint(source).content_hash,
    }
    ours, theirs = open_detector(out)[1].state_dict(), Checkpoint(source).tensors
    assert torch.equal(ours["backbone.stages.0.0.conv.weight"], theirs["body.stage1.0.0.weight"])


def test_inspect_tells_what_a_file_is(wider8k, weights: str) -> None:
    answer = wider8k("weights", "inspect", weights)
    assert answer.code == 0
    lines = answer.out.splitlines()
    assert lines[0].startswith("detector    retinaface_mobilenet: RetinaFace, MobileNet-0.25")
    assert lines[1] == "parameters  426,608"
    assert lines[2] == f"sha256      {Checkpoint(weights).content_hash}"
    assert lines[3] == "names       300 of 300 matched"
    assert len(lines) == 4


def test_every_troubling_name_has_a_line(wider8k, tmp_path: Path) -> None:
    state = dict(retinaface_mobilenet().state_dict())
    del state["pyramid.merges.0.conv.weight"]
    state["stranger"] = torch.zeros(1)
    state["heads.kinds.0.levels.0.bias"] = torch.zeros(12)
    file = torch_file(tmp_path / "odd.pth", state)
    answer = wider8k("weights", "inspect", file, "--detector", "retinaface_mobilenet")
    assert answer.code == 1
    assert answer.out.splitlines()[3:] == [
        "names       298 of 300 matched",
        "missing     pyramid.merges.0.conv.weight",
        "unexpected  stranger",
        "mismatched  heads.kinds.0.levels.0.bias (12,) for (8,)",
    ]
    answer = wider8k("weights", "convert", file, "--detector", "retinaface_mobilenet", "--out", tmp_path / "o")
    assert answer.code == 2
    assert "checkpoint does not fit RetinaFace" in answer.err
    assert not (tmp_path / "o").exists()


def test_switches_travel_with_the_file(wider8k, tmp_path: Path) -> None:
    network = DETECTORS["retinaface_mobilenet"].build(slope=0.25)
    source = torch_file(tmp_path / "own.pth", network.state_dict())
    out = tmp_path / "own.safetensors"
    arguments = ("--detector", "retinaface_mobilenet", "--switch", "slope=0.25", "--out", out)
    assert wider8k("weights", "convert", source, *arguments).code == 0
    assert Checkpoint(out).config["model_args"] == {"slope": 0.25}
    loaded, images = open_detector(out)[1], torch.randn(1, 3, 32, 32)
    assert torch.equal(loaded(images).logits, network.eval()(images).logits)
    assert "model_args  {'slope': 0.25}" in wider8k("weights", "inspect", out).out
    again = tmp_path / "again.safetensors"
    assert wider8k("weights", "convert", out, "--out", again).code == 0
    assert Checkpoint(again).config["model_args"] == {"slope": 0.25}


def test_bad_input_is_one_line_and_code_two(wider8k, weights: str, tmp_path: Path) -> None:
    noise = tmp_path / "noise.pth"
    noise.write_bytes(b"no checkpoint")
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(save_bytes("retinaface_mobilenet", retinaface_mobilenet(), {"model_args": [1]}))
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(Path(weights).read_bytes()[:-100])
    for arguments, words in (
        (("inspect", tmp_path / "gone"), "gone"),
        (("inspect", noise), "not a checkpoint that torch can load safely"),
        (("inspect", noise, "--detector", "hrnet_w1"), "no detector is called 'hrnet_w1'"),
        (("inspect", noise, "--detector", "retinaface_mobilenet"), "not a checkpoint"),
        (("inspect", weights, "--switch", "slope"), "--switch slope: expected name=value"),
        (("inspect", weights, "--switch", "slop=1"), "has no switch slop; there are sizes, slope"),
        (("inspect", broken), "switches must map names to values"),
        (("inspect", weights, "--switch", "slope=[a"), "--switch slope=[a: not valid YAML"),
        (("inspect", weights, "--switch", "sizes=3"), "no network with the switches sizes=3: "),
        (("inspect", cut), f"{cut}: expected a checkpoint of "),
        (("convert", cut, "--out", tmp_path / "o"), "cut off, fetch it again"),
        (("convert", weights, "--out", weights), "expected another file than what is read"),
        (("convert", weights, "--out", noise / "x"), f"expected a folder, found that {noise} is none"),
        (("convert", noise, "--detector", "retinaface_mobilenet", "--out", tmp_path / "o"), "not a checkpoint"),
    ):
        answer = wider8k("weights", *arguments)
        assert (answer.code, answer.out) == (2, ""), arguments
        assert words in answer.err
        assert answer.err.startswith("error: ")
        assert answer.err.count("\n") == 1


@pytest.mark.parametrize("command", ["convert", "inspect"])
def test_help_shows_an_example(wider8k, command: str) -> None:
    answer = wider8k("weights", command, "--help")
    assert answer.code == 0
    assert f"Example: wider8k weights {command} " in " ".join(answer.out.split())


def test_published_files_are_listed_fetched_and_used_by_name(
    wider8k, tmp_path: Path, weights: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    data = Path(weights).read_bytes()
    source = tmp_path / "source.pth"
    source.write_bytes(data)
    file = Published("any", source.as_uri(), hashlib.sha256(data).hexdigest(), len(data), "MIT", "a/b", "1 / 2 / 3")
    for module in (published, weights_command):
        monkeypatch.setattr(module, "PUBLISHED", Registry("published file", {"small": file}))
    listed = wider8k("weights", "list").out
    assert "not fetched yet: wider8k weights get small" in listed and f"sha256 {file.sha256}" in listed
    photo = tmp_path / "photo.png"
    photo.write_bytes(encode_png(drawn_image(4)))
    refused = wider8k("detect", photo, "--weights", "small")
    assert (refused.code, refused.err) == (2, "error: small: not fetched yet: wider8k weights get small\n")
    got = wider8k("weights", "get", "small")
    assert (got.code, got.err) == (0, "")
    assert "sha256 right; --weights small uses it" in got.out
    cached("small").unlink()
    monkeypatch.setattr(weights_command, "has_cursor", lambda stream: True)
    shown = wider8k("weights", "get", "small").err
    assert "small ━" in re.sub(r"\x1b\[[0-9;]*m", "", shown) and f"{len(data) / 1e6:.1f} MB" in shown
    assert shown.endswith(CLEAR)
    assert str(cached("small")) in wider8k("weights", "list").out
    assert wider8k("detect", photo, "--weights", "small").code == 0
    unknown = wider8k("weights", "get", "smal")
    assert unknown.code == 2
    assert "no published file is called 'smal' (did you mean 'small'?" in unknown.err
