"""scripts/count_results.py: what the last line of scripts/test says."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(os.environ.get("MILLRACE_SOURCE", ".")).resolve()
PASSED, FAILED, CRASHED = "run", "fail", "fail"


class TestCount(unittest.TestCase):
    def counted(self, **suites):
        """The script's lines for suites of ctest tests: {name: (status, report or None)}; None: ctest never ended."""
        with tempfile.TemporaryDirectory() as results:
            for suite, tests in suites.items():
                folder = pathlib.Path(results) / suite
                folder.mkdir()
                if tests is None:
                    continue
                cases = "".join(f'<testcase name="{name}" status="{status}"/>' for name, (status, _) in tests.items())
                (folder / "ctest.xml").write_text(f"<testsuite>{cases}</testsuite>")
                for name, (_, report) in tests.items():
                    if report is not None:
                        (folder / f"{name}.json").write_text(json.dumps(report))
            done = subprocess.run([sys.executable, ROOT / "scripts/count_results.py", results], capture_output=True,
                                  text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done)
        return done.stdout.splitlines()

    def test_a_program_counts_by_its_cases_and_any_other_test_as_one(self):
        self.assertEqual(self.counted(rules={"layers": (PASSED, None)}, unit={"lake": (PASSED, {"tests": 40})},
                                      e2e={"servers": (PASSED, {"tests": 9, "failures": 0, "errors": 0})}),
                         ["50 passed, 0 failed"])

    def test_failures_and_errors_are_failed(self):
        self.assertEqual(self.counted(unit={"lake": (FAILED, {"tests": 40, "failures": 3})},
                                      e2e={"servers": (FAILED, {"tests": 9, "failures": 1, "errors": 2})}),
                         ["43 passed, 6 failed"])

    def test_a_program_that_crashed_or_a_suite_that_never_ended_is_one_failure(self):
        self.assertEqual(self.counted(unit={"lake": (CRASHED, None), "engine": (CRASHED, {"tests": 5, "failures": 0})},
                                      e2e=None),
                         ["4 passed, 3 failed"])

    def test_what_was_skipped_is_neither_passed_nor_failed_and_is_named(self):
        lake = {"tests": 3, "testsuites": [{"name": "Lake", "testsuite": [{"name": "Commits", "result": "COMPLETED"},
                                                                          {"name": "Reads", "result": "SKIPPED"}]}]}
        self.assertEqual(self.counted(unit={"lake": (PASSED, lake)},
                                      e2e={"servers": (PASSED, {"tests": 4, "skipped": ["Servers.stop (no disk)"]})}),
                         ["skipped: e2e: Servers.stop (no disk)", "skipped: unit: Lake.Reads", "5 passed, 0 failed"])

    def test_bodies_of_child_processes_are_no_tests(self):
        self.assertEqual(self.counted(unit={"launcher": (PASSED, {"tests": 9, "disabled": 2})}), ["7 passed, 0 failed"])


if __name__ == "__main__":
    unittest.main()
