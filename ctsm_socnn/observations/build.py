"""Sites from forcing, profiles and covariates; excluded profiles are counted and listed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.errors import ProfileError
from ctsm_socnn.observations.covariates import MissingRule, covariates_at
from ctsm_socnn.observations.nearest import nearest_cell
from ctsm_socnn.observations.profiles import profile_index
from ctsm_socnn.observations.quality import (
    EXCLUDING,
    NOTES,
    count_reasons,
    flag_attributes,
    names_in,
)
from ctsm_socnn.schemas import FORCING_DIMENSIONS, MODEL_FORCING, covariate_names, validate_sites

__all__ = ["EXCLUSION_COLUMNS", "NO_USABLE_LAYER", "build_sites", "screen_sites"]

EXCLUSION_COLUMNS: Final = ("profile_id", "lon", "lat", "reason", "detail")

NO_USABLE_LAYER: Final = "no usable layer"
"""Reason of an exclusion whose detail names the flags of the layers."""

_LISTED: Final = 3
"""Most names that one line of the exclusions lists."""

_OCEAN_ATTRIBUTES: Final = {
    "long_name": "an ocean cell is nearer than the land cell that gives the forcing",
    "flag_values": np.array([0, 1], dtype=np.int8),
    "flag_meanings": "no yes",
}

_OBSERVED: Final = {"top": "soc_top", "bottom": "soc_bottom", "depth": "soc_depth"}


@dataclass
class _Exclusions:
    """Profiles left out so far."""

    profile_id: NDArray[np.generic]
    lon: NDArray[np.float64]
    lat: NDArray[np.float64]
    kept: NDArray[np.bool_] = field(init=False)
    rows: list[tuple[object, ...]] = field(default_factory=list)

    @classmethod
    def of(cls, dataset: xr.Dataset) -> _Exclusions:
        """Nothing left out yet of the profiles of a dataset."""
        return cls(dataset["profile_id"].values, dataset["lon"].values, dataset["lat"].values)

    def __post_init__(self) -> None:
        self.kept = np.ones(self.profile_id.size, dtype=np.bool_)

    def leave_out(
        self, wrong: NDArray[np.bool_], reason: str, detail: Sequence[str] | None = None
    ) -> None:
        """Leave out those that are wrong and not out already."""
        for i in np.flatnonzero(wrong & self.kept).tolist():
            said = "" if detail is None else detail[i]
            self.rows.append((self.profile_id[i], self.lon[i], self.lat[i], reason, said))
        self.kept &= ~wrong

    def places(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Longitude and latitude; zero for those left out, whose coordinates may be missing."""
        return np.where(self.kept, self.lon, 0.0), np.where(self.kept, self.lat, 0.0)

    def table(self) -> pd.DataFrame:
        return pd.DataFrame(self.rows, columns=list(EXCLUSION_COLUMNS))

    def counts(self) -> dict[str, int]:
        counted = self.table()["reason"].value_counts()
        return {f"excluded_{str(name).replace(' ', '_')}": int(n) for name, n in counted.items()}


def build_sites(
    climatology: xr.Dataset,
    profiles: xr.Dataset,
    covariates: xr.Dataset | None = None,
    *,
    max_distance_km: float = 100.0,
    missing_covariates: MissingRule = "drop",
    categorical: Sequence[str] = (),
) -> tuple[xr.Dataset, pd.DataFrame]:
    """Combine each profile with the forcing of the nearest land cell.

    Parameters
    ----------
    climatology : xarray.Dataset
        From `forcing.read_climatology`.
    profiles : xarray.Dataset
        From `read_profiles`.
    covariates : xarray.Dataset, optional
        From `open_covariates`.
    max_distance_km : float
        Farthest cell centre, along the great circle.
    missing_covariates : {"drop", "nearest", "median"}
    categorical : sequence of str
        Covariates that are classes.

    Returns
    -------
    xarray.Dataset
        The sites schema; also `cell_lon`, `cell_lat` (degrees) and `cell_distance` (km) of the cell,
        `in_ocean_cell` (1 where an ocean cell is nearer than any land), `soc_note`, `source` where the
        profiles have it, and the counts
        of everything left out as attributes.
    pandas.DataFrame
        One row per excluded profile: `profile_id, lon, lat, reason, detail`.

    Raises
    ------
    ProfileError
        If no profile is left.
    """
    out = _Exclusions.of(profiles)
    usable, detail = _usable(profiles)
    out.leave_out(~usable, NO_USABLE_LAYER, detail)
    cells = _land_cells(climatology)
    cell, distance = _collocate(out, cells, max_distance_km)
    sites = _with_place(_observations(profiles), out, cells, cell, distance)
    in_ocean = _in_ocean(climatology, out, distance)
    sites = sites.assign(in_ocean_cell=("site", in_ocean, _OCEAN_ATTRIBUTES))
    if "source" in profiles:
        sites["source"] = ("site", profiles["source"].values.astype(str))
    attributes: dict[str, object] = {"profiles_read": out.kept.size}
    if covariates is not None:
        kept = out.kept.copy()
        place = out.lon[kept], out.lat[kept]
        values, missing = covariates_at(
            covariates, *place, missing=missing_covariates, categorical=categorical
        )
        values = _for_all(values, kept)
        _leave_out_missing(out, values)
        sites = sites.merge(values)
        attributes |= {f"missing_{name}": count for name, count in missing.items()}
    _require_left(out, "every profile lacks a covariate")
    # The forcing, by far the largest part, of those that are kept only.
    driven = xr.merge([_forcing_at(cells, cell[out.kept]), sites.isel(site=out.kept)])
    return _finish(driven, out, attributes)


