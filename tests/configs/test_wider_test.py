"""The test split of WIDER FACE, from photographs to the archive for its server, by the config that the repository ships."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

from pipeline.data.images import encode_jpeg
from pipeline.data.predictions.dump import read_dump
from tests.stages.conftest import Answer
from tests.stages.world import drawn_image

CONFIG = Path(__file__).resolve().parents[2] / "configs/wider_test.yaml"
NAMES = ["0--Parade/a", "0--Parade/b", "1--Handshaking/a"]


def test_the_config_leads_from_photographs_to_the_servers_archive(
    weights: str, tmp_path: Path, wider8k: Callable[..., Answer]
) -> None:
    for seed, name in enumerate(NAMES):
        file = tmp_path / "images" / f"{name}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(encode_jpeg(drawn_image(seed)))
    sets = [
        f"store={tmp_path / 'store'}",
        f"faces.path={tmp_path / 'images'}",
        f"boxes.path={weights}",
        "boxes.max_candidates=20",
    ]
    done = wider8k("run", "-c", CONFIG, "--local", *(word for each in sets for word in ("--set", each)))
    assert done.code == 0, done.out + done.err
    (tmp_path / "list.txt").write_text("".join(f"{name}.jpg\n" for name in NAMES))
    out = tmp_path / "wider_test_submission.zip"
    packed = wider8k("submission", tmp_path / "store/boxes", "--images", tmp_path / "list.txt", "--out", out)
    assert packed.code == 0, packed.err
    found = read_dump(tmp_path / "store/boxes").predictions
    with zipfile.ZipFile(out) as archive:
        assert archive.namelist() == [f"{name}.txt" for name in NAMES]
        counts = [int(archive.read(f"{name}.txt").split()[1]) for name in NAMES]
    assert sum(counts) == len(found.scores) > 0
