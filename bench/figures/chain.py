"""Overhead of a task: a chain of no-op commands

The Dag is a chain of `true`; its wall and CPU time divided by its tasks, less those of a Dag of one task. The disk's
fsync is measured beside it, as SQLite's log is written: appended pages, fdatasync.
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
    tasks = max(10, int(1000 * scale))
    for count, cpu_goal in ((tasks, 5.0), (10 * tasks, None)):
        with bench.Project({"millrace.yml": "name: chain\n", "pipelines/chain.yml": dag("chain", count),
                            "pipelines/one.yml": dag("one", 1)}) as project:
            one, many = cost(project, "one", 3), cost(project, "chain", 2 if cpu_goal else 1)
            fsync = fsync_seconds(project.root)
        wall = (many.wall - one.wall) / (count - 1) * 1e3
        cpu = (many.cpu - one.cpu) / (count - 1) * 1e3
        if cpu_goal:
            first = many.cpu
            yield bench.at_most(f"CPU of a task, chain of {count:,}", cpu, cpu_goal, "ms")
            yield bench.at_most(f"wall of a task, chain of {count:,} (one fsync here: {fsync * 1e3:.2f} ms)", wall,
                                fsync * 1e3 + 2, "ms")
        else:
            yield bench.at_most("CPU of the chain at 10 times the tasks", many.cpu / first, 11, "times")
