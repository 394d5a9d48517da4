"""Ten expectations on 10 million rows, beside Great Expectations

Both read the same Parquet of one table (an id, a price, a quantity, a category, an e-mail address, a moment) and give
the same ten verdicts, of which uniqueness and a regular expression are the dear ones. Millrace asks the table in the
lake by `millrace validate`; Great Expectations 1.x has it as a pandas frame, and its reading is part of the cost, since
it can do nothing before.
"""
import json
import pathlib
import tempfile

import bench

SUITE = [
    {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 1}},
    {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "id"}},
    {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "id"}},
    {"type": "expect_column_values_to_be_between", "kwargs": {"column": "price", "min_value": 0, "max_value": 1000}},
    {"type": "expect_column_values_to_be_between", "kwargs": {"column": "quantity", "min_value": 1, "max_value": 10}},
    {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "category", "value_set": list("abcdefgh")}},
    {"type": "expect_column_values_to_match_regex",
     "kwargs": {"column": "email", "regex": "^[a-z0-9.]+@[a-z]+\\.com$"}},
    {"type": "expect_column_value_lengths_to_be_between",
     "kwargs": {"column": "email", "min_value": 5, "max_value": 40}},
    {"type": "expect_column_mean_to_be_between", "kwargs": {"column": "price", "min_value": 490, "max_value": 510}},
    {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "price", "mostly": 0.9}},
]


def table(folder, rows):
    """The rows as Parquet, by Millrace's own SQL."""
    path = pathlib.Path(folder) / "rows.parquet"
    sql = f"""select i as id, case when i % 50 = 0 then null else (hash(i) % 100000) / 100.0 end as price,
        (1 + hash(i + 1) % 10)::integer as quantity, chr((97 + hash(i + 2) % 8)::integer) as category,
        'user.' || (hash(i + 3) % 1000000) || '@mail.com' as email,
        timestamp '2026-01-01' + to_seconds((hash(i + 4) % 2592000)::bigint) as at from range({rows}) t(i)"""
    return path, sql


def run(scale):
    for rows, goal in ((int(10_000_000 * scale), True), (int(1_000_000 * scale), False)):
        with tempfile.TemporaryDirectory(prefix="millrace-bench-") as folder, \
                bench.Project({"millrace.yml": "name: bench\ntargets:\n  dev: {memory: 2GB, threads: 2}\n",
                               "expectations/ten.json": json.dumps({"name": "ten", "expectations": SUITE})}) as project:
            path, sql = table(folder, rows)
            bench.measured(bench.MILLRACE, "sql", sql, "--output", path, cwd=project.root)
            bench.measured(bench.python("deltalake"), bench.HERE / "peers/parquet_to_delta.py", path,
                           project.root / ".millrace/lake/raw/rows")
            suite = pathlib.Path(folder) / "ten.json"
            suite.write_text(json.dumps(SUITE))
            ours = project.measured("validate", "ten", "--table", "raw.rows", repeat=2)
            if not goal:
                yield bench.at_most("CPU at 10 times the rows", large.cpu / ours.cpu, 11, "times")
                continue
            large = ours
            theirs = bench.peer("great_expectations", "ten_expectations.py", path, suite)
            yield bench.against(f"CPU, {rows:,} rows", ours.cpu, theirs.cpu, 4)
            yield bench.megabytes("peak memory", ours, theirs, 4)
