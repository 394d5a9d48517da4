"""What the end-to-end tests share: the program, and projects in folders of their own."""
import gzip
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

BIN = pathlib.Path(os.environ.get("MILLRACE_BIN", "build/release")).resolve()
SOURCE = pathlib.Path(os.environ.get("MILLRACE_SOURCE", ".")).resolve()
MILLRACE = BIN / "millrace"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(condition, what, seconds=60):
    """Asks `condition` again and again until it gives something true, and gives that. Fails when it never does."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s in vain until {what}")
        time.sleep(0.002)
    return found


def working_folder(pid):
    """Of a process, or None when it is gone."""
    try:
        return pathlib.Path(os.readlink(f"/proc/{pid}/cwd"))
    except OSError:
        return None


def state_of(pid):
    """R, S, T, Z as ps shows it; None when there is no such process."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return None


class Answer:
    def __init__(self, done):
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr

    def json(self):
        return json.loads(self.out)

    def __repr__(self):
        return f"exit {self.code}\n--- out\n{self.out}\n--- err\n{self.err}"


class Project:
    """A project folder that is deleted at the end; nothing of it runs on then. `folder`: below a temporary one."""

    def __init__(self, copy_of=None, folder=""):
        self.temporary = pathlib.Path(tempfile.mkdtemp(prefix="millrace-e2e-"))
        self.root = self.temporary / folder
        self.root.mkdir(parents=True, exist_ok=True)
        if copy_of:
            ignore = shutil.ignore_patterns(".millrace", "lake", "deliveries", "__pycache__")
            shutil.copytree(copy_of, self.root, dirs_exist_ok=True, ignore=ignore)

    def write(self, path, text):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(text, bytes):
            file.write_bytes(text)
        elif str(path).endswith(".gz"):
            file.write_bytes(gzip.compress(text.encode(), mtime=0))
        else:
            file.write_text(text)
        return file

    def edit(self, path, *changes):
        """Replaces texts of a file, each of which must be there: edit("a.yml", ("rounds: 400", "rounds: 3"))."""
        text = (self.root / path).read_text()
        for old, new in changes:
            assert old in text, f"{path} does not say {old!r}"
            text = text.replace(old, new)
        (self.root / path).write_text(text)

    def millrace(self, *arguments, timeout=120):
        return Answer(subprocess.run([str(MILLRACE), *map(str, arguments)], cwd=self.root, capture_output=True,
                                     text=True, timeout=timeout))

    def start(self, *arguments):
        return subprocess.Popen([str(MILLRACE), *map(str, arguments)], cwd=self.root, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True)

    def rows(self, sql):
        answer = self.millrace("sql", sql, "--json", "--limit", 100000)
        assert answer.code == 0, answer
        return answer.json()

    def value(self, sql):
        rows = self.rows(sql)
        assert len(rows) == 1 and len(rows[0]) == 1, rows
        return next(iter(rows[0].values()))

    def servers(self):
        """The processes that hold a lock of this project."""
        pids = set()
        for lock in (self.root / ".millrace").glob("**/lock"):
            found = re.search(r'"pid": ?(\d+)', lock.read_text())
            if found and working_folder(int(found[1])) == self.root:
                pids.add(int(found[1]))
        return pids

    def launcher(self):
        """The process that runs this project's attempts; None when there is none."""
        for lock in (self.root / ".millrace").glob("**/launcher.lock"):
            found = re.search(r'"pid": ?(\d+)', lock.read_text())
            command = pathlib.Path(f"/proc/{found[1]}/cmdline") if found else lock
            try:
                if str(lock.parent.resolve()).encode() in command.read_bytes():
                    return int(found[1])
            except OSError:
                pass  # it has ended
        return None

    def close(self):
        for pid in self.servers():
            os.kill(pid, signal.SIGKILL)
        if launcher := self.launcher():
            os.kill(launcher, signal.SIGKILL)
        shutil.rmtree(self.temporary, ignore_errors=True)


class Endpoint:
    """The endpoint of a server that is up."""

    def __init__(self, project):
        self.address = project.millrace("status", "--json").json()["endpoint"]

    def request(self, method, path, body=None, content_type="application/json"):
        """(status, headers, text)"""
        connection = http.client.HTTPConnection(self.address, timeout=10)
        try:
            connection.request(method, path, body, {"Content-Type": content_type} if body is not None else {})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read().decode()
        finally:
            connection.close()

    def predict(self, body):
        """(the version that answered, its scores)"""
        status, headers, text = self.request("POST", "/invocations", body)
        assert status == 200, (status, text)
        return int(headers["X-Millrace-Model-Version"]), [each["score"] for each in json.loads(text)["predictions"]]


class ProjectTest(unittest.TestCase):
    maxDiff = None

    def project(self, copy_of=None, folder=""):
        project = Project(copy_of, folder)
        self.addCleanup(project.close)
        return project

    def assertRuns(self, answer, code=0):
        self.assertEqual(answer.code, code, answer)
        return answer
