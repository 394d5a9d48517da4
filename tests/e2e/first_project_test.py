"""docs/first_project.md, command by command, as a newcomer types them; only the ports are ours."""
import os
import re
import subprocess
import unittest

from harness import BIN, SOURCE, Answer, ProjectTest, free_port

PAGE = SOURCE / "docs/first_project.md"


class TestFirstProject(ProjectTest):
    def setUp(self):
        self.shop = self.project(folder="shop")
        self.endpoint = f"127.0.0.1:{free_port()}"
        self.status = f"127.0.0.1:{free_port()}"

    def with_our_ports(self, commands):
        target = f"targets: {{dev: {{endpoint: '{self.endpoint}', status: '{self.status}'}}}}"
        return commands.replace("name: shop\nEND", f"name: shop\n{target}\nEND", 1) \
                       .replace("127.0.0.1:8080", self.endpoint)

    def type(self, commands):
        environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
        return self.assertRuns(Answer(subprocess.run(
            ["bash", "-e", "-c", self.with_our_ports(commands)], cwd=self.shop.root, env=environment,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)))

    def test_every_command_does_what_the_page_says(self):
        blocks = re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
        blocks[0] = blocks[0].replace("mkdir shop && cd shop\n", "")
        expected = {
            "ls deliveries": "orders-2026-01-08.csv",
            "cat > sources/shop.yml": "shop is in order",
            "cat > pipelines/returns.yml": "1 source, 3 SQL models, 1 suite, 1 training set",
            "up --detach": '"predictions":[{"score":',
            "--from 2026-03-09": "2 runs, 0 failed",
            "run.json": "3 False False skipped",
            "models.json": "returns 2 0.78",
            "cents.csv": "exit code 1",
            "millrace logs": "expect_column_values_to_be_between of amount",
            "amount / 100": "returns 2026-03-23T00:00:00Z success",
            "rollback": "returns version 1 is in Production again",
            "--clear": "2 runs, 0 failed"}
        said = {}
        for block in blocks:
            answer = self.type(block)
            for commands in expected:
                if commands in block:
                    said[commands] = answer.out
        self.assertEqual(said.keys(), expected.keys(), "every command of the table stands in the page")
        for commands, words in expected.items():
            self.assertIn(words, said[commands], commands)


if __name__ == "__main__":
    unittest.main()
