"""The weekly run's tables, made without Millrace: deliveries -> SQL models -> training rows.

Reads the same project files and runs the same SQL on the DuckDB package, but lands, cuts and joins in its own way.
"""
import datetime as dt
import pathlib
import re
import zoneinfo

import duckdb
import yaml

PROJECT = pathlib.Path(__file__).resolve().parent.parent
NEW_YORK = zoneinfo.ZoneInfo("America/New_York")


def read_yaml(path):
    return yaml.safe_load((PROJECT / path).read_text())


def utc_text(moment):
    return moment.astimezone(dt.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def logical_dates():
    """Every Sunday 00:00 in New York with 30 days of deliveries before it."""
    day = dt.datetime(2013, 2, 10)
    while day <= dt.datetime(2013, 12, 29):
        yield day.replace(tzinfo=NEW_YORK)
        day += dt.timedelta(days=7)


def logical_date(text):
    return dt.datetime.fromisoformat(text).replace(tzinfo=NEW_YORK)


def open_lake(deliveries, threads=2):
    """All rows that were ever delivered, as raw.flights, raw.weather, raw.planes, raw.airports."""
    con = duckdb.connect()
    con.execute(f"SET TimeZone = 'UTC'; SET threads = {threads}; CREATE SCHEMA raw")
    for table in read_yaml("sources/airline.yml")["tables"]:
        columns = ", ".join(f"'{c['name']}': '{c['type']}'" for c in table["columns"])
        files = str(pathlib.Path(deliveries) / table["pattern"].replace("{date}", "*"))
        con.execute(f"CREATE TABLE raw.{table['name']} AS SELECT * FROM read_json('{files}', "
                    f"format = 'newline_delimited', columns = {{{columns}}})")
    return con


class Models:
    """The SQL models of the project, each behind those that it reads."""

    def __init__(self):
        files = {path.stem: path.read_text() for path in (PROJECT / "models").rglob("*.sql")}
        self.in_order = []
        while len(self.in_order) < len(files):
            done = {name for name, _ in self.in_order}
            ready = [name for name in sorted(files) if name not in done
                     and set(re.findall(r"ref\('(\w+)'\)", files[name])) <= done]
            if not ready:
                raise ValueError("the models refer to each other in a circle, or to a model that is not there")
            self.in_order += [(name, files[name]) for name in ready]

    def define(self, con, variables, delivered, without=()):
        """Defines all as views over the rows whose delivered_at is `delivered` ("< timestamp '...'")."""
        for name, text in self.in_order:
            if name in without:
                continue
            text = re.sub(r"\{\{ config\(.*?\) \}\}", "", text)
            text = re.sub(r"\{\{ var\('(\w+)'\) \}\}", lambda m: variables[m[1]], text)
            text = re.sub(r"\{\{ ref\('(\w+)'\) \}\}", r"\1", text)
            text = re.sub(r"\{\{ source\('airline', '(\w+)'\) \}\}",
                          rf"(SELECT * FROM raw.\1 WHERE delivered_at {delivered})", text)
            con.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS {text}")


class TrainingSet:
    """One training set of features/*.yml as SQL."""

    def __init__(self, score_at):
        flights = read_yaml("features/flights.yml")
        keys = {entity["name"]: entity["join_keys"] for entity in flights["entities"]}
        sets = {s["name"]: s for s in read_yaml("features/training_sets.yml")["training_sets"]}
        self.set = sets[f"flights_{score_at}"]
        self.request = [column["name"] for column in self.set["request_columns"]]
        self.views = []  # (view, join keys, features that the set takes)
        for view in flights["feature_views"]:
            taken = [f.split(":")[1] for f in self.set["features"] if f.split(":")[0] == view["name"]]
            if taken:
                self.views.append((view, [k for e in view["entities"] for k in keys[e]], taken))
        self.features = [feature for _, _, taken in self.views for feature in taken]
        self.inputs = self.request + self.features

    def select(self, labels="flight_labels"):
        """The labels with their features, by the key. A row of a view is available from the later of its two times;
        of those available the one with the greatest event time holds."""
        versions, joins, columns = [], [], []
        for view, keys, taken in self.views:
            name, event = view["name"], view.get("timestamp_field")
            same = " AND ".join(f"l.{key} = {name}_v.{key}" for key in keys)
            if event is None:
                versions.append(f"{name}_v AS (SELECT * FROM {view['source']})")
                joins.append(f"LEFT JOIN {name}_v ON {same}")
            else:
                created = view["created_timestamp_column"]
                versions.append(
                    f"{name}_v AS (SELECT * FROM (SELECT *, greatest({event}, {created}) AS available, "
                    f"max({event}) OVER (PARTITION BY {', '.join(keys)} ORDER BY greatest({event}, {created}) "
                    f"RANGE UNBOUNDED PRECEDING) AS newest FROM {view['source']}) WHERE {event} = newest)")
                joins.append(f"ASOF LEFT JOIN {name}_v ON {same} AND {name}_v.available <= l.scored_at")
            ttl = view.get("ttl")
            fresh = f"{name}_v.{event} >= l.scored_at - INTERVAL {sql_interval(ttl)}" if ttl else "true"
            columns += [f"CASE WHEN {fresh} THEN {name}_v.{feature} END AS {feature}" for feature in taken]
        request = ", ".join(f"l.{name}" for name in self.request)
        return (f"WITH {', '.join(versions)} SELECT l.flight_id, l.scored_at, l.part, l.late, {request}, "
                f"{', '.join(columns)} FROM {labels} l {' '.join(joins)} ORDER BY l.flight_id")


def sql_interval(ttl):
    return f"'{ttl[:-1]}' " + {"d": "DAY", "h": "HOUR"}[ttl[-1]]


def prepare(con, models, training_set, date, score_at):
    """Makes the table `training` of one run. Returns the number of its rows."""
    variables = {"logical_date": utc_text(date), "score_at": score_at}
    models.define(con, variables, f"< timestamptz '{utc_text(date)}'")
    con.execute(f"CREATE OR REPLACE TEMP TABLE training AS {training_set.select()}")
    return con.execute("SELECT count(*) FROM training").fetchone()[0]


def leaks(con, models, training_set, date, score_at, sample=24):
    """Makes the features of some training rows again on what was delivered by their scoring times. Returns
    {feature: number of rows that differ}; empty when there is no leak. Undefines what prepare() defined."""
    variables = {"logical_date": utc_text(date), "score_at": score_at}
    con.execute(f"CREATE OR REPLACE TEMP TABLE sampled AS SELECT * FROM training "
                f"ORDER BY md5(flight_id) LIMIT {sample}")
    con.execute("CREATE OR REPLACE TEMP TABLE known_labels AS SELECT l.* FROM flight_labels l "
                "SEMI JOIN sampled USING (flight_id)")
    found = {}
    for flight_id, moment in con.execute(
            "SELECT flight_id, strftime(scored_at, '%Y-%m-%dT%H:%M:%SZ') FROM sampled ORDER BY 1").fetchall():
        models.define(con, variables, f"<= timestamptz '{moment}'", without=("flight_labels",))
        con.execute(f"CREATE OR REPLACE TEMP VIEW one_label AS SELECT * FROM known_labels "
                    f"WHERE flight_id = '{flight_id}'")
        names = ", ".join(training_set.features)
        again = con.execute(f"SELECT {names} FROM ({training_set.select('one_label')})").fetchall()
        recorded = con.execute(f"SELECT {names} FROM sampled WHERE flight_id = '{flight_id}'").fetchall()
        for name, then, now in zip(training_set.features, recorded[0], again[0], strict=True):
            if then != now:
                found[name] = found.get(name, 0) + 1
    return found
