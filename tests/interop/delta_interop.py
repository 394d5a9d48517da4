"""The lake against its peers: delta-rs (the package deltalake) and DuckDB's delta extension read what we write, and we
read what delta-rs writes; writers of both kinds race on one table."""
import collections
import datetime
import decimal
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import unittest

import deltalake
import duckdb
import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder, write_deltalake

from lake_client import Lake, LakeError

UTC = datetime.timezone.utc
EXTENSION = pathlib.Path(os.environ["MILLRACE_DEPS"]) / "duckdb-extension-delta-1.5.5" / "duckdb_extension_delta"

# One row of every type that both sides have, one of nulls, one of extremes.
EVERY_TYPE = """
SELECT * FROM (VALUES
  (1::TINYINT, 2::SMALLINT, 3::INTEGER, 4::BIGINT, 1.5::FLOAT, 2.5::DOUBLE, 12.50::DECIMAL(9,2), true, 'text',
   'ab'::BLOB, DATE '2013-12-01', TIMESTAMPTZ '2013-12-01 05:00:00.123456+00', [1, 2], {'x': 1, 'y': 'q'},
   MAP {'k': 1}),
  (-128, -32768, -2147483648, -9223372036854775808, -1024.5, 1e300, -9999999.99, false, 'ü日本''"', ''::BLOB,
   DATE '1900-01-01', TIMESTAMPTZ '9999-12-31 23:59:59.999999+00', [], {'x': NULL, 'y': ''}, MAP {}),
  (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL))
v(i8, i16, i32, i64, f32, f64, dec, flag, txt, bin, d, ts, lst, st, mp)
"""


def query(path, sql):
    """Rows of the table `t` by delta-rs."""
    table = pa.table(QueryBuilder().register("t", DeltaTable(path)).execute(sql).read_all())
    return [tuple(row.values()) for row in table.to_pylist()]


def duck(sql, path):
    """Rows by DuckDB's delta extension; {} stands for its scan of the table."""
    with tempfile.TemporaryDirectory() as folder:
        place = pathlib.Path(folder) / "v1.5.5" / "linux_amd64"
        place.mkdir(parents=True)
        source = next(EXTENSION.rglob("delta.duckdb_extension"))
        (place / source.name).symlink_to(source)
        connection = duckdb.connect(config={"extension_directory": folder})
        connection.execute("LOAD delta")
        connection.execute("SET TimeZone = 'UTC'")
        rows = connection.execute(sql.format(f"delta_scan('{path}')")).fetchall()
        connection.close()
        return rows


