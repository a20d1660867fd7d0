#include <dualwrite/copy/ledger_plan.hpp>
#include <dualwrite/engine/config.hpp>

#include <algorithm>
#include <limits>
#include <thread>

#include "config_contacts.hpp"
#include "config_files.hpp"
#include "config_json.hpp"
#include "config_moment.hpp"
#include "config_patterns.hpp"
#include "config_share.hpp"
#include "text_filter.hpp"

namespace dualwrite::engine {

namespace {

// The password as it was given, or the one line of the file that was named in its place.
result<std::string> read_password(const config& from, const std::string& key, std::string& why)
{
    constexpr std::size_t password_size_max = 4096;
    const auto file = from.text(key + "-file");
    if (file.empty()) return from.text(key);
    if (from.is_set(key)) {
        why = "--" + key + " and --" + key + "-file are both set; give one of them";
        return fail(errc::invalid_argument);
    }
    DW_TRY(line, read_text_file("--" + key + "-file", file, password_size_max, why));
    if (line.ends_with('\n')) line.pop_back();
    if (line.ends_with('\r')) line.pop_back();
    if (!line.empty() && line.find_first_of(std::string_view("\n\0", 2)) == line.npos) return line;
    why = "--" + key + "-file: " + file + " does not hold one line of text";
    return fail(errc::invalid_argument);
}

struct named {
    std::string key;
    std::string value;
};

result<void> check_pair(const named& a, const named& b, std::string& why)
{
    if (a.value.empty() == b.value.empty()) return {};
    const auto& missing = a.value.empty() ? a.key : b.key;
    why = "Both " + a.key + " and " + b.key + " need to be set: --" + missing + " is missing";
    return fail(errc::invalid_argument);
}

result<policy::table_selection> read_selection(const config& from, std::string& why)
{
    DW_TRY(include, read_patterns(from, "tables-include", why));
    DW_TRY(exclude, read_patterns(from, "tables-exclude", why));
    return policy::table_selection{std::move(include), std::move(exclude)};
}

result<std::vector<copy::token_range>> read_token_ranges(const config& from, std::string& why)
{
    copy::range_set all;
    for (const auto& text : from.list("token-range")) {
        const auto range = copy::parse_range(text);
        if (!range) {
            why = "--token-range: '" + text.substr(0, 100) +
                  "' is not START..END, two tokens of which the first is the smaller one";
            return fail(errc::invalid_argument);
        }
        all.add(*range);
    }
    return all.ranges();
}

// What clients are told, and which statements stay at the source.
result<void> read_views(const config& from, proxy_options& options, std::string& why)
{
    for (const auto& version : from.list("protocol-version"))
        options.protocol_versions.push_back(static_cast<std::uint8_t>(*parse_number(version)));
    options.cql_versions = from.list("cql-version");
    options.compressions = from.list("compression");
    options.compression_enabled = from.boolean("compression-enabled");
    const auto peers = from.text("peers");
    options.addresses.mode = peers == "source" ? policy::peers_mode::source
                             : peers == "self" ? policy::peers_mode::self
                                               : policy::peers_mode::proxied;
    if (const auto json = from.text("ghostIps"); !json.empty()) {
        DW_TRY(ghosts, parse_ghost_addresses(json, why));
        options.addresses.ghosts = std::move(ghosts);
    }
    DW_TRY(selection, read_selection(from, why));
    options.tables = std::move(selection);
    DW_TRY(source_times, read_patterns(from, "tables-source-times", why));
    options.source_times = std::move(source_times);
    options.filter_tables = from.text("filter-tables");
    if (options.filter_tables.empty()) return {};
    if (const auto filter = make_text_filter(options.filter_tables, why); !filter) {
        why = "--filter-tables: " + why;
        return fail(filter.error());
    }
    return {};
}

// A PEM pair or a key store. What the store trusts, the proxy trusts at both sides.
result<void> read_listener_tls(const config& from, proxy_options& options, std::string& why)
{
    const auto store = from.text("proxy-jks-file");
    const auto pem = from.text("proxy-pem-certfile");
    const auto pem_key = from.text("proxy-pem-keyfile");
    DW_CHECK(check_pair({"proxy-pem-keyfile", pem_key}, {"proxy-pem-certfile", pem}, why));
    for (const std::string key :
         {"proxy-pem-keyfile", "proxy-pem-certfile", "proxy-jks-file", "proxy-tls-client-ca"})
        DW_CHECK(check_readable("--" + key, from.text(key), why));
    if (!store.empty() && !pem.empty()) {
        why = "--proxy-jks-file and --proxy-pem-certfile say the same in two ways; give one";
        return fail(errc::invalid_argument);
    }
    options.listen_tls_client_ca_file = from.text("proxy-tls-client-ca");
    if (store.empty() && pem.empty()) {
        if (options.listen_tls_client_ca_file.empty()) return {};
        why = "--proxy-tls-client-ca needs TLS for clients: give --proxy-jks-file, or "
              "--proxy-pem-keyfile and --proxy-pem-certfile";
        return fail(errc::invalid_argument);
    }
    options.listen_tls_cert_file = store.empty() ? pem : store;
    options.listen_tls_key_file = pem_key;
    const std::string password = store.empty() ? "proxy-pem-password" : "proxy-jks-password";
    DW_TRY(text, read_password(from, password, why));
    options.listen_tls_password = std::move(text);
    options.listen_tls_password_flag = "--" + password;
    for (auto* to : {&options.source, &options.target}) {
        to->tls_keystore_file = store;
        to->tls_keystore_password = options.listen_tls_password;
    }
    return {};
}

tls_verify verify_of(const std::string& word)
{
    if (word == "none") return tls_verify::none;
    return word == "ca" ? tls_verify::ca : tls_verify::full;
}

// `side` is "source" or "target", here and below.
result<void>
read_endpoint_tls(const config& from, const std::string& side, endpoint& to, std::string& why)
{
    to.tls = !from.boolean("disable-" + side + "-tls");
    to.verify = verify_of(from.text(side + "-tls-verify"));
    to.tls_ca_file = from.text(side + "-tls-ca");
    to.tls_server_name = from.text(side + "-tls-name");
    to.tls_certificate_file = from.text(side + "-tls-cert");
    to.tls_key_file = from.text(side + "-tls-key");
    if (!to.tls_key_file.empty() && to.tls_certificate_file.empty()) {
        why = "--" + side + "-tls-key needs --" + side + "-tls-cert, the certificate of that key";
        return fail(errc::invalid_argument);
    }
    if (!to.tls) return {};
    DW_TRY(password, read_password(from, side + "-tls-key-password", why));
    to.tls_key_password = std::move(password);
    for (const auto* part : {"-tls-ca", "-tls-cert", "-tls-key"})
        DW_CHECK(check_readable("--" + side + part, from.text(side + part), why));
    return {};
}

result<endpoint> make_endpoint(const config& from, const std::string& side, std::string& why)
{
    if (from.text(side).empty()) {
        why = "The argument '" + side + "' is required";
        return fail(errc::invalid_argument);
    }
    DW_TRY(contacts, read_contact_points(from, side, why));
    DW_TRY(password, read_password(from, side + "-password", why));
    const auto username = from.text(side + "-username");
    DW_CHECK(check_pair({side + "-username", username}, {side + "-password", password}, why));

    endpoint to;
    to.host = contacts.front().host;
    to.port = contacts.front().port;
    to.more.assign(contacts.begin() + 1, contacts.end());
    to.username = username;
    to.password = std::move(password);
    if (from.for_command() == command::proxy && from.is_set(side + "-identifier"))
        to.identifier = from.text(side + "-identifier");
    DW_CHECK(read_endpoint_tls(from, side, to, why));
    return to;
}

// The text as the name of a file: what could lead out of the folder is replaced.
std::string as_file_name(std::string text)
{
    for (auto& c : text) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                           (c >= '0' && c <= '9') || c == '-' || c == '_';
        if (!plain && c != '.') c = '_';
    }
    return text;
}

// The first of its contact points.
std::string address_of(const config& from, const std::string& side)
{
    std::string ignored;
    const auto contacts = read_contact_points(from, side, ignored);
    if (!contacts) return "_" + from.text(side + "-port");
    return contacts->front().host + "_" + std::to_string(contacts->front().port);
}

std::string folder_of(const config& from)
{
    if (from.for_command() == command::proxy) return "proxy-" + from.text("proxy-port");
    if (from.for_command() == command::runs) return "";  // those of all jobs lie in it
    const auto* verb = from.for_command() == command::copy    ? "copy-"
                       : from.for_command() == command::check ? "check-"
                                                              : "validate-";
    return as_file_name(
        verb + from.text("keyspace") + "-" + address_of(from, "source") + "-" +
        address_of(from, "target")
    );
}

// What a job works on, and where it keeps its files.
result<void>
read_scope(const config& from, const environment& env, job_options& options, std::string& why)
{
    DW_TRY(source, make_endpoint(from, "source", why));
    DW_TRY(target, make_endpoint(from, "target", why));
    options.source = std::move(source);
    options.target = std::move(target);
    options.keyspace = from.text("keyspace");
    options.tables = from.list("table");
    DW_TRY(selection, read_selection(from, why));
    options.selection = std::move(selection);
    DW_TRY(dir, state_dir(from, env, why));
    options.state_dir = std::move(dir);
    return {};
}

template <class Options>
result<Options> make_job_options(const config& from, const environment& env, std::string& why)
{
    Options options;
    DW_CHECK(read_scope(from, env, options, why));
    if (options.keyspace.empty()) {
        why = "--keyspace is required: it says which keyspace to work on";
        return fail(errc::invalid_argument);
    }
    DW_TRY(token_ranges, read_token_ranges(from, why));
    options.token_ranges = std::move(token_ranges);
    options.plan_only = from.boolean("plan");
    options.ranges = static_cast<std::uint32_t>(from.number("ranges"));
    options.concurrency = static_cast<std::uint32_t>(from.number("concurrency"));
    options.page_size = static_cast<std::uint32_t>(from.number("page-size"));
    options.read_consistency = from.text("read-consistency");
    options.leave_out_missing_columns = from.text("missing-columns") == "leave-out";
    return options;
}

}  // namespace

