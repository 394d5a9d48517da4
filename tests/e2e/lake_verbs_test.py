"""What a person asks of the lake: files written by `sql --output` and read by other programs, tables as they were, and
a table against a suite. All look at one shop that has run two days; nobody changes it."""
import csv
import datetime as dt
import decimal
import json
import unittest

import duckdb
import pyarrow.parquet

from command_line_test import Shop

UTC = dt.timezone.utc
# What a file format may get wrong: quotes, separators, line ends, text that is not ASCII, nothing and empty.
HARD = """select * from (values (1, 'a,"b"', 1.50::decimal(10,2), timestamptz '2013-01-01 10:00:00Z', true),
                            (2, e'two\\nlines', null, null, false), (3, '', 0.05, null, null),
                            (4, 'Zürich; 東京', -7.00, timestamptz '2013-07-01 00:00:00.123456Z', null),
                            (5, null, null, null, null)) t(id, word, amount, moment, good) order by id"""
ROWS = [
    {"id": 1, "word": 'a,"b"', "amount": decimal.Decimal("1.50"), "moment": dt.datetime(2013, 1, 1, 10, tzinfo=UTC),
     "good": True},
    {"id": 2, "word": "two\nlines", "amount": None, "moment": None, "good": False},
    {"id": 3, "word": "", "amount": decimal.Decimal("0.05"), "moment": None, "good": None},
    {"id": 4, "word": "Zürich; 東京", "amount": decimal.Decimal("-7.00"),
     "moment": dt.datetime(2013, 7, 1, 0, 0, 0, 123456, tzinfo=UTC), "good": None},
    {"id": 5, "word": None, "amount": None, "moment": None, "good": None},
]
ORDERS_SUITE = """expectations:
  - {type: expect_table_row_count_to_be_between, min_value: 1, max_value: 3}
  - {type: expect_column_values_to_be_between, column: id, min_value: 10, max_value: 20}
"""


def setUpModule():
    maker = Shop()
    unittest.addModuleCleanup(maker.doCleanups)
    LakeTest.lake = maker.shop()
    LakeTest.lake.write("expectations/orders.yml", ORDERS_SUITE)
    for day in ("2013-01-02", "2013-01-03"):
        maker.assertRuns(LakeTest.lake.millrace("run", "--logical-date", day))


class LakeTest(Shop):
    def count(self, relation):
        return self.lake.value(f"select count(*) from {relation}")


