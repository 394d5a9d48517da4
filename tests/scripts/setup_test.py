"""The scripts that everyone runs first: what fails is said, and is not taken for done."""
import os
import pathlib
import pty
import signal
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(os.environ.get("MILLRACE_SOURCE", ".")).resolve()


def read_all(descriptor) -> str:
    text = b""
    while True:
        try:
            part = os.read(descriptor, 4096)
        except OSError:  # the terminal's other end is closed
            break
        if not part:
            break
        text += part
    return text.decode(errors="replace")


class ScriptTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def bash(self, text, terminal):
        """Runs what follows `. scripts/lib.sh`; returns the exit status and what was printed."""
        script = self.folder / "script"
        script.write_text(f'. {ROOT}/scripts/lib.sh\nlogs={self.folder}/logs\n{text}\n')
        if not terminal:
            done = subprocess.run(["bash", script], capture_output=True, text=True, timeout=60)
            return done.returncode, done.stdout + done.stderr
        master, slave = pty.openpty()
        process = subprocess.Popen(["bash", script], stdin=slave, stdout=slave, stderr=slave)
        os.close(slave)
        printed = read_all(master)
        os.close(master)
        return process.wait(timeout=60), printed


class TestStep(ScriptTest):
    def test_a_function_that_fails_in_its_middle_fails_the_step(self):
        for terminal in (False, True):
            with self.subTest(terminal=terminal):
                code, printed = self.bash("work() { echo before; false; echo behind; }\nstep 'the work' work", terminal)
                self.assertEqual(code, 1, printed)
                self.assertIn("the work failed", printed)
                self.assertIn("before", printed)  # the log's end
                self.assertNotIn("behind", printed)

    def test_a_step_that_is_done_says_how_long_it_took(self):
        for terminal in (False, True):
            with self.subTest(terminal=terminal):
                code, printed = self.bash("step 'the work' true\nstep 'more work' true", terminal)
                self.assertEqual(code, 0, printed)
                self.assertRegex(printed, r"the work +\d+\.\d s")
                self.assertRegex(printed, r"more work +\d+\.\d s")

    def test_a_long_step_says_from_time_to_time_how_far_it_is(self):
        """Also into a file, where nothing can be painted over."""
        script = self.folder / "script"
        go_on = self.folder / "go_on"
        os.mkfifo(go_on)
        script.write_text(f'. {ROOT}/scripts/lib.sh\nlogs={self.folder}/logs\n'
                          f'work() {{ printf "fetched\\r[1/9] one\\n"; read -r line <{go_on}; }}\n'
                          'step "the work" work\n')
        with subprocess.Popen(["bash", script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              env={**os.environ, "MILLRACE_PROGRESS_SECONDS": "0.1"}) as process:
            first = process.stdout.readline()
            lines = []
            while len(lines) < 100 and not (lines and "one" in lines[-1]):
                lines.append(process.stdout.readline())
            go_on.write_text("on\n")
            rest = process.stdout.read()
        self.assertEqual(process.returncode, 0)
        self.assertEqual(first, "  the work ...\n")
        self.assertRegex(lines[-1], r"^  the work \.\.\. +\d+ s  \[1/9\] one\n$")
        self.assertRegex(rest, r"the work +\d+\.\d s\n$")
        self.assertNotIn("\r", "".join(lines) + rest)

    def test_an_interrupt_ends_what_the_step_started(self):
        script = self.folder / "script"
        ready = self.folder / "ready"
        os.mkfifo(ready)
        script.write_text(f'. {ROOT}/scripts/lib.sh\nlogs={self.folder}/logs\n'
                          f'work() {{ sleep 600 & echo $! >{ready}; wait; }}\nstep "the work" work\n')
        process = subprocess.Popen(["bash", script], stdout=subprocess.DEVNULL, start_new_session=True)
        child = int(ready.read_text())
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(timeout=30), 130)
        # The child's end is seen at once or when it has been reaped; a pidfd tells without polling.
        try:
            descriptor = os.pidfd_open(child)
        except ProcessLookupError:
            return
        import select
        self.assertTrue(select.select([descriptor], [], [], 30)[0])
        os.close(descriptor)


class TestSetup(ScriptTest):
    def setup_with_go(self, text):
        """scripts/setup into an empty folder, where `go` is this shell script."""
        go = self.folder / "bin" / "go"
        go.parent.mkdir()
        go.write_text(f"#!/bin/sh\n{text}\n")
        go.chmod(0o755)
        deps = self.folder / "deps"
        done = subprocess.run([ROOT / "scripts" / "setup"], capture_output=True, text=True, timeout=120,
                              env={**os.environ, "MILLRACE_DEPS": str(deps),
                                   "PATH": f"{go.parent}:{os.environ['PATH']}"})
        return done, deps

    def test_a_failed_download_is_not_taken_for_done(self):
        done, deps = self.setup_with_go("echo no network >&2; exit 1")
        self.assertEqual(done.returncode, 1, done)
        self.assertIn("DuckDB 1.5.5 failed", done.stderr)
        self.assertIn("no network", done.stderr)
        self.assertFalse((deps / "duckdb-1.5.5").exists())

    def test_another_checksum_is_refused(self):
        done, deps = self.setup_with_go('echo "{\\"Sum\\": \\"h1:another\\"}"')
        self.assertEqual(done.returncode, 1, done)
        self.assertIn("the module's checksum is not h1:", done.stderr)
        self.assertFalse((deps / "duckdb-1.5.5").exists())


if __name__ == "__main__":
    unittest.main()
