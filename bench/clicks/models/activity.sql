select user_id, midnight, engagement, delivered_at from {{ source('shop', 'activity') }}
