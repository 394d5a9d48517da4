"""Lands and prepares clicks by DuckDB alone, in the SQL that the project of bench/clicks comes down to.

usage: clicks_duckdb.py DELIVERIES OUT -> OUT/raw/<table>/, OUT/training_data.parquet
"""
import pathlib
import sys

import duckdb

deliveries, out = sys.argv[1], pathlib.Path(sys.argv[2])
tables = {
    "clicks": {"event_id": "BIGINT", "user_id": "BIGINT", "item_id": "BIGINT", "shown_at": "TIMESTAMPTZ",
               "device": "VARCHAR", "clicked": "BOOLEAN", "delivered_at": "TIMESTAMPTZ"},
    "users": {"user_id": "BIGINT", "segment": "VARCHAR", "age": "INTEGER", "country": "VARCHAR", "plan": "VARCHAR",
              "updated_at": "TIMESTAMPTZ", "delivered_at": "TIMESTAMPTZ"},
    "items": {"item_id": "BIGINT", "category": "VARCHAR", "price": "DOUBLE", "quality": "DOUBLE",
              "delivered_at": "TIMESTAMPTZ"},
    "activity": {"user_id": "BIGINT", "midnight": "TIMESTAMPTZ", "engagement": "DOUBLE", "delivered_at": "TIMESTAMPTZ"},
}
session = duckdb.connect()
session.execute(f"set threads = 2; set memory_limit = '2GB'; set timezone = 'UTC'; set temp_directory = '{out}/spill'")


def copy(sql, target, options="format parquet, compression zstd"):
    session.execute(f"copy ({sql}) to '{out}/{target}' ({options})")


# Landing: rows without what they must have are set aside; clicks are partitioned by the day that they are of.
(out / "raw").mkdir(parents=True)
for table, columns in tables.items():
    session.execute(f"""create view delivered_{table} as from read_json('{deliveries}/{table}/*.jsonl.gz',
        format = 'newline_delimited', columns = {columns}, filename = '_file')""")
whole = "event_id is not null and user_id is not null and item_id is not null and shown_at is not null"
copy(f"select *, shown_at::date as event_date from delivered_clicks where {whole}", "raw/clicks",
     "format parquet, compression zstd, partition_by (event_date)")
copy(f"from delivered_clicks where not ({whole})", "raw/clicks_rejected.parquet")
for table in ("users", "items", "activity"):
    copy(f"from delivered_{table}", f"raw/{table}.parquet")


def known(table, event):
    """The rows that were ever the newest that was known of a user, each from when it was known."""
    return f"""select * from (
        select *, greatest({event}, delivered_at) as known_at from 'OUT/raw/{table}.parquet')
      qualify {event} >= max({event}) over (partition by user_id order by known_at, {event}
                                            rows between unbounded preceding and current row)
        and row_number() over (partition by user_id, known_at order by {event} desc, delivered_at desc) = 1"""


# Preparation: each click once, with what was known when the item was shown.
copy(f"""
    with labels as (
      select event_id, user_id, item_id, shown_at, clicked::int as clicked,
             case when shown_at >= timestamptz '2024-01-31' - interval 7 days
                  then 'holdout' else 'training' end as part,
             device, extract(hour from shown_at)::int as hour
      from 'OUT/raw/clicks/**/*.parquet'
      where item_id >= 0
      qualify row_number() over (partition by event_id order by delivered_at) = 1),
    user_versions as ({known("users", "updated_at")}),
    activity_versions as ({known("activity", "midnight")})
    select labels.*, segment, age, country, plan,
           case when a.midnight >= shown_at - interval 7 days then engagement end as engagement,
           category, price, quality
    from labels
    asof left join user_versions u on labels.user_id = u.user_id and shown_at >= u.known_at
    asof left join activity_versions a on labels.user_id = a.user_id and shown_at >= a.known_at
    left join 'OUT/raw/items.parquet' i on labels.item_id = i.item_id
    order by event_id""".replace("OUT", str(out)), "training_data.parquet")
