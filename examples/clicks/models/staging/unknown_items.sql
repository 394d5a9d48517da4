-- Showings of an item that is in no catalogue: kept for whoever looks for the mistake, never learned from.
{{ config(materialized='table') }}

select clicks.*
from {{ source('shop', 'clicks') }} as clicks
left join {{ source('shop', 'items') }} as items on items.item_id = clicks.item_id
where items.item_id is null
