"""Point-in-time join of labels with feature versions, beside Feast

A million labels with ten million versions of four features (Zipf-like users, 5 % late versions, 1 % corrections, seven
days of time to live), from Parquet to Parquet, two threads. Feast's file stores do not survive that size in a few
gigabytes, so they are compared at a fiftieth of it. Every label row must come out.
"""
import pathlib
import tempfile

import bench

GIGABYTE = 1 << 30


def history(folder, labels, versions):
    users = max(100, versions // 100)
    bench.peer("feast", "feature_history.py", labels, versions, users, folder)


def rows_of(file):
    with bench.Project({"millrace.yml": "name: bench\n"}) as project:
        return project.run("sql", f"select count(*) as n from read_parquet('{file}')")[0]["n"]


def ours(folder, memory, repeat=1):
    return bench.measured(bench.MILLRACE.parent / "bench_point_in_time", folder, memory, repeat=repeat)


def run(scale):
    labels, versions = int(1_000_000 * scale), int(10_000_000 * scale)
    with tempfile.TemporaryDirectory(prefix="millrace-bench-") as folder:
        history(folder, labels, versions)
        usage = ours(folder, GIGABYTE, repeat=2)
        if rows_of(f"{folder}/joined.parquet") != labels:
            raise RuntimeError("label rows were lost")
        yield bench.at_most(f"CPU, {labels:,} labels with {versions:,} versions", usage.cpu, 15, "CPU s")
        yield bench.at_most("peak memory", usage.peak / 1e6, 1.5 * GIGABYTE / 1e6, "MB", digits=0)
    with tempfile.TemporaryDirectory(prefix="millrace-bench-") as folder:
        history(folder, 3 * labels, 3 * versions)
        more = ours(folder, GIGABYTE)
        if rows_of(f"{folder}/joined.parquet") != 3 * labels:
            raise RuntimeError("label rows were lost")
        yield bench.at_most("CPU at 3 times the rows", more.cpu / usage.cpu, 11 / 3, "times")
        yield bench.at_most("peak memory at 3 times the rows, spilling", more.peak / 1e6, 2 * GIGABYTE / 1e6, "MB",
                            digits=0)
    with tempfile.TemporaryDirectory(prefix="millrace-bench-") as folder:
        small = int(200_000 * scale)
        history(folder, small // 10, small)
        usage = ours(folder, GIGABYTE, repeat=3)
        for store in ("duckdb", "dask"):
            theirs = bench.peer("feast", "feast_join.py", folder, store)
            yield bench.against(f"CPU, {small // 10:,} with {small:,}, beside Feast on {store}", usage.cpu, theirs.cpu)
            yield bench.megabytes("peak memory of the same", usage, theirs)
            yield bench.against("label rows of the same that came out", rows_of(f"{folder}/joined.parquet"),
                                rows_of(f"{folder}/feast.parquet"), unit="rows", digits=0, more_is_better=True)
