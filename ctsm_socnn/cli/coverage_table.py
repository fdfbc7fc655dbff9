"""Coverage of a model's intervals, as lines for the terminal."""

from __future__ import annotations

from collections.abc import Mapping

from ctsm_socnn.network.error_scale import LEVELS

__all__ = ["coverage_table"]


def coverage_table(coverage: Mapping[str, Mapping[str, float]]) -> str:
    """Lay out the share of observations within the intervals, by quantity and level."""
    heads = "".join(f"{f'{level:.0%}':>8}" for level in LEVELS)
    lines = [f"{'observations within':<22}{heads}{'of':>8}"]
    for name, found in coverage.items():
        shares = "".join(f"{found[f'{level:g}']:>8.1%}" for level in LEVELS)
        lines.append(f"{name:<22}{shares}{int(found['n']):>8}")
    return "\n".join(lines)
