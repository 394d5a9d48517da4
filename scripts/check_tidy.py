"""House rules that a compiler does not check. Prints file:line: rule for each breach.

usage: check_tidy.py PROJECT_FOLDER
"""
import pathlib
import re
import sys

SOURCES = ["src/**/*.cc", "src/**/*.h", "include/**/*.h", "examples/**/*.cc", "tests/**/*.cc", "tests/**/*.py",
           "scripts/*", "bench/**/*.py", "bench/**/*.cc"]
PAGES = ["*.md", "docs/**/*.md", "src/**/*.md", "examples/**/*.md", "tests/**/*.md"]
# (pattern, files it may stand in, why)
RULES = [
    # DuckDB's C API has no call that waits for its tasks, and nothing tells that another user's SQLite is done.
    (r"sleep_for|sleep_until|\busleep\(|\btime\.sleep\(",
     r"tests/e2e/.*|scripts/.*|bench/.*|src/data/engine/duckdb_connection\.cc|"
     r"src/foundation/metadata/read_only_database\.cc",
     "wait for a condition, not for time"),
    (r"(system|high_resolution)_clock::now|\bCLOCK_REALTIME\b|\bgettimeofday\(|\bstd::time\(|\btime\((nullptr|NULL|0)\)"
     r"|absl::Now\(", r"src/foundation/base/clock\.cc|tests/scripts/.*", "time comes from a Clock"),
    # A thread that waits, a process that is measured: nothing that decides.
    (r"steady_clock::now", r".*_test\.cc|tests/scripts/.*|src/foundation/(base/clock|metadata/group_commit)\.cc|"
     r"src/control/((execution|launcher)/.*|orchestration/orchestrator\.cc)|src/app/cli/run_follower\.cc",
     "time comes from a Clock: running() is the one that nobody can set"),
    (r"\b(TODO|FIXME|XXX|HACK)\b", r"scripts/check_tidy\.py", "finish it, or write it down as an issue"),
    (r"\bstd::regex\b|#include <regex>", r"", "RE2 is the regular expression library"),
    (r"\brand\(\)|std::random_device", r"", "randomness has a seed that can be printed"),
    (r"\t", r"", "indent with spaces"),
    (r"[ ]+$", r"", "no trailing spaces"),
    (r"reinterpret_cast<duckdb::|#include [<\"]duckdb\.hpp", r"", "DuckDB is used through its C API"),
]
WIDEST = 120
WIDER = "examples/daily_training_pipeline/pipeline.cc"  # docs/formats/program.md has the same

# What in C++ is no code: raw strings, comments, strings, characters (not the ' of 1'000).
NO_CODE = re.compile(r'R"([^(\s]*)\(.*?\)\1"|//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|'
                     r"(?<!\w)'(?:\\.|[^'\\\n])+'", re.DOTALL)
# What stands before a brace that opens a block; any other opens a braced list.
BEFORE_BLOCK = re.compile(r"([)\]]|\b(else|do|try|const|noexcept|mutable|override|final)|->[^(){};]*"
                          r"|\b(namespace|struct|class|enum)\b[^(){};]*)\s*$")


def tries_behind_members(text):
    """The lines on which a TRY stands in a braced list, behind another member of it (foundation/base/result.h)."""
    code = NO_CODE.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)
    around = []  # the brackets that are open: what each is, and whether a comma has been seen in it
    for found in re.finditer(r"[(){}\[\],;]|\bTRY(?:_DOING)?\(", code):
        mark = found[0]
        if mark == "{":
            is_block = not around or BEFORE_BLOCK.search(code[max(0, found.start() - 300):found.start()])
            around.append(["block" if is_block else "list", False])
        elif mark in "([":
            around.append([mark, False])
        elif mark in ")]}":
            del around[-1:]
        elif mark == "," and around:
            around[-1][1] = True
        elif mark == ";" and around:
            around[-1] = ["block" if around[-1][0] == "list" else around[-1][0], False]
        elif mark.startswith("TRY"):
            for kind, has_member in reversed(around):
                if kind == "block":
                    break
                if kind == "list" and has_member:
                    yield code.count("\n", 0, found.start()) + 1
                    break
            around.append(["(", False])


# As clang-format leaves them: what a namespace holds stands at the beginning of a line, and bodies do not.
ANONYMOUS = re.compile(r"^namespace \{\n(.*?)^\}  // namespace$", re.DOTALL | re.MULTILINE)
FUNCTION = re.compile(r"^(?!(?:using|namespace|template|static_assert|struct|class|enum|extern|return|typedef|TEST|"
                      r"INSTANTIATE)\b|TEST_|INSTANTIATE_|constexpr \w+ k)[A-Za-z_][^\n;={}()]*?[\s*&>](\w+)\(", re.MULTILINE)


def functions_of_its_own(text):
    """The functions of a file's anonymous namespaces, by name, and the line of each."""
    for namespace in ANONYMOUS.finditer(text):
        for found in FUNCTION.finditer(namespace[1]):
            yield found[1], text.count("\n", 0, namespace.start(1) + found.start()) + 1


def same_names_in_a_batch(root):
    """Functions of one name that are two files' own, in a room whose files are compiled in batches (MILLRACE_UNITY):
    each is an overload for the other's file there, and may be picked without a word."""
    first = {}  # by room, whether of tests, and name: the file and the line
    for path in sorted(root.glob("src/**/*.cc")):
        for name, line in functions_of_its_own(path.read_text(errors="replace")):
            other = first.setdefault((path.parent, path.stem.endswith(("_test", "_contract")), name), (path, line))
            if other[0] != path:
                yield (f"{path.relative_to(root)}:{line}: {name} is also a function of {other[0].name}'s own (line "
                       f"{other[1]}); in a batch of files it would be an overload of it: give one of them another name")


def prose_of_a_page(text):
    """The lines of Markdown, by number, that are neither code nor rows of a table."""
    fenced = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced and not line.startswith(("    ", "|")):
            yield number, line


def main() -> int:
    root = pathlib.Path(sys.argv[1])
    errors = []
    for path in sorted(page for pattern in PAGES for page in root.glob(pattern)):
        for number, line in prose_of_a_page(path.read_text()):
            if len(line) > WIDEST:
                errors.append(f"{path.relative_to(root)}:{number}: wider than {WIDEST} columns")
    for pattern in SOURCES:
        for path in sorted(root.glob(pattern)):
            if not path.is_file() or path.name == "check_tidy.py":
                continue
            name = str(path.relative_to(root))
            text = path.read_text(errors="replace")
            for number in tries_behind_members(text) if path.suffix in (".cc", ".h") else ():
                errors.append(f"{name}:{number}: TRY behind another member of a braced list: give it a name before, "
                              "else gcc 12 does not destroy that member when TRY returns")
            for number, line in enumerate(text.splitlines(), 1):
                for rule, allowed, why in RULES:
                    if re.search(rule, line) and not (allowed and re.fullmatch(allowed, name)):
                        errors.append(f"{name}:{number}: {why}")
                if len(line) > WIDEST and "http" not in line and name != WIDER:
                    errors.append(f"{name}:{number}: wider than {WIDEST} columns")
    errors += same_names_in_a_batch(root)
    print("\n".join(errors))
    return bool(errors)


sys.exit(main())
