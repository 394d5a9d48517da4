"""Rows of twenty features with a known dependence. usage: training_rows.py ROWS NAME -> NAME.parquet, NAME.f32"""
import sys

import numpy
import pyarrow
import pyarrow.parquet

rows, name = int(sys.argv[1]), sys.argv[2]
schema = pyarrow.schema([(f"f{i}", pyarrow.float32()) for i in range(20)] + [("label", pyarrow.int32())])
with pyarrow.parquet.ParquetWriter(name + ".parquet", schema) as parquet, open(name + ".f32", "wb") as floats:
    for first in range(0, rows, 250_000):
        count = min(250_000, rows - first)
        random = numpy.random.default_rng(first)
        x = random.standard_normal((count, 20), dtype=numpy.float32)
        z = -1.2 + 0.9 * x[:, 0] - 0.7 * x[:, 1] + 0.6 * x[:, 2] * x[:, 3] + 0.5 * numpy.sin(2 * x[:, 4])
        label = (random.random(count) < 1 / (1 + numpy.exp(-z))).astype(numpy.int32)
        x[random.random(count) < 0.1, 6] = numpy.nan
        columns = [pyarrow.array(x[:, i], from_pandas=True) for i in range(20)] + [pyarrow.array(label)]
        parquet.write_table(pyarrow.table(columns, schema=schema))
        floats.write(numpy.column_stack([x, label.astype(numpy.float32)]).tobytes())
