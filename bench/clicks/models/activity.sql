select user_id, "at", engagement, delivered_at from {{ source('shop', 'activity') }}
