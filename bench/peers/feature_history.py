"""Labels and feature versions of users, some of whom are much busier than others; 5 % of the versions are late, 1 % are
corrections of an event before them. usage: feature_history.py LABELS VERSIONS USERS FOLDER"""
import sys

import duckdb

labels, versions, users, folder = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
session = duckdb.connect()
session.execute("set threads=2; set memory_limit='3GB'; set preserve_insertion_order=false")


def unit(seed):
    """A number in [0, 1) that depends on the row."""
    return f"(hash(i * 2654435761 + {seed}) % 1000003) / 1000003.0"


start = "timestamp '2026-01-01'"
session.execute(f"""copy (
  select floor({users} * pow({unit(1)}, 2.2))::bigint as user_id,
         {start} + to_microseconds((hash(i + 77) % (60 * 86400 * 1000000::ubigint))::bigint) as event_timestamp,
         i::bigint as label_id, ({unit(3)} < 0.3)::int as label
  from range({labels}) t(i)) to '{folder}/labels.parquet' (format parquet, compression zstd)""")
session.execute(f"""copy (
  with version as (
    select i, floor({users} * pow({unit(11)}, 2.2))::bigint as user_id,
           {start} + to_seconds((hash(case when {unit(15)} < 0.01 then greatest(i - 1, 0) else i end + 99)
                                 % (62 * 86400::ubigint))::bigint - 2 * 86400) as event_timestamp
    from range({versions}) t(i))
  select user_id, event_timestamp,
         event_timestamp + case when {unit(12)} < 0.05 then to_seconds((172800 * {unit(13)})::bigint)
                                else to_seconds(60) end as created,
         {unit(21)} * 100 as clicks_7d, {unit(22)} as ctr_7d, (hash(i) % 50)::int as last_category,
         {unit(24)} * 1000 as spend_30d
  from version) to '{folder}/features.parquet' (format parquet, compression zstd)""")
