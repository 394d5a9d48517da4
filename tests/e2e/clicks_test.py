"""examples/clicks: what the shop delivers is what its page promises, and always the same; the pipeline on it learns
nearly as well as anything can, and what it must not learn from is found out."""
import pathlib
import re
import subprocess
import tempfile
import unittest

import duckdb

from harness import BIN, MILLRACE, SOURCE, ProjectTest

SMALL = ["--visits", "2000", "--users", "3000"]
BEST_AUC = """
    WITH ordered AS (SELECT score, sum(1 - score) OVER (ORDER BY score, event_id ROWS UNBOUNDED PRECEDING) - (1 - score)
                            AS losers FROM events)
    SELECT sum(score * losers) / (SELECT sum(score) * sum(1 - score) - sum(score * (1 - score)) FROM events)
    FROM ordered"""


class TestClicks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.temporary.cleanup)
        cls.root = pathlib.Path(cls.temporary.name)
        cls.story = cls.deliver("story", "--format", "parquet", "--best-score", "yes")
        cls.sql = duckdb.connect()
        cls.sql.execute(f"CREATE VIEW clicks AS FROM read_parquet('{cls.story}/clicks/*.parquet', union_by_name=true, "
                        "filename=true)")

    @classmethod
    def run_program(cls, *words):
        return subprocess.run([str(BIN / "deliver_clicks"), *words], cwd=cls.root, capture_output=True, text=True,
                              timeout=120, env={"MILLRACE": str(MILLRACE), "PATH": "/usr/bin:/bin"})

    @classmethod
    def deliver(cls, folder, *words):
        done = cls.run_program("--out", folder, *SMALL, *words)
        assert done.returncode == 0, done.stderr
        return cls.root / folder

    def ask(self, sql):
        [row] = self.sql.execute(sql).fetchall()
        return row[0] if len(row) == 1 else row

    def test_each_day_has_its_files(self):
        names = sorted(str(path.relative_to(self.story)) for path in self.story.rglob("*.*"))
        self.assertEqual(len(names), 3 * 45 + 1)
        self.assertIn("clicks/clicks-2024-02-14.parquet", names)
        self.assertIn("items/items-2024-01-01.parquet", names)

    def test_a_day_alone_is_the_same_bytes(self):
        for table in ("clicks", "users", "activity"):
            for folder in ("alone", "again"):
                words = [] if folder == "alone" else ["--threads", "1"]
                path = self.deliver(folder, "--format", "parquet", "--best-score", "yes", "--day", "2024-01-20", *words)
                name = f"{table}/{table}-2024-01-20.parquet"
                self.assertEqual((path / name).read_bytes(), (self.story / name).read_bytes(), name)
        first, second = (self.deliver(folder, "--day", "2024-01-20") for folder in ("lines1", "lines2"))
        name = "clicks/clicks-2024-01-20.jsonl.gz"
        self.assertEqual((first / name).read_bytes(), (second / name).read_bytes())

    def test_the_parts_of_a_day_together_are_the_day(self):
        for part in ("1/3", "2/3", "3/3"):
            parts = self.deliver("parts", "--format", "parquet", "--day", "2024-01-20", "--part", part)
        whole = f"SELECT * EXCLUDE (filename, best_score, position) FROM clicks WHERE filename LIKE '%2024-01-20%'"
        mine = f"FROM '{parts}/clicks/*.parquet'"
        self.assertEqual(self.ask(f"SELECT count(*) FROM ({mine})"), self.ask(f"SELECT count(*) FROM ({whole})"))
        self.assertEqual(self.ask(f"SELECT count(*) FROM ({mine} EXCEPT ALL {whole})"), 0)

    def test_json_lines_hold_the_same_rows(self):
        lines = self.deliver("lines", "--day", "2024-02-05", "--best-score", "yes")
        columns = "event_id, user_id, item_id, device, clicked, position, delivered_at::TIMESTAMPTZ AS delivered_at"
        mine = f"SELECT {columns} FROM read_json('{lines}/clicks/clicks-2024-02-05.jsonl.gz')"
        whole = f"SELECT {columns} FROM clicks WHERE filename LIKE '%2024-02-05%'"
        self.assertGreater(self.ask(f"SELECT count(*) FROM ({mine})"), 1000)
        self.assertEqual(self.ask(f"SELECT count(*) FROM ({mine} EXCEPT ALL {whole})"), 0)
        self.assertEqual(self.ask(f"SELECT count(*) FROM ({whole} EXCEPT ALL {mine})"), 0)

    def test_it_has_everything_that_a_pipeline_must_stand(self):
        rows = self.ask("SELECT count(*) FROM clicks")
        share = lambda condition: self.ask(f"SELECT count(*) FROM clicks WHERE {condition}") / rows
        self.assertAlmostEqual(rows, 45 * 2000 * 0.67, delta=3000)
        self.assertAlmostEqual(share("delivered_at > shown_at + INTERVAL 1 HOUR"), 0.039, delta=0.005)
        self.assertAlmostEqual(1 - self.ask("SELECT count(DISTINCT event_id) FROM clicks") / rows, 0.01, delta=0.003)
        self.assertAlmostEqual(share("device IS NULL"), 0.05, delta=0.005)
        self.assertAlmostEqual(share("user_id = 7"), 0.012, delta=0.004)
        for fault in ("user_id IS NULL", "item_id = -1", "shown_at IS NULL"):
            self.assertAlmostEqual(share(fault), 0.00033, delta=0.0003)
        self.assertEqual(self.ask("SELECT min(filename[-18:-9]) FROM clicks WHERE position IS NOT NULL"), "2024-01-31")
        drift = ("SELECT avg(item_id) FILTER (shown_at::DATE = DATE '2024-02-05'), avg(item_id) FROM clicks "
                 "WHERE item_id >= 0")
        on_the_day, always = self.ask(drift)
        self.assertGreater(on_the_day, always + 400)

    def test_every_row_stands_in_the_file_of_its_delivery(self):
        self.sql.execute("SET TimeZone = 'UTC'")
        for table in ("clicks", "users", "activity"):
            wrong = self.ask(f"SELECT count(*) FROM read_parquet('{self.story}/{table}/*.parquet', filename=true, "
                             "union_by_name=true) WHERE strftime(delivered_at, '%Y-%m-%d') <> filename[-18:-9]")
            self.assertEqual(wrong, 0, table)

    def test_plans_change_and_the_best_score_knows(self):
        users = f"FROM read_parquet('{self.story}/users/*.parquet')"
        self.assertEqual(self.ask(f"SELECT count(*) FILTER (plan = 'free') {users}"), 3000)
        self.assertAlmostEqual(self.ask(f"SELECT count(*) FILTER (plan = 'premium') {users}"), 2000, delta=100)
        self.sql.execute("CREATE OR REPLACE VIEW events AS "
                         "SELECT DISTINCT ON (event_id) event_id, best_score AS score, clicked FROM clicks")
        self.assertAlmostEqual(self.ask(BEST_AUC), 0.8395, delta=0.006)  # 0.8409 with a million rows
        clicked, expected = self.ask("SELECT avg(clicked::INTEGER), avg(score) FROM events")
        self.assertAlmostEqual(clicked, expected, delta=0.006)

    def test_what_it_does_not_understand_it_refuses(self):
        for words, told in [(["--dya", "2024-01-01"], "there is no option '--dya'"),
                            (["--day", "2025-01-01"], "--day: expected one of the 45 days from --start on"),
                            (["--visits", "1e6"], "--visits: expected a whole number from 1 to 1000000000"),
                            (["--part", "4/3"], "--part: expected a whole number from 1 to 3, found '4'"),
                            (["--format", "csv"], "--format: expected parquet or jsonl, found 'csv'"),
                            (["--start", "tomorrow"], "--start: expected a date as 2024-01-31"),
                            (["--days"], "--days needs a value"),
                            (["--seed", "1", "--seed", "2"], "--seed is given twice")]:
            with self.subTest(words):
                done = self.run_program(*words)
                self.assertEqual((done.returncode, done.stdout), (2, ""))
                self.assertIn(told, done.stderr)
                self.assertIn("--help", done.stderr)
        done = self.run_program("--out", "/proc/nowhere")
        self.assertEqual(done.returncode, 1)
        self.assertIn("--out /proc/nowhere", done.stderr)

    def test_help_names_every_option(self):
        told = self.run_program("--help")
        self.assertEqual((told.returncode, told.stderr), (0, ""))
        code = (SOURCE / "examples/clicks/arguments.cc").read_text()
        for option in set(re.findall(r'"(--[a-z-]+)"', code)):
            self.assertIn(option + " ", told.stdout)


