"""Sites and runs that are not as they should be, through the commands `sites` and `assimilate`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from ctsm_socnn.assimilation import SiteStatus
from ctsm_socnn.cli.main import main
from ctsm_socnn.demo import make_twin_world
from ctsm_socnn.netcdf import write_dataset
from ctsm_socnn.schemas import open_file, open_sites

COLUMNS = [
    *("profile_id=profile_id", "lon=lon [degrees]", "lat=lat [degrees]"),
    *("top=top_cm [cm]", "bottom=bottom_cm [cm]", "oc=oc_g_per_kg [g/kg]"),
    "bulk_density=bulk_density_g_per_cm3 [g/cm3]",
]
QUICK = ["--sampler", "laplace", "--seed", "4"]
Spoil = Callable[[xr.Dataset], None]


def one_layer(site: xr.Dataset) -> None:
    site["soc"][1:] = np.nan


def zeros_below_the_third_layer(site: xr.Dataset) -> None:
    site["soc"][3:] = 0.0


def carbon_that_rises_with_depth(site: xr.Dataset) -> None:
    site["soc"][:] = np.sort(site["soc"].values)


def frozen_all_year(site: xr.Dataset) -> None:
    site["TSOI"][:] = 250.0
    site["ALTMAX"][:] = site["ALTMAX_LASTYEAR"][:] = 0.0


def no_inputs(site: xr.Dataset) -> None:
    for pool in ("CWD", "LITR1", "LITR2", "LITR3"):
        site[f"{pool}_INPUT"][:] = 0.0


def no_water(site: xr.Dataset) -> None:
    site["W_SCALAR"][:] = 0.0


def no_forcing(site: xr.Dataset) -> None:
    site["TSOI"][3, 4] = np.nan


CASES: tuple[tuple[Spoil, SiteStatus], ...] = (
    (one_layer, SiteStatus.TOO_FEW_OBSERVATIONS),
    (zeros_below_the_third_layer, SiteStatus.CONVERGED),
    (carbon_that_rises_with_depth, SiteStatus.CONVERGED),
    (frozen_all_year, SiteStatus.CONVERGED),
    (no_inputs, SiteStatus.NO_CARBON_INPUT),
    (no_water, SiteStatus.NO_DECOMPOSITION),
    (no_forcing, SiteStatus.FORCING_INCOMPLETE),
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("world")
    make_twin_world(directory, seed=4, n_profiles=20)
    return directory


def make_sites(world: Path, profiles: Path, output: Path) -> int:
    words = ["--history", str(world / "history" / "*.nc"), "--columns", *COLUMNS]
    words += ["--surface", str(world / "surfdata.nc"), "-o", str(output)]
    return main(["sites", "--profiles", str(profiles), *words])


@pytest.fixture(scope="module")
def sites_file(world: Path) -> Path:
    output = world / "sites.nc"
    assert make_sites(world, world / "profiles.csv", output) == 0
    return output


@pytest.fixture(scope="module")
def odd_posterior(
    sites_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[xr.Dataset, str]:
    """The posterior of a file whose first sites are spoilt, one per case, and the closing table."""
    directory = tmp_path_factory.mktemp("odd")
    sites = open_sites(sites_file)
    for place, (spoil, _) in enumerate(CASES):
        spoil(sites.isel(site=place))
    write_dataset(sites.drop_encoding(), directory / "sites.nc")
    output = directory / "posterior.nc"
    with pytest.MonkeyPatch.context() as patch:
        printed: list[str] = []
        patch.setattr("builtins.print", lambda *words, **_: printed.append(str(words[0])))
        assert main(["assimilate", str(directory / "sites.nc"), *QUICK, "-o", str(output)]) == 0
    return open_file(output), "\n".join(printed)


@pytest.mark.parametrize("place", range(len(CASES)), ids=[s.__name__ for s, _ in CASES])
def test_an_odd_site_is_run_or_left_out_with_its_reason(
    odd_posterior: tuple[xr.Dataset, str], place: int
) -> None:
    posterior, table = odd_posterior
    _, expected = CASES[place]
    assert SiteStatus(posterior["status"].values[place]) == expected
    is_run = expected == SiteStatus.CONVERGED
    assert posterior["converged"].values[place] == is_run
    assert np.isfinite(posterior["mean"].values[place]).all() == is_run
    assert expected.meaning.replace("_", " ") in table


def test_profiles_outside_the_land_mask_are_left_out_with_their_reason(
    world: Path, sites_file: Path, tmp_path: Path
) -> None:
    table = pd.read_csv(world / "profiles.csv", dtype={"profile_id": str})
    name = str(open_sites(sites_file)["profile_id"].values[0])
    table.loc[table["profile_id"] == name, "lat"] = -60.0
    table.to_csv(tmp_path / "profiles.csv", index=False)
    output = tmp_path / "sites.nc"
    assert make_sites(world, tmp_path / "profiles.csv", output) == 0
    left_out = pd.read_csv(tmp_path / "sites_exclusions.csv", dtype=str).set_index("profile_id")
    assert left_out.loc[name, "detail"] == "in_sea"
    assert left_out.loc["at_sea", "reason"] == "no land cell near"
    assert "km away" in left_out.loc["at_sea", "detail"]
    assert not {name, "at_sea"} & set(open_sites(output)["profile_id"].values.astype(str))


def test_a_truncated_block_of_the_checkpoint_is_computed_again(
    sites_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["assimilate", str(sites_file), *QUICK, "-o"]
    assert main([*words, str(tmp_path / "whole.nc")]) == 0
    output, parts = tmp_path / "posterior.nc", tmp_path / "posterior.nc.parts"
    save, written = np.savez, []

    def fill_the_disk(stream: object, **arrays: object) -> None:
        if len(written) == 2:
            raise OSError(28, "No space left on device")
        written.append(1)
        save(stream, **arrays)

    monkeypatch.setattr(np, "savez", fill_the_disk)
    assert main([*words, str(output)]) == 2
    assert not output.exists()
    monkeypatch.undo()
    first, _ = sorted(parts.glob("block_*.npz"))
    first.write_bytes(first.read_bytes()[:-100])
    assert main([*words, str(output)]) == 0
    xr.testing.assert_identical(
        open_file(output).drop_attrs(), open_file(tmp_path / "whole.nc").drop_attrs()
    )
