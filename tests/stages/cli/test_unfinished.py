"""What was done is known again, whatever the kill has left of the log and the outputs."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.cli.unfinished import Done, Unfinished, state_of

SETTINGS = {"--weights": "abc", "--score": 0.02, "--json": "found.json"}


@pytest.fixture
def images(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{name}.png" for name in "abc"]
    for path in paths:
        path.write_bytes(b"x")
    return paths


def stop(log: Unfinished, paths: list[Path], output: Path, size: int) -> None:
    """Does images of 100 bytes each, and is stopped while it writes another one."""
    with log:
        for path in paths:
            size += 100
            output.write_bytes(bytes(size))
            log.add(Done(str(path), path.stem, *state_of(path), 3, failed=("drawn",)), {"--json": size})
        output.write_bytes(bytes(size + 50))
        raise KeyboardInterrupt


@pytest.fixture
def stopped(images: list[Path], tmp_path: Path) -> Path:
    """The output of a run that was stopped after two images."""
    found = tmp_path / "found.json"
    with pytest.raises(KeyboardInterrupt):
        stop(Unfinished.open({"--json": found}, [], SETTINGS), images[:2], found, 0)
    return found


def test_a_stopped_run_is_known_with_the_sizes_of_its_outputs(stopped: Path, images: list[Path]) -> None:
    log = Unfinished.open({"--json": stopped}, [], SETTINGS)
    assert log.file == stopped.with_name("found.json.unfinished")
    assert list(log.done) == [str(path) for path in images[:2]]
    assert log.done[str(images[1])] == Done(str(images[1]), "b", *state_of(images[1]), 3, failed=("drawn",))
    assert log.sizes == {"--json": 200}


def test_a_run_that_ends_leaves_no_log_and_one_that_is_stopped_again_all_of_it(
    stopped: Path, images: list[Path]
) -> None:
    log = Unfinished.open({"--json": stopped}, [], SETTINGS)
    with pytest.raises(KeyboardInterrupt):
        stop(log, images[2:], stopped, 200)
    again = Unfinished.open({"--json": stopped}, [], SETTINGS)
    assert list(again.done) == [str(path) for path in images]
    assert again.sizes == {"--json": 300}
    with again:
        pass
    assert not list(stopped.parent.glob("*unfinished*"))
    assert not Unfinished.open({"--json": stopped}, [], SETTINGS).done


def test_a_line_that_was_cut_off_is_not_done(stopped: Path) -> None:
    log = stopped.with_name("found.json.unfinished")
    whole = log.read_bytes()
    ends = [place for place, byte in enumerate(whole) if byte == ord("\n")]
    assert len(ends) == 3
    for size in (0, 5, *(end + more for end in ends for more in (-1, 0, 1)), ends[2] - 20):
        log.write_bytes(whole[:size])
        found = Unfinished.open({"--json": stopped}, [], SETTINGS)
        done = sum(size >= end for end in ends[1:])  # a line is whole without its end too
        assert len(found.done) == done, size
        assert found.sizes == ({"--json": 100 * done} if done else {})


def test_rows_that_the_machine_has_lost_are_done_again(stopped: Path) -> None:
    for size, done in ((250, 2), (200, 2), (199, 1), (99, 0)):
        stopped.write_bytes(bytes(size))
        assert len(Unfinished.open({"--json": stopped}, [], SETTINGS).done) == done
    stopped.unlink()
    assert not Unfinished.open({"--json": stopped}, [], SETTINGS).done


def test_other_settings_and_a_changed_image_say_how_to_start_over(stopped: Path, images: list[Path]) -> None:
    with pytest.raises(ValueError, match=r"found\.json\.unfinished: .* had --score 0.02, found 0.5: .* --fresh starts"):
        Unfinished.open({"--json": stopped}, [], {**SETTINGS, "--score": 0.5})
    with pytest.raises(ValueError, match="had --csv None, found x and 1 more: its own options go on with it"):
        Unfinished.open({"--json": stopped}, [], {**SETTINGS, "--csv": "x", "--blur": "y"})
    images[1].write_bytes(b"other")
    with pytest.raises(ValueError, match=rf"{images[1]} has changed since found.json.unfinished was begun: --fresh"):
        Unfinished.open({"--json": stopped}, [], SETTINGS)
    assert not Unfinished.open({"--json": stopped}, [], SETTINGS, fresh=True).done
    images[1].unlink()  # its rows stay what they are
    assert len(Unfinished.open({"--json": stopped}, [], SETTINGS).done) == 2


def test_folders_alone_have_the_log_in_the_first_and_no_output_has_none(tmp_path: Path) -> None:
    with Unfinished.open({}, [tmp_path / "new", tmp_path / "other"], {}) as log:
        assert log.file == tmp_path / "new" / ".detect.unfinished"
        assert log.file.is_file()
    assert not log.file.exists()
    with Unfinished.open({}, [], {}) as none:
        none.add(Done("a", "a", 0, 0), {})
    assert none.file is None
