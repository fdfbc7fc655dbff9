"""`python -m ctsm_socnn` is the same as `ctsm-socnn`."""

from ctsm_socnn.cli.main import process

process()
