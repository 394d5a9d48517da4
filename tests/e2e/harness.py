"""What the end-to-end tests share: the program, and projects in folders of their own."""
import gzip
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest

BIN = pathlib.Path(os.environ.get("MILLRACE_BIN", "build/release")).resolve()
SOURCE = pathlib.Path(os.environ.get("MILLRACE_SOURCE", ".")).resolve()
MILLRACE = BIN / "millrace"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Answer:
    def __init__(self, done):
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr

    def json(self):
        return json.loads(self.out)

    def __repr__(self):
        return f"exit {self.code}\n--- out\n{self.out}\n--- err\n{self.err}"


class Project:
    """A project folder that is deleted at the end; no server of it is left behind."""

    def __init__(self, copy_of=None):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="millrace-e2e-"))
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

    def close(self):
        lock = self.root / ".millrace" / "lock"
        if lock.exists():
            try:
                pid = json.loads(lock.read_text() or "{}").get("pid")
                if pid and pathlib.Path(f"/proc/{pid}/cwd").resolve() == self.root:
                    os.kill(pid, signal.SIGKILL)
            except (OSError, ValueError):
                pass
        shutil.rmtree(self.root, ignore_errors=True)


class ProjectTest(unittest.TestCase):
    maxDiff = None

    def project(self, copy_of=None):
        project = Project(copy_of)
        self.addCleanup(project.close)
        return project

    def assertRuns(self, answer, code=0):
        self.assertEqual(answer.code, code, answer)
        return answer
