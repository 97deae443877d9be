"""What waits for a run of `phonematch.spark`, as far as it goes without an engine."""

import os
import stat
from types import SimpleNamespace

import pytest
from phonematch.spark import Refused, holding, landing


class Frame:
    """A table that knows where it was written, and is kept and given back."""

    schema = "key binary"

    def __init__(self):
        self.write = self
        self.persisted = 0
        self.sparkSession = SimpleNamespace(read=SimpleNamespace(schema=lambda _: self))

    def parquet(self, address):
        os.makedirs(address.removeprefix("file://"), exist_ok=True)
        return self

    def persist(self):
        self.persisted += 1
        return self

    def unpersist(self):
        self.persisted -= 1


def test_what_waits_in_a_folder_is_its_owners_alone_and_goes_with_the_run(tmp_path):
    held = holding.Written(tmp_path / "scratch")
    before = os.umask(0)
    try:
        for _ in range(2):
            held.hold(Frame())
    finally:
        os.umask(before)
    (folder,) = (tmp_path / "scratch").iterdir()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert sorted(path.name for path in folder.iterdir()) == ["1", "2"]
    held.close()
    held.close()
    assert not list((tmp_path / "scratch").iterdir())


def test_nothing_waits_for_a_run_that_is_closed(tmp_path):
    """It would wait for ever."""
    frame, cached = Frame(), holding.Cached()
    cached.hold(frame)
    cached.close()
    assert frame.persisted == 0
    for held in (cached, holding.Written(tmp_path)):
        held.close()
        with pytest.raises(Refused, match="closed"):
            held.hold(frame)
    assert frame.persisted == 0 and not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_deleted_is_told_of_and_nothing_else_is_lost(tmp_path):
    held = holding.Written(tmp_path)
    held.hold(Frame())
    held._store = SimpleNamespace(delete_dir=lambda _: (_ for _ in ()).throw(OSError("busy")))
    with pytest.warns(UserWarning, match="is left"):
        held.close()


def test_an_address_with_options_is_refused():
    """Engines would take them for a part of the path."""
    with pytest.raises(Refused, match="options"):
        landing.open_store("s3://bucket/scratch?region=eu-central-1")
