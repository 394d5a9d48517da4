-- What is known about a plane for good.
{{ config(materialized='view') }}

select
  tailnum, delivered_at,
  year as plane_year,
  seats as plane_seats,
  engines as plane_engines
from {{ source('airline', 'planes') }}
