"""The checks of scripts/: what they find, and what they leave alone. And what a user's program sees of ours."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(os.environ.get("MILLRACE_SOURCE", ".")).resolve()
BUILD = pathlib.Path(os.environ.get("MILLRACE_BIN", "build/release")).resolve()


class CheckTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def write(self, path, text):
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def errors(self, script, *arguments):
        done = subprocess.run([sys.executable, ROOT / "scripts" / script, self.folder, *arguments],
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(done.stderr, "")
        self.assertEqual(bool(done.stdout.strip()), done.returncode != 0, done)
        return done.stdout.split("\n")[:-1] if done.stdout.strip() else []


class TestTidy(CheckTest):
    def test_a_rule_that_is_broken_is_named_with_its_place(self):
        self.write("src/data/lake/lake.cc", "int a;\nusleep(1);  // wait\n")
        self.assertEqual(self.errors("check_tidy.py"), ["src/data/lake/lake.cc:2: wait for a condition, not for time"])

    def test_the_machines_clock_is_read_in_one_place(self):
        for reads in ("std::chrono::system_clock::now()", "std::chrono::steady_clock::now()", "absl::Now()",
                      "::time(nullptr)", "clock_gettime(CLOCK_REALTIME, &t)", "gettimeofday(&t, nullptr)"):
            with self.subTest(reads):
                self.write("src/foundation/base/clock.cc", f"auto now = {reads};\n" if "chrono" in reads else "")
                self.write("src/data/lake/lake.cc", f"auto now = {reads};\n")
                [error] = self.errors("check_tidy.py")
                self.assertTrue(error.startswith("src/data/lake/lake.cc:1: time comes from a Clock"), error)

    def test_a_page_is_120_columns_wide_apart_from_tables_and_code(self):
        wide = "word " * 30 + "word"
        self.write("docs/page.md", f"    {wide}\n\n| a |\n| --- |\n| {wide} |\n\n```\n{wide}\n```\n\n{wide}\n")
        self.assertEqual(self.errors("check_tidy.py"), ["docs/page.md:11: wider than 120 columns"])

    def test_try_behind_a_member_of_a_braced_list(self):
        for broken in ("return Range{from, TRY(read())};",
                       "return Range{.from = 1, .to = TRY(read())};",
                       "rows.push_back({std::move(name),\n                TRY_DOING(\"reading\", read())});",
                       "x = {a, f(1, TRY(read()))};",
                       "if (a) {\n  return Outcome{Kind::Failed, {b, kept(TRY(read()))}};\n}",
                       "auto f = [&](int) -> Result<Pair> { return Pair{1, TRY(read())}; };"):
            with self.subTest(broken):
                self.write("src/data/lake/lake.cc", f"Result<int> f() {{\n{broken}\n}}\n")
                line = 2 + broken[:broken.index("TRY")].count("\n")
                [error] = self.errors("check_tidy.py")
                self.assertTrue(error.startswith(f"src/data/lake/lake.cc:{line}: TRY behind another member"), error)

    def test_try_anywhere_else(self):
        self.write("src/data/lake/lake.cc", """