class DeltaCase(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.lake = Lake(self.folder)
        self.addCleanup(self.lake.__exit__)

    def path(self, table="t"):
        return os.path.join(self.folder, *table.split("."))

    def log(self, table="t"):
        """The actions of each version."""
        folder = pathlib.Path(self.path(table)) / "_delta_log"
        return [[json.loads(line) for line in path.read_text().splitlines()] for path in sorted(folder.glob("*.json"))]

    def assert_peers_read(self, expected, columns="a", table="t"):
        """All three readers give the same rows."""
        sql = f"SELECT {columns} FROM {{}} ORDER BY 1"
        self.assertEqual(query(self.path(table), sql.format("t")), expected, "delta-rs")
        self.assertEqual(duck(sql, self.path(table)), expected, "DuckDB")
        ours = self.lake.rows(table, sql=sql.format(table))
        self.assertEqual([tuple(row) for row in ours], expected, "we")


class TheyReadWhatWeWrite(DeltaCase):
    def test_every_type(self):
        self.lake.write("t", EVERY_TYPE)
        expected = [
            (-128, -32768, -2147483648, -9223372036854775808, -1024.5, 1e300, decimal.Decimal("-9999999.99"),
             False, "ü日本'\"", b"", datetime.date(1900, 1, 1),
             datetime.datetime(9999, 12, 31, 23, 59, 59, 999999, UTC)),
            (1, 2, 3, 4, 1.5, 2.5, decimal.Decimal("12.50"), True, "text", b"ab", datetime.date(2013, 12, 1),
             datetime.datetime(2013, 12, 1, 5, 0, 0, 123456, UTC)),
            (None,) * 12,
        ]
        flat = "i8, i16, i32, i64, f32, f64, dec, flag, txt, bin, d, ts"
        self.assertEqual(query(self.path(), f"SELECT {flat} FROM t ORDER BY i8 NULLS LAST"), expected)
        self.assertEqual(duck(f"SELECT {flat} FROM {{}} ORDER BY i8 NULLS LAST", self.path()), expected)
        nested = [([], {"x": None, "y": ""}, {}), ([1, 2], {"x": 1, "y": "q"}, {"k": 1}), (None, None, None)]
        self.assertEqual(duck("SELECT lst, st, mp FROM {} ORDER BY i8 NULLS LAST", self.path()), nested)
        by_rust = query(self.path(), "SELECT lst, st, mp FROM t ORDER BY i8 NULLS LAST")
        self.assertEqual([(lst, st, None if mp is None else dict(mp)) for lst, st, mp in by_rust], nested)
        types = [field.type.type for field in DeltaTable(self.path()).schema().fields[:6]]
        self.assertEqual(types, ["byte", "short", "integer", "long", "float", "double"])

    def test_wall_clock_times(self):
        self.lake.write("t", "SELECT TIMESTAMP '2013-12-01 05:00:00.5' AS a")
        self.assertEqual(query(self.path(), "SELECT a FROM t"), [(datetime.datetime(2013, 12, 1, 5, 0, 0, 500000),)])
        self.assertEqual(duck("SELECT a FROM {}", self.path()), [(datetime.datetime(2013, 12, 1, 5, 0, 0, 500000),)])

    def test_partitions_of_every_spelling(self):
        values = ["plain", "a b", "50%", "k=v", "ü/ñ", "日本", "a:b+c", "%2F", "..", "'\"", "#?", "a%20b"]
        rows = ", ".join("({}, '{}')".format(i, value.replace("'", "''")) for i, value in enumerate(values))
        self.lake.write("t", f"SELECT * FROM (VALUES {rows}, (99, NULL)) v(a, p)", partition_by=["p"])
        expected = list(enumerate(values)) + [(99, None)]
        self.assert_peers_read(expected, "a, p")
        self.assertEqual(DeltaTable(self.path()).metadata().partition_columns, ["p"])

    def test_partitions_of_every_type(self):
        self.lake.write("t", "SELECT 1 AS a, DATE '2013-12-01' AS d, TIMESTAMPTZ '2013-12-01 05:00:00.5+00' AS ts, "
                             "7 AS i, true AS b, 1.50::DECIMAL(9,2) AS n", partition_by=["d", "ts", "i", "b", "n"])
        expected = [(1, datetime.date(2013, 12, 1), datetime.datetime(2013, 12, 1, 5, 0, 0, 500000, UTC), 7, True,
                     decimal.Decimal("1.50"))]
        self.assertEqual(query(self.path(), "SELECT * FROM t"), expected)
        self.assertEqual(duck("SELECT * FROM {}", self.path()), expected)

    def test_modes_and_time_travel(self):
        self.lake.write("t", "SELECT 1 AS a, 'x' AS p UNION ALL SELECT 2, 'y'", partition_by=["p"])
        self.lake.write("t", "SELECT 3 AS a, 'y' AS p")
        self.lake.write("t", "SELECT 4 AS a, 'y' AS p", mode="overwrite_partitions")
        self.assert_peers_read([(1, "x"), (4, "y")], "a, p")
        self.lake.write("t", "SELECT 5 AS a, 'z' AS p", mode="overwrite")
        self.assert_peers_read([(5, "z")], "a, p")
        before = DeltaTable(self.path(), version=1)
        self.assertEqual(sorted(before.to_pyarrow_table()["a"].to_pylist()), [1, 2, 3])

    def test_columns_are_added_and_replaced(self):
        self.lake.write("t", "SELECT 1 AS a")
        self.lake.write("t", "SELECT 2 AS a, 'new' AS b", schema_change="add_columns")
        self.assert_peers_read([(1, None), (2, "new")], "a, b")
        self.lake.write("t", "SELECT 'only' AS c", mode="overwrite", schema_change="replace")
        self.assert_peers_read([("only",)], "c")

    def test_statistics_leave_files_out(self):
        for i in range(4):
            self.lake.write("t", f"SELECT range + {i * 10} AS a, 'name ' || range AS s, "
                                 f"DATE '2013-12-01' + {i} AS d FROM range(10)")
        table = DeltaTable(self.path())
        adds = pa.table(table.get_add_actions(flatten=True)).to_pydict()
        self.assertEqual(sorted(zip(adds["min.a"], adds["max.a"], adds["num_records"], adds["null_count.a"])),
                         [(0, 9, 10, 0), (10, 19, 10, 0), (20, 29, 10, 0), (30, 39, 10, 0)])
        self.assertEqual(sorted(adds["min.d"]), [datetime.date(2013, 12, day) for day in range(1, 5)])
        plan = duck("EXPLAIN ANALYZE SELECT * FROM {} WHERE a = 25", self.path())[0][1]
        self.assertIn("1/4", plan.replace(" ", ""), plan)
        self.assertEqual(query(self.path(), "SELECT s FROM t WHERE a = 25"), [("name 5",)])

    def test_txn_versions_and_tags(self):
        self.lake.write("t", "SELECT 1 AS a", app="dag.task.2013-12-01.t", generation=1, marks={"cursor": 42})
        again = self.lake.write("t", "SELECT 1 AS a", app="dag.task.2013-12-01.t", generation=1)
        self.assertTrue(again["already_done"])
        self.lake.write("t", "SELECT 2 AS a", app="dag.task.2013-12-01.t", generation=2)
        table = DeltaTable(self.path())
        self.assertEqual(table.transaction_version("dag.task.2013-12-01.t"), 2)
        self.assertEqual(table.transaction_version("cursor"), 42)
        self.assert_peers_read([(2,)])

    def test_history(self):
        self.lake.write("t", "SELECT 1 AS a")
        self.lake.write("t", "SELECT 2 AS a", mode="overwrite")
        newest, oldest = DeltaTable(self.path()).history()
        self.assertEqual((newest["version"], newest["operation"], oldest["version"]), (1, "WRITE", 0))
        self.assertEqual(newest["operationParameters"]["mode"], "Overwrite")
        self.assertTrue(newest["engineInfo"].startswith("millrace/"))

    def test_an_empty_table(self):
        self.lake.ask("create", "t", select="SELECT 1 AS a, 'x' AS p", partition_by=["p"])
        self.assert_peers_read([], "a, p")

    def test_after_checkpoints(self):
        for i in range(25):
            self.lake.write("t", f"SELECT {i} AS a, {i % 3} AS p", app=f"w{i}", generation=1,
                            **({"partition_by": ["p"]} if i == 0 else {}))
        self.lake.write("t", "SELECT 100 AS a, 1 AS p", mode="overwrite_partitions")
        log = pathlib.Path(self.path()) / "_delta_log"
        self.assertEqual(json.loads((log / "_last_checkpoint").read_text())["version"], 20)
        for version in range(20):  # the checkpoint alone must carry what they said
            (log / f"{version:020}.json").unlink()
        expected = sorted([(i, i % 3) for i in range(25) if i % 3 != 1] + [(100, 1)])
        self.assert_peers_read(expected, "a, p")
        self.assertEqual(DeltaTable(self.path()).transaction_version("w3"), 1)
        with Lake(self.folder) as fresh:
            self.assertEqual([tuple(row) for row in fresh.rows("t")], expected)
            self.assertEqual(fresh.state("t")["txns"]["w3"], 1)
        adds = pa.table(DeltaTable(self.path()).get_add_actions(flatten=True)).to_pydict()
        self.assertNotIn(None, adds["min.a"])

    def test_they_go_on_where_we_began(self):
        self.lake.write("t", "SELECT 1::BIGINT AS a, 'x' AS b")
        write_deltalake(self.path(), pa.table({"a": [2], "b": ["y"]}), mode="append")
        self.lake.write("t", "SELECT 3 AS a, 'z' AS b")
        DeltaTable(self.path()).delete("a = 1")
        rows = pa.table({"a": [3, 4], "b": ["Z", "new"]})
        DeltaTable(self.path()).merge(rows, "t.a = s.a", source_alias="s", target_alias="t") \
            .when_matched_update_all().when_not_matched_insert_all().execute()
        self.assert_peers_read([(2, "y"), (3, "Z"), (4, "new")], "a, b")
        DeltaTable(self.path()).optimize.compact()
        DeltaTable(self.path()).create_checkpoint()
        self.assert_peers_read([(2, "y"), (3, "Z"), (4, "new")], "a, b")
        DeltaTable(self.path()).vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False)
        self.assert_peers_read([(2, "y"), (3, "Z"), (4, "new")], "a, b")


