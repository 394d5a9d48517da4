"""The command line as a user meets it: help, mistakes in a project, a small project from files to a table."""
import json
import os
import re
import shutil
import signal
import subprocess
import unittest

from harness import MILLRACE, ProjectTest, wait_until

SOURCES = """
name: shop
timezone: UTC
tables:
  - name: orders
    pattern: orders-{date}.jsonl.gz
    delivered_at: delivered_at
    event_time: ordered_at
    columns:
      - {name: id, type: BIGINT, not_null: true}
      - {name: amount, type: "DECIMAL(10,2)"}
      - {name: ordered_at, type: TIMESTAMP WITH TIME ZONE, not_null: true}
      - {name: delivered_at, type: TIMESTAMP WITH TIME ZONE, not_null: true}
"""

PIPELINE = """
schedule: "@daily"
start_date: 2013-01-01
tasks:
  - {id: land, kind: land, source: shop.orders}
  - {id: totals, kind: sql_model, model: totals, upstream: [land]}
  - {id: validate, kind: validate, suite: totals, table: models.totals, upstream: [totals]}
  - {id: notify, kind: command, command: "echo the run $MILLRACE_RUN is done", upstream: [validate]}
"""

TOTALS = """{{ config(materialized='table') }}
select cast(ordered_at as date) as day, count(*) as orders, sum(amount) as amount
from {{ source('shop', 'orders') }} group by 1
"""


def order(number, day, delivered=None, amount="1.50"):
    return json.dumps({"id": number, "amount": float(amount), "ordered_at": f"{day}T10:00:00Z",
                       "delivered_at": f"{delivered or day}T11:00:00Z"})


class Shop(ProjectTest):
    def shop(self):
        project = self.project()
        project.write("millrace.yml", "name: shop\ntargets:\n  dev: {endpoint: '127.0.0.1:0', status: '127.0.0.1:0'}\n")
        project.write("sources/shop.yml", SOURCES)
        project.write("models/totals.sql", TOTALS)
        project.write("pipelines/daily.yml", PIPELINE)
        project.write("expectations/totals.yml",
                      "expectations:\n  - {type: expect_column_values_to_be_unique, column: day}\n"
                      "  - {type: expect_column_values_to_be_between, column: orders, min_value: 1, max_value: 100}\n")
        for day in ("2013-01-01", "2013-01-02"):
            lines = [order(f"{day[-2:]}{i}", day).replace(f'"{day[-2:]}{i}"', f"{int(day[-2:])}{i}") for i in range(3)]
            project.write(f"deliveries/orders-{day}.jsonl.gz", "\n".join(lines) + "\n")
        return project


