"""scripts/demo, as a newcomer runs it for the second time: everything is built and the week has run. In a checkout of
its own with the program of this build; cmake, which would have nothing to do, is a stub."""
import json
import os
import re
import shutil
import subprocess
import unittest

from harness import BIN, SOURCE, Answer, ProjectTest
from weekly import WeeklyProject, deliveries, finished_week, tasks_of

WEEK = "2013-09-01"


class TestDemo(ProjectTest):
    def setUp(self):
        self.week = finished_week(WEEK)
        self.weekly = WeeklyProject(of=self.week, folder="examples/weekly_retraining")
        self.addCleanup(self.weekly.close)
        self.checkout = self.weekly.temporary
        shutil.copytree(SOURCE / "scripts", self.checkout / "scripts")
        (self.checkout / "build").mkdir()
        (self.checkout / "build/release").symlink_to(BIN)
        (self.weekly.root / "deliveries").unlink()
        shutil.copytree(deliveries(), self.weekly.root / "deliveries")
        self.weekly.write("deliveries/.complete", "")
        stubs = self.checkout / "stubs"
        stubs.mkdir()
        (stubs / "cmake").write_text("#!/bin/sh\n")
        (stubs / "cmake").chmod(0o755)
        self.environment = {**os.environ, "PATH": f"{stubs}:{os.environ['PATH']}"}

    def bash(self, *command, folder=None):
        return self.assertRuns(Answer(subprocess.run(["bash", *command], cwd=folder or self.checkout,
                                                     env=self.environment, capture_output=True, text=True,
                                                     timeout=300)))

    def summary(self, text):
        """What stands under "Summary", by its name."""
        return dict(re.split(r"  +", line.strip(), maxsplit=1) for line in
                    text.split("Summary\n")[1].split("\n\n")[0].splitlines())

    def test_it_tells_what_was_done_and_what_to_try_next_and_again_does_nothing_twice(self):
        self.assertTrue(self.bash("scripts/demo", "--help").out.startswith("Sets up what is missing"))
        text = self.bash("scripts/demo", WEEK).out
        self.assertLess(text.index("Setting up"), text.index("Building"))
        self.assertLess(text.index("Building"), text.index("The weekly retraining, logical date 2013-09-01"))
        told = self.summary(text)
        tasks = tasks_of(self.week)
        landed = [task["result"] for name, task in tasks.items() if name.startswith("land_")]
        self.assertEqual(told["rows read"], f"{sum(each['rows_read'] for each in landed):,}")
        self.assertEqual(told["rows late"].split()[0], f"{sum(each['rows_late'] for each in landed):,}")
        self.assertEqual(told["expectations"], "36 of 36 met")
        self.assertEqual(told["AUC on the holdout"], f"{tasks['evaluate']['result']['values']['auc']:.4f}")
        self.assertEqual(told["model version"], "late_arrival_departure 1, in Production")
        for name in ("time", *tasks):
            self.assertRegex(told[name], r"^\d+\.\d s$")

        # The commands that it names do what they say.
        curl, leaky, sql = re.findall(r"^  (curl .*|millrace run .*|millrace sql .*)$", text, re.MULTILINE)
        self.assertIn(told["endpoint"], curl)
        enter = re.search(r"^  (cd .*)$", text, re.MULTILINE)[1]
        predicted = json.loads(self.bash("-c", f"{enter} && {curl}").out)
        self.assertEqual(len(predicted["predictions"]), 2)
        self.assertIn("score_at=leaky", leaky)
        self.assertIn("carrier", self.bash("-c", f"{enter} && {sql}").out)

        again = self.bash("scripts/demo", WEEK).out
        self.assertEqual(len(self.weekly.versions()), 1)
        self.assertEqual({name: value for name, value in self.summary(again).items() if not value.endswith(" s")},
                         {name: value for name, value in told.items() if not value.endswith(" s")})
        self.assertIn("`millrace down` stops it", again)

        [server] = self.weekly.servers()
        self.weekly.edit("millrace.yml", ("memory: 2GB", "memory: 1900MB"))
        self.bash("scripts/demo", WEEK)
        self.assertNotIn(server, self.weekly.servers())  # one with the settings of now goes on
        self.assertEqual(len(self.weekly.versions()), 1)
        self.bash("-c", f"{enter} && millrace down")
        self.assertRuns(self.weekly.millrace("status"), 3)


class TestDemoDate(unittest.TestCase):
    def test_a_date_on_which_no_run_is_due_is_refused_before_anything_is_done_with_one_to_take(self):
        for date, words in (("2013-12-04", "no Sunday, and the retraining is due on Sundays: take 2013-12-01 or 2013"),
                            ("2013-02-30", "'2013-02-30' is no date"),
                            ("2014-01-05", "take a Sunday from 2013-02-10 to 2013-12-29")):
            done = subprocess.run([SOURCE / "scripts/demo", date], capture_output=True, text=True, timeout=60)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertIn(words, done.stderr)


if __name__ == "__main__":
    unittest.main()
