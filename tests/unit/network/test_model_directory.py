from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from ctsm_socnn.errors import FileError, NetworkError
from ctsm_socnn.network import (
    Model,
    NetworkSettings,
    default_settings,
    load_model,
    save_model,
    train_two_step,
)
from ctsm_socnn.provenance import checksum

QUICK = NetworkSettings(members=2, epochs=2)


@pytest.fixture
def model(sites: xr.Dataset, posterior: xr.Dataset) -> Model:
    return train_two_step(sites, posterior, QUICK, seed=8)


@pytest.fixture
def saved(model: Model, tmp_path: Path) -> Path:
    save_model(model, tmp_path / "model")
    return tmp_path / "model"


def change_description(saved: Path, **changes: object) -> None:
    """Change entries by hand, which leaves the checksum of the whole as it was."""
    file = saved / "model.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def forge_description(saved: Path, **changes: object) -> None:
    """Change entries and give all checksums anew, so that nothing is left to tell the change."""
    listed = json.loads((saved / "model.json").read_text())["sha256"]
    changes = {"sha256": {name: checksum(saved / name) for name in listed}} | changes
    change_description(saved, **changes)
    description = json.loads((saved / "model.json").read_text())
    del description["description_sha256"]
    text = json.dumps(description, sort_keys=True).encode()
    change_description(saved, description_sha256=hashlib.sha256(text).hexdigest())


def test_a_loaded_model_predicts_the_same_bits(
    model: Model, saved: Path, sites: xr.Dataset
) -> None:
    loaded = load_model(saved)
    np.testing.assert_array_equal(loaded.predict_sites(sites), model.predict_sites(sites))
    assert loaded.settings == model.settings
    assert loaded.seed == 8
    assert loaded.training == model.training
    assert loaded.domain.limit == model.domain.limit
    inputs = model.transform(sites)
    np.testing.assert_array_equal(
        loaded.domain.outside(loaded.domain.distance(inputs)),
        model.domain.outside(model.domain.distance(inputs)),
    )


def test_the_description_tells_inputs_units_and_ids(saved: Path) -> None:
    description = json.loads((saved / "model.json").read_text())
    units = {item["name"]: item["units"] for item in description["inputs"]["numeric"]}
    assert units["cov_warmth"] == "1"
    assert units["cov_noise"] == "not stated"
    assert len(description["training"]["profile_id"]) == 39
    assert {"package_version", "history", "seed", "settings"} <= description.keys()


def test_an_existing_model_is_kept(model: Model, saved: Path) -> None:
    with pytest.raises(FileError, match="exists already"):
        save_model(model, saved)
    save_model(model, saved, overwrite=True)
    assert sorted(p.name for p in saved.parent.iterdir()) == ["model"]


def test_a_directory_that_is_no_model_is_never_replaced(model: Model, tmp_path: Path) -> None:
    notes = tmp_path / "results" / "notes.txt"
    notes.parent.mkdir()
    notes.write_text("years of work")
    with pytest.raises(FileError, match=r"it has no model\.json\), so it is not replaced"):
        save_model(model, notes.parent, overwrite=True)
    assert notes.read_text() == "years of work"


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="is not a directory; a model is one"):
        load_model(tmp_path / "none")
    with pytest.raises(FileError, match=r"holds no model\.json"):
        load_model(tmp_path)


@pytest.mark.parametrize("name", ["member_1.pt", "training_inputs.npy"])
def test_changed_weights_and_inputs_are_noticed(saved: Path, name: str) -> None:
    file = saved / name
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with pytest.raises(NetworkError, match=f"is damaged: {name} is not the file"):
        load_model(saved)


def test_lost_weights_are_noticed(saved: Path) -> None:
    (saved / "member_0.pt").unlink()
    with pytest.raises(NetworkError, match=r"is damaged: member_0\.pt is missing"):
        load_model(saved)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 1}'])
def test_a_broken_description_is_noticed(saved: Path, text: str) -> None:
    (saved / "model.json").write_text(text)
    with pytest.raises(NetworkError, match=r"model\.json cannot be understood"):
        load_model(saved)


def test_another_format_is_refused(saved: Path) -> None:
    change_description(saved, format=99, package_version="9.9")
    with pytest.raises(NetworkError, match=r"format 99 .* version 9\.9; .* Train it again"):
        load_model(saved)


def test_other_parameters_are_refused(saved: Path) -> None:
    change_description(saved, parameters=["diffus", "cryo"])
    with pytest.raises(NetworkError, match="2 parameters"):
        load_model(saved)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"settings": {"epoch": 3}}, "1 validation error for NetworkSettings"),
        ({"inputs": {}}, "'numeric'"),
        ({"seed": None}, r"int\(\) argument must be"),
        ({"members": ["member_0.pt", "member_7.pt"]}, r"member_7\.pt"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_description_that_does_not_fit_is_noticed(
    saved: Path, change: dict[str, object], reason: str
) -> None:
    forge_description(saved, **change)
    with pytest.raises(NetworkError, match=f"is damaged: .*{reason}.* Copy it again"):
        load_model(saved)


def test_weights_that_run_code_are_refused(saved: Path, tmp_path: Path) -> None:
    ran = tmp_path / "ran"

    class Payload:
        def __reduce__(self) -> tuple[object, tuple[Path]]:
            return Path.touch, (ran,)

    torch.save(Payload(), saved / "member_0.pt")
    forge_description(saved)
    with pytest.raises(NetworkError, match="is damaged: Weights only load failed"):
        load_model(saved)
    assert not ran.exists()


def test_inputs_that_run_code_are_refused(saved: Path, tmp_path: Path) -> None:
    ran = tmp_path / "ran"

    class Payload:
        def __reduce__(self) -> tuple[object, tuple[Path]]:
            return Path.touch, (ran,)

    np.save(saved / "training_inputs.npy", np.array([Payload()], dtype=object))
    forge_description(saved)
    with pytest.raises(NetworkError, match="is damaged: Object arrays cannot be loaded"):
        load_model(saved)
    assert not ran.exists()


def test_a_forged_description_that_fits_is_read(saved: Path) -> None:
    forge_description(saved, seed=9)
    assert load_model(saved).seed == 9


def test_two_step_settings_may_speak_of_imagined_sites(
    sites: xr.Dataset, posterior: xr.Dataset, tmp_path: Path
) -> None:
    settings = default_settings("end-to-end").with_changes(members=1, epochs=1)
    model = train_two_step(sites, posterior, settings, seed=0)
    save_model(model, tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    assert loaded.refinement is None
    np.testing.assert_array_equal(loaded.predict_sites(sites), model.predict_sites(sites))


def test_an_edited_description_is_refused(saved: Path) -> None:
    change_description(saved, seed=9)
    with pytest.raises(NetworkError, match=r"model\.json is not what was written"):
        load_model(saved)
