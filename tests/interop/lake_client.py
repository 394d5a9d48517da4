"""lake_probe as a conversation: one question a line, one answer a line."""
import json
import os
import pathlib
import subprocess


class LakeError(Exception):
    """What the lake said, with its code."""

    def __init__(self, answer):
        super().__init__(f"{answer['code']}: {answer['error']}")
        self.code = answer["code"]


class Lake:
    def __init__(self, folder):
        probe = pathlib.Path(os.environ["MILLRACE_BIN"]) / "lake_probe"
        self.process = subprocess.Popen([probe, folder], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()

    def send(self, op, table, **question):
        self.process.stdin.write(json.dumps({"op": op, "table": table, **question}) + "\n")
        self.process.stdin.flush()

    def receive(self):
        line = self.process.stdout.readline()
        if not line:
            raise EOFError("lake_probe has ended")
        answer = json.loads(line)
        if isinstance(answer, dict) and "error" in answer:
            raise LakeError(answer)
        return answer

    def ask(self, op, table, **question):
        self.send(op, table, **question)
        return self.receive()

    def write(self, table, select, **spec):
        return self.ask("write", table, select=select, **spec)

    def rows(self, table, **question):
        return self.ask("read", table, **question)["rows"]

    def state(self, table, **question):
        return self.ask("state", table, **question)
