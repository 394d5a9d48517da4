-- How a carrier's flights fared, among those that became known in the last 3 hours; see origin_recent.
{{ config(materialized='view') }}

with known as (
  select distinct
    carrier, delivered_at,
    count(*) over recent as flights,
    count(late) over recent as arrived,
    sum(late) over recent as late,
    sum(lost) over recent as lost,
    sum(arr_delay) over recent as arr_delays
  from {{ ref('stg_flights') }}
  where sent_late = 0
  window recent as (
    partition by carrier order by delivered_at range between interval 3 hours preceding and current row
  )
)
select
  carrier, delivered_at,
  cast(flights as int) as carrier_flights,
  cast(late as double) / nullif(arrived, 0) as carrier_late_share,
  cast(lost as double) / flights as carrier_lost_share,
  cast(arr_delays as double) / nullif(arrived, 0) as carrier_arr_delay
from known
