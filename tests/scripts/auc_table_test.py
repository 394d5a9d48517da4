"""The table of every week's AUC in the example's README, and the script that holds the program against it. The weeks
themselves take a quarter of an hour: CONTRIBUTING.md, "By hand"."""
import os
import pathlib
import re
import sys
import unittest

ROOT = pathlib.Path(os.environ.get("MILLRACE_SOURCE", ".")).resolve()
sys.path.insert(0, str(ROOT / "examples/weekly_retraining/oracle"))
import auc_table  # noqa: E402

README = auc_table.README.read_text()


def as_told():
    return {week: {"auc": float(auc)} for week, auc in auc_table.told(README).items()}


class TestTheTable(unittest.TestCase):
    def test_it_has_every_week_once(self):
        weeks = {(day, score_at) for day in auc_table.weeks() for score_at in auc_table.VARIANTS}
        self.assertEqual(as_told().keys(), weeks)
        self.assertEqual(len(weeks), 141)

    def test_what_the_page_says_of_a_column_stands_in_it(self):
        for score_at in auc_table.VARIANTS:
            column = [row["auc"] for (_, variant), row in as_told().items() if variant == score_at]
            [said] = re.findall(rf"(?m)^\| `{score_at}` \|.*\| ([0-9.]+ to [0-9.]+) \|", README)
            self.assertEqual(said, f"{min(column):.3f} to {max(column):.3f}", score_at)

    def test_weeks_as_they_are_told_do_not_differ(self):
        self.assertEqual(list(auc_table.differences(as_told(), README)), [])

    def test_a_week_that_differs_or_is_none_is_named(self):
        answers = as_told()
        answers["2013-09-01", "leaky"] = {"auc": 0.5}
        longer = README.replace(auc_table.END, "| 2014-01-05 | 0.9 | 0.7 | 0.99 |\n" + auc_table.END)
        self.assertEqual(list(auc_table.differences(answers, longer)),
                         [*(f"2014-01-05 {score_at}: in the table, and no week of ours"
                            for score_at in sorted(auc_table.VARIANTS)),
                          "2013-09-01 leaky: AUC 0.500, the table says 0.997"])


if __name__ == "__main__":
    unittest.main()
