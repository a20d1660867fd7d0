"""nodetool and sstabledump, out of the jars."""

import json
import subprocess

from . import fetch, server
from .errors import BedError

_LOGBACK = """<configuration>
  <appender name="ERR" class="ch.qos.logback.core.ConsoleAppender">
    <target>System.err</target><encoder><pattern>%-5level %msg%n</pattern></encoder>
  </appender>
  <root level="WARN"><appender-ref ref="ERR"/></root>
</configuration>
"""


def nodetool(node, arguments) -> str:
    where = ["-h", "127.0.0.1", "-p", str(node.jmx_port)]
    return _run(node, "org.apache.cassandra.tools.NodeTool", [*where, *arguments], "nodetool")


def sstabledump(node, table: str) -> list:
    keyspace, dot, name = table.partition(".")
    if not dot or not keyspace or not name:
        raise BedError(f"sstabledump wants keyspace.table, not {table!r}")
    if node.running():
        nodetool(node, ["flush", keyspace, name])
    folder = node.home / "data" / keyspace
    if not list(folder.glob(f"{name}-*")):
        raise BedError(f"{node.name} has no table {table}")
    partitions = []
    for data in sorted(folder.glob(f"{name}-*/*-Data.db")):
        text = _run(node, "org.apache.cassandra.tools.SSTableExport", [str(data)], "sstabledump")
        partitions += json.loads(text)
    return partitions


def _run(node, main_class: str, arguments: list, what: str) -> str:
    runtime = fetch.runtime(node.version)
    conf, tmp = node.home / "conf", node.home / "tmp"
    (conf / "logback-tools.xml").write_text(_LOGBACK)
    command = [
        str(runtime.java), *server.module_options(), *runtime.java_options,
        "-Xmx256M", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:-UsePerfData",
        f"-Dcassandra.config=file://{conf}/cassandra.yaml",
        f"-Dcassandra.storagedir={node.home}",
        f"-Dcassandra-rackdc.properties=file://{conf}/cassandra-rackdc.properties",
        f"-Dlogback.configurationFile={conf}/logback-tools.xml",
        f"-Duser.home={tmp}", f"-Djna.tmpdir={tmp}", f"-Djava.io.tmpdir={tmp}",
        "-cp", runtime.class_path, main_class, *arguments,
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=node.home)
    if done.returncode != 0:
        raise BedError(f"{what} failed (exit {done.returncode}):\n{done.stdout}{done.stderr}")
    return done.stdout
