#!/usr/bin/env bash
# Holds each scheduler's file against that scheduler's own tool.
#   examples/check.sh            systemd-analyze, the crontab line, Kubernetes' schema
#   examples/check.sh --airflow  Airflow's parser too: half a gigabyte and some minutes
# Python packages go into a folder of their own (.venv/examples), which is kept.
set -euo pipefail
cd "$(dirname "$0")"
venv=../.venv/examples

packages() {
  [ -x "$venv/bin/python" ] || python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check "$@"
}

if command -v systemd-analyze >/dev/null; then
  systemd-analyze verify --man=no systemd/phonematch.service systemd/phonematch.timer
  systemd-analyze calendar --iterations=2 \
    "$(sed -n 's/^OnCalendar=//p' systemd/phonematch.timer)" >/dev/null
  echo "systemd: verified"
else
  echo "systemd: no systemd-analyze here, skipped"
fi

# cron has no checker: five fields, a user, and no % that is not escaped.
grep -vE '^(#|[A-Z_]+=|$)' cron/phonematch | while IFS= read -r line; do
  grep -qE '^([0-9*,/-]+ ){5}[a-z_][a-z0-9_-]* [^%]*(\\%[^%]*)*$' <<<"$line" || {
    echo "cron: not a line of /etc/cron.d: $line"; exit 1; }
done
echo "cron: sound"

packages kubernetes-validate pyyaml
"$venv/bin/kubernetes-validate" --strict kubernetes/cronjob.yaml

if [ "${1:-}" = --airflow ]; then
  packages 'apache-airflow>=3.3,<4'
  home=$(mktemp -d)
  trap 'rm -rf "$home"' EXIT
  AIRFLOW_HOME=$home AIRFLOW__CORE__LOAD_EXAMPLES=False AIRFLOW__CORE__DAGS_FOLDER=$PWD/airflow \
    "$venv/bin/python" - <<'PYTHON'
import importlib.util, sys
spec = importlib.util.spec_from_file_location("phonematch_dag", "airflow/phonematch_dag.py")
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
from airflow.sdk import DAG
module.dag_object = module.phonematch_nightly()
found = module.dag_object
assert isinstance(found, DAG), type(found)
task = found.get_task("match")
assert task.retries == 4 and found.max_active_runs == 1 and not found.catchup
print(f"airflow: {found.dag_id} with {len(found.tasks)} task")
PYTHON
fi
