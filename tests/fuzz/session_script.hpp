#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "../support/proxy_rig.hpp"
#include "fuzz.hpp"

// What a client of the session target does, and what the source answers: read from the input.
namespace dualwrite::fuzz {

using protocol::opcode;

inline constexpr std::string_view session_texts[] = {
    "INSERT INTO k.t (a, b) VALUES (1, 'x')",
    "UPDATE k.t SET b = ? WHERE a = ?",
    "DELETE FROM k.t WHERE a = 1",
    "INSERT INTO k.t (a, b) VALUES (?, now())",
    "SELECT b FROM k.t WHERE a = 1",
    "BEGIN BATCH INSERT INTO k.t (a) VALUES (1); DELETE FROM k.t WHERE a = 2; APPLY BATCH",
    "UPDATE k.t SET b = 'x' WHERE a = 1 IF b = 'y'",
    "USE k",
    "INSERT INTO k.t (a) VALUES (1) USING TTL 5",
    "HELLO",
};

// A write whose text we have written ourselves: the proxy replays it, with the time that it has.
inline bool is_replayed(const test::seen_request& write)
{
    return write.text.find(" IF ") == write.text.npos &&
           (write.begins_with("INSERT INTO k.t (a") || write.begins_with("UPDATE k.t SET b") ||
            write.begins_with("DELETE FROM k.t WHERE a") ||
            write.begins_with("BEGIN BATCH INSERT INTO k.t (a"));
}

struct session_request {
    opcode op{opcode::options};
    std::string body;
    std::int16_t stream{0};
    std::string raw;  // in place of all that
    bool piece_ends{true};
};

struct session_script {
    std::uint8_t version{4};
    bool waits{false};  // for an answer to each request, before it leaves
    std::size_t requests{0};
    std::vector<session_request> steps;
    std::deque<test::reply> replies;

    std::vector<std::string> pieces_of(test::wire_client& client) const
    {
        std::vector<std::string> out(1);
        for (const auto& step : steps) {
            out.back() +=
                step.raw.empty() ? client.wire_of(step.op, step.body, step.stream) : step.raw;
            if (step.piece_ends) out.emplace_back();
        }
        return out;
    }
};

inline test::reply read_reply(input& in)
{
    using protocol::error_code;
    constexpr error_code codes[] = {
        error_code::write_timeout,
        error_code::unavailable,
        error_code::overloaded,
        error_code::invalid,
        error_code::server_error,
        error_code::unprepared,
        error_code::write_failure};
    const auto what = in.byte();
    auto out = test::reply::normal();
    if (what % 8 == 1) out = test::reply::error(codes[in.byte() % std::size(codes)], "", "SIMPLE");
    if (what % 8 == 2) out = test::reply::cut();
    if (what % 8 == 3) out = test::reply::cut().executed();
    if (what % 8 == 4) out = out.then_close();
    if (what % 8 == 5) out = out.in_pieces(1 + in.byte());
    if (what % 8 == 6) {
        const auto op = opcode(in.byte() % 17);
        out = test::reply::message(op, std::string(in.byte(), 'r')).executed(op == opcode::result);
    }
    return out;
}

inline std::string read_raw(input& in)
{
    const std::size_t wanted = in.byte();
    const auto size = std::min(wanted, in.rest().size());
    std::string out(as_text(in.rest().first(size)));
    for (std::size_t i = 0; i < size; ++i) in.byte();
    return out;
}

// Of a request with values: so many that the texts have enough.
inline session_request read_request(input& in, std::uint8_t version)
{
    session_request out;
    const auto text = session_texts[in.byte() % std::size(session_texts)];
    const auto values = test::bound_values().of("v").of(in.byte());
    const auto id = "source#" + std::to_string(std::hash<std::string>{}(std::string(text)));
    const auto time = in.byte();
    const auto given = time < 200 ? std::optional<std::int64_t>() : 1'000'000 + time;
    switch (in.byte() % 6) {
    case 0:
        out.op = opcode::query;
        out.body = test::query_body(version, text, {}, given);
        break;
    case 1:
        out.op = opcode::query;
        out.body = test::query_body(version, text, values, given);
        break;
    case 2:
        out.op = opcode::prepare;
        out.body = test::prepare_body(version, text);
        break;
    case 3:
        out.op = opcode::execute;
        out.body = test::execute_body(version, id, values, given);
        break;
    case 4:
        out.op = opcode::batch;
        out.body = test::batch_body(version, {{std::string(text)}, {id, true, values}}, given);
        break;
    default:
        break;
    }
    return out;
}

inline session_script read_session_script(input& in)
{
    constexpr std::size_t steps_max = 24;
    session_script out;
    const auto head = in.byte();
    out.version = head % 2 == 0 ? 4 : 5;
    out.waits = head % 4 >= 2;
    while (!in.rest().empty() && out.steps.size() < steps_max) {
        const auto what = in.byte();
        if (what >= 224) {
            out.replies.push_back(read_reply(in));
            continue;
        }
        auto step = what < 192 ? read_request(in, out.version) : session_request{};
        if (what >= 192) step.raw = read_raw(in);
        if (what >= 192) out.waits = false;
        step.stream = static_cast<std::int16_t>(what % 8 == 0 ? 0 : out.steps.size());
        step.piece_ends = what % 4 != 3;
        out.steps.push_back(std::move(step));
        ++out.requests;
    }
    return out;
}

}  // namespace dualwrite::fuzz
