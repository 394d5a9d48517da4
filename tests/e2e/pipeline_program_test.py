"""Pipelines that are programs: run alone, and as part of a project."""
import json
import os
import re
import subprocess
import unittest

from harness import BIN, MILLRACE, SOURCE, Answer, ProjectTest, free_port

DAILY = BIN / "daily_training_pipeline"
CONTEXT = BIN / "context_program"
PAGE = SOURCE / "docs/formats/program.md"


def program_of_the_page(language):
    [program] = re.findall(rf"(?ms)^```{language}\n(.*?)^```$", PAGE.read_text())
    return program


class ProgramTest(ProjectTest):
    def run_program(self, folder, program, *words, **environment):
        """In a folder of its own, with no other millrace named than `environment` says."""
        variables = {name: value for name, value in os.environ.items() if name != "MILLRACE"}
        return Answer(subprocess.run([str(program), *words], cwd=folder, env=variables | environment,
                                     capture_output=True, text=True, timeout=120))

    def run_context(self, project, *words, code=0):
        """The tasks of the run by their names, and the text of the last one's log."""
        answer = self.assertRuns(self.run_program(project.root, CONTEXT, "--json", *words), code)
        logs = sorted(project.root.rglob("logs/context/*/last/*.log"))
        return {task["task"]: task for task in answer.json()["tasks"]}, logs[-1].read_text() if logs else ""


class TestDailyTrainingPipeline(ProgramTest):
    def test_it_runs_alone_with_the_millrace_beside_it(self):
        answer = self.assertRuns(self.run_program(self.project().root, DAILY, "--json"))
        run = answer.json()
        self.assertEqual(run["state"], "success")
        tasks = {task["task"]: task for task in run["tasks"]}
        self.assertEqual({task["state"] for task in run["tasks"]}, {"success"})
        self.assertEqual(set(tasks), {"extract", "transform", "load"})
        self.assertLessEqual(tasks["extract"]["finished_at"], tasks["transform"]["started_at"])
        self.assertLessEqual(tasks["transform"]["finished_at"], tasks["load"]["started_at"])

    def test_it_describes_itself(self):
        dag = json.loads(self.assertRuns(self.run_program("/", DAILY, "describe")).out)
        self.assertEqual(dag["schedule"], "@daily")
        self.assertEqual([(task["id"], task.get("upstream", [])) for task in dag["tasks"]],
                         [("extract", []), ("transform", ["extract"]), ("load", ["transform"])])

    def test_a_millrace_that_is_none_is_a_mistake_that_says_what_to_do(self):
        answer = self.assertRuns(self.run_program("/", DAILY, MILLRACE="/no/such/millrace"), 2)
        self.assertIn("'/no/such/millrace' cannot be started", answer.err)
        self.assertIn("$MILLRACE", answer.err)

    def test_it_is_the_program_of_the_page(self):
        text = (SOURCE / "examples/daily_training_pipeline/pipeline.cc").read_text()
        self.assertEqual(text[text.index("#include"):], program_of_the_page("cpp"))


class TestContext(ProgramTest):
    def test_a_task_asks_tells_and_is_tried_again(self):
        project = self.project()
        tasks, _ = self.run_context(project)
        self.assertEqual({name: task["state"] for name, task in tasks.items()},
                         dict.fromkeys(("numbers", "letters", "both", "last"), "success"))
        self.assertEqual(tasks["numbers"]["result"], {"total": 45})
        self.assertEqual(tasks["both"]["attempt"], 2)
        for before in ("numbers", "letters"):
            self.assertLessEqual(tasks[before]["finished_at"], tasks["both"]["started_at"])
        log, = project.root.rglob("logs/context/*/numbers/1.1.log")
        self.assertIn("until 20", log.read_text())
        refused, = project.root.rglob("logs/context/*/both/1.1.log")
        self.assertTrue(refused.read_text().endswith("error    unavailable: not yet\n"), refused.read_text())

    def test_an_exception_fails_its_task_with_its_text(self):
        tasks, log = self.run_context(self.project(), "--param", "do=throw", code=1)
        self.assertEqual(tasks["last"]["state"], "failed")
        self.assertEqual(tasks["last"]["message"], "the task threw: thrown on purpose")
        self.assertIn("thrown on purpose", log.splitlines()[-1])

    def test_what_the_engine_says_is_the_tasks_error(self):
        tasks, _ = self.run_context(self.project(), "--param", "do=ask wrongly", code=1)
        self.assertIn("no_such_column", tasks["last"]["message"])

    def test_a_task_that_takes_too_long_is_told_to_stop(self):
        tasks, log = self.run_context(self.project(), "--param", "do=wait", code=1)
        self.assertEqual(tasks["last"]["state"], "failed")
        self.assertIn("info     told to stop", log)


