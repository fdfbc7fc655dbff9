"""Make the outline of land, for maps and to find profiles in the sea, from Natural Earth's land.

    npm pack world-atlas && tar xzf world-atlas-*.tgz
    python tools/make_coastline.py package/land-50m.json ctsm_socnn/observations/coastline.txt

Natural Earth is in the public domain; the npm package world-atlas ships it as TopoJSON. Rings are
thinned to what a map of a region shows.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]

TOLERANCE: Final = 0.05
"""Degrees; how far a point may lie from the line that replaces it."""
HUNDREDTHS: Final = 100.0
HALF_TURN: Final = 180.0


def read_rings(path: Path) -> list[Points]:
    """Rings of all polygons of a TopoJSON file of land, degrees east and north."""
    topology = json.loads(path.read_text(encoding="utf-8"))
    scale, translate = (np.array(topology["transform"][key]) for key in ("scale", "translate"))
    arcs = [np.cumsum(np.array(arc), axis=0) * scale + translate for arc in topology["arcs"]]
    polygons: list[Any] = []
    for geometry in topology["objects"]["land"]["geometries"]:
        polygons += geometry["arcs"] if geometry["type"] == "MultiPolygon" else [geometry["arcs"]]
    return [_join(arcs, numbers) for polygon in polygons for numbers in polygon]


def cut_at_date_line(ring: Points) -> list[Points]:
    """Pieces of a ring that do not jump from 180 degrees east to west, each carried on to 180."""
    jumps = np.flatnonzero(np.abs(np.diff(ring[:, 0])) > HALF_TURN)
    pieces = np.split(ring, jumps + 1)
    for number, jump in enumerate(jumps):
        start, end = ring[jump], ring[jump + 1]
        side = np.copysign(HALF_TURN, start[0])
        latitude = _latitude_at(side, start, end + np.array([2.0 * side, 0.0]))
        pieces[number] = np.vstack([pieces[number], [side, latitude]])
        pieces[number + 1] = np.vstack([[-side, latitude], pieces[number + 1]])
    return [piece for piece in map(_without_repeats, pieces) if len(piece) > 1]


def _latitude_at(lon: float, start: Points, end: Points) -> float:
    share = 0.0 if end[0] == start[0] else (lon - start[0]) / (end[0] - start[0])
    return float(start[1] + share * (end[1] - start[1]))


def _without_repeats(line: Points) -> Points:
    moves = np.any(np.diff(line, axis=0) != 0.0, axis=1)
    return line[np.concatenate([[True], moves])]


def thin(line: Points) -> Points:
    """Douglas and Peucker's line, cut where it is farthest from its start, as rings end there."""
    far = int(np.hypot(*(line - line[0]).T).argmax())
    return np.concatenate([_thin_line(line[: far + 1]), _thin_line(line[far:])[1:]])


def _join(arcs: list[Points], numbers: list[int]) -> Points:
    """Arcs end to end; a negative number stands for its complement, reversed."""
    parts = [arcs[n] if n >= 0 else arcs[~n][::-1] for n in numbers]
    return np.concatenate([parts[0], *(part[1:] for part in parts[1:])])


def _thin_line(line: Points) -> Points:
    kept = np.zeros(len(line), dtype=bool)
    kept[[0, -1]] = True
    open_parts = [(0, len(line) - 1)]
    while open_parts:
        first, last = open_parts.pop()
        if last <= first + 1:
            continue
        distance = _distance(line[first + 1 : last], line[first], line[last])
        if distance.max() > TOLERANCE:
            middle = first + 1 + int(distance.argmax())
            kept[middle] = True
            open_parts += [(first, middle), (middle, last)]
    return line[kept]


def _distance(points: Points, start: Points, end: Points) -> Points:
    along, away = end - start, points - start
    length = float(np.hypot(*along))
    if length == 0.0:
        return np.asarray(np.hypot(away[:, 0], away[:, 1]))
    return np.asarray(np.abs(along[0] * away[:, 1] - along[1] * away[:, 0]) / length)


def main(source: Path, target: Path) -> None:
    """Write one line of coast a line: `lon,lat` in hundredths of a degree, the longest first."""
    pieces = [piece for ring in read_rings(source) for piece in cut_at_date_line(ring)]
    thinned = sorted((np.round(thin(piece) * HUNDREDTHS).astype(int) for piece in pieces), key=len)
    lines = [" ".join(f"{lon},{lat}" for lon, lat in piece) for piece in reversed(thinned)]
    target.write_text("\n".join(lines) + "\n", encoding="ascii")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
