"""The features of one flight by their definition, in plain Python over the delivered rows, without SQL.

This is what a careful clerk would answer who has, at the scoring time, every row delivered by then and nothing else.
"""
import bisect
import datetime as dt
import gzip
import json
import pathlib

HOUR = dt.timedelta(hours=1)


def moment(text):
    return dt.datetime.fromisoformat(text.replace("Z", "+00:00")) if text else None


def read(folder, name):
    rows = []
    for path in sorted(pathlib.Path(folder, name).glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            rows += [json.loads(line) for line in lines]
    return rows


def grouped(rows, key, order):
    groups = {}
    for row in rows:
        groups.setdefault(row[key], []).append(row)
    for group in groups.values():
        group.sort(key=lambda row: row[order])
    return groups


class Clerk:
    def __init__(self, deliveries):
        flights = read(deliveries, "flights")
        for row in flights:
            for name in ("scheduled_departure", "scheduled_arrival", "departed_at", "arrived_at", "delivered_at"):
                row[name] = moment(row[name])
            ended = row["arrived_at"] or max(row["scheduled_arrival"], row["departed_at"] or row["scheduled_arrival"])
            row["sent_late"] = row["delivered_at"] > ended + HOUR / 2
            row["late"] = None if row["arr_delay"] is None else int(row["arr_delay"] > 15)
        self.flights = {row["flight_id"]: row for row in flights}
        punctual = [row for row in flights if not row["sent_late"]]
        self.recent = {key: grouped(punctual, key, "delivered_at") for key in ("origin", "carrier", "dest")}
        landed = [row for row in flights if row["arrived_at"] and row["tailnum"]]
        self.landings = grouped(landed, "tailnum", "arrived_at")
        weather = read(deliveries, "weather")
        for row in weather:
            row["observed_at"], row["delivered_at"] = moment(row["observed_at"]), moment(row["delivered_at"])
        self.weather = grouped(weather, "origin", "observed_at")
        self.planes = {row["tailnum"]: row for row in read(deliveries, "planes")}

    def features(self, flight_id, t):
        flight = self.flights[flight_id]
        found = {}
        landed = [row for row in self.landings.get(flight["tailnum"], [])
                  if row["delivered_at"] <= t and t - 24 * HOUR <= row["arrived_at"] <= t]
        found["plane_dep_delay"] = landed[-1]["dep_delay"] if landed else None
        found["plane_arr_delay"] = landed[-1]["arr_delay"] if landed else None
        for key, name, hours, ttl, delay in (("origin", "origin", 2, 12, "dep_delay"),
                                             ("carrier", "carrier", 3, 12, "arr_delay"),
                                             ("dest", "dest", 6, 24, "arr_delay")):
            rows = self.lately(self.recent[key].get(flight[key], []), t, hours, ttl)
            late = [row["late"] for row in rows if row["late"] is not None]
            delays = [row[delay] for row in rows if row[delay] is not None]
            found[f"{name}_flights"] = len(rows) or None
            found[f"{name}_late_share"] = sum(late) / len(late) if late else None
            found[f"{name}_lost_share"] = (
                sum(row["cancelled"] or row["diverted"] for row in rows) / len(rows) if rows else None)
            found[f"{name}_{delay}"] = sum(delays) / len(delays) if delays else None
        seen = [row for row in self.weather.get(flight["origin"], [])
                if row["delivered_at"] <= t and t - 6 * HOUR <= row["observed_at"] <= t]
        sky = seen[-1] if seen else {}
        for name, column in (("temperature", "temp"), ("dew_point", "dewp"), ("humidity", "humid"),
                             ("wind_speed", "wind_speed"), ("precipitation", "precip"), ("pressure", "pressure"),
                             ("visibility", "visib")):
            found[name] = sky.get(column)
        if found["wind_speed"] is not None and found["wind_speed"] >= 200:
            found["wind_speed"] = None
        plane = self.planes.get(flight["tailnum"], {})
        for name in ("year", "seats", "engines"):
            found[f"plane_{name}"] = plane.get(name)
        return found

    @staticmethod
    def lately(rows, t, hours, ttl):
        """The rows heard of in the `hours` before the last one heard of; none when that was too long ago."""
        end = bisect.bisect_right(rows, t, key=lambda row: row["delivered_at"])
        if end == 0 or rows[end - 1]["delivered_at"] < t - ttl * HOUR:
            return []
        since = rows[end - 1]["delivered_at"] - hours * HOUR
        return rows[bisect.bisect_left(rows, since, key=lambda row: row["delivered_at"]):end]
