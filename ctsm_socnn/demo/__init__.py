"""The twin world: a synthetic region for the whole workflow, with known truth."""

from ctsm_socnn.demo.world import CONFIGURATION, TRUTH, make_twin_world

__all__ = ["CONFIGURATION", "TRUTH", "make_twin_world"]
