"""Published numbers computed again: `make validate` writes docs/validation.md."""