Result<int> f(int a, int b) {
  g(a, TRY(read()));
  const auto [c, d] = TRY(read());
  Range first{TRY(read()), 1};
  std::map<int, int> numbers = TRY(read());
  h({a, b}, TRY(read()));
  for (int i = 0, j = 1; i < 2; ++i) TRY(read());
  run({"name, with a comma", [&](int) -> Result<int> { return TRY(read()); }});
  run({a, [&] {
         if (a == '{') return TRY(read());
         return TRY(read());  // {a, TRY(b)}
       }});
  // {a, TRY(b)}
  return R"({"a", TRY(b)})" + TRY(read());
}
""")
        self.assertEqual(self.errors("check_tidy.py"), [])


    def own(self, function):
        return f"namespace millrace {{\nnamespace {{\n\n{function} {{\n  return f(g(1));\n}}\n\n}}  // namespace\n}}\n"

    def test_a_function_of_two_files_of_a_room(self):
        self.write("src/data/lake/first.cc", self.own("int sum_of(int a)"))
        for same in ("std::string sum_of(const std::string& a, int b)", "template <typename T>\nT* sum_of(T a)",
                     "const std::vector<int>& sum_of(\n    int a)"):
            with self.subTest(same):
                self.write("src/data/lake/second.cc", self.own(same))
                line = 4 + same.startswith("template")
                [error] = self.errors("check_tidy.py")
                self.assertTrue(error.startswith(f"src/data/lake/second.cc:{line}: sum_of is also a function of "
                                                 "first.cc's own (line 4)"), error)

    def test_functions_that_no_batch_brings_together(self):
        self.write("src/data/lake/first.cc", self.own("int sum_of(int a)") + self.own("int sum_of(char a)"))
        self.write("src/data/lake/first_test.cc", self.own("int sum_of(int a)"))
        self.write("src/data/sql/second.cc", self.own("int sum_of(int a)"))
        self.write("src/data/lake/third.cc", "int sum_of(int a) {\n  return a;\n}\n"
                   + self.own("int other(int a)").replace("f(g(1))", "sum_of(1)"))
        self.assertEqual(self.errors("check_tidy.py"), [])


class TestLayers(CheckTest):
    def house(self, layers, **files):
        for path in ("data/sql", "data/lake", "app/cli"):
            self.write(f"src/{path}/README.md", "")
        for path, text in files.items():
            self.write(f"src/{path.replace('__', '/')}.cc", text)
        return self.errors("check_layers.py", self.write("layers.txt", layers))

    def test_a_house_in_order(self):
        self.assertEqual(self.house("data/sql:\ndata/lake:sql\napp/cli:lake\n",
                                    data__lake__lake='#include "sql/names.h"\n#include <string>\n',
                                    app__cli__sql='#include "lake/lake.h"\n#include "cli/verbs.h"\n'), [])

    def test_a_room_that_is_not_declared_is_not_included(self):
        self.assertEqual(self.house("data/sql:\ndata/lake:\napp/cli:\n", data__lake__lake='\n#include "sql/names.h"\n'),
                         ["src/data/lake/lake.cc:2: lake may not include sql; it declares nothing"])

    def test_a_room_that_is_declared_is_included(self):
        self.assertEqual(self.house("data/sql:\ndata/lake:sql\napp/cli:\n"),
                         ["CMakeLists.txt: data/lake declares sql and includes nothing of it"])

    def test_a_floor_knows_only_its_own(self):
        [error] = self.house("app/cli:\ndata/sql:cli\ndata/lake:\n", data__sql__names='#include "cli/verbs.h"\n')
        self.assertIn("data/sql may not know app/cli", error)

    def test_a_room_has_a_readme_and_a_line(self):
        self.write("src/data/sketch/bloom.cc", "")
        self.assertEqual(self.house("data/sql:\ndata/lake:\napp/cli:\n"),
                         ["src/data/sketch: not declared in CMakeLists.txt"])


class TestDoor(unittest.TestCase):
    def test_a_users_program_sees_include_and_nothing_of_src(self):
        commands = json.loads((BUILD / "compile_commands.json").read_text())
        users = [each for each in commands if "/examples/" in each["file"] or "/context_program.cc" in each["file"]]
        self.assertGreaterEqual(len(users), 3)
        for each in users:
            words = each["command"].split()
            folders = [word[2:] for word in words if word.startswith("-I")]
            folders += [word for flag, word in zip(words, words[1:]) if flag in ("-I", "-isystem", "-iquote")]
            ours = sorted(folder for folder in folders if pathlib.Path(folder).is_relative_to(ROOT))
            self.assertEqual(ours, [str(ROOT / "include"), str(ROOT / "include/millrace")], each["file"])


if __name__ == "__main__":
    unittest.main()
