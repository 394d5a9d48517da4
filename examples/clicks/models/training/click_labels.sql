-- One row for each showing of the last 28 days: when it is scored, what the caller knows, and whether the
-- visitor clicked. What was shown in the last 4 days is the holdout.
{{ config(materialized='view') }}

select
  event_id,
  shown_at,
  case when shown_at >= cast('{{ var('logical_date') }}' as timestamp) - interval 4 days
       then 'holdout' else 'training' end as part,
  cast(clicked as int) as clicked,
  user_id, item_id, device, position,
  extract(hour from shown_at) + extract(minute from shown_at) / 60.0 as hour
from {{ ref('stg_clicks') }}
