"""Training, beside libxgboost alone and the Python package

A million rows of twenty features, 100 rounds of depth 6, two threads. Millrace trains from a Parquet file through its
trainer (reading, checking every value, the artefact, golden rows, the log loss of every round); libxgboost alone gets
the same floats ready in memory, and is asked for the log loss of every round too, or for nothing; the Python package
reads the Parquet by pandas.
"""
import pathlib
import tempfile

import bench

ROUNDS = 100


def run(scale):
    rows = max(10_000, int(1_000_000 * scale))
    with tempfile.TemporaryDirectory(prefix="millrace-bench-") as folder:
        files = pathlib.Path(folder)
        bench.peer("xgboost", "training_rows.py", rows, files / "rows")
        program = bench.MILLRACE.parent / "bench_training"
        ours = bench.measured(program, "millrace", files / "rows.parquet", ROUNDS, repeat=3)
        evaluated = bench.measured(program, "bare-evaluated", files / "rows.f32", ROUNDS, repeat=3)
        bare = bench.measured(program, "bare", files / "rows.f32", ROUNDS, repeat=3)
        python = bench.peer("xgboost", "train.py", files / "rows.parquet", ROUNDS)
        yield bench.against(f"CPU, {rows:,} rows, beside libxgboost alone", ours.cpu, evaluated.cpu, 1 / 1.05)
        yield bench.against("CPU, beside libxgboost that tells no metric", ours.cpu, bare.cpu)
        yield bench.megabytes("peak memory, beside the Python package", ours, python, 2)
        yield bench.against("CPU, beside the Python package", ours.cpu, python.cpu)
        bench.peer("xgboost", "training_rows.py", 10 * rows, files / "more")
        more = bench.measured(program, "millrace", files / "more.parquet", ROUNDS)
        yield bench.at_most("CPU at 10 times the rows", more.cpu / ours.cpu, 11, "times")
