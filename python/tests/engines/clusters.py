"""Engines, each in a process of its own, which holds a session and runs what it is given.

A process can hold one kind of session only: once Spark Connect is imported, `pyspark.sql.functions`
makes columns for Connect. And what a driver prints is a file then, which can be searched.

| engine | what it is |
|---|---|
| `spark` | Spark, `local-cluster[2,1,1024]`: a driver, and two executor processes of a core each |
| `connect` | Spark behind its own Connect server: no RDD, no `sparkContext`, no py4j |
| `sail` | Sail behind Connect: another engine altogether |

`local-cluster` makes its work folder under `SPARK_HOME`, which is the installed package. So Spark
is started from a folder of links to that package, and the work folder comes to lie beside them.
"""

import contextlib
import importlib.util
import multiprocessing
import os
import shutil
import sys
import time
import traceback
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

ENGINES = ("spark", "connect", "sail")

# An executor asks for all of the 1024 MB that its worker has: a byte more, and none ever starts.
MASTER, EXECUTOR_MEMORY = "local-cluster[2,1,1024]", "1024m"

CONFIG = {
    "spark.sql.execution.arrow.maxRecordsPerBatch": "65536",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.shuffle.partitions": "4",
}

# Logs say as much as they can, and are written as they are, so that a search finds what is in them.
CLUSTER_CONFIG = {
    "spark.executor.memory": EXECUTOR_MEMORY,
    "spark.executor.cores": "1",
    "spark.eventLog.enabled": "true",
    "spark.eventLog.compress": "false",
    "spark.eventLog.rolling.enabled": "false",
    "spark.log.level": "INFO",
    "spark.executor.syncLogLevel.enabled": "true",
    "spark.ui.showConsoleProgress": "false",
    "spark.ui.port": "0",
    # Tables here are small, and to plan and compile a stage takes longer than to run it.
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.shuffle.compress": "false",
    "spark.shuffle.spill.compress": "false",
}


class Engine:
    """A session in a process of its own. `folder` holds all that the engine leaves behind."""

    def __init__(self, name, folder, config=None):
        self.name, self.folder = name, Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        spawn = multiprocessing.get_context("spawn")
        given = (name, os.fspath(self.folder), config or {})
        self._process = ProcessPoolExecutor(1, mp_context=spawn, initializer=_start, initargs=given)

    def call(self, work, *given, **named):
        """What `work(session, ...)` gives there; what it raises is a `Failed` here."""
        return self.begin(work, *given, **named).result()

    def begin(self, work, *given, **named):
        """The same, as a future."""
        return self._process.submit(_run, work, given, named)

    def stop(self):
        # A process that could not start has no session to stop.
        with contextlib.suppress(Exception):
            self._process.submit(_stop).result()
        self._process.shutdown()

    def leave_nothing(self):
        """Takes away what the engine wrote, when it is stopped. Executors tidy up meanwhile."""
        deadline = time.monotonic() + 30
        while self.folder.exists() and time.monotonic() < deadline:
            shutil.rmtree(self.folder, ignore_errors=True)
            time.sleep(0.1)
        assert not self.folder.exists()


_held = {}


def _start(name, folder, config):
    folder = Path(folder)
    log = os.open(folder / "driver.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(log, stream.fileno())
    for place in ("events", "local", "warehouse"):
        (folder / place).mkdir(exist_ok=True)
    os.environ |= {
        # Workers unpickle the functions of `tasks` by name.
        "PYTHONPATH": os.fspath(Path(__file__).parent),
        "PYSPARK_PYTHON": sys.executable,
        "SPARK_HOME": os.fspath(linked_home(folder / "home")),
        "SPARK_LOCAL_DIRS": os.fspath(folder / "local"),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_NO_DAEMONIZE": "1",
        "TMPDIR": os.fspath(folder / "local"),
    }
    os.chdir(folder)
    _held["session"] = {"spark": _cluster, "connect": _connect, "sail": _sail}[name](folder, config)


def linked_home(home):
    """A folder of links to the installed Spark, for `SPARK_HOME`."""
    home.mkdir()
    installed = Path(importlib.util.find_spec("pyspark").origin).parent
    for entry in installed.iterdir():
        if entry.name != "work":
            (home / entry.name).symlink_to(entry)
    return home


def _configured(builder, *configs):
    for config in (CONFIG, *configs):
        for key, value in config.items():
            builder = builder.config(key, value)
    return builder.getOrCreate()


def _places(folder):
    return {
        "spark.eventLog.dir": (folder / "events").as_uri(),
        "spark.sql.warehouse.dir": (folder / "warehouse").as_uri(),
    }


def _cluster(folder, config):
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master(MASTER).appName("phonematch")
    return _configured(builder, CLUSTER_CONFIG, _places(folder), config)


def _connect(folder, config):
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.remote("local[2]").appName("phonematch")
    return _configured(builder, _places(folder), config)


def _sail(folder, config):
    from pysail.spark import SparkConnectServer

    os.environ["RUST_LOG"] = "info"
    _held["server"] = server = SparkConnectServer("127.0.0.1", 0)
    server.start(background=True)
    from pyspark.sql import SparkSession

    return _configured(SparkSession.builder.remote(server_address()), config)


def server_address():
    """Where this process's Sail server listens."""
    _, port = _held["server"].listening_address
    return f"sc://127.0.0.1:{port}"


class Failed(Exception):
    """What a call raised there: many of an engine's errors cannot travel between processes."""

    def __init__(self, kind, text):
        super().__init__(kind, text)
        self.kind, self.text = kind, text


def _run(work, given, named):
    try:
        return work(_held["session"], *given, **named)
    except Exception as error:
        traceback.print_exc()
        raise Failed(type(error).__name__, str(error)) from None


def _stop():
    _held.pop("session").stop()
    if server := _held.pop("server", None):
        server.stop()
