"""What a table holds on disk: also what no SELECT shows, row markers and tombstones."""

# They follow from when a node got the write, or differ by up to a second where that is allowed;
# support_compare looks at expiry.
_NOT_COMPARED = {"position", "local_delete_time", "expires_at", "expired", "ttl"}


def on_disk(node, keyspace: str, table: str) -> dict[str, object]:
    """Partitions by their key, merged into one sstable first so that nothing shadowed is left."""
    node.nodetool("flush", keyspace, table)
    node.nodetool("compact", keyspace, table)
    return {str(one["partition"]["key"]): _stripped(one)
            for one in node.sstabledump(f"{keyspace}.{table}")}


def disk_differences(source, target, keyspace: str, table: str, limit: int = 10) -> list[str]:
    """Differences in write times of rows, cells and deletions between two nodes' own files."""
    left, right = on_disk(source, keyspace, table), on_disk(target, keyspace, table)
    if not left:
        return [f"{table}: nothing on disk"]
    found = [f"{table} {key} on disk:\n  {left.get(key)}\n  {right.get(key)}"
             for key in sorted(left.keys() | right.keys()) if left.get(key) != right.get(key)]
    return found[:limit]


def _stripped(value):
    if isinstance(value, dict):
        return {name: _stripped(one) for name, one in value.items() if name not in _NOT_COMPARED}
    if isinstance(value, list):
        return [_stripped(one) for one in value]
    return value
