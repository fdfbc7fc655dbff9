"""Units of fields: recognised in CLM's many spellings, never guessed.

A field in another unit is refused and not converted: a history file in degrees Celsius or in
kilograms of carbon was edited by someone, and what else was edited cannot be known.
"""

from __future__ import annotations

import re
from typing import Final

from ctsm_socnn.errors import ForcingError

__all__ = ["canonical_unit", "require_unit"]

_SAME: Final = {
    "": "1",
    "-": "1",
    "unitless": "1",
    "none": "1",
    "proportion": "1",
    "fraction": "1",
    "kelvin": "K",
    "degK": "K",
    "meters": "m",
    "metres": "m",
    "%": "percent",
    "gC m-2 mon-1": "gC m-2 month-1",
    "g C m-3": "gC m-3",
}


def canonical_unit(text: str) -> str:
    """Bring a unit into the form `gC m-2 s-1`.

    Parameters
    ----------
    text : str
        For example `gC/m^2/s`, `gC/m2/s` or `gC m-2 s-1`.
    """
    text = " ".join(text.replace("**", "").replace("^", "").split())
    first, *divisors = text.split("/")
    if divisors and first != "":
        parts = [first.strip(), *(_inverse(part.strip()) for part in divisors)]
        text = " ".join(part for part in parts if part != "1")
    return _SAME.get(text, text)


def require_unit(found: str | None, accepted: tuple[str, ...], where: str) -> str:
    """Return the canonical unit if it is one of those accepted.

    Parameters
    ----------
    found : str or None
        The attribute `units`; None where it is absent.
    accepted : tuple of str
        Canonical units.
    where : str
        File and variable, for the message.

    Raises
    ------
    ForcingError
    """
    wanted = " or ".join(f"'{unit}'" for unit in accepted)
    if found is None:
        raise ForcingError(f"{where} has no attribute `units`; it must be {wanted}")
    unit = canonical_unit(found)
    if unit not in accepted:
        raise ForcingError(
            f"{where} is in '{found}'; it must be in {wanted}; give the history as CLM wrote it, "
            "or convert the values and the attribute `units` together"
        )
    return unit


def _inverse(part: str) -> str:
    match = re.fullmatch(r"([A-Za-z]+)(\d*)", part)
    return f"{match[1]}-{match[2] or '1'}" if match else f"/{part}"
