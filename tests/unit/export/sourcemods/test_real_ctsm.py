"""The same on CTSM's own source, where a clone of it is at hand: CTSM_REPOSITORY names it."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ctsm_socnn.export.checkout import STOCK_FILES, Checkout
from ctsm_socnn.export.fortran_source import MARK
from ctsm_socnn.export.sourcemods import source_mods
from ctsm_socnn.parameters.ctsm_versions import Place, resolve_version

TAGS = {
    "release-clm5.0.37": ("OLD_CTSM", "THAW_IN_CANOPY"),
    "ctsm5.1.dev001": ("OLD_CTSM",),
    "ctsm5.1.dev176": (),
    "ctsm5.2.029": (),
    "ctsm5.3.085": (),
    "ctsm5.4.053": (),
}
"""Tag -> what the stand-ins must be told, see driver.F90."""


@pytest.fixture(scope="session")
def repository() -> Path:
    name = os.environ.get("CTSM_REPOSITORY")
    if name is None:
        pytest.skip("needs a clone of CTSM with its tags in CTSM_REPOSITORY")
    return Path(name)


@pytest.fixture(scope="session", params=TAGS)
def checkout(
    request: pytest.FixtureRequest, repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> Checkout:
    root = tmp_path_factory.mktemp("real") / request.param
    soil = root / "src" / "soilbiogeochem"
    soil.mkdir(parents=True)
    for name in STOCK_FILES:
        done = subprocess.run(
            ["git", "-C", str(repository), "show", f"{request.param}:src/soilbiogeochem/{name}"],
            capture_output=True, check=True,
        )  # fmt: skip
        (soil / name).write_bytes(done.stdout)
    return Checkout.open(root, request.param)


@pytest.mark.parametrize(
    "tag",
    [
        *TAGS,
        *("ctsm1.0.dev100", "ctsm1.0.dev101", "ctsm5.1.dev042", "ctsm5.1.dev043"),
        *("ctsm5.1.dev073", "ctsm5.1.dev074"),
    ],
)
def test_names_on_the_paramfile_are_those_that_the_source_reads(repository: Path, tag: str) -> None:
    """Above all on both sides of the tags at which names changed."""
    source = subprocess.run(
        ["git", "-C", str(repository), "grep", "-h", "-i", "[sS]tring *= *'", tag, "--", "src"],
        capture_output=True, check=True, text=True,
    ).stdout  # fmt: skip
    read = set(re.findall(r"tString *= *'(\w+)'", source, re.IGNORECASE))
    wanted = {item.name for item in resolve_version(tag).in_place(Place.PARAMFILE)}
    assert wanted - read == set()


def test_patches_apply_by_insertion_only(checkout: Checkout) -> None:
    mods = source_mods(checkout)
    for name in STOCK_FILES:
        before = (checkout.root / "src/soilbiogeochem" / name).read_bytes().splitlines()
        after = mods[name].splitlines()
        assert [line for line in after if not line.endswith(MARK.encode())] == before
        assert len(after) - len(before) >= 5


def test_patched_source_compiles_and_constant_maps_change_no_bit(
    checkout: Checkout,
    build: Callable[..., Any],
    case: Any,
    stock_scalars: dict[str, float],
    tmp_path: Path,
) -> None:
    tag = checkout.version.name
    stock = {n: (checkout.root / "src/soilbiogeochem" / n).read_bytes() for n in STOCK_FILES}
    models = (
        build(tmp_path / "stock", stock, TAGS[tag]),
        build(tmp_path / "patched", source_mods(checkout), TAGS[tag]),
    )
    reference = models[0].run(tmp_path, case)
    constant = {name: np.full(6, value) for name, value in stock_scalars.items()}
    for maps in (None, constant):
        result = models[1].run(tmp_path, case, maps)
        for name, values in reference.items():
            assert values.tobytes() == result[name].tobytes(), name
    assert reference["decomp_k"].max() > 0
    changed = models[1].run(tmp_path, case, {"q10_mr": np.linspace(1.3, 2.8, 6)})
    assert not np.array_equal(changed["decomp_k"], reference["decomp_k"])
