"""A suite by Great Expectations 1.x over a pandas frame. usage: ten_expectations.py FILE.parquet SUITE.json"""
import json
import os
import sys

os.environ["GX_ANALYTICS_ENABLED"] = "false"
import great_expectations as gx
import pandas

context = gx.get_context(mode="ephemeral")
context.variables.progress_bars = gx.data_context.types.base.ProgressBarsConfig(globally=False)
frame = pandas.read_parquet(sys.argv[1])
asset = context.data_sources.add_pandas("pandas").add_dataframe_asset("rows")
batch = asset.add_batch_definition_whole_dataframe("all")
suite = gx.ExpectationSuite(name="ten", expectations=json.load(open(sys.argv[2])))
result = batch.get_batch({"dataframe": frame}).validate(suite, result_format="SUMMARY")
assert result.success, result
