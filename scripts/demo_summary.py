"""Prints what the demo's run did: rows, expectations, AUC, model version, endpoint, time of each step.

usage: demo_summary.py PROJECT_FOLDER STATUS_JSON
"""
import datetime
import http.client
import json
import os
import socket
import sys
import urllib.parse


class OverSocket(http.client.HTTPConnection):
    """HTTP to the project's server, over its socket in the project folder."""

    def __init__(self, path):
        super().__init__("project")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        # The address of a Unix socket holds 107 bytes, and a project's folder may be longer.
        folder, name = os.path.split(self.path)
        descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
        try:
            self.sock.connect(f"/proc/self/fd/{descriptor}/{name}")
        finally:
            os.close(descriptor)


def seconds(record):
    if not record.get("started_at") or not record.get("finished_at"):
        return 0.0
    start, end = (datetime.datetime.fromisoformat(record[each]) for each in ("started_at", "finished_at"))
    return (end - start).total_seconds()


def main() -> int:
    folder, status = sys.argv[1], json.loads(sys.argv[2])
    dag = status["dags"][0]
    newest = max(dag["runs"], key=lambda run: run.get("finished_at") or "")
    server = OverSocket(f"{folder}/.millrace/server.sock")
    server.request("GET", f"/api/v1/dags/{dag['dag']}/runs/{urllib.parse.quote(newest['run_id'], safe='')}")
    run = json.load(server.getresponse())
    tasks = {task["task"]: task for task in run["tasks"]}
    results = {name: task.get("result") or {} for name, task in tasks.items()}
    landed = [result for name, result in results.items() if name.startswith("land_")]
    read, late = (sum(result.get(key, 0) for result in landed) for key in ("rows_read", "rows_late"))
    judged = results["evaluate"]
    lines = [
        ("rows read", f"{read:,}"),
        ("rows late", f"{late:,} (delivered on a later UTC day than their event's)"),
        ("expectations", results["validate"].get("summary", "").replace("expectations ", "")),
        ("AUC on the holdout", f"{judged['values']['auc']:.4f}" if "values" in judged else "none"),
        ("model version", f"{judged.get('model', '')} {judged.get('version', '')}, "
                          + ("in Production" if judged.get("promoted") else "not promoted")),
        ("endpoint", f"http://{status['endpoint']}"),
        ("time", f"{seconds(run):.1f} s"),
    ] + [(f"  {name}", f"{seconds(task):.1f} s") for name, task in tasks.items()]
    for name, value in lines:
        print(f"  {name:<20}{value}")
    return 0


sys.exit(main())
