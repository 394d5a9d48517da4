"""Lands and prepares clicks by Spark, local[2]: what was known comes by one window over clicks and versions together.

usage: clicks_pyspark.py DELIVERIES OUT -> OUT/raw/<table>/, OUT/training_data.parquet/
"""
import sys

from pyspark.sql import SparkSession, Window, functions as f

deliveries, out = sys.argv[1], sys.argv[2]
spark = (SparkSession.builder.master("local[2]").config("spark.driver.memory", "4g").config("spark.ui.enabled", False)
         .config("spark.sql.session.timeZone", "UTC").config("spark.sql.shuffle.partitions", 8)
         .config("spark.driver.bindAddress", "127.0.0.1").config("spark.local.dir", out + "/spill")
         .config("spark.sql.parquet.compression.codec", "zstd").getOrCreate())
schemas = {
    "clicks": "event_id long, user_id long, item_id long, shown_at timestamp, device string, clicked boolean, "
              "delivered_at timestamp",
    "users": "user_id long, segment string, age int, country string, plan string, updated_at timestamp, "
             "delivered_at timestamp",
    "items": "item_id long, category string, price double, quality double, delivered_at timestamp",
    "activity": "user_id long, midnight timestamp, engagement double, delivered_at timestamp",
}

# Landing: rows without what they must have are set aside; clicks are partitioned by the day that they are of.
delivered = {name: spark.read.schema(schema).json(f"{deliveries}/{name}") for name, schema in schemas.items()}
whole = " and ".join(f"{name} is not null" for name in ("event_id", "user_id", "item_id", "shown_at"))
(delivered["clicks"].where(whole).withColumn("event_date", f.to_date("shown_at"))
 .write.partitionBy("event_date").parquet(out + "/raw/clicks"))
delivered["clicks"].where(f"not ({whole})").write.parquet(out + "/raw/clicks_rejected")
for name in ("users", "items", "activity"):
    delivered[name].write.parquet(f"{out}/raw/{name}")
raw = {name: spark.read.parquet(f"{out}/raw/{name}") for name in schemas}


def known(name, event):
    """The rows that were ever the newest that was known of a user, each from when it was known."""
    so_far = Window.partitionBy("user_id").orderBy("t", event).rowsBetween(Window.unboundedPreceding, 0)
    return (raw[name].withColumn("t", f.greatest(event, "delivered_at"))
            .withColumn("newest", f.max(event).over(so_far)).where(f"{event} >= newest")
            .select("user_id", "t", f.lit(0).alias("of"), f.struct(*raw[name].columns).alias(name)))


# Preparation: each click once, with what was known when the item was shown.
first = Window.partitionBy("event_id").orderBy("delivered_at")
labels = raw["clicks"].where("item_id >= 0").withColumn("n", f.row_number().over(first)).where("n = 1")
labels = labels.select("user_id", f.col("shown_at").alias("t"), f.lit(1).alias("of"), f.struct(
    "event_id", "item_id", "shown_at", f.col("clicked").cast("int").alias("clicked"),
    f.when(f.col("shown_at") >= f.expr("timestamp '2024-01-31' - interval 7 days"), "holdout").otherwise("training")
    .alias("part"), "device", f.hour("shown_at").alias("hour")).alias("label"))
until = Window.partitionBy("user_id").orderBy("t", "of", "users.updated_at", "activity.midnight")
until = until.rowsBetween(Window.unboundedPreceding, 0)
rows = labels.unionByName(known("users", "updated_at"), allowMissingColumns=True)
rows = rows.unionByName(known("activity", "midnight"), allowMissingColumns=True)
for name in ("users", "activity"):
    rows = rows.withColumn(name, f.last(name, ignorenulls=True).over(until))
recent = f.expr("activity.midnight >= label.shown_at - interval 7 days")
rows = rows.where("of = 1").select(
    "user_id", "label.*", "users.segment", "users.age", "users.country", "users.plan",
    f.when(recent, f.col("activity.engagement")).alias("engagement"))
rows = rows.join(raw["items"].drop("delivered_at"), "item_id", "left").orderBy("event_id")
rows.write.parquet(out + "/training_data.parquet")
spark.stop()
