"""Differences as a table of Arrow and a file of Parquet. Needs pyarrow: tests/cluster/test_spark.py
runs it in its environment."""

import tempfile
import unittest
from pathlib import Path

import pyarrow
import pyarrow.parquet
from dualwrite._differences import arrow_table

FOUND = [
    {"kind": "value", "keyspace": "k", "table": "t", "token": -5, "key": {"id": "7"},
     "columns": [{"column": "v", "kind": "value", "source": {"writetime_us": 1},
                  "target": {"writetime_us": 2, "expires_s": 3}}]},
    {"kind": "missing", "keyspace": "k", "table": "t", "token": 6, "key": {"id": "'a'"},
     "columns": [], "static": True, "repaired": False, "repair_failure": "newer",
     "would_write": [{"write": "insert", "columns": ["v"], "writetime_us": 4}]},
]


class ArrowTable(unittest.TestCase):
    def test_it_has_a_row_for_each_difference(self):
        table = arrow_table(FOUND)
        self.assertEqual(table.column("kind").to_pylist(), ["value", "missing"])
        self.assertEqual(table.column("key").to_pylist(), [[("id", "7")], [("id", "'a'")]])
        self.assertEqual(table.column("static").to_pylist(), [False, True])
        self.assertEqual(table.column("repaired").to_pylist(), [None, False])
        self.assertEqual(table.column("columns").to_pylist()[0], [
            {"column": "v", "kind": "value", "source_writetime_us": 1, "source_expires_s": None,
             "target_writetime_us": 2, "target_expires_s": 3}])
        self.assertEqual(table.column("would_write").to_pylist()[1], [
            {"write": "insert", "columns": ["v"], "writetime_us": 4, "expires_s": None}])

    def test_its_columns_are_the_same_whatever_was_found(self):
        self.assertEqual(arrow_table([]).schema, arrow_table(FOUND).schema)

    def test_parquet_keeps_all_of_it(self):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "differences.parquet"
            pyarrow.parquet.write_table(arrow_table(FOUND), file)
            self.assertEqual(pyarrow.parquet.read_table(file).to_pylist(),
                             arrow_table(FOUND).to_pylist())


if __name__ == "__main__":
    unittest.main()
