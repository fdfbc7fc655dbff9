"""Any estimate inside the published bounds survives the paramfile of any version that reads it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import netCDF4
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ctsm_socnn.export.paramfile import write_paramfile
from ctsm_socnn.export.readback import effective_parameters
from ctsm_socnn.export.translation import WaterLimits, shortest_turnover_time
from ctsm_socnn.parameters import (
    PARAMETER_NAMES,
    TurnoverConvention,
    convert_turnover_times,
    to_physical,
)
from ctsm_socnn.parameters.ctsm_versions import resolve_version

WATER = WaterLimits(-2.0, -0.002)
NEVER = {"fs1s2", "fs1s3", "beta"}
VERSIONS = ("cesm2.2", "ctsm5.1.dev043", "ctsm5.4")


def write_template(path: Path, version: str) -> None:
    with netCDF4.Dataset(path, "w", format="NETCDF3_CLASSIC") as dataset:
        dataset.createDimension("variants", 2)
        dataset.createDimension("pft", 3)
        for item in resolve_version(version).items.values():
            if item.variable:
                value = {"minpsi_hr": -2.0, "maxpsi_hr": -0.002}.get(item.key, 0.5)
                dataset.createVariable(item.variable, "f8", ())[...] = value
        dataset.createVariable("rootprof_beta", "f8", ("variants", "pft"))[:] = 0.95


@settings(max_examples=40, deadline=None)
@given(
    unit=st.lists(st.floats(0.01, 0.99), min_size=21, max_size=21),
    version=st.sampled_from(VERSIONS),
    convention=st.sampled_from(list(TurnoverConvention)),
)
def test_round_trip(unit: list[float], version: str, convention: TurnoverConvention) -> None:
    values = to_physical(np.array(unit))
    with tempfile.TemporaryDirectory() as directory:
        template, output = Path(directory) / "template.nc", Path(directory) / "new.nc"
        write_template(template, version)
        delivery = write_paramfile(template, output, values, convention=convention, version=version)
        back = effective_parameters(
            output, resolve_version(version),
            sand_percent=[50.0], water=WATER, namelist=delivery.namelist,
        )[0]  # fmt: skip
    named = dict(zip(PARAMETER_NAMES, values, strict=True))
    scaling = named["w_scaling"]
    shortest = float(shortest_turnover_time(named["q10"]))
    cut = {"fs2s3"} if named["fs2s3"] > 0.03 / 0.45 else set()
    for name, found in zip(PARAMETER_NAMES, back, strict=True):
        expected = named[name]
        if name.startswith("tau"):
            expected = float(
                convert_turnover_times(
                    expected / min(scaling, 1.0), named["q10"],
                    source=convention, target=TurnoverConvention.CENTURY_NORMALISED,
                )
            )  # fmt: skip
            cut |= {name} if expected < shortest else set()
            expected = max(expected, shortest)
        elif name == "w_scaling":
            expected = max(scaling, 1.0)
        elif name == "fs2s3":
            expected = min(expected, 0.03 / 0.45)
        if name not in NEVER:
            np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-14, err_msg=name)
    lost = {entry.parameter for entry in delivery.not_delivered}
    assert lost == NEVER | cut
