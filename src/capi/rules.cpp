#include <dualwrite/policy/evaluate.hpp>
#include <dualwrite/policy/outcome.hpp>
#include <dualwrite/policy/rewrite.hpp>
#include <dualwrite/policy/statement.hpp>
#include <dualwrite/policy/writetime.hpp>
#include <dualwrite/protocol/request.hpp>
#include <dualwrite/replication/write_plan.hpp>

#include <limits>
#include <memory>
#include <optional>
#include <random>

#include "guard.hpp"
#include "live.hpp"
#include "statement.hpp"

using namespace dualwrite;
using namespace dualwrite::capi;

struct dw_tables {
    replication::table_shapes shapes;
    live alive{};
};

struct dw_clock {
    explicit dw_clock(std::int64_t high_water_us) : clock(high_water_us) {}
    policy::writetime_clock clock;
    live alive{};
};

static_assert(DW_ROUTE_REPLAY == static_cast<unsigned>(replication::plan::replay));
static_assert(DW_ROUTE_UNDECIDED == static_cast<unsigned>(replication::plan::undecided));
static_assert(DW_ROUTE_REFRESH == static_cast<unsigned>(replication::plan::refresh));
static_assert(DW_ROUTE_SCHEMA == static_cast<unsigned>(replication::plan::schema));
static_assert(DW_ROUTE_UNREPLICATED == static_cast<unsigned>(replication::plan::unreplicated));
static_assert(DW_OUTCOME_APPLIED == static_cast<unsigned>(policy::outcome::applied));
static_assert(DW_OUTCOME_VOID == static_cast<unsigned>(policy::outcome::void_));
static_assert(DW_OUTCOME_UNKNOWN == static_cast<unsigned>(policy::outcome::unknown));

namespace {

// What the clock's arithmetic has room for.
constexpr std::int64_t now_ms_max = std::numeric_limits<std::int64_t>::max() / 2001;

bool is_moment(std::int64_t now_ms) noexcept
{
    return now_ms >= 0 && now_ms < now_ms_max;
}

int no_moment(dw_error* err)
{
    return report(err, DW_E_INVALID_ARGUMENT, "now_ms is not milliseconds since 1970");
}

// Where the times of a request stand. Empty: it is no QUERY, EXECUTE or BATCH.
std::optional<result<protocol::statement_options>>
options_of(bytes_view body, std::uint8_t version, std::uint8_t flags, protocol::opcode op)
{
    using options = result<protocol::statement_options>;
    switch (op) {
    case protocol::opcode::query: {
        const auto parsed = protocol::parse_query(body, version, flags);
        return parsed ? options(parsed->parameters) : options(fail(parsed.error()));
    }
    case protocol::opcode::execute: {
        const auto parsed = protocol::parse_execute(body, version, flags);
        return parsed ? options(parsed->parameters) : options(fail(parsed.error()));
    }
    case protocol::opcode::batch: {
        const auto parsed = protocol::parse_batch(body, version, flags);
        return parsed ? options(*parsed) : options(fail(parsed.error()));
    }
    default:
        return {};
    }
}

std::string
independent(std::string_view cql, std::string_view keyspace, std::int64_t now_ms, auto random)
{
    auto facts = policy::classify(cql);
    if (!policy::is_evaluable(facts)) return policy::qualify(cql, facts, keyspace);
    policy::function_evaluator evaluator(random);
    const auto evaluated = policy::evaluate(cql, facts, evaluator, now_ms);
    return policy::qualify(evaluated, policy::classify(evaluated), keyspace);
}

}  // namespace

int dw_tables_new(dw_tables** out, dw_error* err)
{
    return guard(err, [&] {
        if (out == nullptr) return null_argument(err, "out");
        *out = nullptr;
        *out = new dw_tables;
        return DW_OK;
    });
}

void dw_tables_free(dw_tables** tables)
{
    delete take_handle(tables);
}

