-- Who a user is, and the plan that began at updated_at: one row per change.
{{ config(materialized='view') }}

select user_id, updated_at, delivered_at, segment, age, country, plan
from {{ source('shop', 'users') }}
