"""Prints "N passed, N failed" for the results of one run of scripts/test, and the names of tests that were skipped.

A test program counts by its own cases (GoogleTest's JSON, or the JSON that tests/run.py writes), any other test of
ctest as one. A program that failed without saying which case (a crash, a timeout) counts as one failure.

usage: count_results.py RESULTS_FOLDER
"""
import json
import pathlib
import sys
import xml.etree.ElementTree


def skipped_of(report: dict) -> list[str]:
    """The names of skipped tests: those that tests/run.py lists, or GoogleTest's by their result."""
    return report.get("skipped", []) + [
        f"{part['name']}.{test['name']}" for part in report.get("testsuites", []) for test in part.get("testsuite", [])
        if test.get("result") == "SKIPPED"]


def main() -> int:
    passed = failed = 0
    skipped = []
    for suite in sorted(pathlib.Path(sys.argv[1]).iterdir()):
        reports = {path.stem: json.loads(path.read_text() or "{}") for path in suite.glob("*.json")}
        ctest = suite / "ctest.xml"
        if not ctest.exists():
            failed += 1
            continue
        for case in xml.etree.ElementTree.parse(ctest).getroot().iter("testcase"):
            ok = case.get("status") == "run"
            report = reports.get(case.get("name")) or reports.get(f"{case.get('name')}_test")
            if not report or "tests" not in report:
                passed, failed = passed + ok, failed + (not ok)
                continue
            bad = report.get("failures", 0) + report.get("errors", 0)
            bad += not ok and not bad
            left_out = [f"{suite.name}: {name}" for name in skipped_of(report)]
            # GoogleTest counts what is disabled: here the bodies of child processes, which are no tests.
            passed += max(report["tests"] - bad - len(left_out) - report.get("disabled", 0), 0)
            failed += bad
            skipped += left_out
    for name in skipped:
        print(f"skipped: {name}")
    print(f"{passed} passed, {failed} failed")
    return 0


sys.exit(main())