int dw_tables_add_column(
    dw_tables* tables,
    const char* keyspace,
    const char* table,
    const char* column,
    const char* type,
    dw_error* err
)
{
    return guard(err, [&] {
        if (const int code = check_handle(err, tables, "tables"); code != DW_OK) return code;
        if (keyspace == nullptr) return null_argument(err, "keyspace");
        if (table == nullptr) return null_argument(err, "table");
        if (column == nullptr) return null_argument(err, "column");
        if (type == nullptr) return null_argument(err, "type");
        auto& shape = tables->shapes[{keyspace, table}];
        const std::string_view spelled = type;
        shape.types.insert_or_assign(column, std::string(spelled));
        if (spelled == "counter") shape.counter = true;
        if (spelled.starts_with("list<") && !shape.is_list(column))
            shape.lists.emplace_back(column);
        return DW_OK;
    });
}

int dw_route(
    uint32_t* route,
    const char** reason,
    const dw_statement* statement,
    const char* keyspace,
    const dw_tables* tables,
    dw_error* err
)
{
    return guard(err, [&] {
        if (route == nullptr) return null_argument(err, "route");
        if (const int code = check_handle(err, statement, "statement"); code != DW_OK) return code;
        if (tables != nullptr)
            if (const int code = check_handle(err, tables, "tables"); code != DW_OK) return code;
        static const replication::table_shapes none;
        const auto decided = replication::decide(
            statement->facts,
            keyspace == nullptr ? "" : keyspace,
            tables == nullptr ? none : tables->shapes
        );
        *route = static_cast<std::uint32_t>(decided.what);
        // Views of literals, which end in NUL.
        if (reason != nullptr) *reason = decided.reason.empty() ? "" : decided.reason.data();
        return DW_OK;
    });
}

int dw_clock_new(dw_clock** out, int64_t high_water_us, dw_error* err)
{
    return guard(err, [&] {
        if (out == nullptr) return null_argument(err, "out");
        *out = nullptr;
        if (!is_moment(high_water_us / 1000))
            return report(
                err, DW_E_INVALID_ARGUMENT, "high_water_us is not microseconds since 1970"
            );
        *out = new dw_clock(high_water_us);
        return DW_OK;
    });
}

void dw_clock_free(dw_clock** clock)
{
    delete take_handle(clock);
}

int dw_clock_next(int64_t* writetime_us, dw_clock* clock, int64_t now_ms, dw_error* err)
{
    return guard(err, [&] {
        if (writetime_us == nullptr) return null_argument(err, "writetime_us");
        if (const int code = check_handle(err, clock, "clock"); code != DW_OK) return code;
        if (!is_moment(now_ms)) return no_moment(err);
        *writetime_us = clock->clock.next(now_ms);
        return DW_OK;
    });
}

int dw_clock_fence(dw_clock* clock, int64_t now_ms, dw_error* err)
{
    return guard(err, [&] {
        if (const int code = check_handle(err, clock, "clock"); code != DW_OK) return code;
        if (!is_moment(now_ms)) return no_moment(err);
        clock->clock.fence(now_ms);
        return DW_OK;
    });
}

int dw_clock_high_water(int64_t* writetime_us, const dw_clock* clock, dw_error* err)
{
    return guard(err, [&] {
        if (writetime_us == nullptr) return null_argument(err, "writetime_us");
        if (const int code = check_handle(err, clock, "clock"); code != DW_OK) return code;
        *writetime_us = clock->clock.high_water();
        return DW_OK;
    });
}

