"""Landing and preparing 10 million clicks, beside pandas, PySpark and DuckDB alone

The deliveries of `deliver_clicks`: 30 days of gzipped JSON lines of clicks, users, items and activity. Landing makes
tables of them, Parquet by the day of the click, and sets broken rows aside; preparation takes each click once and joins
what was known of its user when the item was shown. Millrace runs the project bench/clicks (landing with its cursor and
its rejected rows told apart, Delta commits, the training data also as a table), two threads; pandas goes file by file
and uses merge_asof; PySpark is local[2] with 4 GB; DuckDB alone is the same SQL by hand, two threads, from the Python
package. All four must give the same training data.
"""
import os
import pathlib
import shutil
import tempfile

import bench

EVENTS_OF_A_VISIT = 0.667
DAYS = 30
DATE = "2024-01-31"
CHECK = """select count(*) as n, sum(clicked) as clicked, sum(hour) as hours, count(device) as devices,
    sum(age) as ages, count(engagement) as known, round(sum(engagement), 3) as engagement,
    round(sum(price), 2) as price, count(*) filter (part = 'holdout') as holdout,
    count(*) filter (plan = 'premium') as premium, count(distinct segment) as segments, sum(user_id) as users
    from read_parquet('{}')"""


def deliver(folder, events):
    bench.measured(bench.MILLRACE.parent / "deliver_clicks", "--days", DAYS, "--visits",
                   max(100, round(events / EVENTS_OF_A_VISIT / DAYS)), "--out", f"{folder}/deliveries")


def ours(folder):
    """What it cost, what came out, and how many clicks were read."""
    files = {str(path.relative_to(bench.HERE / "clicks")): path.read_text()
             for path in (bench.HERE / "clicks").rglob("*") if path.is_file()}
    with bench.Project(files) as project:
        (project.root / "deliveries").symlink_to(f"{folder}/deliveries")
        usage = project.measured("run", "clicks", "--logical-date", DATE)
        data = next((project.root / ".millrace/runs").rglob("training_data.parquet"))
        read = project.run("sql", "select (select count(*) from raw.clicks) + "
                                  "(select count(*) from raw.clicks__rejected) as n")[0]["n"]
        return usage, project.run("sql", CHECK.format(data))[0], read


def theirs(name, folder, expected):
    out = pathlib.Path(folder) / name
    script, data = f"clicks_{name}.py", out / "training_data.parquet"
    if name == "pyspark":
        home = bench.DEPS / "pyspark-4.2.1"
        modules = os.pathsep.join(map(str, [home, *home.glob("lib/py4j-*.zip")]))
        usage = bench.measured("/usr/bin/python3", bench.HERE / "peers" / script, f"{folder}/deliveries", out,
                               environment={"PYTHONPATH": modules, "SPARK_HOME": str(home / "deps"),
                                            "SPARK_LOCAL_IP": "127.0.0.1"})
        data = data / "*.parquet"
    else:
        usage = bench.peer(name, script, f"{folder}/deliveries", out)
    with bench.Project({"millrace.yml": "name: bench\n"}) as project:
        got = project.run("sql", CHECK.format(data))[0]
    if got != expected:
        raise RuntimeError(f"{name} made other training data:\n  {got}\nthan Millrace:\n  {expected}")
    shutil.rmtree(out)
    return usage


def run(scale):
    small, large = int(1_000_000 * scale), int(10_000_000 * scale)
    with tempfile.TemporaryDirectory(prefix="millrace-bench-") as folder:
        deliver(folder, large)
        whole, rows, read = ours(folder)
        duckdb = theirs("duckdb", folder, rows)
        yield bench.against(f"CPU, {read:,} clicks, beside DuckDB alone", whole.cpu, duckdb.cpu, 1 / 1.15)
        yield bench.megabytes("peak memory of the same", whole, duckdb)
        pandas = theirs("pandas", folder, rows)
        yield bench.against("CPU of the same, beside pandas", whole.cpu, pandas.cpu, 2)
        yield bench.megabytes("peak memory of the same", whole, pandas, 4)
        spark = theirs("pyspark", folder, rows)
        yield bench.against("CPU of the same, beside PySpark local[2]", whole.cpu, spark.cpu, 6)
        yield bench.megabytes("peak memory of the same", whole, spark)
    with tempfile.TemporaryDirectory(prefix="millrace-bench-") as folder:
        deliver(folder, small)
        tenth, _, read = ours(folder)
        yield bench.at_most(f"CPU at 10 times the {read:,} clicks", whole.cpu / tenth.cpu, 11, "times")
        yield bench.at_most("peak memory at 10 times the clicks", whole.peak / tenth.peak, 2, "times")
