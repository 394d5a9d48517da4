"""`millrace engine --stdio` as a Python program uses it: tables as Arrow streams, by pyarrow and a few lines."""
import gzip
import io
import json
import os
import pathlib
import subprocess
import tempfile
import unittest

import pyarrow as pa
import pyarrow.parquet

PAGE = pathlib.Path(os.environ["MILLRACE_SOURCE"]) / "docs/formats/engine_stdio.md"


class Engine:
    """A client of docs/formats/engine_stdio.md."""

    def __init__(self, folder, *options):
        self.process = subprocess.Popen([pathlib.Path(os.environ["MILLRACE_BIN"]) / "millrace", "engine", "--stdio",
                                         *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=folder)
        assert self.heard()["millrace_engine"] == 2

    def say(self, line, data=b""):
        self.process.stdin.write(json.dumps(line).encode() + b"\n" + data)
        self.process.stdin.flush()

    def heard(self):
        line = json.loads(self.process.stdout.readline())
        if "bytes" in line:
            line["data"] = self.process.stdout.read(line["bytes"])
        return line

    def ask(self, **request):
        self.say(request)
        return self.heard()

    def table(self, sql):
        parts = [self.ask(stream=sql)]
        while "data" in parts[-1]:
            parts.append(self.ask(next=True))
        assert "end" in parts[-1], parts[-1]
        table = pa.ipc.open_stream(b"".join(part["data"] for part in parts[:-1])).read_all()
        assert table.num_rows == parts[-1]["rows"]
        return table

    def put(self, name, table, part=1 << 20):
        sink = io.BytesIO()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table, max_chunksize=10_000)
        self.say({"put": name})
        stream = sink.getvalue()
        for at in range(0, len(stream), part):
            data = stream[at:at + part]
            self.say({"bytes": len(data)}, data)
        self.say({"end": True})
        return self.heard()


class EngineInterop(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.engine = self.start()

    def start(self, *options):
        engine = Engine(self.folder, *options)
        self.addCleanup(engine.process.wait, 60)
        self.addCleanup(engine.process.stdout.close)
        self.addCleanup(engine.process.stdin.close)
        return engine

    def table(self, rows):
        return pa.table({"n": pa.array(range(rows), pa.int64()), "name": [f"n{i}" for i in range(rows)],
                         "tags": pa.array([["a", None]] * rows, pa.list_(pa.string()))})

    def test_an_answer_is_an_arrow_stream(self):
        table = self.engine.table("SELECT range AS n, 'n' || range AS name, ['a', NULL] AS tags FROM range(100000)")
        self.assertEqual(table.to_pydict(), self.table(100_000).to_pydict())
        self.assertEqual(self.engine.table("SELECT 1 AS a WHERE false").num_rows, 0)

    def test_what_is_put_is_a_table_wherever_the_stream_is_cut(self):
        for part in (7, 1000, 1 << 30):
            with self.subTest(part=part):
                table = self.table(3000)
                self.assertEqual(self.engine.put("mine", table, part), {"ok": True, "rows": 3000})
                self.assertEqual(self.engine.table("FROM mine").to_pydict(), table.to_pydict())

    def test_what_was_put_is_copied_to_files(self):
        self.engine.put("mine", self.table(2500))
        for sql in ("COPY (SELECT * FROM mine) TO 'mine.parquet'", "COPY (SELECT n FROM mine) TO 'mine.json.gz'"):
            self.assertEqual(self.engine.ask(execute=sql), {"ok": True})
        self.assertEqual(pa.parquet.read_table(self.folder / "mine.parquet").to_pydict(),
                         self.table(2500).to_pydict())
        with gzip.open(self.folder / "mine.json.gz", "rt") as file:
            self.assertEqual([json.loads(line)["n"] for line in file], list(range(2500)))

    def test_a_put_that_fails_leaves_the_table_as_it_was(self):
        self.engine.put("mine", self.table(3))
        schema = self.engine.ask(stream="SELECT 1 AS a")["data"]
        for parts, told in [([b"this is no Arrow stream"], "message 1 of the Arrow stream"),
                            ([schema, b"\xff\xff\xff\xff\x10\0\0\0"], "ends within the message")]:
            with self.subTest(told):
                self.engine.say({"put": "mine"})
                for data in parts:
                    self.engine.say({"bytes": len(data)}, data)
                self.engine.say({"end": True})
                self.assertIn(told, self.engine.heard()["error"]["message"])
        self.engine.say({"put": "mine"})
        self.engine.say({"bytes": len(schema)}, schema)
        self.engine.say({"give_up": True})
        self.assertEqual(self.engine.heard()["error"]["code"], "cancelled")
        self.assertEqual(self.engine.table("FROM mine").num_rows, 3)

    def test_parts_without_a_meaning_end_the_session(self):
        self.engine.say({"put": "mine"})
        self.engine.say({"what": "is this"})
        self.assertIn("bytes", self.engine.heard()["error"]["message"])
        self.assertEqual(self.engine.process.wait(60), 0)

    def test_an_error_on_the_way_is_told_and_the_next_request_answered(self):
        self.engine.ask(stream="SELECT if(range = 900000, error('bad row'), range) AS n FROM range(1000000)")
        parts = 0
        while "data" in (part := self.engine.ask(next=True)):
            parts += 1
        self.assertGreater(parts, 1)
        self.assertIn("bad row", part["error"]["message"])
        self.assertIn("no answer is being read", self.engine.ask(next=True)["error"]["message"])
        self.assertEqual(self.engine.ask(query="SELECT 1 AS one"), {"rows": [{"one": 1}]})

    def test_an_answer_is_left_by_asking_for_something_else(self):
        self.engine.ask(stream="SELECT range AS n FROM range(1000000000000)")
        self.engine.ask(next=True)
        self.assertEqual(self.engine.ask(query="SELECT 1 AS one"), {"rows": [{"one": 1}]})

    def test_more_rows_than_memory_stream_through(self):
        engine = self.start("--threads", "1", "--memory-bytes", str(200 << 20), "--project", str(self.folder))
        batch = self.table(100_000).select(["n"]).combine_chunks().to_batches()[0]
        engine.say({"put": "many"})
        for message in [batch.schema.serialize()] + [batch.serialize()] * 400:  # 320 MB
            engine.say({"bytes": message.size}, message)
        engine.say({"end": True})
        self.assertEqual(engine.heard(), {"ok": True, "rows": 40_000_000})
        engine.ask(stream="FROM many")
        while "data" in (part := engine.ask(next=True)):
            pass
        self.assertEqual(part, {"end": True, "rows": 40_000_000})
        status = pathlib.Path(f"/proc/{engine.process.pid}/status").read_text()
        peak = int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])
        self.assertLess(peak, 400 << 10)

    def test_the_page_has_every_request(self):
        page = PAGE.read_text()
        for word in ("execute", "query", "stream", "next", "put", "bytes", "end", "give_up"):
            self.assertIn(f'"{word}"', page)


if __name__ == "__main__":
    unittest.main()
