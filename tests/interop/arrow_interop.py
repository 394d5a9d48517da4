"""Arrow streams against pyarrow: it reads what we write, and we what it writes, for every type that a table has."""
import datetime
import decimal
import io
import json
import os
import pathlib
import random
import subprocess
import unittest

import pyarrow as pa

UTC = datetime.timezone.utc
TYPES = [pa.bool_(), pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.float32(), pa.float64(), pa.decimal128(38, 10),
         pa.decimal128(5, 0), pa.string(), pa.binary(), pa.date32(), pa.timestamp("us", "UTC"), pa.timestamp("us")]


def probe(verb, stream):
    program = pathlib.Path(os.environ["MILLRACE_BIN"]) / "arrow_probe"
    return subprocess.run([program, verb], input=stream, capture_output=True)


def stream_of(batches, schema, **options):
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return sink.getvalue()


class Rows:
    """Random values of a type, null now and then."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def value(self, kind, nullable=True):
        rng = self.random
        if nullable and rng.random() < 0.2:
            return None
        if pa.types.is_boolean(kind):
            return rng.random() < 0.5
        if pa.types.is_integer(kind):
            return rng.randint(-2 ** (kind.bit_width - 1), 2 ** (kind.bit_width - 1) - 1)
        if pa.types.is_floating(kind):
            return float(rng.randint(-1000, 1000)) / 8
        if pa.types.is_decimal(kind):
            return decimal.Decimal(rng.randint(-99999, 99999)).scaleb(-kind.scale)
        if pa.types.is_string(kind):
            return rng.choice(["", "a", "Zürich", "日本語", "🌍" * rng.randint(0, 5)])
        if pa.types.is_binary(kind):
            return rng.randbytes(rng.randint(0, 9))
        if pa.types.is_date(kind):
            return datetime.date(1970, 1, 1) + datetime.timedelta(days=rng.randint(-9999, 9999))
        if pa.types.is_timestamp(kind):
            return datetime.datetime(2013, 1, 1, tzinfo=UTC if kind.tz else None) + datetime.timedelta(
                microseconds=rng.randint(-10**15, 10**15))
        if pa.types.is_map(kind):
            return [(key, self.value(kind.item_type)) for key in sorted({self.value(kind.key_type, nullable=False)
                                                                         for _ in range(rng.randint(0, 4))})]
        if pa.types.is_list(kind):
            return [self.value(kind.value_type) for _ in range(rng.randint(0, 4))]
        if pa.types.is_struct(kind):
            return {field.name: self.value(field.type) for field in kind}
        raise AssertionError(kind)

    def batch(self, schema, rows):
        arrays = [pa.array([self.value(field.type) for _ in range(rows)], field.type) for field in schema]
        return pa.RecordBatch.from_arrays(arrays, schema=schema)


def all_types():
    nested = [pa.list_(pa.string()), pa.list_(pa.list_(pa.int32())), pa.map_(pa.string(), pa.float64()),
              pa.struct([("a", pa.int64()), ("b", pa.list_(pa.bool_())), ("c", pa.struct([("d", pa.date32())]))]),
              pa.list_(pa.struct([("x", pa.string()), ("m", pa.map_(pa.int32(), pa.string()))]))]
    return pa.schema([(f"c{i} {kind}", kind) for i, kind in enumerate(TYPES + nested)])


class ArrowInterop(unittest.TestCase):
    def echoed(self, batches, schema, **options):
        done = probe("echo", stream_of(batches, schema, **options))
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        return pa.ipc.open_stream(done.stdout).read_all()

    def assert_same(self, batches, schema, **options):
        table = self.echoed(batches, schema, **options)
        table.validate(full=True)
        self.assertEqual(table.schema.types, schema.types)
        self.assertEqual(table.schema.names, schema.names)
        self.assertEqual(table.to_pylist(), pa.Table.from_batches(batches, schema).to_pylist())

    def test_every_type_with_nulls_goes_and_comes_back(self):
        schema = all_types()
        rows = Rows(1)
        for count in (1, 7, 8, 9, 64, 1000):
            with self.subTest(rows=count):
                self.assert_same([rows.batch(schema, count)], schema)

    def test_many_batches_and_empty_ones(self):
        schema = all_types()
        rows = Rows(2)
        self.assert_same([], schema)
        self.assert_same([rows.batch(schema, count) for count in (0, 3, 0, 70, 1, 0)], schema)

    def test_slices_at_every_place(self):
        # pyarrow writes a slice's own bytes but keeps the bits of bitmaps where they are in some cases.
        schema = all_types()
        whole = Rows(3).batch(schema, 40)
        for first in range(0, 40, 3):
            for count in (0, 1, 9, 40 - first):
                with self.subTest(first=first, count=count):
                    self.assert_same([whole.slice(first, count)], schema)

    def test_columns_that_cannot_be_null_stay_so(self):
        schema = pa.schema([pa.field("a", pa.int64(), nullable=False),
                            pa.field("l", pa.list_(pa.field("item", pa.int8(), nullable=False)), nullable=False)])
        lists = pa.array([[1], []], schema.field("l").type)
        batch = pa.RecordBatch.from_arrays([pa.array([1, 2]), lists], schema=schema)
        table = self.echoed([batch], schema)
        self.assertFalse(table.schema.field("a").nullable)
        self.assertFalse(table.schema.field("l").type.value_field.nullable)

    def test_metadata_of_version_4(self):
        schema = all_types()
        self.assert_same([Rows(4).batch(schema, 9)], schema, metadata_version=pa.ipc.MetadataVersion.V4)

    def test_values_as_json(self):
        schema = pa.schema([("n", pa.int64()), ("s", pa.string()), ("l", pa.list_(pa.int32())),
                            ("m", pa.map_(pa.string(), pa.bool_())), ("at", pa.timestamp("us", "America/New_York"))])
        at = datetime.datetime(2013, 12, 1, 5, tzinfo=UTC)
        batch = pa.RecordBatch.from_pylist([{"n": 1, "s": "ü", "l": [1, None], "m": [("k", True)], "at": at}],
                                           schema)
        done = probe("json", stream_of([batch], schema))
        self.assertEqual(json.loads(done.stdout), {"n": 1, "s": "ü", "l": [1, None], "m": {"k": True},
                                                   "at": "2013-12-01T05:00:00Z"})

    def test_types_that_no_table_has_are_named(self):
        for kind, words in [(pa.uint32(), "Int of 32 bits, unsigned"), (pa.large_string(), "LargeUtf8"),
                            (pa.timestamp("ns"), "other units than microseconds"), (pa.float16(), "half precision"),
                            (pa.date64(), "Date in milliseconds"), (pa.decimal256(50, 2), "Decimal(50,2) of 256 bits"),
                            (pa.null(), "Null"), (pa.string_view(), "Utf8View"), (pa.duration("us"), "Duration"),
                            (pa.dictionary(pa.int32(), pa.string()), "dictionary-encoded"),
                            (pa.list_(pa.time64("us")), "element has the Arrow type Time")]:
            with self.subTest(str(kind)):
                done = probe("echo", stream_of([], pa.schema([("odd", kind)])))
                self.assertEqual(done.returncode, 1)
                told = done.stderr.decode()
                self.assertTrue(told.startswith("unsupported: message 1 of the Arrow stream: column 'odd'"), told)
                self.assertIn(words, told)

    def test_compressed_bodies_are_refused(self):
        schema = pa.schema([("a", pa.int64())])
        batch = pa.RecordBatch.from_arrays([pa.array(range(1000))], schema=schema)
        done = probe("echo", stream_of([batch], schema, compression="zstd"))
        self.assertIn("its body is compressed; send it plain", done.stderr.decode())

    def test_random_changes_end_in_an_answer(self):
        schema = all_types()
        stream = stream_of([Rows(5).batch(schema, 20)], schema)
        rng = random.Random(5)
        refused = 0
        for _ in range(300):
            changed = bytearray(stream)
            for _ in range(rng.choice([1, 1, 2, 8])):
                changed[rng.randrange(len(changed))] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)])
            done = probe(rng.choice(["echo", "json"]), bytes(changed))
            self.assertIn(done.returncode, (0, 1), changed.hex())
            refused += done.returncode
        self.assertGreater(refused, 30)
