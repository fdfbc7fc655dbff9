"""What is needed to reproduce a run, in one directory beside its results."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from ctsm_socnn.netcdf_reading import open_netcdf
from ctsm_socnn.provenance import checksum, package_version
from ctsm_socnn.stages import LARGE

__all__ = ["CONFIGURATION_FILE", "VALUES_FILE", "toml_text", "write_reproduction"]

CONFIGURATION_FILE: Final = "configuration.toml"
VALUES_FILE: Final = "values.sha256"
_LIBRARIES: Final = (
    "numpy",
    "scipy",
    "xarray",
    "netCDF4",
    "torch",
    "lightgbm",
    "scikit-learn",
    "arviz-stats",
)

_README: Final = """\
To reproduce the results in {results}, run

  ctsm-socnn build-params {configuration} -o AGAIN

with ctsm-socnn {version}. The values are the same if
  diff {values} AGAIN/reproduce/{values_name}
prints nothing: it compares values, not the bytes of files, which contain time stamps.

configuration.toml  the configuration, including --set and --data; paths are absolute
inputs.sha256       inputs; `sha256sum -c` checks that they are unchanged
inputs_large.txt    inputs too large for checksums: size only
versions.txt        Python, libraries and processor; with others the last digits may differ
values.sha256       checksum of the values of each result
"""


def write_reproduction(
    directory: Path, results: Path, configuration: Mapping[str, Any], inputs: Iterable[Path]
) -> None:
    """Fill a new directory with configuration, versions and checksums.

    Parameters
    ----------
    directory : Path
        Made here; its parent exists.
    results : Path
        Output directory of the run.
    configuration : mapping
        What the user gave, with absolute paths.
    inputs : iterable of Path
        Files from outside the run.
    """
    directory.mkdir()
    sizes = {path: path.stat().st_size for path in sorted(set(_files(inputs)))}
    readme = _README.format(
        results=results.resolve(),
        configuration=shlex.quote(str(directory.resolve() / CONFIGURATION_FILE)),
        values=shlex.quote(str(directory.resolve() / VALUES_FILE)),
        values_name=VALUES_FILE,
        version=package_version(),
    )
    for name, text in {
        CONFIGURATION_FILE: toml_text(configuration),
        "inputs.sha256": "".join(
            f"{checksum(path)}  {path}\n" for path, size in sizes.items() if size <= LARGE
        ),
        "inputs_large.txt": "".join(
            f"{size} bytes  {path}\n" for path, size in sizes.items() if size > LARGE
        ),
        "versions.txt": "\n".join(_versions()) + "\n",
        VALUES_FILE: "\n".join(_values(results)) + "\n",
        "README": readme,
    }.items():
        (directory / name).write_text(text, encoding="utf-8")


def _files(inputs: Iterable[Path]) -> Iterator[Path]:
    """Give each file, and those of directories: a database may be one."""
    for path in inputs:
        if path.is_dir():
            yield from _files(path.iterdir())
        else:
            yield path.resolve()


def toml_text(table: Mapping[str, Any]) -> str:
    """Write nested mappings, lists, text, numbers and truth values as TOML."""
    return "".join(f"{_value(key)} = {_value(value)}\n" for key, value in _plain_first(table))


def _plain_first(table: Mapping[str, Any]) -> Sequence[tuple[str, Any]]:
    return sorted(table.items(), key=lambda item: isinstance(item[1], Mapping | list))


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_value(k)} = {_value(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, float):
        return repr(value)
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")


def _versions() -> Iterator[str]:
    yield f"ctsm-socnn {package_version()}"
    yield f"Python {platform.python_version()}"
    for name in _LIBRARIES:
        yield f"{name} {importlib.metadata.version(name)}"
    yield f"{platform.system()} {platform.machine()}"


def _values(results: Path) -> Iterator[str]:
    """Checksum of the values of each netCDF file, whatever its header says."""
    for path in sorted(results.rglob("*.nc")):
        yield f"{_digest(path)}  {path.relative_to(results)}"


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with open_netcdf(path) as dataset:
        dataset.set_auto_maskandscale(False)
        for name in sorted(dataset.variables):
            variable = dataset[name]
            digest.update(f"{name} {variable.dtype} {variable.shape}".encode())
            values = np.asarray(variable[...])
            text = values.dtype == object
            digest.update("\n".join(values.ravel()).encode() if text else values.tobytes())
    return digest.hexdigest()
