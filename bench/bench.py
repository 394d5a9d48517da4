"""What the figures share: measured commands, projects, servers, and rows of the report."""
import dataclasses
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
MILLRACE = pathlib.Path(os.environ["MILLRACE_BIN"]) / "millrace"
DEPS = pathlib.Path(os.environ["MILLRACE_DEPS"])


@dataclasses.dataclass
class Usage:
    wall: float  # seconds
    cpu: float   # seconds, of the whole process tree
    peak: int    # bytes resident


@dataclasses.dataclass
class Row:
    """One line of the report: our value beside the peer's or beside a bound. `ratio` says how many times better than
    the peer we are, `goal` what it must at least be."""
    what: str
    unit: str
    ours: float
    peer: float | None = None
    ratio: float | None = None
    goal: float | None = None
    at_most: float | None = None
    at_least: float | None = None
    digits: int = 2

    @property
    def met(self):
        """None where there is no goal."""
        if self.goal is not None:
            return self.ratio >= self.goal
        if self.at_most is not None:
            return self.ours <= self.at_most
        if self.at_least is not None:
            return self.ours >= self.at_least
        return None

    def shown(self, value):
        return f"{value:,.{self.digits}f} {self.unit}"


def against(what, ours, peer, goal=None, unit="CPU s", digits=2, more_is_better=False):
    ratio = ours / peer if more_is_better else peer / ours
    return Row(what, unit, ours, peer=peer, ratio=ratio, goal=goal, digits=digits)


def at_most(what, ours, bound, unit, digits=2):
    return Row(what, unit, ours, at_most=bound, digits=digits)


def at_least(what, ours, bound, unit, digits=2):
    return Row(what, unit, ours, at_least=bound, digits=digits)


def megabytes(what, ours, peer, goal=None):
    """Peak memory of two Usages."""
    return against(what, ours.peak / 1e6, peer.peak / 1e6, goal, "MB", 0)


def measured(*command, cwd=None, environment=None, repeat=1):
    """The best of `repeat` runs by CPU time. Fails when the command does."""
    best = None
    for _ in range(repeat):
        with tempfile.NamedTemporaryFile(suffix=".json") as result:
            done = subprocess.run([sys.executable, str(HERE / "measure.py"), result.name, *map(str, command)], cwd=cwd,
                                  env={**os.environ, **(environment or {})}, capture_output=True, text=True)
            told = json.loads(pathlib.Path(result.name).read_text() or "{}")
            if done.returncode != 0 or told.get("exit") != 0:
                raise RuntimeError(f"{' '.join(map(str, command))} failed:\n{done.stderr[-4000:]}")
            usage = Usage(told["wall"], told["cpu"], told["peak"])
            best = usage if best is None or usage.cpu < best.cpu else best
    return best


def python(peer):
    """The interpreter with the packages of bench/requirements-<peer>.txt, as scripts/setup --bench made it."""
    found = DEPS / f"venv-bench-{peer}/bin/python"
    if not found.exists():
        raise RuntimeError(f"{found} is missing: run bench/run, which sets it up")
    return found


def peer(name, script, *arguments, repeat=1):
    return measured(python(name), HERE / "peers" / script, *arguments, repeat=repeat)


class Project:
    """A project folder that is deleted at the end."""

    def __init__(self, files):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="millrace-bench-"))
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run([MILLRACE, "down"], cwd=self.root, capture_output=True)
        shutil.rmtree(self.root, ignore_errors=True)

    def run(self, *arguments):
        """What it says as JSON; without measuring."""
        done = subprocess.run([MILLRACE, *map(str, arguments), "--json"], cwd=self.root, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"millrace {' '.join(map(str, arguments))} failed:\n{done.stdout}\n{done.stderr}")
        return json.loads(done.stdout) if done.stdout.strip() else None

    def measured(self, *arguments, repeat=1):
        return measured(MILLRACE, *arguments, cwd=self.root, repeat=repeat)


def wait_for(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.001)
    raise RuntimeError("waited in vain")
