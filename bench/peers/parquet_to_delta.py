"""Makes a Delta table of a Parquet file. usage: parquet_to_delta.py FILE FOLDER"""
import sys

import pyarrow.parquet
from deltalake import write_deltalake

reader = pyarrow.parquet.ParquetFile(sys.argv[1])
batches = pyarrow.RecordBatchReader.from_batches(reader.schema_arrow, reader.iter_batches(1_000_000))
write_deltalake(sys.argv[2], batches)
