"""Runs one file of Python tests (unittest) and writes the counts where scripts/test finds them.

usage: run.py NAME FILE        NAME is the name of the ctest test; the counts go to $MILLRACE_RESULTS/NAME.json
"""
import importlib.util
import json
import os
import pathlib
import sys
import unittest


def main() -> int:
    name, path = sys.argv[1], pathlib.Path(sys.argv[2]).resolve()
    sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    result = unittest.TextTestRunner(verbosity=2).run(unittest.defaultTestLoader.loadTestsFromModule(module))
    if folder := os.environ.get("MILLRACE_RESULTS"):
        counts = {"tests": result.testsRun, "failures": len(result.failures), "errors": len(result.errors),
                  "skipped": [f"{test.id()} ({reason})" for test, reason in result.skipped]}
        (pathlib.Path(folder) / f"{name}.json").write_text(json.dumps(counts))
    return not (result.wasSuccessful() and result.testsRun)


sys.exit(main())