class TestHelp(ProjectTest):
    VERBS = (["run"], ["backfill"], ["cancel"], ["clear"], ["up"], ["down"], ["check"], ["status"], ["runs"], ["logs"],
             ["sql"], ["table", "ls"], ["table", "show"], ["table", "history"], ["table", "at"], ["model", "ls"],
             ["model", "show"], ["model", "promote"], ["model", "rollback"], ["model", "predict"], ["validate"],
             ["version"])

    def test_every_verb_has_help_with_an_example(self):
        project = self.project()
        for verb in self.VERBS:
            answer = self.assertRuns(project.millrace(*verb, "--help"))
            self.assertIn("Example:", answer.out, verb)
            self.assertIn("--json", answer.out, verb)
            self.assertIn("130 interrupted", answer.out, verb)
        for group in ("table", "model"):
            self.assertIn("Example:", self.assertRuns(project.millrace(group, "--help")).out, group)

    def test_every_argument_is_explained(self):
        """Behind its name, or below it where the name is long."""
        project = self.project()
        for verb in self.VERBS:
            lines = self.assertRuns(project.millrace(*verb, "--help")).out.split("Example:")[0].splitlines()
            arguments = [i for i, line in enumerate(lines) if re.match(r"  \S", line)]
            self.assertGreaterEqual(len(arguments), 4, verb)
            for i in arguments:
                self.assertTrue(lines[i][30:].strip() or lines[i + 1].startswith(" " * 30), (verb, lines[i]))

    def test_there_is_no_help_for_a_verb_that_there_is_not(self):
        for words, nearest in ((["statis"], "status"), (["table", "lss"], "ls")):
            for more in ([], ["--help"]):
                refused = self.assertRuns(self.project().millrace(*words, *more), 2)
                self.assertIn(f"has no verb '{words[-1]}'; did you mean '{nearest}'?", refused.err)
                self.assertEqual(refused.out, "")

    def test_what_was_meant_is_named(self):
        project = self.project()
        for words, said in (
                (["trian"], r"no verb 'trian'; known: run, .*model, .*validate, .*completion"),
                (["run", "--clear", "--date", "2026-04-20"], "no option '--date'; did you mean '--logical-date'"),
                (["run", "--logical-dat=2026-04-20"], r"no option '--logical-dat'; did you mean '--logical-date'"),
                (["table", "ls", "--where", "x"], r"millrace table ls has no option '--where'; known: .*--json"),
                (["--jsn", "table", "ls"], r"no option '--jsn'; did you mean '--json'"),
                (["model"], r"millrace model needs a verb: ls, show, promote, rollback, predict")):
            with self.subTest(words):
                self.assertRegex(self.assertRuns(project.millrace(*words), 2).err, said)
        told = self.assertRuns(project.millrace("--json"), 2).json()["error"]
        self.assertRegex(told["message"], "millrace needs a verb: run, backfill")
        self.assertIn("ls", self.assertRuns(project.millrace("model", "--help")).out)
        for verb in ("launcher", "attempt", "engine"):
            self.assertIn("not for people", self.assertRuns(project.millrace(verb, "--help")).out)

    def test_a_program_may_be_of_any_language(self):
        told = self.assertRuns(self.project().millrace("run", "--help")).out
        self.assertRegex(told, r"--program FILE .*any language")

    def test_the_shell_completes_what_stands_in_the_help(self):
        script = self.assertRuns(self.project().millrace("completion", "bash")).out
        for typed, offered in (("mo", ["model"]), ("model p", ["promote", "predict"]), ("completion b", ["bash"]),
                               ("model promote x 1 --r", ["--reason"]), ("-C /tmp tab", ["table"]),
                               ("run nothing", [])):
            with self.subTest(typed):
                asked = f'COMP_WORDS=(millrace {typed}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _millrace; '
                answer = subprocess.run(["bash", "-c", script + asked + 'echo "${COMPREPLY[@]}"'], text=True,
                                        capture_output=True, check=True)
                self.assertEqual(answer.stdout.split(), offered)

    def test_a_wrong_command_line_is_a_mistake(self):
        project = self.project()
        self.assertIn("did you mean 'run'?", self.assertRuns(project.millrace("rum"), 2).err)
        self.assertIn("did you mean 'run'?", self.assertRuns(project.millrace("-C", "x", "rum"), 2).err)
        self.assertIn("did you mean 'show'?", self.assertRuns(project.millrace("table", "shwo"), 2).err)
        self.assertRuns(project.millrace("sql"), 2)
        for words in (["rum"], ["sql"], ["run", "--nope"], ["table", "at", "a.b", "1", "--limit", "-1"]):
            error = self.assertRuns(project.millrace(*words, "--json"), 2).json()["error"]
            self.assertEqual(error["code"], "invalid", words)
            self.assertTrue(error["message"], words)
        answer = self.assertRuns(project.millrace("check"), 2)
        self.assertIn("millrace.yml", answer.err)

    def test_version_says_what_is_inside(self):
        answer = self.assertRuns(self.project().millrace("version", "--json"))
        self.assertIn("duckdb", answer.json()["engine"])
        self.assertIn("millrace ", self.assertRuns(self.project().millrace("--version")).out)

    def test_without_a_verb_the_help_is_shown(self):
        self.assertIn("backfill", self.assertRuns(self.project().millrace(), 2).out)


