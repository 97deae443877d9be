"""How does a file land? Whole, in one step, and on a disk its owner's alone.

A local file is written under a hidden name beside its place, made durable, and renamed; no engine
takes a hidden one for data. An object store shows an object when it is complete, and has no rename.
HDFS renames over nothing, so there what stands in the place goes first: between the two nothing
does. Who may read a store or HDFS its own permissions say.
"""

from __future__ import annotations

import contextlib
import errno
import os
import posixpath
import shutil
import uuid
from typing import Any

from .errors import Refused

_CHUNK = 1 << 20

#: What a file system says that has no hard links.
_NO_LINKS = (errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.EMLINK)


def open_store(address: str) -> tuple[Any, str]:
    """The file system of a path or address, and the path in it, without a slash at its end.

    Raises Refused for an address with options, which engines do not read as pyarrow does.
    """
    from pyarrow import fs

    if "://" in address or address.startswith("file:"):
        if "?" in address:
            raise Refused("an address has no options: set them where the engine is set up")
        store, path = fs.FileSystem.from_uri(address)
    else:
        store, path = fs.LocalFileSystem(), os.path.abspath(address)
    return store, path.rstrip("/")


def is_local(store: Any) -> bool:
    """Whether it is a file system of this machine, or one that is mounted on it."""
    return store.type_name == "local"


def for_engines(store: Any, address: str, path: str) -> str:
    """What an engine's own reader is told of a place: a path of this machine would mean the engine's
    default file system to it."""
    return f"file://{path}" if is_local(store) else address


def is_there(store: Any, path: str) -> bool:
    """Whether something is in a place."""
    from pyarrow import fs

    return store.get_file_info(path).type != fs.FileType.NotFound


def make_folder(store: Any, path: str) -> None:
    """Makes a folder, and those round it that are missing. A local one is its owner's alone."""
    if is_local(store):
        os.makedirs(path, mode=0o700, exist_ok=True)
    else:
        store.create_dir(path, recursive=True)


def land(store: Any, path: str, source: Any, *, may_replace: bool = True) -> None:
    """Puts what `source` reads into a place.

    Without `may_replace` it raises FileExistsError where something stands: of two that come at once
    one does, on a file system with hard links; elsewhere the place is looked at just before.
    """
    folder, name = posixpath.split(path)
    beside = posixpath.join(folder, f".{name}.{uuid.uuid4().hex}")
    if is_local(store):
        _land_here(path, beside, source, may_replace)
        return
    if not may_replace and is_there(store, path):
        raise FileExistsError(errno.EEXIST, "something is there already", path)
    has_rename = store.type_name == "hdfs"
    with store.open_output_stream(beside if has_rename else path) as target:
        shutil.copyfileobj(source, target, _CHUNK)
    if has_rename:
        if is_there(store, path):
            store.delete_file(path)
        store.move(beside, path)


def _land_here(path: str, beside: str, source: Any, may_replace: bool) -> None:
    try:
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(handle, "wb") as target:
            shutil.copyfileobj(source, target, _CHUNK)
            target.flush()
            os.fsync(target.fileno())
        if may_replace:
            os.replace(beside, path)
        else:
            _take_free(path, beside)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(beside)
    sync_folder(os.path.dirname(path))


def _take_free(path: str, beside: str) -> None:
    """A rename that replaces nothing."""
    try:
        os.link(beside, path)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, "something is there already", path) from None
        os.replace(beside, path)


def sync_folder(path: str) -> None:
    """Makes the names in a local folder durable."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
