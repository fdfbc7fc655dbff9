from __future__ import annotations

import pytest

from ctsm_socnn.forcing.field_names import FIELD_NAME_LENGTH, GENERATIONS, LITTER_POOLS

BY_NAME = {generation.name: generation for generation in GENERATIONS}


@pytest.mark.parametrize("generation", GENERATIONS, ids=lambda generation: generation.name)
def test_no_name_is_longer_than_clm_can_write(generation):
    for pool in LITTER_POOLS:
        assert all(len(name) <= FIELD_NAME_LENGTH for name in generation.pool(pool).required)


@pytest.mark.parametrize(
    ("generation", "pool", "name"),
    [
        ("clm5.0", "LITR1", "LITR1C_TNDNCY_VERT_TRANS"),
        ("clm5.0", "LITR3", "LITR3C_TO_SOIL2C_vr"),
        ("clm5.0", "CWD", "CWDC_TO_LITR2C_vr"),
        ("ctsm5.1", "LITR1", "MET_LITC_TO_ACT_SOMC_vr"),
        ("ctsm5.4", "LITR1", "LIT_MET_C_TNDNCY_VERT_TR"),
        ("ctsm5.4", "LITR2", "LIT_CEL_C_TO_SOM_ACT_C_v"),
        ("ctsm5.4", "LITR3", "LIT_LIG_C_TO_SOM_SLO_C_v"),
        ("ctsm5.4", "CWD", "M_CWD_C_TO_FIRE_vr"),
    ],
)
def test_names_are_those_of_the_model(generation, pool, name):
    assert name in BY_NAME[generation].pool(pool).required


def test_metabolic_litter_gains_nothing_from_woody_debris():
    assert BY_NAME["ctsm5.4"].pool("LITR1").gains == ()
    assert BY_NAME["ctsm5.4"].pool("LITR2").gains == ("CWD_C_TO_LIT_CEL_C_vr",)