def screen_sites(sites: xr.Dataset) -> tuple[xr.Dataset, pd.DataFrame]:
    """Leave out sites of an existing file that cannot be used.

    Parameters
    ----------
    sites : xarray.Dataset
        From `schemas.open_sites`; its own forcing is kept.

    Returns
    -------
    xarray.Dataset
        Sites with complete forcing and covariates and at least one positive observation.
    pandas.DataFrame
        The others, as `build_sites` gives them.

    Raises
    ------
    ProfileError
        If no site is left.
    """
    sites = sites.reset_coords()
    if "profile_id" not in sites:
        sites = sites.assign(profile_id=("site", np.arange(sites.sizes["site"])))
    out = _Exclusions.of(sites)
    good = np.asarray(sites["soc"].values > 0)
    if "soc_flag" in sites:
        good &= sites["soc_flag"].values == 0
    out.leave_out(np.asarray(~good.any(axis=1)), NO_USABLE_LAYER)
    lacks = {name: _has_nan(sites[name]) for name in MODEL_FORCING}
    out.leave_out(_any(lacks), "no forcing", _which(lacks))
    _leave_out_missing(out, sites)
    _require_left(out, "every site lacks forcing, observations or covariates")
    return _finish(sites.isel(site=out.kept), out, {"profiles_read": out.kept.size})


def _usable(profiles: xr.Dataset) -> tuple[NDArray[np.bool_], list[str]]:
    """Which profiles have a sample that may be used, and what the samples of the others suffer."""
    index, flags = profile_index(profiles), profiles["flag"].values
    count = profiles.sizes["profile"]
    usable = np.bincount(index, weights=(flags & EXCLUDING) == 0, minlength=count) > 0
    all_bits = np.zeros(count, dtype=np.int32)
    np.bitwise_or.at(all_bits, index, flags & EXCLUDING)
    return usable, [" ".join(names_in(int(bits))) for bits in all_bits]


def _land_cells(climatology: xr.Dataset) -> xr.Dataset:
    """Land cells with complete forcing, on one dimension `site`, with `lat` and `lon`."""
    spatial = climatology["nbedrock"].dims
    flat = climatology.stack(cell=spatial, create_index=False).drop_vars("landmask")
    gaps = [_has_nan(flat[name].transpose("cell", ...)) for name in MODEL_FORCING]
    complete = ~np.any(gaps, axis=0)
    flat = flat.isel(cell=complete).rename(cell="site")
    if flat.sizes["site"] == 0:
        raise ProfileError("no cell of the climatology holds all of the forcing")
    return flat.reset_coords()


