#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <string_view>

// What a reply says about the write that it answers: two tables, one per side.
//
// Error codes are the protocol's numbers (native_protocol_v5.spec 8). A newer server may send codes
// that we do not know: they count as "nothing is known", never as "nothing happened".

namespace dualwrite::policy {

// The source's answer. Facts: StorageProxy, ReplicaPlans.forWrite, CQLMessageHandler (5.0).
enum class outcome : std::uint8_t {
    applied,  // will reach every replica: replicate
    void_,    // no replica got anything: forget the intent
    unknown,  // either: find out, or send it to the source again with the same write time
};

struct outcome_rule {
    std::uint32_t code;
    std::string_view write_type;  // of WRITE_TIMEOUT; empty: any
    outcome single;               // the statement writes one partition
    outcome several;              // it may write more: an earlier one may be on its way already
};

// The first row that fits holds; `unknown` if none does.
inline constexpr auto outcome_rules = std::to_array<outcome_rule>({
    {0x000a, "", outcome::void_, outcome::void_},    // protocol: refused before execution
    {0x0100, "", outcome::void_, outcome::void_},    // bad credentials
    {0x1000, "", outcome::void_, outcome::unknown},  // unavailable: checked per partition
    {0x1001, "", outcome::void_, outcome::unknown},  // overloaded: discarded, or too many hints
    {0x1002, "", outcome::void_, outcome::void_},    // bootstrapping
    {0x1100, "BATCH", outcome::applied, outcome::applied},  // the batch log is written
    {0x1400, "", outcome::void_, outcome::void_},           // function failure
    {0x2000, "", outcome::void_, outcome::void_},           // syntax
    {0x2100, "", outcome::void_, outcome::void_},           // unauthorized
    {0x2200, "", outcome::void_, outcome::void_},           // invalid; v4 also: too large
    {0x2300, "", outcome::void_, outcome::void_},           // configuration
    {0x2400, "", outcome::void_, outcome::void_},           // already exists
    {0x2500, "", outcome::void_, outcome::void_},           // unprepared
    {0x0000, "", outcome::unknown, outcome::unknown},       // server error
    {0x1003, "", outcome::unknown, outcome::unknown},       // truncate: some nodes may have done it
    {0x1100, "", outcome::unknown, outcome::unknown},       // timeout of every other write type
    {0x1500, "", outcome::unknown, outcome::unknown},  // write failure: some replicas may have it
    {0x1600, "", outcome::unknown, outcome::unknown},  // CDC write failure
    {0x1700, "", outcome::unknown, outcome::unknown},  // CAS: a later round may finish it
});

// `write_type` as the error body has it ("SIMPLE", "BATCH", "CAS" ...), empty for other errors.
// `single_mutation` is !statement_facts::may_be_several, or one child for an opcode BATCH.
constexpr outcome
outcome_of_error(std::uint32_t code, std::string_view write_type, bool single_mutation) noexcept
{
    for (const auto& rule : outcome_rules)
        if (rule.code == code && (rule.write_type.empty() || rule.write_type == write_type))
            return single_mutation ? rule.single : rule.several;
    return outcome::unknown;
}
static_assert(outcome_of_error(0x1000, "", true) == outcome::void_);
static_assert(outcome_of_error(0x1000, "", false) == outcome::unknown);

// The same for a parsed ERROR: anything with the fields of protocol::error_view. A RESULT needs no
// rule: it means applied, except that a lightweight transaction says `[applied]` in its row.
template <class Error> outcome outcome_of(const Error& error, bool single_mutation) noexcept
{
    return outcome_of_error(
        static_cast<std::uint32_t>(error.code), error.write_type, single_mutation
    );
}

// What to do with a mutation after the target's answer.
enum class target_action : std::uint8_t {
    done,
    retry,        // after the schedule's delay
    retry_after,  // after `delay`, which the server asked for
    reprepare,    // prepare at the target, then send again; no delay, no failure
    reread,       // may or may not have been applied and must not be repeated: refresh from source
    permanent,    // the same text will be refused again: report, and keep it for the operator
};

struct target_verdict {
    target_action action{target_action::done};
    std::chrono::milliseconds delay{0};
    friend bool operator==(const target_verdict&, const target_verdict&) = default;
};

struct target_rule {
    std::uint32_t code;
    target_action repeatable;  // the mutation may be sent twice: it carries its write time
    target_action once;        // it may not: counters, list appends
};

// `retry` or `reread` if no row fits: a code that we do not know never gives a mutation up.
inline constexpr auto target_rules = std::to_array<target_rule>({
    {0x0000, target_action::retry, target_action::reread},         // server error
    {0x000a, target_action::permanent, target_action::permanent},  // protocol
    {0x0100, target_action::permanent, target_action::permanent},  // bad credentials
    {0x1000, target_action::retry, target_action::reread},         // unavailable
    {0x1001, target_action::retry, target_action::reread},         // overloaded
    {0x1002, target_action::retry, target_action::retry},          // bootstrapping
    {0x1100, target_action::retry, target_action::reread},         // write timeout
    {0x1200, target_action::retry, target_action::reread},         // read timeout
    {0x1300, target_action::retry, target_action::reread},         // read failure
    {0x1400, target_action::permanent, target_action::permanent},  // function failure
    {0x1500, target_action::retry, target_action::reread},         // write failure
    {0x1600, target_action::retry, target_action::reread},         // CDC write failure
    {0x1700, target_action::retry, target_action::reread},         // CAS write unknown
    {0x2000, target_action::permanent, target_action::permanent},  // syntax
    {0x2100, target_action::permanent, target_action::permanent},  // unauthorized
    {0x2200, target_action::permanent, target_action::permanent},  // invalid
    {0x2300, target_action::permanent, target_action::permanent},  // configuration
    {0x2400, target_action::done, target_action::done},            // DDL that is there already
    {0x2500, target_action::reprepare, target_action::reprepare},
});

// A server that asks for more than this gets this; it will say so again.
inline constexpr std::chrono::milliseconds retry_after_max{60'000};

// The wait that Azure Cosmos DB asks for in the text of OVERLOADED ("... RetryAfterMs=25, ..."),
// at most retry_after_max; negative if the text has none.
constexpr std::chrono::milliseconds retry_after(std::string_view message) noexcept
{
    constexpr std::string_view key = "RetryAfterMs=";
    for (auto at = message.find(key); at != std::string_view::npos;
         at = message.find(key, at + 1)) {
        const bool begins = at == 0 || message[at - 1] == ' ' || message[at - 1] == ',';
        auto digits = message.substr(at + key.size());
        digits = digits.substr(0, digits.find_first_not_of("0123456789"));
        if (!begins || digits.empty()) continue;
        std::int64_t ms = 0;
        for (const char c : digits) ms = std::min(ms * 10 + (c - '0'), retry_after_max.count());
        return std::chrono::milliseconds(ms);
    }
    return std::chrono::milliseconds(-1);
}

// Judges an ERROR of the target.
constexpr target_verdict
judge_target_error(std::uint32_t code, std::string_view message, bool repeatable) noexcept
{
    auto action = repeatable ? target_action::retry : target_action::reread;
    for (const auto& rule : target_rules)
        if (rule.code == code) action = repeatable ? rule.repeatable : rule.once;
    if (code != 0x1001) return {action};
    const auto wait = retry_after(message);
    // Cosmos DB measures each request before it runs it: with this text nothing has been written.
    if (wait.count() < 0) return {action};
    return {target_action::retry_after, wait};
}

template <class Error> target_verdict judge_target(const Error& error, bool repeatable) noexcept
{
    return judge_target_error(static_cast<std::uint32_t>(error.code), error.message, repeatable);
}

}  // namespace dualwrite::policy
