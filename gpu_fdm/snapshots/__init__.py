"""Snapshots of simulations, one reader a format; registry.open_snapshot chooses the reader."""
