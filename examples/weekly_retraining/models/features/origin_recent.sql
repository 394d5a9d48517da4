-- How the flights that left an airport fared, among those that became known in the last 2 hours.
--
-- Rows are taken in the order in which they became known (delivered_at), never by when they flew: a
-- window over flying time would change after the fact whenever a row comes late. What was sent late
-- counts nowhere, since it says nothing about these hours. RANGE makes rows delivered in the same
-- second one: each sees them all.
{{ config(materialized='view') }}

with known as (
  select distinct
    origin, delivered_at,
    count(*) over recent as flights,
    count(late) over recent as arrived,
    sum(late) over recent as late,
    sum(lost) over recent as lost,
    sum(dep_delay) over recent as dep_delays,
    count(dep_delay) over recent as departed
  from {{ ref('stg_flights') }}
  where sent_late = 0
  window recent as (
    partition by origin order by delivered_at range between interval 2 hours preceding and current row
  )
)
select
  origin, delivered_at,
  cast(flights as int) as origin_flights,
  cast(late as double) / nullif(arrived, 0) as origin_late_share,
  cast(lost as double) / flights as origin_lost_share,
  cast(dep_delays as double) / nullif(departed, 0) as origin_dep_delay
from known
