"""Whether a netCDF file in one of the classic formats is complete.

CLM writes these formats, and the netCDF library reads zeros past the end of a file that was cut
short: only the sizes in its header can tell. The grammar is that of the NetCDF classic format
specification (CDF-1, CDF-2, CDF-5).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

__all__ = ["missing_bytes"]

_LONG_COUNTS: Final = 5
"""The format whose counts have eight bytes."""
_SHORT_OFFSETS: Final = 1
"""The format whose offsets have four."""
_STREAMING: Final = (2**32 - 1, 2**64 - 1)
"""Numbers of records of a file whose writer had not counted them yet."""
_BYTES: Final = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 8, 7: 1, 8: 2, 9: 4, 10: 8, 11: 8}
"""Type of values -> size of one."""
_ALIGNMENT: Final = 4


@dataclass(frozen=True)
class _Variable:
    """Where a variable begins, and the bytes of it, or of one record of it."""

    begin: int
    size: int
    in_records: bool


class _Header:
    """Reads a header from its start."""

    def __init__(self, stream: BinaryIO, version: int) -> None:
        self._stream = stream
        self._wide_counts = version == _LONG_COUNTS
        self._wide_offsets = version != _SHORT_OFFSETS

    def number(self, *, wide: bool = False) -> int:
        """Read an unsigned number of four or eight bytes."""
        size = 8 if wide else 4
        data = self._stream.read(size)
        if len(data) < size:
            raise EOFError
        return int(struct.unpack(">Q" if wide else ">I", data)[0])

    def count(self) -> int:
        return self.number(wide=self._wide_counts)

    def skip(self, size: int) -> None:
        self._stream.seek(_padded(size), 1)

    def list_length(self) -> int:
        """Read how many elements a list has, past its tag or the zero of an absent list."""
        self.number()
        return self.count()

    def skip_attributes(self) -> None:
        for _ in range(self.list_length()):
            self.skip(self.count())
            size = _BYTES[self.number()]
            self.skip(size * self.count())

    def dimensions(self) -> list[int]:
        """Lengths of the dimensions; zero for that of the records."""
        lengths = []
        for _ in range(self.list_length()):
            self.skip(self.count())
            lengths.append(self.count())
        return lengths

    def variable(self, lengths: list[int]) -> _Variable:
        self.skip(self.count())
        shape = [lengths[self.count()] for _ in range(self.count())]
        self.skip_attributes()
        size = _BYTES[self.number()]
        self.count()  # the size as stored, which overflows for large variables
        begin = self.number(wide=self._wide_offsets)
        in_records = bool(shape) and shape[0] == 0
        for length in shape[1:] if in_records else shape:
            size *= length
        return _Variable(begin, size, in_records)


def missing_bytes(path: Path) -> int:
    """Bytes that the header of a classic file promises and the file lacks.

    Parameters
    ----------
    path : Path
        Any file; those that are not of a classic format lack nothing.
    """
    with path.open("rb") as stream:
        magic = stream.read(4)
        if magic[:3] != b"CDF" or magic[3:] not in (b"\x01", b"\x02", b"\x05"):
            return 0
        try:
            end = _end_of_data(_Header(stream, magic[3]))
        except (EOFError, KeyError, IndexError):
            return 1
    return max(0, end - path.stat().st_size)


def _end_of_data(header: _Header) -> int:
    records = header.count()
    lengths = header.dimensions()
    header.skip_attributes()
    variables = [header.variable(lengths) for _ in range(header.list_length())]
    in_records = [variable for variable in variables if variable.in_records]
    # The values of a single variable in records follow each other without padding.
    step = sum(_padded(variable.size) for variable in in_records)
    if len(in_records) == 1:
        step = in_records[0].size
    ends = [v.begin + v.size for v in variables if not v.in_records]
    if records not in _STREAMING and records > 0:
        ends += [v.begin + (records - 1) * step + v.size for v in in_records]
    return max(ends, default=0)


def _padded(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT
