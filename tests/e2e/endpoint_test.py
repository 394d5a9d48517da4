"""The endpoint that `millrace up` opens, asked as SageMaker asks a container; it has two versions of a real model."""
import csv
import http.client
import io
import json
import threading
import unittest

from harness import Endpoint, ProjectTest, wait_until
from weekly import EXAMPLE, MODEL, PIPELINE, WeeklyProject, finished_week

WEEK = "2013-09-01"
BODY = (EXAMPLE / "request.json").read_text()
INSTANCES = json.loads(BODY)["instances"]


def setUpModule():
    """One server for all: version 1 is in Production, version 2 a few trees that stayed a version."""
    project = WeeklyProject(of=finished_week(WEEK))
    unittest.addModuleCleanup(project.close)
    project.edit(PIPELINE, ("rounds: 400", "rounds: 5"))
    project.run_week(WEEK)
    assert [v["tags"] for v in project.versions()] == [["Production"], []], project.versions()
    up = project.millrace("up", "--detach")
    assert up.code == 0, up
    EndpointTest.weekly, EndpointTest.endpoint = project, Endpoint(project)


class EndpointTest(ProjectTest):
    def ask(self, body, content_type="application/json", path="/invocations", status=200):
        """(headers, text) of the answer."""
        found, headers, text = self.endpoint.request("POST", path, body, content_type)
        self.assertEqual(found, status, text)
        return headers, text

    def scores(self, *instances):
        return self.endpoint.predict(json.dumps({"instances": instances}))[1]

    def predicted(self, version=1):
        """What the command line says of the two flights of the request."""
        answer = self.weekly.millrace("model", "predict", MODEL, "--version", version, "--input",
                                      EXAMPLE / "request.json", "--json")
        return [each["score"] for each in self.assertRuns(answer).json()["predictions"]]


class TestInvocations(EndpointTest):
    def test_ping(self):
        status, _, _ = self.endpoint.request("GET", "/ping")
        self.assertEqual(status, 200)

    def test_json_gets_the_scores_of_the_version_in_production(self):
        headers, text = self.ask(BODY)
        self.assertEqual(headers["Content-Type"], "application/json")
        self.assertEqual((headers["X-Millrace-Model"], headers["X-Millrace-Model-Version"]), (MODEL, "1"))
        self.assertEqual([each["score"] for each in json.loads(text)["predictions"]], self.predicted())
        self.assertEqual(self.ask(BODY, path=f"/models/{MODEL}/invocations")[1], text)

    def test_csv_with_and_without_a_header_gets_the_same_scores_one_a_line(self):
        manifest = self.weekly.millrace("model", "show", MODEL, "--json").json()["manifest"]
        names = [feature["name"] for feature in manifest["features"]]
        text = io.StringIO()
        csv.DictWriter(text, names, lineterminator="\n").writerows(INSTANCES)
        for body in (text.getvalue(), ",".join(names) + "\n" + text.getvalue()):
            headers, answer = self.ask(body, "text/csv")
            self.assertTrue(headers["Content-Type"].startswith("text/csv"), headers)
            self.assertEqual([float(line) for line in answer.splitlines()], self.predicted())

    def test_a_category_that_was_never_seen_becomes_null(self):
        known, never, none = self.scores(INSTANCES[1], {**INSTANCES[1], "dest": "QQQ"}, {**INSTANCES[1], "dest": None})
        self.assertEqual(never, none)
        self.assertNotEqual(known, none)

    def test_what_does_not_fit_is_refused_by_row_and_feature(self):
        for why, body, content_type, path, status, words in (
                ("a text for a number", json.dumps({"instances": [INSTANCES[0], {**INSTANCES[1], "distance": "far"}]}),
                 "application/json", "/invocations", 400, "row 2, feature 'distance'"),
                ("too few columns", "1,2\n", "text/csv", "/invocations", 400, "row 1 has 2 values"),
                ("no JSON", "{", "application/json", "/invocations", 400, "not JSON"),
                ("another media type", "1", "text/libsvm", "/invocations", 415, "text/libsvm"),
                ("a model of another name", BODY, "application/json", "/models/late/invocations", 404, "late")):
            with self.subTest(why):
                self.assertIn(words, self.ask(body, content_type, path, status)[1])
        self.assertEqual(self.scores(*INSTANCES), self.predicted())  # and goes on answering


class Caller(threading.Thread):
    """Asks on one connection again and again, as a service does that calls us."""

    def __init__(self, address):
        super().__init__()
        self.answers, self.failures = [], []
        self._connection = http.client.HTTPConnection(address, timeout=30)
        self._stopped = threading.Event()
        self.start()

    def run(self):
        try:
            while not self._stopped.is_set():
                self._connection.request("POST", "/invocations", BODY, {"Content-Type": "application/json"})
                answer = self._connection.getresponse()
                text = answer.read().decode()
                if answer.status != 200:
                    self.failures.append((answer.status, text))
                else:
                    self.answers.append((int(answer.headers["X-Millrace-Model-Version"]), text))
        except (OSError, http.client.HTTPException) as failure:
            self.failures.append(failure)
        finally:
            self._connection.close()

    def stop(self):
        self._stopped.set()
        self.join()


class TestSwitches(EndpointTest):
    def test_no_request_is_lost_and_none_mixes_two_versions(self):
        """Four callers ask all the time while version 1 and 2 take turns."""
        expected = {version: self.predicted(version) for version in (1, 2)}
        self.assertNotEqual(expected[1], expected[2])
        callers = [Caller(self.endpoint.address) for _ in range(4)]
        try:
            for version in (2, 1) * 4:
                self.assertRuns(self.weekly.millrace("model", "promote", MODEL, version, "--reason", "a test"))
                for caller in callers:
                    wait_until(lambda: caller.failures or caller.answers and caller.answers[-1][0] == version,
                               f"version {version} answers")
        finally:
            for caller in callers:
                caller.stop()
        for caller in callers:
            self.assertEqual(caller.failures, [])
            self.assertGreater(len(caller.answers), 8)
            for version, text in caller.answers:
                self.assertEqual([each["score"] for each in json.loads(text)["predictions"]], expected[version])


if __name__ == "__main__":
    unittest.main()
