"""Bad input through the program: what is delivered, and what a person writes. Each answer names the place; of what was
delivered nothing is lost: a row is in the table or among the dead letters, with its reason."""
import gzip
import unittest

from command_line_test import PIPELINE, SOURCES, TOTALS, Shop, order
from harness import SOURCE

DAY, RUN = "2013-01-03", "2013-01-04"
FILE = f"orders-{DAY}.jsonl.gz"


class Delivered(Shop):
    """The shop on a day on which something is wrong with what it is sent."""

    def lines(self, count=40):
        return [order(300 + i, DAY) for i in range(count)]

    def deliver(self, project, data, name=FILE):
        project.write(f"deliveries/{name}", data if isinstance(data, bytes) else "\n".join(data) + "\n")

    def land(self, project, code=0):
        """What the task `land` of the run said."""
        answer = project.millrace("run", "--logical-date", RUN, "--json")
        self.assertRuns(answer, code)
        return next(task for task in answer.json()["tasks"] if task["task"] == "land")

    def letters(self, project):
        return project.rows("select file, row_number, reason from raw.orders__rejected order by file, row_number")

    def assertRefused(self, project, *words):
        """The landing fails with these words, and nothing of any file has landed."""
        task = self.land(project, 1)
        self.assertEqual(task["state"], "failed")
        for word in (FILE.split(".")[0], *words):
            self.assertIn(word, task["message"])
        tables = [table["table"] for table in project.millrace("table", "ls", "--json").json()]
        self.assertNotIn("raw.orders", tables)


