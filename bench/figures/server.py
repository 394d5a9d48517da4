"""A server that is idle: how soon it is ready, how much memory it holds

`millrace up` of the weekly example, nothing due, until its API answers a request for the status and its endpoint can
be connected to. Best of ten. Memory is what the process and its helpers hold three seconds later.
"""
import http.client
import shutil
import signal
import socket
import subprocess
import time

import bench
import measure


def ports(project):
    with socket.socket() as a, socket.socket() as b:
        a.bind(("127.0.0.1", 0))
        b.bind(("127.0.0.1", 0))
        return a.getsockname()[1], b.getsockname()[1]


def run(scale):
    example = bench.HERE.parent / "examples/weekly_retraining"
    ready, memory = [], []
    for _ in range(10 if scale == 1 else 2):
        with bench.Project({}) as project:
            for name in ("millrace.yml", "pipelines", "sources", "models", "features", "expectations"):
                source = example / name
                (shutil.copytree if source.is_dir() else shutil.copy)(source, project.root / name)
            endpoint, api = ports(project)
            settings = project.root / "millrace.yml"
            settings.write_text(settings.read_text().replace(
                "127.0.0.1:8080", f"127.0.0.1:{endpoint}\n    status: 127.0.0.1:{api}"))
            began = time.perf_counter()
            server = subprocess.Popen([bench.MILLRACE, "up"], cwd=project.root, stdout=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL)
            bench.wait_for(lambda: tells_its_status(api))
            bench.wait_for(lambda: listens(endpoint))
            ready.append(time.perf_counter() - began)
            time.sleep(3 if len(memory) == 0 else 0)
            memory.append(measure.resident(server.pid) + measure.tree_memory(server.pid))
            server.send_signal(signal.SIGTERM)
            server.wait()
    yield bench.at_most("ready after", min(ready), 0.3, "s", digits=3)
    yield bench.at_most("resident memory, idle", memory[0] / 1e6, 100, "MB", digits=0)


def tells_its_status(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", "/api/v1/status")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
