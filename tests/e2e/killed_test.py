"""SIGKILL inside each of the seven steps of the weekly job, on the real data: of the attempt, of the server, of the
launcher, at moments drawn from a seed and at moments chosen to hurt. The run that follows gives what an undisturbed one
gives, nothing twice.

MILLRACE_SEED repeats the moments of a run whose seed was printed.
"""
import contextlib
import hashlib
import http.client
import json
import os
import pathlib
import random
import signal
import sqlite3
import subprocess
import threading
import time
import unittest

from harness import MILLRACE, Endpoint, ProjectTest, state_of, wait_until
from weekly import EXAMPLE, MODEL, PIPELINE, WeeklyProject

WEEK = "2013-02-10"
RUN = "2013-02-10T05:00:00Z"
STEPS = ("land_flights", "training_data", "validate", "leak_check", "train", "evaluate", "deploy")
SEED = int(os.environ.get("MILLRACE_SEED", random.randrange(1_000_000)))


def quick_project(of=None):
    """The weekly job, one task at a time so that each moment belongs to one step, with less to wait for."""
    project = WeeklyProject(of)
    project.edit("millrace.yml", ("parallelism: 2", "parallelism: 1"))
    project.edit(PIPELINE, ("retry_delay: 10s", "retry_delay: 100ms"), ("sample: 24", "sample: 4"),
                 ("rounds: 400", "rounds: 40"))
    return project


def children(pid):
    """The processes that `pid` has started and that still run."""
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(child) for child in task.read_text().split()]
        except OSError:
            pass
    return [child for child in found if state_of(child) not in ("Z", None)]


def attempts(project):
    """The processes of its attempts that run."""
    launcher = project.launcher()
    return children(launcher) if launcher else []


