"""What the tables must hold, kept apart from any server: the effects of acknowledged writes.

Written from CQL's documented meaning, not from our code, so that it can prove both sides wrong.
Keys are written by one application worker at a time, so the last acknowledged write wins.
"""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Cell:
    value: object
    ttl_s: int | None = None  # the time to live that it was written with
    writetime_us: int | None = None  # where the application chose it


@dataclass(slots=True)
class Row:
    marker: bool = False  # an INSERT made it: the row is there even when all its cells are null
    cells: dict = field(default_factory=dict)

    def visible(self) -> bool:
        return self.marker or any(filled(cell) for cell in self.cells.values())


@dataclass(slots=True)
class Partition:
    static: dict = field(default_factory=dict)
    rows: dict = field(default_factory=dict)


def filled(cell: Cell | None) -> bool:
    """Null and the empty collection are the same thing to Cassandra."""
    return cell is not None and cell.value is not None and cell.value not in (set(), {})


class Model:
    """Tables of partitions. Every method is the effect of one acknowledged write."""

    def __init__(self):
        self.tables: dict[str, dict[tuple, Partition]] = {}
        # Written once, never acknowledged: such a row may be there or not.
        self.doubtful: dict[str, set] = {}

    def partition(self, table: str, key: tuple) -> Partition:
        return self.tables.setdefault(table, {}).setdefault(key, Partition())

    def row(self, table: str, key: tuple, clustering: tuple) -> Row:
        return self.partition(table, key).rows.setdefault(clustering, Row())

    def insert(self, table, key, clustering, values: dict, ttl_s=None, writetime_us=None) -> None:
        row = self.row(table, key, clustering)
        row.marker = True
        self._set(row.cells, values, ttl_s, writetime_us)

    def update(self, table, key, clustering, values: dict, ttl_s=None, writetime_us=None) -> None:
        self._set(self.row(table, key, clustering).cells, values, ttl_s, writetime_us)

    def set_static(self, table, key, values: dict) -> None:
        self._set(self.partition(table, key).static, values, None, None)

    def add(self, table, key, clustering, column: str, elements: set) -> None:
        cell = self._collection(table, key, clustering, column, set())
        cell.value = cell.value | elements

    def discard(self, table, key, clustering, column: str, elements: set) -> None:
        cell = self._collection(table, key, clustering, column, set())
        cell.value = cell.value - elements

    def put(self, table, key, clustering, column: str, entries: dict) -> None:
        cell = self._collection(table, key, clustering, column, {})
        cell.value = cell.value | entries

    def remove(self, table, key, clustering, column: str, entry) -> None:
        cell = self._collection(table, key, clustering, column, {})
        cell.value = {name: value for name, value in cell.value.items() if name != entry}

    def delete_row(self, table, key, clustering) -> None:
        self.partition(table, key).rows.pop(clustering, None)

    def delete_rows(self, table, key, covered) -> None:
        """Those whose clustering key `covered` accepts."""
        rows = self.partition(table, key).rows
        for clustering in [one for one in rows if covered(one)]:
            del rows[clustering]

    def delete_partition(self, table, key) -> None:
        self.tables.setdefault(table, {}).pop(key, None)

    def doubt(self, table, key) -> None:
        self.doubtful.setdefault(table, set()).add(key)

    def merge(self, other: "Model") -> None:
        """Takes over the partitions of another worker, which are none of ours."""
        for table, partitions in other.tables.items():
            mine = self.tables.setdefault(table, {})
            assert mine.keys().isdisjoint(partitions.keys()), f"{table} has two writers of a key"
            mine.update(partitions)
        for table, keys in other.doubtful.items():
            self.doubtful.setdefault(table, set()).update(keys)

    # --- what a SELECT must show ---

    def expected(self, table: str, clustering_columns: int) -> dict[tuple, dict[str, Cell]]:
        """Rows by their full primary key; nulls for the clustering key where a partition has
        nothing but static cells."""
        found = {}
        for key, partition in self.tables.get(table, {}).items():
            static = {name: cell for name, cell in partition.static.items() if filled(cell)}
            visible = {clustering: row for clustering, row in partition.rows.items()
                       if row.visible()}
            for clustering, row in visible.items():
                cells = {name: cell for name, cell in row.cells.items() if filled(cell)}
                found[key + clustering] = cells | static
            if static and not visible:
                found[key + (None,) * clustering_columns] = static
        return found

    def problems(self, table, snapshot, side: str, limit: int = 20) -> list[str]:
        """How a snapshot (support_compare.Snapshot) differs from what must be there."""
        expected = self.expected(table, len(snapshot.clustering))
        doubtful = self.doubtful.get(table, set())
        found = []
        for key in expected.keys() | snapshot.rows.keys():
            row = snapshot.rows.get(key)
            if key not in expected:
                if key not in doubtful:
                    found.append(f"{side}: {table} {key} is there, but nobody wrote it")
            elif row is None:
                found.append(f"{side}: {table} {key} is missing, though acknowledged")
            else:
                found += [f"{side}: {table} {key} {problem}"
                          for problem in _cell_problems(expected[key], row)]
            if len(found) >= limit:
                return [*found, f"{side}: {table}: and perhaps more"]
        return found

    @staticmethod
    def _set(cells: dict, values: dict, ttl_s, writetime_us) -> None:
        for column, value in values.items():
            cells[column] = Cell(value, ttl_s, writetime_us)

    def _collection(self, table, key, clustering, column, empty) -> Cell:
        cells = self.row(table, key, clustering).cells
        if not filled(cells.get(column)):
            cells[column] = Cell(empty)
        cells[column].writetime_us = None  # its elements have different ones from now on
        return cells[column]


def _cell_problems(expected: dict[str, Cell], row: dict) -> list[str]:
    """`row`: column -> support_compare.Seen; null cells are not in it."""
    found = []
    for column in expected.keys() | row.keys():
        wanted, seen = expected.get(column), row.get(column)
        if wanted is None:
            found.append(f"{column} is {seen.value!r}, should be null")
        elif seen is None:
            found.append(f"{column} is null, should be {wanted.value!r}")
        elif seen.value != wanted.value:
            found.append(f"{column} is {seen.value!r}, should be {wanted.value!r}")
        elif wanted.writetime_us and not _written_at(wanted.writetime_us, seen.writetime_us):
            found.append(f"{column} was written at {seen.writetime_us}, "
                         f"not at {wanted.writetime_us}")
        elif not isinstance(wanted.value, (set, dict)):
            found += _ttl_problems(column, wanted.ttl_s, seen)
    return found


def _written_at(wanted_us: int, seen) -> bool:
    return set(seen) == {wanted_us} if isinstance(seen, list) else seen == wanted_us


def _ttl_problems(column: str, ttl_s: int | None, seen) -> list[str]:
    left = seen.ttl_s
    if ttl_s is None and left is not None:
        return [f"{column} expires in {left} s, should stay"]
    if ttl_s is not None and (left is None or left > ttl_s):
        return [f"{column} expires in {left} s, was written with a TTL of {ttl_s} s"]
    return []
