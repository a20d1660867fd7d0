"""What an application writes: every kind of statement that is replicated exactly, over the tables
of docs/tutorial/schema.cql. Each operation knows its effect on the model.
"""

import random
import time
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from support_model import Model

KEYSPACE = "migrationkeyspace"
_USERS = f"{KEYSPACE}.users"
_ORDERS = f"{KEYSPACE}.orders"
_READINGS = f"{KEYSPACE}.readings"
_LONG_TTL_S = (3600, 7200, 90_000)  # over long after the test


@dataclass
class Operation:
    """One request: a statement, or several as a batch. Values are bound at `?`."""

    statements: list[tuple[str, list]]
    effects: list  # called when acknowledged
    batch: str | None = None  # "LOGGED" or "UNLOGGED"
    prepared: bool = True
    retried: bool = True  # until it is acknowledged
    doubt: list = field(default_factory=list)  # called instead, when it may have happened or not


class Workload:
    """Operations of one worker on partitions that only it writes to."""

    def __init__(self, seed: int, part: int, parts: int, partitions: int, model: Model):
        self.random = random.Random(f"{seed}-{part}")
        self.model = model
        self.part = part
        self.names = [f"user-{number:05}" for number in range(part, partitions, parts)]
        self.sensors = list(range(part, partitions, parts))
        self._busy: set = set()
        self._clock_us = 0
        self._kinds = [
            (20, self.user_insert), (12, self.user_update), (6, self.user_ttl),
            (5, self.user_delete), (3, self.user_cells_delete), (1, self.user_partition_delete),
            (12, self.order_insert), (8, self.order_update), (4, self.order_static),
            (4, self.order_tags), (4, self.order_items), (2, self.order_set_whole),
            (2, self.order_range_delete), (5, self.session_insert), (2, self.session_short),
            (8, self.reading_insert), (2, self.reading_delete), (4, self.event_insert),
            (5, self.batch_logged), (5, self.batch_unlogged),
        ]

    def round(self, size: int) -> list[Operation]:
        """Operations that touch different partitions, so they may run at the same time."""
        self._busy.clear()
        kinds = self.random.choices([kind for _, kind in self._kinds],
                                    [weight for weight, _ in self._kinds], k=size)
        operations = []
        for kind in kinds:
            operation = kind()
            operation.prepared = self.random.random() < 0.6
            operations.append(operation)
        return operations

    # --- keys and values ---

    def _free(self, table: str, keys: list):
        """A key of the table that this round has not touched; users and orders share names."""
        while True:
            key = self.random.choice(keys)
            if (table, key) not in self._busy:
                self._busy.add((table, key))
                return key

    def _user(self) -> str:
        return self._free("users", self.names)

    def _order(self) -> str:
        return self._free("orders", self.names)

    def _number(self) -> int:
        return self.random.randrange(20)

    def _order_key(self) -> tuple[int, int]:
        number = self._number()
        return number // 5, number

    def _text(self) -> str:
        return self.random.choice(("it's", "naïve", "東京", "")) + str(self.random.getrandbits(40))

    def _user_values(self) -> dict:
        return {"address": self._text(), "phone": self.random.randrange(10_000_000)}

    def _order_values(self) -> dict:
        return {"total": Decimal(self.random.randrange(1_000_000)) / 100, "note": self._text(),
                "tags": set(self.random.sample("abcdefgh", 3)),
                "items": {self._text(): self._number() for _ in range(2)}}

    def _now_us(self) -> int:
        """Strictly increasing, as an application's own write times should be."""
        self._clock_us = max(self._clock_us + 1, time.time_ns() // 1000)
        return self._clock_us

    # --- users ---

    def _insert_user(self, name: str, number: int, values: dict):
        return ((f"INSERT INTO {_USERS} (name, userid, address, phone) VALUES (?, ?, ?, ?)",
                 [name, number, *values.values()]),
                lambda: self.model.insert("users", (name,), (number,), values))

    def user_insert(self) -> Operation:
        statement, effect = self._insert_user(self._user(), self._number(), self._user_values())
        return Operation([statement], [effect])

    def user_update(self) -> Operation:
        name, number, phone = self._user(), self._number(), self.random.randrange(1000)
        return Operation(
            [(f"UPDATE {_USERS} SET phone = ? WHERE name = ? AND userid = ?",
              [phone, name, number])],
            [lambda: self.model.update("users", (name,), (number,), {"phone": phone})])

    def user_ttl(self) -> Operation:
        name, number, values = self._user(), self._number(), self._user_values()
        ttl_s = self.random.choice(_LONG_TTL_S)
        if self.random.random() < 0.5:
            return Operation(
                [(f"INSERT INTO {_USERS} (name, userid, address, phone) VALUES (?, ?, ?, ?) "
                  "USING TTL ?", [name, number, *values.values(), ttl_s])],
                [lambda: self.model.insert("users", (name,), (number,), values, ttl_s)])
        address = {"address": values["address"]}
        return Operation(
            [(f"UPDATE {_USERS} USING TTL {ttl_s} SET address = ? WHERE name = ? AND userid = ?",
              [values["address"], name, number])],
            [lambda: self.model.update("users", (name,), (number,), address, ttl_s)])

    def user_delete(self) -> Operation:
        name, number = self._user(), self._number()
        return Operation([(f"DELETE FROM {_USERS} WHERE name = ? AND userid = ?", [name, number])],
                         [lambda: self.model.delete_row("users", (name,), (number,))])

    def user_cells_delete(self) -> Operation:
        name, number = self._user(), self._number()
        return Operation(
            [(f"DELETE address FROM {_USERS} WHERE name = ? AND userid = ?", [name, number])],
            [lambda: self.model.update("users", (name,), (number,), {"address": None})])

    def user_partition_delete(self) -> Operation:
        name = self._user()
        return Operation([(f"DELETE FROM {_USERS} WHERE name = ?", [name])],
                         [lambda: self.model.delete_partition("users", (name,))])

    # --- orders: collections, static cells, ranges ---

    def order_insert(self) -> Operation:
        name, key, values = self._order(), self._order_key(), self._order_values()
        return Operation(
            [(f"INSERT INTO {_ORDERS} (customer, day, number, total, note, tags, items) "
              "VALUES (?, ?, ?, ?, ?, ?, ?)", [name, *key, *values.values()])],
            [lambda: self.model.insert("orders", (name,), key, values)])

    def order_update(self) -> Operation:
        name, key, values = self._order(), self._order_key(), self._order_values()
        values = {"total": values["total"], "note": values["note"]}
        return Operation(
            [(f"UPDATE {_ORDERS} SET total = ?, note = ? WHERE customer = ? AND day = ? "
              "AND number = ?", [*values.values(), name, *key])],
            [lambda: self.model.update("orders", (name,), key, values)])

    def order_static(self) -> Operation:
        name, credit = self._order(), self.random.randrange(1 << 40)
        return Operation([(f"UPDATE {_ORDERS} SET credit = ? WHERE customer = ?", [credit, name])],
                         [lambda: self.model.set_static("orders", (name,), {"credit": credit})])

    def order_tags(self) -> Operation:
        name, key, tags = self._order(), self._order_key(), set(self.random.sample("abcdef", 2))
        where = "WHERE customer = ? AND day = ? AND number = ?"
        if self.random.random() < 0.6:
            return Operation([(f"UPDATE {_ORDERS} SET tags = tags + ? {where}",
                               [tags, name, *key])],
                             [lambda: self.model.add("orders", (name,), key, "tags", tags)])
        return Operation([(f"UPDATE {_ORDERS} SET tags = tags - ? {where}", [tags, name, *key])],
                         [lambda: self.model.discard("orders", (name,), key, "tags", tags)])

    def order_items(self) -> Operation:
        name, key, entry = self._order(), self._order_key(), self.random.choice("xyz")
        where = "WHERE customer = ? AND day = ? AND number = ?"
        if self.random.random() < 0.6:
            items = {entry: self._number()}
            return Operation([(f"UPDATE {_ORDERS} SET items = items + ? {where}",
                               [items, name, *key])],
                             [lambda: self.model.put("orders", (name,), key, "items", items)])
        return Operation([(f"DELETE items[?] FROM {_ORDERS} {where}", [entry, name, *key])],
                         [lambda: self.model.remove("orders", (name,), key, "items", entry)])

    def order_set_whole(self) -> Operation:
        name, key, tags = self._order(), self._order_key(), set(self.random.sample("mnopq", 2))
        return Operation(
            [(f"UPDATE {_ORDERS} SET tags = ? WHERE customer = ? AND day = ? AND number = ?",
              [tags, name, *key])],
            [lambda: self.model.update("orders", (name,), key, {"tags": tags})])

    def order_range_delete(self) -> Operation:
        name, day, above = self._order(), self.random.randrange(4), self._number()
        return Operation(
            [(f"DELETE FROM {_ORDERS} WHERE customer = ? AND day = ? AND number >= ?",
              [name, day, above])],
            [lambda: self.model.delete_rows(
                "orders", (name,), lambda key: key[0] == day and key[1] >= above)])

    # --- tables with times of their own ---

    def session_insert(self) -> Operation:
        token, data = uuid.UUID(int=self.random.getrandbits(128)), self.random.randbytes(64)
        username = self._text()
        return Operation(
            [(f"INSERT INTO {KEYSPACE}.sessions (id, username, data) VALUES (?, ?, ?)",
              [token, username, data])],
            [lambda: self.model.insert("sessions", (token,), (),
                                       {"username": username, "data": data}, 86_400)])

    def session_short(self) -> Operation:
        """Gone before anybody compares, also where it was delivered late."""
        token = uuid.UUID(int=self.random.getrandbits(128))
        return Operation(
            [(f"INSERT INTO {KEYSPACE}.sessions (id, username) VALUES (?, ?) USING TTL 2",
              [token, "short"])], [])

    def _reading_key(self) -> tuple:
        month, minute = 202205 + self.random.randrange(2), self._number() * 15
        key = (self._free("readings", self.sensors), month)
        return key, (datetime(2022, 5, 1) + timedelta(minutes=minute),)

    def reading_insert(self) -> Operation:
        key, at = self._reading_key()
        values = {"value": self.random.random(), "quality": self._number()}
        written = self._now_us()
        return Operation(
            [(f"INSERT INTO {_READINGS} (sensor, month, at, value, quality) VALUES (?, ?, ?, ?, ?) "
              "USING TIMESTAMP ?", [*key, *at, *values.values(), written])],
            [lambda: self.model.insert("readings", key, at, values, None, written)])

    def reading_delete(self) -> Operation:
        key, at = self._reading_key()
        return Operation(
            [(f"DELETE FROM {_READINGS} USING TIMESTAMP ? "
              "WHERE sensor = ? AND month = ? AND at = ?", [self._now_us(), *key, *at])],
            [lambda: self.model.delete_row("readings", key, at)])

    def event_insert(self) -> Operation:
        """Not retried: when no answer comes, the application does not know."""
        event, body = uuid.UUID(int=self.random.getrandbits(128)), self._text()
        return Operation(
            [(f"INSERT INTO {KEYSPACE}.events (id, body) VALUES (?, ?)", [event, body])],
            [lambda: self.model.insert("events", (event,), (), {"body": body})],
            retried=False, doubt=[lambda: self.model.doubt("events", (event,))])

    # --- batches ---

    def batch_logged(self) -> Operation:
        """Three tables, partitions all over the ring."""
        parts = [self.user_insert(), self.order_update(), self.user_delete(),
                 self.session_insert(), self.order_static()]
        return Operation([one for part in parts for one in part.statements],
                         [one for part in parts for one in part.effects], batch="LOGGED")

    def batch_unlogged(self) -> Operation:
        """Several rows of one partition."""
        name, numbers = self._user(), self.random.sample(range(20), 4)
        pairs = [self._insert_user(name, number, self._user_values()) for number in numbers]
        return Operation([statement for statement, _ in pairs], [effect for _, effect in pairs],
                         batch="UNLOGGED")
