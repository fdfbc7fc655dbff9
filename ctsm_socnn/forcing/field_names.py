"""Names of CLM's history fields, in every generation.

CLM has renamed its litter pools twice and builds field names in 24 characters, so that longer
ones are cut. Everything else in the package asks for a field by what it is; this table is the only
place that knows how it is spelt.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

__all__ = ["FIELD_NAME_LENGTH", "GENERATIONS", "LITTER_POOLS", "Generation", "PoolFields"]

FIELD_NAME_LENGTH: Final = 24
"""Characters of a history field's name in CLM (`character(len=24)`)."""

LITTER_POOLS: Final = ("CWD", "LITR1", "LITR2", "LITR3")
"""Coarse woody debris; metabolic, cellulose and lignin litter, by their restart names."""


@dataclass(frozen=True)
class PoolFields:
    """History fields of the carbon budget of one litter pool.

    Attributes
    ----------
    carbon : str
        Carbon density, gC m-3.
    losses : tuple of str
        Fluxes out of the pool, gC m-3 s-1: respiration, transfer to the next pool, fire.
    optional_losses : tuple of str
        Losses that only some versions write; absent means zero.
    gains : tuple of str
        Fluxes from coarse woody debris into the pool, gC m-3 s-1: no input from vegetation.
    transport : str or None
        Tendency by vertical transport, gC m-3 s-1; coarse woody debris does not move.
    """

    carbon: str
    losses: tuple[str, ...]
    optional_losses: tuple[str, ...]
    gains: tuple[str, ...]
    transport: str | None

    @property
    def required(self) -> tuple[str, ...]:
        """Fields without which the budget cannot be closed."""
        transport = () if self.transport is None else (self.transport,)
        return (self.carbon, *self.losses, *self.gains, *transport)


@dataclass(frozen=True)
class Generation:
    """How one range of CTSM versions spells its pools.

    Attributes
    ----------
    name : str
        As the user sees it; also the name of the usermods that write the fields.
    versions : str
        Range of tags, for messages.
    litter, soil : tuple of str
        Pool names: metabolic, cellulose, lignin; active, slow, passive.
    carbon : str
        What follows a pool's name where its carbon is meant.
    cwd_respiration : tuple of str
        Respiration of coarse woody debris, where it is counted at all.
    """

    name: str
    versions: str
    litter: tuple[str, str, str]
    soil: tuple[str, str, str]
    carbon: str
    cwd_respiration: tuple[str, ...]

    def pool(self, pool: str) -> PoolFields:
        """Budget fields of a litter pool.

        Parameters
        ----------
        pool : str
            One of `LITTER_POOLS`.
        """
        if pool == "CWD":
            return self._coarse_woody_debris()
        index = LITTER_POOLS.index(pool) - 1
        litter, carbon = self.litter[index], self.carbon
        # Metabolic and cellulose litter feed active, lignin litter feeds slow carbon.
        target = self.soil[1 if pool == "LITR3" else 0]
        gains = () if pool == "LITR1" else (_cut(f"CWD{carbon}_TO_{litter}{carbon}_vr"),)
        return PoolFields(
            carbon=_cut(f"{litter}{carbon}_vr"),
            losses=(
                _cut(f"{litter}_HR_vr"),
                _cut(f"{litter}{carbon}_TO_{target}{carbon}_vr"),
                _cut(f"M_{litter}{carbon}_TO_FIRE_vr"),
            ),
            optional_losses=(),
            gains=gains,
            transport=_cut(f"{litter}{carbon}_TNDNCY_VERT_TRANSPORT"),
        )

    def _coarse_woody_debris(self) -> PoolFields:
        carbon = self.carbon
        transfers = tuple(_cut(f"CWD{carbon}_TO_{name}{carbon}_vr") for name in self.litter[1:])
        return PoolFields(
            carbon=_cut(f"CWD{carbon}_vr"),
            losses=(*transfers, _cut(f"M_CWD{carbon}_TO_FIRE_vr")),
            optional_losses=self.cwd_respiration,
            gains=(),
            transport=None,
        )

    def missing(self, present: Collection[str]) -> list[str]:
        """Budget fields of this generation that are not among `present`, sorted."""
        wanted = {name for pool in LITTER_POOLS for name in self.pool(pool).required}
        return sorted(wanted.difference(present))


_CWD_RESPIRATION: Final = ("CWD_HR_L2_vr", "CWD_HR_L3_vr")

GENERATIONS: Final = (
    Generation(
        name="ctsm5.4",
        versions="ctsm5.1.dev135 and later",
        litter=("LIT_MET", "LIT_CEL", "LIT_LIG"),
        soil=("SOM_ACT", "SOM_SLO", "SOM_PAS"),
        carbon="_C",
        cwd_respiration=_CWD_RESPIRATION,
    ),
    Generation(
        name="ctsm5.1",
        versions="ctsm5.1.dev048 to dev134",
        litter=("MET_LIT", "CEL_LIT", "LIG_LIT"),
        soil=("ACT_SOM", "SLO_SOM", "PAS_SOM"),
        carbon="C",
        cwd_respiration=_CWD_RESPIRATION,
    ),
    Generation(
        name="clm5.0",
        versions="release-clm5.0, release-cesm2.2 and master up to ctsm5.1.dev047",
        litter=("LITR1", "LITR2", "LITR3"),
        soil=("SOIL1", "SOIL2", "SOIL3"),
        carbon="C",
        cwd_respiration=_CWD_RESPIRATION,
    ),
)
"""Newest first."""


def _cut(name: str) -> str:
    return name[:FIELD_NAME_LENGTH]