class TestCheck(Shop):
    def test_a_project_in_order(self):
        answer = self.assertRuns(self.shop().millrace("check"))
        self.assertIn("in order", answer.out)
        self.assertEqual(answer.err, "")

    def test_a_warning_is_no_mistake(self):
        project = self.shop()
        project.write("models/spare.sql", "select * from {{ ref('totals') }}\n")
        spare = "nothing reads the SQL model 'spare', and no task writes it"
        answer = self.assertRuns(project.millrace("check"))
        self.assertEqual(answer.err, f"warnings:\n  models/spare.sql: {spare}\n")
        answer = self.assertRuns(project.millrace("--json", "check"))
        self.assertEqual(json.loads(answer.out)["problems"], [])
        self.assertEqual([warning["message"] for warning in json.loads(answer.out)["warnings"]], [spare])

    def test_every_mistake_with_its_place(self):
        cases = [
            ("pipelines/daily.yml", "tasks:\n  - {id: a, kind: lnad, source: shop.orders}\n",
             "pipelines/daily.yml:2:19: there is no kind of task 'lnad'; did you mean 'land'?"),
            ("pipelines/daily.yml", "tasks:\n  - {id: a, kind: land, source: shop.order}\n",
             "pipelines/daily.yml:2:33: there is no source 'shop.order'; did you mean 'shop.orders'?"),
            ("pipelines/daily.yml", "tasks:\n  - {id: a, kind: land, surce: shop.orders}\n", "did you mean 'source'?"),
            ("pipelines/daily.yml", "tasks:\n - id: a\n   kind: land\n  - id: b\n", "pipelines/daily.yml:4:"),
            ("models/totals.sql", "select * from {{ ref('orders') }}",
             "models/totals.sql:1:18: there is no model 'orders'"),
            ("models/totals.sql", "select nope from {{ source('shop', 'orders') }}", "models/totals.sql:1: "),
            ("models/totals.sql", "select from where {{ source('shop', 'orders') }}", "models/totals.sql:1: "),
            ("models/totals.sql", "{% if x %} select 1", "models/totals.sql:1:1: the template statement '{% if %}'"),
            ("expectations/totals.yml", "expectations:\n - {type: expect_column_values_to_be_unik, column: day}\n",
             "expectations/totals.yml:2:4: expectation 1 (expect_column_values_to_be_unik)"),
            ("pipelines/daily.yml", "schedule: '61 * * * *'\ntasks:\n  - {id: a, kind: land, source: shop.orders}\n",
             "pipelines/daily.yml:1:11: "),
            ("sources/shop.yml", SOURCES.replace("{date}", "{dat}"), "sources/shop.yml:6:14: "),
        ]
        for path, text, expected in cases:
            with self.subTest(expected):
                project = self.shop()
                project.write(path, text)
                answer = self.assertRuns(project.millrace("check"), 2)
                self.assertIn(expected, answer.err)


