"""Who may only read a project folder: another user, a read-only mount."""
import os
import signal
import subprocess
import unittest

from harness import MILLRACE, Answer, ProjectTest, free_port, wait_until

# What root may do besides, so that the modes of files count for it as well.
WITHOUT_PRIVILEGE = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []


class TestReadOnly(ProjectTest):
    def setUp(self):
        self.days = self.project()
        self.days.write("millrace.yml", f"name: days\ntargets:\n  dev: {{endpoint: '127.0.0.1:{free_port()}', "
                                        f"status: '127.0.0.1:{free_port()}'}}\n")
        self.days.write("models/days.sql", "{{ config(materialized='table') }} select 1 as day")
        self.days.write("expectations/days.yml",
                        "expectations:\n  - {type: expect_column_values_to_not_be_null, column: day}\n")
        self.days.write("pipelines/days.yml", "tasks:\n  - {id: days, kind: sql_model, model: days}\n")
        self.assertRuns(self.days.millrace("run", "-d", "2013-01-01"))

    def may_write(self, allowed):
        for path in [self.days.root, *self.days.root.rglob("*")]:
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | 0o200 if allowed else path.stat().st_mode & ~0o222)

    def looks(self, *verb, code=0):
        command = [*WITHOUT_PRIVILEGE, str(MILLRACE), *verb]
        answer = Answer(subprocess.run(command, cwd=self.days.root, capture_output=True, text=True, timeout=120))
        self.assertEqual(answer.code, code, (verb, answer))
        return answer.out

    def everything_can_be_looked_at(self):
        self.may_write(False)
        try:
            touched = subprocess.run([*WITHOUT_PRIVILEGE, "touch", "mine"], cwd=self.days.root, capture_output=True)
            self.assertNotEqual(touched.returncode, 0, "the folder can be written")
            self.assertIn("1", self.looks("sql", "select day from models.days"))
            self.assertIn("models.days", self.looks("table", "ls"))
            self.looks("table", "show", "models.days")
            self.looks("table", "history", "models.days")
            self.looks("table", "at", "models.days", "0")
            self.assertIn("1 of 1", self.looks("validate", "days", "--table", "models.days"))
            self.assertIn("2013-01-01T00:00:00Z", self.looks("runs"))
            self.looks("logs", "days", "2013-01-01")
            self.looks("model", "ls")
            self.looks("check")
        finally:
            self.may_write(True)

    def test_looking_needs_no_right_to_write(self):
        self.everything_can_be_looked_at()

    def test_who_may_not_write_starts_no_server_and_is_told_once_why(self):
        self.may_write(False)
        try:
            answer = Answer(subprocess.run([*WITHOUT_PRIVILEGE, str(MILLRACE), "up", "--detach"], cwd=self.days.root,
                                           capture_output=True, text=True, timeout=120))
        finally:
            self.may_write(True)
        self.assertNotEqual(answer.code, 0)
        [line] = answer.err.splitlines()
        self.assertRegex(line, r"^error: .*Permission denied; a server keeps its state in .*/\.millrace: let this user "
                               r"write there")

    def test_also_while_a_server_runs_and_after_it_was_killed(self):
        self.assertRuns(self.days.millrace("up", "--detach"))
        self.everything_can_be_looked_at()
        for pid in self.days.servers():
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not self.days.servers() or self.days.millrace("status").code == 3, "it is gone")
        self.everything_can_be_looked_at()


if __name__ == "__main__":
    unittest.main()
