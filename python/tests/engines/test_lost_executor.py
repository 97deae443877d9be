"""An executor dies in the middle of the opt-out anti-join, and nobody's no is lost."""

import pytest

import answers
import lost
import worlds
from clusters import Engine

pytestmark = pytest.mark.long


@pytest.fixture
def lossy(tmp_path):
    engine = Engine("spark", tmp_path / "engine", lost.CONFIG)
    yield engine
    engine.stop()
    engine.leave_nothing()


def test_an_executor_lost_in_the_anti_join_changes_nothing(lossy, tmp_path, capsys):
    world = worlds.hostile(tmp_path, accounts=20_000, list_rows=40_000, seed=11)
    expected = answers.of_one_machine(world, tmp_path / "one")
    ran = lossy.call(lost.match_and_lose_one, world)
    assert ran["killed"], "the run was over before an executor could be killed"
    answers.must_be_alike(ran["answer"], expected)

    (loss,) = lost.losses(lossy.folder)
    before, after = [], []
    for ends in lost.tasks_of_anti_joins(lossy.folder).values():
        if min(ends) < loss["Timestamp"] < max(ends):
            before += [end for end in ends if end < loss["Timestamp"]]
            after += [end for end in ends if end > loss["Timestamp"]]
    assert before and after, "the loss was not in the middle of an anti-join"
    with capsys.disabled():
        print(f"\n{ran['seconds']:.1f} s; {len(before)} tasks of the anti-join had ended and")
        print(f"{len(after)} had not; Spark's event: {loss}")
