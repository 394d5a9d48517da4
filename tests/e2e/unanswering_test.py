"""What keeps a server, or a command, from answering is told, with what to do: a store that is locked or full, a server
that is stopped or was killed. Most of its time is waiting, so it has a file of its own."""
import json
import os
import signal
import sqlite3
import unittest

from servers_test import WAITS, Servers


class TestDeadStore(Servers):
    def test_a_run_gives_up_a_store_that_does_not_answer(self):
        project = self.commands()
        run = project.start("run")
        self.began(project)
        store = sqlite3.connect(project.root / ".millrace" / "dev.db", isolation_level=None)
        store.execute("BEGIN EXCLUSIVE")  # as a full disk: nothing can be written, what is there can be read
        project.write("go", "")
        said, _ = run.communicate(timeout=120)
        self.assertEqual(run.returncode, 3, said)
        self.assertIn("error: the store of runs has not answered for", said)
        self.assertIn("ask again", said)
        store.execute("ROLLBACK")
        self.assertRuns(project.millrace("run"))

    def test_a_server_that_stays_tells_that_its_store_does_not_answer(self):
        project = self.commands(waiting=WAITS, other="sleep 1000")  # until it is cancelled
        self.assertRuns(project.millrace("up", "--detach"))
        run = project.start("run", "waiting")
        self.began(project)
        store = sqlite3.connect(project.root / ".millrace" / "dev.db", isolation_level=None)
        store.execute("BEGIN EXCLUSIVE")
        project.write("go", "")
        trouble = "the store of runs does not answer; nothing is scheduled until it does"
        self.until(lambda: trouble in self.assertRuns(project.millrace("status")).out, "the status tells it")
        self.assertEqual(project.millrace("status", "--json").json()["trouble"][:len(trouble)], trouble)
        asked = project.start("run", "other")
        for child in (run, asked):
            self.until(lambda: trouble in child.stdout.readline(), "who waits is told")
        asked.send_signal(signal.SIGINT)
        self.until(lambda: "cancelling" in asked.stdout.readline(), "Ctrl-C is heard at once")
        store.execute("ROLLBACK")
        self.ended(run, 0)
        self.ended(asked, 130)
        self.until(lambda: not self.assertRuns(project.millrace("status", "--json")).json()["trouble"], "it is over")
        self.assertRuns(project.millrace("down"))


class TestSilentServer(Servers):
    def test_one_that_does_not_answer_is_named_with_what_to_do_and_who_waits_goes_on_with_it(self):
        project = self.commands(quick="true")
        self.assertRuns(project.millrace("up", "--detach"))
        pid, = project.servers()
        os.kill(pid, signal.SIGSTOP)
        try:
            run = project.start("run", "-q")
            others = [project.start(*verb) for verb in (["status"], ["down"], ["up"], ["up", "--detach"])]
            self.until(lambda: f"warning: a server with pid {pid} holds this project" in run.stdout.readline(), "told")
            for child in others:
                said = self.ended(child, 3)
                self.assertIn("does not answer", said)
                self.assertIn(f"`kill -9 {pid}`", said)
        finally:
            os.kill(pid, signal.SIGCONT)
        self.ended(run, 0)
        self.assertRuns(project.millrace("down"))

    def test_one_that_is_killed_under_a_backfill_is_told_as_gone_and_the_runs_go_on_with_the_next(self):
        project = self.commands()
        project.write("pipelines/waiting.yml", "schedule: '@daily'\nstart_date: 2013-01-01\n"
                      "tasks:\n  - {id: wait, kind: command, command: " + json.dumps(WAITS) + "}\n")
        self.assertRuns(project.millrace("up", "--detach"))
        backfill = project.start("backfill", "--from", "2013-01-01", "--to", "2013-01-02")
        self.began(project)
        pid, = project.servers()
        os.kill(pid, signal.SIGKILL)
        said = self.ended(backfill, 3)
        self.assertIn(f"the server of this project (pid {pid}) has ended", said)
        self.assertIn("goes on at the next start: `millrace up`", said)
        project.write("go", "")
        self.assertRuns(project.millrace("up", "--detach"))
        self.until(lambda: self.state(project) == ["success", "success"], "both runs end")
        self.assertRuns(project.millrace("down"))


if __name__ == "__main__":
    unittest.main()