class TestAnswers(ProjectTest):
    """What is printed is all of it, or the exit code says otherwise."""

    def empty(self):
        project = self.project()
        project.write("millrace.yml", "name: empty\n")
        (project.root / "pipelines").mkdir()
        return project

    def test_the_project_may_stand_before_the_verb(self):
        project = self.empty()
        project.write("elsewhere/x", "")
        answer = subprocess.run([MILLRACE, "-C", project.root, "--json", "check"], cwd="/", capture_output=True)
        self.assertEqual(answer.returncode, 0, answer)
        self.assertEqual(json.loads(answer.stdout)["project"], "empty")

    def test_an_answer_that_cannot_be_written_is_no_success(self):
        project = self.empty()
        for verb in (["sql", "select 1 as one", "--json"], ["sql", "select 1 as one"], ["table", "ls"], ["version"]):
            with open("/dev/full", "w") as full:
                done = subprocess.run([MILLRACE, *verb], cwd=project.root, stdout=full, stderr=subprocess.PIPE,
                                      text=True)
            self.assertEqual(done.returncode, 3, (verb, done.stderr))
            self.assertIn("standard output", done.stderr)

    def test_an_output_file_is_whole_or_not_there(self):
        project = self.empty()
        project.write("rows.csv", "as it was\n")
        limited = ["sh", "-c", 'ulimit -f 100; exec "$@"', "sh", MILLRACE]
        rows = "select repeat('x', 1000) as x from range(100000)"
        done = subprocess.run([*limited, "sql", rows, "--output", "rows.csv"], cwd=project.root, capture_output=True,
                              text=True)
        self.assertEqual(done.returncode, 3, done)
        self.assertIn("error: ", done.stderr)
        self.assertEqual((project.root / "rows.csv").read_text(), "as it was\n")
        self.assertEqual(sorted(path.name for path in project.root.iterdir()),
                         ["millrace.yml", "pipelines", "rows.csv"])

    def test_a_broken_store_of_runs_says_what_to_do(self):
        project = self.empty()
        project.write("pipelines/a.yml", "tasks:\n  - {id: a, kind: command, command: 'true'}\n")
        store = project.write(".millrace/metadata.db", "not a database\n" * 100)
        self.assertIn("move it away and run again", self.assertRuns(project.millrace("run"), 3).err)
        store.unlink()
        self.assertRuns(project.millrace("run"))

    def test_too_few_descriptors_or_threads_are_a_sentence(self):
        project = self.empty()
        project.write("pipelines/a.yml", "tasks:\n  - {id: a, kind: command, command: 'true'}\n")
        limits = [f"-n {files}" for files in (12, 30, 63, 64)] + [f"-v {kilobytes}" for kilobytes in (300000, 500000)]
        codes = set()
        for limit in limits:
            with self.subTest(limit):
                done = subprocess.run(["sh", "-c", f'ulimit {limit}; exec "$@"', "sh", MILLRACE, "run"],
                                      cwd=project.root, capture_output=True, text=True, timeout=60)
                self.assertIn(done.returncode, (0, 1, 2, 3), done)
                if done.returncode in (2, 3):
                    self.assertIn("error: ", done.stderr)
                codes.add(done.returncode)
        self.assertIn(3, codes)
        self.assertRuns(project.millrace("run"))  # and all of them recover

    def test_sql_says_what_it_is_for_and_shows_what_was_asked(self):
        project = self.empty()
        for statement in ("create table t as select 1", "attach 'x.db'", "pragma version", "delete from t"):
            self.assertIn("only asks", self.assertRuns(project.millrace("sql", statement), 2).err, statement)
        for statement in ("show tables", "SHOW ALL TABLES", "show databases", "describe", "from (show tables)"):
            self.assertIn("`millrace table ls`", self.assertRuns(project.millrace("sql", statement), 2).err, statement)

        def asked(*words):
            return self.assertRuns(project.millrace("sql", *words))

        self.assertEqual(asked("select 1 as one where false").out, "one\n")
        self.assertEqual(asked("select 1 as one", "--limit", 0).out.split("\n")[0], "one")
        for limit, warned in ((3, True), (9, False)):
            answer = asked("from range(9)", "--limit", limit, "--json")
            self.assertEqual(len(answer.json()), limit)
            self.assertEqual("more than these" in answer.err, warned)
        for limit in (-5, 9223372036854775807):
            self.assertRuns(project.millrace("sql", "select 1 as one", f"--limit={limit}"), 2)
        shown = asked("select chr(27) || '[2J' as screen").out
        self.assertIn("\\x1B[2J", shown)
        self.assertNotIn("\x1b", shown)

    def test_versions_and_reasons_are_what_they_say(self):
        project = self.empty()
        for verb in (["show", "m", "-1"], ["show", "m", "0"], ["show", ""], ["rollback", ""],
                     ["promote", "m", "1", "--reason", ""], ["promote", "m", "0", "--reason", "x"]):
            self.assertRuns(project.millrace("model", *verb), 2)


