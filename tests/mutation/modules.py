"""The core modules that mistakes are made in, and the quick tests that are to notice them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Module:
    """A module with its tests.

    Attributes:
        name: path below `pipeline/`, without extension.
        also: further test files, from the root; its own, `tests/<name>`'s, come first.
    """

    name: str
    also: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """Path from the root of the tree."""
        return f"pipeline/{self.name}.py"

    def tests(self, tree: Path) -> tuple[str, ...]:
        """Returns the paths of its test files from the root: all that begin with its name, then the others."""
        folder, _, stem = self.name.rpartition("/")
        own = sorted((tree / "tests" / folder).glob(f"test_{stem}*.py"))
        found = [str(file.relative_to(tree)) for file in own]
        return tuple(dict.fromkeys([*found, *(each for each in self.also if (tree / each).is_file())]))


ENGINE = ("tests/engine/test_plan.py", "tests/engine/test_runner.py")
PUBLISHED = "tests/contracts/test_published_settings.py"
SLOW_LOOPS = "tests/contracts/test_assigners.py"
LOSSES = (PUBLISHED,)
SCALES = ("tests/training/augment/test_face_scale.py", PUBLISHED)
MODULES = (
    Module("engine/plan", (*ENGINE, "tests/engine/test_garbage.py")),
    Module("engine/lock"),
    Module("engine/shards", ENGINE),
    Module("engine/shard_reuse", ENGINE),
    Module("engine/fingerprint", ("tests/engine/test_plan_identity.py",)),
    Module("engine/manifest", (*ENGINE, "tests/engine/test_garbage.py")),
    Module("engine/graph", ("tests/engine/test_config.py", "tests/engine/test_plan.py")),
    Module("boxes/suppression"),
    Module("boxes/voting"),
    Module("boxes/overlap_index", ("tests/boxes/test_voting.py",)),
    Module("boxes/matching"),
    Module("boxes/coder", (PUBLISHED,)),
    Module("boxes/iou"),
    Module("data/canvas", (PUBLISHED,)),
    Module("data/images"),
    Module("training/losses/pairwise_rank", ("tests/training/losses/test_pairs.py", PUBLISHED)),
    Module("training/losses/context", LOSSES),
    Module("training/losses/focal", LOSSES),
    Module("training/losses/box_regression", LOSSES),
    Module("training/losses/hambox", LOSSES),
    Module("training/losses/multibox", LOSSES),
    Module("training/assigners/max_iou", (PUBLISHED, SLOW_LOOPS)),
    Module("training/assigners/ali_ams", (PUBLISHED, SLOW_LOOPS)),
    Module("training/assigners/compensation", ("tests/training/assigners/test_ali_ams.py", PUBLISHED, SLOW_LOOPS)),
    Module("training/augment/sse", SCALES),
    Module("training/augment/das", SCALES),
    Module("evaluation/wider_ap", (PUBLISHED,)),
)