class TestDeliveries(Delivered):
    def assertOneRejected(self, line, reason, count=40):
        """One bad line in the middle: the others land, this one is kept with its file, row and reason."""
        project = self.shop()
        lines = self.lines(count)
        bad = line(lines[16])
        data = b"".join((bad if i == 16 else text.encode()) + b"\n" for i, text in enumerate(lines))
        self.deliver(project, gzip.compress(data, mtime=0))
        task = self.land(project)
        self.assertEqual((task["result"]["rows_landed"], task["result"]["rows_rejected"]), (6 + count - 1, 1))
        self.assertEqual(project.value("select count(*) from raw.orders"), 6 + count - 1)
        [letter] = self.letters(project)
        self.assertEqual((letter["file"].split("/")[-1], letter["row_number"]), (FILE, 17))
        self.assertRegex(letter["reason"], reason)

    def test_a_column_whose_integers_became_strings(self):
        project = self.shop()
        self.deliver(project, [line.replace('"id": 3', '"id": "no ').replace(', "amount"', '", "amount"')
                               for line in self.lines()])
        self.assertRefused(project, "40", "id")
        letters = self.letters(project)
        self.assertEqual([letter["row_number"] for letter in letters], list(range(1, 41)))
        self.assertTrue(all("id" in letter["reason"] for letter in letters), letters[0])

    def test_bad_rows_of_a_refused_content_are_kept_and_the_documented_query_passes_over_them(self):
        page = (SOURCE / "docs/reference/sources.md").read_text()
        query = next(block.split("```")[0] for block in page.split("```sql\n") if "__rejected" in block.split("```")[0])
        project = self.shop()
        refused = ["no JSON"] * 12 + self.lines()[12:]
        self.deliver(project, gzip.compress("\n".join(refused).encode(), mtime=0))
        self.land(project, 1)
        mended = ["no JSON"] + self.lines()[1:]
        self.deliver(project, gzip.compress("\n".join(mended).encode(), mtime=0))
        self.assertEqual(self.land(project)["result"]["rows_rejected"], 1)
        rows = [letter["row_number"] for letter in self.letters(project)]
        self.assertEqual(sorted(rows, key=lambda row: row or 0), [1, *range(1, 13)])
        [bad] = project.rows(query)
        self.assertEqual((bad["file"].split("/")[-1], bad["row_number"]), (FILE, 1))

    def test_an_empty_file(self):
        project = self.shop()
        self.deliver(project, b"")
        self.assertRefused(project, "empty")

    def test_a_gzip_that_is_cut_off(self):
        project = self.shop()
        whole = gzip.compress("\n".join(self.lines(400)).encode(), mtime=0)
        self.deliver(project, whole[:len(whole) // 2])
        self.assertRefused(project, "cut off")

    def test_a_row_that_is_not_utf8(self):
        self.assertOneRejected(lambda line: line.encode().replace(b'"ordered_at"', b'"note": "\xff\xfe", "ordered_at"'),
                               "UTF-8")

    def test_a_line_of_more_than_a_megabyte(self):
        self.assertOneRejected(lambda line: line.replace("{", '{"note": "' + "x" * (1 << 20) + '", ').encode(),
                               "1048576|long")

    def test_a_row_that_is_no_json(self):
        self.assertOneRejected(lambda line: line[:-9].encode(), "JSON")


class TestCsvDeliveries(Delivered):
    """The same shop, delivered as CSV."""
    HEADER = "id,amount,ordered_at,delivered_at"
    NAME = f"orders-{DAY}.csv"

    def csv_shop(self, *lines):
        project = self.shop()
        project.write("sources/shop.yml", SOURCES.replace(
            "orders-{date}.jsonl.gz", "orders-{date}.csv\n    format: csv"))
        project.write(f"deliveries/{self.NAME}", "\n".join(lines) + "\n")
        return project

    def row(self, number):
        return f"{number},1.50,{DAY}T10:00:00Z,{DAY}T11:00:00Z"

    def test_a_wrong_header(self):
        project = self.csv_shop("id,price,ordered_at,delivered_at", *(self.row(i) for i in range(5)))
        self.assertRefused(project, "price", "amount")

    def test_a_row_with_too_many_fields(self):
        rows = [self.row(i) for i in range(30)]
        rows[3] += ",surplus"
        project = self.csv_shop(self.HEADER, *rows)
        task = self.land(project)
        self.assertEqual((task["result"]["rows_landed"], task["result"]["rows_rejected"]), (29, 1))
        [letter] = self.letters(project)
        self.assertEqual(letter["file"].split("/")[-1], self.NAME)
        self.assertIn("5", letter["reason"])
        self.assertEqual(project.rows("select id from raw.orders where id = 3"), [])

    def test_strings_for_integers_in_a_whole_column(self):
        project = self.csv_shop(self.HEADER, *(f"no{self.row(i)}" for i in range(30)))
        self.assertRefused(project, "id")
        self.assertEqual(len(self.letters(project)), 30)


class TestWhatAPersonWrites(Shop):
    def assertMistake(self, path, text, *words):
        project = self.shop()
        project.write(path, text)
        answer = self.assertRuns(project.millrace("check"), 2)
        for word in words:
            self.assertIn(word, answer.err)

    def test_a_wrong_indent(self):
        self.assertMistake("pipelines/daily.yml", PIPELINE.replace("  - {id: totals", " - {id: totals"),
                           "pipelines/daily.yml:6:")

    def test_an_unknown_key(self):
        self.assertMistake("pipelines/daily.yml", PIPELINE.replace("schedule:", "schedul:"),
                           "pipelines/daily.yml:2:1: ", "did you mean 'schedule'?")

    def test_a_cycle_of_tasks(self):
        self.assertMistake("pipelines/daily.yml",
                           PIPELINE.replace("source: shop.orders}", "source: shop.orders, upstream: [validate]}"),
                           "pipelines/daily.yml", "land", "totals", "validate")

    def test_a_cycle_of_models(self):
        project = self.shop()
        project.write("models/one.sql", "select * from {{ ref('two') }}")
        project.write("models/two.sql", "select * from {{ ref('one') }}")
        answer = self.assertRuns(project.millrace("check"), 2)
        self.assertRegex(answer.err, r"models/(one|two)\.sql")
        self.assertIn("one", answer.err)
        self.assertIn("two", answer.err)

    def test_a_model_that_is_missing(self):
        self.assertMistake("models/totals.sql", "select * from {{ ref('order_lines') }}",
                           "models/totals.sql:1:18: there is no model 'order_lines'")

    def test_a_task_whose_model_is_missing(self):
        self.assertMistake("pipelines/daily.yml", PIPELINE.replace("model: totals", "model: total"),
                           "pipelines/daily.yml:6:", "total", "did you mean 'totals'?")

    def test_what_check_finds_lets_nothing_begin(self):
        """Neither a setting that is misspelt, and would count as not given, nor SQL that does not bind."""
        for path, text, told in [("pipelines/daily.yml", PIPELINE.replace("suite: totals", "suit: totals"),
                                  "did you mean 'suite'?"),
                                 ("models/totals.sql", "select nothing from {{ source('shop', 'orders') }}",
                                  "models/totals.sql:1")]:
            with self.subTest(path):
                project = self.shop()
                project.write(path, text)
                for verb in (["run"], ["backfill", "--from", "2013-01-02", "--to", "2013-01-03"]):
                    answer = self.assertRuns(project.millrace(*verb), 2)
                    self.assertIn(told, answer.err)
                self.assertEqual(project.millrace("table", "ls", "--json").json(), [])

    def test_a_model_that_is_saved_by_half_lets_nothing_begin(self):
        """An editor's file as another process may see it: empty, or cut anywhere."""
        project = self.shop()
        whole = TOTALS
        ends = [0, whole.index("from"), whole.index("{{ source") + 12, whole.index("group") + 8]
        for half in (whole[:end] for end in ends):
            with self.subTest(half):
                project.write("models/totals.sql", half)
                self.assertIn("models/totals.sql", self.assertRuns(project.millrace("run"), 2).err)
                self.assertEqual(project.millrace("table", "ls", "--json").json(), [])
                self.assertEqual(project.millrace("runs", "--json").json(), [])
        project.write("models/totals.sql", whole)
        self.assertRuns(project.millrace("run"))

    def test_a_server_takes_over_no_setting_that_is_misspelt(self):
        project = self.shop()
        wrong = PIPELINE.replace("suite: totals", "suit: totals")
        project.write("pipelines/daily.yml", wrong)
        self.assertIn("did you mean 'suite'?", self.assertRuns(project.millrace("up"), 2).err)
        project.write("pipelines/daily.yml", PIPELINE)
        self.assertRuns(project.millrace("up", "--detach"))
        project.write("pipelines/daily.yml", wrong)
        self.assertIn("did you mean 'suite'?", self.assertRuns(project.millrace("status")).out)
        self.assertRuns(project.millrace("down"))


if __name__ == "__main__":
    unittest.main()
