import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

TOOL = Path(__file__).resolve().parents[3] / "tools" / "make_coastline.py"


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("make_coastline", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_points_on_a_straight_line_are_left_out(tool):
    east = np.stack([np.linspace(0.0, 10.0, 50), np.zeros(50)], axis=1)
    ring = np.concatenate([east, [[10.0, 5.0], [0.0, 5.0], [0.0, 0.0]]])
    thinned = tool.thin(ring)
    assert thinned.tolist() == [[0.0, 0.0], [10.0, 0.0], [10.0, 5.0], [0.0, 5.0], [0.0, 0.0]]


def test_a_ring_over_the_date_line_is_cut_there(tool):
    ring = np.array([[178.0, 0.0], [-178.0, 4.0], [-180.0, 8.0], [178.0, 8.0], [178.0, 0.0]])
    pieces = [piece.tolist() for piece in tool.cut_at_date_line(ring)]
    assert pieces == [
        [[178.0, 0.0], [180.0, 2.0]],
        [[-180.0, 2.0], [-178.0, 4.0], [-180.0, 8.0]],
        [[180.0, 8.0], [178.0, 8.0], [178.0, 0.0]],
    ]


def test_a_file_of_land_becomes_lines(tool, tmp_path):
    square = [[0, 0], [500, 0], [0, 500], [-500, 0], [0, -500]]
    islet = [[900, 900], [10, 0], [0, 10], [-10, -10]]
    land = {
        "transform": {"scale": [0.01, 0.01], "translate": [0.0, 0.0]},
        "arcs": [square, islet],
        "objects": {"land": {"geometries": [{"type": "MultiPolygon", "arcs": [[[0]], [[1]]]}]}},
    }
    (tmp_path / "land.json").write_text(json.dumps(land))
    tool.main(tmp_path / "land.json", tmp_path / "coast.txt")
    lines = ["0,0 500,0 500,500 0,500 0,0", "900,900 910,900 910,910 900,900"]
    assert (tmp_path / "coast.txt").read_text().splitlines() == lines
