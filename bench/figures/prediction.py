"""A prediction over HTTP, beside MLflow's server

The same XGBoost model (100 trees, twenty features) behind `millrace up` and behind `mlflow models serve`; one row of
JSON a request, by wrk over kept connections: one connection for the latency, eight for the rate. CPU time is the
server's, of all its processes.
"""
import json
import os
import pathlib
import random
import signal
import socket
import subprocess
import tarfile
import tempfile
import urllib.request

import bench
import measure

FEATURES = [f"f{i}" for i in range(20)]
TICKS = os.sysconf("SC_CLK_TCK")


def project_files(endpoint, status):
    columns = "\n".join(f"      - {{name: {name}, type: DOUBLE}}" for name in FEATURES)
    known = "\n".join(f"      - {{name: {name}, known_at: happened_at}}" for name in FEATURES)
    return {
        "millrace.yml": "name: bench\ntargets:\n  dev:\n"
                        f"    endpoint: 127.0.0.1:{endpoint}\n    status: 127.0.0.1:{status}\n",
        "sources/rows.yml": f"""name: rows
format: csv
tables:
  - name: rows
    pattern: rows.csv
    delivered: "2026-01-02"
    columns:
      - {{name: id, type: BIGINT, not_null: true}}
      - {{name: happened_at, type: TIMESTAMP WITH TIME ZONE, not_null: true}}
      - {{name: label, type: INTEGER, not_null: true}}
{columns}
""",
        "models/labels.sql": "select *, case when id % 5 = 0 then 'holdout' else 'training' end as part\n"
                             "from {{ source('rows', 'rows') }}\n",
        "features/rows.yml": f"""training_sets:
  - name: rows
    labels: labels
    key: [id]
    timestamp: happened_at
    label: label
    split: part
    request_columns:
{known}
""",
        "pipelines/rows.yml": """id: rows
tasks:
  - {id: land, kind: land, source: rows}
  - {id: training_data, kind: training_data, upstream: [land], training_set: rows}
  - {id: leak_check, kind: leak_check, upstream: [training_data], sample: 1}
  - {id: train, kind: train, upstream: [training_data], model: rows, rounds: 100, parameters: {max_depth: 6}}
  - {id: evaluate, kind: evaluate, upstream: [training_data, train, leak_check], gate: ["auc > 0.6"]}
""",
        "deliveries/rows.csv": rows_csv(20_000),
    }


def rows_csv(count):
    draw = random.Random(7)
    lines = ["id,happened_at,label," + ",".join(FEATURES)]
    for i in range(count):
        x = [draw.gauss(0, 1) for _ in FEATURES]
        label = int(0.9 * x[0] - 0.7 * x[1] + 0.6 * x[2] * x[3] + draw.gauss(0, 0.7) > 0)
        lines.append(f"{i},2026-01-01T00:00:00Z,{label}," + ",".join(f"{value:.6f}" for value in x))
    return "\n".join(lines) + "\n"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def cpu_of_tree(pid):
    ticks = 0
    for process in [pid, *measure.children(pid)]:
        try:
            fields = pathlib.Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
        except OSError:
            pass
    return ticks / TICKS


SCRIPT = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = [[%s]]
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('{"requests": %%d, "seconds": %%f, "p50": %%f, "p99": %%f, "errors": %%d}\\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    e.status + e.connect + e.read + e.write + e.timeout))
end
"""


def load(pid, port, body, connections, seconds):
    """Requests, milliseconds and CPU milliseconds a request; the best of three by its median."""
    best = None
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(SCRIPT % body)
        script.flush()
        for _ in range(3):
            before = cpu_of_tree(pid)
            done = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", script.name,
                                   f"http://127.0.0.1:{port}/invocations"], capture_output=True, text=True, check=True)
            told = json.loads(done.stdout.strip().splitlines()[-1])
            if told["errors"] or not told["requests"]:
                raise RuntimeError(done.stdout)
            told["cpu"] = (cpu_of_tree(pid) - before) / told["requests"] * 1e3
            told["rate"] = told["requests"] / told["seconds"]
            best = told if best is None or told["p50"] < best["p50"] else best
    return best


def answers(port):
    """Whether the model is loaded: both servers say so at /ping."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


def run(scale):
    seconds = max(1, round(5 * scale))
    endpoint, status = free_port(), free_port()
    row = [0.1 * i for i in range(len(FEATURES))]
    body = json.dumps({"dataframe_split": {"columns": FEATURES, "data": [row]}})
    with bench.Project(project_files(endpoint, status)) as project, tempfile.TemporaryDirectory() as folder:
        project.run("run", "rows", "--logical-date", "2026-01-03")
        server = subprocess.Popen([bench.MILLRACE, "up"], cwd=project.root, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL)
        bench.wait_for(lambda: answers(endpoint))
        own_body = json.dumps({"instances": [dict(zip(FEATURES, row))]})
        one, eight = (load(server.pid, endpoint, own_body, connections, seconds) for connections in (1, 8))
        server.send_signal(signal.SIGTERM)
        server.wait()
        artefact = next((project.root / ".millrace/models").glob("**/model.tar.gz"))
        with tarfile.open(artefact) as tar:
            pathlib.Path(folder, "xgboost-model").write_bytes(tar.extractfile("xgboost-model").read())
        subprocess.run([bench.python("mlflow"), bench.HERE / "peers/mlflow_model.py", f"{folder}/xgboost-model",
                        f"{folder}/mlflow"], check=True, capture_output=True)
        port = free_port()
        theirs = subprocess.Popen([bench.python("mlflow"), "-m", "mlflow", "models", "serve", "-m", f"{folder}/mlflow",
                                   "-p", str(port), "--env-manager", "local"], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL, start_new_session=True,
                                  env={**os.environ, "PATH": f"{bench.python('mlflow').parent}:{os.environ['PATH']}"})
        try:
            bench.wait_for(lambda: answers(port), 120)
            their_one, their_eight = (load(theirs.pid, port, body, connections, seconds) for connections in (1, 8))
        finally:
            os.killpg(theirs.pid, signal.SIGTERM)
            theirs.wait()
    yield bench.at_most("p50, one connection", one["p50"], 0.15, "ms", digits=3)
    yield bench.at_most("p99, one connection", one["p99"], 1, "ms", digits=3)
    yield bench.at_least("requests, eight connections", eight["rate"], 25_000, "a second", digits=0)
    yield bench.at_most("CPU of a request, eight connections", eight["cpu"], 0.05, "ms", digits=4)
    yield bench.against("p50, one connection", one["p50"], their_one["p50"], unit="ms", digits=3)
    yield bench.against("CPU of a request, eight connections", eight["cpu"], their_eight["cpu"], unit="ms", digits=4)
    yield bench.against("requests, eight connections", eight["rate"], their_eight["rate"], unit="a second", digits=0,
                        more_is_better=True)