class TestOutput(LakeTest):
    def write(self, name, select=HARD):
        file = self.lake.root / name
        told = self.assertRuns(self.lake.millrace("sql", select, "--output", file, "--json")).json()
        self.assertEqual(told, {"file": str(file), "rows": len(ROWS) if select == HARD else told["rows"]})
        return file

    def test_parquet_is_read_by_pyarrow_with_its_types(self):
        table = pyarrow.parquet.read_table(self.write("hard.parquet"))
        self.assertEqual([str(field.type) for field in table.schema],
                         ["int32", "string", "decimal128(10, 2)", "timestamp[us, tz=UTC]", "bool"])
        self.assertEqual(table.to_pylist(), ROWS)

    def test_csv_is_read_by_pythons_csv(self):
        with open(self.write("hard.csv"), newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        text = [{name: "" if value is None else str(value) for name, value in row.items()} for row in ROWS]
        self.assertEqual([(row["id"], row["word"], row["amount"], row["good"].capitalize()) for row in rows],
                         [(row["id"], row["word"], row["amount"], row["good"]) for row in text])
        self.assertEqual([row["moment"] and dt.datetime.fromisoformat(row["moment"] + ":00") for row in rows],
                         [row["moment"] or "" for row in ROWS])

    def test_json_is_one_object_per_line(self):
        for name in ("hard.json", "hard.jsonl"):
            rows = [json.loads(line) for line in self.write(name).read_text().splitlines()]
            self.assertEqual([(row["id"], row["word"], row["good"]) for row in rows],
                             [(row["id"], row["word"], row["good"]) for row in ROWS])
            self.assertEqual([row["amount"] for row in rows], [row["amount"] and float(row["amount"]) for row in ROWS])

    def test_duckdb_reads_the_same_rows_from_all_three(self):
        select = "select id, amount, ordered_at from raw.orders order by id"
        expected = [(number, decimal.Decimal("1.50"), dt.datetime(2013, 1, day, 10))
                    for day in (1, 2) for number in range(10 * day, 10 * day + 3)]
        with duckdb.connect() as theirs:
            theirs.execute("set timezone = 'UTC'")
            for name in ("orders.parquet", "orders.csv", "orders.json"):
                found = theirs.execute(f"select id, amount::decimal(10, 2), ordered_at::timestamptz::timestamp "
                                       f"from '{self.write(name, select)}'").fetchall()
                self.assertEqual(found, expected, name)

    def test_another_ending_is_a_mistake_that_names_those_that_there_are(self):
        answer = self.assertRuns(self.lake.millrace("sql", "select 1", "--output", "rows.xlsx"), 2)
        for part in ("rows.xlsx", ".parquet", ".csv", ".json"):
            self.assertIn(part, answer.err)
        self.assertFalse((self.lake.root / "rows.xlsx").exists())


class TestTablesAsTheyWere(LakeTest):
    def history(self, table="raw.orders"):
        """The oldest first."""
        return self.assertRuns(self.lake.millrace("table", "history", table, "--json")).json()[::-1]

    def at(self, when):
        return len(self.assertRuns(self.lake.millrace("table", "at", "raw.orders", when, "--json")).json())

    def test_by_version(self):
        first, second = (entry["version"] for entry in self.history())
        self.assertEqual([self.at(first), self.at(second)], [3, 6])
        self.assertEqual([self.count(f"raw.orders at (version => {version})") for version in (first, second)], [3, 6])

    def test_by_time(self):
        """A version holds from its commit on, until just before the next."""
        first, second = (entry["time"] for entry in self.history())
        before = dt.datetime.fromisoformat(second.replace("Z", "+00:00")) - dt.timedelta(milliseconds=1)
        for moment, rows in ((first, 3), (before.isoformat(), 3), (second, 6), (dt.datetime.now(UTC).isoformat(), 6)):
            self.assertEqual(self.at(moment), rows, moment)
            for written in (f"timestamp '{moment}'", f"timestamptz '{moment}'", f"'{moment}'"):
                self.assertEqual(self.count(f"raw.orders at (timestamp => {written})"), rows, written)

    def test_a_person_reads_words_and_no_json(self):
        shown = self.assertRuns(self.lake.millrace("table", "show", "raw.orders")).out
        self.assertIn(", partitioned by event_date\n", shown)
        history = self.assertRuns(self.lake.millrace("table", "history", "raw.orders")).out
        self.assertRegex(history, r"numOutputRows 3\b")
        self.assertNotIn("{", history)

    def test_more_rows_than_are_shown_are_told(self):
        last = str(self.history()[-1]["version"])
        some = self.assertRuns(self.lake.millrace("table", "at", "raw.orders", last, "--limit", "2"))
        self.assertIn("... more than 2 rows; --limit shows more", some.out)
        some = self.assertRuns(self.lake.millrace("table", "at", "raw.orders", last, "--limit", "2", "--json"))
        self.assertEqual(len(some.json()), 2)
        self.assertIn("there are more than these 2 rows", some.err)
        whole = self.assertRuns(self.lake.millrace("table", "at", "raw.orders", last, "--limit", "6"))
        self.assertNotIn("more than", whole.out + whole.err)

    def test_two_versions_in_one_question(self):
        first, second = (entry["version"] for entry in self.history())
        new = self.lake.rows(f"select id from raw.orders at (version => {second}) except "
                             f"select id from raw.orders at (version => {first}) order by id")
        self.assertEqual([row["id"] for row in new], [20, 21, 22])

    def test_what_never_was_is_a_mistake_that_says_what_there_is(self):
        for command in (["table", "at", "raw.orders", "7"], ["sql", "select * from raw.orders at (version => 7)"],
                        ["sql", "select * from models.totals at (version => 7)"]):
            self.assertIn("has no version 7", self.assertRuns(self.lake.millrace(*command), 2).err)
        for moment, edge in (("2001-01-01", "earliest"), ("2999-01-01", "latest")):
            for command in (["table", "at", "raw.orders", moment],
                            ["sql", f"select * from raw.orders at (timestamp => timestamp '{moment}')"]):
                self.assertIn(f"the {edge} is version", self.assertRuns(self.lake.millrace(*command), 2).err)
        answer = self.assertRuns(self.lake.millrace("sql", "select * from raw.orders at (version => 'one')"), 2)
        self.assertIn("a version is a number", answer.err)


class TestWithoutStatistics(Shop):
    def test_an_unknown_number_of_rows_is_not_none(self):
        """Other writers leave the statistics of their files out."""
        lake = self.shop()
        self.assertRuns(lake.millrace("run", "--logical-date", "2013-01-02"))
        for entry in (lake.root / ".millrace/lake/raw/orders/_delta_log").glob("*.json"):
            actions = [json.loads(line) for line in entry.read_text().splitlines()]
            for action in actions:
                action.get("add", {}).pop("stats", None)
            entry.write_text("".join(json.dumps(action) + "\n" for action in actions))
        self.assertRegex(self.assertRuns(lake.millrace("table", "ls")).out, r"raw.orders +0 +unknown ")
        self.assertIn(": rows unknown, ", self.assertRuns(lake.millrace("table", "show", "raw.orders")).out)


class TestValidate(LakeTest):
    def validate(self, *more, suite="totals", table="models.totals", code=0):
        return self.assertRuns(self.lake.millrace("validate", suite, "--table", table, *more), code)

    def test_a_suite_that_holds(self):
        self.assertIn("2 of 2 expectations met", self.validate().out)
        told = self.validate("--json").json()
        self.assertTrue(told["success"])
        self.assertEqual([each["success"] for each in told["results"]], [True, True])
        self.assertEqual(told["meta"], {"table": "models.totals", "version": 1})

    def test_a_suite_that_fails_says_what_and_how_often(self):
        answer = self.validate(suite="orders", table="raw.orders", code=1)
        self.assertIn("0 of 2 expectations met", answer.out)
        self.assertRegex(answer.out, r"failed  expect_column_values_to_be_between +id .*2 of 6 .*21, 22")
        head, *rows = answer.out.splitlines()[:3]
        for column in ("EXPECTATION", "OF", "FOUND"):
            self.assertEqual({row[head.index(column) - 1] for row in rows}, {" "}, answer.out)
            self.assertNotIn(" ", {row[head.index(column)] for row in rows}, answer.out)
        told = self.validate("--json", suite="orders", table="raw.orders", code=1).json()
        self.assertFalse(told["success"])
        self.assertEqual(told["results"][1]["result"]["unexpected_count"], 2)

    def test_what_is_a_warning_only_is_told_and_fails_nothing(self):
        self.lake.write("expectations/soft.yml", "name: soft\nexpectations:\n"
                        "  - {type: expect_column_values_to_be_between, column: id, max_value: 20, "
                        "severity: warning}\n")
        answer = self.validate(suite="soft", table="raw.orders")
        self.assertRegex(answer.out, "warning +expect_column_values_to_be_between +id")
        self.assertIn("0 of 1 expectations met", answer.out)

    def test_an_older_version_and_some_of_the_rows(self):
        self.validate("--at", "0", suite="orders", table="raw.orders")
        self.validate("--where", "id <= 20 and id > 10", suite="orders", table="raw.orders")
        self.validate("--where", "id > 19 -- the second day", suite="orders", table="raw.orders", code=1)

    def test_a_suite_or_a_table_that_is_not_there(self):
        self.assertIn("did you mean 'totals'?", self.validate(suite="total", code=2).err)
        self.assertIn("did you mean 'models.totals'?", self.validate(table="models.total", code=2).err)


if __name__ == "__main__":
    unittest.main()
