"""`python -m ctsm_socnn` is the same as `ctsm-socnn`."""

import sys

from ctsm_socnn.cli.main import main

sys.exit(main())
