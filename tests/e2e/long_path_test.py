"""A project that lies deep: a Unix socket's path has at most 107 bytes, a project's may have more."""
import json
import subprocess
import unittest

from harness import BIN, Endpoint, ProjectTest
from weekly import EXAMPLE, MODEL, WeeklyProject, finished_week

DEEP = "/".join(["a folder with a name of fifty characters, no less."] * 4)


class TestALongPath(ProjectTest):
    def test_it_runs_serves_and_answers_status(self):
        project = WeeklyProject(of=finished_week("2013-09-01"), folder=DEEP)
        self.addCleanup(project.close)
        self.assertGreater(len(str(project.root)), 200)
        tasks = project.run_week("2013-09-01")  # with a server of its own
        self.assertEqual({task["state"] for task in tasks.values()}, {"success"})
        self.assertRuns(project.millrace("up", "--detach"))
        self.assertEqual(self.assertRuns(project.millrace("status", "--json")).json()["project"], "weekly_retraining")
        version, scores = Endpoint(project).predict((EXAMPLE / "request.json").read_text())
        self.assertEqual((version, len(scores)), (1, 2))
        project.run_week("2013-09-01")  # by the server that is up
        self.assertRuns(project.millrace("model", "promote", MODEL, 1, "--reason", "a test"))
        self.assertRuns(project.millrace("down"))
        self.assertRuns(project.millrace("status"), 3)

    def test_a_program_runs_alone_there(self):
        project = self.project(folder=DEEP)
        done = subprocess.run([BIN / "daily_training_pipeline", "--json"], cwd=project.root, capture_output=True,
                              text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done)
        self.assertEqual(json.loads(done.stdout)["state"], "success")


if __name__ == "__main__":
    unittest.main()
