"""Feast's historical features from files. usage: feast_join.py FOLDER duckdb|dask"""
import pathlib
import sys
import tempfile
from datetime import timedelta

import pandas
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Float64, Int32, Int64

folder, store = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2]
with tempfile.TemporaryDirectory() as work:
    config = RepoConfig(project="bench", provider="local", registry=f"{work}/registry.db",
                        offline_store={"type": store}, online_store={"type": "sqlite", "path": f"{work}/online.db"},
                        entity_key_serialization_version=3)
    feast = FeatureStore(config=config)
    user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.INT64)
    fields = [("user_id", Int64), ("clicks_7d", Float64), ("ctr_7d", Float64), ("last_category", Int32),
              ("spend_30d", Float64)]
    view = FeatureView(name="activity", entities=[user], ttl=timedelta(days=7),
                       schema=[Field(name=name, dtype=kind) for name, kind in fields],
                       source=FileSource(path=str(folder / "features.parquet"), timestamp_field="event_timestamp",
                                         created_timestamp_column="created"))
    feast.apply([user, view])
    labels = pandas.read_parquet(folder / "labels.parquet")
    names = [f"activity:{name}" for name, _ in fields[1:]]
    joined = feast.get_historical_features(entity_df=labels, features=names).to_df()
    joined.to_parquet(folder / "feast.parquet")
