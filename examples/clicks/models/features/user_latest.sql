-- WRONG ON PURPOSE: a user as the tables know her on the day of the training, joined to showings of weeks
-- before. It is what a join with "the users table" does. Nothing here declares a time; only the leak check sees it.
{{ config(materialized='view') }}

with plans as (
  select user_id, arg_max(plan, updated_at) as plan
  from {{ source('shop', 'users') }}
  group by user_id
),
activities as (
  select user_id, arg_max(engagement, midnight) as engagement
  from {{ source('shop', 'activity') }}
  group by user_id
)
select plans.user_id, plans.plan as latest_plan, activities.engagement as latest_engagement
from plans
left join activities on activities.user_id = plans.user_id
