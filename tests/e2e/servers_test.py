"""Runs asked for, taken back and watched; which server answers whom."""
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time
import unittest

from harness import MILLRACE, ProjectTest, free_port

WAITS = "touch began; until [ -f go ]; do sleep 0.02; done; echo done"


class Servers(ProjectTest):
    """A project of commands: `wait` begins, says so by a file, and ends when the file `go` is there."""

    def commands(self, **dags):
        project = self.project()
        project.write("millrace.yml", "name: commands\ntargets:\n"
                                      + "".join(f"  {target}: {{endpoint: '127.0.0.1:{free_port()}', "
                                                f"status: '127.0.0.1:{free_port()}', lake: .millrace/{target}, "
                                                f"metadata: .millrace/{target}.db}}\n" for target in ("dev", "prod")))
        for name, command in (dags or {"waiting": WAITS}).items():
            project.write(f"pipelines/{name}.yml",
                          f"tasks:\n  - id: wait\n    kind: command\n    command: {json.dumps(command)}\n")
        return project

    def until(self, condition, what):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if found := condition():
                return found
            time.sleep(0.02)
        self.fail(f"never: {what}")

    def began(self, project, file="began"):
        self.until((project.root / file).exists, f"the task made {file}")

    def state(self, project, dag="waiting"):
        runs = self.assertRuns(project.millrace("status", "--json")).json()["dags"]
        return [run["state"] for each in runs if each["dag"] == dag for run in each["runs"]]

    def ended(self, child, code):
        out, _ = child.communicate(timeout=60)
        self.assertEqual(child.returncode, code, out)
        return out


class TestTargets(Servers):
    def test_a_target_is_never_served_by_the_server_of_another(self):
        project = self.commands(quick="true")
        self.assertRuns(project.millrace("up", "--detach"))
        for verb in (["run"], ["status"], ["down"], ["up", "--detach"], ["cancel"],
                     ["model", "rollback", "any"]):
            answer = self.assertRuns(project.millrace(*verb, "-t", "prod"), 2)
            self.assertIn("'dev'", answer.err, verb)
            self.assertIn("'prod'", answer.err, verb)
        self.assertFalse((project.root / ".millrace/prod.db").exists())
        self.assertRuns(project.millrace("run"))
        self.assertRuns(project.millrace("down"))


class TestMovedProject(Servers):
    def test_the_server_of_a_folder_that_was_moved_under_it_is_stopped_all_the_same(self):
        project = self.commands(quick="true")
        self.assertRuns(project.millrace("up", "--detach"))
        project.root = project.root.rename(project.root.with_name(project.root.name + "-moved"))
        try:
            self.assertRuns(project.millrace("down", timeout=20))
            self.assertRuns(project.millrace("run", "quick"))
        finally:
            project.root = project.root.rename(project.root.with_name(project.root.name.removesuffix("-moved")))


    def test_it_writes_nothing_half_in_the_one_place_and_half_in_the_other(self):
        project = self.commands(quick="echo x >>ran")
        self.assertRuns(project.millrace("up", "--detach"))
        self.assertRuns(project.millrace("run", "-d", "2013-01-01"))
        here = project.root
        there = project.root = here.rename(here.with_name(here.name + "-moved"))
        try:
            shutil.copytree(there, here, ignore=shutil.ignore_patterns("*.sock"))
            refused = self.assertRuns(project.millrace("run", "-d", "2013-01-02"), 3)
            self.assertIn("was moved or replaced while this server", refused.err)
            self.assertIn("`millrace down`, then `millrace up`", refused.err)
            self.assertIn("was moved or replaced", self.assertRuns(project.millrace("status")).out)
            self.assertRuns(project.millrace("down"))
            self.assertEqual([(place / "ran").read_text() for place in (here, there)], ["x\n", "x\n"])
            self.assertRuns(project.millrace("run", "-d", "2013-01-02"))
            self.assertEqual([(place / "ran").read_text() for place in (here, there)], ["x\n", "x\nx\n"])
        finally:
            shutil.rmtree(here, ignore_errors=True)
            project.root = there.rename(here)