result<std::string> state_dir(const config& from, const environment& env, std::string& why)
{
    const auto given = from.text("state-dir");
    if (!given.empty()) return given;
    const auto variable = [&](const char* name) -> std::string {
        const auto* value = env(name);
        return value == nullptr ? "" : value;
    };
    if (from.for_command() == command::replay || from.for_command() == command::retry) {
        why = "the argument 'state-dir' is required: the state directory of the proxy";
        return fail(errc::invalid_argument);
    }
    // systemd lists several with colons; the first is ours.
    const auto systemd = variable("STATE_DIRECTORY");
    if (!systemd.empty()) return systemd.substr(0, systemd.find(':'));
    const auto state_home = variable("XDG_STATE_HOME");
    // The XDG specification: a relative path is to be ignored.
    const auto folder = folder_of(from);
    const auto below = folder.empty() ? "/dualwrite" : "/dualwrite/" + folder;
    if (state_home.starts_with('/')) return state_home + below;
    const auto home = variable("HOME");
    if (home.starts_with('/')) return home + "/.local/state" + below;
    why = "no place for files: neither $STATE_DIRECTORY nor $HOME is set; give --state-dir";
    return fail(errc::invalid_argument);
}

result<proxy_options>
make_proxy_options(const config& from, const environment& env, std::string& why)
{
    DW_ASSERT(from.for_command() == command::proxy);
    proxy_options options;
    DW_TRY(source, make_endpoint(from, "source", why));
    DW_TRY(target, make_endpoint(from, "target", why));
    options.source = std::move(source);
    options.target = std::move(target);

    options.listen_host = from.text("proxy-host");
    options.listen_port = static_cast<std::uint16_t>(from.number("proxy-port"));
    DW_CHECK(read_listener_tls(from, options, why));
    options.metrics = from.boolean("metrics");
    options.metrics_host = from.text("metrics-host");
    options.metrics_port = static_cast<std::uint16_t>(from.number("metrics-port"));
    options.memory_max = from.number("memory-max");
    options.clients_max = from.number("clients-max");
    options.clients_per_address_max = from.number("clients-per-address-max");
    options.login_limit_ms = static_cast<std::int64_t>(from.number("login-limit"));
    options.lost_peer_limit_ms = static_cast<std::int64_t>(from.number("lost-peer-limit"));
    options.idle_limit_ms = static_cast<std::int64_t>(from.number("tcp-idle-time-out")) * 1000;
    options.threads = static_cast<std::uint32_t>(from.number("threads"));

    DW_CHECK(read_views(from, options, why));
    options.wait = from.boolean("wait");
    options.wait_limit_ms = static_cast<std::uint32_t>(from.number("wait-limit"));
    DW_TRY(dir, state_dir(from, env, why));
    options.state_dir = std::move(dir);
    options.take_over = from.boolean("take-over");
    options.durable = from.text("durability") == "fsync" ? durability::fsync : durability::process;
    options.spool_size_max = from.number("spool-size-max");
    const auto ddl = from.text("ddl");
    options.ddl = ddl == "refuse"        ? ddl_policy::refuse
                  : ddl == "source-only" ? ddl_policy::source_only
                                         : ddl_policy::mirror;
    const auto full = from.text("spool-full");
    options.spool_full = full == "refuse"    ? when_full::refuse
                         : full == "degrade" ? when_full::degrade
                                             : when_full::slow;
    options.target_connections = static_cast<std::uint32_t>(from.number("target-connections"));
    options.target_discovery = from.boolean("target-discovery");
    options.request_size_max = static_cast<std::uint32_t>(from.number("request-size-max"));
    options.write_buffer_size = static_cast<std::uint32_t>(from.number("write-buffer-size"));
    options.close_when_target_lost = from.boolean("dest-close");
    options.drain_limit_ms = static_cast<std::uint32_t>(from.number("drain-limit"));
    if (options.metrics && options.metrics_port != 0 &&
        options.metrics_port == options.listen_port) {
        why = "--metrics-port and --proxy-port are both " + std::to_string(options.listen_port);
        return fail(errc::invalid_argument);
    }
    return options;
}

