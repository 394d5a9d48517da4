"""Our cron against croniter 7.0.0: thousands of random expressions and moments give the same points.

Where the two differ on purpose:
- `5-5` is the value 5; croniter reads an equal range as the whole field.
- a range that wraps and has a step (`22-4/3`) counts on through the wrap; croniter begins anew after it.
- a day-of-month or day-of-week field other than `*` restricts, also when it names every value (`1-31`); croniter
  takes such a field as `*` when the other one contains a `*`.
- `?`, L, W, #, H, R, seconds and years are refused.
- when clocks are set: docs in cron.h. croniter skips or repeats by the arithmetic of the moment; we are held against
  a reference that walks every minute of the wall clock (test_every_minute_around_a_change_of_the_clocks).
"""
import datetime
import json
import os
import pathlib
import random
import subprocess
import unittest
import zoneinfo

import croniter

UTC = datetime.timezone.utc
FIELDS = [(0, 59, []), (0, 23, []), (1, 31, []),
          (1, 12, "jan feb mar apr may jun jul aug sep oct nov dec".split()),
          (0, 6, "sun mon tue wed thu fri sat".split())]
ZONES = ["America/New_York", "Europe/Zurich", "Australia/Lord_Howe", "America/St_Johns", "America/Havana",
         "Africa/Casablanca", "Asia/Kathmandu", "Pacific/Apia", "America/Santiago", "Europe/Dublin"]


