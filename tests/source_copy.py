"""A copy of the sources that tests can edit, from which the hash of the numerical code is then taken."""

import shutil
from contextlib import contextmanager

import pytest
from locations import REPOSITORY

from gpu_fdm.io import numerical_code


class SourceCopy:
    """Sources by their paths in gpu_fdm, kernels among them."""

    def __init__(self, folder):
        self.folder = folder
        ignored = shutil.ignore_patterns("__pycache__", "*.nbi", "*.nbc")
        shutil.copytree(REPOSITORY / "gpu_fdm", folder, ignore=ignored)
        shutil.copytree(REPOSITORY / "kernels", folder / "kernels", ignore=ignored, dirs_exist_ok=True)

    def files(self, package):
        """What importlib.resources.files finds."""
        return self.folder.joinpath(*package.split(".")[1:])

    def hash(self):
        """The hash of the numerical code as it is now."""
        return numerical_code.numerical_code_hash.__wrapped__()

    def edit(self, path, old, new):
        """Replace the first `old` in a source, which must be there."""
        source = self.folder / path
        text = source.read_text()
        assert old in text, f"{path}: no {old!r}"
        source.write_text(text.replace(old, new, 1))
        numerical_code.numerical_code_hash.cache_clear()


@contextmanager
def source_copy(folder):
    """A copy from which the hash is taken meanwhile."""
    copy = SourceCopy(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(numerical_code, "files", copy.files)
        numerical_code.numerical_code_hash.cache_clear()
        yield copy
    numerical_code.numerical_code_hash.cache_clear()