def _collocate(
    out: _Exclusions, cells: xr.Dataset, max_distance_km: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Nearest cell of each profile and its distance (km); those far from land are left out."""
    cell, distance = nearest_cell(*out.places(), cells["lon"].values, cells["lat"].values)
    out.leave_out(
        ~(distance <= max_distance_km),
        "no land cell near",
        [f"nearest is {km:.0f} km away, allowed are {max_distance_km:g}" for km in distance],
    )
    _require_left(out, _extents(cells, out, max_distance_km))
    return cell, distance


def _for_all(values: xr.Dataset, kept: NDArray[np.bool_]) -> xr.Dataset:
    """Covariates of the kept profiles as those of all; NaN for the others."""
    full = {}
    for name, item in values.data_vars.items():
        column = np.full(kept.size, np.nan)
        column[kept] = item.values
        full[name] = ("site", column, item.attrs)
    return xr.Dataset(full)


def _in_ocean(
    climatology: xr.Dataset, out: _Exclusions, distance: NDArray[np.float64]
) -> NDArray[np.int8]:
    """Whether a cell without land is nearer than the land cell that was chosen."""
    spatial = climatology["nbedrock"].dims
    cells = climatology[["landmask"]].stack(cell=spatial, create_index=False).reset_coords()
    ocean = cells["landmask"].values != 1
    if not ocean.any():
        return np.zeros(distance.size, dtype=np.int8)
    lon, lat = cells["lon"].values[ocean], cells["lat"].values[ocean]
    _, to_ocean = nearest_cell(*out.places(), lon, lat)
    return (to_ocean < distance).astype(np.int8)


def _forcing_at(cells: xr.Dataset, cell: NDArray[np.int64]) -> xr.Dataset:
    forcing = cells[list(FORCING_DIMENSIONS)].isel(site=cell)
    for name, dims in FORCING_DIMENSIONS.items():
        forcing[name] = forcing[name].transpose(*dims)
    return forcing


def _observations(profiles: xr.Dataset) -> xr.Dataset:
    """Lay the samples of each profile in a row, padded with NaN."""
    index, sizes = profile_index(profiles), profiles["row_size"].values
    place = (index, np.arange(index.size) - np.repeat(np.cumsum(sizes) - sizes, sizes))
    shape = (sizes.size, int(sizes.max()))
    dims = ("site", "obs")

    def padded(values: NDArray[np.float64]) -> NDArray[np.float64]:
        row = np.full(shape, np.nan)
        row[place] = values
        return row

    flags = np.zeros(shape, dtype=np.int32)
    flags[place] = profiles["flag"].values
    attributes = {"units": "gC m-3", "long_name": "observed soil organic carbon density"}
    fields = {"soc": (dims, padded(profiles["soc"].values), attributes)}
    for old, new in _OBSERVED.items():
        if old in profiles:
            fields[new] = (dims, padded(profiles[old].values), {"units": "m"})
    if "soc_sd" in profiles:
        fields["soc_sd"] = (dims, padded(profiles["soc_sd"].values), {"units": "gC m-3"})
    return xr.Dataset(
        {
            **fields,
            "soc_flag": (dims, flags & EXCLUDING, flag_attributes(EXCLUDING)),
            "soc_note": (dims, flags & NOTES, flag_attributes(NOTES)),
        }
    )


def _with_place(
    sites: xr.Dataset,
    out: _Exclusions,
    cells: xr.Dataset,
    cell: NDArray[np.int64],
    distance: NDArray[np.float64],
) -> xr.Dataset:
    return sites.assign(
        profile_id=("site", out.profile_id),
        lon=("site", out.lon, {"units": "degrees_east"}),
        lat=("site", out.lat, {"units": "degrees_north"}),
        cell_lon=("site", cells["lon"].values[cell], {"units": "degrees_east"}),
        cell_lat=("site", cells["lat"].values[cell], {"units": "degrees_north"}),
        cell_distance=("site", distance, {"units": "km"}),
    )


def _leave_out_missing(out: _Exclusions, values: xr.Dataset) -> None:
    lacks = {name: np.isnan(values[name].values) for name in covariate_names(values)}
    if lacks:
        out.leave_out(_any(lacks), "no covariate", _which(lacks))


def _any(lacks: dict[str, NDArray[np.bool_]]) -> NDArray[np.bool_]:
    return np.asarray(np.array(list(lacks.values())).any(axis=0))


def _which(lacks: dict[str, NDArray[np.bool_]]) -> list[str]:
    """Names that each profile lacks, the first few of them."""
    names = np.array(list(lacks))
    listed = [names[column].tolist() for column in np.array(list(lacks.values())).T]
    return [
        " ".join(some[:_LISTED]) + (f" and {len(some) - _LISTED} more" if some[_LISTED:] else "")
        for some in listed
    ]


def _has_nan(variable: xr.DataArray) -> NDArray[np.bool_]:
    """Whether any value along the first dimension's entries is NaN."""
    values = np.asarray(variable.values, dtype=np.float64)
    return np.asarray(np.isnan(values.reshape(values.shape[0], -1)).any(axis=1))


def _extents(cells: xr.Dataset, out: _Exclusions, max_distance_km: float) -> str:
    def span(lon: NDArray[np.float64], lat: NDArray[np.float64]) -> str:
        return (
            f"longitude {np.nanmin(lon):.2f} to {np.nanmax(lon):.2f}, "
            f"latitude {np.nanmin(lat):.2f} to {np.nanmax(lat):.2f}"
        )

    lon, lat = cells["lon"].values, cells["lat"].values
    # In the convention of the cells, so that the two can be compared.
    west = 0.0 if np.nanmax(lon) > 180.0 else -180.0
    return (
        f"profiles span {span((out.lon - west) % 360.0 + west, out.lat)}; land cells span "
        f"{span(lon, lat)}; the largest distance allowed is "
        f"{max_distance_km:g} km"
    )


def _require_left(out: _Exclusions, explanation: str) -> None:
    if not out.kept.any():
        counts = out.table()["reason"].value_counts()
        listed = ", ".join(f"{count} {reason}" for reason, count in counts.items())
        raise ProfileError(
            f"none of {out.kept.size} profiles can be used ({listed}): {explanation}"
        )


def _finish(
    kept: xr.Dataset, out: _Exclusions, attributes: dict[str, object]
) -> tuple[xr.Dataset, pd.DataFrame]:
    attributes = attributes | {"sites": int(out.kept.sum())} | out.counts()
    if "in_ocean_cell" in kept:
        attributes["sites_in_ocean_cells"] = int(kept["in_ocean_cell"].sum())
    if "soc_note" in kept:
        place = kept["soc_depth"] if "soc_depth" in kept else kept["soc_top"]
        flags = (kept["soc_flag"] | kept["soc_note"]).values[np.isfinite(place.values)]
        attributes |= {f"layers_{name}": n for name, n in count_reasons(flags).items()}
    return validate_sites(kept.assign_attrs(attributes)), out.table()
