from __future__ import annotations

import pytest

from pipeline.engine.node_progress import NodeProgress, duration
from pipeline.engine.shards import ShardJob
from pipeline.engine.stage import Resources, StageContext
from pipeline.engine.storage import Store
from tests.engine.squares import Squares, Total


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.44, "0.4s"), (12.4, "12s"), (59.6, "1m00s"), (185, "3m05s"), (7620, "2h07m")]
)
def test_durations_read_well(seconds, text):
    assert duration(seconds) == text


def job(tmp_path, stage):
    ctx = StageContext("boxes", None, Resources(), {})
    return ShardJob(Store(str(tmp_path)), "boxes/r", "r", "run1", stage, ctx)


def test_the_progress_line_counts_finished_and_half_finished_shards(tmp_path):
    progress = NodeProgress(job(tmp_path, Squares()), items=40, shards=4, started=100.0)
    progress.items_done, progress.shards_done, progress.errors, progress.peak_mb = 10, 1, 2, 512
    line = progress.state(105.0, {"shard-a": "5/10"}).line()
    assert line == "boxes 15/40 items 1/4 shards 3/s 8.3s left 2 errors 512 MB"


def test_a_whole_stage_shows_what_it_logs(tmp_path):
    progress = NodeProgress(job(tmp_path, Total()), items=1, shards=0, started=100.0)
    assert progress.state(106.0, {"whole": "step 3/10 loss 0.5"}).line() == "boxes step 3/10 loss 0.5 14s left"


def test_what_a_resumed_stage_had_done_before_took_no_time_of_this_run(tmp_path):
    progress = NodeProgress(job(tmp_path, Total()), items=1, shards=0, started=100.0)
    progress.state(110.0, {"whole": "step 900/1000"})
    assert progress.state(120.0, {"whole": "step 910/1000"}).line() == "boxes step 910/1000 1m30s left"


def test_a_whole_stage_that_logs_nothing_shows_its_time(tmp_path):
    progress = NodeProgress(job(tmp_path, Total()), items=1, shards=0, started=100.0)
    assert progress.state(104.0, {}).line() == "boxes 4.0s"


def test_a_node_that_finishes_nothing_for_long_has_stalled_until_it_goes_on(tmp_path):
    progress = NodeProgress(job(tmp_path, Squares()), items=40, shards=4, started=100.0)
    for done in range(1, 6):  # an item every ten seconds
        progress.items_done = done
        assert progress.state(100.0 + 10 * done, {}).left.endswith(" left")
    assert progress.state(199.0, {}).left.endswith(" left"), "49 seconds are not five times the usual"
    assert progress.state(201.0, {}).line() == "boxes 5/40 items 0/4 shards 0.0495/s no item finished for 51s"
    progress.items_done = 6
    assert not progress.state(202.0, {}).stalled


def test_a_quick_node_has_not_stalled_within_the_time_of_some_heartbeats(tmp_path):
    progress = NodeProgress(job(tmp_path, Squares()), items=40, shards=4, started=100.0, items_done=10)
    assert progress.state(101.0, {}).share == 0.25
    assert not progress.state(116.0, {}).stalled
    assert progress.state(117.0, {}).stalled


def test_a_training_that_is_silent_has_stalled_only_after_a_minute(tmp_path):
    progress = NodeProgress(job(tmp_path, Total()), items=1, shards=0, started=100.0)
    lines = {"whole": "step 3/10 loss 0.5"}
    progress.state(101.0, lines)
    assert progress.state(160.0, lines).left.endswith(" left")
    assert progress.state(162.0, lines).line() == "boxes step 3/10 loss 0.5 stalled for 1m01s"


def test_what_has_not_begun_has_not_stalled(tmp_path):
    progress = NodeProgress(job(tmp_path, Squares()), items=40, shards=4, started=100.0)
    assert progress.state(1000.0, {}).left == "no item finished for 15m00s"
