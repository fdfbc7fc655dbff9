from __future__ import annotations

import pytest

from ctsm_socnn.errors import VersionError
from ctsm_socnn.parameters import PARAMETER_NAMES
from ctsm_socnn.parameters.ctsm_routes import ROUTES, closed_because, version_table
from ctsm_socnn.parameters.ctsm_versions import (
    KNOWN_VERSIONS,
    Place,
    resolve_version,
)


@pytest.mark.parametrize(
    ("name", "taul1", "taucwd", "efolding"),
    [
        ("release-clm5.0.37", Place.LITERAL, "tau_cwd", Place.NAMELIST),
        ("cesm2.1", Place.LITERAL, "tau_cwd", Place.NAMELIST),
        ("ctsm1.0.dev100", Place.LITERAL, "tau_cwd", Place.NAMELIST),
        ("ctsm1.0.dev101", "tau_l1", "tau_cwd", Place.NAMELIST),
        ("release-cesm2.2.04", "tau_l1", "tau_cwd", Place.NAMELIST),
        ("ctsm5.1.dev042", "tau_l1", "tau_cwd", Place.NAMELIST),
        ("ctsm5.1.dev043", "tau_l1", "tau_cwd_bgc", Place.NAMELIST),
        ("ctsm5.1.dev073", "tau_l1", "tau_cwd_bgc", Place.NAMELIST),
        ("ctsm5.1.dev074", "bgc_tau_l1", "tau_cwd", Place.PARAMFILE),
        ("ctsm5.2.029", "bgc_tau_l1", "tau_cwd", Place.PARAMFILE),
        ("5.4", "bgc_tau_l1", "tau_cwd", Place.PARAMFILE),
    ],
)
def test_names_and_places_change_at_the_right_tags(
    name: str, taul1: str | Place, taucwd: str, efolding: Place
) -> None:
    version = resolve_version(name)
    litter = version.item("tau_l1")
    assert taul1 in (litter.place, litter.name)
    assert version.item("tau_cwd").variable == taucwd
    assert version.item("decomp_depth_efolding").place is efolding


@pytest.mark.parametrize("name", KNOWN_VERSIONS)
def test_scalars_are_called_after_what_ctsm_calls_them(name: str) -> None:
    version = resolve_version(name)
    for item in version.items.values():
        assert item.key in item.variable or not item.variable
    # q10_hr is on the files, too, and no code reads it.
    assert version.item("q10").variable == "q10_mr"
    new = name in ("ctsm5.1.dev074", "ctsm5.1.dev176", "ctsm5.2", "ctsm5.3", "ctsm5.4")
    with_prefix = {item.key for item in version.items.values() if item.variable.startswith("bgc_")}
    shared = {"tau_cwd", "rf_cwdl2", "cwd_flig"}
    scalars = {key for key in version.items if key.startswith(("tau_", "rf_", "cwd_"))}
    assert with_prefix == (scalars - shared if new else set())


@pytest.mark.parametrize(
    ("name", "nested"),
    [("release-clm5.0", False), ("ctsm5.3.015", False), ("ctsm5.3.016", True), ("ctsm5.4", True)],
)
def test_usermods_layout(name: str, nested: bool) -> None:
    version = resolve_version(name)
    assert version.nested_usermods is nested


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("ctsm5.5", "ctsm5.4"),
        ("release-clm5.1", "release-clm5.0"),
        ("ctsm5.4.054", "ctsm5.4.053"),
        ("ctsm5.1.dev177", "ctsm5.1.dev176"),
        ("ctsm5.1", "ctsm5.1.dev074"),
        ("", "the nearest known"),
    ],
)
def test_unknown_version_names_the_nearest_known(name: str, hint: str) -> None:
    with pytest.raises(VersionError, match=hint) as caught:
        resolve_version(name)
    assert repr(name) in str(caught.value)


def test_every_known_name_resolves_and_prints() -> None:
    for name in KNOWN_VERSIONS:
        table = version_table(resolve_version(name))
        for parameter in PARAMETER_NAMES:
            assert f"\n{parameter} " in table


def test_routes_follow_the_registry() -> None:
    assert tuple(route.parameter for route in ROUTES) == PARAMETER_NAMES


def test_number_of_deliverable_parameters() -> None:
    """Counts of the interface notes: 18 from dev101 on (fs2s3 and w_scaling within limits)."""
    open_routes = {
        name: [r.parameter for r in ROUTES if not closed_because(r, resolve_version(name))]
        for name in KNOWN_VERSIONS
    }
    assert open_routes["release-clm5.0"] == [
        "q10", "efolding", "fl1s1", "fl2s1", "fl3s2", "fs2s1", "fs2s3", "fs3s1", "fcwdl2",
        "w_scaling",
    ]  # fmt: skip
    for name in KNOWN_VERSIONS[1:]:
        assert set(PARAMETER_NAMES) - set(open_routes[name]) == {"fs1s2", "fs1s3", "beta"}
