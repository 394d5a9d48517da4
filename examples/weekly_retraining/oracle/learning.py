"""Training and evaluation with the Python package of XGBoost, by the pipeline's own settings."""
import numpy as np
import xgboost

from tables import read_yaml


def task_config(task_id):
    tasks = read_yaml("pipelines/weekly_retraining.yml")["tasks"]
    return next(task for task in tasks if task["id"] == task_id)


def area_under_roc(scores, labels):
    """Mann-Whitney: ranks of the positives, ties by their mean rank."""
    order = np.argsort(scores, kind="stable")
    ordered = scores[order]
    first = np.searchsorted(ordered, scores, "left")
    last = np.searchsorted(ordered, scores, "right")
    ranks = (first + last + 1) / 2
    positives = int(labels.sum())
    negatives = len(labels) - positives
    return float(ranks[labels == 1].sum() - positives * (positives + 1) / 2) / (positives * negatives)


def log_loss(probabilities, labels):
    p = np.clip(probabilities.astype(np.float64), 2.0**-23, 1 - 2.0**-23)
    return float(-np.mean(np.where(labels == 1, np.log(p), np.log(1 - p))))


def calibration_error(probabilities, labels, bins=10):
    """Mean distance of probability and outcome over bins of equal width, weighted by rows."""
    which = np.clip(np.ceil(probabilities * bins).astype(int) - 1, 0, bins - 1)
    off = (probabilities - labels).astype(np.float64)
    return float(sum(abs(off[which == b].sum()) for b in range(bins))) / len(labels)


class Rows:
    def __init__(self, con, inputs, condition):
        table = con.execute(f"SELECT {', '.join(inputs)}, late, epoch_us(scored_at) AS moment FROM training "
                            f"WHERE {condition} ORDER BY flight_id").fetchnumpy()
        self.columns = {name: table[name] for name in inputs}
        self.late = np.asarray(table["late"]).astype(np.float32)
        self.moment = np.asarray(table["moment"])

    def matrix(self, categories, rows=slice(None)):
        """32-bit floats; a missing value is NaN, and so is a category that training did not have."""
        columns, types = [], []
        for name, values in self.columns.items():
            if name in categories:
                codes = {text: code for code, text in enumerate(categories[name])}
                columns.append(np.array([codes.get(v, np.nan) for v in values[rows]], np.float32))
                types.append("c")
            else:
                values = np.ma.filled(np.ma.asarray(values).astype(np.float64), np.nan)
                columns.append(values[rows].astype(np.float32))
                types.append("q")
        return xgboost.DMatrix(np.stack(columns, 1), self.late[rows], feature_names=list(self.columns),
                               feature_types=types, enable_categorical=True)


def train(con, inputs):
    """Returns (booster, categories)."""
    config = task_config("train")
    rows = Rows(con, inputs, "part = 'training'")
    wanted = int(np.ceil(config["validate_on_last"]["fraction"] * len(rows.late)))
    trains = rows.moment < np.sort(rows.moment)[len(rows.late) - wanted]
    categories = {name: sorted(set(values[trains].tolist())) for name, values in rows.columns.items()
                  if values.dtype == object}
    parameters = dict(config["parameters"], objective="binary:logistic", tree_method="hist",
                      eval_metric=config["early_stopping"]["metric"], seed=config["seed"], nthread=1)
    booster = xgboost.train(parameters, rows.matrix(categories, trains), config["rounds"],
                            evals=[(rows.matrix(categories, ~trains), "validation")],
                            early_stopping_rounds=config["early_stopping"]["rounds"], verbose_eval=False)
    return booster[: booster.best_iteration + 1], categories


def evaluate(con, inputs, booster, categories):
    """Metrics on the holdout."""
    rows = Rows(con, inputs, "part = 'holdout'")
    p = booster.predict(rows.matrix(categories))
    return {"auc": area_under_roc(p, rows.late), "log_loss": log_loss(p, rows.late),
            "calibration_error": calibration_error(p, rows.late), "predicted": float(p.mean()),
            "late": float(rows.late.mean()), "rows": len(p)}