int dw_request_set_times(
    void* out,
    size_t capacity,
    size_t* out_size,
    const void* body,
    size_t size,
    uint8_t version,
    uint8_t flags,
    uint8_t opcode,
    int64_t writetime_us,
    int32_t now_s,
    dw_error* err
)
{
    return guard(err, [&] {
        if (out_size == nullptr) return null_argument(err, "out_size");
        *out_size = 0;
        if (out == nullptr) return null_argument(err, "out");
        if (body == nullptr) return null_argument(err, "body");
        if (version < 3 || version > 5)
            return report(err, DW_E_INVALID_ARGUMENT, "version is not 3, 4 or 5");
        if (now_s != DW_NOW_UNCHANGED && version < 5)
            return report(
                err, DW_E_INVALID_ARGUMENT, "now_s exists in version 5 only; DW_NOW_UNCHANGED"
            );
        const bytes_view in(static_cast<const std::byte*>(body), size);
        const auto options = options_of(in, version, flags, static_cast<protocol::opcode>(opcode));
        if (!options)
            return report(err, DW_E_INVALID_ARGUMENT, "opcode is not QUERY, EXECUTE or BATCH");
        if (!*options) return report(err, (*options).error(), "");
        const auto& its = **options;
        const auto patch =
            now_s == DW_NOW_UNCHANGED
                ? protocol::patch_timestamp(
                      in, version, its.flags_offset, its.timestamp_offset, writetime_us
                  )
                : protocol::patch_times(in, version, its, writetime_us, now_s);
        if (capacity < patch.size())
            return report(
                err, DW_E_INVALID_ARGUMENT, "out has no room for " + std::to_string(patch.size())
            );
        auto* to = static_cast<std::byte*>(out);
        for (const auto piece : patch.pieces()) to = std::copy(piece.begin(), piece.end(), to);
        *out_size = patch.size();
        return DW_OK;
    });
}

int dw_make_independent(
    char** out,
    const char* cql,
    size_t size,
    const char* keyspace,
    int64_t now_ms,
    dw_random_fn random,
    void* user,
    dw_error* err
)
{
    return guard(err, [&] {
        if (out == nullptr) return null_argument(err, "out");
        *out = nullptr;
        if (cql == nullptr) return null_argument(err, "cql");
        if (!is_moment(now_ms)) return no_moment(err);
        if (size > std::numeric_limits<std::uint32_t>::max())
            return report(err, DW_E_INVALID_ARGUMENT, "a statement is shorter than 4 GiB");
        const std::string_view text(cql, size);
        const auto facts = policy::classify(text);
        if (facts.nondeterministic && !policy::is_evaluable(facts))
            return report(
                err, DW_E_UNSUPPORTED, "a function stands where its value cannot be put; refresh"
            );
        std::random_device device;
        const auto bits = [&] {
            return random != nullptr ? random(user) : std::uint64_t{device()} << 32 | device();
        };
        const std::string_view name = keyspace == nullptr ? "" : keyspace;
        return give_text(out, independent(text, name, now_ms, bits));
    });
}

int dw_source_outcome(
    uint32_t* outcome, uint32_t code, const char* write_type, uint32_t several, dw_error* err
)
{
    return guard(err, [&] {
        if (outcome == nullptr) return null_argument(err, "outcome");
        if (write_type == nullptr) return null_argument(err, "write_type");
        *outcome =
            static_cast<std::uint32_t>(policy::outcome_of_error(code, write_type, several == 0));
        return DW_OK;
    });
}

int dw_target_action(
    uint32_t* action,
    int64_t* delay_ms,
    uint32_t code,
    const char* text,
    size_t text_size,
    uint32_t repeatable,
    dw_error* err
)
{
    return guard(err, [&] {
        if (action == nullptr) return null_argument(err, "action");
        if (text == nullptr && text_size != 0) return null_argument(err, "text");
        const auto message =
            text_size == 0 ? std::string_view() : std::string_view(text, text_size);
        const auto verdict = policy::judge_target_error(code, message, repeatable != 0);
        using enum policy::target_action;
        *action = verdict.action == done        ? DW_TARGET_DONE
                  : verdict.action == reprepare ? DW_TARGET_REPREPARE
                  : verdict.action == reread    ? DW_TARGET_REREAD
                  : verdict.action == permanent ? DW_TARGET_PERMANENT
                                                : DW_TARGET_RETRY;
        if (delay_ms != nullptr) *delay_ms = verdict.delay.count();
        return DW_OK;
    });
}
