"""Soil carbon totals over land, PgC, beside published totals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ctsm_socnn.validation.gridded_carbon import STOCKS, stocks_of_run
from ctsm_socnn.validation.history_fields import LAST_MONTHS

__all__ = [
    "REFERENCES",
    "Reference",
    "Total",
    "format_totals",
    "totals",
    "totals_json",
    "totals_of_run",
]

Array = NDArray[np.float64]

_GRAMS_PER_PG: Final = 1e15
_M2_PER_MILLION_KM2: Final = 1e12


@dataclass(frozen=True)
class Reference:
    """A published total.

    Attributes
    ----------
    region, stock : str
    low, high : float, PgC
        Equal where the source gives one number.
    source : str
    """

    region: str
    stock: str
    low: float
    high: float
    source: str

    @property
    def amount(self) -> str:
        """The total, or its range, as text."""
        return f"{self.low:g}" if self.low == self.high else f"{self.low:g}-{self.high:g}"


REFERENCES: Final = (
    Reference("globe", "0-0.3 m", 684.0, 724.0, "Batjes 1996, Eur. J. Soil Sci. 47, 151-163"),
    Reference("globe", "0-1 m", 1462.0, 1548.0, "Batjes 1996, Eur. J. Soil Sci. 47, 151-163"),
    Reference("globe", "0-2 m", 2376.0, 2456.0, "Batjes 1996, Eur. J. Soil Sci. 47, 151-163"),
    Reference("globe", "0-1 m", 1062.0, 1062.0, "HWSD v1.2, adjusted: Köchy et al. 2015, SOIL 1, 351-365"),
    Reference("globe", "0-2 m", 2270.0, 2270.0, "Jackson et al. 2017, Annu. Rev. Ecol. Evol. Syst. 48, 419-445"),
    Reference("permafrost region", "0-0.3 m", 191.3, 191.3, "NCSCD: Tarnocai et al. 2009, Glob. Biogeochem. Cycles 23, GB2023 (18.8 million km2)"),
    Reference("permafrost region", "0-1 m", 495.8, 495.8, "NCSCD: Tarnocai et al. 2009, Glob. Biogeochem. Cycles 23, GB2023 (18.8 million km2)"),
    Reference("permafrost region", "0-0.3 m", 217.0, 217.0, "Hugelius et al. 2014, Biogeosciences 11, 6573-6593"),
    Reference("permafrost region", "0-1 m", 472.0, 472.0, "Hugelius et al. 2014, Biogeosciences 11, 6573-6593"),
)  # fmt: skip
"""Soil organic carbon; the permafrost region is the northern circumpolar one."""


@dataclass(frozen=True)
class Total:
    """Soil carbon to one depth over all land of a grid.

    Attributes
    ----------
    stock : str
        One of `STOCKS`.
    total : float, PgC
    mean : float, gC m-2
        Over land, weighted by area.
    area : float, m2
    """

    stock: str
    total: float
    mean: float
    area: float


def totals(stocks: Array, land: Array) -> list[Total]:
    """Add up stocks over land.

    Parameters
    ----------
    stocks : ndarray, shape (stock, cell), gC m-2
        In the order of `STOCKS`; cells with NaN count neither as carbon nor as land.
    land : ndarray, shape (cell,), m2
    """
    known = np.isfinite(stocks).all(axis=0) & np.isfinite(land)
    area = float(land[known].sum())
    grams = stocks[:, known] @ land[known]
    return [
        Total(name, float(sum_) / _GRAMS_PER_PG, float(sum_) / area if area else np.nan, area)
        for name, sum_ in zip(STOCKS, grams, strict=True)
    ]


def totals_of_run(name: str, paths: Sequence[Path]) -> list[Total]:
    """Totals of the mean of a run's last two years; `name` is for messages.

    Raises
    ------
    ValidationError, ForcingError, FileError
        As `stocks_of_run`.
    """
    series = stocks_of_run(name, paths, LAST_MONTHS)
    return totals(series.stocks.mean(axis=0), series.grid.take(series.cells.land))


def totals_json(found: Mapping[str, list[Total]]) -> dict[str, Any]:
    """Totals by name, and the published ones."""
    return {
        "totals": {name: [asdict(each) for each in rows] for name, rows in found.items()},
        "units": {"total": "PgC", "mean": "gC m-2", "area": "m2"},
        "references": [asdict(reference) for reference in REFERENCES],
    }


def format_totals(found: Mapping[str, list[Total]]) -> str:
    """Table for the terminal, with the published totals below."""
    width = max(len("of"), *(len(name) for name in found)) + 2
    lines = [f"{'of':<{width}}{'land, 10⁶ km²':>14}" + "".join(f"{name:>18}" for name in STOCKS)]
    for name, rows in found.items():
        cells = "".join(f"{row.total:>9.4g}{row.mean / 1000.0:>9.1f}" for row in rows)
        lines.append(f"{name:<{width}}{rows[0].area / _M2_PER_MILLION_KM2:>14.3f}{cells}")
    lines += ["Each depth: total in PgC, and mean over land in kgC m-2.", "", "Published, PgC:"]
    for each in REFERENCES:
        lines.append(f"  {each.region:<19}{each.stock:<9}{each.amount:<11}{each.source}")
    return "\n".join(lines)