class TestTwoServers(Servers):
    def test_of_two_that_start_at_once_one_serves_and_the_other_says_who(self):
        project = self.commands(quick="true")
        for _ in range(3):
            both = [project.start("up"), project.start("up")]
            self.until(lambda: any(child.poll() is not None for child in both), "one gives up")
            other, server = sorted(both, key=lambda child: child.poll() is None)
            self.assertIn(f"held by a server with pid {server.pid} since 20", self.ended(other, 2))
            self.until(lambda: project.millrace("status").code == 0, "the other serves")
            self.assertRuns(project.millrace("down"))
            self.ended(server, 0)


class TestInterruption(Servers):
    def test_ctrl_c_cancels_the_run_that_this_command_started(self):
        project = self.commands()
        self.assertRuns(project.millrace("up", "--detach"))
        child = project.start("run")
        self.began(project)
        child.send_signal(signal.SIGINT)
        self.assertIn("cancelled", self.ended(child, 130))
        self.assertEqual(self.state(project), ["failed"])
        self.assertRuns(project.millrace("down"))

    def test_ctrl_c_ends_what_the_task_has_started_and_leaves_no_socket(self):
        project = self.commands(
            waiting="sh -c 'echo $$ >grandchild; touch began; while true; do sleep 0.02; done'; true")
        child = project.start("run")
        self.began(project)
        grandchild = int((project.root / "grandchild").read_text())
        child.send_signal(signal.SIGINT)
        self.ended(child, 130)
        stat = pathlib.Path(f"/proc/{grandchild}/stat")
        # It was told to end before the command ended; whoever reaps it takes a moment more.
        self.until(lambda: not stat.exists() or " Z " in stat.read_text(), "the grandchild has ended")
        self.assertEqual([path.name for path in (project.root / ".millrace").glob("*.sock")], [])

    def test_an_interrupted_run_does_not_come_back_with_the_next_server(self):
        project = self.commands(waiting=WAITS, other="touch other")
        child = project.start("run", "waiting")
        self.began(project)
        child.send_signal(signal.SIGINT)
        self.ended(child, 130)
        (project.root / "began").unlink()
        self.assertRuns(project.millrace("run", "other"))
        self.assertFalse((project.root / "began").exists())

    def test_a_second_ctrl_c_leaves_at_once(self):
        project = self.commands(waiting="trap '' TERM; " + WAITS)
        child = project.start("run")
        self.began(project)
        child.send_signal(signal.SIGINT)
        # The first is being dealt with: the attempt does not listen to SIGTERM and has a grace of ten seconds.
        self.until(lambda: "cancelling" in child.stdout.readline(), "it says that it cancels")
        child.send_signal(signal.SIGINT)
        self.ended(child, 130)

    def test_ctrl_c_is_a_good_end_of_a_server(self):
        project = self.commands(quick="true")
        server = project.start("up")
        self.until(lambda: project.millrace("status").code == 0, "the server answers")
        server.send_signal(signal.SIGINT)
        self.assertIn("stopping", self.ended(server, 0))

    def test_a_closed_terminal_stops_the_server_in_good_order(self):
        project = self.commands(quick="true")
        server = project.start("up")
        self.until(lambda: project.millrace("status").code == 0, "the server answers")
        server.send_signal(signal.SIGHUP)
        self.assertIn("stopping", self.ended(server, 0))


class TestCancelAndClear(Servers):
    def test_cancel_ends_what_runs(self):
        project = self.commands()
        self.assertRuns(project.millrace("up", "--detach"))
        child = project.start("run")
        self.began(project)
        answer = self.assertRuns(project.millrace("cancel", "--json"))
        self.assertEqual([run["state"] for run in answer.json()["runs"]], ["failed"])
        said = self.ended(child, 1)
        self.assertRegex(said, r"wait +cancelled .*the run was cancelled")
        self.assertIn("nothing runs", self.assertRuns(project.millrace("cancel")).out)
        self.assertRegex(self.assertRuns(project.millrace("status")).out, "cancelled .*wait: the run was cancelled")
        self.assertIn("killed: the run was cancelled", self.assertRuns(project.millrace("logs")).out)
        self.assertRuns(project.millrace("down"))

    def test_runs_says_that_what_has_not_ended_waits_for_a_server(self):
        project = self.commands()
        waits = "wait for `millrace up`"
        child = project.start("run")
        self.began(project)
        told = self.assertRuns(project.millrace("runs")).out
        self.assertIn(" running ", told)
        self.assertNotIn(waits, told)
        child.kill()
        self.ended(child, -signal.SIGKILL)
        told = self.assertRuns(project.millrace("runs")).out
        self.assertIn(" running ", told)
        self.assertIn(waits, told)
        self.assertRuns(project.millrace("cancel"))
        self.assertNotIn(waits, self.assertRuns(project.millrace("runs")).out)

    def test_a_run_whose_server_was_killed_can_be_cancelled_without_going_on(self):
        project = self.commands()
        child = project.start("run")
        self.began(project)
        child.kill()
        self.ended(child, -signal.SIGKILL)
        (project.root / "began").unlink()
        answer = self.assertRuns(project.millrace("cancel", "--json"))
        self.assertEqual([run["state"] for run in answer.json()["runs"]], ["failed"])
        self.assertFalse((project.root / "began").exists())

    def test_clear_runs_again(self):
        project = self.commands(quick="echo x >>ran")
        run = self.assertRuns(project.millrace("run", "--json", "--logical-date", "2013-01-01")).json()["run_id"]
        self.assertRuns(project.millrace("clear", "quick", run, "--task", "wait"))
        self.assertEqual(len((project.root / "ran").read_text().split()), 2)


