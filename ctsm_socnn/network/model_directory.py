"""A model as a directory: JSON and tensors, nothing that executes code.

model.json            settings, inputs with units and scaling, training record, checksums
member_0.pt ...       weights, read with `weights_only=True`
training_inputs.npy   scaled inputs of the training sites, read without pickles
refinement.npz        teachers as arrays and text, read without pickles; if the model refines
"""

from __future__ import annotations

import hashlib
import json
import pickle
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from ctsm_socnn.directories import atomic_directory
from ctsm_socnn.errors import FileError, NetworkError
from ctsm_socnn.network.error_scale import ErrorScale
from ctsm_socnn.network.extrapolation import TrainingDomain
from ctsm_socnn.network.inputs import InputTransform
from ctsm_socnn.network.model import Model, build_network
from ctsm_socnn.network.refinement import Refinement
from ctsm_socnn.network.settings import NetworkSettings
from ctsm_socnn.network.state_files import save_state
from ctsm_socnn.network.training import ParameterNetwork
from ctsm_socnn.parameters import PARAMETER_NAMES
from ctsm_socnn.provenance import checksum, history_line, package_version

__all__ = ["DESCRIPTION", "load_model", "save_model"]

_FORMAT: Final = 1
DESCRIPTION: Final = "model.json"
"""File that identifies a model directory."""
_POINTS: Final = "training_inputs.npy"
_REFINEMENT: Final = "refinement.npz"
_OWN_CHECKSUM: Final = "description_sha256"


def save_model(model: Model, path: str | Path, *, overwrite: bool = False) -> None:
    """Write a model directory; it appears complete or not at all.

    Raises
    ------
    FileError
        If the directory already exists, is not a model, or cannot be written.
    """
    with atomic_directory(Path(path), overwrite=overwrite, mark=DESCRIPTION) as temporary:
        _write(model, temporary)


def load_model(path: str | Path) -> Model:
    """Read a model directory.

    Raises
    ------
    FileError
        If it is missing.
    NetworkError
        If it is damaged, of another format, or for other parameters.
    """
    path = Path(path)
    description = _read_description(path)
    _require_undamaged(path, description["sha256"])
    try:
        settings = NetworkSettings.model_validate(description["settings"])
        transform = InputTransform.from_json(description["inputs"])
        members = tuple(
            _read_member(path / name, transform, settings) for name in description["members"]
        )
        points = np.load(path / _POINTS, allow_pickle=False)
        return Model(
            method=description["method"],
            settings=settings,
            transform=transform,
            domain=TrainingDomain(points, float(description["domain_limit"])),
            members=members,
            seed=int(description["seed"]),
            training=description["training"],
            intervals={
                name: ErrorScale.from_json(values)
                for name, values in description.get("intervals", {}).items()
            },
            refinement=(
                _read_refinement(path / _REFINEMENT)
                if _REFINEMENT in description["sha256"]
                else None
            ),
        )
    except (
        KeyError,
        TypeError,
        ValueError,
        RuntimeError,
        OSError,
        pickle.UnpicklingError,
    ) as error:
        raise _damaged(path, str(error).splitlines()[0]) from error


def _write(model: Model, directory: Path) -> None:
    names = [f"member_{number}.pt" for number in range(len(model.members))]
    for name, member in zip(names, model.members, strict=True):
        save_state(member.state_dict(), directory / name)
    np.save(directory / _POINTS, model.domain.points, allow_pickle=False)
    files = [*names, _POINTS]
    if model.refinement is not None:
        arrays: dict[str, Any] = model.refinement.arrays()
        np.savez_compressed(directory / _REFINEMENT, **arrays)
        files.append(_REFINEMENT)
    description = {
        "format": _FORMAT,
        "package_version": package_version(),
        "history": history_line(),
        "method": model.method,
        "seed": model.seed,
        "parameters": list(PARAMETER_NAMES),
        "settings": model.settings.model_dump(mode="json"),
        "inputs": model.transform.to_json(),
        "domain_limit": model.domain.limit,
        "training": dict(model.training),
        "intervals": {name: scale.to_json() for name, scale in model.intervals.items()},
        "members": names,
        "sha256": {name: checksum(directory / name) for name in files},
    }
    description[_OWN_CHECKSUM] = _own_checksum(description)
    text = json.dumps(description, indent=1)
    (directory / DESCRIPTION).write_text(text + "\n", encoding="utf-8")


def _read_description(path: Path) -> dict[str, Any]:
    file = path / DESCRIPTION
    if not path.is_dir():
        raise FileError(f"{path} is not a directory; a model is one, made by ctsm-socnn train")
    if not file.is_file():
        raise FileError(f"{path} holds no {DESCRIPTION}, so it is not a model of ctsm-socnn train")
    try:
        description: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        found = description["format"], tuple(description["parameters"])
        intact = description[_OWN_CHECKSUM] == _own_checksum(description)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(path, f"{DESCRIPTION} cannot be understood ({error})") from error
    if found != (_FORMAT, PARAMETER_NAMES):
        raise NetworkError(
            f"{path} has format {found[0]} and {len(found[1])} parameters, written by version "
            f"{description.get('package_version')}; this version reads format {_FORMAT} with the "
            f"registry's {len(PARAMETER_NAMES)}. Train it again"
        )
    if not intact:
        raise _damaged(path, f"{DESCRIPTION} is not what was written (its checksum differs)")
    return description


def _own_checksum(description: dict[str, Any]) -> str:
    """Checksum over all of a description except the checksum itself."""
    rest = {name: value for name, value in description.items() if name != _OWN_CHECKSUM}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def _require_undamaged(path: Path, checksums: dict[str, str]) -> None:
    for name, expected in checksums.items():
        file = path / Path(name).name
        if not file.is_file():
            raise _damaged(path, f"{name} is missing")
        if checksum(file) != expected:
            raise _damaged(path, f"{name} is not the file that was written (its checksum differs)")


def _read_member(
    file: Path, transform: InputTransform, settings: NetworkSettings
) -> ParameterNetwork:
    network = build_network(transform, settings)
    network.load_state_dict(torch.load(file, weights_only=True))
    network.eval()
    return network


def _read_refinement(file: Path) -> Refinement:
    with np.load(file, allow_pickle=False) as stored:
        return Refinement.from_arrays({name: stored[name] for name in stored.files})


def _damaged(path: Path, reason: str) -> NetworkError:
    return NetworkError(f"{path} is damaged: {reason}. Copy it again, or train it again")
