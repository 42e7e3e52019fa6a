import pytest

from pipeline.data.prediction_names import NameMatch

IDS = [f"{event}/{event}_{number}" for event in ("0--Parade", "1--Handshaking") for number in range(20)]


def problem(found: list[str], others: list[str] | None = None, wanted: list[str] = IDS, suffix: str = ".txt") -> str:
    missing = [image_id for image_id in wanted if image_id not in found]
    extra = [f"{name}{suffix}" for name in found if name not in IDS]
    return str(NameMatch(wanted, missing, extra, others or [], suffix).problem())


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (
            [f"{name}.jpg" for name in IDS],
            "0--Parade/0--Parade_0.jpg.txt: rename 0--Parade_0.jpg.txt to 0--Parade_0.txt",
        ),
        ([f"{name}.JPG" for name in IDS], "rename 0--Parade_0.JPG.txt to 0--Parade_0.txt"),
        ([f"{name}.jpg.txt" for name in IDS], "rename 0--Parade_0.jpg.txt.txt to"),
        ([f"flat/{name.split('/')[1]}" for name in IDS], "found flat/0--Parade_0.txt: put it into a folder 0--Parade"),
        ([name.split("/")[1] for name in IDS], "found 0--Parade_0.txt: put it into a folder 0--Parade"),
        ([name.lower() for name in IDS], "letters large and small as they are there"),
        ([f"9--Train/{n}" for n in range(40)], "found 9--Train/0.txt and 39 more: are they predictions of another"),
    ],
)
def test_no_name_that_matches_is_refused(found: list[str], words: str) -> None:
    said = problem(found)
    assert said.startswith("none of 40 images has a file, the first would be 0--Parade/0--Parade_0.txt; ")
    assert words in said and "\n" not in said


def test_files_that_are_no_text_are_named() -> None:
    assert "found 0--Parade/0--Parade_0.TXT: rename" in problem([], [f"{name}.TXT" for name in IDS])
    assert problem([], ["predictions.json", "a.jpg"]).endswith("found no .txt, but predictions.json, a.jpg")
    assert problem([]).endswith("found no .txt file at all")


def test_rows_of_a_table_have_no_ending() -> None:
    said = problem([f"{name}.jpg" for name in IDS], suffix="")
    assert said.startswith("none of 40 images is among its rows, the first would be 0--Parade/0--Parade_0; found")
    found = "found test/1 and 1 more: are they predictions of another set?"
    assert problem(["test/1", "test/2"], suffix="").endswith(found)


def test_numbers_are_said_to_be_ids() -> None:
    assert problem(["1", "2"], suffix="").endswith("ids of the images of COCO labels: --labels names those")
    assert problem(["image_id 1", "image_id 2"], suffix="").endswith("predictions of another set?")  # of known labels


def test_some_names_of_another_form_are_refused_too() -> None:
    said = problem([*IDS[:30], *(f"{name}.jpg" for name in IDS[30:])])
    first = "1--Handshaking/1--Handshaking_10"
    assert said.startswith(f"10 of 40 images have a name of another form, the first should be {first}")
    assert "1 of 40" in problem(IDS[:-1], [f"{IDS[-1]}.TXT"])
    for other in ("", "0-Parade/", "0_parade/"):  # no folder at all, or the same one spelt in another way
        twins = [name.replace("0--Parade/", other) for name in IDS]
        assert 0 < len(set(twins) & set(IDS)) < len(IDS)
        assert "have a name of another form, the first should be 0--Parade/" in problem(twins)


def test_a_set_of_which_nearly_nothing_matches_is_another_one() -> None:
    others = [f"9--Train/{number}" for number in range(500)]
    said = problem([IDS[0], *others])
    assert said.startswith("only 1 of 40 images have predictions, and 500 predictions are of other")


@pytest.mark.parametrize(
    "found",
    [
        IDS,
        IDS[:1],  # a part of the set
        IDS[:-1],
        [*IDS, *(f"9--Train/{number}" for number in range(5000))],  # more than is wanted
        [*IDS[:20], *(f"9--Train/{number}" for number in range(100))],
        [*IDS[:-1], "9--Train/1--Handshaking_19"],  # another folder may be another set that numbers alike
    ],
)
def test_a_part_of_a_set_and_more_than_a_set_are_fine(found: list[str]) -> None:
    assert problem(found) == "None" and problem(IDS[:1], wanted=IDS[:1]) == "None"
