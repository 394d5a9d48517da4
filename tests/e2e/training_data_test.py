"""training_data.parquet of a real week, read by others: which rows, in which order, and whether their features are what
a careful clerk would have answered (examples/weekly_retraining/oracle/by_hand.py, plain Python over the deliveries)."""
import bisect
import csv
import datetime as dt
import hashlib
import io
import math
import pathlib
import statistics
import sys
import tempfile
import unittest

import pyarrow.parquet

from weekly import EXAMPLE, MODEL, WeeklyProject, deliveries, finished_week, tasks_of

sys.path.insert(0, str(EXAMPLE / "oracle"))
from by_hand import Clerk

LOGICAL_DATE = dt.datetime(2013, 9, 1, 4, tzinfo=dt.timezone.utc)
DAY = dt.timedelta(days=1)


class TrainingData(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        week = finished_week("2013-09-01")
        cls.project = WeeklyProject(of=week)
        cls.addClassCleanup(cls.project.close)
        cls.file = cls.project.file("training_data.parquet")
        cls.tasks = tasks_of(week)
        cls.dataset = cls.tasks["training_data"]["result"]["dataset"]
        cls.rows = pyarrow.parquet.read_table(cls.file).to_pylist()

    def test_the_file_is_what_the_run_says_it_is(self):
        self.assertEqual(hashlib.sha256(self.file.read_bytes()).hexdigest(), self.dataset["content_hash"])
        self.assertEqual(len(self.rows), self.dataset["rows"])

    def test_the_rows_are_the_flights_of_30_days_that_arrived(self):
        """Counted anew from the deliveries: scheduled in the 30 days, arrived, and heard of before the logical date."""
        expected = {flight["flight_id"] for flight in self.clerk().flights.values()
                    if LOGICAL_DATE - 30 * DAY <= flight["scheduled_departure"] < LOGICAL_DATE
                    and flight["arr_delay"] is not None and flight["delivered_at"] < LOGICAL_DATE}
        self.assertGreater(len(expected), 20_000)
        self.assertEqual({row["flight_id"] for row in self.rows}, expected)

    def test_the_holdout_is_what_is_scored_in_the_last_7_days(self):
        scored = {part: [row["scored_at"] for row in self.rows if row["part"] == part]
                  for part in ("training", "holdout")}
        self.assertEqual(sum(map(len, scored.values())), len(self.rows))
        self.assertLess(max(scored["training"]), LOGICAL_DATE - 7 * DAY)
        self.assertGreaterEqual(min(scored["holdout"]), LOGICAL_DATE - 7 * DAY)
        self.assertGreater(len(scored["holdout"]), 5_000)

    def test_the_order_is_total(self):
        ids = [row["flight_id"] for row in self.rows]
        self.assertEqual(ids, sorted(set(ids)))

    def test_the_label_says_whether_it_came_more_than_15_minutes_late(self):
        flights = self.clerk().flights
        self.assertEqual([row["flight_id"] for row in self.rows
                          if row["late"] != (flights[row["flight_id"]]["arr_delay"] > 15)], [])

    def test_every_feature_is_what_was_known_at_the_scoring_time(self):
        clerk = self.clerk()
        sample = sorted(self.rows, key=lambda row: hashlib.md5(row["flight_id"].encode()).digest())[:60]
        for row in sample:
            by_hand = clerk.features(row["flight_id"], row["scored_at"])
            self.assertEqual({name: row[name] for name in by_hand}, by_hand, row["flight_id"])
        columns = set(by_hand)
        self.assertEqual(len(columns), 24)
        known = {name for name in columns if any(row[name] is not None for row in sample)}
        self.assertEqual(known, columns, "a feature that nobody of the sample has")

    def test_the_evaluation_is_what_anybody_finds_who_scores_the_holdout(self):
        """AUC as the share of pairs in the right order, log loss, Brier score and calibration, by their definitions."""
        holdout = [row for row in self.rows if row["part"] == "holdout"]
        scores, late = self.scores(holdout), [row["late"] for row in holdout]
        told = self.tasks["evaluate"]["result"]["values"]
        self.assertEqual((told["rows"], told["positives"]), (len(holdout), sum(late)))
        ordered = sorted(score for score, was in zip(scores, late) if not was)
        pairs = sum((bisect.bisect_left(ordered, score) + bisect.bisect_right(ordered, score)) / 2
                    for score, was in zip(scores, late) if was)
        self.assertAlmostEqual(told["auc"], pairs / sum(late) / len(ordered), 5)
        self.assertAlmostEqual(told["log_loss"], statistics.fmean(-math.log(score if was else 1 - score)
                                                                  for score, was in zip(scores, late)), 5)
        self.assertAlmostEqual(told["brier"], statistics.fmean((score - was) ** 2
                                                               for score, was in zip(scores, late)), 5)
        off = [abs(sum(score - was for score, was in zip(scores, late) if math.ceil(score * 10) == each))
               for each in range(1, 11)]
        self.assertAlmostEqual(told["calibration_error"], sum(off) / len(holdout), 5)

    def scores(self, rows):
        """What the model of the week says of them, asked on the command line."""
        names = [each["name"] for each in self.project.millrace("model", "show", MODEL, "--json").json()
                 ["manifest"]["features"]]
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(names)
        writer.writerows([row[name] for name in names] for row in rows)
        file = self.project.write("holdout.csv", text.getvalue())
        answer = self.project.millrace("model", "predict", MODEL, "--input", file, "--json")
        return [each["score"] for each in answer.json()["predictions"]]

    @classmethod
    def clerk(cls):
        """One who has read the mail of the weeks in question only."""
        if not hasattr(cls, "_clerk"):
            with tempfile.TemporaryDirectory() as folder:
                for kind, first in (("flights", "2013-07-28"), ("weather", "2013-07-28"), ("planes", "2012-01-01")):
                    (pathlib.Path(folder) / kind).mkdir()
                    for file in (deliveries() / kind).iterdir():
                        if f"{kind}-{first}" <= file.name < f"{kind}-2013-09-01":
                            (pathlib.Path(folder) / kind / file.name).symlink_to(file)
                cls._clerk = Clerk(folder)
        return cls._clerk


if __name__ == "__main__":
    unittest.main()
