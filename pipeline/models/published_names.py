"""Names of tensors in published checkpoints, and ours; importing it costs no torch."""

from __future__ import annotations

import re
from typing import Final

Names = tuple[tuple[str, str], ...]
"""Patterns of published names and ours; `{0}` is the first group of a pattern, `{0-1}` one less."""

# The first pattern that matches is used.
RETINAFACE: Final[Names] = (
    (r"body\.stage1\.0\.0\.", "backbone.stages.0.0.conv."),
    (r"body\.stage1\.0\.1\.", "backbone.stages.0.0.norm."),
    (r"body\.stage(\d)\.(\d)\.0\.", "backbone.stages.{0-1}.{1}.depthwise.conv."),
    (r"body\.stage(\d)\.(\d)\.1\.", "backbone.stages.{0-1}.{1}.depthwise.norm."),
    (r"body\.stage(\d)\.(\d)\.3\.", "backbone.stages.{0-1}.{1}.pointwise.conv."),
    (r"body\.stage(\d)\.(\d)\.4\.", "backbone.stages.{0-1}.{1}.pointwise.norm."),
    (r"body\.", "backbone."),
    (r"fpn\.output(\d)\.0\.", "pyramid.laterals.{0-1}.conv."),
    (r"fpn\.output(\d)\.1\.", "pyramid.laterals.{0-1}.norm."),
    (r"fpn\.merge(\d)\.0\.", "pyramid.merges.{0-1}.conv."),
    (r"fpn\.merge(\d)\.1\.", "pyramid.merges.{0-1}.norm."),
    *(
        (rf"ssh(\d)\.{theirs}\.{index}\.", f"context.{{0-1}}.{ours}.{part}.")
        for theirs, ours in (
            ("conv3X3", "near"),
            ("conv5X5_1", "trunk"),
            ("conv5X5_2", "middle"),
            ("conv7X7_2", "far_inner"),
            ("conv7x7_3", "far"),  # the small x is theirs, in this one only
        )
        for index, part in enumerate(("conv", "norm"))
    ),
    (r"BboxHead\.(\d)\.conv1x1\.", "heads.kinds.0.levels.{0}."),
    (r"ClassHead\.(\d)\.conv1x1\.", "heads.kinds.1.levels.{0}."),
    (r"LandmarkHead\.(\d)\.conv1x1\.", "heads.kinds.2.levels.{0}."),
)

_SSH_PARTS = (
    ("conv1", "near"),
    ("conv2", "trunk"),
    ("conv2_1", "middle"),
    ("conv2_2", "far_inner"),
    ("conv2_2_1", "far"),
)
_CPM_UNITS = (("branch1", "shortcut"), ("branch2a", "squeeze"), ("branch2b", "mix"), ("branch2c", "expand"))
_CPM_PARTS = (
    ("ssh_1", "near"),
    ("ssh_dimred", "trunk"),
    ("ssh_2", "middle"),
    ("ssh_3a", "far_inner"),
    ("ssh_3b", "far"),
)

MOGFACE: Final[Names] = (
    *(
        (rf"fpn\.c([67])\.{index}\.", f"pyramid.c{{0}}.{ours}.")
        for index, ours in ((0, "narrow.conv"), (1, "narrow.norm"), (3, "shrink.conv"), (4, "shrink.norm"))
    ),
    *((rf"fpn\.c{level}_lat\.", f"pyramid.tops.{level - 5}.") for level in (5, 6, 7)),
    *((rf"fpn\.p{level}_lat\.", f"pyramid.smooths.{level - 2}.") for level in (2, 3, 4)),
    *((rf"fpn\.ff_c{level + 1}_c{level}\.main_conv\.", f"pyramid.laterals.{level - 2}.") for level in (2, 3, 4)),
    (r"fpn\.dsfd_modules\.(\d)\.", "first_shot.maps.{0}."),
    (r"pred_net\.dsfd_loc\.", "first_shot.heads.kinds.0.levels.0."),
    (r"pred_net\.dsfd_conf\.", "first_shot.heads.kinds.1.levels.0."),
    (r"pred_net\.pred_loc\.(\d)\.", "heads.predict.kinds.0.levels.{0}."),
    (r"pred_net\.pred_cls\.(\d)\.", "heads.predict.kinds.1.levels.{0}."),
    (r"pred_net\.pred_loc\.", "heads.predict.kinds.0.levels.0."),
    (r"pred_net\.pred_cls\.", "heads.predict.kinds.1.levels.0."),
    *((rf"pred_net\.conv_SSH\.{theirs}\.", f"heads.contexts.0.{ours}.") for theirs, ours in _SSH_PARTS),
    *(
        (rf"pred_net\.conv_CPM\.{theirs}\.{part}1\.", f"heads.contexts.0.{ours}.{mine}.")
        for theirs, ours in _CPM_UNITS
        for part, mine in (("conv", "conv"), ("bn", "norm"))
    ),
    *((rf"pred_net\.conv_CPM\.{theirs}\.", f"heads.contexts.0.{ours}.") for theirs, ours in _CPM_PARTS),
    *(
        (rf"pred_net\.deep_{theirs}_head\.{part}(\d)\.", f"heads.{ours}_towers.0.{mine}.{{0-1}}.")
        for theirs, ours in (("loc", "box"), ("cls", "class"))
        for part, mine in (("conv", "convs"), ("gn", "norms"))
    ),
    (r"pred_net_1\.pred_cls\.(\d)\.", "hierarchical.classifier.levels.{0}."),
    (r"fp_context\.context_modules\.(\d)\.(\d)\.", "hierarchical.contexts.{0}.{1}."),
    (r"fp_context\.down_convs\.(\d)\.", "hierarchical.narrow.{0}."),
)


def rename(name: str, names: Names) -> str:
    """Returns our name for a tensor of a public checkpoint, ``module.`` stripped; ours come back unchanged."""
    name = name.removeprefix("module.")
    for pattern, ours in names:
        if match := re.match(pattern, name):
            return _fill(ours, match.groups()) + name[match.end() :]
    return name


def _fill(template: str, groups: tuple[str, ...]) -> str:
    """Returns the template with ``{i}`` replaced by group i and ``{i-1}`` by one less than group i."""
    return re.sub(r"\{(\d)(-1)?\}", lambda hole: str(int(groups[int(hole[1])]) - bool(hole[2])), template)
