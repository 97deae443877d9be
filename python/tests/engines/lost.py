"""Loses an executor in the middle of a run, and reads from the event log what Spark made of it.

The watcher runs in the driver's process, beside the run, and looks at Spark's own status store:
when rows have come out of a `LeftAnti` join and other tasks of the stage are still to come, an
executor's process is killed. The product is not asked, and does not know.
"""

import json
import os
import signal
import threading
import time
from pathlib import Path

import tasks

CONFIG = {
    # Everything is shuffled, in many parts: a stage lasts long enough to be in the middle of.
    "spark.sql.autoBroadcastJoinThreshold": "-1",
    "spark.sql.adaptive.coalescePartitions.enabled": "false",
    "spark.sql.shuffle.partitions": "40",
    "spark.executor.heartbeatInterval": "500ms",
}


def match_and_lose_one(session, world):
    """A run during which an executor is killed; what it comes to, and who was killed when."""
    killed, over = {}, threading.Event()
    watcher = threading.Thread(target=_watch, args=(session, killed, over))
    watcher.start()
    begun = time.time()
    try:
        answer = tasks.match(session, world)
    finally:
        over.set()
        watcher.join()
    return {"answer": answer, "seconds": time.time() - begun, "killed": killed}


def _watch(session, killed, over):
    context = session.sparkContext
    store = session._jsparkSession.sharedState().statusStore()
    while not over.is_set():
        stage = _stage_half_done(context)
        if stage is not None and _is_anti_joining(store):
            pid = executors(context.applicationId)[0]
            os.kill(pid, signal.SIGKILL)
            killed.update(pid=pid, at_ms=int(time.time() * 1000), stage=stage)
            return
        time.sleep(0.02)


def _stage_half_done(context):
    tracker = context.statusTracker()
    for stage in tracker.getActiveStageIds():
        told = tracker.getStageInfo(stage)
        if told and 4 <= told.numCompletedTasks < told.numTasks - 8 and told.numActiveTasks:
            return stage
    return None


def _is_anti_joining(store):
    """Whether rows have come out of an anti-join of a running query, and not all of them yet."""
    executions = store.executionsList()
    for at in range(executions.size()):
        execution = executions.apply(at)
        if execution.completionTime().isDefined():
            continue
        metrics = store.executionMetrics(execution.executionId())
        nodes = store.planGraph(execution.executionId()).allNodes()
        for place in range(nodes.size()):
            node = nodes.apply(place)
            if "LeftAnti" not in node.desc():
                continue
            of_node = node.metrics()
            for number in range(of_node.size()):
                metric = of_node.apply(number)
                value = metrics.get(metric.accumulatorId())
                rows = metric.name() == "number of output rows"
                if rows and value.isDefined() and value.get() not in ("", "0"):
                    return True
    return False


def executors(application):
    """The processes of an application's executors."""
    found = []
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if application.encode() in words and b"--executor-id" in words:
            found.append(int(process.name))
    return sorted(found)


def events(folder):
    """Spark's events, of every application that has logged into the folder."""
    for log in sorted((folder / "events").iterdir()):
        with log.open(encoding="utf-8") as lines:
            # The last line may be half written.
            yield from (json.loads(line) for line in lines if line.endswith("\n"))


def losses(folder):
    """Spark's own events of executors that it lost."""
    return [event for event in events(folder) if event["Event"] == "SparkListenerExecutorRemoved"]


def tasks_of_anti_joins(folder):
    """When tasks ended in which anti-joins counted rows: milliseconds, by stage."""
    counters, ends = set(), []
    for event in events(folder):
        if plan := event.get("sparkPlanInfo"):
            counters |= set(_counters(plan))
        elif event["Event"] == "SparkListenerTaskEnd":
            told = event["Task Info"]
            ids = {one["ID"] for one in told["Accumulables"]}
            ends.append((event["Stage ID"], told["Finish Time"], ids))
    found = {}
    for stage, at, ids in ends:
        if ids & counters:
            found.setdefault(stage, []).append(at)
    return found


def _counters(plan):
    if "LeftAnti" in plan["simpleString"]:
        yield from (metric["accumulatorId"] for metric in plan["metrics"])
    for child in plan["children"]:
        yield from _counters(child)
