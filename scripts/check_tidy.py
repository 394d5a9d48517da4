"""House rules that a compiler does not check. Prints file:line: rule for each breach.

usage: check_tidy.py PROJECT_FOLDER
"""
import pathlib
import re
import sys

SOURCES = ["src/**/*.cc", "src/**/*.h", "include/**/*.h", "examples/**/*.cc", "tests/**/*.cc", "tests/**/*.py",
           "scripts/*", "bench/**/*.py", "bench/**/*.cc"]
# (pattern, files it may stand in, why)
RULES = [
    (r"sleep_for|sleep_until|\busleep\(|\btime\.sleep\(", r"tests/e2e/.*|scripts/.*|bench/.*",
     "wait for a condition, not for time"),
    (r"system_clock::now", r"src/foundation/base/clock\.cc", "time comes from a Clock"),
    (r"\b(TODO|FIXME|XXX|HACK)\b", r"scripts/check_tidy\.py", "finish it, or write it down as an issue"),
    (r"\bstd::regex\b|#include <regex>", r"", "RE2 is the regular expression library"),
    (r"\brand\(\)|std::random_device", r"", "randomness has a seed that can be printed"),
    (r"\t", r"", "indent with spaces"),
    (r"[ ]+$", r"", "no trailing spaces"),
    (r"reinterpret_cast<duckdb::|#include [<\"]duckdb\.hpp", r"", "DuckDB is used through its C API"),
]
WIDEST = 120
WIDER = "examples/daily_training_pipeline/pipeline.cc"  # the program of the design, as it stands there


def main() -> int:
    root = pathlib.Path(sys.argv[1])
    errors = []
    for pattern in SOURCES:
        for path in sorted(root.glob(pattern)):
            if not path.is_file() or path.name == "check_tidy.py":
                continue
            name = str(path.relative_to(root))
            for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
                for rule, allowed, why in RULES:
                    if re.search(rule, line) and not (allowed and re.fullmatch(allowed, name)):
                        errors.append(f"{name}:{number}: {why}")
                if len(line) > WIDEST and "http" not in line and name != WIDER:
                    errors.append(f"{name}:{number}: wider than {WIDEST} columns")
    print("\n".join(errors))
    return bool(errors)


sys.exit(main())
