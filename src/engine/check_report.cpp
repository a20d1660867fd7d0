#include <dualwrite/engine/check.hpp>

#include <nlohmann/json.hpp>

namespace dualwrite::engine {

namespace {

std::string joined(const std::vector<std::string>& words)
{
    std::string out;
    for (const auto& word : words) (out += out.empty() ? "" : ", ") += word;
    return out.empty() ? "none" : out;
}

void append_line(std::string& out, std::string_view name, const std::string& text)
{
    (out += "  ") += name;
    out.append(16 - name.size(), ' ');
    (out += text) += '\n';
}

std::string connection_text(const check_side& side)
{
    if (!side.tls) return "plain text";
    return "TLS, verified: " + side.tls_verify;
}

std::string login_text(const check_side& side)
{
    if (side.authenticator.empty()) return "not asked for";
    const auto asked = side.authenticator.substr(side.authenticator.rfind('.') + 1);
    if (side.release.empty()) return asked + "; not logged in";
    return asked + "; logged in as " + side.username;
}

std::string cluster_text(const check_side& side)
{
    auto out = side.cluster + ", datacenter " + side.datacenter;
    if (side.nodes != 0) out += ", " + std::to_string(side.nodes) + " nodes";
    return out + ", " + side.partitioner.substr(side.partitioner.rfind('.') + 1);
}

std::string clock_text(std::int64_t ahead_ms)
{
    if (ahead_ms == 0) return "as this machine's";
    const auto distance = std::to_string(ahead_ms < 0 ? -ahead_ms : ahead_ms) + " ms ";
    return distance + (ahead_ms < 0 ? "behind" : "ahead of") + " this machine's";
}

void append_side(std::string& out, std::string_view name, const check_side& side)
{
    ((out += name) += ' ') += side.address + '\n';
    append_line(out, "connection", connection_text(side));
    if (side.protocol_versions.empty()) return append_line(out, "failed", side.failure);
    append_line(out, "protocol", joined(side.protocol_versions));
    append_line(out, "CQL", joined(side.cql_versions));
    append_line(out, "compression", joined(side.compressions));
    append_line(out, "authentication", login_text(side));
    if (!side.failure.empty()) append_line(out, "failed", side.failure);
    if (side.release.empty()) return;
    append_line(
        out,
        "server",
        side.release + ", spoken to in version " + std::to_string(side.protocol_version)
    );
    append_line(out, "cluster", cluster_text(side));
    if (side.clock_ahead_ms) append_line(out, "clock", clock_text(*side.clock_ahead_ms));
}

nlohmann::json side_json(const check_side& side)
{
    nlohmann::json out{
        {"address", side.address},
        {"tls", side.tls},
        {"protocol_versions", side.protocol_versions},
        {"cql_versions", side.cql_versions},
        {"compressions", side.compressions},
        {"authenticator", side.authenticator}};
    if (side.tls) out["tls_verify"] = side.tls_verify;
    if (!side.failure.empty()) out["failure"] = side.failure;
    if (side.release.empty()) return out;
    out["username"] = side.username;
    out["release"] = side.release;
    out["cluster"] = side.cluster;
    out["datacenter"] = side.datacenter;
    out["partitioner"] = side.partitioner;
    out["host_id"] = side.host_id;
    out["protocol_version"] = side.protocol_version;
    if (side.nodes != 0) out["nodes"] = side.nodes;
    if (side.clock_ahead_ms) out["clock_ahead_ms"] = *side.clock_ahead_ms;
    return out;
}

}  // namespace

std::string check_text(const check_report& report)
{
    std::string out;
    append_side(out, "source", report.source);
    append_side(out, "target", report.target);
    out += "schema\n";
    append_line(
        out,
        "tables",
        report.tables ? std::to_string(*report.tables) + " compared" : "could not be compared"
    );
    for (const auto& note : report.notes) out += "note: " + note + '\n';
    for (const auto& problem : report.problems) out += "problem: " + problem + '\n';
    const auto count = report.problems.size();
    out += "result: ";
    out += count == 0   ? "it would work"
           : count == 1 ? "1 problem"
                        : std::to_string(count) + " problems";
    return out + '\n';
}

std::string check_json(const check_report& report)
{
    nlohmann::json out{
        {"source", side_json(report.source)},
        {"target", side_json(report.target)},
        {"problems", report.problems},
        {"notes", report.notes}};
    if (report.tables) out["tables"] = *report.tables;
    // What servers say of themselves need not be UTF-8.
    return out.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace dualwrite::engine
