"""The main job on the real data: landed, prepared, validated, trained, judged, served; and the honest gate."""
import json
import subprocess
import tarfile
import unittest
import urllib.error
import urllib.request

from harness import BIN, SOURCE, ProjectTest, free_port

EXAMPLE = SOURCE / "examples" / "weekly_retraining"


class TestWeeklyRetraining(ProjectTest):
    @classmethod
    def setUpClass(cls):
        from harness import Project
        cls.shared = Project(EXAMPLE)
        cls.addClassCleanup(cls.shared.close)
        config = cls.shared.root / "millrace.yml"
        config.write_text(config.read_text().replace(
            "endpoint: 127.0.0.1:8080", f"endpoint: 127.0.0.1:{free_port()}\n    status: 127.0.0.1:{free_port()}"))
        done = subprocess.run([str(BIN / "deliver"), "--quiet"], cwd=cls.shared.root, capture_output=True, text=True,
                              env={"MILLRACE": str(BIN / "millrace"), "PATH": "/usr/bin:/bin"}, timeout=300)
        assert done.returncode == 0, done

    def run_week(self, logical_date, score_at="departure", code=0):
        answer = self.shared.millrace("run", "weekly_retraining", "--logical-date", logical_date, "--param",
                                      f"score_at={score_at}", "--json", timeout=300)
        self.assertEqual(answer.code, code, answer)
        run = answer.json()
        return {task["task"]: task for task in run["tasks"]}

    def versions(self, model):
        answer = self.assertRuns(self.shared.millrace("model", "ls", "--json"))
        return [version for version in answer.json() if version["model"] == model]

    def test_1_departure_is_promoted_and_served(self):
        tasks = self.run_week("2013-09-01")
        self.assertTrue(all(task["state"] == "success" for task in tasks.values()), tasks)
        judged = tasks["evaluate"]["result"]
        self.assertTrue(judged["promoted"], judged)
        self.assertGreater(judged["values"]["auc"], 0.86)
        self.assertLess(judged["values"]["auc"], 0.95)
        self.assertEqual(tasks["leak_check"]["result"]["leaks"], [])
        [version] = self.versions("late_arrival_departure")
        self.assertEqual(version["tags"], ["Production"])

    def test_2_the_same_week_again_is_unchanged(self):
        before = self.shared.millrace("table", "history", "raw.flights", "--json").json()
        tasks = self.run_week("2013-09-01")
        for name in ("land_flights", "land_weather", "training_data", "validate", "leak_check", "train", "evaluate"):
            self.assertTrue(tasks[name]["result"].get("reused"), (name, tasks[name]))
        self.assertEqual(self.shared.millrace("table", "history", "raw.flights", "--json").json(), before)
        self.assertEqual(len(self.versions("late_arrival_departure")), 1)

    def test_3_two_hours_before_is_refused(self):
        tasks = self.run_week("2013-09-01", "two_hours_before")
        judged = tasks["evaluate"]["result"]
        self.assertFalse(judged["promoted"])
        self.assertGreater(judged["values"]["auc"], 0.60)
        self.assertLess(judged["values"]["auc"], 0.80)
        self.assertIn("0.8", judged["reasons"][0])
        self.assertEqual(tasks["deploy"]["state"], "skipped")
        [version] = self.versions("late_arrival_two_hours_before")
        self.assertEqual(version["tags"], [])

    def test_4_a_leak_is_stopped_though_its_auc_is_splendid(self):
        tasks = self.run_week("2013-09-01", "leaky")
        judged = tasks["evaluate"]["result"]
        self.assertGreater(judged["values"]["auc"], 0.98)
        self.assertFalse(judged["promoted"])
        found = " ".join(tasks["leak_check"]["result"]["leaks"])
        self.assertIn("plane_day_arr_delay", found)
        self.assertIn("plane_day_late_share", found)
        self.assertNotIn("carrier_late_share", found)
        self.assertEqual(tasks["deploy"]["state"], "skipped")

    def test_5_a_backfilled_week_is_the_week_as_it_would_have_run(self):
        """The year's files are all there; the week sees what was delivered before it, whatever was landed before."""
        tasks = self.run_week("2013-06-02")
        late = self.shared.value("select count(*) from raw.flights where delivered_at >= '2013-06-02 04:00:00+00'")
        self.assertGreater(late, 0)
        from harness import Project
        alone = Project(self.shared.root)
        self.addCleanup(alone.close)
        (alone.root / "deliveries").symlink_to(self.shared.root / "deliveries")
        answer = alone.millrace("run", "weekly_retraining", "--logical-date", "2013-06-02", "--json", timeout=300)
        self.assertEqual(answer.code, 0, answer)
        fresh = {task["task"]: task for task in answer.json()["tasks"]}
        self.assertEqual(tasks["training_data"]["result"]["dataset"]["content_hash"],
                         fresh["training_data"]["result"]["dataset"]["content_hash"])
        [version] = [v for v in alone.millrace("model", "ls", "--json").json()
                     if v["model"] == "late_arrival_departure"]
        again = [v for v in self.versions("late_arrival_departure") if v["run_id"] == version["run_id"]]
        self.assertEqual(version["artefact_sha256"], again[0]["artefact_sha256"])

    def test_6_the_endpoint_answers_and_rolls_back(self):
        self.run_week("2013-09-08")
        versions = self.versions("late_arrival_departure")
        self.assertRuns(self.shared.millrace("up", "--detach"))
        address = self.shared.millrace("status", "--json").json()["endpoint"]

        def ask():
            request = urllib.request.Request(f"http://{address}/invocations",
                                             data=(EXAMPLE / "request.json").read_bytes(),
                                             headers={"Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.headers["X-Millrace-Model-Version"], json.load(answer)

        with urllib.request.urlopen(f"http://{address}/ping", timeout=10) as answer:
            self.assertEqual(answer.status, 200)
        served, scores = ask()
        self.assertEqual(len(scores["predictions"]), 2)  # two flights are asked about
        self.assertTrue(all(0 < each["score"] < 1 for each in scores["predictions"]))
        promoted = [version for version in versions if version["state"] == "accepted"]
        if len(promoted) > 1:
            self.assertRuns(self.shared.millrace("model", "rollback", "late_arrival_departure"))
            self.assertNotEqual(ask()[0], served)
        self.assertRuns(self.shared.millrace("down"))

    def test_7_the_artefact_is_what_a_container_expects(self):
        [artefact, *_] = (self.shared.root / ".millrace" / "models").rglob("model.tar.gz")
        with tarfile.open(artefact) as archive:
            self.assertEqual(archive.getnames(), ["xgboost-model"])
        parquet = list((self.shared.root / ".millrace" / "runs").rglob("training_data.parquet"))
        self.assertTrue(parquet)


if __name__ == "__main__":
    unittest.main()
