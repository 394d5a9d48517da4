"""The main job on the real data: landed, prepared, validated, trained, judged, served; and the honest gate.

All begin from one finished week, 1 September 2013 at departure (weekly.py), each in a copy of its own.
"""
import tarfile
import unittest

from harness import Endpoint, ProjectTest
from weekly import EXAMPLE, MODEL, PIPELINE, WeeklyProject, finished_week, tasks_of

WEEK, NEXT = "2013-09-01", "2013-09-08"


class AfterAWeek(ProjectTest):
    @classmethod
    def setUpClass(cls):
        cls.week = finished_week(WEEK)

    def weekly(self):
        project = WeeklyProject(of=self.week)
        self.addCleanup(project.close)
        return project

    def in_production(self, project):
        return [v["version"] for v in project.versions() if "Production" in v["tags"]]

    def assertToldInReadme(self, auc, score_at):
        """The table of every week's AUC in the example's README."""
        text = (EXAMPLE / "README.md").read_text()
        [names] = [line for line in text.splitlines() if line.startswith("| logical date |")]
        [row] = [line for line in text.splitlines() if line.startswith(f"| {WEEK} |")]
        told = dict(zip(names.strip("| ").split(" | "), row.strip("| ").split(" | "), strict=True))
        self.assertEqual(f"{auc:.3f}", told[score_at])


class TestTheWeek(AfterAWeek):
    def test_departure_is_promoted(self):
        tasks = tasks_of(self.week)
        self.assertTrue(all(task["state"] == "success" for task in tasks.values()), tasks)
        judged = tasks["evaluate"]["result"]
        self.assertTrue(judged["promoted"], judged)
        self.assertGreater(judged["values"]["auc"], 0.86)
        self.assertLess(judged["values"]["auc"], 0.95)
        self.assertToldInReadme(judged["values"]["auc"], "departure")
        self.assertEqual(tasks["leak_check"]["result"]["leaks"], [])
        [version] = self.weekly().versions()
        self.assertEqual((version["state"], version["tags"]), ("accepted", ["Production"]))

    def test_the_same_week_again_is_unchanged(self):
        project = self.weekly()
        before = project.millrace("table", "history", "raw.flights", "--json").json()
        tasks = project.run_week(WEEK)
        for name in ("land_flights", "land_weather", "training_data", "validate", "leak_check", "train", "evaluate"):
            self.assertTrue(tasks[name]["result"].get("reused"), (name, tasks[name]))
        self.assertEqual(project.millrace("table", "history", "raw.flights", "--json").json(), before)
        self.assertEqual(len(project.versions()), 1)

    def test_the_artefact_is_what_a_container_expects(self):
        with tarfile.open(self.weekly().file("model.tar.gz")) as archive:
            self.assertEqual(archive.getnames(), ["xgboost-model"])


