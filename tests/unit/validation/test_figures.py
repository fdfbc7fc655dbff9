import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.image import imread

from ctsm_socnn.errors import FileError, ValidationError
from ctsm_socnn.parameters import PARAMETERS
from ctsm_socnn.validation.carbon_times import CarbonTimes
from ctsm_socnn.validation.comparison import SAMPLES
from ctsm_socnn.validation.figure_style import hide_unused, line_styles
from ctsm_socnn.validation.figures import (
    _depth_panel,
    draw_carbon_times,
    draw_depth_profiles,
    draw_observed_modelled,
)
from ctsm_socnn.validation.map_figures import (
    _map_panel,
    _parameter_map,
    draw_bias_map,
    draw_parameter_maps,
)


@pytest.fixture
def comparison() -> xr.Dataset:
    rng = np.random.default_rng(2)
    observed = rng.lognormal(9.0, 1.0, 300)
    modelled = observed * rng.lognormal(0.0, 0.5, (2, len(SAMPLES), 300))
    by_observation = ("method", "sample", "observation")
    return xr.Dataset(
        {
            "observed": ("observation", observed),
            "modelled": (by_observation, modelled),
            "depth": ("observation", rng.uniform(0.0, 2.0, 300)),
            "site": ("observation", np.arange(300) // 5),
            "lon": ("observation", np.repeat(rng.uniform(250.0, 270.0, 60), 5)),
            "lat": ("observation", np.repeat(rng.uniform(40.0, 50.0, 60), 5)),
            "scores": (("method", "sample", "score"), np.full((2, len(SAMPLES), 3), 0.5)),
        },
        coords={
            "method": ["default", "network"],
            "sample": list(SAMPLES),
            "score": ["nse", "r2", "log_nse"],
        },
    )


@pytest.fixture
def maps() -> xr.Dataset:
    lat, lon = np.arange(40.0, 45.0), np.arange(260.0, 268.0)
    rng = np.random.default_rng(1)
    fields = {
        p.name: (("lat", "lon"), p.lower + (p.upper - p.lower) * rng.random((5, 8)))
        for p in PARAMETERS
    }
    flag = (rng.random((5, 8)) > 0.7).astype(np.int8)
    return xr.Dataset(fields | {"extrapolated": (("lat", "lon"), flag)}, {"lat": lat, "lon": lon})


def _is_drawn(path) -> bool:
    """Whether an image holds more than paper: a fair share of dark and of coloured points."""
    image = imread(path)[..., :3]
    dark = (image.max(axis=-1) < 0.4).mean()
    coloured = (np.ptp(image, axis=-1) > 0.2).mean()
    return bool(dark > 1e-3 and coloured > 1e-3)


def test_observed_against_modelled_is_drawn(comparison, tmp_path):
    path = tmp_path / "observed_modelled.png"
    draw_observed_modelled(comparison, path)
    assert _is_drawn(path)


def test_profiles_by_depth_and_the_map_of_biases_are_drawn(comparison, tmp_path):
    draw_depth_profiles(comparison, tmp_path / "depth.png")
    draw_bias_map(comparison, "network", tmp_path / "bias.png")
    assert _is_drawn(tmp_path / "depth.png")
    assert _is_drawn(tmp_path / "bias.png")


def test_maps_are_drawn_with_and_without_extrapolation(maps, tmp_path):
    flagged, plain = tmp_path / "flagged.png", tmp_path / "plain.png"
    draw_parameter_maps(maps, flagged)
    draw_parameter_maps(maps.drop_vars("extrapolated"), plain, names=["q10"])
    assert _is_drawn(flagged)
    assert _is_drawn(plain)


@pytest.mark.parametrize("lines", [{"lat": [2]}, {"lon": [3]}, {"lat": [2], "lon": [3]}])
def test_a_single_row_column_or_cell_is_drawn(maps, tmp_path, lines):
    draw_parameter_maps(maps.isel(lines), tmp_path / "few.png", names=["q10"])
    axis = Figure().subplots()
    few = maps.isel(lines)
    _map_panel(axis, few, _parameter_map(few, "q10"))
    box = axis.collections[0].get_datalim(axis.transData)
    assert min(box.width, box.height) == 1.0


def test_an_odd_cell_does_not_take_all_the_colours(maps):
    usual = maps["tau_s3"].values.copy()
    maps["tau_s3"][0, 0] = 100.0 * usual.max()
    maps = maps.reindex(lat=np.arange(40.0, 65.0), method="nearest")
    axis = Figure().subplots()
    _map_panel(axis, maps, _parameter_map(maps, "tau_s3"))
    low, high = axis.collections[0].get_clim()
    assert usual.min() <= low < high <= usual.max()


def test_a_figure_is_not_replaced_unless_asked(comparison, tmp_path):
    path = tmp_path / "figure.png"
    path.write_bytes(b"mine")
    with pytest.raises(FileError, match="exists already"):
        draw_observed_modelled(comparison, path)
    assert path.read_bytes() == b"mine"
    draw_observed_modelled(comparison, path, overwrite=True)
    assert _is_drawn(path)


def test_maps_on_an_unstructured_grid_are_refused(maps, tmp_path):
    with pytest.raises(ValidationError, match="only maps on"):
        draw_parameter_maps(maps.stack(cell=("lat", "lon")).reset_index("cell"), tmp_path / "m.png")


def test_depth_profiles_by_group_take_a_panel_each(comparison, tmp_path):
    group = np.array(["tundra", "steppe", "taiga"])[np.arange(300) % 3]
    draw_depth_profiles(comparison, tmp_path / "one.png")
    draw_depth_profiles(comparison, tmp_path / "three.png", group=group)
    assert imread(tmp_path / "three.png").shape[1] > 1.2 * imread(tmp_path / "one.png").shape[1]


@pytest.mark.parametrize("panels", [1, 3])
def test_long_names_of_methods_are_not_cut(comparison, tmp_path, panels):
    names = [f"a case with a name that is long, number {i}" for i in range(12)]
    many = comparison.isel(method=np.arange(12) % comparison.sizes["method"])
    group = np.array(["tundra", "steppe", "taiga"])[np.arange(300) % panels]
    draw_depth_profiles(many.assign_coords(method=names), tmp_path / "many.png", group=group)
    image = imread(tmp_path / "many.png")[..., :3]
    assert image[:, [0, -1]].min() > 0.9  # letters would reach the edge of the paper


def test_times_of_carbon_are_drawn_where_layers_are_empty(tmp_path):
    rng = np.random.default_rng(0)
    layers = rng.lognormal(5.0, 1.0, (8, 20))
    layers[:, 12:] = np.nan
    times = CarbonTimes(layers, 2.0 * layers, np.empty((8, 7, 20)), layers[:, 0])
    draw_carbon_times({"default": times, "network": times}, tmp_path / "times.png")
    assert imread(tmp_path / "times.png").std() > 0.01


def test_each_of_many_methods_has_a_line_of_its_own(comparison, tmp_path):
    names = ["default", "two-step", "network", *(f"method {n}" for n in range(12))]
    styles = line_styles(names)
    assert len({str(styles[name]) for name in names}) == len(names)
    assert styles["network"] == line_styles(["default", "network"])["network"]
    axis = Figure().subplots()
    many = comparison.isel(method=[0] * len(names)).assign_coords(method=names)
    _depth_panel(axis, many, np.ones(300, dtype=bool))
    assert {line.get_label() for line in axis.lines} >= set(names)


def test_the_lowest_panel_of_each_column_shows_the_shared_axis():
    axes = Figure().subplots(2, 2, sharex=True)
    hide_unused(axes, 3)
    labelled = [axis.xaxis.get_tick_params()["labelbottom"] for axis in axes.flat]
    assert labelled[1:3] == [True, True]
    assert not axes[1, 1].get_visible()


@pytest.mark.parametrize("ground", [0.0, 1.0])
def test_hatching_shows_on_dark_and_on_light_ground(maps, tmp_path, ground):
    maps["efolding"].values[:] = ground
    maps["efolding"].values[0, :2] = [0.0, 1.0]
    found = []
    for flag in (0, 1):
        path = tmp_path / f"{flag}.png"
        marked = maps.assign(extrapolated=xr.full_like(maps["extrapolated"], flag))
        draw_parameter_maps(marked, path, names=["efolding"])
        found.append(imread(path)[..., :3])
    assert (np.abs(found[1] - found[0]).max(axis=-1) > 0.5).mean() > 0.02
