"""Prints "N passed, N failed" for the results of one run of scripts/test.

A test program counts by its own cases (GoogleTest's JSON, or the JSON that tests/run.py writes), any other test of
ctest as one. A program that failed without saying which case (a crash, a timeout) counts as one failure.

usage: count_results.py RESULTS_FOLDER
"""
import json
import pathlib
import sys
import xml.etree.ElementTree


def main() -> int:
    passed = failed = skipped = 0
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
            left_out = report.get("skipped", report.get("disabled", 0))
            for part in report.get("testsuites", []):
                left_out += sum(test.get("result") == "SKIPPED" for test in part.get("testsuite", []))
            bad += not ok and not bad
            passed += max(report["tests"] - bad - left_out, 0)
            failed += bad
            skipped += left_out
    if skipped:
        print(f"{skipped} skipped: see build/logs/test-*.log for the reasons")
    print(f"{passed} passed, {failed} failed")
    return 0


sys.exit(main())