result<proxy_options>
make_delivery_options(const config& from, const environment& env, std::string& why)
{
    constexpr std::uint32_t threads_max = 4;
    proxy_options options;
    if (from.text("source").empty()) {
        why = "--source is required: writes of which it is not known whether the source has them "
              "are sent to it again, and lists, counters and transactions are read there";
        return fail(errc::invalid_argument);
    }
    DW_TRY(source, make_endpoint(from, "source", why));
    DW_TRY(target, make_endpoint(from, "target", why));
    options.source = std::move(source);
    options.target = std::move(target);
    DW_TRY(dir, state_dir(from, env, why));
    options.state_dir = std::move(dir);
    options.deliver_only = true;
    options.metrics = false;
    options.wait = false;
    options.threads = std::clamp(std::thread::hardware_concurrency(), 1u, threads_max);
    options.spool_size_max = std::numeric_limits<std::int64_t>::max();
    options.target_connections = static_cast<std::uint32_t>(from.number("target-connections"));
    options.target_discovery = from.boolean("target-discovery");
    if (from.for_command() == command::replay && from.text("durability") == "fsync")
        options.durable = durability::fsync;
    return options;
}

result<job_options> make_check_options(const config& from, const environment& env, std::string& why)
{
    DW_ASSERT(from.for_command() == command::check);
    job_options options;
    DW_CHECK(read_scope(from, env, options, why));
    if (!options.tables.empty() && options.keyspace.empty()) {
        why = "--table needs --keyspace: the keyspace that it is in";
        return fail(errc::invalid_argument);
    }
    return options;
}

