"""The Python package xgboost-cpu reads our artefacts as SageMaker's container does, and gives the golden rows the
scores that their manifest names: a small model that holds every kind of feature, and the model of a real week. Run once
with each version of the package."""
import hashlib
import io
import json
import os
import pathlib
import struct
import subprocess
import sys
import tarfile
import tempfile
import unittest

import numpy as np
import xgboost

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "e2e"))
from weekly import EXAMPLE, MODEL, WeeklyProject, finished_week

TOLERANCE = 1e-6


def encode(feature, value):
    """docs/formats/model_manifest.md, in Python."""
    if value is None:
        return np.nan
    if feature["kind"] == "category":
        return feature["categories"].index(value) if value in feature["categories"] else np.nan
    return float(value)


class AnyArtefact:
    """What holds for each artefact. `open` gives them their rows as the package wants them."""

    @classmethod
    def open(cls, folder):
        cls.artefact = (folder / "model.tar.gz").read_bytes()
        cls.manifest = json.loads((folder / "manifest.json").read_text())
        with tarfile.open(fileobj=io.BytesIO(cls.artefact)) as archive:
            cls.members = archive.getmembers()
            cls.model = archive.extractfile("xgboost-model").read()
        cls.booster = xgboost.Booster()
        cls.booster.load_model(bytearray(cls.model))
        cls.rows = cls.encoded(row["inputs"] for row in cls.manifest["golden_rows"])
        cls.expected = np.array([row["score"] for row in cls.manifest["golden_rows"]])

    @classmethod
    def encoded(cls, rows):
        """The rows, each in the order of the features, as the matrix that the model was trained on."""
        return np.array([[encode(feature, value) for feature, value in zip(cls.manifest["features"], row, strict=True)]
                         for row in rows], dtype=np.float32)

    def matrix(self, rows=None):
        features = self.manifest["features"]
        return xgboost.DMatrix(self.rows if rows is None else rows, feature_names=[f["name"] for f in features],
                               feature_types=["c" if f["kind"] == "category" else "float" for f in features],
                               enable_categorical=True)

    def test_the_archive_holds_the_model_and_nothing_else(self):
        self.assertEqual([member.name for member in self.members], ["xgboost-model"])
        self.assertTrue(self.members[0].isreg())
        self.assertEqual((self.members[0].mtime, self.members[0].uid, self.members[0].gid), (0, 0, 0))

    def test_the_manifest_vouches_for_the_artefact(self):
        self.assertEqual(hashlib.sha256(self.artefact).hexdigest(), self.manifest["artefact_sha256"])

    def test_golden_rows_score_as_the_manifest_says(self):
        self.assertEqual(len(self.expected), 64)
        np.testing.assert_allclose(self.booster.predict(self.matrix()), self.expected, rtol=0, atol=TOLERANCE)

    def test_scores_up_to_the_best_iteration_are_the_same(self):
        """The container predicts with best_iteration, the plain call with every round."""
        best = self.booster.best_iteration
        self.assertEqual(best, self.manifest["best_iteration"])
        self.assertEqual(self.booster.num_boosted_rounds(), self.manifest["rounds"])
        scores = self.booster.predict(self.matrix(), iteration_range=(0, best + 1))
        np.testing.assert_allclose(scores, self.expected, rtol=0, atol=TOLERANCE)

    def test_names_and_types_travel_with_the_model(self):
        features = self.manifest["features"]
        self.assertEqual(self.booster.feature_names, [f["name"] for f in features])
        self.assertEqual(self.booster.feature_types, ["c" if f["kind"] == "category" else "float" for f in features])

    def test_scores_are_probabilities(self):
        self.assertEqual(self.manifest["objective"], "binary:logistic")
        margins = self.booster.predict(self.matrix(), output_margin=True)
        np.testing.assert_allclose(1 / (1 + np.exp(-margins)), self.expected, rtol=0, atol=TOLERANCE)

    def test_the_golden_rows_tell_models_apart(self):
        """A tolerance of 1e-6 means something: the rows differ in score, and have categories and missing values."""
        self.assertGreater(np.ptp(self.expected), 0.3)
        self.assertTrue(np.isnan(self.rows).any())
        self.assertIn("category", [feature["kind"] for feature in self.manifest["features"]])


class TestASmallModel(AnyArtefact, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([pathlib.Path(os.environ["MILLRACE_BIN"]) / "model_probe", folder], check=True)
            cls.open(pathlib.Path(folder))

    def test_a_golden_row_tells_its_category_apart(self):
        others = self.rows.copy()
        others[:, 1] = (others[:, 1] + 1) % 5
        scores = self.booster.inplace_predict(others)
        self.assertGreater(np.abs(scores - self.expected).max(), 0.01)

    def test_the_vector_form_of_base_score_would_be_misread(self):
        """Why the artefact has the scalar form: XGBoost before 3.1 reads the vector without an error, as 0.5."""
        def text(value):
            return b"SL" + struct.pack(">q", len(value)) + value
        name = self.model.index(b"base_score") + len(b"base_score")
        length = struct.unpack(">q", self.model[name + 2:name + 10])[0]
        scalar = self.model[name + 10:name + 10 + length]
        self.assertGreater(abs(float(scalar) - 0.5), 0.01)
        vector = self.model[:name] + text(b"[" + scalar + b"]") + self.model[name + 10 + length:]
        booster = xgboost.Booster()
        booster.load_model(bytearray(vector))
        wrong = np.abs(booster.predict(self.matrix()) - self.expected).max()
        if tuple(map(int, xgboost.__version__.split("."))) < (3, 1):
            self.assertGreater(wrong, 0.01)
        else:
            self.assertLess(wrong, TOLERANCE)


class TestTheModelOfAWeek(AnyArtefact, unittest.TestCase):
    """1 September 2013 at departure, as examples/weekly_retraining put it into production."""

    @classmethod
    def setUpClass(cls):
        cls.project = WeeklyProject(of=finished_week("2013-09-01"))
        cls.addClassCleanup(cls.project.close)
        cls.open(cls.project.file("model.tar.gz").parent)

    def test_it_is_the_version_in_production(self):
        [version] = self.project.versions()
        self.assertEqual(version["tags"], ["Production"])
        self.assertEqual(version["artefact_sha256"], self.manifest["artefact_sha256"])

    def test_a_flight_that_is_asked_about_gets_the_same_score(self):
        """Not only rows that we chose ourselves: those of the example's request, through `millrace model predict`."""
        names = [feature["name"] for feature in self.manifest["features"]]
        asked = json.loads((EXAMPLE / "request.json").read_text())["instances"]
        ours = self.project.millrace("model", "predict", MODEL, "--input", EXAMPLE / "request.json", "--json")
        self.assertEqual(ours.code, 0, ours)
        theirs = self.booster.predict(self.matrix(self.encoded([row[name] for name in names] for row in asked)))
        np.testing.assert_allclose([each["score"] for each in ours.json()["predictions"]], theirs,
                                   rtol=0, atol=TOLERANCE)


if __name__ == "__main__":
    unittest.main()
