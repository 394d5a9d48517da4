"""Files that change under a running server: its Dags follow them."""
import unittest

from servers_test import Servers


class TestChangedFiles(Servers):
    """Attempts read SQL when they begin, so a server whose Dags stayed as they were would mix old and new."""

    def dags(self, project):
        return {dag["dag"] for dag in self.assertRuns(project.millrace("status", "--json")).json()["dags"]}

    def test_a_changed_a_new_and_a_removed_dag_are_taken_over(self):
        project = self.commands(quick="echo first", gone="true")
        self.assertRuns(project.millrace("up", "--detach"))
        self.assertRuns(project.millrace("run", "quick"))
        project.edit("pipelines/quick.yml", ("echo first", "echo second"))
        project.write("pipelines/new.yml", "tasks:\n  - {id: a, kind: command, command: 'echo third'}\n")
        (project.root / "pipelines/gone.yml").unlink()
        self.assertRuns(project.millrace("run", "quick"))
        self.assertRuns(project.millrace("run", "new"))
        self.assertIn("second", self.assertRuns(project.millrace("logs", "quick")).out)
        self.assertIn("third", self.assertRuns(project.millrace("logs", "new")).out)
        self.assertEqual(self.dags(project), {"quick", "new"})
        self.assertRuns(project.millrace("down"))

    def test_a_run_that_has_begun_keeps_its_dag(self):
        project = self.commands()
        self.assertRuns(project.millrace("up", "--detach"))
        child = project.start("run")
        self.began(project)
        project.write("pipelines/waiting.yml", "tasks:\n  - {id: other, kind: command, command: 'echo other'}\n")
        self.assertEqual(self.dags(project), {"waiting"})  # and has looked at the files
        project.write("go", "")
        self.ended(child, 0)
        self.assertIn("==> ", self.assertRuns(project.millrace("logs", "--task", "wait")).out)
        self.assertRuns(project.millrace("down"))

    def test_the_schedule_of_a_new_dag_is_followed_without_being_asked(self):
        project = self.commands(quick="true")
        self.assertRuns(project.millrace("up", "--detach"))
        project.write("pipelines/later.yml", "schedule: '@daily'\nstart_date: 2013-01-01\nend_date: 2013-01-02\n"
                      "catchup: true\ntasks:\n  - {id: a, kind: command, command: 'touch began'}\n")
        self.began(project)
        self.assertRuns(project.millrace("down"))

    def test_mistakes_are_told_and_what_was_whole_goes_on(self):
        project = self.commands(quick="true")
        self.assertRuns(project.millrace("up", "--detach"))
        whole = (project.root / "pipelines/quick.yml").read_text()
        project.write("pipelines/quick.yml", "tasks: [")
        answer = self.assertRuns(project.millrace("status"))
        self.assertIn("pipelines/quick.yml:1:", answer.out)
        self.assertEqual(self.dags(project), {"quick"})
        self.assertRuns(project.millrace("run", "quick"), 2)
        project.write("pipelines/quick.yml", whole)
        self.assertRuns(project.millrace("run", "quick"))
        self.assertEqual(self.assertRuns(project.millrace("status", "--json")).json()["files"], "")
        self.assertRuns(project.millrace("down"))

    def test_a_target_cannot_change_under_its_server(self):
        project = self.commands(quick="true")
        self.assertRuns(project.millrace("up", "--detach"))
        project.edit("millrace.yml", ("dev: {", "dev: {parallelism: 7, "))
        answer = self.assertRuns(project.millrace("run", "quick"), 2)
        self.assertIn("`millrace down` and `millrace up`", answer.err)
        self.assertRuns(project.millrace("down"))
        self.assertRuns(project.millrace("run", "quick"))


if __name__ == "__main__":
    unittest.main()
