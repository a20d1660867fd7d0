#include <dualwrite/engine/config.hpp>

#include <array>
#include <limits>

namespace dualwrite::engine {

namespace {

constexpr std::uint32_t proxy = 1;
constexpr std::uint32_t copy = 2;
constexpr std::uint32_t validate = 4;
constexpr std::uint32_t jobs = copy | validate;
constexpr std::uint32_t replay = 8;
constexpr std::uint32_t retry = 16;
constexpr std::uint32_t check = 32;
constexpr std::uint32_t runs = 64;
constexpr std::uint32_t scope = jobs | check;
constexpr std::uint32_t deliver = replay | retry;
constexpr std::uint32_t all = proxy | jobs | deliver | check;

using enum config_type;
using namespace key_flag;

constexpr std::uint64_t port_max = 65535;
constexpr std::uint64_t u32_max = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint64_t i64_max = std::numeric_limits<std::int64_t>::max();
constexpr std::uint64_t day_ms = 86'400'000;

constexpr auto clusters = "Clusters";
constexpr auto tls = "TLS towards the clusters";
constexpr auto listening = "Listening for clients";
constexpr auto writes = "Writes to the target";
constexpr auto clients = "What clients see";
constexpr auto data = "Data";
constexpr auto pace = "Pace";
constexpr auto comparing = "Comparing";
constexpr auto files = "Files";
constexpr auto watching = "Watching";

constexpr auto read_levels = "ONE|TWO|THREE|QUORUM|ALL|LOCAL_QUORUM|EACH_QUORUM|LOCAL_ONE";
constexpr auto write_levels = "ANY|ONE|TWO|THREE|QUORUM|ALL|LOCAL_QUORUM|EACH_QUORUM|LOCAL_ONE";

// clang-format off
constexpr auto keys = std::to_array<config_key>({
    {"source", "", text, "HOST[:PORT],...", "", all, positional | required | documented, 0, 0,
     clusters,
     "The cluster to migrate from: a node's name or address."},
    {"target", "", text, "HOST[:PORT],...", "", all, positional | required | documented, 0, 0,
     clusters,
     "The cluster to migrate to. Of several nodes the next is tried where one does not answer."},
    {"source-port", "", number, "PORT", "9042", all, documented, 1, port_max, clusters,
     "Port of the source."},
    {"target-port", "", number, "PORT", "9042", all, documented, 1, port_max, clusters,
     "Port of the target. Azure Managed Instance and Cosmos DB: see their connection string."},
    {"source-username", "", text, "NAME", "", all, 0, 0, 0, clusters,
     "User for dualwrite's own connections to the source. Clients use their own."},
    {"source-password", "", text, "TEXT", "", all, secret, 0, 0, clusters,
     "Its password. Better in a file or in DUALWRITE_SOURCE_PASSWORD than on the command line."},
    {"source-password-file", "", text, "FILE", "", all, 0, 0, 0, clusters,
     "A file whose one line is that password."},
    {"target-username", "", text, "NAME", "", all, documented, 0, 0, clusters,
     "User at the target, if it is not the client's own."},
    {"target-password", "", text, "TEXT", "", all, secret | documented, 0, 0, clusters,
     "Its password. Better in a file or in DUALWRITE_TARGET_PASSWORD than on the command line."},
    {"target-password-file", "", text, "FILE", "", all, 0, 0, 0, clusters,
     "A file whose one line is that password."},
    {"source-identifier", "", text, "TEXT", "source node", proxy, documented, 0, 0, clusters,
     "Name of the source in logs, in the status and in the metrics."},
    {"target-identifier", "", text, "TEXT", "target node", proxy, documented, 0, 0, clusters,
     "Name of the target in logs, in the status and in the metrics."},

    {"disable-source-tls", "", boolean, "true|false", "false", all, documented, 0, 0, tls,
     "Speak plain text with the source."},
    {"disable-target-tls", "", boolean, "true|false", "false", all, documented, 0, 0, tls,
     "Speak plain text with the target."},
    {"source-tls-ca", "", text, "FILE", "", all, 0, 0, 0, tls,
     "Authorities that sign the source's certificate, PEM. Default: those of the system."},
    {"target-tls-ca", "", text, "FILE", "", all, 0, 0, 0, tls,
     "Authorities that sign the target's certificate, PEM. Default: those of the system."},
    {"source-tls-verify", "", choice, "full|ca|none", "full", all, 0, 0, 0, tls,
     "What must be right in the source's certificate: chain and name, chain, or nothing."},
    {"target-tls-verify", "", choice, "full|ca|none", "full", all, 0, 0, 0, tls,
     "What must be right in the target's certificate: chain and name, chain, or nothing."},
    {"source-tls-name", "", text, "NAME", "", all, 0, 0, 0, tls,
     "Name that the source's certificate must have. Default: the host."},
    {"target-tls-name", "", text, "NAME", "", all, 0, 0, 0, tls,
     "Name that the target's certificate must have. Default: the host."},
    {"source-tls-cert", "", text, "FILE", "", all, 0, 0, 0, tls,
     "Certificate that dualwrite shows to the source: PEM, or a key store with its key."},
    {"source-tls-key", "", text, "FILE", "", all, 0, 0, 0, tls,
     "Private key of that certificate, PEM. Default: in its file."},
    {"source-tls-key-password", "", text, "TEXT", "", all, secret, 0, 0, tls,
     "Password of that key or key store. Better in DUALWRITE_SOURCE_TLS_KEY_PASSWORD."},
    {"source-tls-key-password-file", "", text, "FILE", "", all, 0, 0, 0, tls,
     "A file whose one line is that password."},
    {"target-tls-cert", "", text, "FILE", "", all, 0, 0, 0, tls,
     "Certificate that dualwrite shows to the target: PEM, or a key store with its key."},
    {"target-tls-key", "", text, "FILE", "", all, 0, 0, 0, tls,
     "Private key of that certificate, PEM. Default: in its file."},
    {"target-tls-key-password", "", text, "TEXT", "", all, secret, 0, 0, tls,
     "Password of that key or key store. Better in DUALWRITE_TARGET_TLS_KEY_PASSWORD."},
    {"target-tls-key-password-file", "", text, "FILE", "", all, 0, 0, 0, tls,
     "A file whose one line is that password."},

    {"proxy-host", "", text, "ADDRESS", "0.0.0.0", proxy, 0, 0, 0, listening,
     "Address to listen on."},
    {"proxy-port", "p", number, "PORT", "29042", proxy, documented, 0, port_max, listening,
     "Port to listen on; 0: a free one."},
    {"proxy-pem-keyfile", "", text, "FILE", "", proxy, documented, 0, 0, listening,
     "Private key, PEM. With it and the certificate, clients must speak TLS."},
    {"proxy-pem-certfile", "", text, "FILE", "", proxy, documented, 0, 0, listening,
     "Certificate and its chain, PEM."},
    {"proxy-pem-password", "", text, "TEXT", "", proxy, secret, 0, 0, listening,
     "Password of the key, if it is encrypted. Better in DUALWRITE_PROXY_PEM_PASSWORD."},
    {"proxy-pem-password-file", "", text, "FILE", "", proxy, 0, 0, 0, listening,
     "A file whose one line is that password."},
    {"proxy-jks-file", "", text, "FILE", "", proxy, documented, 0, 0, listening,
     "Key store with key and certificate, PKCS#12 or JKS. With it, clients must speak TLS."},
    {"proxy-jks-password", "", text, "TEXT", "changeit", proxy, secret | documented, 0, 0,
     listening, "Its password. Better in DUALWRITE_PROXY_JKS_PASSWORD."},
    {"proxy-jks-password-file", "", text, "FILE", "", proxy, 0, 0, 0, listening,
     "A file whose one line is that password."},
    {"proxy-tls-client-ca", "", text, "FILE", "", proxy, 0, 0, 0, listening,
     "Clients must show a certificate that one of these authorities has signed, PEM."},
    {"threads", "t", number, "N", "1", proxy, documented, 1, 256, listening,
     "Threads that serve clients; they share the port."},
    {"request-size-max", "", size, "SIZE", "256MiB", proxy, 0, 1024, u32_max, listening,
     "A request with a larger body closes its connection."},
    {"memory-max", "", size, "SIZE", "1GiB", proxy, 0, 1u << 20, i64_max, listening,
     "Memory of all buffers together; when it is short, slow clients are read no further and large "
     "requests wait."},
    {"clients-max", "", number, "N", "0", proxy, 0, 0, u32_max, listening,
     "Connections of clients at a time; 0: as many as the limit of open files allows."},
    {"clients-per-address-max", "", number, "N", "0", proxy, 0, 0, u32_max, listening,
     "Connections of clients from one address; 0: no limit."},
    {"login-limit", "", duration, "TIME", "30s", proxy, 0, 0, day_ms, listening,
     "A client that is not logged in by then, TLS handshake included, is sent away; 0s: never."},
    {"lost-peer-limit", "", duration, "TIME", "2min", proxy, 0, 3000, day_ms, listening,
     "A client or node whose machine or network is gone without a word is given up by then."},
    {"tcp-idle-time-out", "", number, "SECONDS", "0", proxy, documented, 0, u32_max, listening,
     "Close a client's connection, and its own to the source, after so long a silence; 0: never."},
    {"write-buffer-size", "", number, "BYTES", "65536", proxy, documented, 1, u32_max, listening,
     "Bytes that may wait for a slow client before the source's answers are read no further."},

    {"wait", "W", boolean, "true|false", "true", proxy, documented, 0, 0, writes,
     "Answer a write when the target has it too. Either way no acknowledged write is lost."},
    {"wait-limit", "", duration, "TIME", "2s", proxy, 0, 0, day_ms, writes,
     "With --wait true: answer after this time although the target has not."},
    {"durability", "", choice, "process|fsync", "process", proxy | replay, 0, 0, 0, writes,
     "What an acknowledged write survives: kill -9 of the proxy, or loss of power as well."},
    {"spool-size-max", "", size, "SIZE", "16GiB", proxy, 0, 1u << 20, i64_max, writes,
     "Writes that wait for the target take at most so much disk; then clients get OVERLOADED."},
    {"spool-full", "", choice, "slow|refuse|degrade", "slow", proxy, 0, 0, 0, writes,
     "When the spool nears its limit: slow clients down from 80 % on and then refuse writes with "
     "OVERLOADED; only refuse; or record only which rows are written and read them later."},
    {"ddl", "", choice, "mirror|source-only|refuse", "mirror", proxy, 0, 0, 0, writes,
     "DDL and TRUNCATE: at the target too, in their place among the writes; at the source only, "
     "kept as dead letters; or refused."},
    {"target-discovery", "", boolean, "true|false", "true", proxy | deliver, 0, 0, 0, writes,
     "Find the other nodes of the target's datacenter and write to all of them."},
    {"target-connections", "", number, "N", "2", proxy | deliver, 0, 1, 1024, writes,
     "Connections to each node of the target, per thread."},
    {"drain-limit", "", duration, "TIME", "30s", proxy, 0, 0, day_ms, writes,
     "On SIGTERM or Ctrl-C: deliver what waits, for at most this time. The rest stays on disk."},
    {"dest-close", "", boolean, "true|false", "false", proxy, documented, 0, 0, writes,
     "Close a client's connection at its next request when the target was lost meanwhile."},
    {"filter-tables", "", text, "REGEX", "", proxy, documented, 0, 0, writes,
     "Statements that match as a whole go to the source only."},
    {"uuid", "", boolean, "true|false", "false", proxy, documented, 0, 0, writes,
     "No effect: the proxy always evaluates uuid() and now(), once for both sides."},

    {"protocol-version", "", number, "N", "", proxy, list | documented, 3, 5, clients,
     "Versions of the protocol that clients may use; may be given several times."},
    {"cql-version", "", text, "VERSION", "", proxy, list | documented, 0, 0, clients,
     "CQL versions that clients are told."},
    {"compression", "", choice, "lz4|snappy", "", proxy, list | documented, 0, 0, clients,
     "Compressions that clients are told."},
    {"compression-enabled", "", boolean, "true|false", "true", proxy, documented, 0, 0, clients,
     "Offer compression to clients."},
    {"peers", "", choice, "source|proxied|self", "proxied", proxy, 0, 0, 0, clients,
     "Nodes that drivers learn: as the source tells them; with the proxy's port, for one proxy on "
     "each node; or only proxies: this one and those in --ghostIps."},
    {"ghostIps", "", text, "JSON", "", proxy, documented, 0, 0, clients,
     "Addresses of the source's nodes and those of their proxies, which clients see instead, such "
     "as {\"10.0.0.1\":\"10.1.0.1\"}."},

    {"keyspace", "", text, "NAME", "", scope, required, 0, 0, data, "The keyspace."},
    {"table", "", text, "NAME", "", scope, list, 0, 0, data,
     "A table; may be given several times. Default: all of the keyspace."},
    {"tables-include", "", text, "KEYSPACE.TABLE", "", all, list, 0, 0, data,
     "Only these tables; * stands for any characters: shop.*, *.orders. May be given several "
     "times."},
    {"tables-exclude", "", text, "KEYSPACE.TABLE", "", all, list, 0, 0, data,
     "Not these tables. At the proxy, statements about tables that are left out go to the source "
     "only."},
    {"tables-source-times", "", text, "KEYSPACE.TABLE", "", proxy, list, 0, 0, data,
     "Writes to these tables get their times from the source and nothing is added to them; their "
     "rows are read at the source afterwards. Patterns as above."},
    {"read-consistency", "", choice, read_levels, "LOCAL_QUORUM", jobs, 0, 0, 0, data,
     "Consistency level of reads."},
    {"write-consistency", "", choice, write_levels, "LOCAL_QUORUM", copy, 0, 0, 0, data,
     "Consistency level of writes."},
    {"missing-columns", "", choice, "refuse|leave-out", "refuse", jobs, 0, 0, 0, data,
     "Columns that the target lacks: refuse the table, or pass them over; a note of the report "
     "names them."},
    {"row-markers", "", choice, "with-oldest-cells|rows-without-cells", "with-oldest-cells", copy,
     0, 0, 0, data,
     "Row markers cannot be read at the source: write one with the oldest cells of each row, or "
     "only for rows that have no cells."},
    {"counters", "", choice, "refuse|converge", "refuse", copy, 0, 0, 0, data,
     "Counter tables: refuse, or add the difference. The latter is right only while nothing else "
     "writes these counters."},
    {"cell-times", "", choice, "verify|trust", "verify", copy, 0, 0, 0, data,
     "Azure Cosmos DB keeps one write time for a whole row, except in tables made with its three "
     "flags cosmosdb_cell_level_...: refuse tables that do not show them, or trust that they have "
     "them."},
    {"unknown-writetime", "", number, "MICROSECONDS", "0", copy, 0, 0, i64_max, data,
     "Write time of collections of a source before Cassandra 5.0, which cannot tell it; 0: refuse "
     "tables that have some."},

    {"token-range", "", text, "START..END", "", jobs, list, 0, 0, data,
     "Only this part of the ring, START excluded, END included; may be given several times. The "
     "report then lists the ranges that are done."},
    {"plan", "", boolean, "true|false", "false", jobs, 0, 0, 0, data,
     "Only say, in the report, which ranges of which tables there are to work on."},
    {"began", "", number, "MICROSECONDS", "0", copy, 0, 0, i64_max, data,
     "When the run began of which this is a part, as its plan says; 0: when the ledger was made. "
     "Of what was deleted since, nothing comes back."},

    {"writetime", "", text, "TIME", "", copy, 0, 0, 0, data,
     "One write time for all cells instead of each its own, as 2026-11-26T08:30:00Z or in "
     "microseconds: a time before the proxy's first write. Elements of lists keep their own."},

    {"ranges", "", number, "N", "0", jobs, 0, 0, 1'000'000, pace,
     "Parts that a table is worked on in; 0: by its size."},
    {"concurrency", "", number, "N", "0", jobs, 0, 0, 4096, pace,
     "Requests in flight per side; 0: a default."},
    {"page-size", "", number, "ROWS", "1000", jobs, 0, 1, 100'000, pace, "Rows per read."},
    {"rate", "", number, "ROWS", "0", copy, 0, 0, i64_max, pace,
     "Rows per second at most; 0: no limit."},
    {"rate-bytes", "", size, "SIZE", "0", copy, 0, 0, i64_max, pace,
     "Bytes per second at most that are read at the source; 0: no limit."},
    {"rate-units", "", number, "UNITS", "0", copy, 0, 0, i64_max, pace,
     "Request units per second at most, where the target says what requests cost, as Azure Cosmos "
     "DB does; 0: no limit."},
    {"retry-limit", "", duration, "TIME", "2min", copy, 0, 0, day_ms, pace,
     "A request that fails is tried again for so long."},

    {"recheck-delay", "", duration, "TIME", "2s", validate, 0, 0, day_ms, comparing,
     "Look at a difference again after this time: it may be a write on its way."},
    {"recheck-limit", "", number, "N", "5", validate, 0, 0, 1000, comparing,
     "How often a difference is looked at again before it counts."},
    {"ttl-tolerance", "", duration, "TIME", "1s", validate, 0, 0, day_ms, comparing,
     "Expiry times may differ by so much; whole seconds."},
    {"writetimes", "", choice, "compare|ignore", "compare", validate, 0, 0, 0, comparing,
     "Whether a cell with another write time is a difference; ignore after a copy with "
     "--writetime."},
    {"differences-max", "", number, "N", "1000", validate, 0, 0, i64_max, comparing,
     "Differences that the report describes; all are counted."},
    {"report", "", text, "FILE", "", validate, 0, 0, 0, comparing,
     "The report, JSON lines. Default: in the state directory."},
    {"repair", "", boolean, "true|false", "false", validate, 0, 0, 0, comparing,
     "Make rows that differ at the target what they are at the source, with its write times."},
    {"dry-run", "", boolean, "true|false", "false", validate, 0, 0, 0, comparing,
     "With --repair: write nothing; the report has, for each difference, what would be written."},
    {"sample", "", text, "PERCENT", "", validate, 0, 0, 0, comparing,
     "Compare a random part of each table, such as 1%: whole partitions, from all of the ring."},
    {"sample-seed", "", number, "N", "1", validate, 0, 0, i64_max, comparing,
     "Another number is another sample; the same number the same one."},
    {"where", "", text, "CONDITION", "", validate, 0, 0, 0, comparing,
     "Compare the partitions of one table that this finds at either side: CQL about the partition "
     "key, such as \"id IN (7, 8)\"."},

    {"probe", "", boolean, "true|false", "true", check, 0, 0, 0, data,
     "Try the target: are old write times kept, per cell, and the like. In a table and a keyspace "
     "that are made for it and dropped again."},
    {"probe-keyspace", "", text, "NAME", "", check, 0, 0, 0, data,
     "A keyspace at the target to make that table in. Default: one of its own, named "
     "dualwrite_probe_ and a number."},

    {"config", "", text, "FILE", "", all | runs, 0, 0, 0, files,
     "A YAML file with the same names: `source-port: 9042`. The environment and flags win."},
    {"state-dir", "", text, "DIR", "", all | runs, 0, 0, 0, files,
     "Where the spool or the ledger lies. Default: $STATE_DIRECTORY, else a folder of its own "
     "under $XDG_STATE_HOME/dualwrite or ~/.local/state/dualwrite."},
    {"take-over", "", boolean, "true|false", "false", proxy, 0, 0, 0, files,
     "If a proxy runs on the state directory, take its place: its ports, without a refused "
     "connection, and what it has not delivered."},
    {"restart", "", boolean, "true|false", "false", copy, 0, 0, 0, files,
     "Forget what an earlier run has done."},

    {"metrics", "", boolean, "true|false", "true", proxy, documented, 0, 0, watching,
     "Serve Prometheus metrics and the status."},
    {"metrics-host", "", text, "ADDRESS", "127.0.0.1", proxy, 0, 0, 0, watching,
     "Address to serve them on."},
    {"metrics-port", "mp", number, "PORT", "28000", proxy, documented, 0, port_max, watching,
     "Port to serve them on; 0: a free one."},
    {"only-message", "", boolean, "true|false", "true", proxy, documented, 0, 0, watching,
     "No effect: reads go to the source only, so there are no two answers to compare."},
    {"log-level", "", choice, "debug|info|warning|error", "info", all, 0, 0, 0, watching,
     "Log lines under this level are left out."},
    {"log-format", "", choice, "text|json", "text", all, 0, 0, 0, watching,
     "json: each line of the log is one JSON object with time, level and text."},
    {"debug", "", boolean, "true|false", "false", proxy, documented, 0, 0, watching,
     "The same as --log-level debug."},
});
// clang-format on

}  // namespace

std::span<const config_key> config_keys() noexcept
{
    return keys;
}

}  // namespace dualwrite::engine
