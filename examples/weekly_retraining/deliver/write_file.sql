-- One file: the rows of table {folder}_sent that were delivered on {day} (a day in New York), in the order
-- in which they were sent. {out} is the folder of the deliveries; {out}/{folder} exists.
copy (
  select * exclude (day) from {folder}_sent where day = '{day}'
) to '{out}/{folder}/{folder}-{day}.jsonl.gz' (format json, compression gzip);
