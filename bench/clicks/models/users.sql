select user_id, segment, age, country, plan, updated_at, delivered_at from {{ source('shop', 'users') }}
