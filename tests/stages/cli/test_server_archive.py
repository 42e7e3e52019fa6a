"""The archive for a benchmark's server, beside the paper's AP."""

from __future__ import annotations

import io
import zipfile

from stages.cli.finished_run import FinishedRun
from stages.cli.server_archive import submission_result
from tests.stages.cli.paper_entry import paper_entry
from tests.stages.world import World


def test_every_image_is_a_text_and_the_papers_ap_is_beside(world: World) -> None:
    world.node(
        "faces", "index", dataset={"kind": "synthetic", "split": "test", "images": 3, "width": 128, "height": 96}
    )
    world.node("found", "guess", inputs={"samples": "faces"}, fails_on="test/000001", run={"max_error_share": 0.5})
    world.done()
    item = paper_entry("submission", "found", only_paper={"Theirs": {"easy": 97.0, "hard": 92.6}})
    result = submission_result(item, FinishedRun(world.graph(), world.plan()), "found")
    rows = world.by_id("found")
    with zipfile.ZipFile(io.BytesIO(result.files["zip"])) as archive:
        assert archive.namelist() == sorted(f"{name}.txt" for name in rows)
        counts = {name: int(archive.read(f"{name}.txt").split()[1]) for name in rows}
    assert counts == {name: len(each.scores) for name, each in rows.items()} and sum(counts.values()) > 0
    (table,) = result.tables
    ours, theirs = (dict(zip(table.header, line, strict=True)) for line in table.rows)
    assert (ours["images"], ours["boxes"]) == ("3", str(sum(counts.values())))
    assert ours["unreadable images"] == "1"
    assert (theirs["easy (paper)"], theirs["hard (paper)"], ours["hard (paper)"]) == ("97.0", "92.6", "–")
    assert "the 16,097 images of the test split; these are 3" in table.note
