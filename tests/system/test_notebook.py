"""The notebook of the documentation runs from top to bottom, and ends where it says."""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib as mpl
import pytest

NOTEBOOK = Path(__file__).resolve().parents[2] / "docs" / "tutorial_python.ipynb"


@pytest.fixture(scope="module")
def cells() -> list[dict]:
    return json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]


def test_it_is_kept_without_output(cells):
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert code
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


@pytest.mark.slow
def test_it_runs(cells, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    names: dict = {}
    with mpl.rc_context({"backend": "agg"}):
        for cell in cells:
            if cell["cell_type"] == "code":
                exec(compile("".join(cell["source"]), cell["id"], "exec"), names)
    assert len(names["left_out"]) == 3
    scores = [names[name]["nse"] for name in ("default", "one_batch", "in_sample")]
    assert scores == sorted(scores)
    usermods = names["usermods"]
    assert (usermods.directory / "user_nl_clm").exists()
    assert str(usermods.directory) in usermods.create_newcase
