import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.validation.comparison import SAMPLES

N = 400


@pytest.fixture
def comparison() -> xr.Dataset:
    """Two methods, one out of sample and one in sample, at 100 sites of four observations."""
    rng = np.random.default_rng(8)
    observed = rng.lognormal(9.0, 0.8, N)
    modelled = np.full((2, len(SAMPLES), N), np.nan)
    modelled[0, 1] = observed * rng.lognormal(0.0, 0.5, N)
    modelled[1, 0] = observed * rng.lognormal(0.2, 0.2, N)
    return xr.Dataset(
        {
            "observed": ("observation", observed),
            "modelled": (("method", "sample", "observation"), modelled),
            "depth": ("observation", np.linspace(0.0, 2.0, N)),
            "site": ("observation", np.arange(N) // 4),
        },
        coords={"method": ["rough", "fine"], "sample": list(SAMPLES)},
    )