class TestRemovedDag(Servers):
    def test_what_waits_of_a_dag_whose_file_is_gone_waits_is_told_and_can_be_cancelled(self):
        project = self.commands(other="true")
        daily = "schedule: '@daily'\nstart_date: 2013-01-01\n"
        file = project.write("pipelines/daily.yml", daily + "tasks:\n  - {id: wait, kind: command, command: "
                             + json.dumps("echo x >>ran; " + WAITS) + "}\n")
        self.assertRuns(project.millrace("up", "--detach"))
        backfill = project.start("backfill", "daily", "--from", "2013-01-01", "--to", "2013-01-03")
        self.began(project)
        text = file.read_text()
        file.unlink()
        status = self.assertRuns(project.millrace("status"))
        self.assertIn("the Dag 'daily' is gone from the project's files", status.out)
        self.assertRegex(status.out, "daily +2013-01-02T00:00:00Z +queued")
        project.write("go", "")
        said = self.until(lambda: (line := backfill.stdout.readline()) and "warning:" in line and line, "it is told")
        self.assertIn("2013-01-02T00:00:00Z waits: the Dag 'daily' is gone", said)
        cancelled = self.assertRuns(project.millrace("cancel", "daily", "2013-01-02"))
        self.assertIn("2013-01-02T00:00:00Z was cancelled", cancelled.out)
        self.assertRegex(self.assertRuns(project.millrace("runs", "daily")).out, "daily +2013-01-02.* cancelled ")
        self.assertIn("done", self.assertRuns(project.millrace("logs", "daily", "2013-01-01")).out)
        self.assertRuns(project.millrace("cancel", "dayly"), 2)
        self.assertEqual((project.root / "ran").read_text(), "x\n")
        file.write_text(text)
        self.assertRuns(project.millrace("status"))
        said = self.ended(backfill, 1)
        self.assertRegex(said, "2013-01-03T00:00:00Z +success")
        self.assertEqual((project.root / "ran").read_text(), "x\nx\n")
        self.assertRuns(project.millrace("down"))


class TestOneServerForACommand(Servers):
    def test_a_run_does_not_die_with_the_command_whose_server_it_used(self):
        project = self.commands(first="touch began; until [ -f go ]; do sleep 0.02; done",
                                second="touch second; until [ -f go2 ]; do sleep 0.02; done")
        first = project.start("run", "first")
        self.began(project)
        second = project.start("run", "second")
        self.began(project, "second")
        project.write("go", "")
        self.ended(first, 0)
        project.write("go2", "")
        self.ended(second, 0)


