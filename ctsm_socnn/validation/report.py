"""One HTML file about one run: inputs, exclusions, results and scores.

Nothing in it is fetched from anywhere: styles and figures are inside the file, so that it can be
mailed, archived beside the results, and printed.
"""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Final

import jinja2
import xarray as xr

from ctsm_socnn.netcdf import atomic_output
from ctsm_socnn.validation.comparison import SAMPLES, scores_of
from ctsm_socnn.validation.figures import draw_depth_profiles, draw_observed_modelled
from ctsm_socnn.validation.groups import depth_groups, grouped_scores
from ctsm_socnn.validation.intervals import LEAST_BLOCKS, bootstrap_intervals, map_blocks
from ctsm_socnn.validation.map_figures import draw_bias_map, draw_parameter_maps

__all__ = [
    "Cell",
    "Picture",
    "Section",
    "Table",
    "counts_table",
    "map_section",
    "render",
    "score_section",
    "write_report",
]

_TEMPLATE: Final = "report.html.j2"
_KILO: Final = 1000.0
_SAMPLE_CAPTIONS: Final = {
    "in": "In sample: fitted to the same profiles",
    "out": "Out of sample: each location predicted from the others",
    "run": "Runs of CTSM",
}
# Score, heading, factor, digits.
_SCORES: Final = (
    ("nse", "NSE", 1.0, 2),
    ("r2", "R²", 1.0, 2),
    ("rmse", "RMSE", 1.0 / _KILO, 1),
    ("bias", "bias", 1.0 / _KILO, 1),
    ("log_nse", "NSE of log10", 1.0, 2),
    ("log_r2", "R² of log10", 1.0, 2),
    ("stock_nse", "NSE of 0-1 m stock", 1.0, 2),
)
_BLOCK_DEGREES: Final = 2.0


@dataclass(frozen=True)
class Cell:
    """One cell of a table: its text, and a note in small print below."""

    text: str
    note: str = ""


@dataclass(frozen=True)
class Table:
    """A table with a caption."""

    caption: str
    headings: Sequence[str]
    rows: Sequence[Sequence[Cell]]

    @property
    def text_columns(self) -> list[bool]:
        """Whether each column holds words and not numbers."""
        return [
            any(row[place].text[:1].isalpha() and row[place].text != "nan" for row in self.rows)
            for place in range(len(self.headings))
        ]


@dataclass(frozen=True)
class Picture:
    """A PNG, as base64, and what it shows; a broad one takes the whole width of the page."""

    caption: str
    data: str
    broad: bool = False

    @classmethod
    def drawn(cls, caption: str, draw: Callable[[Path], None], *, broad: bool = False) -> Picture:
        """Let `draw` write a PNG and take its bytes."""
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "figure.png"
            draw(path)
            return cls(caption, base64.b64encode(path.read_bytes()).decode(), broad)


@dataclass(frozen=True)
class Section:
    """One part of the report, in the order in which its pieces are shown."""

    title: str
    paragraphs: Sequence[str] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    tables: Sequence[Table] = ()
    figures: Sequence[Picture] = ()
    texts: Sequence[str] = ()

    @property
    def anchor(self) -> str:
        """Name of the section within the page."""
        return "-".join(self.title.lower().split())


def counts_table(caption: str, counts: Mapping[str, int], what: str = "reason") -> Table:
    """Put counts by reason, or `what` else, into a table; a row says so where nothing was counted."""
    rows = [[Cell(reason), Cell(str(count))] for reason, count in counts.items()]
    return Table(caption, [what, "count"], rows or [[Cell("none"), Cell("0")]])


def render(title: str, headline: str, sections: Sequence[Section]) -> str:
    """Put sections into one page; everything in them is shown as text, never as markup."""
    source = resources.files("ctsm_socnn.validation").joinpath("templates", _TEMPLATE)
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    template = environment.from_string(source.read_text(encoding="utf-8"))
    return template.render(title=title, headline=headline, sections=sections)


def write_report(
    path: Path,
    title: str,
    headline: str,
    sections: Sequence[Section],
    *,
    overwrite: bool = False,
) -> None:
    """Render and write the page.

    Raises
    ------
    FileError
        If the output exists, or cannot be written.
    """
    page = render(title, headline, sections)
    with atomic_output(path, overwrite=overwrite) as temporary:
        temporary.write_text(page, encoding="utf-8")


