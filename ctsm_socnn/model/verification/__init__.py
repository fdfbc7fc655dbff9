"""Comparison of the installed kernel with files of reference values.

One module per form of file. A form says whether a dataset is of its kind, and compares the kernel
with it block by block. A form added to `FORMS` is known to `ctsm-socnn verify`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import xarray as xr

from ctsm_socnn.errors import ValidationError
from ctsm_socnn.model.verification import golden_ctsm_blocks, proda, step_history
from ctsm_socnn.model.verification.block import Block
from ctsm_socnn.schemas import open_file

__all__ = ["FORMS", "Block", "Form", "verify_file"]


@dataclass(frozen=True)
class Form:
    """A form of reference file.

    Attributes
    ----------
    name : str
        As shown to users.
    recognises : callable
        Whether a dataset is of this form, from its variables and attributes.
    compare : callable
        Runs the kernel on the dataset's inputs and yields a block for each kind of result.
    compare_with_paramfile : callable, optional
        The same with the parameter file of the run that made the dataset, for forms that do not
        hold their parameters.
    """

    name: str
    recognises: Callable[[xr.Dataset], bool]
    compare: Callable[[xr.Dataset], Iterator[Block]]
    compare_with_paramfile: Callable[[xr.Dataset, Path], Iterator[Block]] | None = None


FORMS: Final[Sequence[Form]] = (
    Form("steady states of the published model", proda.recognises, proda.compare),
    Form("the real CTSM code", golden_ctsm_blocks.recognises, golden_ctsm_blocks.compare),
    Form(
        "steps of a real ctsm5.4 run",
        step_history.recognises,
        step_history.compare,
        step_history.compare,
    ),
)


def verify_file(path: Path, paramfile: Path | None = None) -> tuple[Form, list[Block]]:
    """Compare the kernel with one file.

    Parameters
    ----------
    path : Path
    paramfile : Path, optional
        CTSM parameter file of the run, for forms that do not hold their parameters.

    Raises
    ------
    FileError
        If the file cannot be read.
    ValidationError
        If it is of no known form.
    """
    dataset = open_file(path)
    for form in FORMS:
        if form.recognises(dataset):
            if paramfile is not None and form.compare_with_paramfile is not None:
                return form, list(form.compare_with_paramfile(dataset, paramfile))
            return form, list(form.compare(dataset))
    known = "; ".join(form.name for form in FORMS)
    raise ValidationError(f"{path} is of no form that can be verified; known forms: {known}")
