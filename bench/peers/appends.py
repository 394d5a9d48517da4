"""Appends ten rows again and again. usage: appends.py FOLDER TIMES"""
import sys

import pyarrow
from deltalake import DeltaTable, write_deltalake

folder, times = sys.argv[1], int(sys.argv[2])
for i in range(times):
    write_deltalake(folder, pyarrow.table({"id": pyarrow.array(range(10 * i, 10 * i + 10), pyarrow.int64()),
                                           "value": pyarrow.array([float(i)] * 10)}), mode="append")
assert DeltaTable(folder).to_pyarrow_dataset().count_rows() == 10 * times
