"""The command `bed`."""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from . import fetch
from .bed import Bed
from .errors import BedError
from .spec import VERSIONS, Node


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        return options.run(options) or 0
    except BedError as error:
        print(f"bed: {error}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"bed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bed: interrupted", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bed", description="Brings, starts and hurts real Apache Cassandra nodes.",
        epilog="Downloads are cached in $DUALWRITE_BED_CACHE, else ~/.cache/dualwrite-bed.")
    parser.add_argument(
        "--dir", metavar="DIR", default=os.environ.get("DUALWRITE_BED_DIR", ".cache/bed"),
        help="where nodes and their data are kept (default $DUALWRITE_BED_DIR, else .cache/bed)")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_up(commands)
    down = _add(commands, "down", _down, "stop a node, or all; data stays", named=False)
    down.add_argument("name", nargs="?", metavar="NAME")
    down.add_argument("--all", action="store_true")
    down.add_argument("--purge", action="store_true", help="remove the data too")
    _add(commands, "status", _status, "the nodes of this folder", named=False).add_argument(
        "--json", action="store_true")
    for name, text in (("kill9", "SIGKILL"), ("pause", "SIGSTOP"), ("resume", "SIGCONT")):
        _add(commands, name, _act, text).set_defaults(act=name)
    _add(commands, "restart", _restart, "stop if it runs, start on the same data, wait")
    _add(commands, "log", _log, "the end of a node's log")
    fetched = _add(commands, "fetch", _fetch, "only bring everything, and say what", named=False)
    fetched.add_argument("--version", action="append", choices=VERSIONS, dest="versions")
    _add(commands, "python", _python, "path of a Python with the driver", named=False)
    _add(commands, "cqlsh", _cqlsh, "path of cqlsh", named=False)
    _add(commands, "nodetool", _nodetool, "nodetool against a node").add_argument(
        "arguments", nargs=argparse.REMAINDER)
    _add(commands, "sstabledump", _sstabledump, "what a table has on disk, as JSON").add_argument(
        "table", metavar="KEYSPACE.TABLE")
    return parser


def _add(commands, name: str, run, text: str, named: bool = True):
    command = commands.add_parser(name, help=text, description=text)
    command.set_defaults(run=run)
    if named:
        command.add_argument("name", metavar="NAME")
    return command


def _add_up(commands) -> None:
    up = _add(commands, "up", _up, "start a node, or a ring with --nodes, and wait until it serves")
    up.add_argument("--version", default=VERSIONS[0], choices=VERSIONS)
    up.add_argument("--address", help="default: the first 127.0.N.1 that is free")
    up.add_argument("--port", type=int, default=9042, help="CQL port (default 9042)")
    up.add_argument("--auth", action="store_true", help="login cassandra/cassandra")
    up.add_argument("--tls", nargs="?", const=True, choices=["mutual"],
                    help="CQL over TLS; with 'mutual' clients need a certificate")
    up.add_argument("--heap", default="512M")
    up.add_argument("--jit", default="quick", choices=["quick", "full"])
    up.add_argument("--nodes", type=int, default=1, help="a ring NAME-1, NAME-2, ...")
    up.add_argument("--join", metavar="OTHER", help="bootstrap into the ring of a running node")
    up.add_argument("--config", action="append", default=[], metavar="KEY=JSON",
                    help="a further setting of cassandra.yaml")
    up.add_argument("--no-wait", action="store_true")


def _setting(text: str) -> tuple:
    key, equals, value = text.partition("=")
    if not equals:
        raise BedError(f"--config wants KEY=JSON, not {text!r}")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def _up(options) -> None:
    began = time.monotonic()
    bed = Bed(options.dir, detached=True)
    if options.nodes < 1 or (options.nodes > 1 and (options.address or options.join)):
        raise BedError("--nodes wants 1 or more, and goes with neither --address nor --join")
    one = options.nodes == 1
    names = [options.name] if one else [f"{options.name}-{i + 1}" for i in range(options.nodes)]
    specs = [
        Node(name, options.version, options.address, options.port, options.auth, options.tls,
             options.heap, jit=options.jit, config=dict(map(_setting, options.config)))
        for name in names
    ]
    nodes = bed.start_ring(specs, bed.node(options.join) if options.join else None)
    try:
        for node in nodes:
            if not options.no_wait:
                node.wait_ready()
    except BaseException:
        bed.close()
        raise
    for node in nodes:
        print(f"{node.name} {node.version} at {node.address}:{node.port} "
              f"{'started' if options.no_wait else 'up'} in {time.monotonic() - began:.1f} s")
        if node.spec.tls:
            print(f"CA: {node.authority().folder}/ca.pem")


def _down(options) -> None:
    if bool(options.name) == options.all:
        raise BedError("down wants the NAME of a node, or --all")
    bed = Bed(options.dir, detached=True)
    for node in bed.nodes() if options.all else [bed.node(options.name)]:
        was = node.state()
        node.stop()
        if options.purge:
            node.purge()
        print(f"{node.name}: {'was not running' if was == 'down' else 'stopped'}"
              f"{', data removed' if options.purge else ''}")


def _status(options) -> None:
    rows = []
    for node in Bed(options.dir, detached=True).nodes():
        running = node.running()
        rows.append({
            "name": node.name, "state": node.state(), "version": node.version,
            "address": node.address, "port": node.port, "pid": node.pid if running else None,
            "jmx_port": node.jmx_port, "auth": node.spec.auth, "tls": node.spec.tls or False,
            "cpu_seconds": round(node.cpu_seconds(), 1) if running else None,
            "memory_bytes": node.memory_bytes() if running else None,
        })
    if options.json:
        print(json.dumps(rows, indent=2))
        return
    for row in rows:
        extra = [word for word in ("auth", "tls") if row[word]]
        if row["pid"]:
            extra += [f"pid {row['pid']}", f"jmx {row['jmx_port']}", f"cpu {row['cpu_seconds']} s",
                      f"{row['memory_bytes'] // 1048576} MiB"]
        print(f"{row['name']:12} {row['state']:7} {row['version']:7} "
              f"{row['address']}:{row['port']:<6} {', '.join(extra)}")
    if not rows:
        print(f"no nodes in {Path(options.dir).absolute()}")


def _act(options) -> None:
    getattr(Bed(options.dir, detached=True).node(options.name), options.act)()


def _restart(options) -> None:
    began = time.monotonic()
    node = Bed(options.dir, detached=True).restart(options.name).wait_ready()
    print(f"{node.name} up in {time.monotonic() - began:.1f} s")


def _log(options) -> None:
    print(Bed(options.dir, detached=True).node(options.name).log_tail(100))


def _fetch(options) -> None:
    print(f"cache: {fetch.cache_dir()}")
    for version in options.versions or VERSIONS:
        runtime = fetch.runtime(version)
        size = sum(jar.stat().st_size for jar in runtime.jars) // 1048576
        print(f"Apache Cassandra {version}: {len(runtime.jars)} jars, {size} MiB, "
              f"runs on {runtime.java}")
    print(f"Python with {fetch.DRIVER} and {fetch.CQLSH}: {fetch.python()}")


def _python(_) -> None:
    print(fetch.python())


def _cqlsh(_) -> None:
    print(fetch.cqlsh())


def _nodetool(options) -> None:
    node = Bed(options.dir, detached=True).node(options.name)
    print(node.nodetool(*options.arguments), end="")


def _sstabledump(options) -> None:
    node = Bed(options.dir, detached=True).node(options.name)
    print(json.dumps(node.sstabledump(options.table), indent=2))
