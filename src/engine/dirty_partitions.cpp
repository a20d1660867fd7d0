#include "dirty_partitions.hpp"

#include <array>

namespace dualwrite::engine {

using replication::partition_ref;
namespace flags = replication::mutation_flags;

namespace {

constexpr std::size_t entries_max = 100'000;
constexpr std::uint64_t record_size = 256;  // about, with its share of other records
// Longer than a coordinator of the source goes on with a write that it has timed out.
constexpr std::int64_t unsure_ms = 15'000;

std::string quoted(const std::string& name)
{
    std::string out = "\"";
    for (const char c : name) {
        if (c == '"') out += '"';
        out += c;
    }
    return out + '"';
}

std::string key_of(const partition_ref& ref, bool transaction)
{
    std::string key(transaction ? "t" : "p");
    const auto add = [&](const std::string& part) {
        key += std::to_string(part.size()) + ':' + part;
    };
    add(ref.keyspace);
    add(ref.table);
    for (const auto& part : ref.key) add(part);
    for (const auto& part : ref.clustering) add(part);
    return key;
}

// Names the rows as every write does; it is never executed.
std::string
text_of(const partition_ref& ref, const replication::table_shape& shape, bool transaction)
{
    auto text = "DELETE FROM " + quoted(ref.keyspace) + "." + quoted(ref.table) + " WHERE ";
    for (std::size_t i = 0; i < ref.key.size(); ++i)
        text += (i == 0 ? "" : " AND ") + quoted(shape.partition_key[i].name) + " = ?";
    for (std::size_t i = 0; i < ref.clustering.size(); ++i)
        text += " AND " + quoted(shape.clustering[i].name) + " = ?";
    return transaction ? text + " IF EXISTS" : text;
}

void append_value(byte_buffer& out, const std::string& value)
{
    store_be(out.extend(4), static_cast<std::int32_t>(value.size()));
    out.append(as_bytes(value));
}

}  // namespace

bool dirty_partitions::has_room(const std::vector<std::string>& keys) const
{
    std::uint64_t added = 0;
    std::uint64_t count = 0;
    for (const auto& key : keys) {
        if (by_key_.contains(key)) continue;
        added += key.size() + record_size;
        ++count;
    }
    return bytes_ + added <= bytes_max_ && entries_.size() + count <= entries_max;
}

std::uint64_t dirty_partitions::begin(
    const std::vector<partition_ref>& refs,
    const replication::table_shapes& shapes,
    bool transaction,
    std::int64_t now_ms
)
{
    std::vector<std::string> keys;
    for (const auto& ref : refs) keys.push_back(key_of(ref, transaction));
    if (refs.empty() || !has_room(keys)) return 0;
    auto& log = live_.log();
    const auto ticket = next_ticket_++;
    auto& its_joined = tickets_[ticket];
    for (std::size_t i = 0; i < refs.size(); ++i) {
        const auto known = by_key_.find(keys[i]);
        auto its = known == by_key_.end() ? 0 : known->second;
        // One that is not on the disk yet cannot be joined: its first client waits for that.
        if (its == 0 || (syncs_ && its > log.durable_lsn())) {
            const auto* shape = replication::find_shape(shapes, refs[i].keyspace, refs[i].table);
            DW_ASSERT(shape != nullptr);  // it gave the ref
            its = append(refs[i], *shape, transaction, now_ms);
            bytes_ += keys[i].size() + record_size;
            by_key_[keys[i]] = its;
            entries_[its].key = keys[i];
            its_joined.added = its;
        }
        ++entries_[its].in_flight;
        its_joined.lsns.push_back(its);
    }
    return ticket;
}

std::uint64_t dirty_partitions::append(
    const partition_ref& ref,
    const replication::table_shape& shape,
    bool transaction,
    std::int64_t now_ms
)
{
    byte_buffer values;
    for (const auto& part : ref.key) append_value(values, part);
    for (const auto& part : ref.clustering) append_value(values, part);
    replication::mutation_header header;
    header.kind = replication::mutation_kind::execute;
    header.flags = flags::refresh | flags::several;
    header.count = static_cast<std::uint16_t>(ref.key.size() + ref.clustering.size());
    header.accepted_ms = now_ms;
    header.statement = live_.log().intern({}, text_of(ref, shape, transaction));
    const auto head = replication::encode(header);
    const std::array<bytes_view, 2> parts{bytes_view(head), values.view()};
    return live_.log().append_intent({&header.statement, 1}, parts);
}

std::uint64_t dirty_partitions::answered(std::uint64_t ticket, bool sure, std::int64_t now_ms)
{
    const auto found = tickets_.find(ticket);
    if (found == tickets_.end()) return 0;
    for (const auto lsn : found->second.lsns) {
        auto& its = entries_.at(lsn);
        --its.in_flight;
        if (!sure) its.not_before_ms = now_ms + unsure_ms;
    }
    const auto added = found->second.added;
    tickets_.erase(found);
    return added;
}

void dirty_partitions::settle(std::int64_t now_ms)
{
    for (auto its = entries_.begin(); its != entries_.end();) {
        const auto& [lsn, row] = *its;
        if (row.in_flight != 0 || now_ms < row.not_before_ms) {
            ++its;
            continue;
        }
        if (const auto known = by_key_.find(row.key); known != by_key_.end())
            if (known->second == lsn) by_key_.erase(known);
        live_.settle(lsn, write_state::applied);
        its = entries_.erase(its);
    }
    if (entries_.empty()) bytes_ = 0;
}

}  // namespace dualwrite::engine
