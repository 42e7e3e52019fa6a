from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

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


@pytest.mark.parametrize(
    "code",
    [
        # A `Series` is recognised: not a number is null.
        "import pandas; assert pyarrow.array(pandas.Series([1.5, float('nan')])).null_count == 1",
        "import pandas; assert pyarrow.table({'a': pandas.Series(['b', None])})['a'].null_count == 1",
        "import pandas.api.types, pandas; assert pandas.__spec__.loader is pandas.__loader__; pandas.__loader__.get_data",
        # What gives data frames imports it by itself.
        "assert pyarrow.table({'a': [1, 2]}).to_pandas()['a'].sum() == 3",
        "import importlib.resources as files, pandas; assert files.files('pandas').joinpath('__init__.py').is_file()",
    ],
)
def test_pyarrow_looks_for_pandas_once_it_is_imported(code: str) -> None:
    done = subprocess.run([sys.executable, "-c", BEFORE + code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_pandas_first_and_pyarrow_from_it() -> None:
    code = BEFORE.partition("import pyarrow\n")[0] + (
        "import pandas, pyarrow; assert pyarrow.array(pandas.Series([1.5, float('nan')])).null_count == 1"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


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
