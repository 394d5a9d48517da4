"""An XGBoost model as MLflow's. usage: mlflow_model.py FILE FOLDER"""
import sys

import mlflow
import pandas
import xgboost
from mlflow.models import infer_signature

booster = xgboost.Booster(model_file=sys.argv[1])
rows = pandas.DataFrame([[0.1 * i for i in range(20)]], columns=booster.feature_names)
signature = infer_signature(rows, booster.predict(xgboost.DMatrix(rows)))
mlflow.xgboost.save_model(booster, sys.argv[2], signature=signature)
