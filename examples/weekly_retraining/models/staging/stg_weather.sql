-- Hourly observations at the three airports of New York. Wind of 200 miles an hour and more is a broken
-- instrument (one row of 2013 says 1,048).
{{ config(materialized='view') }}

select
  origin, observed_at,
  temp as temperature, dewp as dew_point, humid as humidity, precip as precipitation, pressure,
  visib as visibility,
  case when wind_speed < 200 then wind_speed end as wind_speed,
  delivered_at
from {{ source('airline', 'weather') }}
where observed_at >= cast('{{ var('logical_date') }}' as timestamp) - interval 35 days
