"""The Python package xgboost-cpu reads our artefact as SageMaker's container does, and gives the golden rows the scores
that the manifest names. Run once with each version of the package."""
import hashlib
import json
import os
import pathlib
import struct
import subprocess
import tarfile
import tempfile
import unittest

import numpy as np
import xgboost

TOLERANCE = 1e-6


def encode(feature, value):
    """docs/formats/model_manifest.md, in Python."""
    if value is None:
        return np.nan
    if feature["kind"] == "category":
        return feature["categories"].index(value) if value in feature["categories"] else np.nan
    return float(value)


class ModelInterop(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        folder = pathlib.Path(cls.folder.name)
        subprocess.run([pathlib.Path(os.environ["MILLRACE_BIN"]) / "model_probe", folder], check=True)
        cls.artefact = folder / "model.tar.gz"
        cls.manifest = json.loads((folder / "manifest.json").read_text())
        with tarfile.open(cls.artefact) as archive:
            cls.members = archive.getmembers()
            (folder / "xgboost-model").write_bytes(archive.extractfile("xgboost-model").read())
        cls.booster = xgboost.Booster()
        cls.booster.load_model(folder / "xgboost-model")
        rows = [[encode(feature, value) for feature, value in zip(cls.manifest["features"], row["inputs"])]
                for row in cls.manifest["golden_rows"]]
        cls.rows = np.array(rows, dtype=np.float32)
        cls.expected = np.array([row["score"] for row in cls.manifest["golden_rows"]])

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def matrix(self):
        features = self.manifest["features"]
        return xgboost.DMatrix(self.rows, feature_names=[f["name"] for f in features],
                               feature_types=["c" if f["kind"] == "category" else "float" for f in features],
                               enable_categorical=True)

    def test_the_archive_holds_the_model_and_nothing_else(self):
        self.assertEqual([member.name for member in self.members], ["xgboost-model"])
        self.assertTrue(self.members[0].isreg())
        self.assertEqual((self.members[0].mtime, self.members[0].uid, self.members[0].gid), (0, 0, 0))

    def test_the_manifest_vouches_for_the_artefact(self):
        self.assertEqual(hashlib.sha256(self.artefact.read_bytes()).hexdigest(), self.manifest["artefact_sha256"])

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

    def test_the_golden_rows_tell_models_apart(self):
        """A tolerance of 1e-6 means something: the rows differ in score, and have categories and missing values."""
        self.assertGreater(np.ptp(self.expected), 0.3)
        self.assertTrue(np.isnan(self.rows).any())
        others = self.rows.copy()
        others[:, 1] = (others[:, 1] + 1) % 5
        scores = self.booster.inplace_predict(others)
        self.assertGreater(np.abs(scores - self.expected).max(), 0.01)

    def test_names_and_types_travel_with_the_model(self):
        self.assertEqual(self.booster.feature_names, [f["name"] for f in self.manifest["features"]])
        self.assertEqual(self.booster.feature_types, ["float", "c", "float", "float"])

    def test_the_vector_form_of_base_score_would_be_misread(self):
        """Why the artefact has the scalar form: XGBoost before 3.1 reads the vector without an error, as 0.5."""
        def text(value):
            return b"SL" + struct.pack(">q", len(value)) + value
        model = (pathlib.Path(self.folder.name) / "xgboost-model").read_bytes()
        name = model.index(b"base_score") + len(b"base_score")
        length = struct.unpack(">q", model[name + 2:name + 10])[0]
        scalar = model[name + 10:name + 10 + length]
        self.assertGreater(abs(float(scalar) - 0.5), 0.01)
        vector = model[:name] + text(b"[" + scalar + b"]") + model[name + 10 + length:]
        booster = xgboost.Booster()
        booster.load_model(bytearray(vector))
        wrong = np.abs(booster.predict(self.matrix()) - self.expected).max()
        if tuple(map(int, xgboost.__version__.split("."))) < (3, 1):
            self.assertGreater(wrong, 0.01)
        else:
            self.assertLess(wrong, TOLERANCE)


if __name__ == "__main__":
    unittest.main()
