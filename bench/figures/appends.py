"""1,000 small appends to a Delta table, beside deltalake

Each appends a batch of ten rows and commits it; both write checkpoints as their defaults say. Ours is the lake as the
program uses it (lake_probe asks it line by line); theirs is `write_deltalake(..., mode="append")` of the Python
package, which is Rust inside.
"""
import pathlib
import tempfile

import bench


def run(scale):
    appends = max(20, int(1000 * scale))
    with tempfile.TemporaryDirectory(prefix="millrace-bench-") as folder:
        ours = bench.measured(bench.MILLRACE.parent / "bench_appends", pathlib.Path(folder) / "ours", appends, repeat=1)
        theirs = bench.peer("deltalake", "appends.py", pathlib.Path(folder) / "theirs", appends)
        more = bench.measured(bench.MILLRACE.parent / "bench_appends", pathlib.Path(folder) / "more", 10 * appends)
        yield bench.against(f"CPU, {appends:,} appends", ours.cpu, theirs.cpu, 10)
        yield bench.at_most("CPU at 10 times the appends", more.cpu / ours.cpu, 11, "times")
