import pytest

from pipeline.data.image_sets import require_equal_images, require_known_images, unusable
from pipeline.data.records import Detections
from tests.stages.world import World

DATA = {"kind": "synthetic", "images": 3, "width": 96, "height": 64}


def test_both_sides_of_a_difference_are_named() -> None:
    require_equal_images("a", ["1", "2"], "b", {"2": 0, "1": 0}, "advice")
    with pytest.raises(
        ValueError, match=r"^2 images of a are not in b, such as 1; 1 images of b .* such as 4; advice$"
    ):
        require_equal_images("a", ["1", "2", "3"], "b", ["3", "4"], "advice")


def test_images_without_detections_are_fine_and_unknown_ones_are_not(world: World) -> None:
    world.node("faces", "index", dataset=DATA)
    world.node("few", "index", dataset={**DATA, "images": 2})
    world.node("guesses", "guess", inputs={"samples": "few"})
    world.node("all", "guess", inputs={"samples": "faces"})
    world.done()
    require_known_images(world.artifact("guesses"), world.artifact("faces"))
    with pytest.raises(ValueError, match=r"all: 1 of 3 images are not in few: test/000002; use a dump with"):
        require_known_images(world.artifact("all"), world.artifact("few"))


def test_what_is_wrong_with_an_image_is_a_line_for_each_node() -> None:
    good, wide, failed = Detections("a", 20, 10), Detections("a", 30, 10), Detections("a", 0, 0, error="cut off")
    assert unusable("images", None, (20, 10), {"one": good, "other": good}) == []
    assert unusable("images", None, (20, 10), {"one": wide, "other": failed}) == [
        "one: its boxes are of an image of 30 x 10, images has 20 x 10",
        "other: cut off",
    ]
    # Where the size is not known no other one can be wrong.
    assert unusable("images", "gone", (0, 0), {"one": wide, "other": failed}) == ["images: gone", "other: cut off"]