class WeReadWhatTheyWrite(DeltaCase):
    def rows(self, **question):
        return [tuple(row) for row in self.lake.rows("t", **question)]

    def test_append_overwrite_delete(self):
        write_deltalake(self.path(), pa.table({"a": [1, 2], "b": ["x", None]}))
        write_deltalake(self.path(), pa.table({"a": [3], "b": ["z"]}), mode="append")
        self.assertEqual(self.rows(), [(1, "x"), (2, None), (3, "z")])
        DeltaTable(self.path()).delete("a = 2")
        self.assertEqual(self.rows(), [(1, "x"), (3, "z")])
        write_deltalake(self.path(), pa.table({"a": [9], "b": ["w"]}), mode="overwrite")
        self.assertEqual(self.rows(), [(9, "w")])
        self.assertEqual(self.rows(version=1), [(1, "x"), (2, None), (3, "z")])

    def test_merge_and_update(self):
        write_deltalake(self.path(), pa.table({"a": [1, 2, 3], "b": ["x", "y", "z"]}))
        table = DeltaTable(self.path())
        table.merge(pa.table({"a": [2, 4], "b": ["Y", "new"]}), "t.a = s.a", source_alias="s", target_alias="t") \
            .when_matched_update_all().when_not_matched_insert_all().execute()
        table.update(predicate="a = 1", updates={"b": "'X'"})
        self.assertEqual(self.rows(), [(1, "X"), (2, "Y"), (3, "z"), (4, "new")])

    def test_every_type(self):
        moment = datetime.datetime(2013, 12, 1, 5, 0, 0, 123456, UTC)
        table = pa.table({
            "i8": pa.array([1, None], pa.int8()), "f32": pa.array([1.5, None], pa.float32()),
            "dec": pa.array([decimal.Decimal("12.50"), None], pa.decimal128(9, 2)), "flag": pa.array([True, None]),
            "bin": pa.array([b"ab", None]), "d": pa.array([datetime.date(2013, 12, 1), None]),
            "ts": pa.array([moment, None], pa.timestamp("us", "UTC")),
            "wall": pa.array([moment.replace(tzinfo=None), None], pa.timestamp("us")),
            "lst": pa.array([[1, None], None], pa.list_(pa.int64())),
            "st": pa.array([{"x": 1, "y": "q"}, None], pa.struct([("x", pa.int64()), ("y", pa.string())])),
            "mp": pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int64()))})
        write_deltalake(self.path(), table)
        sql = "SELECT i8, f32, dec::VARCHAR, flag, bin::VARCHAR, d, ts, wall, lst, st, to_json(mp)::VARCHAR FROM t " \
              "ORDER BY i8 NULLS LAST"
        self.assertEqual(self.rows(sql=sql), [
            (1, 1.5, "12.50", True, "ab", "2013-12-01", "2013-12-01T05:00:00.123456Z", "2013-12-01T05:00:00.123456",
             [1, None], {"x": 1, "y": "q"}, '{"k":1}'), (None,) * 11])

    def test_partitions(self):
        values = ["plain", "a b", "50%", "k=v", "ü/ñ", "日本", None, "a%20b", "a:b"]
        write_deltalake(self.path(), pa.table({"a": list(range(len(values))), "p": values}), partition_by=["p"])
        self.assertEqual(self.rows(), list(enumerate(values)))
        answer = self.lake.ask("read", "t", where=[["p", "=", "50%"]])
        self.assertEqual((answer["rows"], answer["files_read"]), ([[2, "50%"]], 1))
        self.lake.write("t", "SELECT 100 AS a, '50%' AS p", mode="overwrite_partitions")
        self.assertEqual(query(self.path(), "SELECT a FROM t WHERE p = '50%'"), [(100,)])
        self.assertEqual(len(query(self.path(), "SELECT a FROM t")), len(values))

    def test_their_statistics_leave_files_out(self):
        for i in range(4):
            write_deltalake(self.path(), pa.table({"a": list(range(i * 10, i * 10 + 10))}), mode="append")
        answer = self.lake.ask("read", "t", where=[["a", ">=", "25"]])
        self.assertEqual(answer["files_read"], 2)
        self.assertEqual([row[0] for row in answer["rows"]], list(range(20, 40)))

    def test_checkpoints(self):
        for i in range(12):
            write_deltalake(self.path(), pa.table({"a": [i]}), mode="append",
                            commit_properties=deltalake.CommitProperties(
                                app_transactions=[deltalake.Transaction(f"app{i}", i)]))
        DeltaTable(self.path()).create_checkpoint()
        log = pathlib.Path(self.path()) / "_delta_log"
        for path in log.glob("*.json"):
            if path.name < f"{11:020}.json":
                path.unlink()
        self.assertEqual(self.rows(), [(i,) for i in range(12)])
        state = self.lake.state("t")
        self.assertEqual((state["version"], state["files"], state["rows"], state["txns"]["app7"]), (11, 12, 12, 7))
        self.lake.write("t", "SELECT 12 AS a")
        self.assertEqual(query(self.path(), "SELECT count(*) FROM t"), [(13,)])

    def test_columns_they_added(self):
        write_deltalake(self.path(), pa.table({"a": [1]}))
        write_deltalake(self.path(), pa.table({"a": [2], "b": ["new"]}), mode="append", schema_mode="merge")
        self.assertEqual(self.rows(), [(1, None), (2, "new")])

    def test_history(self):
        write_deltalake(self.path(), pa.table({"a": [1]}))
        history = self.lake.ask("history", "t")
        self.assertEqual((history[0]["version"], history[0]["operation"]), (0, "WRITE"))

    def test_what_writers_must_honour_and_we_do_not_is_refused_by_name(self):
        write_deltalake(self.path(), pa.table({"a": [1]}))
        DeltaTable(self.path()).alter.add_constraint({"positive": "a > 0"})
        with self.assertRaisesRegex(LakeError, "constraint positive: a > 0"):
            self.lake.write("t", "SELECT -1::BIGINT AS a")
        self.assertEqual(self.rows(), [(1,)])
        write_deltalake(self.path("only_new"), pa.table({"a": [1]}), configuration={"delta.appendOnly": "true"})
        self.lake.write("only_new", "SELECT 2::BIGINT AS a")
        with self.assertRaisesRegex(LakeError, "appendOnly"):
            self.lake.write("only_new", "SELECT 3::BIGINT AS a", mode="overwrite")


