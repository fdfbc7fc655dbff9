"""What was delivered to CTSM, under which name and with which value, and what was not."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from ctsm_socnn.errors import ExportError
from ctsm_socnn.export.translation import NotDelivered
from ctsm_socnn.parameters.ctsm_versions import Place

__all__ = ["Delivery", "Written", "require_all_delivered"]


@dataclass(frozen=True)
class Written:
    """One scalar that was set.

    Attributes
    ----------
    name : str
        CTSM's name.
    place : Place
        Paramfile or namelist.
    before : float or None
        The template's value; None for a namelist item.
    after : float
    units : str
    """

    name: str
    place: Place
    before: float | None
    after: float
    units: str


@dataclass(frozen=True)
class Delivery:
    """Report of one export.

    Attributes
    ----------
    version : str
    written : tuple of Written
    not_delivered : tuple of NotDelivered
    held : tuple of str
        Parameters that this version does not take and that the estimate leaves at CTSM's own value.
    side_effects : tuple of str
        What else in CTSM the changed scalars drive.
    """

    version: str
    written: tuple[Written, ...]
    not_delivered: tuple[NotDelivered, ...]
    held: tuple[str, ...] = ()
    side_effects: tuple[str, ...] = ()

    @property
    def namelist(self) -> dict[str, float]:
        """Items that the user's `user_nl_clm` must carry."""
        return {w.name: w.after for w in self.written if w.place is Place.NAMELIST}

    def table(self) -> str:
        """All of it as text for the terminal and for READMEs."""
        lines = [f"Delivered to CTSM {self.version}:"]
        for entry in self.written:
            before = "" if entry.before is None else f" (was {entry.before:.6g})"
            unit = "" if entry.units == "1" else f" {entry.units}"
            lines.append(f"  {entry.name:<22} {entry.after:.6g}{unit}{before}, {entry.place.value}")
        if self.side_effects:
            lines += ["Beside that:", *(f"  {effect}" for effect in self.side_effects)]
        if self.held:
            lines.append(
                f"At CTSM's own values, which the estimate assumes: {', '.join(self.held)}."
            )
        lines.append("Not delivered:" if self.not_delivered else "Nothing was left out.")
        lines += [
            f"  {entry.parameter:<22} wanted {entry.asked:.6g}, gets {entry.arrives}: {entry.reason}"
            for entry in self.not_delivered
        ]
        return "\n".join(lines)


def require_all_delivered(
    not_delivered: tuple[NotDelivered, ...], version: str, asked: Collection[str]
) -> None:
    """Refuse an export that leaves out something that was asked for.

    Parameters
    ----------
    not_delivered : tuple of NotDelivered
    version : str
    asked : collection of str
        Parameters that must arrive.

    Raises
    ------
    ExportError
        Naming every parameter left out, with its reason.
    """
    lost = [entry for entry in not_delivered if entry.parameter in asked]
    if lost:
        reasons = "; ".join(f"{entry.parameter}: {entry.reason}" for entry in lost)
        raise ExportError(
            f"CTSM {version} cannot take every parameter ({reasons}); "
            "deliver them as maps with SourceMods, or do without --strict"
        )
