"""Grids, regridding weights, and parameter maps on model grids."""
