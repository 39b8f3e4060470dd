"""The stages of a run: each takes a config and what came before, computes, and writes into the result."""