class TestBrokenFiles(Servers):
    def test_a_file_that_is_being_written_stops_nobody_else(self):
        project = self.commands(waiting="touch began; until [ -f go ]; do sleep 0.02; done",
                                later="true")
        project.write("models/days.sql", "{{ config(materialized='table') }} select 1 as day")
        project.write("pipelines/two.yml", "tasks:\n"
                      "  - {id: first, kind: command, command: 'touch began; until [ -f go ]; do sleep 0.02; done'}\n"
                      "  - {id: second, kind: command, command: 'touch second', upstream: [first]}\n"
                      "  - {id: days, kind: sql_model, model: days, upstream: [second]}\n")
        self.assertRuns(project.millrace("up", "--detach"))
        child = project.start("run", "two")
        self.began(project)
        project.write("pipelines/later.yml", "tasks: [")
        project.write("features/half.yml", "feature_views: [")
        project.write("expectations/half.yml", "expectations: [")
        project.write("go", "")
        self.ended(child, 0)
        self.assertEqual(project.value("select day from models.days"), 1)
        project.write("models/half.sql", "select {{ ref('gone') }}")
        self.assertRuns(project.millrace("check"), 2)
        self.assertRuns(project.millrace("status"))
        self.assertRuns(project.millrace("logs", "two"))
        self.assertRuns(project.millrace("sql", "select 1"))
        self.assertRuns(project.millrace("model", "ls"))
        self.assertIn("no version of model", self.assertRuns(project.millrace("model", "rollback", "any"), 2).err)
        self.assertIn("nothing runs", self.assertRuns(project.millrace("cancel", "two")).out)
        self.assertRuns(project.millrace("down"))
        self.assertRuns(project.millrace("model", "rollback", "any"), 2)


class TestStarting(Servers):
    def test_a_taken_port_is_named_with_its_setting(self):
        project = self.commands(quick="true")
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            project.write("millrace.yml", f"name: x\ntargets:\n  dev: {{endpoint: '127.0.0.1:{port}'}}\n")
            answer = self.assertRuns(project.millrace("up", "--detach"), 2)
        self.assertIn(str(port), answer.err)
        self.assertIn("'endpoint' of the target 'dev' in millrace.yml", answer.err)
        self.assertEqual(answer.err.count("error:"), 1, answer.err)

    def test_looking_makes_no_folders(self):
        project = self.commands(quick="true")
        for verb in (["model", "ls"], ["table", "ls"], ["sql", "select 1"], ["check"]):
            self.assertRuns(project.millrace(*verb))
        self.assertRuns(project.millrace("status"), 3)
        self.assertRuns(project.millrace("logs"), 2)
        self.assertRuns(project.millrace("model", "show", "none"), 2)
        self.assertEqual(sorted(path.name for path in project.root.iterdir()), ["millrace.yml", "pipelines"])

    def test_a_pool_of_the_target_is_used_and_one_that_is_not_there_has_a_place(self):
        project = self.commands(quick="true")
        project.write("pipelines/quick.yml",
                      "tasks:\n  - {id: a, kind: command, command: 'true', pool: heavy, pool_slots: 2}\n")
        answer = self.assertRuns(project.millrace("check"), 2)
        self.assertIn("pipelines/quick.yml:2:51: ", answer.err)
        self.assertIn("pools: {name: slots}", answer.err)
        project.write("millrace.yml", "name: x\ntargets:\n  dev: {pools: {heavy: 1}}\n")
        self.assertIn("has 1", self.assertRuns(project.millrace("check"), 2).err)
        project.write("millrace.yml", "name: x\ntargets:\n  dev: {pools: {heavy: 2}}\n")
        self.assertRuns(project.millrace("check"))
        self.assertRuns(project.millrace("run"))


class TestJson(Servers):
    def test_every_verb_answers_in_json_also_when_it_fails(self):
        project = self.commands(quick="echo hello")
        project.write("models/days.sql", "{{ config(materialized='table') }} select 1 as day")
        project.write("expectations/days.yml",
                      "expectations:\n  - {type: expect_column_values_to_not_be_null, column: day}\n"
                      "  - {type: expect_column_values_to_be_between, column: day, max_value: 0, mostly: 0.5}\n")
        project.write("pipelines/days.yml", "tasks:\n  - {id: days, kind: sql_model, model: days}\n")
        output = project.root / "out.csv"
        verbs = [(0, "version"), (0, "check"), (0, "up", "--detach"), (2, "up", "--detach"), (0, "status"),
                 (0, "run", "days", "--logical-date", "2013-01-01"),
                 (0, "clear", "days", "2013-01-01T00:00:00Z"), (2, "clear", "days", "2014"), (0, "cancel", "days"),
                 (2, "run", "dayz"),
                 (2, "backfill", "days", "--from", "2013-01-01", "--to", "2013-01-02"),  # without a schedule
                 (0, "logs", "days"), (2, "logs", "dayz"), (0, "sql", "select 1 as one"), (2, "sql", "selec"),
                 (0, "sql", "select 1 as one", "--output", output), (0, "table", "ls"),
                 (0, "table", "show", "models.days"), (0, "table", "history", "models.days"),
                 (0, "table", "at", "models.days", "1"), (2, "table", "show", "models.dayz"),
                 (1, "validate", "days", "--table", "models.days"),
                 (0, "validate", "days", "--table", "models.days", "--where", "day < 0"),
                 (0, "model", "ls"), (2, "model", "ls", "none"), (2, "model", "show", "none"),
                 (2, "model", "promote", "none", "1", "--reason", "x"), (2, "model", "rollback", "none"),
                 (2, "model", "predict", "none", "--input", output),
                 (0, "down"), (3, "down"), (3, "status")]
        for code, *verb in verbs:
            with self.subTest(verb):
                document = self.assertRuns(project.millrace(*verb, "--json"), code).json()
                if code in (2, 3):
                    self.assertEqual(set(document["error"]), {"code", "message"})
        self.assertEqual(output.read_text().split(), ["one", "1"])
        project.write("pipelines/days.yml", "tasks: [")
        for verb in ("run", "up", "check"):
            self.assertRuns(project.millrace(verb, "--json"), 2).json()


