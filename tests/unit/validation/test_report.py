import re
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.errors import FileError, ValidationError
from ctsm_socnn.netcdf import write_dataset
from ctsm_socnn.parameters import PARAMETERS
from ctsm_socnn.validation.comparison import Prediction, compare_methods, scores_of
from ctsm_socnn.validation.report import Cell, Section, Table, render, write_report
from ctsm_socnn.validation.run_report import report_run

N_SITES = 40
NODES = [0, 3, 6, 8]


def _sites(rng: np.random.Generator) -> tuple[xr.Dataset, np.ndarray]:
    soc = 3e4 * np.exp(-np.arange(20) / 6.0) * rng.lognormal(0.0, 0.5, (N_SITES, 1))
    sites = xr.Dataset(
        {
            "soc": (("site", "obs"), soc[:, NODES]),
            "soc_depth": (("site", "obs"), np.tile([0.01, 0.16, 0.58, 1.06], (N_SITES, 1))),
            "nbedrock": ("site", np.full(N_SITES, 20)),
            "TSOI": (("site", "layer"), np.full((N_SITES, 20), 280.0)),
            "lon": ("site", rng.uniform(250.0, 270.0, N_SITES)),
            "lat": ("site", rng.uniform(38.0, 50.0, N_SITES)),
        },
        attrs={
            "source": "ctsm-socnn 0",
            "configuration": "seed = 1 # <odd> text\n",
            "profiles_read": "43",
            "excluded_no_usable_layer": "3",
            "layers_organic_soil": "7",
            "history": "2026-01-01T00:00:00Z: build-params",
        },
    )
    return sites, soc


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    """The files of a finished run that the report reads."""
    rng = np.random.default_rng(4)
    directory = tmp_path_factory.mktemp("results")
    sites, soc = _sites(rng)
    write_dataset(sites, directory / "sites.nc")
    (directory / "sites_exclusions.csv").write_text(
        "profile_id,lon,lat,reason,detail\nP<1>,1,2,no usable layer,zero\n007,3,4,no forcing,\n"
    )
    (directory / "evaluation").mkdir()
    predictions = [
        Prediction("default", "out", 0.5 * soc),
        Prediction("network", "out", soc * rng.lognormal(0.0, 0.2, soc.shape)),
        Prediction("gradient boosting", "out", 1.1 * soc),
    ]
    comparison = compare_methods(sites, predictions).assign_attrs(seed="1")
    comparison.attrs["excluded"] = '{"above 250000 gC m-3": 2}'
    write_dataset(comparison, directory / "evaluation" / "comparison.nc")
    status = xr.Dataset(
        {"status": ("site", np.array([0] * 38 + [1] * 2, dtype=np.int8))},
        attrs={"sampler": "hamiltonian"},
    )
    status["status"].attrs = {
        "flag_values": np.array([0, 1], dtype=np.int8),
        "flag_meanings": "converged rhat_too_high",
    }
    write_dataset(status, directory / "posterior.nc")
    maps = {p.name: (("lat", "lon"), np.full((3, 4), p.default)) for p in PARAMETERS}
    write_dataset(
        xr.Dataset(maps, {"lat": [40.0, 41.0, 42.0], "lon": [250.0, 251.0, 252.0, 253.0]}),
        directory / "maps.nc",
    )
    case = directory / "usermods" / "case_a"
    case.mkdir(parents=True)
    (case / "README").write_text("create_newcase --user-mods-dir X\n")
    return directory


@pytest.fixture(scope="module")
def page(results) -> str:
    report_run(results, results / "page.html")
    return (results / "page.html").read_text(encoding="utf-8")


def test_the_page_fetches_nothing(page):
    assert not re.search(r"(src|href)=\"(?!data:|#)", page)
    assert "url(" not in page
    assert "<script" not in page
    assert page.count("data:image/png;base64,") == 4


def test_scores_stand_in_the_page_with_intervals(page, results):
    with xr.open_dataset(results / "evaluation" / "comparison.nc") as comparison:
        found = scores_of(comparison, "network", "out")
    row = page[page.index("<td>network</td>") :]
    first = re.search(r"<td>([-\d.]+)<small>([-\d.]+) to ([-\d.]+)</small>", row)
    nse, low, high = map(float, first.groups())
    assert nse == pytest.approx(found["nse"], abs=0.005)
    assert low <= nse <= high


def test_the_map_of_errors_is_that_of_the_network(page):
    """Black boxes, if any, stand after it in the comparison."""
    assert (
        "Where carbon modelled by network is too high and too low, mean over each profile." in page
    )


def test_everything_left_out_is_counted_and_named(page):
    text = re.sub(r"<[^>]+>", " ", page)
    for pattern in (
        r"no usable layer\s+3",
        r"organic soil\s+7",
        r"above 250000 gC m-3\s+2",
        r"converged\s+38",
        r"rhat too high\s+2",
        r"P&lt;1&gt;",
        r"007\s+3\s+4\s+no forcing",
    ):
        assert re.search(pattern, text), pattern


def test_configuration_history_and_cases_are_in_the_page(page):
    assert "seed = 1 # &lt;odd&gt; text" in page
    assert "2026-01-01T00:00:00Z: build-params" in page
    assert "create_newcase --user-mods-dir X" in page


def test_scores_by_class_come_where_asked(results, tmp_path):
    report_run(results, tmp_path / "page.html", groupings=["depth", "nbedrock"])
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "By depth, out of sample" in page
    assert "By nbedrock, out of sample" in page
    with pytest.raises(ValidationError, match="no variable 'biome'"):
        report_run(results, tmp_path / "other.html", groupings=["biome"])


def test_text_is_never_markup():
    section = Section(
        "A & B", ["<script>x</script>"], tables=[Table("<b>", ["h"], [[Cell("<i>", "&")]])]
    )
    page = render("<t>", "<h>", [section])
    assert "<script>" not in page
    assert "<b>" not in page
    assert "<i>" not in page
    assert "&lt;script&gt;" in page


def test_a_page_is_not_replaced_unless_asked(tmp_path):
    path = tmp_path / "page.html"
    write_report(path, "one", "", [])
    with pytest.raises(FileError, match="exists already"):
        write_report(path, "two", "", [])
    write_report(path, "two", "", [], overwrite=True)
    assert "<h1>two</h1>" in path.read_text()


def test_an_unfinished_run_is_refused_with_what_it_lacks(tmp_path, results):
    (tmp_path / "sites.nc").write_bytes((results / "sites.nc").read_bytes())
    with pytest.raises(ValidationError, match=r"lacks posterior\.nc, evaluation"):
        report_run(tmp_path, tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_columns_of_words_stand_to_the_left(results, tmp_path):
    rows = [[Cell("a"), Cell("no forcing"), Cell("nan")], [Cell("b"), Cell("-"), Cell("2")]]
    assert Table("", ["id", "reason", "n"], rows).text_columns == [True, True, False]
    page = render("t", "h", [Section("S", tables=[Table("c", ["id", "reason"], [])])])
    assert 'class="words"' not in page
    report_run(results, tmp_path / "words.html")
    assert '<td class="words">no usable layer</td>' in (tmp_path / "words.html").read_text()
