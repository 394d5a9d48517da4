-- Every click once, as it was first delivered; no item has the number -1. The last 7 days are the holdout.
select
  event_id, user_id, item_id, shown_at, cast(clicked as int) as clicked, device,
  cast(extract(hour from shown_at at time zone 'UTC') as int) as hour,
  case when shown_at >= cast('{{ var('logical_date') }}' as timestamptz) - interval 7 days
       then 'holdout' else 'training' end as part
from {{ source('shop', 'clicks') }}
where item_id >= 0
qualify row_number() over (partition by event_id order by delivered_at) = 1