class TestProgramsOfAProject(ProgramTest):
    def program_project(self, program):
        project = self.project()
        project.write("millrace.yml", f"name: shop\nprograms: ['{program}']\n"
                                      f"targets:\n  dev: {{endpoint: '127.0.0.1:{free_port()}', "
                                      f"status: '127.0.0.1:{free_port()}'}}\n")
        return project

    def test_its_dag_runs_like_any_other(self):
        project = self.program_project(CONTEXT)
        self.assertRuns(project.millrace("check"))
        run = self.assertRuns(project.millrace("run", "context", "--json")).json()
        self.assertEqual(run["state"], "success")
        self.assertEqual(len(run["tasks"]), 4)

    def test_a_program_that_cannot_describe_itself_is_told_in_its_own_words(self):
        project = self.program_project("./broken.sh")
        project.write("broken.sh", "#!/bin/sh\necho 'no schedule today' >&2\nexit 1\n").chmod(0o755)
        answer = self.assertRuns(project.millrace("check"), 2)
        self.assertIn("broken.sh describe' failed: no schedule today", answer.err)


class TestAnyLanguage(ProgramTest):
    def project_of(self, program):
        project = self.project()
        project.write("millrace.yml", f"name: shop\nprograms: [./count.py]\ntargets:\n  dev: "
                                      f"{{endpoint: '127.0.0.1:{free_port()}', status: '127.0.0.1:{free_port()}'}}\n")
        project.write("count.py", program).chmod(0o755)
        return project

    def results(self, project, *words):
        run = self.assertRuns(project.millrace("run", "count", "--json", *words)).json()
        return {task["task"]: task["result"] for task in run["tasks"]}

    def test_the_program_of_the_page_is_a_pipeline(self):
        project = self.project_of(program_of_the_page("python"))
        self.assertEqual(self.results(project), {"first": {"sum": 3}, "second": {"sum": 6}})
        self.assertEqual(self.results(project, "--param", "to=5"), {"first": {"sum": 10}, "second": {"sum": 20}})

    def test_the_page_has_every_member_of_the_document(self):
        tells = 'value={"sum": before + sum(range(int(document["params"]["to"])))}'
        program = program_of_the_page("python")
        self.assertIn(tells, program)
        project = self.project_of(program.replace(tells, "value=document"))
        document = self.results(project)["first"]
        [promised] = re.findall(r"(?m)^\| member .*\n(?:\|.*\n)+", PAGE.read_text())
        names = set(re.findall(r"`(\w+)`", "".join(line.split("|")[1] for line in promised.splitlines()[2:])))
        others = set(re.findall(r"`(\w+)`", re.search(r"Moments are .* promise", PAGE.read_text(), re.DOTALL)[0]))
        self.assertEqual(set(document) | {"previous"}, names | others)
        self.assertEqual(document["project"], str(project.root.resolve()))
        self.assertEqual((document["dag"], document["task"], document["params"]), ("count", "first", {"to": 3}))


class TestEngine(ProgramTest):
    def test_a_request_that_is_too_long_is_refused_and_the_next_one_answered(self):
        long = json.dumps({"query": "select '" + "x" * (17 << 20) + "'"})
        asked = long + "\n" + json.dumps({"query": "select 1 as one"}) + "\n"
        answer = subprocess.run([str(MILLRACE), "engine", "--stdio"], input=asked, capture_output=True, text=True,
                                timeout=120)
        lines = [json.loads(line) for line in answer.stdout.splitlines()]
        self.assertEqual(lines[0]["millrace_engine"], 2)
        self.assertIn("larger than 16 MiB", lines[1]["error"]["message"])
        self.assertEqual(lines[2], {"rows": [{"one": 1}]})

    def test_it_has_the_limits_of_its_task_and_target(self):
        project = self.project()
        project.write("millrace.yml", "name: shop\ntargets:\n  dev: {threads: 2, memory: 100MB}\n")
        asked = json.dumps({"query": "select name, value from duckdb_settings() where name in "
                                     "('memory_limit', 'temp_directory', 'threads')"})

        def settings(*options):
            answer = subprocess.run([str(MILLRACE), "engine", "--stdio", *options], input=asked + "\n",
                                    capture_output=True, text=True, timeout=120)
            return {row["name"]: row["value"] for row in json.loads(answer.stdout.splitlines()[1])["rows"]}

        within = settings("--project", str(project.root), "--threads", "1", "--memory-bytes", str(164 << 20))
        self.assertEqual(within["threads"], "1")
        self.assertEqual(within["memory_limit"], "50.0 MiB")
        self.assertTrue(within["temp_directory"].startswith(str(project.root / ".millrace/spill/")), within)
        self.assertEqual(settings("--project", str(project.root))["threads"], "2")
        self.assertEqual(settings("--threads", "1")["threads"], "1")


if __name__ == "__main__":
    unittest.main()
