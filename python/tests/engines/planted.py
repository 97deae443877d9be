"""Looks for numbers, their hashes and the secret in every byte that a run leaves."""

import base64
import hashlib

CHUNK = 1 << 24


def spellings(numbers, cells, secret):
    """What must be nowhere, by what it is: numbers as digits and as written, hashes, the secret."""
    wanted = {}
    for number in numbers:
        digits = number.lstrip("+")
        wanted[digits.encode()] = "a number"
        for form in (number, digits):
            for spelled in _encoded(hashlib.sha256(form.encode()).digest()):
                wanted[spelled] = "a hash of a number"
    for cell in cells:
        wanted[cell.encode()] = "a cell's text"
    for spelled in _encoded(secret):
        wanted[spelled] = "the secret"
    return wanted


def _encoded(data):
    """The bytes, in hex of both cases, and in base64 wherever in a longer text they begin."""
    yield from (data, data.hex().encode(), data.hex().upper().encode())
    for shift in range(3):
        coded = base64.b64encode(bytes(shift) + data)
        yield coded[4 if shift else 0 : -4]


def cells_of(table):
    """All cells of a table: bytes as they are, also those in lists, and the rest as text."""

    def written(cell):
        if isinstance(cell, list):
            return b"".join(map(written, cell))
        if isinstance(cell, dict):
            return written(list(cell.values()))
        return (cell if isinstance(cell, bytes) else repr(cell).encode()) + b"\n"

    return written(table.to_pylist())


def found_in(folder, wanted):
    """What was found in the files of a folder, and how many bytes were searched."""
    found, searched = [], 0
    longest = max(map(len, wanted))
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not path.is_file():
            continue
        with path.open("rb") as file:
            tail = b""
            while chunk := file.read(CHUNK):
                searched += len(chunk)
                text = tail + chunk
                found += [
                    (str(path.relative_to(folder)), wanted[it]) for it in wanted if it in text
                ]
                tail = text[-longest:]
    return found, searched
