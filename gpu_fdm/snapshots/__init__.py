"""Snapshots of simulations, one reader for each format; registry.open_snapshot chooses the reader."""