class TestRun(Shop):
    def test_from_files_to_a_validated_table_and_never_twice(self):
        project = self.shop()
        answer = self.assertRuns(project.millrace("run", "--logical-date", "2013-01-02"))
        self.assertIn("success", answer.out)
        self.assertEqual(project.value("select count(*) from raw.orders"), 3)  # the second day is not over yet
        self.assertRuns(project.millrace("run", "--logical-date", "2013-01-03"))
        self.assertEqual(project.value("select count(*) from raw.orders"), 6)
        self.assertEqual(project.value("select sum(orders)::int from models.totals"), 6)
        version = project.value("select max(orders) from models.totals")
        history = self.assertRuns(project.millrace("table", "history", "raw.orders", "--json")).json()
        again = self.assertRuns(project.millrace("run", "--logical-date", "2013-01-03", "--json")).json()
        self.assertEqual(again["state"], "success")
        self.assertEqual([task["conflicts"] for task in again["tasks"]], [0] * 4)
        self.assertEqual(project.value("select count(*) from raw.orders"), 6)
        self.assertEqual(project.value("select max(orders) from models.totals"), version)
        self.assertEqual(self.assertRuns(project.millrace("table", "history", "raw.orders", "--json")).json(), history)
        logs = self.assertRuns(project.millrace("logs", "--task", "notify"))
        self.assertIn("the run 2013-01-03T00:00:00Z is done", logs.out)

    def test_a_late_row_goes_to_the_day_of_its_event(self):
        project = self.shop()
        project.write("deliveries/orders-2013-01-03.jsonl.gz", order(99, "2013-01-01", "2013-01-03") + "\n")
        self.assertRuns(project.millrace("run", "--logical-date", "2013-01-04"))
        self.assertEqual(project.value("select orders from models.totals where day = '2013-01-01'"), 4)
        # A run of the past sees what it would have seen then, and leaves the newer rows in the table.
        past = self.assertRuns(project.millrace("run", "--logical-date", "2013-01-03", "--json")).json()
        totals = next(task["result"] for task in past["tasks"] if task["task"] == "totals")
        self.assertEqual(totals["later_date"], "2013-01-04T00:00:00Z")
        self.assertEqual(project.value("select orders from models.totals where day = '2013-01-01'"), 4)
        shutil.rmtree(os.path.join(project.root, ".millrace/lake/models/totals"))
        self.assertRuns(project.millrace("run", "--logical-date", "2013-01-03"))
        self.assertEqual(project.value("select orders from models.totals where day = '2013-01-01'"), 3)

    def test_tables_can_be_asked_as_they_were(self):
        project = self.shop()
        self.assertRuns(project.millrace("run", "--logical-date", "2013-01-02"))
        self.assertRuns(project.millrace("run", "--logical-date", "2013-01-03"))
        versions = self.assertRuns(project.millrace("table", "history", "raw.orders", "--json")).json()
        oldest = versions[-1]["version"]
        self.assertEqual(project.value(f"select count(*) from raw.orders at (version => {oldest})"), 3)
        rows = self.assertRuns(project.millrace("table", "at", "raw.orders", oldest, "--json")).json()
        self.assertEqual(len(rows), 3)
        self.assertIn("there is no table 'orders'; did you mean 'raw.orders'?",
                      self.assertRuns(project.millrace("table", "show", "orders"), 2).err)
        show = self.assertRuns(project.millrace("table", "show", "raw.orders", "--json")).json()
        self.assertEqual(show["rows"], 6)
        names = [table["table"] for table in self.assertRuns(project.millrace("table", "ls", "--json")).json()]
        self.assertIn("raw.orders", names)
        output = project.root / "out.csv"
        self.assertRuns(project.millrace("sql", "select id from raw.orders order by 1", "--output", output))
        self.assertEqual(len(output.read_text().splitlines()), 7)
        answer = self.assertRuns(project.millrace("sql", "select * from raw.ordres"), 2)
        self.assertIn("raw.orders", answer.err)

    def test_a_question_about_a_model_that_has_no_table_says_so(self):
        project = self.shop()
        project.write("models/of_today.sql", "select * from {{ ref('totals') }}")
        view = self.assertRuns(project.millrace("sql", "select * from of_today"), 2).err
        self.assertIn("'of_today' is a SQL model that is a view", view)
        self.assertIn("models/of_today.sql", view)
        table = self.assertRuns(project.millrace("sql", "select * from totals"), 2).err
        self.assertIn("its table is models.totals", table)
        self.assertRuns(project.millrace("run", "--logical-date", "2013-01-02"))
        mistake = self.assertRuns(project.millrace("sql", "select nope from models.totals"), 2).err
        self.assertIn("nope", mistake)
        self.assertNotIn("at_", mistake)
        self.assertNotIn("LIMIT", mistake)

    def test_a_suite_over_the_rows_of_several_runs_hints_at_one_of_them(self):
        project = self.shop()
        project.write("models/totals.sql", TOTALS.replace("select cast", "select run_id, cast")
                      .replace("group by 1", ", (values ('a'), ('b')) as runs(run_id) group by 1, 2"))
        self.assertRuns(project.millrace("run", "--logical-date", "2013-01-02"), 1)
        over_all = self.assertRuns(project.millrace("validate", "totals", "--table", "models.totals"), 1)
        self.assertIn("the rows of 2 runs", over_all.err)
        self.assertIn("--where", over_all.err)
        of_one = project.millrace("validate", "totals", "--table", "models.totals", "--where", "run_id = 'a'")
        self.assertEqual(self.assertRuns(of_one).err, "")

    def test_one_broken_table_hides_no_other(self):
        project = self.shop()
        self.assertRuns(project.millrace("run", "--logical-date", "2013-01-02"))
        log = next(project.root.rglob("raw/orders/_delta_log/*00.json"))
        log.write_text("garbage\n")
        answer = self.assertRuns(project.millrace("table", "ls"), 3)
        self.assertIn("models.totals", answer.out)
        self.assertIn("raw.orders cannot be read: ", answer.out)
        listed = self.assertRuns(project.millrace("table", "ls", "--json"), 3).json()
        tables = {table["table"]: table for table in listed}
        self.assertEqual(tables["models.totals"]["rows"], 1)
        self.assertIn("00000000000000000000.json", tables["raw.orders"]["error"])
        self.assertIn("'models.totals'", self.assertRuns(project.millrace("sql", "select * from models.totls"), 2).err)

    def test_files_of_killed_attempts_are_counted(self):
        project = self.shop()
        self.assertRuns(project.millrace("run", "--logical-date", "2013-01-02"))
        folder = next(project.root.rglob("models/totals/_delta_log")).parent
        table = ["table", "show", "models.totals"]
        self.assertNotIn("belong to no version", self.assertRuns(project.millrace(*table)).out)
        (folder / "part-killed.parquet").write_text("half")
        self.assertIn("1 file more in its folder", self.assertRuns(project.millrace(*table)).out)
        show = self.assertRuns(project.millrace(*table, "--json")).json()
        self.assertEqual((show["files"], show["loose_files"], show["loose_bytes"]), (1, 1, 4))

    def test_a_folder_that_was_cleaned_does_no_harm_but_to_what_is_made_anew(self):
        project = self.shop()
        run = ["run", "--logical-date", "2013-01-03"]
        self.assertRuns(project.millrace(*run))
        next(project.root.rglob("orders-2013-01-01.jsonl.gz")).unlink()
        self.assertIn("unchanged", self.assertRuns(project.millrace(*run)).out)
        cleared = self.assertRuns(project.millrace(*run, "--clear"), 1)
        self.assertIn("no longer delivers what they came from: orders-2013-01-01.jsonl.gz", cleared.out)
        self.assertEqual(project.value("select count(*) from raw.orders"), 6)

    def test_a_correction_in_place_is_noticed_by_the_next_run(self):
        project = self.shop()
        self.assertRuns(project.millrace("run", "--logical-date", "2013-01-02"))
        first = next(project.root.rglob("orders-2013-01-01.jsonl.gz"))
        changed = bytearray(first.read_bytes())
        changed[4] ^= 1  # the time in gzip's own header: other bytes, the same size
        first.write_bytes(changed)
        answer = self.assertRuns(project.millrace("run", "--logical-date", "2013-01-03"), 1)
        self.assertIn("orders-2013-01-01.jsonl.gz was landed with other content than it has now", answer.out)

    def test_a_failing_suite_opens_the_circuit(self):
        project = self.shop()
        project.write("expectations/totals.yml",
                      "expectations:\n  - {type: expect_column_values_to_be_between, column: orders, max_value: 2}\n")
        answer = self.assertRuns(project.millrace("run", "--logical-date", "2013-01-03"), 1)
        self.assertIn("expect_column_values_to_be_between", answer.out)
        self.assertIn("orders", answer.out)
        run = project.millrace("run", "--logical-date", "2013-01-03", "--json").json()
        states = {task["task"]: task["state"] for task in run["tasks"]}
        self.assertEqual(states, {"land": "success", "totals": "success", "validate": "failed",
                                  "notify": "upstream_failed"})

    def test_bad_rows_become_dead_letters(self):
        project = self.shop()
        lines = [order(i, "2013-01-03") for i in range(100, 130)]
        lines[7] = lines[7].replace('"id": 107', '"id": "seven"')
        project.write("deliveries/orders-2013-01-03.jsonl.gz", "\n".join(lines) + "\n")
        self.assertRuns(project.millrace("run", "--logical-date", "2013-01-04"))
        self.assertEqual(project.value("select count(*) from raw.orders"), 6 + 29)
        rejected = project.rows("select file, row_number, reason from raw.orders__rejected")
        self.assertEqual(len(rejected), 1)
        self.assertEqual(rejected[0]["row_number"], 8)
        self.assertIn("id", rejected[0]["reason"])

    def test_a_delivery_that_is_cut_off_stops_the_landing(self):
        project = self.shop()
        whole = project.write("deliveries/orders-2013-01-03.jsonl.gz",
                              "\n".join(order(i, "2013-01-03") for i in range(200, 280)) + "\n").read_bytes()
        project.write("deliveries/orders-2013-01-03.jsonl.gz", whole[: len(whole) // 2])
        answer = self.assertRuns(project.millrace("run", "--logical-date", "2013-01-04"), 1)
        self.assertIn("orders-2013-01-03.jsonl.gz", answer.out)
        project.write("deliveries/orders-2013-01-03.jsonl.gz", whole)  # delivered whole
        self.assertRuns(project.millrace("run", "--logical-date", "2013-01-04"))
        self.assertEqual(project.value("select count(*) from raw.orders"), 86)


class TestServer(Shop):
    def test_up_status_down_and_only_one_server(self):
        project = self.shop()
        self.assertRuns(project.millrace("up", "--detach"))
        status = self.assertRuns(project.millrace("status", "--json")).json()
        self.assertEqual(status["project"], "shop")
        second = project.millrace("up")
        self.assertEqual(second.code, 2, second)
        self.assertIn(str(status["pid"]), second.err)
        self.assertRuns(project.millrace("run", "--logical-date", "2013-01-02"))
        self.assertRuns(project.millrace("down"))
        self.assertRuns(project.millrace("status"), 3)

    def test_the_run_of_a_killed_server_goes_on(self):
        """The server dies while the last task runs: the next one takes that attempt up, and nothing is done again."""
        project = self.shop()
        project.write("pipelines/daily.yml", PIPELINE.replace(
            "echo the run", "echo x >>started; while [ ! -e go ]; do sleep 0.05; done; echo the run"))
        self.assertRuns(project.millrace("up", "--detach"))
        [pid] = project.servers()
        follower = project.start("run", "--logical-date", "2013-01-03")
        wait_until((project.root / "started").exists, "the last task runs")
        history = project.millrace("table", "history", "models.totals", "--json").json()
        os.kill(pid, signal.SIGKILL)
        follower.communicate(timeout=60)
        project.write("go", "")
        run = self.assertRuns(project.millrace("run", "--logical-date", "2013-01-03", "--json")).json()
        attempts = {task["task"]: task["epoch"] for task in run["tasks"]}
        self.assertEqual(attempts, {"land": 1, "totals": 1, "validate": 1, "notify": 1})
        self.assertEqual((project.root / "started").read_text(), "x\n")
        self.assertEqual(project.millrace("table", "history", "models.totals", "--json").json(), history)
        self.assertEqual(project.value("select count(*) from raw.orders"), 6)

    def test_up_lets_the_schedule_do_it_and_run_does_only_what_it_was_asked_for(self):
        project = self.shop()
        project.write("pipelines/daily.yml", PIPELINE.replace(
            '"@daily"', '"@once"').replace("2013-01-01", "2013-01-03"))
        project.write("pipelines/other.yml", "tasks:\n  - {id: wait, kind: command, command: sleep 1}\n")
        self.assertRuns(project.millrace("run", "other", "--logical-date", "2013-01-03"))
        self.assertEqual(list((project.root / ".millrace").glob("**/logs/daily")), [])

        def runs_of(dag):
            status = self.assertRuns(project.millrace("status", "--json")).json()
            return next(each["runs"] for each in status["dags"] if each["dag"] == dag)

        self.assertRuns(project.millrace("up", "--detach"))
        [run] = wait_until(lambda: [r for r in runs_of("daily") if r["state"] == "success"], "the scheduled run ends")
        self.assertEqual((run["run_id"], run["reason"]), ("2013-01-03T00:00:00Z", "schedule"))
        self.assertEqual(project.value("select count(*) from raw.orders"), 6)
        self.assertEqual([r["reason"] for r in runs_of("other")], ["manual"])


if __name__ == "__main__":
    unittest.main()
