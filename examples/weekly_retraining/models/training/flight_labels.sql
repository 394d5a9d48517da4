-- One row for each flight of the last 30 days that arrived: when it is scored, what its caller knew, and
-- whether it arrived more than 15 minutes late. Flights without an arrival have no label and are no
-- examples; the recent rates count them.
--
-- score_at = departure: at the moment of the departure. Else: two hours before the scheduled one.
-- What is scored in the last 7 days is the holdout.
{{ config(materialized='view') }}

with scored as (
  select
    *,
    case when '{{ var('score_at') }}' = 'departure' then departed_at
         else scheduled_departure - interval 2 hours end as scored_at
  from {{ ref('stg_flights') }}
  where late is not null
    and scheduled_departure >= cast('{{ var('logical_date') }}' as timestamp) - interval 30 days
    and scheduled_departure < cast('{{ var('logical_date') }}' as timestamp)
)
select
  flight_id,
  scored_at,
  case when scored_at >= cast('{{ var('logical_date') }}' as timestamp) - interval 7 days
       then 'holdout' else 'training' end as part,
  late,
  scheduled_departure, departed_at,
  flight_date, tailnum, carrier, origin, dest,
  weekday, departure_minute, scheduled_minutes, distance,
  dep_delay
from scored
