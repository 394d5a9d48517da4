-- How late a plane was when it last landed: one row per landing. The join takes the newest landing among
-- the rows delivered by then (timestamp arrived_at, created delivered_at), so a row that was sent late
-- never replaces a younger one.
{{ config(materialized='view') }}

select
  tailnum, arrived_at, delivered_at,
  dep_delay as plane_dep_delay,
  arr_delay as plane_arr_delay
from {{ ref('stg_flights') }}
where tailnum is not null and arrived_at is not null
