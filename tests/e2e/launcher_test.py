"""Attempts outlive the server: what ran when it was killed is taken up by the next one, with its end, its result and
its use of resources. What a launcher that was killed leaves."""
import contextlib
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import unittest

from harness import MILLRACE, ProjectTest, free_port, state_of, wait_until

# As another version of the program would be: its hello is all that is the same.
OTHER_LAUNCHER = """
import json, os, pathlib, socket
listener = socket.socket(socket.AF_UNIX)
pathlib.Path("launcher.sock").unlink(missing_ok=True)
listener.bind("launcher.sock")
listener.listen()
print("it listens", flush=True)
while True:
    server, _ = listener.accept()
    server.sendall(json.dumps({"type": "hello", "millrace_launcher": 2, "new": []}).encode() + b"\\n")
    while server.recv(65536):
        pass
"""
GO = "until [ -f go ]; do sleep 0.02; done"


class Launcher(ProjectTest):
    def commands(self, retries=0, **tasks):
        """A project of one Dag, whose tasks run one after the other."""
        project = self.project()
        project.write("millrace.yml", "name: launched\ntargets:\n"
                                      f"  dev: {{endpoint: '127.0.0.1:{free_port()}', "
                                      f"status: '127.0.0.1:{free_port()}'}}\n")
        text, before = "tasks:\n", ""
        for name, command in tasks.items():
            text += (f"  - id: {name}\n    kind: command\n    command: {json.dumps(command)}\n    retries: {retries}\n"
                     f"    retry_delay: 1ms\n" + (f"    upstream: [{before}]\n" if before else ""))
            before = name
        project.write("pipelines/chain.yml", text)
        return project

    def start_run(self, project):
        child = subprocess.Popen([MILLRACE, "run", "--logical-date", "2013-01-01", "--json"], cwd=project.root,
                                 stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.addCleanup(child.stdout.close)
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        return child

    def began(self, project, file="began"):
        wait_until((project.root / file).exists, f"a task made {file}")

    def running(self, project):
        """A run whose first task has begun."""
        child = self.start_run(project)
        self.began(project)
        return child

    def kill(self, child):
        child.kill()
        child.wait()

    def next_server(self, project):
        self.assertRuns(project.millrace("up", "--detach"))

    def ended_run(self, project, state):
        """The tasks of the run, when it has ended so for the server that is up."""
        def run():
            connection = http.client.HTTPConnection("localhost")
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.connect(str(project.root / ".millrace/server.sock"))
            connection.request("GET", "/api/v1/dags/chain/runs/2013-01-01T00:00:00Z")
            with contextlib.closing(connection):
                found = json.loads(connection.getresponse().read())
            return found["state"] in ("success", "failed") and found
        found = wait_until(run, "the run has ended")
        self.assertEqual(found["state"], state, found)
        return {task["task"]: task for task in found["tasks"]}

    def attempts(self, project, task):
        return len(list((project.root / ".millrace/logs").glob(f"chain/*/{task}/*.log")))

    def ends(self, project):
        return (project.root / ".millrace/launcher.ended").read_text().count('"finished"')


class TestServerKilled(Launcher):
    def test_the_exit_status_of_a_task_that_ended_meanwhile_is_told(self):
        project = self.commands(exits=f"echo before; touch began; {GO}; echo after; exit 7")
        server = self.start_run(project)
        self.began(project)
        self.kill(server)
        project.write("go", "")
        wait_until(lambda: self.ends(project) == 1, "the launcher keeps the end")
        self.next_server(project)
        task = self.ended_run(project, "failed")["exits"]
        self.assertEqual(task["state"], "failed")
        self.assertIn("exited with status 7", task["message"])
        self.assertEqual(self.attempts(project, "exits"), 1, "it ran once")
        log = self.assertRuns(project.millrace("logs", "chain")).out
        self.assertLess(log.index("out      before"), log.index("out      after"))
        wait_until(lambda: self.ends(project) == 0, "it is stored, and not kept any longer")

    def test_what_goes_on_is_taken_up_and_the_run_with_it(self):
        project = self.commands(first=f"touch began; {GO}; echo x >>ran", second="echo y >>ran")
        for _ in range(3):
            server = self.start_run(project)
            self.began(project)
            self.kill(server)
        launcher = project.launcher()
        project.write("go", "")
        self.next_server(project)
        self.ended_run(project, "success")
        self.assertEqual((project.root / "ran").read_text().split(), ["x", "y"])
        self.assertEqual(self.attempts(project, "first"), 1)
        self.assertEqual(project.launcher(), launcher)

    def test_a_result_and_xcoms_that_came_meanwhile_count(self):
        project = self.commands(quick="true")
        (project.root / "pipelines/chain.yml").unlink()
        project.write("millrace.yml", (project.root / "millrace.yml").read_text() + "programs: [./count.py]\n")
        program = project.write("count.py", '''#!/usr/bin/python3
import json, os, pathlib, socket, sys, time
DAG = {"millrace_dag": 1, "id": "chain", "tasks": [
    {"id": "first", "kind": "program"}, {"id": "second", "kind": "program", "upstream": ["first"]}]}
if sys.argv[1] == "describe":
    print(json.dumps(DAG))
    sys.exit()
channel = socket.socket(fileno=int(os.environ["MILLRACE_ATTEMPT_FD"]))
lines = channel.makefile()
tell = lambda **message: channel.sendall(json.dumps(message).encode() + b"\\n")
request = json.loads(lines.readline())
tell(type="hello", millrace_attempt=1)
if sys.argv[2] == "first":
    pathlib.Path("began").touch()
    while not pathlib.Path("go").exists():
        time.sleep(0.02)
    tell(type="fence", id=1)
    pathlib.Path("asked").touch()
    allowed = json.loads(lines.readline())["allowed"]
    tell(type="xcom", key="rows", value=7)
    tell(type="result", status="success", value={"allowed": allowed})
else:
    tell(type="result", status="success", value={"saw": request["document"]["upstream"]["first"]})
''')
        program.chmod(0o755)
        server = self.start_run(project)
        self.began(project)
        self.kill(server)
        project.write("go", "")
        self.began(project, "asked")  # and nobody is there to answer
        self.next_server(project)
        tasks = self.ended_run(project, "success")
        self.assertEqual(tasks["second"]["result"], {"saw": {"allowed": True}})
        self.assertEqual(self.attempts(project, "first"), 1)

    def test_two_servers_are_not_there_at_once_while_attempts_go_on(self):
        project = self.commands(waits=f"touch began; {GO}")
        server = self.start_run(project)
        self.began(project)
        self.kill(server)
        self.next_server(project)
        self.assertIn("a server runs for this project already", project.millrace("up", "--detach").err)
        project.write("go", "")
        self.ended_run(project, "success")
        self.assertEqual(self.attempts(project, "waits"), 1)
        self.assertRuns(project.millrace("down"))
        self.assertIsNone(project.launcher())


class TestServerStopped(Launcher):
    def test_down_ends_what_runs_and_the_launcher(self):
        project = self.commands(waits=f"touch began; {GO}")
        self.next_server(project)
        self.start_run(project)
        self.began(project)
        self.assertRuns(project.millrace("down"))
        self.assertIsNone(project.launcher())
        self.assertEqual(self.ends(project), 0, "it was interrupted, and that counts for nothing")

    def test_down_keeps_what_runs_for_the_next_server_when_told_to(self):
        project = self.commands(waits=f"touch began; {GO}; echo done")
        self.next_server(project)
        self.start_run(project)
        self.began(project)
        launcher = project.launcher()
        self.assertRuns(project.millrace("down", "--keep-attempts"))
        self.assertEqual(project.launcher(), launcher)
        self.next_server(project)
        project.write("go", "")
        self.ended_run(project, "success")
        self.assertEqual(self.attempts(project, "waits"), 1)
        self.assertRuns(project.millrace("down"))


class TestUpgrade(Launcher):
    """Between two builds of one version of the launcher's protocol, and between two versions."""

    def test_another_build_takes_up_what_runs(self):
        project = self.commands(first=f"touch began; {GO}; echo x >>ran", second="echo y >>ran")
        # What the first build was, and is not there any more when the second one comes.
        old = project.temporary / "millrace"
        shutil.copy(MILLRACE, old)
        subprocess.run([old, "up", "--detach"], cwd=project.root, check=True, stdout=subprocess.DEVNULL)
        self.running(project)
        launcher = project.launcher()
        self.assertEqual(os.readlink(f"/proc/{launcher}/exe"), str(old.resolve()))
        subprocess.run([old, "down", "--keep-attempts"], cwd=project.root, check=True, stdout=subprocess.DEVNULL)
        old.unlink()
        self.next_server(project)
        project.write("go", "")
        self.ended_run(project, "success")
        self.assertEqual((project.root / "ran").read_text().split(), ["x", "y"])
        self.assertEqual([self.attempts(project, task) for task in ("first", "second")], [1, 1])
        self.assertEqual(project.launcher(), launcher, "it goes on, and runs what this server starts")

    def test_a_launcher_of_another_version_is_ended_and_its_attempts_start_again(self):
        project = self.commands(waits=f"touch began; {GO}; echo x >>ran")
        self.kill(self.running(project))
        os.kill(project.launcher(), signal.SIGKILL)
        wait_until(lambda: project.launcher() is None, "the launcher is gone")
        other = subprocess.Popen([sys.executable, "-c", OTHER_LAUNCHER], cwd=project.root / ".millrace",
                                 stdout=subprocess.PIPE, text=True)
        self.addCleanup(other.stdout.close)
        self.addCleanup(other.wait)
        self.addCleanup(other.kill)
        self.assertEqual(other.stdout.readline(), "it listens\n")
        project.write("go", "")
        self.next_server(project)
        self.assertEqual(other.wait(timeout=60), -signal.SIGKILL)
        self.ended_run(project, "success")
        self.assertEqual(self.attempts(project, "waits"), 2)
        self.assertIn("it is of another version", (project.root / ".millrace/server.log").read_text())


class TestLauncherStopped(Launcher):
    def test_who_waits_is_told_which_process_does_not_answer(self):
        project = self.commands(waits=f"touch began; {GO}")
        self.next_server(project)
        self.running(project)
        launcher = project.launcher()
        os.kill(launcher, signal.SIGSTOP)
        self.addCleanup(self.go_on, launcher)
        cancel = subprocess.Popen([MILLRACE, "cancel", "chain", "2013-01-01"], cwd=project.root, text=True,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.addCleanup(cancel.stderr.close)
        self.addCleanup(cancel.kill)
        named = f"the launcher (pid {launcher}), the process that runs the attempts, has said nothing"
        wait_until(lambda: named in project.millrace("status").out, "`status` names it")
        wait_until(lambda: named in (project.root / ".millrace/server.log").read_text(), "the server's log names it")
        self.assertIn(named, cancel.stderr.readline())
        self.go_on(launcher)
        self.assertEqual(cancel.wait(timeout=60), 0)
        self.assertRuns(project.millrace("down"))

    def test_a_server_that_starts_says_which_process_it_waits_for(self):
        project = self.commands(waits=f"touch began; {GO}")
        server = self.running(project)
        launcher = project.launcher()
        self.kill(server)
        os.kill(launcher, signal.SIGSTOP)
        self.addCleanup(self.go_on, launcher)
        up = subprocess.Popen([MILLRACE, "up", "--detach"], cwd=project.root, text=True, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE)
        self.addCleanup(up.stderr.close)
        self.addCleanup(up.kill)
        named = f"waits for the launcher (pid {launcher}), the process that runs the attempts"
        self.assertIn(named, up.stderr.readline())
        self.assertIn(named, project.millrace("status").err)
        self.go_on(launcher)
        self.assertEqual(up.wait(timeout=60), 0)
        self.assertRuns(project.millrace("down"))

    def go_on(self, launcher):
        with contextlib.suppress(ProcessLookupError):
            os.kill(launcher, signal.SIGCONT)


class TestMemory(Launcher):
    def test_the_limit_of_a_task_holds_while_no_server_is_there(self):
        hog = f"x = bytearray(300_000_000); open('held', 'w'); import time; time.sleep(1000)"
        project = self.commands(hogs=f"touch began; {GO}; {sys.executable} -c \"{hog}\"")
        project.edit("pipelines/chain.yml", ("retries: 0", "retries: 0\n    resources: {memory: 100MB}"))
        self.kill(self.running(project))
        project.write("go", "")
        wait_until(lambda: self.ends(project) == 1, "the launcher ends it, and keeps that")
        self.next_server(project)
        task = self.ended_run(project, "failed")["hogs"]
        self.assertRegex(task["message"], r"it used \d+\.\d MB of memory, more than its limit of 100\.0 MB")


class TestTaskThatRunsMillrace(Launcher):
    def test_the_run_that_it_started_in_another_project_ends_with_it(self):
        inner = self.commands(waits=f"echo $$ >pid; touch began; {GO}")
        outer = self.commands(asks=f"cd {inner.root} && {MILLRACE} run --logical-date 2013-01-01")
        self.next_server(outer)
        self.start_run(outer)
        self.began(inner)
        self.assertRuns(outer.millrace("cancel", "chain", "2013-01-01"))
        wait_until(lambda: inner.launcher() is None, "the launcher of the other project has left")
        self.assertIn(state_of(int((inner.root / "pid").read_text())), ("Z", None))
        self.assertEqual([run["state"] for run in json.loads(inner.millrace("runs", "chain", "--json").out)],
                         ["failed"], "its own server has ended it, and stored that")


class TestLauncherKilled(Launcher):
    def test_its_attempts_are_lost_and_tried_again_with_another(self):
        project = self.commands(retries=1, waits=f"echo $$ >>pids; touch began; {GO}")
        server = self.start_run(project)
        self.began(project)
        first = project.launcher()
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: len((project.root / "pids").read_text().split()) == 2, "it is tried again")
        self.assertNotIn(project.launcher(), (None, first))
        lost = int((project.root / "pids").read_text().split()[0])
        self.assertIn(state_of(lost), ("Z", None), "it does not run beside its successor")
        project.write("go", "")
        self.assertEqual(server.wait(timeout=60), 0)
        self.assertEqual(self.attempts(project, "waits"), 2)

    def test_why_is_told(self):
        project = self.commands(waits=f"touch began; {GO}")
        server = self.start_run(project)
        self.began(project)
        launcher = project.launcher()
        os.kill(launcher, signal.SIGKILL)
        said, _ = server.communicate(timeout=60)
        self.assertEqual(server.returncode, 1)
        self.assertIn(f"the launcher (pid {launcher}), the process that ran the attempt, was killed by signal 9",
                      json.loads(said)["tasks"][0]["message"])

    def test_with_its_server_the_attempts_are_started_again(self):
        project = self.commands(waits=f"touch began; {GO}; echo x >>ran")
        server = self.start_run(project)
        self.began(project)
        launcher = project.launcher()
        self.kill(server)
        os.kill(launcher, signal.SIGKILL)
        project.write("go", "")
        self.next_server(project)
        self.ended_run(project, "success")
        self.assertEqual(self.attempts(project, "waits"), 2)
        self.assertEqual((project.root / "ran").read_text().split(), ["x"])


if __name__ == "__main__":
    unittest.main()
