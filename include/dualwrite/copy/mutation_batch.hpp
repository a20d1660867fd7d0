#pragma once

#include <dualwrite/copy/write_statement.hpp>

#include <algorithm>
#include <vector>

// The statements that go to one partition in one request.

namespace dualwrite::copy {

// A statement in its two forms, as it was prepared at the target.
struct prepared_write {
    struct form {
        write_statement statement;
        bytes_view id{};                  // lives as long as what prepared it
        bytes_view result_metadata_id{};  // version 5
    };
    form in_request;  // the write time is the request's
    form in_text;
};

// Where a TTL stands in a request's body and when the cell dies, to correct it on the next attempt.
struct ttl_patch {
    std::size_t at{0};
    std::int64_t expiry_s{0};
};

inline constexpr std::int64_t ttl_max_s = 630'720'000;  // 20 years, the server's limit

// The TTL that makes a cell die at `expiry_s`. At least 1: an expired cell is still written,
// because it has to hide what it overwrote; 0 would make it immortal.
constexpr std::int32_t ttl_for(std::int64_t expiry_s, std::int64_t now_s) noexcept
{
    if (expiry_s == no_expiry) return 0;
    return static_cast<std::int32_t>(std::clamp(expiry_s - now_s, std::int64_t{1}, ttl_max_s));
}
static_assert(ttl_for(no_expiry, 100) == 0);
static_assert(ttl_for(100, 100) == 1);
static_assert(ttl_for(50, 100) == 1);
static_assert(ttl_for(160, 100) == 60);

// Collects bound statements of one partition and makes one EXECUTE or one unlogged BATCH of them.
// An unlogged batch of one partition is one mutation at the server: atomic, and cheaper than its
// statements one by one.
class mutation_batch {
public:
    mutation_batch(std::uint8_t version, protocol::consistency level) noexcept
        : version_(version), level_(level)
    {
    }

    bool empty() const noexcept { return records_.empty(); }
    std::size_t statements() const noexcept { return records_.size(); }
    std::size_t size() const noexcept { return values_.size(); }
    std::uint32_t rows{0};  // counted by the owner

    // `now_s` is what finish() will be given.
    void
    add(const table_model& table,
        const prepared_write& write,
        std::span<const bytes_view> keys,
        std::span<const atom* const> atoms,
        std::int64_t writetime_us,
        std::int64_t expiry_s,
        std::int64_t now_s)
    {
        const auto begin = values_.size();
        const write_values values{keys, atoms, writetime_us, ttl_for(expiry_s, now_s)};
        const auto at = value_binder::bind(table, write.in_text.statement, values, values_);
        records_.push_back(
            {&write,
             begin,
             values_.size() - begin,
             at.writetime - begin,
             at.ttl == 0 ? 0 : at.ttl - begin,
             writetime_us,
             expiry_s}
        );
    }

    // Appends the body of the request to `out`, and to `patches` where its TTLs are; then the batch
    // is empty. `now_s` goes along as now_in_seconds in version 5, which makes the expiry exact.
    protocol::opcode finish(std::int64_t now_s, byte_buffer& out, std::vector<ttl_patch>& patches)
    {
        DW_ASSERT(!records_.empty());
        const auto first_time = records_.front().writetime_us;
        const bool same_time = std::all_of(records_.begin(), records_.end(), [&](const record& r) {
            return r.writetime_us == first_time;
        });
        protocol::write_parameters parameters{.consistency = level_};
        if (same_time) parameters.timestamp_us = first_time;
        parameters.now_in_seconds = static_cast<std::int32_t>(now_s);

        const bool single = records_.size() == 1;
        if (single)
            finish_single(parameters, out, patches);
        else
            finish_batch(parameters, same_time, out, patches);
        records_.clear();
        values_.clear();
        rows = 0;
        return single ? protocol::opcode::execute : protocol::opcode::batch;
    }

private:
    struct record {
        const prepared_write* write;
        std::size_t begin;  // in values_, bound for the form with the time in the text
        std::size_t size;
        std::size_t writetime_at;  // in the record
        std::size_t ttl_at;        // in the record; 0: none
        std::int64_t writetime_us;
        std::int64_t expiry_s;
    };

    // The same values for the form that has no marker for the write time. The TTL stands before it,
    // so it stays where it is.
    bytes_view without_writetime(const record& r)
    {
        const auto values = values_.view().subspan(r.begin, r.size);
        const auto cut = r.writetime_at - 4;
        scratch_.clear();
        scratch_.append(values.first(cut));
        scratch_.append(values.subspan(cut + 12));
        DW_ASSERT(r.ttl_at <= cut);
        return scratch_.view();
    }

    static void
    note_ttl(const record& r, std::size_t end, std::size_t size, std::vector<ttl_patch>& patches)
    {
        if (r.ttl_at == 0 || r.expiry_s == no_expiry) return;
        patches.push_back({end - size + r.ttl_at, r.expiry_s});
    }

    void finish_single(
        protocol::write_parameters parameters, byte_buffer& out, std::vector<ttl_patch>& patches
    )
    {
        const auto& r = records_.front();
        const auto& form = r.write->in_request;
        parameters.values = without_writetime(r);
        parameters.value_count = static_cast<std::uint16_t>(form.statement.markers.size());
        protocol::append_execute_body(out, version_, form.id, form.result_metadata_id, parameters);
        // Behind the values stand the timestamp and, in version 5, now_in_seconds.
        const auto tail = std::size_t{8} + (version_ >= 5 ? 4 : 0);
        note_ttl(r, out.size() - tail, parameters.values.size(), patches);
    }

    void finish_batch(
        const protocol::write_parameters& parameters,
        bool same_time,
        byte_buffer& out,
        std::vector<ttl_patch>& patches
    )
    {
        protocol::batch_builder batch(out, version_, protocol::batch_type::unlogged);
        for (const auto& r : records_) {
            const auto& form = same_time ? r.write->in_request : r.write->in_text;
            const auto values =
                same_time ? without_writetime(r) : values_.view().subspan(r.begin, r.size);
            const auto count = static_cast<std::uint16_t>(form.statement.markers.size());
            batch.add_prepared(form.id, count, values);
            note_ttl(r, out.size(), values.size(), patches);
        }
        batch.finish(parameters);
    }

    std::uint8_t version_;
    protocol::consistency level_;
    std::vector<record> records_;
    byte_buffer values_;
    byte_buffer scratch_;
};

// Corrects the TTLs of a request that is sent again at `now_s`.
inline void patch_ttls(byte_buffer& body, std::span<const ttl_patch> patches, std::int64_t now_s)
{
    for (const auto& patch : patches)
        store_be(body.data() + patch.at, ttl_for(patch.expiry_s, now_s));
}

}  // namespace dualwrite::copy
