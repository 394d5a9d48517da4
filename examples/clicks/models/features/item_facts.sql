-- What the catalogue says of an item.
{{ config(materialized='view') }}

select item_id, delivered_at, category, price, quality
from {{ source('shop', 'items') }}
