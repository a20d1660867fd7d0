#pragma once

#include <dualwrite/protocol/framing.hpp>
#include <dualwrite/protocol/request.hpp>
#include <dualwrite/protocol/response.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "database.hpp"
#include "kernel.hpp"

namespace sim {

struct cluster_settings {
    int port{0};
    std::uint8_t version_max{5};
    std::int64_t work_min_us{20};
    std::int64_t work_max_us{1500};
    // Of 1000 writes, how many are answered with an error; some of those are carried out.
    std::int64_t error_per_mille{0};
    // Of the writes that time out, how many are carried out only later, and how much.
    std::int64_t late_per_mille{300};
    std::int64_t late_max_us{3'000'000};
    bool asks_to_wait{false};  // OVERLOADED says "RetryAfterMs=", as Azure Cosmos DB does
};

// One statement with its values, ready to run.
struct planned_write {
    std::shared_ptr<const cql_statement> statement;
    std::vector<bound> values;
};

// One request as a node takes it.
struct planned_request {
    std::vector<planned_write> writes;  // or one SELECT
    std::optional<std::int64_t> time_us;
    std::optional<std::int64_t> now_s;
    bool batch_log{false};
    bool serial{false};
    std::string unprepared;  // the id that is not known
};

struct node_answer {
    dualwrite::protocol::opcode op{dualwrite::protocol::opcode::result};
    std::string body;
};

// One side: a node that speaks the protocol and keeps a database. Requests of one connection are
// worked on in any order.
class cluster final : public endpoint {
public:
    cluster(kernel& on, std::string name, const cluster_settings& settings);

    const std::string& name() const noexcept { return name_; }
    const database& data() const noexcept { return data_; }
    cluster_settings& settings() noexcept { return settings_; }
    const cluster_settings& settings() const noexcept { return settings_; }
    // Every connection breaks, and none is taken until up(). With `forget` it knows no prepared
    // statement any more.
    void down(bool forget);
    void up() { on_.refuse(settings_.port, false); }
    std::uint64_t writes() const noexcept { return writes_; }
    // What was asked of it and makes no sense: a mistake of the proxy's or of the simulation's.
    const std::string& problem() const noexcept { return problem_; }

private:
    struct connection {
        std::shared_ptr<link> line;
        dualwrite::protocol::envelope_decoder decoder;
        dualwrite::protocol::envelope_encoder encoder;
    };
    using header = dualwrite::protocol::envelope_header;

    void on_bytes(link& from, std::string_view bytes) override;
    void on_gone(link& from) override;

    void take(connection& c, const dualwrite::protocol::envelope_view& envelope);
    void answer_later(connection& c, const header& request, node_answer answer);
    void send(std::uint64_t link_id, const header& request, const node_answer& answer);
    node_answer prepare(const header& h, std::string_view text);
    void take_data(connection& c, const header& h, dualwrite::bytes_view body);
    planned_request plan(const header& h, dualwrite::bytes_view body);
    planned_write plan_one(const std::string& text, dualwrite::bytes_view values, bool named);
    std::vector<planned_write> flatten(planned_write one) const;
    node_answer run(const header& h, const planned_request& request);
    node_answer run_select(const header& h, const planned_request& request);
    node_answer run_transaction(const planned_request& request);
    node_answer run_round(const planned_request& request);
    void finish_transactions();
    void run_writes(const planned_request& request, std::int64_t time_us, bool ballot);
    node_answer fail_write(const header& h, const planned_request& request);
    std::int64_t next_time_us();
    std::int64_t now_s(const planned_request& request) const;

    kernel& on_;
    std::string name_;
    cluster_settings settings_;
    database data_;
    std::map<std::uint64_t, connection> connections_;
    std::map<std::string, std::string> prepared_;  // text by id
    std::vector<planned_request> unfinished_;  // transactions whose round was left in the middle
    std::int64_t last_time_us_{0};
    std::uint64_t writes_{0};
    std::string problem_;
};

// Answers.
node_answer void_answer();
node_answer applied_answer(bool applied);
node_answer error_answer(
    dualwrite::protocol::error_code code,
    std::string_view text,
    std::string_view write_type = {},
    std::uint8_t version = 4
);
node_answer unprepared_answer(std::string_view id);
node_answer prepared_answer(std::uint8_t version, std::string_view id, const cql_statement& s);
node_answer rows_answer(const cql_statement& s, const std::vector<std::vector<answer_cell>>& rows);
// What the proxy asks of system tables; empty: none of those.
std::optional<node_answer> system_answer(std::string_view text, std::int64_t now_us);

}  // namespace sim
