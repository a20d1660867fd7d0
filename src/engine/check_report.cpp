#include <dualwrite/engine/check.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>

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

std::string node_text(const check_node& node)
{
    if (!node.failure.empty()) return node.address + ", " + node.failure;
    auto out = node.address + ", " + (node.release.empty() ? "unknown" : node.release);
    if (node.clock_ahead_ms) out += ", clock " + clock_text(*node.clock_ahead_ms);
    return out;
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
    for (std::size_t i = 1; i < side.every_node.size(); ++i)
        append_line(out, "node", node_text(side.every_node[i]));
    if (side.mutation_size_max)
        append_line(
            out, "mutations", "up to " + std::to_string(*side.mutation_size_max) + " bytes"
        );
}

// In columns: name, how many columns, what is to be said.
void append_tables(std::string& out, const std::vector<check_table>& tables)
{
    std::size_t width = 0;
    for (const auto& table : tables) width = std::max(width, table.name.size());
    for (const auto& table : tables) {
        (out += "  ") += table.name;
        out.append(width + 2 - table.name.size(), ' ');
        const auto columns = std::to_string(table.columns) + " columns";
        out += columns;
        out.append(columns.size() < 13 ? 13 - columns.size() : 1, ' ');
        const auto count = table.differences.size();
        out += table.missing         ? "missing at the target"
               : count != 0          ? "differs"
               : table.notes.empty() ? "the same"
                                     : "can be copied";
        out += '\n';
        for (const auto* list : {&table.differences, &table.notes})
            for (const auto& text : *list) (out += "    ") += text + '\n';
    }
}

std::string_view word_of(check_answer answer)
{
    return answer == check_answer::yes ? "yes" : answer == check_answer::no ? "no" : "not known";
}

void append_probes(std::string& out, const check_report& report)
{
    if (report.probed.empty()) return;
    out += "target tried " + report.probed + '\n';
    for (const auto& probe : report.probes) {
        (out += "  ") += probe.name;
        out.append(34 - std::min<std::size_t>(32, probe.name.size()), ' ');
        out += word_of(probe.answer);
        if (!probe.detail.empty()) out += ", " + probe.detail;
        out += '\n';
    }
}

void append_result(std::string& out, const check_report& report)
{
    for (const auto& note : report.notes) out += "note: " + note + '\n';
    for (const auto& problem : report.problems) out += "problem: " + problem + '\n';
    const auto count = report.problems.size();
    out += "result: ";
    out += count == 0   ? "it would work"
           : count == 1 ? "1 problem"
                        : std::to_string(count) + " problems";
    out += '\n';
}

nlohmann::json tables_json(const std::vector<check_table>& tables)
{
    auto out = nlohmann::json::array();
    for (const auto& table : tables)
        out.push_back(
            {{"table", table.name},
             {"missing", table.missing},
             {"columns", table.columns},
             {"differences", table.differences},
             {"notes", table.notes}}
        );
    return out;
}

nlohmann::json probes_json(const check_report& report)
{
    auto out = nlohmann::json::object();
    for (const auto& probe : report.probes) {
        nlohmann::json one{{"answer", nullptr}, {"detail", probe.detail}};
        if (probe.answer != check_answer::unknown)
            one["answer"] = probe.answer == check_answer::yes;
        out[probe.key] = std::move(one);
    }
    return out;
}

nlohmann::json nodes_json(const check_side& side)
{
    auto out = nlohmann::json::array();
    for (const auto& node : side.every_node) {
        nlohmann::json one{{"address", node.address}};
        if (!node.failure.empty()) one["failure"] = node.failure;
        if (!node.release.empty()) one["release"] = node.release;
        if (node.clock_ahead_ms) one["clock_ahead_ms"] = *node.clock_ahead_ms;
        out.push_back(std::move(one));
    }
    return out;
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
    out["every_node"] = nodes_json(side);
    if (side.mutation_size_max) out["mutation_size_max"] = *side.mutation_size_max;
    if (side.charges) out["charges"] = true;
    return out;
}

void append_sides(std::string& out, const check_report& report)
{
    append_side(out, "source", report.source);
    append_side(out, "target", report.target);
    out += "schema\n";
    append_line(
        out,
        "tables",
        report.tables ? std::to_string(*report.tables) + " compared" : "could not be compared"
    );
}

}  // namespace

std::string check_text(const check_report& report)
{
    std::string out;
    append_sides(out, report);
    append_result(out, report);
    return out;
}

std::string check_long_text(const check_report& report)
{
    std::string out;
    append_sides(out, report);
    append_tables(out, report.schema);
    append_probes(out, report);
    if (report.free_bytes) {
        out += "state directory\n";
        const auto free = std::to_string(*report.free_bytes / 1024 / 1024);
        append_line(out, "space", free + " MiB in " + report.state_folder);
    }
    if (!report.statements.empty())
        out += "at the target, these make what it lacks:\n\n" + check_cql(report) + '\n';
    append_result(out, report);
    return out;
}

std::string check_cql(const check_report& report)
{
    std::string out;
    for (const auto& statement : report.statements) (out += statement) += '\n';
    return out;
}

std::string check_json(const check_report& report)
{
    nlohmann::json out{
        {"source", side_json(report.source)},
        {"target", side_json(report.target)},
        {"problems", report.problems},
        {"notes", report.notes}};
    if (report.tables) out["tables"] = *report.tables;
    if (report.tables) out["schema"] = tables_json(report.schema);
    if (report.tables) out["statements"] = report.statements;
    if (!report.probed.empty()) {
        out["probed"] = report.probed;
        out["probes"] = probes_json(report);
    }
    if (report.free_bytes) {
        out["state_folder"] = report.state_folder;
        out["free_bytes"] = *report.free_bytes;
    }
    // What servers say of themselves need not be UTF-8.
    return out.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace dualwrite::engine
