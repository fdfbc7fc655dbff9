"""What a case really uses, by version."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.export.readback import effective_parameters, effective_scalars, effective_scheme
from ctsm_socnn.export.translation import WaterLimits
from ctsm_socnn.parameters import PARAMETER_NAMES
from ctsm_socnn.parameters.ctsm_versions import Place, resolve_version

Template = Callable[..., Path]


def test_numbers_in_the_code_of_clm50_are_those_of_later_paramfiles(template: Template) -> None:
    oldest, latest = resolve_version("release-clm5.0"), resolve_version("ctsm5.4")
    found = effective_scalars(template("release-clm5.0"), oldest, {})
    later = effective_scalars(template("ctsm5.4"), latest, {})
    literal = {item.key for item in oldest.in_place(Place.LITERAL)} & later.keys()
    assert {
        "som_diffus",
        "cryoturb_diffusion_k",
        "tau_cwd",
        "tau_l1",
        "tau_s2",
        "tau_s3",
    } <= literal
    assert {key: found[key] for key in literal} == pytest.approx(
        {key: later[key] for key in literal}, rel=1e-7
    )


@pytest.mark.parametrize(
    ("version", "generation"), [("release-clm5.0", "clm5.0"), ("ctsm5.4", "ctsm5.4")]
)
def test_scheme_is_of_its_generation_and_takes_oxygen_as_given(
    template: Template, version: str, generation: str
) -> None:
    scheme = effective_scheme(template(version), resolve_version(version), {})
    assert str(scheme.version) == generation
    (parameters,) = scheme.parameters
    assert parameters.mino2lim == 0.0


def test_beta_is_the_median_of_the_natural_plants(template: Template, tmp_path: Path) -> None:
    """Bare ground and crops, and plants without a profile, do not count."""
    rooting = np.full((2, 20), 0.5)
    rooting[1, 1:15] = [0, 0, 1, *np.linspace(0.90, 0.95, 5), 0.97, 0.99, 0.99, 0.99, 0.99, 0.99]
    with xr.open_dataset(template(), decode_cf=False) as dataset:
        file = dataset.drop_dims(("pft", "variants")).load()
    file["rootprof_beta"] = (("variants", "plant"), rooting)
    path = tmp_path / "twenty_plants.nc"
    file.to_netcdf(path, format="NETCDF3_CLASSIC")
    found = effective_parameters(
        path, resolve_version("ctsm5.4"),
        sand_percent=[30.0], water=WaterLimits(-2.0, -0.002), namelist={},
    )  # fmt: skip
    assert found[0, PARAMETER_NAMES.index("beta")] == 0.97
