"""Writers that die: SIGKILL between the files and the commit, and at random moments. What was answered is there, the
log has no gap and no torn entry, and the same work again makes the table whole, with nothing twice."""
import json
import os
import pathlib
import random
import subprocess
import tempfile
import unittest

from lake_client import Lake

SEED = 20131201


class LakeCrash(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def files(self):
        return {str(path.relative_to(self.folder)) for path in pathlib.Path(self.folder, "t").rglob("*.parquet")
                if "_delta_log" not in path.parts}

    def assert_log_is_whole(self):
        names = sorted(path.name for path in pathlib.Path(self.folder, "t", "_delta_log").glob("*.json"))
        self.assertEqual(names, [f"{version:020}.json" for version in range(len(names))])
        for name in names:
            for line in pathlib.Path(self.folder, "t", "_delta_log", name).read_text().splitlines():
                json.loads(line)

    def test_killed_between_the_files_and_the_commit(self):
        for mode in ["append", "overwrite", "overwrite_partitions"]:
            with self.subTest(mode=mode), tempfile.TemporaryDirectory() as self.folder:
                with Lake(self.folder) as lake:
                    lake.write("t", "SELECT 1 AS a, 'x' AS p", partition_by=["p"], app="first", generation=1)
                before = self.files()
                work = {"select": "SELECT 2 AS a, 'x' AS p", "mode": mode, "app": "second", "generation": 1}
                with Lake(self.folder) as lake:
                    lake.send("write", "t", die_before_commit=True, **work)
                    with self.assertRaises(EOFError):
                        lake.receive()
                    self.assertEqual(lake.process.wait(), -9)
                self.assertEqual(len(self.files() - before), 1, "the rows were written")
                with Lake(self.folder) as lake:
                    self.assertEqual(lake.rows("t"), [[1, "x"]], "and nobody sees them")
                    self.assertFalse(lake.ask("write", "t", **work)["already_done"])
                    self.assertTrue(lake.ask("write", "t", **work)["already_done"])
                    expected = [[1, "x"], [2, "x"]] if mode == "append" else [[2, "x"]]
                    self.assertEqual(lake.rows("t"), expected)
                self.assert_log_is_whole()

    def test_killed_while_the_table_is_made(self):
        work = {"select": "SELECT 1 AS a", "app": "w", "generation": 1}
        with Lake(self.folder) as lake:
            lake.send("write", "t", die_before_commit=True, **work)
            with self.assertRaises(EOFError):
                lake.receive()
        with Lake(self.folder) as lake:
            self.assertEqual(lake.ask("write", "t", **work)["version"], 0)
            self.assertEqual(lake.rows("t"), [[1]])

    def test_killed_at_random_moments(self):
        print(f"seed {SEED}")
        chance = random.Random(SEED)
        answered = {}
        works = [{"select": f"SELECT {i} AS a, {i % 4} AS p", "app": f"w{i}", "generation": 1} for i in range(400)]
        kills = 0
        while kills < 25:
            with Lake(self.folder) as lake:
                begin = len(answered)
                for work in works[begin:begin + 40]:  # they lie in the pipe until the writer gets to them
                    lake.send("write", "t", partition_by=["p"], **work)
                try:
                    lake.process.wait(timeout=0.05 + chance.random() * 0.4)
                except subprocess.TimeoutExpired:
                    lake.process.kill()
                    kills += 1
                for line in lake.process.stdout:
                    if line.endswith("\n"):
                        answer = json.loads(line)
                        self.assertNotIn("error", answer)
                        answered[len(answered)] = answer["version"]
                self.assert_log_is_whole()
            if len(answered) >= len(works) - 40:
                break
        self.assertGreater(len(answered), 25, "the writers got something done")
        print(f"{kills} kills, {len(answered)} answered writes")
        with Lake(self.folder) as lake:
            done = {row[0] for row in lake.rows("t")}
            self.assertLessEqual(set(answered), done, "what was answered is there")
            self.assertLessEqual(len(done - set(answered)), 1, "at most the last one was not answered")
            for work in works[:len(answered) + 5]:
                lake.write("t", **work)
            self.assertEqual([row[0] for row in lake.rows("t")], list(range(len(answered) + 5)))
        self.assert_log_is_whole()
        self.assertEqual(os.listdir(pathlib.Path(self.folder, "t", "_delta_log")).count("_last_checkpoint"), 1)


if __name__ == "__main__":
    unittest.main()
