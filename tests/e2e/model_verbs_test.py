"""`millrace model show` and `model predict`, on the model of a real week."""
import contextlib
import csv
import io
import json
import sqlite3
import subprocess
import unittest

from harness import MILLRACE, ProjectTest
from weekly import EXAMPLE, MODEL, WeeklyProject, finished_week, tasks_of

WEEK = "2013-09-01"


class OfAWeek(ProjectTest):
    @classmethod
    def setUpClass(cls):
        week = finished_week(WEEK)
        cls.weekly = WeeklyProject(of=week)
        cls.addClassCleanup(cls.weekly.close)
        cls.tasks = tasks_of(week)


class TestShow(OfAWeek):
    def show(self, *arguments):
        return self.assertRuns(self.weekly.millrace("model", "show", MODEL, *arguments, "--json")).json()

    def test_a_version_says_how_good_it_is_and_what_it_was_made_from(self):
        shown = self.show()
        self.assertEqual((shown["version"], shown["state"], shown["tags"]), (1, "accepted", ["Production"]))
        self.assertEqual(shown["metrics"], self.tasks["evaluate"]["result"]["values"])
        self.assertIn("No version is in Production yet.", shown["reasons"])
        manifest = shown["manifest"]
        made_from = self.tasks["training_data"]["result"]["dataset"]
        self.assertEqual({name: manifest["data"][name] for name in ("table", "version", "content_hash", "rows")},
                         {name: made_from[name] for name in ("table", "version", "content_hash", "rows")})
        self.assertEqual((manifest["seed"], manifest["label"], manifest["logical_date"]),
                         (2013, "late", f"{WEEK}T04:00:00Z"))
        self.assertEqual(len(manifest["golden_rows"]), 64)
        self.assertEqual([(event["tag"], event["version"]) for event in shown["tag_history"]], [("Production", 1)])
        self.assertEqual(self.show("1"), shown)

    def test_a_person_reads_a_table(self):
        lines = self.assertRuns(self.weekly.millrace("model", "show", MODEL)).out.splitlines()
        self.assertEqual(lines[0], f"{MODEL} version 1")
        words = [line.split() for line in lines]
        self.assertIn(["tags", "Production"], words)
        self.assertIn(["state", "accepted"], words)
        self.assertIn(["FEATURE", "TYPE", "CATEGORIES"], words)
        self.assertEqual([row[0] for row in words if row[:1] == ["carrier"]], ["carrier"])
        self.assertNotIn("{", "".join(lines))
        because = next(line for line in lines if line.startswith("  because"))
        self.assertRegex(because, r"^  because +auc is [0-9.]+; the gate asks for auc > 0.8. "
                                  r"No version is in Production yet. The leak check found nothing.$")
        self.assertRegex("\n".join(lines), r"(?m)^  measured .*positives [0-9,]+, rows [0-9,]+$")

    def test_what_is_not_there_is_a_mistake(self):
        self.assertIn("has no version 7; its newest is 1",
                      self.assertRuns(self.weekly.millrace("model", "show", MODEL, 7), 2).err)
        self.assertIn("there is no model 'late'", self.assertRuns(self.weekly.millrace("model", "show", "late"), 2).err)


class TestList(OfAWeek):
    def listed(self, project):
        head, row = (line.split() for line in self.assertRuns(project.millrace("model", "ls")).out.splitlines())
        return dict(zip(head, row))

    def test_a_version_that_nobody_has_evaluated_has_no_auc(self):
        project = WeeklyProject(of=finished_week(WEEK))
        self.addCleanup(project.close)
        self.assertRegex(self.listed(project)["AUC"], r"^0\.[89]\d{3}$")
        with contextlib.closing(sqlite3.connect(project.root / ".millrace/metadata.db")) as database, database:
            database.execute("delete from model_tags")  # and the version as its training left it
            database.execute("update model_versions set state = 'registered', reasons = '[]', "
                             "metrics = '{\"training_logloss\": 0.3}'")
        self.assertIn("  registered    -  ", self.assertRuns(project.millrace("model", "ls")).out)
        [version] = self.assertRuns(project.millrace("model", "ls", "--json")).json()
        self.assertEqual(version["metrics"], {"training_logloss": 0.3, "auc": None})


