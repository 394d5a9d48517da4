"""The table of the README, made by Millrace itself: every week of 2013 for each of the three values of score_at.

    PATH=build/release:$PATH python examples/weekly_retraining/oracle/auc_table.py SCRATCH [--check] [--score-at WHEN]

Copies the project to SCRATCH, delivers 2013 there, runs the 141 weeks in order, and writes their AUC between the `auc`
marks of ../README.md. With --check it compares them with what stands there, names the weeks that differ, and ends with
1 where one does; --score-at departure checks the 47 weeks of that column alone. What is done is kept in
SCRATCH/weeks.jsonl: stopped and started again it goes on behind that, and a second time it runs nothing. Needs
`millrace` and `deliver` on the PATH, and nothing but Python's own library; takes some 15 minutes of two cores.
"""
import argparse
import datetime as dt
import json
import pathlib
import re
import shutil
import subprocess
import sys

PROJECT = pathlib.Path(__file__).resolve().parent.parent
README = PROJECT / "README.md"
VARIANTS = ("departure", "two_hours_before", "leaky")
BEGIN, END = "<!-- auc: begin -->\n", "<!-- auc: end -->"


def weeks():
    """Every Sunday with 30 days of deliveries before it."""
    day = dt.date(2013, 2, 10)
    while day <= dt.date(2013, 12, 29):
        yield day.isoformat()
        day += dt.timedelta(days=7)


def prepare(scratch):
    if not (scratch / "millrace.yml").exists():
        shutil.copytree(PROJECT, scratch, dirs_exist_ok=True,
                        ignore=shutil.ignore_patterns(".millrace", "deliveries", "__pycache__"))
        settings = scratch / "millrace.yml"  # ports of its own: the demo's server may run beside it
        settings.write_text(settings.read_text().replace(
            "endpoint: 127.0.0.1:8080", "endpoint: 127.0.0.1:0\n    status: 127.0.0.1:0"))
    if not (scratch / ".delivered").exists():
        subprocess.run(["deliver", "--quiet"], cwd=scratch, check=True)
        (scratch / ".delivered").touch()


def run_week(scratch, logical_date, score_at):
    """One line of weeks.jsonl."""
    command = ["millrace", "run", "weekly_retraining", "--logical-date", logical_date, "--param",
               f"score_at={score_at}", "--quiet", "--json"]
    done = subprocess.run(command, cwd=scratch, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    results = {task["task"]: task["result"] for task in json.loads(done.stdout)["tasks"]}
    judged, checked = results["evaluate"], results["leak_check"]["verdict"]
    return {"logical_date": logical_date, "score_at": score_at, "auc": judged["values"]["auc"],
            "promoted": judged["promoted"], "reasons": judged["reasons"], "version": judged["version"],
            "expectations": results["validate"]["summary"], "sampled": checked["sampled"],
            "leaks": {leak["feature"]: leak["rows_differing"] for leak in checked["leaks"]},
            "refused": [column["column"] for column in checked["refused"]]}


def table(answers):
    lines = ["| logical date | " + " | ".join(VARIANTS) + " |", "| --- |" + " ---: |" * len(VARIANTS)]
    lines += [f"| {day} | " + " | ".join(f"{answers[day, v]['auc']:.3f}" for v in VARIANTS) + " |" for day in weeks()]
    return "\n".join(lines) + "\n"


def told(readme):
    """The table as it stands: {(logical date, score_at): "0.888"}."""
    rows = readme[readme.index(BEGIN) + len(BEGIN):readme.index(END)].splitlines()
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    return {(day, score_at): auc for day, *aucs in cells[2:] for score_at, auc in zip(cells[0][1:], aucs, strict=True)}


def differences(answers, readme):
    """A line for each week that is not as it is told, or told and not a week."""
    stands = told(readme)
    for day, score_at in sorted(stands.keys() - {(day, v) for day in weeks() for v in VARIANTS}):
        yield f"{day} {score_at}: in the table, and no week of ours"
    for (day, score_at), row in sorted(answers.items()):
        if stands.get((day, score_at)) != f"{row['auc']:.3f}":
            yield f"{day} {score_at}: AUC {row['auc']:.3f}, the table says {stands.get((day, score_at), 'nothing')}"


def facts(answers):
    """What the README says about the table in words."""
    for score_at in VARIANTS:
        rows = [answers[day, score_at] for day in weeks() if (day, score_at) in answers]
        if not rows:
            continue
        found = sorted({count for row in rows for count in row["leaks"].values()})
        print(f"{score_at}: AUC {min(row['auc'] for row in rows):.3f} to {max(row['auc'] for row in rows):.3f}, "
              f"{sum(row['promoted'] for row in rows)} of {len(rows)} promoted, "
              f"{sum(bool(row['leaks']) for row in rows)} with leaks (rows that differ: {found}), "
              f"{sum(bool(row['refused']) for row in rows)} with refused columns; "
              f"{', '.join(sorted({row['expectations'] for row in rows}))}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scratch", type=pathlib.Path)
    parser.add_argument("--check", action="store_true", help="compare with the table instead of writing it")
    parser.add_argument("--score-at", choices=VARIANTS, help="these weeks alone; needs --check")
    arguments = parser.parse_args()
    if arguments.score_at and not arguments.check:
        parser.error("--score-at needs --check: the table has all three columns")
    scratch = arguments.scratch.resolve()
    prepare(scratch)
    log = scratch / "weeks.jsonl"
    answers = {}
    if log.exists():
        for line in log.read_text().splitlines():
            row = json.loads(line)
            answers[row["logical_date"], row["score_at"]] = row
    with log.open("a") as lines:
        for score_at in [arguments.score_at] if arguments.score_at else VARIANTS:
            for day in weeks():
                if (day, score_at) in answers:
                    continue
                row = answers[day, score_at] = run_week(scratch, day, score_at)
                print(json.dumps(row), file=lines, flush=True)
                print(f"{day} {score_at} {row['auc']:.4f}", flush=True)
    text = README.read_text()
    facts(answers)
    if arguments.check:
        wrong = list(differences(answers, text))
        print("\n".join(wrong) if wrong else f"{len(answers)} weeks are as the table has them")
        sys.exit(bool(wrong))
    README.write_text(re.sub(re.escape(BEGIN) + ".*" + re.escape(END), BEGIN + table(answers) + END, text, flags=re.S))


if __name__ == "__main__":
    main()
