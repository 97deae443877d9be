"""Reads and keys phone numbers over Arrow, exactly as libphonenumber decides.

    import phonematch, polars as pl

    frame = pl.read_csv("leads.csv", infer_schema=False)
    numbers = pl.DataFrame(phonematch.normalise(frame["phone"], country="DE"))

`normalise` reads a column, `read` one number, `Keyer` makes match keys and tokens under the secret
of a file. Columns are whatever speaks Arrow's PyCapsule interface. Python's lock is free while rows
are read; no thread is started. Nothing here prints a number, and no exception quotes one.
The `phonematch` command, which this package installs too, runs the whole job.
"""

from phonematch._native import (
    METADATA_VERSION,
    Column,
    Keyer,
    Normalised,
    Reading,
    SecretError,
    __version__,
    normalise,
    read,
)

__all__ = [
    "METADATA_VERSION",
    "Column",
    "Keyer",
    "Normalised",
    "Reading",
    "SecretError",
    "__version__",
    "normalise",
    "read",
]
