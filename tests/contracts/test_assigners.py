"""Every assigner agrees with slow loops over faces written here, and keeps its promises on awkward batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from pipeline.boxes.anchors import AnchorGrid
from pipeline.models.detectors import DETECTORS
from pipeline.models.detectors.detector import Normalisation
from pipeline.training.assigners import ASSIGNERS
from pipeline.training.assigners.ali_ams import AliAms
from pipeline.training.assigners.anchors import Anchors
from pipeline.training.assigners.assigner import Assigner
from pipeline.training.assigners.assignment import Assignment
from pipeline.training.assigners.atss import Atss
from pipeline.training.assigners.faces import FaceBatch, Predicted
from pipeline.training.assigners.hambox import HamBox
from pipeline.training.assigners.max_iou import MaxIou
from pipeline.training.assigners.ota import Ota
from pipeline.training.data.batch import Example
from pipeline.training.data.sampler import BatchSampler
from pipeline.training.recipes.detector import DetectorRecipe
from tests.training.in_memory import InMemory
from tests.training.plain_loop import normalised, train

F32 = np.float32
# One level has two sizes, the image is no multiple of a stride.
GRID = AnchorGrid((4, 8, 16), ((16,), (24, 32), (64,)))
HEIGHT, WIDTH = 50, 66
ANCHORS = Anchors.of(GRID, HEIGHT, WIDTH)
CORNERS = ANCHORS.corners.numpy()
CENTRES = (CORNERS[:, :2] + CORNERS[:, 2:]) / 2
LEVELS = [range(start, end) for start, end in zip((0, *ANCHORS.level_ends), ANCHORS.level_ends, strict=False)]
Answer = tuple[list[int], list[int]]  # face and label of each anchor


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def draw(seed: int, faces: int) -> np.ndarray:
    """Whole-number boxes: some the same, some outside, some without area, many around the same place."""
    rng = np.random.default_rng(seed)
    low = rng.integers(-8, 60, (faces, 2))
    low[: faces // 2] = low[:1] + rng.integers(-4, 5, (faces // 2, 2))
    boxes = np.concatenate([low, low + rng.integers(0, 44, (faces, 2))], axis=1)
    if faces > 4:
        boxes[faces // 2] = boxes[0]
        boxes[-1] = [300, 300, 330, 340]
    return boxes.astype(F32)


def predict(seed: int, images: int) -> Predicted:
    random = torch.Generator().manual_seed(seed)
    shifts = torch.randn(images, len(ANCHORS), 4, generator=random) * 2
    return Predicted(torch.randn(images, len(ANCHORS), generator=random), ANCHORS.corners + shifts)


def iou(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    w = np.clip(np.minimum(box[2], boxes[:, 2]) - np.maximum(box[0], boxes[:, 0]), 0, None)
    h = np.clip(np.minimum(box[3], boxes[:, 3]) - np.maximum(box[1], boxes[:, 1]), 0, None)
    own = max(box[2] - box[0], F32(0)) * max(box[3] - box[1], F32(0))
    union = own + (boxes[:, 2] - boxes[:, 0]).clip(0) * (boxes[:, 3] - boxes[:, 1]).clip(0) - w * h
    return np.where(union > 0, w * h / np.where(union > 0, union, 1), 0).astype(F32)


def best(values: np.ndarray, allowed: list[int], many: int) -> list[int]:
    """The places of the highest values, ties by the lower place."""
    return sorted(allowed, key=lambda a: (-values[a], a))[:many]


def slow_max_iou(a: MaxIou, faces: np.ndarray) -> Answer:
    tables = [iou(face, CORNERS) for face in faces]
    alive = [f for f, table in enumerate(tables) if table.max() > 0]
    face, label = [0] * len(ANCHORS), [0] * len(ANCHORS)
    for k in range(len(ANCHORS)):
        if alive:
            face[k] = max(alive, key=lambda f: tables[f][k])
            label[k] = int(tables[face[k]][k] >= F32(a.positive))
    for f in alive if a.low_quality_iou is not None else []:
        k = int(tables[f].argmax())
        reached = tables[f][k] >= F32(a.low_quality_iou)
        label[k] |= int(reached)
        if reached or a.reassign_best:
            face[k] = f
    if a.compensation is not None and len(faces):
        have = [sum(1 for k in range(len(ANCHORS)) if label[k] and face[k] == f) for f in range(len(faces))]
        wishes: dict[int, list[int]] = {}
        for f, table in enumerate(tables):
            free = [k for k in range(len(ANCHORS)) if not label[k] and table[k] > F32(a.compensation)]
            for k in best(table, free, max(0, sum(have) // len(faces) - have[f])):
                wishes.setdefault(k, []).append(f)
        for k, wanting in wishes.items():
            face[k], label[k] = max(wanting, key=lambda f: tables[f][k]), 1
    return face, label


def slow_hambox(a: HamBox, faces: np.ndarray, boxes: np.ndarray, logits: np.ndarray) -> Answer:
    face, label = slow_max_iou(MaxIou(a.positive, 0.0 if a.low_quality_matches else None, False), faces)
    tables = [iou(one, boxes) for one in faces]
    wishes: dict[int, list[int]] = {}
    for f, table in enumerate(tables):
        have = sum(1 for k in range(len(ANCHORS)) if label[k] and face[k] == f)
        fitting = [k for k in range(len(ANCHORS)) if not label[k] and table[k] >= F32(a.compensation_iou)]
        for k in best(table, fitting, max(0, a.min_matches - have)):
            wishes.setdefault(k, []).append(f)
    for k in range(len(ANCHORS)):
        if k in wishes:
            face[k], label[k] = max(wishes[k], key=lambda f: tables[f][k]), 1
        elif not label[k] and any(table[k] >= F32(a.ignore_iou) for table in tables):
            label[k] = -1
    return face, label


def _gaps(face: np.ndarray) -> np.ndarray:
    gap = CENTRES - (face[:2] + face[2:]) / 2
    return gap[:, 0] * gap[:, 0] + gap[:, 1] * gap[:, 1]


def slow_atss(a: Atss, faces: np.ndarray) -> Answer:
    face, label, top = [0] * len(ANCHORS), [0] * len(ANCHORS), [0.0] * len(ANCHORS)
    for f, box in enumerate(faces):
        table = iou(box, CORNERS)
        near = [k for level in LEVELS for k in best(-_gaps(box), list(level), a.k)]
        values = torch.from_numpy(table[near])
        least = float(values.mean() + values.std())
        for k in near:
            x, y = CENTRES[k]
            inside = min(x - box[0], y - box[1], box[2] - x, box[3] - y) > a.margin
            if table[k] >= least and inside and table[k] > top[k]:
                face[k], label[k], top[k] = f, 1, table[k]
    return face, label


def slow_ota(a: Ota, faces: np.ndarray, boxes: np.ndarray, logits: np.ndarray) -> Answer:
    """The whole table with 1e6 for what is forbidden, in float64."""
    stride = np.concatenate([[GRID.strides[n]] * len(level) for n, level in enumerate(LEVELS)])
    allowed = np.array(
        [
            (np.minimum(CENTRES - f[:2], f[2:] - CENTRES) > 0).all(1)
            & (np.abs(CENTRES - (f[:2] + f[2:]) / 2).max(1) < a.radius * stride)
            for f in faces
        ]
    ).reshape(-1, len(ANCHORS))
    able = np.flatnonzero(allowed.any(1))
    if len(able) == 0:
        return [0] * len(ANCHORS), [0] * len(ANCHORS)
    p = 1 / (1 + np.exp(-logits.astype(float)))
    table = np.array([iou(faces[f], boxes) for f in able]).astype(float)
    cost = -0.25 * (1 - p) ** 2 * np.log(p) - a.box_weight * np.log(table.clip(1e-8)) + 1e6 * ~allowed[able]
    cost = np.concatenate([cost, [-0.75 * p**2 * np.log(1 - p)]])
    supply = [
        max(1, int(np.sort(np.where(ok, row, 0))[-a.candidates :].sum()))
        for ok, row in zip(allowed[able], table, strict=True)
    ]
    mu = np.log([*supply, len(ANCHORS) - sum(supply)])
    u, v = np.zeros(len(cost)), np.zeros(len(ANCHORS))
    for _ in range(a.iterations):
        v = -np.logaddexp.reduce(-cost / a.epsilon + u[:, None], axis=0)
        u = mu - np.logaddexp.reduce(-cost / a.epsilon + v, axis=1)
    plan = np.exp(-cost / a.epsilon + u[:, None] + v)
    choice = (plan / plan.max(axis=1, keepdims=True)).argmax(axis=0)
    return [int(able[c]) if c < len(able) else 0 for c in choice], [int(c < len(able)) for c in choice]


def slow_ali_ams(a: AliAms, faces: np.ndarray, boxes: np.ndarray, logits: np.ndarray) -> Answer:
    face, label = slow_max_iou(a.standard, faces)
    plain, group = list(label), {f: f for f in range(len(faces))}
    order = list(range(len(faces)))
    if a.variant != "paper":
        group = {f: next(g for g in range(f + 1) if (faces[g] == faces[f]).all()) for f in range(len(faces))}
        order.sort(key=lambda f: tuple(faces[f]))
    ordinal = 0
    for level in LEVELS if a.variant == "paper" else LEVELS[:-1]:
        have = {f: sum(1 for k in level if plain[k] and group[face[k]] == f) for f in range(len(faces))}
        most = max(have.values(), default=0)
        pool = list(level)
        if a.variant == "official":
            pool = list(range(LEVELS[ordinal].stop - LEVELS[0].stop, LEVELS[ordinal].stop))
        for f in [f for f in order if 0 < have[f] < most]:
            near = best(-_gaps(faces[f]), pool, most)
            if a.variant == "paper":
                table = iou(faces[f], CORNERS)
                high = best(table, [k for k in pool if table[k] > 0], most)
                near = sorted(k for k in {*near, *high} if not label[k])
            for k in best(logits, near, most - have[f]):
                if not label[k]:
                    face[k], label[k] = f, 1
        ordinal += most > 0
    return face, label


SLOW: dict[type[Assigner], Callable[..., Answer]] = {
    MaxIou: slow_max_iou,
    HamBox: slow_hambox,
    Atss: slow_atss,
    Ota: slow_ota,
    AliAms: slow_ali_ams,
}


def slow(assigner: Assigner, faces: np.ndarray, said: Predicted, image: int) -> Answer:
    kind = type(assigner)
    if kind not in SLOW:
        takes = "faces, boxes, logits" if assigner.needs_prediction else "faces"
        pytest.fail(
            f"{kind.__name__} has no slow loop to agree with: write one above, which takes the assigner, {takes} of one "
            "image and returns face and label of every anchor of ANCHORS, and make it an entry of SLOW"
        )
    predicted = (said.boxes[image].numpy(), said.logits[image].numpy()) if assigner.needs_prediction else ()
    return SLOW[kind](assigner, faces, *predicted)


VARIANTS: dict[str, Assigner] = {
    **{name: spec.build() for name, spec in ASSIGNERS.items()},
    "max_iou, half": MaxIou(0.5, 0.3),
    "s3fd, low-quality matches": MaxIou(low_quality_iou=0.0, reassign_best=False, compensation=0.1),
    "hambox, loose": HamBox(min_matches=6, compensation_iou=0.55, ignore_iou=0.4, low_quality_matches=False),
    "hambox, ignoring little": HamBox(min_matches=6, compensation_iou=0.4, ignore_iou=0.6),
    "atss, 4": Atss(k=4, margin=2.0),
    "ota, wide": Ota(radius=4.0, candidates=5, iterations=7),
    "ali_ams, own level": AliAms(variant="own_level"),
    "ali_ams, official": AliAms(variant="official"),
}


def batch_of(faces: list[np.ndarray]) -> FaceBatch:
    return FaceBatch.of([torch.from_numpy(each) for each in faces])


@pytest.mark.parametrize("name", list(VARIANTS))
def test_agrees_with_slow_loops(name: str) -> None:
    for seed in range(12):
        faces = [draw(10 * seed + n, count) for n, count in enumerate((seed + 1, 0, 3 * seed, 2))]
        said = predict(seed, len(faces))
        got = VARIANTS[name](ANCHORS, batch_of(faces), said)
        for image, boxes in enumerate(faces):
            face, label = slow(VARIANTS[name], boxes, said, image)
            assert got.label[image].tolist() == label, (seed, image)
            learns = [k for k in range(len(ANCHORS)) if label[k] == 1]
            assert got.face[image][learns].tolist() == [face[k] for k in learns], (seed, image)


def check(got: Assignment, faces: FaceBatch) -> None:
    """One face per anchor that exists; face, background and ignored exclude each other; no compensation without."""
    assert got.face.shape == got.label.shape == (len(faces.boxes), len(ANCHORS))
    assert set(got.label.unique().tolist()) <= {-1, 0, 1}
    image, anchor = torch.nonzero(got.label == 1, as_tuple=True)
    face = got.face[image, anchor]
    assert faces.valid[image, face].all()
    box = faces.boxes[image, face]
    assert (box[:, 2:] > box[:, :2]).all(), "a face without area is learned"
    assert (got.label[got.compensated] == 1).all()


@pytest.mark.parametrize("name", list(VARIANTS))
@pytest.mark.parametrize(
    "faces",
    [
        pytest.param(np.zeros((0, 4), F32), id="no faces"),
        pytest.param(np.asarray([[9, 9, 9, 20], [7, 7, 7, 7], [20, 20, 10, 10]], F32), id="no area"),
        pytest.param(np.asarray([[-90, -90, -60, -60], [900, 3, 940, 50]], F32), id="outside"),
    ],
)
def test_nothing_to_learn(name: str, faces: np.ndarray) -> None:
    batch = batch_of([faces, faces[:0]])
    got = VARIANTS[name](ANCHORS, batch, predict(1, 2))
    check(got, batch)
    assert (got.label != 1).all()


@pytest.mark.parametrize("name", list(VARIANTS))
def test_duplicates_share_what_one_face_gets(name: str) -> None:
    box = np.asarray([[11, 9, 36, 40]], F32)
    once, twice = batch_of([box]), batch_of([np.repeat(box, 3, axis=0)])
    said = predict(2, 1)
    got = VARIANTS[name](ANCHORS, twice, said)
    check(got, twice)
    if isinstance(VARIANTS[name], MaxIou | Atss) and not getattr(VARIANTS[name], "compensation", None):
        assert torch.equal(got.label, VARIANTS[name](ANCHORS, once, said).label)
    assert (got.label == 1).any()


@pytest.mark.parametrize("name", list(VARIANTS))
def test_a_thousand_faces(name: str) -> None:
    rng = np.random.default_rng(3)
    low = rng.uniform(0, 44, (1000, 2))
    batch = batch_of([np.concatenate([low, low + rng.uniform(2, 30, (1000, 2))], axis=1).astype(F32)])
    got = VARIANTS[name](ANCHORS, batch, predict(3, 1))
    check(got, batch)
    assert (got.label == 1).sum() > 30


@pytest.mark.parametrize("name", list(VARIANTS))
def test_padded_batch_equals_image_by_image(name: str) -> None:
    faces = [draw(50, 9), draw(51, 0), draw(52, 1), draw(53, 17)]
    said = predict(4, len(faces))
    together = VARIANTS[name](ANCHORS, batch_of(faces), said)
    for image, boxes in enumerate(faces):
        alone = VARIANTS[name](ANCHORS, batch_of([boxes]), Predicted(said.logits[image, None], said.boxes[image, None]))
        learns = alone.label[0] == 1
        assert torch.equal(together.label[image], alone.label[0])
        assert torch.equal(together.compensated[image], alone.compensated[0])
        assert torch.equal(together.face[image][learns], alone.face[0][learns])


@pytest.mark.parametrize("name", list(VARIANTS))
def test_padding_may_hold_anything_and_lie_anywhere(name: str) -> None:
    boxes, said = torch.from_numpy(draw(60, 6)), predict(5, 1)
    plain = VARIANTS[name](ANCHORS, FaceBatch.of([boxes]), said)
    spread = torch.full((1, 13, 4), float("nan"))
    spread[0, 1::2] = boxes
    valid = torch.zeros(1, 13, dtype=torch.bool)
    valid[0, 1::2] = True
    got = VARIANTS[name](ANCHORS, FaceBatch(spread, valid), said)
    assert torch.equal(got.label, plain.label)
    learns = got.label == 1
    assert torch.equal(got.face[learns], plain.face[learns] * 2 + 1)


@pytest.mark.parametrize("variant", ["paper", "own_level", "official"])
def test_ali_ams_drops_no_standard_match(variant: str) -> None:
    for seed in range(5):
        batch = batch_of([draw(70 + seed, 12)])
        assigner = AliAms(variant=variant)
        before, after = assigner.standard(ANCHORS, batch), assigner(ANCHORS, batch, predict(seed, 1))
        matched = before.label == 1
        assert torch.equal(after.face[matched], before.face[matched])
        assert torch.equal(matched | after.compensated, after.label == 1)
        assert not (matched & after.compensated).any()
        assert after.compensated.any()


@pytest.mark.parametrize("name", list(ASSIGNERS))
def test_says_what_it_needs(name: str) -> None:
    batch = batch_of([draw(1, 3)])
    assigner = VARIANTS[name]
    if assigner.needs_prediction:
        with pytest.raises(ValueError, match=f"{name} needs the detector's"):
            assigner(ANCHORS, batch)  # `require_predicted(predicted, name)` says it
    else:
        assert torch.equal(assigner(ANCHORS, batch).label, assigner(ANCHORS, batch, predict(1, 1)).label)


@pytest.mark.parametrize("name", list(ASSIGNERS))
def test_parameters_are_values(name: str) -> None:
    made, again = VARIANTS[name], ASSIGNERS[name].build()
    how = f"write @dataclass(frozen=True, slots=True) above {type(made).__name__}"
    assert type(made).__hash__ is not None and made == again and hash(made) == hash(again), how
    assert [other for other in ASSIGNERS if VARIANTS[other] == made] == [name], "two names for the same"


def test_other_parameters_are_another_value() -> None:
    assert replace(HamBox(), min_matches=5) == HamBox(min_matches=5) != HamBox()


def test_an_assigner_without_a_slow_loop_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(SLOW, Ota)
    with pytest.raises(
        pytest.fail.Exception, match="Ota has no slow loop to agree with: .*takes the assigner, faces, boxes"
    ):
        slow(Ota(), draw(1, 2), predict(1, 1), 0)


@pytest.mark.parametrize("name", list(ASSIGNERS))
def test_a_training_step_can_use_it(name: str) -> None:
    """Predictions reach the assigners that need them, and nothing in one is refused as not repeatable."""
    image = np.full((64, 64, 3), 90, np.uint8)
    image[10:42, 12:44] = 220
    example = Example("square", image, np.asarray([[12, 10, 44, 42]], F32), np.full((1, 5, 2), np.nan, F32))
    batches = BatchSampler(InMemory([example]), batch=1, seed=1)
    history = train(
        DETECTORS.find("retinaface_mobilenet").build(),
        normalised(batches, Normalisation((104.0, 117.0, 123.0))),
        DetectorRecipe(steps=1, batch=1, warmup=0),
        assigner=VARIANTS[name],
    )
    assert np.isfinite(history.losses["total"]).all()
    assert name == "atss" or history.losses["box"][0] > 0
