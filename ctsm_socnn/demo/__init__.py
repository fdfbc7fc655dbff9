"""The twin world: a made-up region on which the whole way can be walked and the answer is known."""

from ctsm_socnn.demo.world import CONFIGURATION, TRUTH, make_twin_world

__all__ = ["CONFIGURATION", "TRUTH", "make_twin_world"]
