"""The weekly job without Millrace: an independent answer to compare with.

    python weekly.py DELIVERIES                            the AUC of every week and variant, as a Markdown table
    python weekly.py DELIVERIES --date 2013-06-30          of one week
    python weekly.py DELIVERIES --leak-check               also the leak check of each
    python weekly.py DELIVERIES --by-hand 200              also that many rows of each against by_hand.py
    python weekly.py DELIVERIES --json                     one JSON line for each week and variant

Needs duckdb 1.5.5, xgboost-cpu 3.2.0, numpy and PyYAML. Exits with 1 when an honest variant leaks, `leaky` does not, or
a feature made by hand is another one.
"""
import argparse
import datetime as dt
import json
import sys

import by_hand
import learning
import tables

VARIANTS = ("departure", "two_hours_before", "leaky")


def differences(con, clerk, training_set, count):
    """Rows and features that come out otherwise by hand. Those of same_day have no honest definition."""
    names = [f for f in training_set.features if not f.startswith("plane_day")]
    rows = con.execute(f"SELECT flight_id, epoch_us(scored_at), {', '.join(names)} FROM training "
                       f"ORDER BY md5(flight_id || 'by hand') LIMIT {count}").fetchall()
    found = []
    for flight_id, scored_us, *values in rows:
        t = dt.datetime.fromtimestamp(0, dt.timezone.utc) + dt.timedelta(microseconds=scored_us)
        known = clerk.features(flight_id, t)
        found += [(flight_id, name, value, known[name]) for name, value in zip(names, values) if value != known[name]]
    return found


def run(con, models, date, score_at, arguments, clerk):
    """One line of the answer."""
    training_set = tables.TrainingSet(score_at)
    rows = tables.prepare(con, models, training_set, date, score_at)
    booster, categories = learning.train(con, training_set.inputs)
    answer = {"logical_date": date.date().isoformat(), "score_at": score_at, "training_rows": rows}
    answer |= learning.evaluate(con, training_set.inputs, booster, categories)
    answer |= {"training_rows": rows - answer["rows"], "rounds": booster.num_boosted_rounds()}
    if clerk:
        answer["by_hand_differs"] = differences(con, clerk, training_set, arguments.by_hand)
    if arguments.leak_check:
        answer["leaks"] = tables.leaks(con, models, training_set, date, score_at)
    return answer


def wrong(answer):
    leaks = answer.get("leaks")
    return bool(answer.get("by_hand_differs")) or (leaks is not None and bool(leaks) != (answer["score_at"] == "leaky"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("deliveries")
    parser.add_argument("--date", action="append")
    parser.add_argument("--score-at", action="append", choices=VARIANTS)
    parser.add_argument("--leak-check", action="store_true")
    parser.add_argument("--by-hand", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    con = tables.open_lake(arguments.deliveries)
    models = tables.Models()
    clerk = by_hand.Clerk(arguments.deliveries) if arguments.by_hand else None
    variants = arguments.score_at or VARIANTS
    dates = [tables.logical_date(d) for d in arguments.date] if arguments.date else tables.logical_dates()
    if not arguments.json:
        print("| logical date | " + " | ".join(variants) + " |\n| --- |" + " ---: |" * len(variants))
    failed = False
    for date in dates:
        answers = [run(con, models, date, score_at, arguments, clerk) for score_at in variants]
        failed |= any(wrong(answer) for answer in answers)
        if arguments.json:
            for answer in answers:
                print(json.dumps(answer), flush=True)
        else:
            print(f"| {date.date()} | " + " | ".join(f"{a['auc']:.3f}" for a in answers) + " |", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
