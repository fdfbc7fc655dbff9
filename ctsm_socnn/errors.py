"""The exceptions that users see.

Every message says what was wrong, the value, where it was found (file, variable, site) and what
to do about it. The command line prints the message in one line and exits with status 2.
"""

from __future__ import annotations

__all__ = [
    "AssimilationError",
    "ConfigError",
    "ExportError",
    "FileError",
    "ForcingError",
    "GridError",
    "KernelError",
    "NetworkError",
    "ProfileError",
    "SocnnError",
    "ValidationError",
    "VersionError",
    "WorkerError",
    "require_at_least",
]


class SocnnError(Exception):
    """Base of all errors that ctsm-socnn raises on purpose."""


class ConfigError(SocnnError):
    """A configuration file or a command-line option is wrong."""


class FileError(SocnnError):
    """A file is missing, exists already, is damaged or cannot be written."""


class ForcingError(SocnnError):
    """CLM history files lack something or hold something impossible."""


class ProfileError(SocnnError):
    """Soil profiles or sites hold something impossible."""


class KernelError(SocnnError):
    """The kernel was given something outside its domain."""


class WorkerError(SocnnError):
    """Processes that share the work were lost or cannot be reached."""


class AssimilationError(SocnnError):
    """An assimilation could not be run or its files do not fit together."""


class NetworkError(SocnnError):
    """A network could not be trained or applied."""


class GridError(SocnnError):
    """A grid or a set of regridding weights is wrong."""


class VersionError(SocnnError):
    """A CTSM version is unknown or cannot take what is asked."""


class ExportError(SocnnError):
    """Something cannot be handed to CTSM."""


class ValidationError(SocnnError):
    """A comparison cannot be made."""


def require_at_least(least: int, **counts: int) -> None:
    """Refuse a number that is too small, for example of chains.

    Raises
    ------
    ConfigError
        Naming the first that is below `least`.
    """
    for name, value in counts.items():
        if value < least:
            raise ConfigError(f"{name.replace('_', ' ')} is {value}; it must be at least {least}")
