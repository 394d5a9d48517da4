"""Lands and prepares clicks by pandas: file after file in, then merge_asof.

usage: clicks_pandas.py DELIVERIES OUT -> OUT/raw/<table>/, OUT/training_data.parquet
"""
import pathlib
import sys

import pandas

deliveries, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
moments = {"clicks": ["shown_at"], "users": ["updated_at"], "items": [], "activity": ["midnight"]}
required = {"clicks": ["event_id", "user_id", "item_id", "shown_at"], "users": ["user_id", "updated_at"],
            "items": ["item_id"], "activity": ["user_id", "midnight"]}

# Landing: rows without what they must have are set aside; clicks are partitioned by the day that they are of.
for table in moments:
    for file in sorted((deliveries / table).glob("*.jsonl.gz")):
        rows = pandas.read_json(file, lines=True, convert_dates=False)
        for column in [*moments[table], "delivered_at"]:
            rows[column] = pandas.to_datetime(rows[column], format="ISO8601", utc=True)
        whole = rows[required[table]].notna().all(axis=1)
        target = out / "raw" / table
        if not whole.all():
            (out / "raw" / f"{table}_rejected").mkdir(parents=True, exist_ok=True)
            rows[~whole].to_parquet(out / "raw" / f"{table}_rejected" / f"{file.name}.parquet")
            rows = rows[whole]
        rows = rows.astype({name: "int64" for name in required[table] if name.endswith("_id")})
        if table == "clicks":
            rows["event_date"] = rows["shown_at"].dt.strftime("%Y-%m-%d")
            rows.to_parquet(target, partition_cols=["event_date"], compression="zstd", index=False)
        else:
            target.mkdir(parents=True, exist_ok=True)
            rows.to_parquet(target / f"{file.name}.parquet", compression="zstd", index=False)


def known(table, event):
    """The rows that were ever the newest that was known of a user, each from when it was known."""
    rows = pandas.read_parquet(out / "raw" / table)
    rows["known_at"] = rows[[event, "delivered_at"]].max(axis=1)
    rows = rows.sort_values(["known_at", event])
    rows = rows[rows[event] >= rows.groupby("user_id")[event].cummax()]
    return rows.drop_duplicates(["user_id", "known_at"], keep="last").drop(columns="delivered_at")


# Preparation: each click once, with what was known when the item was shown.
clicks = pandas.read_parquet(out / "raw/clicks", columns=["event_id", "user_id", "item_id", "shown_at", "clicked",
                                                          "device", "delivered_at"])
clicks = clicks[clicks["item_id"] >= 0].sort_values("delivered_at").drop_duplicates("event_id")
clicks = clicks.drop(columns="delivered_at").sort_values("shown_at")
clicks["clicked"] = clicks["clicked"].astype("int32")
clicks["hour"] = clicks["shown_at"].dt.hour
holdout = clicks["shown_at"] >= pandas.Timestamp("2024-01-31", tz="UTC") - pandas.Timedelta(days=7)
clicks["part"] = holdout.map({True: "holdout", False: "training"})
for table, event in (("users", "updated_at"), ("activity", "midnight")):
    clicks = pandas.merge_asof(clicks, known(table, event), left_on="shown_at", right_on="known_at", by="user_id")
    clicks = clicks.drop(columns="known_at")
clicks.loc[clicks["midnight"] < clicks["shown_at"] - pandas.Timedelta(days=7), "engagement"] = None
clicks = clicks.merge(pandas.read_parquet(out / "raw/items").drop(columns="delivered_at"), on="item_id", how="left")
clicks = clicks.drop(columns=["updated_at", "midnight"]).sort_values("event_id")
clicks.to_parquet(out / "training_data.parquet", compression="zstd", index=False)
