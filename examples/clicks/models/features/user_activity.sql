-- How engaged a user was, midnight by midnight, and since when that was known.
{{ config(materialized='view') }}

select user_id, midnight, delivered_at, engagement
from {{ source('shop', 'activity') }}