class TestPipeline(ProjectTest):
    """The seven steps over a smaller shop, whose best AUC is known: once as they should be, once with the join that
    takes the latest values."""
    DAY = "2024-02-14"
    WORLD = ["--visits", "8000", "--users", "10000", "--best-score", "yes"]
    HOLDOUT = """
        CREATE VIEW events AS
        SELECT event_id, best_score AS score
        FROM read_json('{folder}/clicks/clicks-*.jsonl.gz', union_by_name=true)
        WHERE item_id >= 0 AND user_id IS NOT NULL
          AND shown_at >= '2024-02-10' AND shown_at < '2024-02-14' AND delivered_at < '2024-02-14'
        QUALIFY row_number() OVER (PARTITION BY event_id ORDER BY delivered_at) = 1"""

    def best_auc(self, project):
        with duckdb.connect() as sql:
            sql.execute(self.HOLDOUT.format(folder=project.root / "deliveries"))
            return sql.execute(BEST_AUC).fetchall()[0][0]

    def version_of(self, project, model):
        versions = self.assertRuns(project.millrace("model", "ls", "--json")).json()
        [version] = [version for version in versions if version["model"] == model]
        return version

    def test_what_was_known_then_reaches_the_best_and_the_latest_values_are_found_out(self):
        project = self.project(copy_of=SOURCE / "examples/clicks")
        project.edit("millrace.yml", ("endpoint: 127.0.0.1:8080", "endpoint: 127.0.0.1:0\n    status: 127.0.0.1:0"))
        subprocess.run([str(BIN / "deliver_clicks"), *self.WORLD], cwd=project.root, check=True, timeout=120,
                       capture_output=True, env={"MILLRACE": str(MILLRACE), "PATH": "/usr/bin:/bin"})
        run = ["run", "clicks", "--logical-date", self.DAY]
        self.assertRuns(project.millrace(*run, timeout=300))
        self.assertWhatIsBrokenIsSetAside(project)
        good = self.version_of(project, "clicks_as_of")
        self.assertEqual(good["tags"], ["Production"])
        best = self.best_auc(project)
        self.assertAlmostEqual(best, 0.84, delta=0.01)
        self.assertGreater(good["metrics"]["auc"], best - 0.015)
        self.assertLess(good["metrics"]["auc"], best + 0.015)

        self.assertRuns(project.millrace(*run, "--param", "users=latest", timeout=300))
        wrong = self.version_of(project, "clicks_latest")
        self.assertEqual((wrong["state"], wrong["tags"]), ("refused", []))
        self.assertLess(wrong["metrics"]["auc"], best - 0.04)
        told = "\n".join(wrong["reasons"])
        for reason in ("latest_plan differs in", "latest_engagement differs in", "the gate asks for auc > 0.8"):
            self.assertIn(reason, told)

    def assertWhatIsBrokenIsSetAside(self, project):
        [rejected] = project.rows("SELECT count(*) FILTER (reason LIKE '%user_id%') AS users, "
                                  "count(*) FILTER (reason LIKE '%shown_at%') AS times FROM raw.clicks__rejected")
        self.assertTrue(30 < rejected["users"] < 130 and 30 < rejected["times"] < 130, rejected)
        self.assertTrue(30 < project.value("SELECT count(*) FROM models.unknown_items WHERE item_id = -1") < 130)
        [trained] = project.rows("SELECT count(*) AS n, count(DISTINCT event_id) AS events, min(item_id) AS item "
                                 "FROM features.clicks_as_of")
        self.assertGreater(trained["n"], 100_000)
        self.assertEqual((trained["events"], trained["item"]), (trained["n"], 0))
        self.assertLess(trained["n"], project.value("SELECT count(*) FROM raw.clicks WHERE shown_at >= '2024-01-17'"))
        self.assertGreater(project.value("SELECT count(position) FROM raw.clicks"), 50_000)


if __name__ == "__main__":
    unittest.main()
