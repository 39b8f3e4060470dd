"""Filaments in a density: where their ridges are, and what is measured around a straight axis.

Lengths are comoving [cMpc/h]. Nothing here reads a snapshot: pipeline/snapshot_filament.py brings both together.
"""
