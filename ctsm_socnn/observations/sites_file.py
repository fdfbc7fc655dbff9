"""The sites file, and the table of excluded profiles beside it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import xarray as xr

from ctsm_socnn.netcdf import atomic_output, write_dataset

__all__ = ["exclusions_path", "write_sites"]


def exclusions_path(sites_path: Path) -> Path:
    """Table of excluded profiles that lies beside a sites file."""
    return sites_path.with_name(f"{sites_path.stem}_exclusions.csv")


def write_sites(
    sites: xr.Dataset, exclusions: pd.DataFrame, path: Path, *, overwrite: bool = False
) -> None:
    """Write a sites file and the table of what was left out.

    Raises
    ------
    FileError
    """
    with atomic_output(exclusions_path(path), overwrite=overwrite) as temporary:
        exclusions.to_csv(temporary, index=False)
        write_dataset(sites, path, overwrite=overwrite)
