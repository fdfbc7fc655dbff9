"""A user's CTSM checkout: the place of its soil code, its version, its local changes."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ctsm_socnn.errors import ExportError, FileError, VersionError
from ctsm_socnn.export.fortran_source import FortranSource
from ctsm_socnn.parameters.ctsm_versions import CtsmVersion, resolve_version

__all__ = ["STOCK_FILES", "Checkout"]

STOCK_FILES: Final = (
    "SoilBiogeochemDecompCascadeBGCMod.F90",
    "SoilBiogeochemLittVertTranspMod.F90",
    "SoilBiogeochemVerticalProfileMod.F90",
)

_WITHIN: Final = (".", "components/clm", "components/ctsm")
"""Where CTSM lies in its own checkout and in CESM's."""

_SOIL: Final = Path("src") / "soilbiogeochem"


@dataclass(frozen=True)
class Checkout:
    """CTSM's source tree.

    Attributes
    ----------
    root : Path
        Directory that holds CTSM's `src`.
    version : CtsmVersion
    """

    root: Path
    version: CtsmVersion

    @classmethod
    def open(cls, path: Path, version: str | None = None) -> Checkout:
        """Find CTSM below a path and tell its version by its source.

        Parameters
        ----------
        path : Path
            Checkout of CTSM or of CESM.
        version : str, optional
            Version that the user names; it must read the parameters as this source does.

        Raises
        ------
        FileError
            If there is no CTSM.
        VersionError
            If the named version reads other parameters than this source.
        ExportError
            If git does not read the repository.
        """
        root = _find_root(Path(path).absolute())
        by_source = resolve_version(_signature(root))
        name = version or _tag(root) or by_source.name
        try:
            named = resolve_version(name)
        except VersionError:
            if version is not None:
                raise
            # A tag that is not in our table, with a source that is: the source decides.
            named = by_source
        if dict(named.items) != dict(by_source.items):
            raise VersionError(
                f"{root} reads parameters like CTSM {by_source.generation}, "
                f"not like the {name} that was named"
            )
        return cls(root, named)

    @property
    def stock_files(self) -> list[Path]:
        """Files that SourceMods are made from."""
        return [self.root / _SOIL / name for name in STOCK_FILES]

    def fortran(self, name: str) -> FortranSource:
        """Read one of the stock files.

        Raises
        ------
        FileError
            If it is missing.
        """
        return FortranSource.read(self.root / _SOIL / name, self.version.name)

    def require_unchanged(self) -> None:
        """Refuse a checkout whose stock files differ from its commit.

        Without git this is unknown, and nothing is refused.

        Raises
        ------
        ExportError
        """
        paths = [str(_SOIL / name) for name in STOCK_FILES]
        changed = _git(self.root, "status", "--porcelain", "--", *paths)
        if changed:
            names = ", ".join(Path(line[3:].strip('"')).name for line in changed.splitlines())
            raise ExportError(
                f"{self.root}: {names} has local changes; SourceMods made from it would carry them "
                "into the case. Commit them or use a clean checkout"
            )


def _find_root(path: Path) -> Path:
    for within in _WITHIN:
        if (path / within / _SOIL / STOCK_FILES[0]).is_file():
            return (path / within).resolve()
    raise FileError(f"{path} is not a checkout of CTSM: {_SOIL / STOCK_FILES[0]} is not in it")


def _tag(root: Path) -> str | None:
    """Exact tag of the checkout, or None."""
    return _git(root, "describe", "--tags", "--exact-match") or None


def _signature(root: Path) -> str:
    """Name of a known version that reads the parameters as this source does."""
    cascade = FortranSource.read(root / _SOIL / STOCK_FILES[0], "unknown")
    if cascade.contains(r"'bgc_tau_l1'"):
        return _signature_since_dev074(root, cascade)
    if cascade.contains(r"'tau_cwd_bgc'"):
        return "ctsm5.1.dev048" if cascade.contains(r"'MET_LIT'") else "ctsm5.1.dev043"
    if cascade.contains(r"\btau_l1\s*=\s*1\.\s*/\s*18\.5"):
        return "release-clm5.0"
    return "cesm2.2"


def _signature_since_dev074(root: Path, cascade: FortranSource) -> str:
    if not cascade.contains(r"'LIT_MET'"):
        return "ctsm5.1.dev074"
    if not cascade.contains(r"Ksoil%DM\("):
        return "ctsm5.1.dev176"
    nested = (root / "cime_config" / "usermods_dirs" / "clm").is_dir()
    return "ctsm5.4" if nested else "ctsm5.2"


def _git(root: Path, *words: str) -> str:
    """Output of a git command, empty where git or its repository is absent, or it says no.

    Raises
    ------
    ExportError
        If there is a repository that git does not read, such as one of another owner.
    """
    git = shutil.which("git")
    if git is None:
        return ""
    environment = os.environ | {"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    inside = _run([git, "-C", str(root), "rev-parse"], environment)
    if inside.returncode != 0 and "not a git repository" not in inside.stderr:
        raise ExportError(
            f"{root}: git cannot determine its version and local changes: "
            f"{' '.join(inside.stderr.split())}"
        )
    done = _run([git, "-C", str(root), *words], environment)
    return done.stdout.rstrip() if done.returncode == 0 else ""


def _run(words: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, check=False, env=environment)
