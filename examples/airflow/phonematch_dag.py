"""Every night, as a DAG of Airflow 3.3 or newer.

A retry is for what may go well the next time: exit 74 (reading or writing failed) and 75 (another
run holds the place). Every other failure is for a person, and ends the task at once.
"""

from __future__ import annotations

import subprocess
from datetime import timedelta

import pendulum
from airflow.sdk import dag, get_current_context, task
from airflow.sdk.exceptions import AirflowException, AirflowFailException

HOME = "/var/lib/phonematch"
RETRIED = {74, 75}


@dag(
    schedule="30 2 * * *",
    start_date=pendulum.datetime(2026, 11, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    tags=["phonematch"],
    doc_md=__doc__,
)
def phonematch_nightly():
    @task(
        retries=4,
        retry_delay=timedelta(minutes=15),
        execution_timeout=timedelta(hours=4),
    )
    def match() -> str:
        # The day of the DAG run, and not of the attempt: a retry after midnight is the same night.
        day = get_current_context()["dag_run"].run_after.strftime("%Y-%m-%d")
        command = [
            "phonematch", "match",
            "--job", "/etc/phonematch/nightly.toml",
            "--out", f"{HOME}/runs/{day}", "--if-exists", "skip",
            "--secret-file", "/etc/phonematch/secret.key",
            "--log-format", "json",
        ]
        # The log goes to the task's own; the run folder stands on standard output.
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode in RETRIED:
            raise AirflowException(f"phonematch ended with {done.returncode}: tried again")
        if done.returncode != 0:
            raise AirflowFailException(f"phonematch ended with {done.returncode}: see the log")
        return done.stdout.strip()

    match()


phonematch_nightly()
