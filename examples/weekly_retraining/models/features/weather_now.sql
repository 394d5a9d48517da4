-- The weather at an airport of New York, as observed and sent.
{{ config(materialized='view') }}

select
  origin, observed_at, delivered_at,
  temperature, dew_point, humidity, wind_speed, precipitation, pressure, visibility
from {{ ref('stg_weather') }}
