select item_id, category, price, quality from {{ source('shop', 'items') }}
