"""What one Cassandra server is told: cassandra.yaml, logback.xml and the java command line.

The jars carry no conf folder, so everything is written here. JSON is YAML, so cassandra.yaml is
plain JSON. Names of settings: org.apache.cassandra.config.Config of each version; 4.0 knows only
the names with units (`..._in_ms`), 4.1 and later also read `"10s"`.
"""

import json
from pathlib import Path

from .spec import Node

_LOGBACK = """<configuration>
  <shutdownHook class="ch.qos.logback.core.hook.DefaultShutdownHook"/>
  <appender name="FILE" class="ch.qos.logback.core.FileAppender">
    <file>{log}</file>
    <encoder><pattern>%-5level [%thread] %date{{ISO8601}} %F:%L - %msg%n</pattern></encoder>
  </appender>
  <root level="INFO"><appender-ref ref="FILE"/></root>
  <logger name="com.thinkaurelius.thrift" level="ERROR"/>
</configuration>
"""

# Cassandra's own conf/jvm11-server.options and conf/jvm17-server.options.
_EXPORTS = (
    "java.base/jdk.internal.misc java.base/jdk.internal.ref java.base/sun.nio.ch "
    "java.base/java.lang.ref java.base/java.lang.reflect java.base/jdk.internal.util.jar "
    "java.management.rmi/com.sun.jmx.remote.internal.rmi java.rmi/sun.rmi.registry "
    "java.rmi/sun.rmi.server java.sql/java.sql jdk.attach/sun.tools.attach "
    "jdk.unsupported/sun.misc"
).split()
_OPENS = (
    "java.base/java.io java.base/java.lang java.base/java.lang.module java.base/java.lang.reflect "
    "java.base/java.net java.base/java.nio java.base/java.nio.charset "
    "java.base/java.nio.file.spi java.base/java.util "
    "java.base/java.util.concurrent java.base/java.util.concurrent.atomic "
    "java.base/java.util.concurrent.locks java.base/jdk.internal.loader "
    "java.base/jdk.internal.math java.base/jdk.internal.misc java.base/jdk.internal.module "
    "java.base/jdk.internal.ref java.base/jdk.internal.reflect java.base/jdk.internal.util.jar "
    "java.base/jdk.internal.vm java.base/sun.nio.ch java.rmi/sun.rmi.transport.tcp "
    "jdk.management/com.sun.management.internal"
).split()


def cassandra_yaml(node: Node, home: Path, seeds: list[str], tls_files: dict | None) -> str:
    """cassandra.yaml for `node` with its data under `home`. tls_files: see tls.server_files()."""
    old = node.version.startswith("4.0")
    config = {
        "cluster_name": node.cluster_name or node.name,
        "num_tokens": node.num_tokens,
        "partitioner": "org.apache.cassandra.dht.Murmur3Partitioner",
        "data_file_directories": [str(home / "data")],
        "commitlog_directory": str(home / "commitlog"),
        "saved_caches_directory": str(home / "saved_caches"),
        "hints_directory": str(home / "hints"),
        "cdc_raw_directory": str(home / "cdc_raw"),
        "endpoint_snitch": "GossipingPropertyFileSnitch",
        "seed_provider": [
            {
                "class_name": "org.apache.cassandra.locator.SimpleSeedProvider",
                "parameters": [{"seeds": ",".join(seeds)}],
            }
        ],
        "listen_address": node.address,
        "rpc_address": node.address,
        "start_native_transport": True,
        "native_transport_port": node.port,
        "disk_failure_policy": "die",
        "commit_failure_policy": "die",
        "auto_snapshot": False,
        **_commitlog(node, old),
        **_limits(old),
        **_features(old),
    }
    if node.auth:
        config |= {
            "authenticator": "PasswordAuthenticator",
            "authorizer": "CassandraAuthorizer",
            "role_manager": "CassandraRoleManager",
        }
    if tls_files:
        config["client_encryption_options"] = _client_encryption(node, tls_files)
    return json.dumps(config | node.config, indent=2) + "\n"


def _commitlog(node: Node, old: bool) -> dict:
    if node.commitlog_sync != "periodic":
        return {"commitlog_sync": node.commitlog_sync}
    period = {"commitlog_sync_period_in_ms": 10000} if old else {"commitlog_sync_period": "10s"}
    return {"commitlog_sync": "periodic"} | period


