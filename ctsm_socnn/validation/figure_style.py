"""What all figures share: readable in print, in grey and for the colour-blind."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from matplotlib.figure import Figure

from ctsm_socnn.netcdf import atomic_output

__all__ = [
    "AMOUNT_COLOURS",
    "DENSITY_COLOURS",
    "DIFFERENCE_COLOURS",
    "LINE_COLOURS",
    "LINE_STYLES",
    "SPREAD_COLOURS",
    "STYLE",
    "save_figure",
]

AMOUNT_COLOURS: Final = "cividis"
DENSITY_COLOURS: Final = "cividis_r"
"""Dark where there is most, so that paper and few points look alike."""
SPREAD_COLOURS: Final = "Greys"
DIFFERENCE_COLOURS: Final = "PuOr_r"
"""Orange where the model has more, purple where it has less; told apart by all eyes."""

# Okabe and Ito's colours, and line styles for print in grey.
LINE_COLOURS: Final = ("#999999", "#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#D55E00", "#0072B2")
LINE_STYLES: Final = (":", "--", "-.", "-", (0, (1, 1)), (0, (5, 1)), (0, (3, 1, 1, 1)))

STYLE: Final[Mapping[str, Any]] = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "hatch.linewidth": 0.4,
}
_DPI: Final = 200


def save_figure(figure: Figure, path: Path, *, overwrite: bool) -> None:
    """Write a figure by atomic rename; the suffix of the path decides the format."""
    with atomic_output(path, overwrite=overwrite) as temporary:
        figure.savefig(temporary, dpi=_DPI)
