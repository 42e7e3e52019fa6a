"""The same photographs under several rows of a table: those on which the first and the last row differ most."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import numpy as np

from pipeline.data.image_reader import ImageReader
from pipeline.data.images import decode, encode_jpeg
from pipeline.data.records import Sample, read_detections
from pipeline.engine.plan import context
from pipeline.evaluation.hits_and_misses import ImageMatches, match_image, shrink
from pipeline.evaluation.paper_items import PaperItem
from pipeline.evaluation.paper_tables import PaperRow, beside
from pipeline.evaluation.photographs import GalleryItem, counted_faces
from stages.cli.finished_run import FinishedRun, PaperResult
from stages.lineage import Lineage

IMAGES: Final = 5
EDGE: Final = 640  # long edge of an image on the page, pixels: fifteen of them are below 2 MB
QUALITY: Final = 75


def gallery_result(item: PaperItem, run: FinishedRun, node: str) -> PaperResult:
    """Returns images once per named row, with hits, misses and false alarms, and their counts as a table.

    A row shows as many of its best boxes as there are hard faces in the whole set, so that scores of any range compare.
    """
    lines = {item.rows[line.ap.node]: line for line in run.lines(node) if line.ap and line.ap.node in item.rows}
    first = next(iter(lines.values()))
    assert first.ap is not None
    samples_of = run.samples_of(first.ap.node)
    samples = {row["image_id"]: Sample.from_row(row) for row in samples_of.rows()}
    found = {name: _matches(line, samples) for name, line in lines.items()}
    before, after = (found[name] for name in (next(iter(found)), list(found)[-1]))
    shared = [each for each in before if all(each in matches for matches in found.values())]
    chosen = sorted(shared, key=lambda each: (after[each].mistakes - before[each].mistakes, each))[:IMAGES]
    read = ImageReader(context(run.graph, first.ap.node, run.plans, {}), samples_of).read
    gallery, rows = list[GalleryItem](), list[PaperRow]()
    for each in chosen:
        jpeg = encode_jpeg(shrink(decode(read(samples[each].path)), EDGE), QUALITY)
        faces = counted_faces(samples[each], "hard")
        matches = {name: found[name][each] for name in found}
        gallery += [GalleryItem(replace(one, image_id=f"{name}: {each}"), jpeg, faces) for name, one in matches.items()]
        rows.append(PaperRow(each, {name: _counts(one) for name, one in matches.items()}))
    note = (
        "Hard faces found, missed, and false alarms, of as many of the best boxes of a row as there are hard faces; "
        "the images on which the last row has fewest mistakes beside the first."
    )
    return PaperResult([beside(item.shows, rows, note)], gallery=gallery)


def _matches(line: Lineage, samples: Mapping[str, Sample]) -> dict[str, ImageMatches]:
    """Returns image -> hits, misses and false alarms of its boxes among the best of the set."""
    rows = [row for table in line.detections.tables() for row in read_detections(table) if not row.error]
    scores = np.sort(np.concatenate([np.zeros(0, np.float32), *(row.scores for row in rows)]))
    faces = sum(int(sample.levels["hard"].sum()) for sample in samples.values() if "hard" in sample.levels)
    least = float(scores[-min(faces, len(scores))]) if len(scores) and faces else 0.0
    return {row.image_id: match_image(samples[row.image_id], row, least) for row in rows if samples[row.image_id].width}


def _counts(matches: ImageMatches) -> str:
    return f"{len(matches.hits)} / {len(matches.misses)} / {len(matches.false_alarms)}"
