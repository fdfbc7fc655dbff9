"""How well modelled soil carbon meets observed."""

from ctsm_socnn.validation.scores import SCORE_NAMES, scores, stock

__all__ = ["SCORE_NAMES", "scores", "stock"]
