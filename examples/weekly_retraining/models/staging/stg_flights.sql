-- The flights that a run needs: 30 days of examples and what was known before the first of them.
--   ended_at   when there was something to say: the landing, else the scheduled arrival
--   late       1 when it arrived more than 15 minutes late, 0 when not, null when it never arrived there
--   sent_late  1 when the row was held back: it says something about an hour that has long passed
{{ config(materialized='view') }}

with flights as (
  select
    *,
    coalesce(arrived_at, greatest(scheduled_arrival, departed_at)) as ended_at
  from {{ source('airline', 'flights') }}
  where scheduled_departure >= cast('{{ var('logical_date') }}' as timestamp) - interval 35 days
)
select
  flight_id, flight_date, weekday, carrier, tailnum, origin, dest, distance, departure_minute, scheduled_minutes,
  scheduled_departure, departed_at, arrived_at, ended_at, dep_delay, arr_delay,
  case when arr_delay > 15 then 1 when arr_delay is not null then 0 end as late,
  case when cancelled or diverted then 1 else 0 end as lost,
  case when delivered_at > ended_at + interval 30 minutes then 1 else 0 end as sent_late,
  delivered_at
from flights
