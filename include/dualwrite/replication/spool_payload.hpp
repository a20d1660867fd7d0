#pragma once

#include <dualwrite/replication/spool_record.hpp>

#include <algorithm>
#include <vector>

// The payloads of the spool's records. Readers return nothing for bytes that do not parse; they
// never read past the payload.

namespace dualwrite::replication {

struct statement_payload {
    std::uint32_t id{0};
    std::string_view keyspace;
    std::string_view text;
};

constexpr std::size_t statement_payload_size(std::size_t keyspace, std::size_t text) noexcept
{
    return 8 + keyspace + text;
}

inline void write_statement(std::byte* out, const statement_payload& statement) noexcept
{
    store_le(out, statement.id);
    store_le(out + 4, static_cast<std::uint32_t>(statement.keyspace.size()));
    out += 8;
    for (const auto part : {statement.keyspace, statement.text}) {
        if (!part.empty()) std::memcpy(out, part.data(), part.size());
        out += part.size();
    }
}

inline std::optional<statement_payload> read_statement(bytes_view in) noexcept
{
    if (in.size() < 8) return {};
    const auto id = load_le<std::uint32_t>(in.data());
    const auto keyspace_size = load_le<std::uint32_t>(in.data() + 4);
    const auto rest = as_text(in.subspan(8));
    if (keyspace_size > rest.size()) return {};
    return statement_payload{id, rest.substr(0, keyspace_size), rest.substr(keyspace_size)};
}

// An intent's ids lie behind 28 bytes of a record that is 8-byte aligned: they are aligned, too.
struct intent_payload {
    std::span<const std::uint32_t> statement_ids;
    bytes_view payload;
};

constexpr std::size_t intent_payload_size(std::size_t ids, std::size_t payload) noexcept
{
    return 4 + 4 * ids + payload;
}

inline std::optional<intent_payload> read_intent(bytes_view in) noexcept
{
    if (in.size() < 4) return {};
    const auto count = load_le<std::uint32_t>(in.data());
    if (count > (in.size() - 4) / 4) return {};
    const auto* ids = reinterpret_cast<const std::uint32_t*>(in.data() + 4);
    return intent_payload{{ids, count}, in.subspan(4 + std::size_t{4} * count)};
}

struct state_range {
    std::uint64_t first{0};
    std::uint32_t count{0};
    write_state state{write_state::open};
};

inline constexpr std::size_t state_range_size = 16;  // first:u64 count:u32 state:u32

inline void write_ranges(std::byte* out, std::span<const state_range> ranges) noexcept
{
    for (const auto& range : ranges) {
        store_le(out, range.first);
        store_le(out + 8, range.count);
        store_le(out + 12, static_cast<std::uint32_t>(range.state));
        out += state_range_size;
    }
}

// Calls visit(range) for each; false if the bytes are not ranges of states.
template <class Visit> bool read_ranges(bytes_view in, Visit&& visit)
{
    if (in.size() % state_range_size != 0) return false;
    for (; !in.empty(); in = in.subspan(state_range_size)) {
        const auto state = load_le<std::uint32_t>(in.data() + 12);
        if (state > static_cast<std::uint32_t>(write_state::done)) return false;
        const state_range range{
            .first = load_le<std::uint64_t>(in.data()),
            .count = load_le<std::uint32_t>(in.data() + 8),
            .state = static_cast<write_state>(state),
        };
        if (!visit(range)) return false;
    }
    return true;
}

// Collects states of single writes and gives them back as few ranges.
class range_list {
public:
    void add(std::uint64_t lsn, write_state state)
    {
        ++writes_;
        if (!ranges_.empty() && continues(ranges_.back(), {lsn, 1, state}))
            ++ranges_.back().count;
        else
            ranges_.push_back({lsn, 1, state});
    }

    bool empty() const noexcept { return ranges_.empty(); }
    std::size_t writes() const noexcept { return writes_; }

    // Valid until the next add() or clear().
    std::span<const state_range> sorted()
    {
        if (ranges_.size() < 2) return ranges_;
        const auto before = [](const auto& a, const auto& b) { return a.first < b.first; };
        if (!std::is_sorted(ranges_.begin(), ranges_.end(), before))
            std::sort(ranges_.begin(), ranges_.end(), before);
        std::size_t last = 0;
        for (std::size_t i = 1; i < ranges_.size(); ++i)
            if (continues(ranges_[last], ranges_[i]))
                ranges_[last].count += ranges_[i].count;
            else
                ranges_[++last] = ranges_[i];
        ranges_.resize(last + 1);
        return ranges_;
    }

    void clear() noexcept
    {
        ranges_.clear();
        writes_ = 0;
    }

private:
    static bool continues(const state_range& a, const state_range& b) noexcept
    {
        return a.first + a.count == b.first && a.state == b.state && a.count < (1u << 30);
    }

    std::vector<state_range> ranges_;
    std::size_t writes_{0};
};

}  // namespace dualwrite::replication
