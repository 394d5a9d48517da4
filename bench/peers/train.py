"""Trains by the Python package from a Parquet file. usage: train.py FILE ROUNDS"""
import sys

import pandas
import xgboost

frame = pandas.read_parquet(sys.argv[1])
matrix = xgboost.DMatrix(frame.drop(columns="label"), frame["label"], nthread=2)
booster = xgboost.train({"objective": "binary:logistic", "max_depth": 6, "eta": 0.1, "nthread": 2}, matrix,
                        int(sys.argv[2]), evals=[(matrix, "training")], verbose_eval=False)
booster.save_raw()