APPENDER = """
import sys
import pyarrow as pa
from deltalake import write_deltalake
done = 0
while done < int(sys.argv[2]):
    try:
        write_deltalake(sys.argv[1], pa.table({"a": pa.array([done], pa.int64()), "who": ["delta-rs"]}), mode="append")
        done += 1
    except Exception as error:
        if "conflict" not in str(error).lower() and "concurrent" not in str(error).lower() \
                and "version" not in str(error).lower():
            raise
"""


class WritersRace(DeltaCase):
    def test_no_commit_is_lost_or_doubled(self):
        """3 of our processes append 25 times each, one of delta-rs 15 times."""
        self.lake.write("t", "SELECT 0::BIGINT AS a, 'first' AS who")
        theirs = subprocess.Popen([sys.executable, "-c", APPENDER, self.path(), "15"])
        failures = []

        def append(number):
            with Lake(self.folder) as lake:
                for i in range(25):
                    for _ in range(20):
                        try:
                            lake.write("t", f"SELECT {i}::BIGINT AS a, 'ours {number}' AS who",
                                       app=f"w{number}.{i}", generation=1)
                            break
                        except LakeError as error:
                            if error.code != "conflict":
                                failures.append(str(error))
                    else:
                        failures.append(f"writer {number} never got through")

        threads = [threading.Thread(target=append, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(theirs.wait(), 0)
        self.assertEqual(failures, [])
        adds = collections.Counter(action["add"]["path"] for actions in self.log() for action in actions
                                   if "add" in action)
        self.assertEqual(len(self.log()), 1 + 75 + 15)
        self.assertEqual(len(adds), 1 + 75 + 15)
        self.assertEqual(set(adds.values()), {1})
        counts = dict(query(self.path(), "SELECT who, count(DISTINCT a) FROM t GROUP BY who"))
        self.assertEqual(counts, {"first": 1, "ours 0": 25, "ours 1": 25, "ours 2": 25, "delta-rs": 15})
        self.assertEqual(self.lake.state("t")["rows"], 91)

    def test_of_many_overwrites_at_once_each_sees_the_one_before(self):
        """Overwriting processes count up; every success must have replaced exactly the rows of its predecessor."""
        self.lake.write("t", "SELECT 0 AS a")
        won = []

        def overwrite(number):
            with Lake(self.folder) as lake:
                for i in range(10):
                    try:
                        answer = lake.write("t", f"SELECT {number * 100 + i} AS a", mode="overwrite")
                        won.append((answer["version"], number * 100 + i, answer["files_removed"]))
                    except LakeError as error:
                        if error.code != "conflict":
                            raise

        threads = [threading.Thread(target=overwrite, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        won.sort()
        self.assertEqual([version for version, _, _ in won], list(range(1, len(won) + 1)))
        self.assertEqual({removed for _, _, removed in won}, {1})
        self.assertEqual(query(self.path(), "SELECT a FROM t"), [(won[-1][1],)])

    def test_one_work_by_two_processes_is_done_once(self):
        with Lake(self.folder) as other:
            for i in range(20):
                question = {"select": f"SELECT {i} AS a", "app": f"w{i}", "generation": 1}
                self.lake.send("write", "t", **question)
                other.send("write", "t", **question)
                answers = [self.lake.receive(), other.receive()]
                self.assertEqual(sorted(answer["already_done"] for answer in answers), [False, True])
        self.assertEqual(query(self.path(), "SELECT a FROM t ORDER BY a"), [(i,) for i in range(20)])
        files = {path.name for path in pathlib.Path(self.path()).glob("*.parquet")}
        self.assertEqual(len(files), 20, "the files of the one that lost are gone")


if __name__ == "__main__":
    unittest.main()
