#include <algorithm>
#include <cstring>
#include <netinet/in.h>
#include <sys/socket.h>

#include "client_session.hpp"

namespace dualwrite::engine {

using protocol::envelope_header;
using protocol::envelope_header_size;

// The same envelope with another message behind its prefix. `old` is what message_of() gave.
bytes_view client_session::with_message(
    const envelope_header& h, bytes_view envelope, bytes_view old, bytes_view message
)
{
    const bool unpacked = !plain_.empty() && old.data() >= plain_.data() &&
                          old.data() <= plain_.data() + plain_.size();
    const auto body = unpacked ? plain_.view() : envelope.subspan(envelope_header_size);
    const auto prefix = body.first(static_cast<std::size_t>(old.data() - body.data()));
    return made_envelope(h, prefix, message);
}

bytes_view
client_session::made_envelope(envelope_header header, bytes_view prefix, bytes_view message)
{
    header.flags &= static_cast<std::uint8_t>(~protocol::flag_compressed);
    header.body_size = static_cast<std::uint32_t>(prefix.size() + message.size());
    const auto size = header.size();
    auto space = worker_.on().turn_space(size).first(size);
    worker_.on().use_turn_space(size);
    protocol::store_envelope_header(space.data(), header);
    auto* out = space.data() + envelope_header_size;
    if (!prefix.empty()) std::memcpy(out, prefix.data(), prefix.size());
    if (!message.empty()) std::memcpy(out + prefix.size(), message.data(), message.size());
    return space;
}

void client_session::learn_own_address(int client)
{
    if (worker_.shared().options.addresses.mode != policy::peers_mode::self) return;
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    if (::getsockname(client, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return;
    const auto keep = [&](const void* bytes, std::uint8_t count) {
        std::memcpy(reached_at_.address.data(), bytes, count);
        reached_at_.address_size = count;
    };
    if (storage.ss_family == AF_INET)
        return keep(&reinterpret_cast<const sockaddr_in*>(&storage)->sin_addr, 4);
    const auto& in6 = reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(&in6)) return keep(in6.s6_addr + 12, 4);
    keep(&in6, 16);
}

bytes_view
client_session::changed_rows(const envelope_header& h, bytes_view envelope, std::uint64_t statement)
{
    const auto& rules = worker_.shared().options.addresses;
    if (rules.change_nothing()) return envelope;
    const std::vector<protocol::column_spec>* columns = nullptr;
    if (statement != 0) {
        const auto found = worker_.address_columns.find(statement - 1);
        if (found != worker_.address_columns.end()) columns = &found->second;
    }
    const auto old = message_of(h, envelope);
    byte_buffer message;
    if (!policy::append_changed_rows(message, old, columns, rules, reached_at_)) return envelope;
    return with_message(h, envelope, old, message.view());
}

bytes_view client_session::changed_event(const envelope_header& h, bytes_view envelope)
{
    const auto& rules = worker_.shared().options.addresses;
    if (rules.change_nothing() || h.op != protocol::opcode::event) return envelope;
    const auto old = message_of(h, envelope);
    byte_buffer message;
    switch (policy::append_changed_event(message, old, rules)) {
    case policy::event_change::none:
        return envelope;
    case policy::event_change::hidden:
        return {};
    case policy::event_change::changed:
        break;
    }
    return with_message(h, envelope, old, message.view());
}

// SUPPORTED, with the versions and compressions that the operator wants clients to use.
bytes_view client_session::changed_supported(const envelope_header& h, bytes_view envelope)
{
    const auto& options = worker_.shared().options;
    const bool same = options.protocol_versions.empty() && options.cql_versions.empty() &&
                      options.compressions.empty() && options.compression_enabled;
    if (same) return envelope;
    const auto old = message_of(h, envelope);
    auto supported = protocol::parse_supported(old);
    if (!supported) return envelope;
    std::vector<std::string> versions;
    for (const auto version : options.protocol_versions)
        versions.push_back(std::to_string(version) + "/v" + std::to_string(version));
    const auto replace = [&](std::string_view key, const std::vector<std::string>& words) {
        const auto found =
            std::find_if(supported->begin(), supported->end(), [&](const auto& pair) {
                return pair.first == key;
            });
        auto& values = found != supported->end()
                           ? found->second
                           : supported->emplace_back(key, protocol::string_list{}).second;
        values.assign(words.begin(), words.end());
    };
    if (!versions.empty()) replace("PROTOCOL_VERSIONS", versions);
    if (!options.cql_versions.empty()) replace("CQL_VERSION", options.cql_versions);
    if (!options.compressions.empty()) replace("COMPRESSION", options.compressions);
    if (!options.compression_enabled) replace("COMPRESSION", {});
    byte_buffer message;
    protocol::append_string_multimap(message, *supported);
    return with_message(h, envelope, old, message.view());
}

bool client_session::is_refused_version(const envelope_header& h) const
{
    const auto& allowed = worker_.shared().options.protocol_versions;
    return !allowed.empty() &&
           std::find(allowed.begin(), allowed.end(), h.version) == allowed.end();
}

// The words of the server, by which drivers know that they have to step down; in the header the
// version that they should use. The connection stays open.
bytes_view client_session::refuse_version(const envelope_header& h)
{
    const auto& allowed = worker_.shared().options.protocol_versions;
    std::string list;
    for (const auto version : allowed) {
        if (!list.empty()) list += ",";
        list += std::to_string(version) + "/v" + std::to_string(version);
    }
    auto header = h;
    header.version = allowed.front();
    return answer_error(
        header,
        protocol::error_code::protocol_error,
        "Invalid or unsupported protocol version (" + std::to_string(h.version) +
            "); supported versions are (" + list + ")"
    );
}

}  // namespace dualwrite::engine