class TestLogs(Servers):
    def test_a_run_is_looked_for_among_the_runs_only(self):
        project = self.commands(quick="echo hello")
        self.assertRuns(project.millrace("run"))
        for run in ("../../..", "..", "/etc", "."):
            self.assertIn("there are no logs of a run", self.assertRuns(project.millrace("logs", "quick", run), 2).err)
        self.assertRuns(project.millrace("logs", ".."), 2)

    def test_a_date_that_ran_with_parameters_only_names_those_runs(self):
        project = self.commands(quick="echo hello")
        project.write("pipelines/quick.yml", "params: {k: 1}\ntasks:\n  - {id: a, kind: command, command: 'true'}\n")
        self.assertRuns(project.millrace("run", "-d", "2013-01-03"))
        self.assertRuns(project.millrace("run", "-d", "2013-02-03", "-p", "k=7"))
        refused = self.assertRuns(project.millrace("logs", "quick", "2013-02-03"), 2)
        self.assertIn("2013-02-03T00:00:00Z.k=7", refused.err)
        self.assertNotIn("2013-01-03", refused.err)

    def test_the_latest_run_is_the_one_that_ran_last_not_the_one_due_last(self):
        project = self.commands(quick="echo I am $MILLRACE_RUN")
        self.assertRuns(project.millrace("run", "--logical-date", "2013-12-01"))
        self.assertRuns(project.millrace("run", "--logical-date", "2013-06-01"))
        self.assertIn("I am 2013-06-01", self.assertRuns(project.millrace("logs")).out)


class TestApi(Servers):
    def ask(self, project, method, path, body=None):
        connection = http.client.HTTPConnection("localhost", timeout=10)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(project.root / ".millrace/server.sock"))
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def test_what_has_the_wrong_type_is_refused_and_named(self):
        project = self.commands(quick="true")
        self.assertRuns(project.millrace("up", "--detach"))
        runs, dag = "/api/v1/dags/quick/runs", "/api/v1/dags/quick"
        for method, path, body, named in (
                ("POST", runs, {"params": [1]}, "'params'"), ("POST", runs, {"logical_date": {"a": 1}}, "logical_date"),
                ("POST", runs, {"clear": "yes"}, "clear"), ("POST", runs, [1], "the body"),
                ("POST", dag + "/backfills", {"from": 1, "to": "2013-01-01"}, "from"),
                ("POST", dag + "/backfills", {"from": "2013-01-01", "to": "2013-01-01", "params": 1}, "'params'"),
                ("POST", runs + "/a/clear", {"task": 1}, "task"),
                ("POST", "/api/v1/models/any/promote", {"version": 1, "reason": 2}, "reason"),
                ("GET", runs + "/a/events?after=abc", None, "'after'"),
                ("GET", "/api/v1/runs?limit=x", None, "'limit'")):
            with self.subTest(path=path, body=body):
                status, said = self.ask(project, method, path, body)
                self.assertEqual(status, 400, said)
                self.assertIn(named, said)
        self.assertEqual(self.state(project, "quick"), [])
        self.assertEqual(self.ask(project, "POST", runs, {"params": None, "logical_date": "2013-01-01"})[0], 202)
        self.assertRuns(project.millrace("down"))


