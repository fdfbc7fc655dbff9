"""Flags each sample of a table of profiles, and computes carbon density where it is not given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctsm_socnn.model.observation import LARGEST_SOC
from ctsm_socnn.observations.coastline import in_sea
from ctsm_socnn.observations.density import carbon_density, fill_bulk_density, fill_fragments
from ctsm_socnn.observations.quality import (
    EXCLUDING,
    LARGEST_BULK_DENSITY,
    LARGEST_DEPTH,
    LARGEST_OC,
    SMALLEST_BULK_DENSITY,
    reason,
)

__all__ = ["assess", "repeated_profiles", "years_of"]

_ORGANIC_SOIL: Final = 120.0
"""g kg-1 organic carbon: the limit of organic soil material of World Reference Base."""

_TOUCH: Final = 0.002
"""m: layers that overlap or leave a gap of less were rounded."""

_ROUNDED: Final = 1e-4
"""Degrees by which a tenth of a degree may be off, as in single precision."""

_SAME_PLACE: Final = 4
"""Decimals of a degree to which duplicates must agree."""

_SAME_DIGITS: Final = 3
"""Digits of carbon density to which duplicates must agree."""


_MAGNITUDES: Final = (1e-3, 1e9)
"""gC m-3: beyond, there is no soil, but numbers whose digits cannot be counted."""

_INDIRECT_CARBON: Final = "predict|spline|total|model|estimat|ignition|spectr"
_INDIRECT_DENSITY: Final = "predict|model|grid|map|polaris|estimat|pedotransfer"
_REJECTED: Final = "reject|bad|fail|suspect|audit"
_YEAR: Final = r"\b(1[89]\d\d|20\d\d)\b"
_INACCURATE: Final = r"^(?:over 10 km|0\.[1-9]\d*|[1-9][\d.]*)$"
"""WoSIS says so in words, or in degrees."""
_TRUE: Final = ("t", "true", "1", "yes", "y")


def assess(table: pd.DataFrame, bulk_density_from: str | None = None) -> pd.DataFrame:
    """Add `soc`, `soc_sd` and `flag_bits` to a table of samples.

    Parameters
    ----------
    table : pandas.DataFrame
        Sorted by profile (`_order`) and from top to bottom, in the package's units.
    bulk_density_from : str, optional
        Pedotransfer function for missing bulk density.

    Returns
    -------
    pandas.DataFrame
        The same rows; not one is left out.
    """
    tests = {}
    if "soc" not in table:
        table = carbon_density(fill_fragments(fill_bulk_density(table, bulk_density_from)))
        tests = _carbon_tests(table)
    tests |= _density_tests(table) | _depth_tests(table) | _place_tests(table) | _text_tests(table)
    bits = _bits(tests)
    bits |= _bits(_sequence_tests(table, (bits & EXCLUDING) == 0))
    samples = {name: _column(table, name) for name in ("lon", "lat", "soc")}
    samples["upper"] = _column(table, "depth" if "depth" in table else "top")
    years = years_of(_words(table, "date"))
    repeated = repeated_profiles(table["_order"].to_numpy(np.int64), samples, years)
    bits |= _bits({"duplicate_profile": repeated})
    return table.assign(flag_bits=bits)


_Mask = NDArray[np.bool_]


def _bits(tests: Mapping[str, _Mask]) -> NDArray[np.int32]:
    """Make flags from the samples that each reason holds for."""
    masks = [np.where(holds, reason(name).bit, 0) for name, holds in tests.items()]
    return np.asarray(np.bitwise_or.reduce(masks, axis=0), dtype=np.int32)


def _column(table: pd.DataFrame, name: str) -> NDArray[np.float64]:
    if name not in table:
        return np.full(len(table), np.nan)
    return table[name].to_numpy(dtype=np.float64)


def _carbon_tests(table: pd.DataFrame) -> dict[str, _Mask]:
    """Test what carbon density is made of."""
    carbon, density = _column(table, "oc"), _column(table, "bulk_density")
    fragments = _column(table, "coarse_fragments")
    return {
        "carbon_above_60_percent": carbon > LARGEST_OC,
        "organic_soil": carbon > _ORGANIC_SOIL,
        "no_bulk_density": np.isnan(density),
        "bulk_density_implausible": (density < SMALLEST_BULK_DENSITY)
        | (density > LARGEST_BULK_DENSITY),
        "fragments_implausible": (fragments < 0.0) | (fragments >= 100.0),
        "no_fragments": np.isnan(fragments),
        "fragments_by_weight": table["fragments_converted"].to_numpy(np.bool_),
    }


def _text_tests(table: pd.DataFrame) -> dict[str, _Mask]:
    """Test what the database says in words, and what the reader and the conversion have noted."""
    carbon_words, density_words = (
        _matches(table, "oc_basis", _INDIRECT_CARBON),
        _matches(table, "bd_basis", _INDIRECT_DENSITY),
    )
    rejected = [_matches(table, name, _REJECTED) for name in ("oc_basis", "bd_basis", "flag")]
    return {
        "rejected_at_source": np.any(rejected, axis=0),
        "carbon_indirect": carbon_words | _marked(table, "oc_indirect"),
        "bulk_density_indirect": density_words
        | _marked(table, "bulk_density_indirect")
        | _marked(table, "bulk_density_predicted"),
        "wetland": _words(table, "wetland").isin(_TRUE).to_numpy(np.bool_),
    }


def _words(table: pd.DataFrame, name: str) -> pd.Series[str]:
    words = table.get(name, pd.Series("", index=table.index, dtype="string"))
    return words.astype("string").fillna("").str.lower()


def _matches(table: pd.DataFrame, name: str, pattern: str) -> _Mask:
    return _words(table, name).str.contains(pattern).to_numpy(np.bool_)


def _marked(table: pd.DataFrame, name: str) -> _Mask:
    return table.get(name, pd.Series(False, index=table.index)).to_numpy(np.bool_)


def _density_tests(table: pd.DataFrame) -> dict[str, _Mask]:
    value = _column(table, "oc") if "oc" in table else _column(table, "soc")
    return {
        "no_carbon_value": np.isnan(value),
        "carbon_not_positive": value <= 0.0,
        "soc_above_250_kg": _column(table, "soc") > LARGEST_SOC,
    }


def _depth_tests(table: pd.DataFrame) -> dict[str, _Mask]:
    if "depth" in table:
        depth = _column(table, "depth")
        return {
            "no_depth": ~np.isfinite(depth),
            "above_surface": depth < 0.0,
            "depth_implausible": depth > LARGEST_DEPTH,
        }
    top, bottom = _column(table, "top"), _column(table, "bottom")
    return {
        "no_depth": ~np.isfinite(top) | ~np.isfinite(bottom),
        "above_surface": (top < 0.0) | _words(table, "litter").isin(_TRUE).to_numpy(np.bool_),
        "layer_upside_down": bottom <= top,
        "depth_implausible": np.fmax(top, bottom) > LARGEST_DEPTH,
    }


def _sequence_tests(table: pd.DataFrame, usable: _Mask) -> dict[str, _Mask]:
    """Test how each layer follows those before it.

    Only usable layers count as before: litter whose depths are counted from its own surface, or a
    horizon of which nothing was measured, must not take the place of the samples within it.
    """
    order, top = table["_order"], _column(table, "top")
    bottom = pd.Series(np.where(usable, _column(table, "bottom"), -np.inf))
    deepest = bottom.groupby(order).cummax()
    reached = deepest.groupby(order).shift(fill_value=-np.inf).to_numpy(np.float64)
    return {
        "layer_overlaps": top < reached - _TOUCH,
        "gap_above": np.isfinite(reached) & (top > reached + _TOUCH),
    }


def _place_tests(table: pd.DataFrame) -> dict[str, _Mask]:
    lon, lat = _column(table, "lon"), _column(table, "lat")
    by_profile = table.groupby("_order")
    moved = (by_profile["lon"].transform("nunique") > 1) | (
        by_profile["lat"].transform("nunique") > 1
    )
    impossible = ~(np.abs(lat) <= 90.0) | ~((lon >= -180.0) & (lon <= 360.0))
    tenths = _is_in_tenths(lon) & _is_in_tenths(lat)
    return {
        "bad_coordinates": impossible | moved.to_numpy(),
        "coarse_coordinates": tenths | _matches(table, "position_accuracy", _INACCURATE),
        "in_sea": ~impossible & in_sea(lon, lat),
    }


def _is_in_tenths(degrees: NDArray[np.float64]) -> _Mask:
    return np.isclose(degrees, np.round(degrees, 1), rtol=0.0, atol=_ROUNDED)


def years_of(dates: pd.Series[str]) -> NDArray[np.float64]:
    """Years in words that hold one, whatever the order of day and month; NaN for the others."""
    years = dates.str.extract(_YEAR, expand=False)
    return np.asarray(years.to_numpy(dtype=np.float64, na_value=np.nan))


def repeated_profiles(
    order: NDArray[np.int64],
    samples: Mapping[str, NDArray[np.float64]],
    years: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Find samples of profiles that repeat place, depths, values and year of an earlier one.

    Parameters
    ----------
    order : ndarray of int, shape (sample,)
        Profile of each sample, from 0.
    samples : mapping of str to ndarray, shape (sample,)
        `lon`, `lat` (degrees), `upper` (m) and `soc` (gC m-3). Places must agree to four decimals,
        values to three digits, because databases round differently.
    years : ndarray, shape (sample,)
        Of sampling; NaN, which agrees with any, where it is unknown.
    """
    soc = np.abs(samples["soc"])
    scale = 10.0 ** (np.floor(np.log10(np.clip(soc, *_MAGNITUDES))) - _SAME_DIGITS + 1)
    placed = np.isfinite(samples["lon"]) & np.isfinite(samples["lat"])
    east = np.where(placed, samples["lon"], 0.0) % 360.0
    key = pd.DataFrame(
        {
            "lon": np.round(east, _SAME_PLACE) % 360.0,
            "lat": np.round(samples["lat"], _SAME_PLACE),
            "upper": np.round(samples["upper"], 3),
            "soc": np.round(soc / scale) * scale,
        }
    )
    digest = pd.util.hash_pandas_object(key, index=False).to_numpy()
    profiles = pd.DataFrame(
        {
            "same": pd.Series(digest).groupby(order).agg(lambda values: hash(tuple(values))),
            "year": pd.Series(years).groupby(order).first(),
        }
    )
    unknown = profiles["year"].isna()
    earlier_unknown = unknown.groupby(profiles["same"]).cumsum() > unknown
    repeated = profiles.duplicated() | (profiles.duplicated("same") & unknown) | earlier_unknown
    held = pd.Series(np.isfinite(soc) & placed).groupby(order).any()
    return np.asarray((repeated & held).to_numpy()[order])