def cpu_seconds_of(pid):
    """What the process has used; None when it has ended."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cpu_seconds_of_steps(project):
    """What the attempts of a run that has ended had used."""
    with contextlib.closing(sqlite3.connect(project.root / ".millrace" / "metadata.db")) as database:
        return {task: cpu / 1e6 for task, cpu in
                database.execute("SELECT task_id, max(cpu_us) FROM orchestration_attempts GROUP BY task_id")}


def wait_for_cpu(pid, seconds):
    """Until the process has used so much, or has ended: a moment that does not depend on what else runs here."""
    wait_until(lambda: (used := cpu_seconds_of(pid)) is None or used >= seconds, f"{seconds:.3f} CPU s are used")


def threads_of(pid):
    return len(list(pathlib.Path(f"/proc/{pid}/task").glob("*")))


def outcome(project):
    """All that a run leaves behind and that must not depend on who was killed."""
    tables = {}
    for table in project.millrace("table", "ls", "--json").json():
        name = table["table"]
        history = project.millrace("table", "history", name, "--json").json()
        tables[name] = (table["version"], table["rows"], [(each["version"], each["operation"]) for each in history])
    run = project.millrace("run", "weekly_retraining", "--logical-date", WEEK, "--json").json()
    tasks = {task["task"]: task for task in run["tasks"]}
    dataset = tasks["training_data"]["result"]["dataset"]
    return {
        "states": {name: task["state"] for name, task in tasks.items()},
        "tables": tables,
        "rows of flights": project.rows("select count(*) as n, count(distinct flight_id) as ids, "
                                        "bit_xor(hash(flight_id, delivered_at, arr_delay))::varchar as content "
                                        "from raw.flights"),
        "rows of weather": project.rows("select count(*) as n, count(distinct (origin, observed_at)) as ids "
                                        "from raw.weather"),
        "training data": (dataset["content_hash"], dataset["rows"], dataset["version"]),
        "training rows in the table": project.value(f"select count(*) from {dataset['table']}"),
        "training file": hashlib.sha256(project.file("training_data.parquet").read_bytes()).hexdigest(),
        "artefact": tasks["train"]["result"]["content_id"],
        "judgement": tasks["evaluate"]["result"]["values"],
        "versions": [(v["version"], v["state"], v["tags"], v["artefact_sha256"]) for v in project.versions()],
    }


class Killed(ProjectTest):
    hit_steps = set()  # by whichever test

    @classmethod
    def setUpClass(cls):
        print(f"MILLRACE_SEED={SEED}", flush=True)
        cls.addClassCleanup(cls.check_that_each_step_was_hit)
        cls.baseline = quick_project()
        cls.addClassCleanup(cls.baseline.close)
        tasks = cls.baseline.run_week(WEEK)
        assert all(task["state"] == "success" for task in tasks.values()), tasks
        cls.cpu_seconds = cpu_seconds_of_steps(cls.baseline)
        cls.expected = outcome(cls.baseline)

    @classmethod
    def check_that_each_step_was_hit(cls):
        missed = set(STEPS) - cls.hit_steps
        assert not missed, f"nothing was killed inside of {missed}"

    def weekly(self):
        project = quick_project()
        self.addCleanup(project.close)
        return project

    def start_run(self, project):
        """The run, with a server of its own. Its words go nowhere: nothing may wait for a reader."""
        process = subprocess.Popen([MILLRACE, "run", "weekly_retraining", "--logical-date", WEEK, "--json"],
                                   cwd=project.root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(end, process)
        return process

    def logs(self, project, step):
        return set((project.root / ".millrace/logs").glob(f"weekly_retraining/{RUN}/{step}/*.log"))

    def wait_for_attempt(self, project, server, step, before=frozenset()):
        """The process of the attempt of a step that is not among those of `before`."""
        wait_until(lambda: self.logs(project, step) - before or server.poll() is not None, f"{step} begins")
        self.assertTrue(self.logs(project, step) - before, f"the run ended before {step} began")
        # None: it was over before it could be seen. Never 0, which to kill(2) is our own process group.
        behind = STEPS[STEPS.index(step) + 1:]
        wait_until(lambda: attempts(project) or server.poll() is not None
                   or any(self.logs(project, later) for later in behind), f"{step} has a process")
        return next(iter(attempts(project)), None)

    def assertAsUndisturbed(self, project):
        found = outcome(project)
        for what, expected in self.expected.items():
            self.assertEqual(found[what], expected, what)

    def kill_in_each_step(self, seed, victim_of):
        draw = random.Random(seed)
        project = self.weekly()
        server = self.start_run(project)
        killed, hit = [], set()
        for step in STEPS:
            attempt = self.wait_for_attempt(project, server, step)
            victim, moment = victim_of(draw), 0.8 * draw.random() * self.cpu_seconds[step]
            wait_for_cpu(attempt, moment)
            killed.append(f"{victim} after {moment:.3f} CPU s of {step}")
            if victim == "attempt":
                was_hit = with_kill(attempt)
            elif victim == "launcher":
                was_hit = attempt in attempts(project) and with_kill(project.launcher())
            else:
                was_hit = server.poll() is None
                end(server)
                server = self.start_run(project)
            if was_hit:
                hit.add(step)
        server.wait(timeout=120)
        # A step may be over before its moment comes; not in each test the same one (check_that_each_step_was_hit).
        self.assertGreaterEqual(len(hit), 4, killed)
        self.hit_steps |= hit
        print(f"  seed {seed}: " + "; ".join(killed), flush=True)
        self.assertEqual(server.returncode, 0)
        self.assertAsUndisturbed(project)

    def test_the_attempt_at_a_moment_of_each_step(self):
        self.kill_in_each_step(SEED, lambda draw: "attempt")

    def test_the_server_at_a_moment_of_each_step(self):
        self.kill_in_each_step(SEED + 1, lambda draw: "server")

    def test_the_launcher_at_a_moment_of_each_step(self):
        self.kill_in_each_step(SEED + 4, lambda draw: "launcher")

    def test_one_or_the_other_at_other_moments(self):
        self.kill_in_each_step(SEED + 2, lambda draw: draw.choice(("attempt", "server", "launcher")))

    def test_after_the_files_are_written_and_before_the_commit(self):
        """The server is stopped, so that the attempt goes on until it asks whether it may commit; there it is killed,
        once by itself and once with the server."""
        project = self.weekly()
        server = self.start_run(project)
        for step, table in (("land_flights", "raw/flights"), ("training_data", "features/flights_departure")):
            before = set()
            for victim in ("attempt", "server"):
                attempt = self.wait_for_attempt(project, server, step, before)
                wait_until(lambda: threads_of(attempt) != 1, f"{step} has heard what to do")
                os.kill(server.pid, signal.SIGSTOP)
                folder = project.root / ".millrace" / "lake" / table
                wait_until(lambda: list(folder.glob("*=*/*.parquet")), f"{step} has written files")
                wait_until(lambda: state_of(attempt) == "S", f"{step} waits for the server")
                self.assertEqual(list(folder.glob("_delta_log/*.json")), [], f"{step} has committed")
                before = self.logs(project, step)
                if victim == "attempt":
                    with_kill(attempt)
                    os.kill(server.pid, signal.SIGCONT)
                else:
                    end(server)
                    server = self.start_run(project)
        server.wait(timeout=120)
        self.assertEqual(server.returncode, 0)
        self.assertAsUndisturbed(project)

    def test_after_an_attempt_has_ended_and_before_the_server_knows(self):
        """Its work is done, the model is stored, the answer is on its way: the server dies without having read it."""
        project = self.weekly()
        server = self.start_run(project)
        caught = []
        for step in STEPS[2:-1]:
            attempt = self.wait_for_attempt(project, server, step)
            wait_until(lambda: threads_of(attempt) != 1, f"{step} has heard what to do")
            os.kill(server.pid, signal.SIGSTOP)
            if state_of(attempt) not in ("Z", None):
                caught.append(step)
            wait_until(lambda: state_of(attempt) in ("Z", None), f"{step} has ended")
            end(server)
            if step == "train":
                self.assertEqual(project.versions(), [], "a version that the server never heard of")
            server = self.start_run(project)
        server.wait(timeout=120)
        self.assertIn("train", caught)
        self.assertGreaterEqual(len(caught), 3, "the attempts ended too early to be caught")
        self.assertEqual(server.returncode, 0)
        self.assertAsUndisturbed(project)

    def test_the_server_during_a_switch_of_the_endpoint(self):
        """Requests go on while versions are promoted in turn. Each answer is whole and of one version; where the server
        is killed in a switch, the next one serves the version that has the tag."""
        project = quick_project(of=self.baseline.root)
        self.addCleanup(project.close)
        project.edit(PIPELINE, ("seed: 2013", "seed: 2014"))
        project.run_week(WEEK)
        self.assertEqual([v["version"] for v in project.versions()], [1, 2])
        draw = random.Random(SEED + 3)
        body = (EXAMPLE / "request.json").read_bytes()
        scores = {}
        for kill in range(4):
            self.assertRuns(project.millrace("up", "--detach"))
            [server] = project.servers()
            endpoint = Endpoint(project)
            [tagged] = [v["version"] for v in project.versions() if "Production" in v["tags"]]
            version, answer = endpoint.predict(body)
            self.assertEqual(version, tagged)
            scores.setdefault(version, answer)
            asking = Asking(endpoint, body)
            for number in (3 - version, version):  # two switches that nobody disturbs
                self.assertRuns(project.millrace("model", "promote", MODEL, number, "--reason", "a test"))
                wait_until(lambda: asking.answers and asking.answers[-1][0] == number, f"version {number} answers")
            self.assertEqual(asking.failures, [])
            promote = subprocess.Popen([MILLRACE, "model", "promote", MODEL, str(3 - version), "--reason", "a test"],
                                       cwd=project.root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(draw.random() * 0.08)
            os.kill(server, signal.SIGKILL)
            asking.stop()
            promote.wait(timeout=60)
            for version, answer in asking.answers:
                self.assertEqual(answer, scores.setdefault(version, answer))
        self.assertEqual(set(scores), {1, 2})
        self.assertNotEqual(scores[1], scores[2])
        self.assertEqual([v["version"] for v in project.versions()], [1, 2])


class Asking:
    """Asks an endpoint again and again until it is told to stop, or nobody answers any more."""

    def __init__(self, endpoint, body):
        self.answers, self.failures = [], []
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._ask, args=(endpoint, body))
        self._thread.start()

    def _ask(self, endpoint, body):
        while not self._stopped.is_set():
            try:
                self.answers.append(endpoint.predict(body))
            except (OSError, AssertionError, http.client.HTTPException) as failure:
                return self.failures.append(failure)

    def stop(self):
        self._stopped.set()
        self._thread.join()


def with_kill(pid):
    """Whether it was still there: a moment may lie behind its end."""
    if pid is None:
        return False
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def end(process):
    process.kill()
    process.wait()


if __name__ == "__main__":
    unittest.main()