class TestBackfill(Servers):
    def test_cancelled_runs_are_counted_apart_and_cancelling_again_says_that_they_had_ended(self):
        project = self.commands()
        project.write("pipelines/waiting.yml", "schedule: '@daily'\nstart_date: 2013-01-01\n"
                      "tasks:\n  - {id: wait, kind: command, command: " + json.dumps(WAITS) + "}\n")
        self.assertRuns(project.millrace("up", "--detach"))
        backfill = project.start("backfill", "--from", "2013-01-01", "--to", "2013-01-03")
        self.began(project)
        for said in ("was cancelled", "had ended: cancelled"):
            self.assertIn("2013-01-02T00:00:00Z " + said,
                          self.assertRuns(project.millrace("cancel", "waiting", "2013-01-02")).out)
        project.write("go", "")
        self.assertIn("3 runs, 0 failed, 1 cancelled", self.ended(backfill, 1))
        self.assertRuns(project.millrace("down"))

    def test_runs_that_write_one_thing_write_it_in_the_order_of_their_dates(self):
        project = self.commands(quick="true")
        project.write("pipelines/quick.yml", "schedule: '@daily'\nstart_date: 2013-01-01\n"
                      "tasks:\n  - {id: a, kind: command, command: 'echo $MILLRACE_RUN >>ran'}\n")
        days = [f"2013-01-{day:02}T00:00:00Z" for day in range(1, 11)]
        self.assertRuns(project.millrace("run", "--logical-date", days[-1]))
        self.assertRuns(project.millrace("backfill", "--from", days[0], "--to", days[-1], "--clear"))
        self.assertEqual((project.root / "ran").read_text().split(), [days[-1], *days])

    def test_what_is_done_is_not_waited_for_and_cleared_runs_are_done_again(self):
        project = self.commands(quick="echo x >>ran")
        project.write("pipelines/quick.yml", "schedule: '@daily'\nstart_date: 2013-01-01\n"
                      "tasks:\n  - {id: a, kind: command, command: 'echo x >>ran'}\n")
        days = ("--from", "2013-01-01", "--to", "2013-01-05")
        for expected, clear in ((5, []), (5, []), (10, ["--clear"])):
            answer = self.assertRuns(project.millrace("backfill", *days, *clear, "--json"))
            self.assertEqual([run["state"] for run in answer.json()["runs"]], ["success"] * 5)
            self.assertEqual(len((project.root / "ran").read_text().split()), expected)
        told = self.assertRuns(project.millrace("backfill", *days)).out
        self.assertRegex(told, r"2013-01-05T00:00:00Z +success .* had succeeded, 2\d{3}-")
        self.assertIn("5 runs, 0 failed, 5 had succeeded before (`--clear` runs them again)", told)

    def test_dates_that_nobody_can_mean_are_refused(self):
        project = self.commands(quick="true")
        project.write("pipelines/quick.yml", "schedule: '@daily'\nstart_date: 2013-01-01\nparams: {n: 5, share: 0.5}\n"
                      "tasks:\n  - {id: a, kind: command, command: 'true'}\n")
        self.assertRuns(project.millrace("up", "--detach"))
        for date in ("300000-01-01", "99999999999-01-01", "10000-01-01", "-0001-01-01", "0000-01-01", "soon"):
            answer = self.assertRuns(project.millrace("run", f"--logical-date={date}"), 2)
            self.assertIn("of the years 1 to 9999", answer.err)
        self.assertIn("is empty", self.assertRuns(project.millrace("run", "--logical-date", ""), 2).err)
        for given, expected in (("n=x", "a whole number"), ("n=[1]", "a whole number"), ("n=1.5", "a whole number"),
                                ("share=1e999", "a number"), ("share=half", "a number")):
            self.assertIn(expected, self.assertRuns(project.millrace("run", "--param", given), 2).err)
        backfills = {("2013-01-05", "2013-01-01"): "from the earlier date to the later",
                     ("2012-01-01", "2012-01-05"): "it begins at 2013-01-01",
                     ("2013-01-01", "2099-01-01"): "more than 10000 points"}
        for (first, last), expected in backfills.items():
            answer = self.assertRuns(project.millrace("backfill", "--from", first, "--to", last), 2)
            self.assertIn(expected, answer.err)
        self.assertRuns(project.millrace("run", "--logical-date", "2013-01-02", "-p", "n=7", "-p", "share=1"))
        self.assertRuns(project.millrace("down"))


if __name__ == "__main__":
    unittest.main()
