-- WRONG ON PURPOSE: how a plane did on a day, over all of that day, joined by the day. The flight that
-- is to be predicted is in it, and so are those after it. Nothing here declares a time, so no timestamp
-- can give it away; only the leak check does.
{{ config(materialized='view') }}

select
  tailnum, flight_date,
  cast(sum(arr_delay) as double) / nullif(count(arr_delay), 0) as plane_day_arr_delay,
  cast(sum(late) as double) / nullif(count(late), 0) as plane_day_late_share
from {{ ref('stg_flights') }}
where tailnum is not null
group by tailnum, flight_date
