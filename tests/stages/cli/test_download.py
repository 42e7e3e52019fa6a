from __future__ import annotations

from pathlib import Path


def test_an_unknown_dataset_is_refused_with_the_choices(wider8k, tmp_path: Path) -> None:
    answer = wider8k("download", "widerfase", tmp_path / "data")
    assert answer.code == 2
    assert answer.err == "error: no download for 'widerfase'; choices: widerface\n"
    assert not (tmp_path / "data").exists()


def test_an_unknown_split_is_refused_with_the_choices(wider8k, tmp_path: Path) -> None:
    answer = wider8k("download", "widerface", tmp_path / "data", "--split", "valid")
    assert answer.code == 2
    assert "valid" in answer.err
    assert "train" in answer.err
    assert not (tmp_path / "data").exists()