class TestTheHonestGate(AfterAWeek):
    def test_two_hours_before_is_refused(self):
        project = self.weekly()
        tasks = project.run_week(WEEK, "two_hours_before")
        judged = tasks["evaluate"]["result"]
        self.assertFalse(judged["promoted"])
        self.assertEqual([name for name, task in tasks.items() if task["refused"]], ["evaluate"])
        self.assertGreater(judged["values"]["auc"], 0.60)
        self.assertLess(judged["values"]["auc"], 0.80)
        self.assertToldInReadme(judged["values"]["auc"], "two_hours_before")
        self.assertIn("0.8", " ".join(judged["reasons"]))
        self.assertEqual(tasks["leak_check"]["result"]["leaks"], [])
        self.assertEqual(tasks["deploy"]["state"], "skipped")
        [version] = project.versions("late_arrival_two_hours_before")
        self.assertEqual((version["state"], version["tags"]), ("refused", []))

    def test_a_leak_is_stopped_though_its_auc_is_splendid(self):
        project = self.weekly()
        tasks = project.run_week(WEEK, "leaky")
        judged = tasks["evaluate"]["result"]
        self.assertGreater(judged["values"]["auc"], 0.98)
        self.assertToldInReadme(judged["values"]["auc"], "leaky")
        self.assertFalse(judged["promoted"])
        self.assertEqual([name for name, task in tasks.items() if task["refused"]], ["leak_check", "evaluate"])
        found = " ".join(tasks["leak_check"]["result"]["leaks"])
        self.assertIn("plane_day_arr_delay", found)
        self.assertIn("plane_day_late_share", found)
        self.assertNotIn("carrier_late_share", found)
        self.assertEqual(tasks["deploy"]["state"], "skipped")
        [version] = project.versions("late_arrival_leaky")
        self.assertEqual((version["state"], version["tags"]), ("refused", []))
        self.assertEqual(self.in_production(project), [1])  # of the honest model, as before

    def test_a_column_that_the_caller_cannot_know_yet_is_refused_also_when_only_its_declaration_changes(self):
        """Two hours before the departure nobody knows its delay. A project that claims so gets its model, since nothing
        in the data denies it; once it tells the truth the same rows are judged again, and refused."""
        project = self.weekly()
        sets = "features/training_sets.yml"
        head, rest = (project.root / sets).read_text().split("- name: flights_two_hours_before", 1)
        last = "      - {name: distance, known_at: scheduled_departure - interval 7 days}\n"
        claim = "      - {name: dep_delay, known_at: scheduled_departure - interval 7 days}\n"
        project.write(sets, head + "- name: flights_two_hours_before" + rest.replace(last, last + claim, 1))
        project.edit(PIPELINE, ("sample: 24", "sample: 6"), ("rounds: 400", "rounds: 60"))
        tasks = project.run_week(WEEK, "two_hours_before")
        self.assertEqual(tasks["leak_check"]["result"]["leaks"], [])
        self.assertTrue(tasks["evaluate"]["result"]["promoted"], tasks["evaluate"])
        content = tasks["training_data"]["result"]["dataset"]["content_hash"]

        project.edit(sets, (claim, claim.replace("scheduled_departure - interval 7 days", "departed_at")))
        tasks = project.run_week(WEEK, "two_hours_before")
        self.assertEqual(tasks["training_data"]["result"]["dataset"]["content_hash"], content)
        [finding] = tasks["leak_check"]["result"]["leaks"]
        self.assertIn("dep_delay", finding)
        self.assertFalse(tasks["evaluate"]["result"]["promoted"], tasks["evaluate"])
        self.assertIn("dep_delay", " ".join(tasks["evaluate"]["result"]["reasons"]))
        self.assertEqual(tasks["deploy"]["state"], "skipped")


class TestBackfill(AfterAWeek):
    def test_backfilled_weeks_are_the_weeks_as_they_would_have_run(self):
        """Everything up to September is landed; the weeks of February see what was delivered before them."""
        project = self.weekly()
        period = ("backfill", "weekly_retraining", "--from", "2013-02-10", "--to", "2013-02-17", "--json")
        runs = self.assertRuns(project.millrace(*period, timeout=300)).json()["runs"]
        self.assertEqual([(run["run_id"], run["state"], run["reason"]) for run in runs],
                         [("2013-02-10T05:00:00Z", "success", "backfill"),
                          ("2013-02-17T05:00:00Z", "success", "backfill")])
        self.assertLessEqual(runs[0]["finished_at"], runs[1]["started_at"])

        alone = WeeklyProject()
        self.addCleanup(alone.close)
        fresh = alone.run_week("2013-02-10")
        tasks = {task["task"]: task for task in runs[0]["tasks"]}
        self.assertEqual(tasks["training_data"]["result"]["dataset"]["content_hash"],
                         fresh["training_data"]["result"]["dataset"]["content_hash"])
        [of_the_week] = alone.versions()
        self.assertIn(of_the_week["artefact_sha256"], [v["artefact_sha256"] for v in project.versions()])

        versions = project.versions()
        again = self.assertRuns(project.millrace(*period)).json()["runs"]
        self.assertEqual([run["finished_at"] for run in again], [run["finished_at"] for run in runs])
        self.assertEqual(project.versions(), versions)


