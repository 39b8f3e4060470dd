"""A file for HDF5 to write into that never fails: HDF5 crashes where it cannot write while it closes a file.

The first error is kept, for the caller to raise. What could not be written stays in memory, where HDF5 finds it when it
reads it back.
"""

import io
import os
from pathlib import Path


class UnfailingFile(io.RawIOBase):
    """A file opened for reading and writing, unbuffered, that exists.

    error  the first error of a write, or None
    """

    def __init__(self, path: Path):
        self._file = open(path, "r+b", buffering=0)  # noqa: SIM115 - closed in close
        self._place = 0
        self._unwritten: list[tuple[int, bytes]] = []
        self.error: OSError | None = None

    def write(self, octets: bytes | memoryview) -> int:  # type: ignore[override]
        """Write all, or keep the error and the bytes."""
        view = memoryview(octets).cast("B")
        done = 0
        try:
            while done < len(view) and self.error is None:
                done += os.pwrite(self._file.fileno(), view[done:], self._place + done)
        except OSError as error:
            self.error = error
        if done < len(view):
            self._unwritten.append((self._place + done, bytes(view[done:])))
        self._place += len(view)
        return len(view)

    def readinto(self, octets: memoryview) -> int:  # type: ignore[override]
        """Read what was written; zeros where nothing was."""
        view = memoryview(octets).cast("B")
        first, last = self._place, self._place + len(view)
        found = os.pread(self._file.fileno(), len(view), first)
        view[:] = found + bytes(len(view) - len(found))
        for start, lost in self._unwritten:
            begin, end = max(first, start), min(last, start + len(lost))
            if begin < end:
                view[begin - first : end - first] = lost[begin - start : end - start]
        self._place = last
        return len(view)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a place; the end is that of all that was written."""
        end = max([os.fstat(self._file.fileno()).st_size, *(start + len(lost) for start, lost in self._unwritten)])
        self._place = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: end}[whence]
        return self._place

    def tell(self) -> int:
        """The place."""
        return self._place

    def truncate(self, size: int | None = None) -> int:
        """Set the size, or keep the error."""
        size = self._place if size is None else size
        try:
            if self.error is None:
                self._file.truncate(size)
        except OSError as error:
            self.error = error
        return size

    def close(self) -> None:
        """Close the file; what it says then is an error too."""
        try:
            self._file.close()
        except OSError as error:
            self.error = self.error or error
        super().close()