def _limits(old: bool) -> dict:
    """Room for tests on a small loaded machine: long timeouts, big batches, little disk."""
    seconds = {
        "read_request_timeout": 10,
        "range_request_timeout": 30,
        "write_request_timeout": 10,
        "counter_write_request_timeout": 10,
        "cas_contention_timeout": 10,
        "truncate_request_timeout": 60,
        "request_timeout": 30,
    }
    if old:
        return {f"{name}_in_ms": value * 1000 for name, value in seconds.items()} | {
            "batch_size_warn_threshold_in_kb": 64,
            "batch_size_fail_threshold_in_kb": 1024,
            "commitlog_total_space_in_mb": 512,
        }
    return {name: f"{value}s" for name, value in seconds.items()} | {
        "batch_size_warn_threshold": "64KiB",
        "batch_size_fail_threshold": "1024KiB",
        "commitlog_total_space": "512MiB",
    }


def _features(old: bool) -> dict:
    if old:
        return {"enable_user_defined_functions": True, "enable_materialized_views": True}
    return {"user_defined_functions_enabled": True, "materialized_views_enabled": True}


def _client_encryption(node: Node, files: dict) -> dict:
    return {
        "enabled": True,
        "optional": False,
        "keystore": str(files["keystore"]),
        "keystore_password": files["password"],
        "truststore": str(files["truststore"]),
        "truststore_password": files["password"],
        "store_type": "PKCS12",
        "require_client_auth": node.tls == "mutual",
    }


def write_conf(node: Node, home: Path, seeds: list[str], tls_files: dict | None) -> None:
    """Writes the files that the java command line of the same node points to."""
    conf = home / "conf"
    conf.mkdir(parents=True, exist_ok=True)
    (conf / "cassandra.yaml").write_text(cassandra_yaml(node, home, seeds, tls_files))
    (conf / "logback.xml").write_text(_LOGBACK.format(log=home / "system.log"))
    (conf / "cassandra-rackdc.properties").write_text(f"dc={node.dc}\nrack={node.rack}\n")


def module_options() -> list[str]:
    """The doors into the JDK that Cassandra needs on Java 11 and 17."""
    return [f"--add-exports={name}=ALL-UNNAMED" for name in _EXPORTS] + [
        f"--add-opens={name}=ALL-UNNAMED" for name in _OPENS
    ]


def java_command(node: Node, home: Path, runtime, jmx_port: int, ring_size: int) -> list[str]:
    """The whole command line. `runtime` is a fetch.Runtime of the node's version."""
    conf = home / "conf"
    properties = {
        "cassandra.config": f"file://{conf}/cassandra.yaml",
        "cassandra-rackdc.properties": f"file://{conf}/cassandra-rackdc.properties",
        "logback.configurationFile": f"{conf}/logback.xml",
        "cassandra.storagedir": home,
        "cassandra.jmx.local.port": jmx_port,
        "cassandra-foreground": "yes",
        "cassandra.skip_wait_for_gossip_to_settle": 0,
        "cassandra.ring_delay_ms": 2000,
        "cassandra.superuser_setup_delay_ms": 500,
        "cassandra.shutdown_announce_in_ms": 200,
        "cassandra.system_auth.default_rf": min(ring_size, 3),
        "jdk.attach.allowAttachSelf": "true",
        "java.io.tmpdir": home / "tmp",
        "jna.tmpdir": home / "tmp",
    }
    return [
        str(runtime.java),
        *module_options(),
        *runtime.java_options,
        *_vm_options(node),
        *(f"-D{name}={value}" for name, value in properties.items()),
        *node.java_options,
        f"-javaagent:{runtime.jamm}",
        "-cp",
        runtime.class_path,
        "org.apache.cassandra.service.CassandraDaemon",
    ]


def _vm_options(node: Node) -> list[str]:
    quick = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
    return [
        f"-Xms{node.heap}",
        f"-Xmx{node.heap}",
        "-Xss512k",
        "-XX:MaxDirectMemorySize=256M",
        *(quick if node.jit == "quick" else ["-XX:+UseG1GC"]),
        "-XX:-UsePerfData",
        "-XX:+ExitOnOutOfMemoryError",
        "-ea",
    ]
