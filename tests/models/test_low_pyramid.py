import pytest
import torch
from torch.nn import functional

from pipeline.models.init import without_weights
from pipeline.models.low_pyramid import ExtraLevel, FlatPyramid, LowPyramid


def levels(height: int, width: int) -> list[torch.Tensor]:
    return [torch.randn(2, 4, -(-height // s), -(-width // s)) for s in (4, 8, 16, 32)]


@pytest.mark.parametrize("build", [LowPyramid, FlatPyramid])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (33, 170), (161, 203), (256, 128)])
def test_six_maps_of_any_size(build: type[torch.nn.Module], height: int, width: int) -> None:
    with torch.no_grad():
        maps = build([4] * 4, 6).eval()(levels(height, width))
    assert [tuple(level.shape) for level in maps] == [
        (2, 6, -(-height // s), -(-width // s)) for s in (4, 8, 16, 32, 64, 128)
    ]


def test_extra_levels_halve_rounding_up() -> None:
    assert ExtraLevel(4, 3, 5)(torch.randn(2, 4, 7, 8)).shape == (2, 5, 4, 4)


@pytest.mark.parametrize(("outputs", "units"), [(256, (512, 512, 128, 256)), (64, (128, 128, 32, 64))])
def test_the_extra_levels_are_as_wide_as_the_pyramid_asks(outputs: int, units: tuple[int, ...]) -> None:
    """At 256 as released; in proportion else."""
    with without_weights():
        pyramid = LowPyramid([4] * 4, outputs)
    convs = [unit.conv for extra in (pyramid.c6, pyramid.c7) for unit in (extra.narrow, extra.shrink)]
    assert tuple(conv.out_channels for conv in convs) == units


def test_norms_are_a_choice_that_the_released_pyramid_has_not() -> None:
    plain, normed = LowPyramid([4] * 4, 6), LowPyramid([4] * 4, 6, norms=True)
    extra = sum(isinstance(part, torch.nn.BatchNorm2d) for part in plain.modules())
    assert extra == 4  # those of C6 and C7
    assert sum(isinstance(part, torch.nn.BatchNorm2d) for part in normed.modules()) == extra + 9
    features = levels(64, 64)
    assert min(float(level.detach().min()) for level in plain(features)) < 0
    maps = normed(features)
    assert all((level >= 0).all() for level in maps)
    # Half of what a norm lets through is negative, and the rest has the size of one.
    assert all(0.3 < float((level > 0).float().mean()) < 0.7 for level in maps[:4])
    assert float(maps[0].detach().max()) > 1


def test_nothing_flows_down_from_the_two_extra_levels() -> None:
    pyramid, features = LowPyramid([4] * 4, 6).eval(), levels(128, 128)
    with torch.no_grad():
        before = pyramid(features)
        for part in (pyramid.c6, pyramid.c7):
            part.narrow.conv.weight.mul_(3)
        after = pyramid(features)
    assert all(torch.equal(one, other) for one, other in zip(before[:4], after[:4], strict=True))
    assert not torch.allclose(before[4], after[4])


def test_fusion_is_bilinear_cropped_and_unsmoothed() -> None:
    pyramid, features = LowPyramid([4] * 4, 6).eval(), levels(40, 72)
    with torch.no_grad():
        maps = pyramid(features)
        flow = maps[3]
        for number in (2, 1, 0):
            rows, columns = features[number].shape[-2:]
            raised = functional.interpolate(flow, scale_factor=2, mode="bilinear", align_corners=False)
            flow = raised[..., :rows, :columns] + pyramid.laterals[number](features[number])
            assert torch.allclose(maps[number], pyramid.smooths[number](flow), atol=1e-5)


def test_the_flat_pyramid_averages_its_finest_map() -> None:
    pyramid, features = FlatPyramid([4] * 4, 6).eval(), levels(64, 64)
    with torch.no_grad():
        maps = pyramid(features)
        raised = [functional.interpolate(x, size=(16, 16), mode="bilinear") for x in features[1:]]
        base = pyramid.merge(torch.cat([features[0], *raised], dim=1))
        means = base.unflatten(3, (4, 4)).unflatten(2, (4, 4)).mean((3, 5))
        assert torch.allclose(maps[2], pyramid.smooths[2](means), atol=1e-5)


def test_four_levels_are_needed() -> None:
    with pytest.raises(ValueError, match="four levels, got 3"):
        LowPyramid([4] * 3)
