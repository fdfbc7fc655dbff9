"""Make sure that what the build needs from the system is there: compilers, Python headers, venv.

Where something is missing and this runs as root on a Debian-like system, it is installed through
apt; elsewhere one line says what to install. Needs nothing but the standard library.

    python3 tools/require_compiler.py
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

FORTRAN_COMPILERS = ("gfortran", "flang-new", "flang", "ifx", "ifort", "nvfortran")
C_COMPILERS = ("cc", "gcc", "clang", "icx", "nvc")

# need -> (Debian packages, conda-forge packages)
PACKAGES = {
    "a Fortran compiler": (["gfortran"], ["gfortran"]),
    "a C compiler": (["gcc", "libc6-dev"], ["gcc"]),
    "the headers of Python": (["python3-dev"], ["python"]),
    "Python's ensurepip, for virtual environments": (["python3-venv"], ["python"]),
}


def find_compiler(variable: str, candidates: tuple[str, ...]) -> str | None:
    """Path of the compiler that the environment variable names, or of the first one on PATH."""
    chosen = os.environ.get(variable, "").split()
    names = chosen[:1] or candidates
    return next((path for path in map(shutil.which, names) if path), None)


def has_python_headers() -> bool:
    """Tell whether this Python can build extension modules."""
    return (Path(sysconfig.get_path("include")) / "Python.h").is_file()


def missing_needs() -> list[str]:
    """Keys of PACKAGES that this machine lacks."""
    present = {
        "a Fortran compiler": find_compiler("FC", FORTRAN_COMPILERS) is not None,
        "a C compiler": find_compiler("CC", C_COMPILERS) is not None,
        "the headers of Python": has_python_headers(),
        "Python's ensurepip, for virtual environments": (
            importlib.util.find_spec("ensurepip") is not None
        ),
    }
    return [need for need, found in present.items() if not found]


def can_use_apt() -> bool:
    """Tell whether packages can be installed here without asking anybody."""
    return shutil.which("apt-get") is not None and os.geteuid() == 0


def install_with_apt(packages: list[str]) -> bool:
    """Install Debian packages; True if apt says that it worked."""
    print(f"Installing {' '.join(packages)} with apt-get ...", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-qq", "-y", "--no-install-recommends", *packages]
    for command in (["apt-get", "update", "-qq"], install):
        if subprocess.run(command, env=environment, stdout=subprocess.DEVNULL).returncode != 0:
            print(f"`{' '.join(command)}` failed", file=sys.stderr)
            return False
    return True


def advice(needs: list[str]) -> str:
    """One line that says what is missing and how to get it."""
    debian = " ".join(name for need in needs for name in PACKAGES[need][0])
    conda = " ".join(dict.fromkeys(name for need in needs for name in PACKAGES[need][1]))
    return (
        f"The build needs {' and '.join(needs)}: `sudo apt-get install {debian}`, "
        f"`conda install -c conda-forge {conda}`, or your site's module "
        "(FC and CC name compilers that are not on PATH under a usual name)."
    )


def main() -> int:
    """Return 0 if nothing is missing, or nothing any more."""
    needs = missing_needs()
    if needs and can_use_apt():
        install_with_apt([name for need in needs for name in PACKAGES[need][0]])
        needs = missing_needs()
    if needs:
        print(advice(needs), file=sys.stderr)
        return 1
    print(f"Fortran compiler: {find_compiler('FC', FORTRAN_COMPILERS)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