def score_section(comparison: xr.Dataset, seed: int, mapped: str) -> Section:
    """Scores with intervals, by depth, and their figures.

    Parameters
    ----------
    comparison : xarray.Dataset
        Result of `compare_methods`, with `lon, lat`.
    seed : int
        Of the resampling behind the intervals.
    mapped : str
        Method whose errors are put on a map.
    """
    block = map_blocks(comparison["lon"].values, comparison["lat"].values, _BLOCK_DEGREES)
    enough = block.max() + 1 >= LEAST_BLOCKS
    intervals = bootstrap_intervals(comparison, block, seed=seed) if enough else None
    methods = [str(name) for name in comparison["method"].values]
    tables = [
        _score_table(comparison, intervals, sample, methods)
        for sample in SAMPLES
        if any(scores_of(comparison, method, sample) for method in methods)
    ]
    paragraphs = [
        "NSE is 1 - SSE/SST, R² the squared correlation. RMSE and bias (modelled - observed) are in "
        "kgC m⁻³. Small print: 95 % intervals from resampling blocks of 2 degrees."
        if enough
        else "NSE is 1 - SSE/SST, R² the squared correlation. RMSE and bias (modelled - observed) are "
        "in kgC m⁻³. The region is too small for intervals from blocks of the map."
    ]
    return Section(
        "Scores",
        paragraphs,
        tables=[*tables, _depth_table(comparison)],
        figures=[
            Picture.drawn(
                "Modelled versus observed soil carbon; colour gives the number of observations.",
                lambda path: draw_observed_modelled(comparison, path),
                broad=len(methods) > 1,
            ),
            Picture.drawn(
                "Median soil carbon by depth, observed and modelled.",
                lambda path: draw_depth_profiles(comparison, path),
            ),
            Picture.drawn(
                f"Where carbon modelled by {mapped} is too high and too low, mean over each profile.",
                lambda path: draw_bias_map(comparison, mapped, path),
            ),
        ],
    )


def map_section(maps: xr.Dataset, facts: Mapping[str, str]) -> Section:
    """Parameter maps."""
    picture = Picture.drawn(
        "Parameters that profiles constrain most; in grey the spread over several networks.",
        lambda path: draw_parameter_maps(maps, path),
        broad=True,
    )
    return Section("Parameter maps", facts=facts, figures=[picture])


def _score_table(
    comparison: xr.Dataset, intervals: xr.Dataset | None, sample: Any, methods: Sequence[str]
) -> Table:
    rows = []
    for method in methods:
        found = scores_of(comparison, method, sample)
        if found:
            cells = [_score_cell(found, intervals, method, sample, column) for column in _SCORES]
            rows.append([Cell(method), *cells])
    headings = ["method", *(heading for _, heading, _, _ in _SCORES)]
    return Table(_SAMPLE_CAPTIONS[sample], headings, rows)


def _score_cell(
    found: Mapping[str, float],
    intervals: xr.Dataset | None,
    method: str,
    sample: str,
    column: tuple[str, str, float, int],
) -> Cell:
    score, _, factor, digits = column
    text = f"{found[score] * factor:.{digits}f}"
    if intervals is None or score not in intervals["score"].values:
        return Cell(text)
    place = {"method": method, "sample": sample, "score": score}
    low, high = (float(intervals[name].loc[place]) * factor for name in ("low", "high"))
    return Cell(text, f"{low:.{digits}f} to {high:.{digits}f}")


def _depth_table(comparison: xr.Dataset) -> Table:
    table = grouped_scores(comparison, depth_groups(comparison["depth"].values))
    shown = table[table["sample"] == table["sample"].iloc[-1]]
    groups = sorted(shown["group"].unique(), key=lambda name: float(name.split("-")[0]))
    rows = []
    for method in shown["method"].unique():
        of_method = shown[shown["method"] == method].set_index("group")
        cells = [
            Cell(f"{of_method.at[group, 'log_nse']:.2f}", f"n {int(of_method.at[group, 'n'])}")
            for group in groups
        ]
        rows.append([Cell(str(method)), *cells])
    return Table("NSE of log10 carbon by depth", ["method", *groups], rows)
