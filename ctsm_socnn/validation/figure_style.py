"""Style of all figures: legible in print, in grey and with colour blindness."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import count
from pathlib import Path
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ctsm_socnn.netcdf import atomic_output

__all__ = [
    "AMOUNT_COLOURS",
    "DENSITY_COLOURS",
    "DIFFERENCE_COLOURS",
    "LINE_COLOURS",
    "SPREAD_COLOURS",
    "STYLE",
    "hide_unused",
    "line_styles",
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
_LINE_STYLES: Final = (":", "--", "-.", "-", (0, (1, 1)), (0, (5, 1)), (0, (3, 1, 1, 1)))
_OWN_PLACE: Final = ("default", "random sampling", "one batch", "network")
"""Methods that look the same in every figure."""

STYLE: Final[Mapping[str, Any]] = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
_DPI: Final = 200


def line_styles(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Colour and line style of each name, as arguments of `Axes.plot`.

    The usual methods look the same in every figure; the others take what is free, and colours come
    again with other lines where there are more names than colours.
    """
    names = list(names)
    places = {name: _OWN_PLACE.index(name) for name in names if name in _OWN_PLACE}
    free = (place for place in count() if place not in places.values())
    others = {name: next(free) for name in names if name not in places}
    return {name: _line({**places, **others}[name]) for name in names}


def _line(place: int) -> dict[str, Any]:
    again, colour = divmod(place, len(LINE_COLOURS))
    style = _LINE_STYLES[(colour + again) % len(_LINE_STYLES)]
    return {"color": LINE_COLOURS[colour], "linestyle": style}


def hide_unused(axes: NDArray[Any], used: int) -> None:
    """Hide the panels behind the first `used`; those above them get the labels of the shared axis."""
    panels: list[Axes] = list(axes.flat)
    for axis in panels[used:]:
        axis.set_visible(False)
    for axis in panels[max(used - axes.shape[1], 0) : used]:
        axis.tick_params(labelbottom=True)


def save_figure(figure: Figure, path: Path, *, overwrite: bool) -> None:
    """Write a figure by atomic rename; the suffix of the path decides the format."""
    with atomic_output(path, overwrite=overwrite) as temporary:
        figure.savefig(temporary, dpi=_DPI)
