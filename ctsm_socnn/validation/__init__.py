"""Comparison of modelled with observed soil carbon."""

from ctsm_socnn.validation.scores import SCORE_NAMES, scores, stock

__all__ = ["SCORE_NAMES", "scores", "stock"]