class TestWhatServes(AfterAWeek):
    BODY = (EXAMPLE / "request.json").read_bytes()

    def test_a_worse_model_stays_a_version_a_person_may_go_both_ways_and_a_better_one_is_deployed(self):
        project = self.weekly()
        project.edit(PIPELINE, ("rounds: 400", "rounds: 2"))  # so few trees: the gate just holds
        self.assertRuns(project.millrace("up", "--detach"))
        endpoint = Endpoint(project)
        self.assertEqual(endpoint.request("GET", "/ping")[0], 200)
        served, scores = endpoint.predict(self.BODY)
        self.assertEqual((served, len(scores)), (1, 2))  # two flights are asked about
        self.assertTrue(all(0 < score < 1 for score in scores))

        tasks = project.run_week(NEXT)
        judged = tasks["evaluate"]["result"]
        self.assertGreater(judged["values"]["auc"], 0.8)
        self.assertFalse(judged["promoted"])
        self.assertEqual(tasks["deploy"]["state"], "skipped")
        first, second = project.versions()
        self.assertEqual((first["state"], first["tags"]), ("accepted", ["Production"]))
        self.assertEqual((second["state"], second["tags"]), ("refused", []))
        [why] = [reason for reason in second["reasons"] if "version 1" in reason]
        self.assertIn("worse", why)
        self.assertIn(f"{judged['values']['auc']:.6f}", why)  # both were scored on the new holdout
        self.assertEqual(endpoint.predict(self.BODY), (1, scores))

        self.assertRuns(project.millrace("model", "promote", MODEL, 2, "--reason", "to see it"))
        served, others = endpoint.predict(self.BODY)
        self.assertEqual(served, 2)
        self.assertNotEqual(others, scores)
        self.assertRuns(project.millrace("model", "rollback", MODEL))
        self.assertEqual(endpoint.predict(self.BODY), (1, scores))
        self.assertEqual(self.in_production(project), [1])

        self.assertRuns(project.millrace("model", "promote", MODEL, 2, "--reason", "to see it replaced"))
        self.assertRuns(project.millrace("down"))
        project.edit(PIPELINE, ("rounds: 2\n", "rounds: 60\n"))
        self.assertRuns(project.millrace("up", "--detach"))
        endpoint = Endpoint(project)
        self.assertEqual(endpoint.predict(self.BODY), (2, others))
        tasks = project.run_week(NEXT)  # better than version 2: the running server switches by itself
        self.assertEqual(tasks["deploy"]["state"], "success")
        self.assertEqual(self.in_production(project), [3])
        self.assertEqual(endpoint.predict(self.BODY)[0], 3)

        for left in (2, 1, None):
            back = self.assertRuns(project.millrace("model", "rollback", MODEL, "--json")).json()
            self.assertEqual(back, {"model": MODEL, "version": left})
        self.assertEqual(self.in_production(project), [])
        self.assertEqual(endpoint.request("GET", "/ping")[0], 503)
        tasks = project.run_week(NEXT)
        self.assertEqual(tasks["deploy"]["state"], "skipped", "what was judged before is not promoted again")
        self.assertIn("no version of", self.assertRuns(project.millrace("model", "rollback", MODEL), 2).err)

    def test_a_failing_suite_opens_the_circuit_and_the_last_good_model_serves_on(self):
        project = self.weekly()
        self.assertRuns(project.millrace("up", "--detach"))
        endpoint = Endpoint(project)
        served = endpoint.predict(self.BODY)
        suite = project.root / "expectations" / "training_data.yml"
        suite.write_text(suite.read_text() +
                         "  - {type: expect_column_values_to_be_between, column: distance, max_value: 1000}\n")
        tasks = project.run_week(NEXT, code=1)
        self.assertEqual({name: task["state"] for name, task in tasks.items() if task["state"] != "success"},
                         {"validate": "failed", "train": "upstream_failed", "evaluate": "upstream_failed",
                          "deploy": "upstream_failed"})
        of_the_run = f"from features.flights_departure where run_id = '{NEXT}T04:00:00Z'"
        far, all_rows = (project.value(f"select count(*) {of_the_run}{where}")
                         for where in (" and distance > 1000", ""))
        message = tasks["validate"]["message"]
        self.assertIn("expect_column_values_to_be_between of distance", message)
        self.assertIn(f"{far} of {all_rows}", message.replace(",", ""))
        unexpected = {str(row["distance"]) for row in project.rows(
            f"select distinct distance {of_the_run} and distance > 1000")}
        samples = message.split(f"{far} of {all_rows}")[1].replace(",", " ").split()
        self.assertGreaterEqual(len(unexpected & set(samples)), 1, message)
        self.assertEqual(endpoint.predict(self.BODY), served)
        self.assertEqual(len(project.versions()), 1)

        again = self.assertRuns(project.millrace("backfill", "--from", NEXT, "--to", NEXT, "--json"), 1)
        self.assertEqual([run["state"] for run in again.json()["runs"]], ["failed"])


if __name__ == "__main__":
    unittest.main()
