-- The showings of the last 28 days, each once: what comes again is the same event, and the first delivery
-- counts. Those of no item are set aside in unknown_items.
{{ config(materialized='view') }}

select event_id, user_id, item_id, shown_at, device, position, clicked, delivered_at
from {{ source('shop', 'clicks') }}
where item_id >= 0
  and shown_at >= cast('{{ var('logical_date') }}' as timestamp) - interval 28 days
qualify row_number() over (partition by event_id order by delivered_at) = 1
