from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
BEFORE = """
import sys
from stages.cli.pandas_later import import_pandas_later
import_pandas_later()
import pyarrow
assert pyarrow.array([1.5, None]).null_count == 1
assert pyarrow.Table.from_pylist([{"a": "b"}]).num_rows == 1
assert "pandas" not in sys.modules
"""


def succeeds(code: str) -> None:
    """Fails unless a program ends without an error, in an interpreter of its own: others import pandas here."""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_pyarrow_looks_for_pandas_once_it_is_imported() -> None:
    succeeds(
        f"{BEFORE}"
        "import importlib.resources, pandas.api.types, pandas\n"
        "assert pyarrow.array(pandas.Series([1.5, float('nan')])).null_count == 1\n"  # not a number is null
        "assert pyarrow.table({'a': pandas.Series(['b', None])})['a'].null_count == 1\n"
        "assert pandas.__spec__.loader is pandas.__loader__ and pandas.__loader__.get_data\n"
        "assert importlib.resources.files('pandas').joinpath('__init__.py').is_file()\n"
    )


def test_what_gives_data_frames_imports_it_by_itself() -> None:
    succeeds(f"{BEFORE}assert pyarrow.table({{'a': [1, 2]}}).to_pandas()['a'].sum() == 3")


def test_pandas_first_and_pyarrow_from_it() -> None:
    code = BEFORE.partition("import pyarrow\n")[0]
    succeeds(f"{code}import pandas, pyarrow; assert pyarrow.array(pandas.Series([1.5, float('nan')])).null_count == 1")


def test_a_plan_imports_none(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("nodes: {a: {stage: index, dataset: {kind: synthetic, images: 2}}}\n")
    code = (
        "import sys; from stages.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: print({'pyarrow', 'pandas', 'ray', 'torch'} & set(sys.modules))"
    )
    words = ["plan", "-c", str(tmp_path / "config.yaml"), "--set", f"store={tmp_path}/store"]
    done = subprocess.run([sys.executable, "-c", code, *words], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "{'pyarrow'}", done.stdout + done.stderr
