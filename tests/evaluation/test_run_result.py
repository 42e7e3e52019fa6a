from __future__ import annotations

from dataclasses import replace

from pipeline.evaluation.run_result import RunResult, ap_by_size


def run(way: str, edge: float, hard: float) -> RunResult:
    return RunResult(f"{way}_{edge}", "retinaface", str(edge), {}, {"hard": hard}, {}, way, edge)


def test_points_of_one_way_are_one_line_from_small_to_large() -> None:
    runs = [run("as detected", 2048, 0.7), run("oracle", 1024, 0.9), run("as detected", 1024, 0.6)]
    assert ap_by_size(runs, "hard") == {"as detected": [(1024, 0.6), (2048, 0.7)], "oracle": [(1024, 0.9)]}


def test_detectors_have_lines_of_their_own() -> None:
    runs = [run("as detected", edge, ap) for edge, ap in ((512, 0.1), (640, 0.2))]
    other = [replace(each, detector="hambox", ap={"hard": 0.5}) for each in runs]
    assert ap_by_size([*runs, *other], "hard") == {
        "retinaface: as detected": [(512, 0.1), (640, 0.2)],
        "hambox: as detected": [(512, 0.5), (640, 0.5)],
    }


def test_the_first_of_two_runs_at_one_place_counts() -> None:
    runs = [run("a", 512, 0.1), run("a", 512, 0.2), run("a", 640, 0.3)]
    assert ap_by_size(runs, "hard") == {"a": [(512, 0.1), (640, 0.3)]}


def test_one_size_alone_is_no_line() -> None:
    runs = [run("a", 512, 0.1), run("b", 512, 0.2), run("c", 0, 0.3), run("c", 0, 0.4)]
    assert ap_by_size(runs, "hard") == {}
    assert ap_by_size([run("a", 512, 0.1), run("a", 640, 0.3)], "easy") == {}
    assert ap_by_size([], "hard") == {}