def ask(questions):
    """The answers of cron_probe, in order."""
    probe = pathlib.Path(os.environ["MILLRACE_BIN"]) / "cron_probe"
    done = subprocess.run([probe], input="".join(json.dumps(q) + "\n" for q in questions), text=True,
                          capture_output=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def text_of(moment):
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def random_item(rng, field):
    low, high, names = FIELDS[field]
    top = 7 if field == 4 and rng.random() < 0.1 else high

    def word(value):
        return rng.choice([str(value), names[value - low]]) if names and value <= high else str(value)

    kind = rng.random()
    if kind < 0.5:
        return word(rng.randint(low, top))
    if kind < 0.65:
        return f"*/{rng.randint(1, high - low + 1)}"
    if kind < 0.75:
        return f"{word(rng.randint(low, high))}/{rng.randint(1, high)}"
    first, last = rng.randint(low, high), rng.randint(low, high)
    while first == last:
        last = rng.randint(low, high)
    if first > last:  # wraps: without a step, see above
        return f"{word(first)}-{word(last)}"
    step = f"/{rng.randint(1, 5)}" if rng.random() < 0.3 else ""
    return f"{word(first)}-{word(last)}{step}"


def random_field(rng, field, star=0.45):
    if rng.random() < star:
        return "*"
    return ",".join(random_item(rng, field) for _ in range(rng.choice([1, 1, 1, 2, 3])))


def random_expression(rng):
    fields = [random_field(rng, i) for i in range(5)]
    # A day field that is no plain * but holds one, beside a restricted one: see above.
    if fields[2] != "*" and fields[4] != "*":
        for i in (2, 4):
            if "*" in fields[i]:
                low, high, _ = FIELDS[i]
                fields[i] = str(rng.randint(low, min(high, 28)))
    return " ".join(fields)


class CronInterop(unittest.TestCase):
    def compare(self, seed, count, zone):
        rng = random.Random(seed)
        cases, questions = [], []
        while len(cases) < count:
            expression = random_expression(rng)
            start = datetime.datetime(rng.randint(1975, 2090), rng.randint(1, 12), rng.randint(1, 28),
                                      rng.randint(0, 23), rng.randint(0, 59), 30, tzinfo=UTC)
            if not croniter.croniter.is_valid(expression, strict=True):
                continue
            for direction in ("next", "previous"):
                cases.append((expression, start, direction))
                questions.append({"cron": expression, "timezone": zone, "from": text_of(start), "count": 4,
                                  "direction": direction})
        for (expression, start, direction), answer in zip(cases, ask(questions), strict=True):
            theirs = croniter.croniter(expression, start)
            step = theirs.get_next if direction == "next" else theirs.get_prev
            expected = [text_of(step(datetime.datetime)) for _ in range(4)]
            self.assertEqual(answer.get("runs"), expected, f"{expression} from {start} {direction}: {answer}")

    def test_thousands_of_expressions_give_the_same_points(self):
        self.compare(seed=1, count=6000, zone="UTC")

    def test_the_wall_clock_of_a_zone_away_from_changes(self):
        # Phoenix knows no daylight saving time since 1968: a fixed offset, so the points are croniter's, moved.
        rng = random.Random(2)
        questions, expected = [], []
        for _ in range(500):
            expression = random_expression(rng)
            if not croniter.croniter.is_valid(expression, strict=True):
                continue
            start = datetime.datetime(rng.randint(1975, 2035), rng.randint(1, 12), rng.randint(1, 28), 12, 0, 30,
                                      tzinfo=zoneinfo.ZoneInfo("America/Phoenix"))
            theirs = croniter.croniter(expression, start.replace(tzinfo=None))
            expected.append([text_of(theirs.get_next(datetime.datetime).replace(tzinfo=start.tzinfo))
                             for _ in range(3)])
            questions.append({"cron": expression, "timezone": "America/Phoenix", "from": text_of(start), "count": 3,
                              "direction": "next"})
        for question, answer, points in zip(questions, ask(questions), expected, strict=True):
            self.assertEqual(answer.get("runs"), points, question)

    def test_every_minute_around_a_change_of_the_clocks(self):
        rng = random.Random(3)
        questions, expected = [], []
        while len(questions) < 400:
            name = rng.choice(ZONES)
            zone = zoneinfo.ZoneInfo(name)
            change = self.some_change(rng, zone)
            if change is None:
                continue
            hours = rng.choice(["*", "*/2", "0-3", "1", "2", "0,23", "22-2"])
            expression = f"{rng.choice(['*/15', '0', '30', '1', '*/7', '59'])} {hours} * * *"
            start = change - datetime.timedelta(hours=30)
            end = change + datetime.timedelta(hours=30)
            points = self.reference(expression, zone, start, end)
            before = text_of(start - datetime.timedelta(seconds=1))
            questions.append({"cron": expression, "timezone": name, "from": before, "count": len(points),
                              "direction": "next"})
            expected.append(points)
            if points:
                questions.append(dict(questions[-1], direction="previous", **{"from": points[-1]}))
                expected.append(points[::-1])
        for question, answer, points in zip(questions, ask(questions), expected, strict=True):
            self.assertEqual(answer.get("runs"), points, question)

    @staticmethod
    def some_change(rng, zone):
        """The first moment of a random year after which the offset is another, to the minute."""
        moment = datetime.datetime(rng.randint(1990, 2036), rng.randint(1, 12), 1, tzinfo=UTC)
        for _ in range(370):
            later = moment + datetime.timedelta(days=1)
            if moment.astimezone(zone).utcoffset() != later.astimezone(zone).utcoffset():
                for minute in range(24 * 60):
                    at = moment + datetime.timedelta(minutes=minute + 1)
                    if at.astimezone(zone).utcoffset() != moment.astimezone(zone).utcoffset():
                        return at
            moment = later
        return None

    @staticmethod
    def reference(expression, zone, start, end):
        """All points in [start, end): each minute of the wall clock is looked at, and read as cron.h says."""
        minutes, hours = croniter.croniter.expand(expression)[0][:2]
        every_hour = expression.split()[1] == "*" or expression.split()[1].startswith("*/")
        points = set()
        civil = (start - datetime.timedelta(days=2)).replace(tzinfo=None)
        while civil < (end + datetime.timedelta(days=2)).replace(tzinfo=None):
            if (minutes == ["*"] or civil.minute in minutes) and (hours == ["*"] or civil.hour in hours):
                first, second = (civil.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
                if first.astimezone(zone).replace(tzinfo=None) != civil:  # skipped: the change lies between the two
                    at = min(first, second)
                    offset = at.astimezone(zone).utcoffset()
                    while at.astimezone(zone).utcoffset() == offset:
                        at += datetime.timedelta(minutes=1)
                    points.add(at)
                else:
                    points.add(first)
                    if every_hour:
                        points.add(second)
            civil += datetime.timedelta(minutes=1)
        return [text_of(point) for point in sorted(points) if start <= point < end]

    def test_nonsense_is_refused_by_both(self):
        rng = random.Random(4)
        questions = []
        for _ in range(2000):
            fields = random_expression(rng).split()
            spoilt = rng.randrange(5)
            fields[spoilt] = rng.choice(["60", "x", "-1", "1-", "*/0", "1//2", "/5", ",", "1,", "99-1", "mon-", "1.5",
                                         "--", "32", "foo-bar", "+1", "*5"])
            if spoilt == 0 and fields[0] == "32":
                continue
            expression = " ".join(fields)
            if croniter.croniter.is_valid(expression):
                continue
            questions.append({"cron": expression, "timezone": "UTC", "from": "2013-01-01", "count": 1,
                              "direction": "next"})
        self.assertGreater(len(questions), 1000)
        for question, answer in zip(questions, ask(questions), strict=True):
            self.assertIn("error", answer, question)

    def test_presets(self):
        presets = ["@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually"]
        answers = ask([{"cron": preset, "timezone": "UTC", "from": "2013-06-15T12:34:56Z", "count": 3,
                        "direction": "next"} for preset in presets])
        for preset, answer in zip(presets, answers, strict=True):
            theirs = croniter.croniter(preset, datetime.datetime(2013, 6, 15, 12, 34, 56, tzinfo=UTC))
            self.assertEqual(answer["runs"], [text_of(theirs.get_next(datetime.datetime)) for _ in range(3)])
