from __future__ import annotations

from jobs.given_options import given_options


def test_options_are_read_as_the_command_does_and_others_are_passed_over() -> None:
    words = [
        "-c",
        "a.yaml",
        "--set",
        "x.y=1",
        "--until",
        "boxes",
        "--set=store=s3://b/c",
        "--config=b.yaml",
        "--limit",
        "3",
    ]
    known = given_options([*words, "--machine", "gpu4", "--only", "faces", "--local"])
    assert known.config == ["a.yaml", "b.yaml"]
    assert known.set == ["x.y=1", "store=s3://b/c"]
    assert (known.only, known.machine) == (["faces"], "gpu4")


def test_nothing_is_given() -> None:
    known = given_options([])
    assert (known.config, known.set, known.only, known.machine) == ([], [], [], None)
