"""Overhead of a task: a chain of 1,000 no-op commands

The Dag is a chain of `true`; its wall and CPU time divided by its tasks, less those of a Dag of one task. The disk's
fsync is measured before and after it, the lesser counts, as SQLite's log is written: appended pages, fdatasync. "10
times the work" is 9 times here, since a file of YAML holds 100,000 values; the bound is 9/10 of the goal's 11.
"""
import os
import tempfile
import time

import bench


def dag(name, tasks):
    lines = [f"id: {name}", "tasks:"]
    for i in range(tasks):
        upstream = f", upstream: [t{i - 1}]" if i else ""
        lines.append(f"  - {{id: t{i}, kind: command, command: [\"true\"]{upstream}}}")
    return "\n".join(lines) + "\n"


def fsync_seconds(folder, times=200):
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        took = []
        for _ in range(times):
            file.write(b"x" * 8192)
            file.flush()
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append(time.perf_counter() - began)
        return sorted(took)[times // 2]


def cost(project, name, repeat):
    return min((project.measured("run", name, "--logical-date", f"2026-01-{day + 1:02}") for day in range(repeat)),
               key=lambda usage: usage.cpu)


def run(scale):
    tasks, times = max(10, int(1000 * scale)), 9
    files = {"millrace.yml": "name: chain\n", "pipelines/one.yml": dag("one", 1)}
    with bench.Project({**files, "pipelines/chain.yml": dag("chain", tasks)}) as project:
        fsyncs = [fsync_seconds(project.root)]
        one, chain = cost(project, "one", 3), cost(project, "chain", 2)
        fsyncs.append(fsync_seconds(project.root))
        fsync = min(fsyncs) * 1e3  # disks that others share change from one moment to the next
    wall, cpu = ((many - alone) / (tasks - 1) * 1e3 for many, alone in ((chain.wall, one.wall), (chain.cpu, one.cpu)))
    yield bench.at_most(f"CPU of a task, chain of {tasks:,}", cpu, 5, "ms")
    yield bench.at_most(f"wall of a task, chain of {tasks:,} (one fsync here: {fsync:.2f} ms)", wall, fsync + 2, "ms")
    with bench.Project({**files, "pipelines/chain.yml": dag("chain", times * tasks)}) as project:
        longer = cost(project, "chain", 1)
    yield bench.at_most(f"CPU of the chain at {times} times the tasks", longer.cpu / chain.cpu, 1.1 * times, "times")
