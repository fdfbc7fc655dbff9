"""Which changes make a training start anew, and which let it take up what is there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.network import NetworkSettings, train, training, training_key
from ctsm_socnn.network.inputs import InputTransform

QUICK = NetworkSettings(members=1, epochs=2, inputs={"forcing_summaries": False})

Change = Callable[[xr.Dataset], xr.Dataset]


class Trainings:
    """Trainings in one working directory; each call tells whether any epoch was trained."""

    def __init__(self, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.work = work
        self.epochs = 0
        honest = training._Run.one_epoch

        def counted(run: training._Run) -> None:
            self.epochs += 1
            honest(run)

        monkeypatch.setattr(training._Run, "one_epoch", counted)

    def __call__(self, sites: xr.Dataset, posterior: xr.Dataset | None, seed: int = 0) -> bool:
        before = self.epochs
        method = "end-to-end" if posterior is None else "two-step"
        train(sites, method, QUICK, seed, posterior=posterior, work=self.work)
        return self.epochs > before


@pytest.fixture
def trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trainings:
    return Trainings(tmp_path / "work", monkeypatch)


def times(name: str, factor: float) -> Change:
    return lambda data: data.assign({name: data[name] * factor})


def times_where_used(name: str, factor: float) -> Change:
    """Change a value at the first site alone."""
    return lambda data: data.assign(
        {name: data[name].where(data["profile_id"] != 1000, data[name] * factor)}
    )


def give_layers(sites: xr.Dataset) -> xr.Dataset:
    """Say between which depths each observation lies."""
    depth = sites["soc_depth"]
    return sites.assign(soc_top=depth - 0.04, soc_bottom=depth + 0.04)


def move(name: str) -> Change:
    return lambda sites: sites.assign_coords({name: sites[name] + 0.5})


CHANGES_OF_SITES: dict[str, Change] = {
    "carbon": times_where_used("soc", 1.1),
    "depth": times_where_used("soc_depth", 1.1),
    "layers": give_layers,
    "bedrock": lambda sites: sites.assign(nbedrock=sites["nbedrock"] - 1.0),
    "forcing": times("CWD_INPUT", 2.0),
    "classes": lambda s: s.assign(
        cov_Land_Cover=s["cov_Land_Cover"].values[::-1] * xr.ones_like(s["lon"])
    ),
    "longitude": move("lon"),
    "latitude": move("lat"),
    "names": lambda s: s.assign_coords(profile_id=("site", [f"profile {i}" for i in range(40)])),
}


@pytest.mark.parametrize("change", CHANGES_OF_SITES.values(), ids=CHANGES_OF_SITES.keys())
def test_other_sites_are_trained_on_anew(
    trains: Trainings, sites: xr.Dataset, change: Change
) -> None:
    assert trains(sites, None)
    assert not trains(sites.copy(deep=True), None)
    assert trains(change(sites), None)
    assert not trains(change(sites), None)


@pytest.mark.parametrize("name", ["mean", "sd"])
def test_another_posterior_is_trained_on_anew(
    trains: Trainings, sites: xr.Dataset, posterior: xr.Dataset, name: str
) -> None:
    assert trains(sites, posterior)
    assert not trains(sites, posterior.copy(deep=True))
    assert trains(sites, times_where_used(name, 1.001)(posterior))


def test_a_posterior_that_is_not_used_does_not_count(
    trains: Trainings, sites: xr.Dataset, posterior: xr.Dataset
) -> None:
    assert trains(sites, posterior)
    posterior["mean"].values[7] *= 1.1
    posterior["draws"].values[:] *= 1.1
    assert not trains(sites, posterior)


def test_text_counts_by_its_letters(trains: Trainings, sites: xr.Dataset) -> None:
    def named(first: str) -> xr.Dataset:
        names = np.array([first, *(f"profile {i}" for i in range(1, 40))], dtype=object)
        return sites.assign_coords(profile_id=("site", names))

    assert trains(named("A" * 40), None)
    assert not trains(named("".join(["A"] * 40)), None)
    assert trains(named("B" * 40), None)


def test_the_seed_counts(trains: Trainings, sites: xr.Dataset) -> None:
    assert trains(sites, None, seed=3)
    assert trains(sites, None, seed=4)
    assert not trains(sites, None, seed=3)


def test_the_version_of_the_package_counts(
    trains: Trainings, sites: xr.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert trains(sites, None)
    monkeypatch.setattr(training_key, "package_version", lambda: "99.0")
    assert trains(sites, None)


@pytest.mark.parametrize(
    "changed",
    [
        {"how": "two-step cpu"},
        {"start": np.full(21, 0.4)},
        {"settings": QUICK.with_changes(epochs=3)},
        {"seed": 1},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_each_choice_has_a_key_of_its_own(sites: xr.Dataset, changed: dict[str, Any]) -> None:
    given: dict[str, Any] = {
        "how": "end-to-end cpu",
        "sites": sites,
        "inputs": InputTransform.fit(sites, QUICK.inputs)(sites),
        "settings": QUICK,
        "seed": 0,
        "start": np.full(21, 0.5),
    }
    key = training_key.training_key(**given)
    assert key == training_key.training_key(**given)
    assert key != training_key.training_key(**given | changed)
