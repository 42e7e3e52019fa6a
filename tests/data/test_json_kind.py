from __future__ import annotations

import pytest

from pipeline.data.json_kind import is_detections, json_kind


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('\ufeff{"info": {"year": 1}, "images": [], "annotations": [{"id"', "labels as COCO JSON"),
        (
            '{"version": "5", "shapes": [{"label": "a"}], "imagePath": "a.jpg"}',
            "labels of one image by LabelMe (labelme",
        ),
        ('{"a.jpg12": {"filename": "a.jpg", "regions": []}}', "labels of VGG Image Annotator (it exports"),
        ('{"_via_settings": {}, "_via_img_metadata": {', "a project of VGG Image Annotator"),
        ('{"annotations": [{"bbox": [1]}]}', "a JSON object with the keys annotations"),
        ("{}", "a JSON object without keys"),
        ('[{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}, ', "predictions as COCO results"),
        ('[\n{"image": "a", "width": 1, "boxes": [[1, 2, 3, 4]], "scores": [1]}', "predictions as wider8k detect"),
        ('[{"id": 1, "data": {"image": "a"}, "annotations": [', "labels as Label Studio JSON"),
        (
            '[{"a": 1, "b": {"x": 1}, "c": 1, "d": 1, "e": 1, "f": 1}, {"g": 1}]',
            "a JSON list of objects with the keys a, b,",
        ),
        ("[1, 2]", "a JSON list without objects"),
        ("[[{", "a JSON list without objects"),
        ("", "JSON text"),
    ],
)
def test_a_file_is_known_by_its_first_keys(text: str, words: str) -> None:
    found = json_kind(text.encode())
    assert found.startswith(words)
    assert "\n" not in found


def test_many_keys_are_not_all_listed() -> None:
    assert json_kind(b'[{"a": 1, "b": 1, "c": 1, "d": 1, "e": 1, "f": 1}]').endswith("a, b, c, d, e ..")


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ('\ufeff [{"image": "a", "width": 1, "boxes": [[1, 2', True),
        ('[\n{"boxes": [], "scores": [], "image" : "a"}]', True),
        ('[{"data": {"image": "a"}, "boxes": [], "scores": []}]', False),
        ('{"image": "a", "boxes": []}', False),
        ("", False),
    ],
)
def test_detections_are_known_by_the_beginning_of_a_file(text: str, known: bool) -> None:
    assert is_detections(text) == known
