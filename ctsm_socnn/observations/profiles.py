"""Profiles in one tidy form, whatever their database.

A dataset with two dimensions, `profile` and `sample`: the samples of all profiles one after the
other, `row_size` of them for each (the contiguous ragged array of the CF conventions). Samples are
layers with `top` and `bottom`, or values at a `depth`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.errors import ProfileError
from ctsm_socnn.observations.assess import assess, repeated_profiles, years_of
from ctsm_socnn.observations.quality import EXCLUDING, NOTES, flag_attributes, reason
from ctsm_socnn.schemas import require_units

__all__ = [
    "merge_profiles",
    "profile_index",
    "profiles_from_sites",
    "profiles_from_table",
    "validate_profiles",
]

_SAMPLE_UNITS: Final = {
    "top": "m",
    "bottom": "m",
    "depth": "m",
    "oc": "g kg-1",
    "bulk_density": "g cm-3",
    "coarse_fragments": "percent",
    "sand": "percent",
    "clay": "percent",
    "soc": "gC m-3",
    "soc_sd": "gC m-3",
}


def profiles_from_table(
    table: pd.DataFrame, where: str, bulk_density_from: str | None = None
) -> xr.Dataset:
    """Bring a table of samples into the tidy form and flag it.

    Parameters
    ----------
    table : pandas.DataFrame
        One row a sample, columns as in `column_map.QUANTITIES`, in the package's units; `depth`
        does not count where `top` and `bottom` are given.
    where : str
        File, for messages.
    bulk_density_from : str, optional
        Pedotransfer function for missing bulk density, by name.

    Returns
    -------
    xarray.Dataset
        Dimensions `profile` and `sample`; profiles in the order of their first row, samples from
        top to bottom; `flag` (sample) holds the bits of `quality.REASONS`.

    Raises
    ------
    ConfigError
        If there is no such pedotransfer function.
    ProfileError
        If the table lacks what no profile can do without, or is empty.
    """
    _require_columns(table, where)
    if {"top", "bottom"} <= set(table):
        table = table.drop(columns="depth", errors="ignore")  # the middle of the layer, or no more
    table = table.assign(_order=pd.factorize(table["profile_id"])[0])
    if table.empty or (table["_order"] < 0).any():
        what = "has no rows" if table.empty else "has rows without profile_id"
        raise ProfileError(f"{where} {what}")
    # Some tables give the place in the first row of a profile only.
    places = table.groupby("_order")[["lon", "lat"]].transform("first")
    table = table.fillna({"lon": places["lon"], "lat": places["lat"]})
    upper = "depth" if "depth" in table else "top"
    table = table.sort_values(["_order", upper], kind="stable").reset_index(drop=True)
    table = assess(table, bulk_density_from)
    return _ragged(table)


def profiles_from_sites(sites: xr.Dataset) -> xr.Dataset:
    """Take the observations out of a sites dataset, so that they can be driven anew.

    Parameters
    ----------
    sites : xarray.Dataset
        The sites schema. Places without depth are padding, not samples; a site that has nothing
        else keeps one, so that it is counted.
    """
    interval = {"soc_top", "soc_bottom"} <= set(sites.variables)
    names = {"soc_top": "top", "soc_bottom": "bottom"} if interval else {"soc_depth": "depth"}
    filled = np.isfinite(sites[next(iter(names))].values)
    filled[~filled.any(axis=1), 0] = True
    position = np.where(filled)
    identity = (
        sites["profile_id"].values if "profile_id" in sites else np.arange(sites.sizes["site"])
    )
    table = pd.DataFrame(
        {
            "profile_id": identity[position[0]],
            "lon": sites["lon"].values[position[0]],
            "lat": sites["lat"].values[position[0]],
            "soc": sites["soc"].values[position],
            **{new: sites[old].values[position] for old, new in names.items()},
        }
    )
    if "soc_sd" in sites:
        table["soc_sd"] = sites["soc_sd"].values[position]
    return profiles_from_table(table, "sites file")


def validate_profiles(profiles: xr.Dataset, where: str) -> xr.Dataset:
    """Return the dataset if it is in the tidy form.

    Raises
    ------
    ProfileError
        Naming what is missing, in another unit or empty.
    """
    needed = {"profile_id", "lon", "lat", "soc", "flag", "row_size"}
    missing = sorted(needed - set(profiles.variables))
    if "depth" not in profiles and not {"top", "bottom"} <= set(profiles.variables):
        missing.append("depth, or top and bottom")
    if missing:
        raise ProfileError(f"{where} is not a file of tidy profiles: it lacks {', '.join(missing)}")
    sizes = profiles["row_size"].values
    if (sizes < 0).any() or sizes.sum() != profiles.sizes.get("sample"):
        raise ProfileError(
            f"{where}: row_size does not divide the samples among the profiles; the file is damaged"
        )
    if sizes.size == 0:
        raise ProfileError(f"{where} holds no profile")
    require_units(profiles, _SAMPLE_UNITS, where)
    return profiles


def merge_profiles(parts: Sequence[xr.Dataset], names: Sequence[str]) -> xr.Dataset:
    """Combine several sets of profiles, flagging those that an earlier set already holds.

    Parameters
    ----------
    parts : sequence of xarray.Dataset
        Tidy profiles, all as layers or all at depths.
    names : sequence of str
        Short name of each, appended to profile names that occur in more than one.

    Raises
    ------
    ProfileError
        If layers and values at depths would be mixed.
    """
    if len({"depth" in part for part in parts}) > 1:
        raise ProfileError(
            f"{', '.join(names)}: layers and values at depths cannot be merged; merge like with like"
        )
    names_held = sorted({str(name) for part in parts for name in part.data_vars})
    merged = xr.Dataset({name: _joined(parts, name) for name in names_held}, attrs=parts[0].attrs)
    merged["profile_id"] = ("profile", _distinct_ids(parts, names))
    index = profile_index(merged)
    upper = merged["depth"] if "depth" in merged else merged["top"]
    key = {"lon": merged["lon"].values[index], "lat": merged["lat"].values[index]}
    key |= {"upper": upper.values, "soc": merged["soc"].values}
    dates = merged["date"].values if "date" in merged else np.full(merged.sizes["profile"], "")
    years = years_of(pd.Series(dates[index], dtype="string"))
    repeated = np.where(repeated_profiles(index, key, years), reason("duplicate_profile").bit, 0)
    flags = merged["flag"].values | repeated.astype(np.int32)
    merged["flag"] = ("sample", flags, parts[0]["flag"].attrs)
    return merged


def _joined(parts: Sequence[xr.Dataset], name: str) -> xr.Variable:
    """Values of all parts one after the other; NaN or no text where a part has none."""
    example = next(part[name] for part in parts if name in part)
    dim = str(example.dims[0])
    empty = "" if example.dtype.kind in "UO" else np.nan
    values = [
        part[name].values if name in part else np.full(part.sizes[dim], empty) for part in parts
    ]
    return xr.Variable(dim, np.concatenate(values), example.attrs)


def _distinct_ids(parts: Sequence[xr.Dataset], names: Sequence[str]) -> NDArray[np.str_]:
    ids = [part["profile_id"].values.astype(str) for part in parts]
    unique, counts = np.unique(np.concatenate([np.unique(one) for one in ids]), return_counts=True)
    shared = unique[counts > 1]
    marked = [
        np.where(np.isin(one, shared), np.char.add(np.char.add(one, "@"), name), one)
        for one, name in zip(ids, names, strict=True)
    ]
    return np.concatenate(marked)


def profile_index(profiles: xr.Dataset) -> NDArray[np.int64]:
    """Profile of each sample, shape (sample,)."""
    return np.repeat(np.arange(profiles.sizes["profile"]), profiles["row_size"].values)


def _require_columns(table: pd.DataFrame, where: str) -> None:
    missing = [name for name in ("profile_id", "lon", "lat") if name not in table]
    if "depth" not in table and not {"top", "bottom"} <= set(table):
        missing.append("depth, or top and bottom")
    if "soc" not in table and not {"oc", "bulk_density"} <= set(table):
        missing.append("soc, or oc and bulk_density")
    if missing:
        raise ProfileError(
            f"{where} gives no {'; no '.join(missing)}; describe the columns as "
            "quantity='column [unit]'"
        )


def _ragged(table: pd.DataFrame) -> xr.Dataset:
    order = table["_order"].to_numpy()
    first = np.flatnonzero(np.diff(order, prepend=-1))
    profile = {
        name: ("profile", _plain(table[name].iloc[first]))
        for name in ("profile_id", "lon", "lat", "source", "date")
        if name in table
    }
    sample = {
        name: ("sample", table[name].to_numpy(dtype=np.float64), {"units": unit})
        for name, unit in _SAMPLE_UNITS.items()
        if name in table
    }
    counts = np.diff(np.append(first, len(table))).astype(np.int32)
    return xr.Dataset(
        {
            **profile,
            **sample,
            "flag": (
                "sample",
                table["flag_bits"].to_numpy(np.int32),
                flag_attributes(EXCLUDING | NOTES),
            ),
            "row_size": ("profile", counts, {"sample_dimension": "sample"}),
        },
        attrs={"Conventions": "CF-1.10", "featureType": "profile"},
    )


def _plain(column: pd.Series[str]) -> NDArray[np.generic]:
    """Numbers as they are, everything else as text."""
    if column.dtype.kind in "iuf":
        return column.to_numpy()
    return column.astype("string").fillna("").to_numpy(dtype=str)
