"""What a person sees: a bar that moves, colours on a terminal and nowhere else."""
import os
import pty
import select
import subprocess
import time
import unittest

from harness import MILLRACE, ProjectTest

# A task that speaks the attempt protocol from a shell, as a long training does: rounds with their metric. It goes on
# when the test has seen the bar (the file `seen`), so nothing here depends on how fast the machine is.
TRAINING = """#!/bin/sh
read request <&3
echo '{"type":"hello","millrace_attempt":1}' >&3
for round in 1 2 3; do
  echo '{"type":"progress","done":'$((round * 25))',"total":100,"message":"round '$round': validation 0.9'$round'"}' >&3
done
while [ ! -f seen ]; do
  echo '{"type":"heartbeat"}' >&3
  sleep 0.05
done
echo '{"type":"result","status":"success","value":{"summary":"three rounds"}}' >&3
"""

DAG = """{"millrace_dag": 1, "id": "rounds", "tasks": [{"id": "train", "kind": "program"}]}"""


class TestTerminal(ProjectTest):
    def rounds(self):
        project = self.project()
        project.write("millrace.yml", "name: rounds\nprograms: [rounds]\n")
        program = project.write("rounds", f"#!/bin/sh\nif [ \"$1\" = describe ]; then echo '{DAG}'; exit; fi\n"
                                          + TRAINING.split("\n", 1)[1])
        program.chmod(0o755)
        return project

    def on_a_terminal(self, project, *arguments, until="", then=lambda: None, environment=None):
        """Runs millrace on a pseudo terminal and gives all that it wrote; `then` is called once `until` was seen."""
        terminal, other = pty.openpty()
        child = subprocess.Popen([str(MILLRACE), *arguments], cwd=project.root, stdin=other, stdout=other, stderr=other,
                                 env={**os.environ, **(environment or {})})
        os.close(other)
        text, told, deadline = "", not until, time.monotonic() + 120
        while time.monotonic() < deadline:
            ready, _, _ = select.select([terminal], [], [], 1)
            if ready:
                try:
                    read = os.read(terminal, 65536).decode(errors="replace")
                except OSError:
                    break
                if not read:
                    break
                text += read
            if not told and until in text:
                told = True
                then()
        os.close(terminal)
        self.assertEqual(child.wait(timeout=60), 0, text)
        self.assertTrue(told, f"{until!r} was never shown in:\n{text}")
        return text

    def test_the_bar_moves_and_the_metric_of_a_round_is_shown(self):
        project = self.rounds()
        text = self.on_a_terminal(project, "run", until="75 %", then=lambda: project.write("seen", ""))
        self.assertIn("[#########...] 75 % round 3: validation 0.93", text)
        self.assertIn("three rounds", text)

    def test_what_did_not_pass_is_refused_and_yellow(self):
        project = self.rounds()
        project.edit("rounds", ('{"summary":"three rounds"}', '{"summary":"auc 0.6 < 0.8","accepted":false}'))
        project.write("seen", "")
        text = self.on_a_terminal(project, "run")
        self.assertIn("\033[33mrefused", text)
        self.assertIn("\033[33mrefused by train", text)
        again = self.assertRuns(project.millrace("run", "--clear", "--json")).json()
        self.assertEqual([(task["state"], task["refused"]) for task in again["tasks"]], [("success", True)])

    def test_that_a_model_was_refused_or_promoted_is_told_wherever_its_run_is(self):
        project = self.rounds()
        project.edit("rounds", ('"id": "rounds"', '"id": "rounds", "schedule": "@daily", "start_date": "2013-01-01"'))
        project.write("seen", "")
        judged = ('{"summary":"sla version 2: AUC 0.6, refused: auc is not over 0.8","accepted":false,'
                  '"model":"sla","version":2,"promoted":false,"values":{"auc":0.6}}')
        project.edit("rounds", ('{"summary":"three rounds"}', judged))
        days = ["--from", "2013-01-01", "--to", "2013-01-02"]
        told = self.assertRuns(project.millrace("backfill", *days)).out
        self.assertRegex(told, "2013-01-01T00:00:00Z +success .* sla version 2: AUC 0.6, refused: auc is not over 0.8")
        self.assertIn("2 runs, 0 failed, 2 with a refusal", told)
        self.assertRegex(self.assertRuns(project.millrace("runs")).out, "success .* sla version 2: AUC 0.6, refused")
        for run in self.assertRuns(project.millrace("runs", "--json")).json():
            self.assertEqual([task["task"] for task in run["refused"]], ["train"])
            model, = run["models"]
            self.assertEqual((model["model"], model["version"], model["promoted"], model["metrics"]),
                             ("sla", 2, False, {"auc": 0.6}))
        for verb in (["backfill", *days, "--json"], ["run", "-d", "2013-01-01", "--json"]):
            answer = self.assertRuns(project.millrace(*verb)).json()
            for run in answer.get("runs", [answer]):
                self.assertEqual([model["version"] for model in run["models"]], [2])

    def test_colours_on_a_terminal_only(self):
        project = self.rounds()
        project.write("seen", "")
        self.assertIn("\033[32m", self.on_a_terminal(project, "run"))
        plain = self.on_a_terminal(project, "run", "--clear", environment={"NO_COLOR": "1"})
        self.assertIn("success", plain)
        self.assertNotIn("\033[3", plain)
        piped = self.assertRuns(project.millrace("run", "--clear"))
        self.assertIn("success", piped.out)
        self.assertNotIn("\033", piped.out)


if __name__ == "__main__":
    unittest.main()
