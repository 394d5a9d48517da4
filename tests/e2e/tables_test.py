"""Tables of a program: rows into a session of the engine and out of it, through the C++ door."""
import gzip
import json
import subprocess
import tempfile
import unittest

from harness import BIN, MILLRACE


class TestTables(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def lines(self, verb):
        done = subprocess.run([str(BIN / "tables_program"), verb], cwd=self.folder, capture_output=True, text=True,
                              env={"MILLRACE": str(MILLRACE), "PATH": "/usr/bin:/bin"}, timeout=120)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout.splitlines()

    def test_a_million_rows_go_in_and_come_back_from_a_file(self):
        self.assertEqual(self.lines("write_and_read"),
                         ["written 1000000 read 1000000 sum 499999500000 nulls 500000"])
        with gzip.open(f"{self.folder}/numbers.json.gz", "rt") as file:
            self.assertEqual([json.loads(line)["name"] for line in file], ["number 0", None, "number 2"])

    def test_more_rows_than_memory_go_in(self):
        self.assertEqual(self.lines("write_many"), ["15000000", '[{"n":7499992500000}]'])

    def test_a_write_that_is_given_up_changes_nothing_and_the_session_goes_on(self):
        gave_up, old, uneven, name, *no_column, one = self.lines("give_up")
        self.assertEqual(gave_up, "no more numbers")
        self.assertEqual(old, '[{"old":1}]')
        self.assertIn("column 'b' has 0 values, 'a' has 1", uneven)
        self.assertIn("a.b.c.d", name)
        self.assertTrue(no_column[0].startswith("Binder Error: "), no_column)
        self.assertEqual(one, '[{"one":1}]')

    def test_an_exception_of_what_gives_the_rows_goes_on_and_the_session_too(self):
        self.assertEqual(self.lines("throw"), ["thrown: stoi", '[{"one":1}]'])

    def test_an_answer_ends_with_the_next_call_and_may_fail_on_the_way(self):
        ended, seven, failed, one = self.lines("leave")
        self.assertIn("this answer ended when its session was asked for something else", ended)
        self.assertEqual(seven, "7")
        self.assertIn("after some rows (1)", failed)
        self.assertIn("at 900000", failed)
        self.assertEqual(one, '[{"one":1}]')

    def test_a_session_cannot_write_what_it_gives_at_the_same_time(self):
        [refused] = self.lines("write_from_itself")
        self.assertIn("CREATE TABLE ... AS SELECT", refused)


if __name__ == "__main__":
    unittest.main()
