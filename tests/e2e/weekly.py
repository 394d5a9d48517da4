"""The example weekly_retraining for tests: its deliveries and finished weeks are made once for one build and shared;
each test works on a copy of its own.

They lie in e2e-data/ beside the program, under a name that changes with the programs and the example's files.
"""
import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess

from harness import BIN, MILLRACE, SOURCE, Project

EXAMPLE = SOURCE / "examples" / "weekly_retraining"
PIPELINE = "pipelines/weekly_retraining.yml"
MODEL = "late_arrival_departure"


def _name_of_this_build():
    digest = hashlib.sha256()
    for program in (MILLRACE, BIN / "deliver"):
        about = program.stat()
        digest.update(f"{about.st_size} {about.st_mtime_ns}\n".encode())
    for file in sorted(EXAMPLE.rglob("*")):
        if file.is_file() and not {".millrace", "deliveries", "__pycache__"} & set(file.relative_to(EXAMPLE).parts):
            digest.update(f"{file.relative_to(EXAMPLE)}\n".encode() + file.read_bytes())
    return digest.hexdigest()[:16]


@contextlib.contextmanager
def _locked(path):
    """Two test files that run at once make nothing twice."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _shared(name, make):
    """The folder e2e-data/<build>/<name>, made by `make(folder)` when it is not there."""
    data = BIN / "e2e-data"
    build = data / _name_of_this_build()
    with _locked(data / f"{name}.lock"):
        for older in data.iterdir():
            if older.is_dir() and older != build:
                shutil.rmtree(older, ignore_errors=True)
        if not (build / name).exists():
            making = build / f"{name}.new"
            shutil.rmtree(making, ignore_errors=True)
            making.mkdir(parents=True)
            make(making)
            making.rename(build / name)
    return build / name


def deliver(folder):
    """Runs the airline's system: makes folder/deliveries."""
    shutil.copytree(EXAMPLE / "deliver", folder / "deliver")
    done = subprocess.run([str(BIN / "deliver"), "--quiet"], cwd=folder, capture_output=True, text=True, timeout=300,
                          env={"MILLRACE": str(MILLRACE), "PATH": "/usr/bin:/bin",
                               "TMPDIR": str(folder)})
    assert done.returncode == 0, done


def deliveries():
    """All files of 2013."""
    return _shared("delivered", deliver) / "deliveries"


class WeeklyProject(Project):
    """The example with its deliveries; `of` another such project or a finished week: with what that has done."""

    def __init__(self, of=None, folder=""):
        super().__init__(EXAMPLE, folder)
        (self.root / "deliveries").symlink_to(deliveries())
        self.edit("millrace.yml", ("endpoint: 127.0.0.1:8080", "endpoint: 127.0.0.1:0\n    status: 127.0.0.1:0"))
        if of is not None:
            _copy_state(of / ".millrace", self.root / ".millrace")

    def run_week(self, logical_date, score_at="departure", code=0):
        """Runs a week and gives its tasks by name."""
        answer = self.millrace("run", "weekly_retraining", "--logical-date", logical_date, "--param",
                               f"score_at={score_at}", "--json", timeout=300)
        assert answer.code == code, answer
        return {task["task"]: task for task in answer.json()["tasks"]}

    def versions(self, model=MODEL):
        """The model's versions, the oldest first."""
        answer = self.millrace("model", "ls", "--json")
        assert answer.code == 0, answer
        return sorted((v for v in answer.json() if v["model"] == model), key=lambda v: v["version"])

    def file(self, name):
        """The one file of this name in what the project has done."""
        [found] = (self.root / ".millrace").rglob(name)
        return found


def _copy_state(source, target):
    """Files of tables and models never change, so they are linked; what changes is copied."""
    def copy(file, to):
        if file.endswith((".parquet", ".tar.gz")):
            with contextlib.suppress(OSError):  # another file system
                return os.link(file, to)
        return shutil.copy2(file, to)

    ignore = shutil.ignore_patterns("*.sock", "lock", "spill", "programs", "server.log")
    shutil.copytree(source, target, copy_function=copy, ignore=ignore)


def finished_week(logical_date):
    """A folder in which the week was run once, from nothing, at score_at=departure: WeeklyProject(of=it) goes on from
    there. run.json has what `millrace run --json` said."""
    def make(folder):
        project = WeeklyProject()
        try:
            tasks = project.run_week(logical_date)
            (folder / "run.json").write_text(json.dumps(tasks))
            _copy_state(project.root / ".millrace", folder / ".millrace")
        finally:
            project.close()

    return _shared(f"week-{logical_date}", make)


def tasks_of(week):
    """What the tasks of a finished week answered."""
    return json.loads((week / "run.json").read_text())