class TestStatus(OfAWeek):
    def test_a_version_in_production_that_cannot_be_loaded_is_told(self):
        project = WeeklyProject(of=finished_week(WEEK))
        self.addCleanup(project.close)
        artefact, = (project.root / ".millrace/models").glob("**/model.tar.gz")
        whole = artefact.read_bytes()
        artefact.unlink()  # it may be another folder's file too
        artefact.write_bytes(whole[:1000])
        self.assertRuns(project.millrace("up", "--detach"))
        status = self.assertRuns(project.millrace("status", "--json")).json()
        self.assertEqual(status["models"], [{"model": MODEL, "version": None, "instead_of": 1}])
        self.assertIn(f"nothing answers for {MODEL}: version 1, which is in Production, cannot be loaded",
                      self.assertRuns(project.millrace("status")).out)


class TestPredict(OfAWeek):
    INSTANCES = json.loads((EXAMPLE / "request.json").read_text())["instances"]

    def predict(self, text, *more, code=0):
        """The answer to rows in a file."""
        file = self.weekly.write("rows.txt", text)
        return self.assertRuns(self.weekly.millrace("model", "predict", MODEL, "--input", file, *more), code)

    def scores(self, text):
        return [each["score"] for each in self.predict(text, "--json").json()["predictions"]]

    def as_csv(self, rows, names=None):
        text = io.StringIO()
        writer = csv.DictWriter(text, names or list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
        return text.getvalue()

    def test_golden_rows_score_as_the_manifest_says(self):
        manifest = self.weekly.millrace("model", "show", MODEL, "--json").json()["manifest"]
        rows = manifest["golden_rows"]
        found = self.scores(json.dumps({"instances": [row["inputs"] for row in rows]}))
        self.assertEqual(len(found), 64)
        for score, row in zip(found, rows, strict=True):
            self.assertAlmostEqual(score, row["score"], delta=1e-6)

    def test_json_csv_and_standard_input_say_the_same(self):
        expected = self.scores(json.dumps({"instances": self.INSTANCES}))
        self.assertEqual(len(expected), 2)
        self.assertTrue(all(0 < score < 1 for score in expected), expected)
        self.assertEqual(self.scores(self.as_csv(self.INSTANCES)), expected)
        self.assertEqual(self.scores(self.as_csv(self.INSTANCES, sorted(self.INSTANCES[0]))), expected)
        lines = self.predict(self.as_csv(self.INSTANCES)).out.split()
        self.assertEqual([float(line) for line in lines], expected)
        piped = subprocess.run([MILLRACE, "model", "predict", MODEL, "--input", "-", "--version", "1"], text=True,
                               input=self.as_csv(self.INSTANCES), cwd=self.weekly.root, capture_output=True, timeout=60)
        self.assertEqual((piped.returncode, piped.stdout.split()), (0, lines), piped.stderr)

    def test_a_category_that_was_never_seen_is_as_none_at_all(self):
        flight = self.INSTANCES[1]
        for feature in ("carrier", "origin", "dest"):
            known, never, none = self.scores(json.dumps({"instances": [flight, {**flight, feature: "never seen"},
                                                                       {**flight, feature: None}]}))
            self.assertEqual(never, none, feature)
            if feature == "dest":
                self.assertNotEqual(known, none)

    def test_a_row_that_does_not_fit_names_itself_and_the_feature(self):
        wrong = [self.INSTANCES[0], {**self.INSTANCES[1], "distance": "far"}]
        answer = self.predict(json.dumps({"instances": wrong}), code=2)
        self.assertIn("row 2, feature 'distance'", answer.err)
        self.assertEqual(answer.out, "")
        answer = self.predict(self.as_csv([{**self.INSTANCES[0], "distnace": 1}]), code=2)
        self.assertIn("did you mean 'distance'?", answer.err)
        missing = {name: value for name, value in self.INSTANCES[0].items() if name != "distance"}
        self.assertIn("distance", self.predict(json.dumps({"instances": [missing]}), code=2).err)

    def test_a_file_without_rows_gives_no_scores_and_says_so(self):
        answer = self.predict(self.as_csv(self.INSTANCES).split("\n")[0] + "\n")
        self.assertEqual(answer.out, "")
        self.assertIn("holds no rows", answer.err)

    def test_a_file_that_is_not_there(self):
        answer = self.assertRuns(self.weekly.millrace("model", "predict", MODEL, "--input", "no.csv"), 2)
        self.assertIn("no.csv", answer.err)


if __name__ == "__main__":
    unittest.main()