void read_pace(const config& from, copy_options& into)
{
    into.rows_per_second_max = from.number("rate");
    into.bytes_per_second_max = from.number("rate-bytes");
    into.units_per_second_max = from.number("rate-units");
}

result<copy_options> make_copy_options(const config& from, const environment& env, std::string& why)
{
    DW_ASSERT(from.for_command() == command::copy);
    DW_TRY(options, make_job_options<copy_options>(from, env, why));
    options.write_consistency = from.text("write-consistency");
    read_pace(from, options);
    options.restart = from.boolean("restart");
    options.began_us = static_cast<std::int64_t>(from.number("began"));
    options.markers = from.text("row-markers") == "rows-without-cells"
                          ? row_markers::rows_without_cells
                          : row_markers::with_oldest_cells;
    options.counters =
        from.text("counters") == "converge" ? counter_policy::converge : counter_policy::refuse;
    options.trust_cell_times = from.text("cell-times") == "trust";
    options.unknown_writetime_us = static_cast<std::int64_t>(from.number("unknown-writetime"));
    if (const auto text = from.text("writetime"); !text.empty()) {
        const auto now_us = std::int64_t{std::time(nullptr)} * 1'000'000;
        const auto parsed = parse_writetime(text, now_us, why);
        if (!parsed) {
            why = "--writetime: " + why;
            return fail(parsed.error());
        }
        options.writetime_us = *parsed;
    }
    options.retry_limit_ms = static_cast<std::uint32_t>(from.number("retry-limit"));
    return options;
}

result<validate_options>
make_validate_options(const config& from, const environment& env, std::string& why)
{
    DW_ASSERT(from.for_command() == command::validate);
    DW_TRY(options, make_job_options<validate_options>(from, env, why));
    options.recheck_delay_ms = static_cast<std::uint32_t>(from.number("recheck-delay"));
    options.recheck_limit = static_cast<std::uint32_t>(from.number("recheck-limit"));
    options.ttl_tolerance_s =
        static_cast<std::uint32_t>((from.number("ttl-tolerance") + 999) / 1000);
    options.compare_writetimes = from.text("writetimes") == "compare";
    options.differences_max = from.number("differences-max");
    options.report_file = from.text("report");
    options.repair = from.boolean("repair");
    options.dry_run = from.boolean("dry-run");
    if (options.dry_run && !options.repair) {
        why = "--dry-run says what --repair would do: give both";
        return fail(errc::invalid_argument);
    }
    options.where = from.text("where");
    if (!options.where.empty() && options.tables.size() != 1) {
        why = "--where is about the partitions of one table: give it by --table";
        return fail(errc::invalid_argument);
    }
    if (const auto text = from.text("sample"); !text.empty()) {
        const auto share = parse_share(text);
        if (!share) {
            why = "--sample: '" + text.substr(0, 100) + "' is no share such as 5% or 0.1%";
            return fail(share.error());
        }
        options.sample_share = *share;
    }
    options.sample_seed = from.number("sample-seed");
    return options;
}

}  // namespace dualwrite::engine
