"""What people are told of runs: as they go on, when they have failed, by which names they are called."""
import http.client
import json
import unittest

from harness import ProjectTest, wait_until

# Due at 06:00. The second task by name comes first in time, and fails where the file `broken` lies.
PIPELINE = """
schedule: "0 6 * * *"
start_date: 2026-01-01
params: {n: 1}
tasks:
  - {id: second, kind: command, command: "echo the first words"}
  - {id: first, kind: command, command: "echo the last words; ! cat broken >&2", upstream: [second]}
"""


class TestWhatRan(ProjectTest):
    def daily(self):
        project = self.project()
        project.write("millrace.yml",
                      "name: daily\ntargets:\n  dev: {endpoint: '127.0.0.1:0', status: '127.0.0.1:0'}\n")
        project.write("pipelines/daily.yml", PIPELINE)
        return project

    def test_a_server_says_what_begins_ends_and_fails_and_so_does_its_status(self):
        project = self.daily()
        up = self.assertRuns(project.millrace("up", "--detach"))
        self.assertRuns(project.millrace("run", "-d", "2026-02-01"))
        project.write("broken", "the pump is broken\n")
        self.assertRuns(project.millrace("run", "-d", "2026-01-05"), 1)
        log = next(project.root.rglob("server.log")).read_text()
        self.assertIn("daily 2026-02-01T06:00:00Z begins (manual)", log)
        self.assertIn("daily 2026-02-01T06:00:00Z has succeeded after", log)
        self.assertIn("daily 2026-01-05T06:00:00Z: first failed: exited with status 1: the pump is broken", log)
        self.assertIn("daily 2026-01-05T06:00:00Z has failed after", log)

        status = self.assertRuns(project.millrace("status")).out
        self.assertIn("first: exited with status 1: the pump is broken", status)
        # By what ran last, not by the date at which it was due.
        self.assertLess(status.index("2026-01-05T06"), status.index("2026-02-01T06"))

        address = self.assertRuns(project.millrace("status", "--json")).json()["status"]
        for told in (up.out, status):
            self.assertIn(f"http://{address}/api/v1/status", told)
        connection = http.client.HTTPConnection(address, timeout=10)
        connection.request("GET", "/")
        self.assertEqual(json.load(connection.getresponse())["paths"], ["/api/v1/status"])
        connection.close()

        self.assertRuns(project.millrace("down"))
        self.assertIn("millrace runs", self.assertRuns(project.millrace("status"), 3).err)
        listed = self.assertRuns(project.millrace("runs", "--json")).json()
        self.assertEqual([run["run_id"] for run in listed],
                         ["2026-01-05T06:00:00Z", "2026-02-01T06:00:00Z"])
        self.assertIn("the pump is broken", listed[0]["failed"][0]["message"])
        of_the_dag = self.assertRuns(project.millrace("runs", "daily"))
        self.assertIn("first: exited with status 1: the pump is broken", of_the_dag.out)

    def test_nothing_has_run_yet(self):
        project = self.daily()
        self.assertIn("nothing has run yet", self.assertRuns(project.millrace("runs")).out)
        self.assertFalse((project.root / ".millrace").exists())

    def test_a_date_is_the_moment_of_that_day_for_every_verb(self):
        project = self.daily()
        run = self.assertRuns(project.millrace("run", "-d", "2026-02-01"))
        self.assertIn("daily 2026-02-01T06:00:00Z", run.out)
        self.assertEqual(run.err, "")
        filled = self.assertRuns(project.millrace("backfill", "--from", "2026-02-01", "--to", "2026-02-02", "--json"))
        self.assertEqual([each["run_id"] for each in filled.json()["runs"]],
                         ["2026-02-01T06:00:00Z", "2026-02-02T06:00:00Z"])
        logs = self.assertRuns(project.millrace("logs", "daily", "2026-02-01"))
        self.assertIn("==> 2026-02-01T06:00:00Z", logs.out)
        cleared = self.assertRuns(project.millrace("clear", "daily", "2026-02-01"))
        self.assertIn("daily 2026-02-01T06:00:00Z", cleared.out)
        cancelled = self.assertRuns(project.millrace("cancel", "daily", "2026-02-01"))
        self.assertIn("2026-02-01T06:00:00Z had ended: success", cancelled.out)

    def test_a_date_in_the_future_or_off_the_schedule_is_warned_about(self):
        project = self.daily()
        future = self.assertRuns(project.millrace("run", "-d", "2131-02-01", "--json"))
        self.assertIn("warning: the logical date 2131-02-01T06:00:00Z lies in the future", future.err)
        self.assertEqual(future.json()["run_id"], "2131-02-01T06:00:00Z")
        off = self.assertRuns(project.millrace("run", "-d", "2026-02-01T07:00:00Z"))
        self.assertIn("is not on the schedule '0 6 * * *' (UTC)", off.err)
        self.assertIn("2026-02-01T06:00:00Z and 2026-02-02T06:00:00Z", off.err)

    def test_each_task_is_told_once_and_quiet_is_one_line(self):
        project = self.daily()
        told = self.assertRuns(project.millrace("run", "-d", "2026-02-01")).out
        self.assertEqual(told.count("second"), 1, told)
        quiet = self.assertRuns(project.millrace("run", "-d", "2026-02-02", "-q")).out
        self.assertEqual(len(quiet.splitlines()), 1, quiet)
        project.write("broken", "the pump is broken\n")
        failed = self.assertRuns(project.millrace("run", "-d", "2026-02-03", "-q"), 1).out
        self.assertIn("first: exited with status 1: the pump is broken", failed)
        self.assertNotIn("second", failed)

    def test_logs_are_in_the_order_of_time_without_the_header_of_their_format(self):
        project = self.daily()
        self.assertRuns(project.millrace("run", "-d", "2026-02-01"))
        logs = self.assertRuns(project.millrace("logs")).out
        self.assertLess(logs.index("the first words"), logs.index("the last words"))
        self.assertNotIn("millrace-attempt-log", logs)
        attempts = self.assertRuns(project.millrace("logs", "--json")).json()
        self.assertEqual([attempt["task"] for attempt in attempts], ["second", "first"])


if __name__ == "__main__":
    unittest.main()
