"""Every number that was published and can be computed again: `make validate` writes docs/validation.md."""
