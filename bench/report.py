"""Runs figures and prints their report. bench/run sets up what they need."""
import argparse
import dataclasses
import datetime
import importlib
import json
import os
import pathlib
import sys
import traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))


def names():
    return sorted(path.stem for path in (HERE / "figures").glob("*.py"))


def machine():
    with open("/proc/cpuinfo") as file:
        model = next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), "unknown CPU")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{model}, {os.cpu_count()} cores, {memory:.0f} GiB"


def beside(row):
    """The peer's value, or our bound."""
    if row.peer is not None:
        return row.shown(row.peer)
    for word, bound in (("at most", row.at_most), ("at least", row.at_least)):
        if bound is not None:
            return f"{word} {row.shown(bound)}"
    return ""


def ratio(row):
    if row.ratio is None:
        return ""
    return f"{row.ratio:.2f}" + (f" (at least {row.goal:.3g})" if row.goal is not None else "")


def state(row):
    return {None: "", True: "met", False: "NOT MET"}[row.met]


def measure(name, scale, say):
    """The figure's rows as they come; what it failed with."""
    module = importlib.import_module("figures." + name)
    title, *how = module.__doc__.strip().splitlines()
    told = {"figure": name, "title": title, "how": "\n".join(how).strip(), "load": os.getloadavg()[0], "rows": [],
            "failed": None}
    say(f"\n{name}: {title}  (load {told['load']:.1f})\n  {'':58} {'Millrace':>16} {'beside':>24} {'ratio':>22}")
    try:
        for row in module.run(scale):
            say(f"  {row.what:58} {row.shown(row.ours):>16} {beside(row):>24} {ratio(row):>22} {state(row)}")
            told["rows"].append(row)
    except Exception as error:  # the other figures are still worth having
        told["failed"] = str(error)
        say(f"  did not finish:\n{traceback.format_exc()}")
    return told


def as_markdown(figures, scale):
    size = "" if scale == 1 else f" --scale {scale:g}: the goals are for the full size"
    lines = [f"# Figures of {datetime.date.today()}", "", f"{machine()}; by `bench/run`{size}.", ""]
    for told in figures:
        lines += [f"## {told['figure']}: {told['title']}", "", told["how"], "",
                  f"Load when it began: {told['load']:.1f}.", "",
                  "| what | Millrace | peer or bound | times better | |", "| --- | --- | --- | --- | --- |"]
        lines += [f"| {row.what} | {row.shown(row.ours)} | {beside(row)} | {ratio(row)} | {state(row)} |"
                  for row in told["rows"]]
        if told["failed"]:
            lines.append("| did not finish | | | | NOT MET |")
        lines.append("")
    return "\n".join(lines)


def as_json(figures, scale):
    return json.dumps({"date": str(datetime.date.today()), "machine": machine(), "scale": scale,
                       "figures": [{**told, "rows": [{**dataclasses.asdict(row), "met": row.met}
                                                     for row in told["rows"]]} for told in figures]}, indent=2)


def main():
    parser = argparse.ArgumentParser(
        prog="bench/run", description="Measures Millrace beside its peers, in the same run on the same machine.",
        epilog="Without FIGURE all are run, which takes an hour at full size. bench/README.md says how they are taken. "
               "Exit status: 0 all goals met, 1 not, or a figure did not finish.")
    parser.add_argument("figures", nargs="*", metavar="FIGURE")
    parser.add_argument("--scale", type=float, default=1.0, metavar="SHARE",
                        help="0.01: a hundredth of the rows, to see whether it works; goals are for the full size")
    parser.add_argument("--out", type=pathlib.Path, metavar="FILE", help="the report as Markdown")
    parser.add_argument("--json", action="store_true", help="the report as JSON on standard output, progress on error")
    parser.add_argument("--list", action="store_true", help="the figures, a line each")
    arguments = parser.parse_args()
    if arguments.list:
        for name in names():
            print(f"{name:16} {importlib.import_module('figures.' + name).__doc__.splitlines()[0]}")
        return 0
    wanted = arguments.figures or names()
    for name in wanted:
        if name not in names():
            parser.error(f"there is no figure '{name}'; there are {', '.join(names())}")

    def say(text):
        print(text, file=sys.stderr if arguments.json else sys.stdout, flush=True)

    if arguments.scale != 1:
        say(f"scale {arguments.scale:g}: the goals are for the full size, so met or not means little here")
    figures = [measure(name, arguments.scale, say) for name in wanted]
    if arguments.out:
        arguments.out.write_text(as_markdown(figures, arguments.scale))
    if arguments.json:
        print(as_json(figures, arguments.scale))
    return 1 if any(told["failed"] or any(row.met is False for row in told["rows"]) for told in figures) else 0


if __name__ == "__main__":
    sys.exit(main())
