#pragma once

#include <dualwrite/engine/unique_fd.hpp>
#include <dualwrite/protocol/framing.hpp>
#include <dualwrite/protocol/request.hpp>
#include <dualwrite/protocol/response_build.hpp>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "bound_values.hpp"

namespace dualwrite::test {

// A request as a node saw it.
struct seen_request {
    struct child {
        bool prepared{false};
        std::string text;
        std::string values;
    };

    std::uint64_t connection{0};
    bool own{false};  // on a connection of the proxy's own, not of a client
    protocol::envelope_header header;
    std::string body;  // not compressed
    std::string text;  // QUERY, PREPARE; of EXECUTE: what was prepared; BATCH: the first child's
    std::string id;    // EXECUTE
    std::string values;
    bool named_values{false};
    protocol::consistency consistency{protocol::consistency::any};
    std::optional<std::int64_t> timestamp_us;
    std::optional<std::int32_t> now_in_seconds;
    std::vector<child> children;    // BATCH
    std::size_t answers_before{0};  // how many statements the node had answered when this one came
    bool executed{false};           // the node did what was asked, whatever it answered

    protocol::opcode op() const noexcept { return header.op; }
    bool is_data() const noexcept
    {
        return op() == protocol::opcode::query || op() == protocol::opcode::execute ||
               op() == protocol::opcode::batch;
    }
    bool begins_with(std::string_view word) const noexcept { return text.starts_with(word); }
    bool is_write() const noexcept
    {
        return is_data() && (begins_with("INSERT") || begins_with("UPDATE") ||
                             begins_with("DELETE") || begins_with("BEGIN"));
    }
    bool is_truncate() const noexcept { return is_data() && begins_with("TRUNCATE"); }
    bool is_schema() const noexcept
    {
        return is_data() && (begins_with("CREATE") || begins_with("ALTER") || begins_with("DROP"));
    }
};

// What a node does with a request.
struct reply {
    enum class kind : std::uint8_t {
        normal,   // what a healthy node answers; the request is executed
        message,  // `op` and `body`
        nothing,  // for ever
        held,     // until fake_cluster::answer_held(), then normal
    };

    kind what{kind::normal};
    protocol::opcode op{protocol::opcode::result};
    std::uint8_t flags{0};
    std::string body{};
    std::int64_t delay_ms{0};
    std::size_t piece{0};      // not 0: the connection's bytes leave in pieces of this size
    bool close_before{false};  // in place of the answer
    bool close_after{false};
    std::optional<bool> executes{};  // else: normal and held do, the others do not
    // An ERROR whose body is made for the version of the request.
    protocol::error_code code{protocol::error_code::server_error};
    std::string text{};
    std::string write_type{};              // of UNPREPARED: the id
    std::optional<std::int16_t> stream{};  // else: that of the request

    static reply normal() { return {}; }
    static reply nothing() { return {.what = kind::nothing}; }
    static reply held() { return {.what = kind::held}; }
    static reply message(protocol::opcode op, std::string body, std::uint8_t flags = 0)
    {
        return {.what = kind::message, .op = op, .flags = flags, .body = std::move(body)};
    }
    static reply error(
        protocol::error_code code, std::string_view text = "scripted", std::string_view type = {}
    );
    static reply cut() { return {.close_before = true}; }

    reply after(std::int64_t ms) const
    {
        return with([&](reply& r) { r.delay_ms = ms; });
    }
    reply in_pieces(std::size_t size) const
    {
        return with([&](reply& r) { r.piece = size; });
    }
    reply then_close() const
    {
        return with([](reply& r) { r.close_after = true; });
    }
    reply executed(bool is = true) const
    {
        return with([&](reply& r) { r.executes = is; });
    }

private:
    template <class F> reply with(F change) const
    {
        auto out = *this;
        change(out);
        return out;
    }
};

// Bodies of answers.
std::string void_body();
std::string rows_body(const std::vector<std::string>& texts);  // one column "v"
std::string applied_body(bool applied);                        // of a lightweight transaction
std::string error_body(
    protocol::error_code code,
    std::string_view text,
    std::string_view write_type,
    std::uint8_t version
);

// A node that does as it is told: native protocol 3 to 5, TCP on loopback, a thread of its own.
// It holds no data: it remembers what it was asked. Its schema has the table k.t (a int, b text)
// and what is added.
//
// Threads: all members may be called from any.
class fake_cluster {
public:
    using request_ptr = std::shared_ptr<const seen_request>;
    using script = std::function<reply(const seen_request&)>;
    using filter = std::function<bool(const seen_request&)>;

    struct settings {
        std::uint8_t version_max{5};
        std::string username{};  // not empty: it asks for credentials
        std::string password{};
        bool pack_answers{false};  // version 5: what is answered at once shares a segment
    };

    explicit fake_cluster(std::string name) : fake_cluster(std::move(name), settings{}) {}
    fake_cluster(std::string name, settings its);
    ~fake_cluster();
    fake_cluster(const fake_cluster&) = delete;

    std::uint16_t port() const noexcept { return port_; }

    // Decides about every QUERY, PREPARE, EXECUTE and BATCH except the proxy's reading of the
    // schema. Runs on the cluster's thread. Empty: everything is normal.
    void set_script(script next);
    // The same for what else there is: OPTIONS, STARTUP, AUTH_RESPONSE, REGISTER.
    void set_handshake_script(script next);
    // Answers what was held, in the order in which it came.
    void answer_held();

    // Ends every connection and refuses new ones, on the same port, until up().
    void down();
    void up();
    void drop_connections();
    // The connections that there are are gone without a word; new ones are served.
    void vanish();
    // A node that is there and takes nothing.
    void set_reading(bool reads);
    // As after a restart: every id is unknown.
    void forget_prepared();
    // Another node on 127.0.0.1 that this one tells of, in a datacenter; its own is "dc1".
    void add_peer(std::uint16_t port, const std::string& datacenter);
    // A row of system_schema.columns.
    struct column {
        std::string keyspace;
        std::string table;
        std::string name;
        std::string kind;  // "partition_key", "regular" ...
        std::string type;
    };
    void add_column(column its);
    // Of "keyspace.table"; ten days if it is not set.
    void set_gc_grace(const std::string& table, std::int32_t seconds);
    void add_table(const std::string& keyspace, const std::string& table);  // a int, b text

    // Its clock is so much ahead of the machine's.
    void set_clock_ahead(std::int64_t ms) { clock_ahead_ms_.store(ms); }

    // QUERY, PREPARE, EXECUTE and BATCH so far, without the readings of the schema.
    std::vector<request_ptr> requests(const filter& which = {}) const;
    std::size_t count(const filter& which = {}) const;
    // Writes that were executed, in order.
    std::vector<request_ptr> writes() const;
    // True: there are at least `n` such requests within `limit_ms`.
    bool wait_for(std::size_t n, const filter& which, std::int64_t limit_ms = 20'000) const;
    bool wait_for_writes(std::size_t n, std::int64_t limit_ms = 20'000) const;
    void forget_requests();
    void forget_connections();  // that have ended

    std::uint64_t connections() const;     // so far
    std::size_t open_connections() const;  // now
    std::uint64_t schema_reads() const;
    std::uint64_t malformed() const;  // connections that sent what is not CQL
    // The connections of clients, oldest first, and what they received and sent, byte for byte.
    std::vector<std::uint64_t> client_connections() const;
    std::string received(std::uint64_t connection) const;
    std::string sent(std::uint64_t connection) const;

private:
    struct connection;
    struct answer;
    using record = std::shared_ptr<seen_request>;

    void run();
    void serve(std::unique_lock<std::mutex>& lock);
    void accept_one();
    void read(connection& c);
    void write(connection& c);
    void take(connection& c, const protocol::envelope_view& envelope);
    void flush(connection& c);
    bool parse(seen_request& out);
    void answer_request(connection& c, const record& request, const reply& how);
    void send(connection& c, const record& request, const reply& how);
    std::pair<protocol::opcode, std::string> normal_answer(connection& c, const seen_request& r);
    std::pair<protocol::opcode, std::string> data_answer(const seen_request& r) const;
    std::pair<protocol::opcode, std::string> schema_answer() const;
    std::pair<protocol::opcode, std::string> clock_answer() const;
    std::pair<protocol::opcode, std::string> tables_answer() const;
    std::pair<protocol::opcode, std::string> local_answer() const;
    std::pair<protocol::opcode, std::string> peers_answer() const;
    std::pair<protocol::opcode, std::string> prepare_answer(const seen_request& r);
    std::pair<protocol::opcode, std::string> startup_answer(connection& c, const seen_request& r);
    std::pair<protocol::opcode, std::string> auth_answer(const seen_request& r) const;
    void send_due();
    void wake() noexcept;

    std::string name_;
    settings settings_;
    std::uint16_t port_{0};
    engine::unique_fd listener_;
    engine::unique_fd wake_;

    mutable std::mutex mutex_;
    mutable std::condition_variable changed_;
    bool stopping_{false};
    bool accepting_{true};
    bool reading_{true};
    bool rebind_{false};
    script script_;
    script handshake_script_;
    std::map<std::uint64_t, std::unique_ptr<connection>> connections_;
    std::map<std::uint64_t, std::pair<std::string, std::string>> ended_;  // received, sent
    std::vector<std::uint64_t> clients_;
    std::uint64_t accepted_{0};
    std::uint64_t schema_reads_{0};
    std::atomic<std::int64_t> clock_ahead_ms_{0};
    std::uint64_t malformed_{0};
    std::size_t answers_{0};
    std::vector<record> requests_;
    std::vector<record> held_;
    std::multimap<std::int64_t, answer> due_;
    std::map<std::string, std::string> prepared_;  // id -> text
    std::vector<column> tables_;
    std::map<std::string, std::int32_t> grace_s_;
    std::vector<std::pair<std::uint16_t, std::string>> peers_;
    std::thread thread_;
};

}  // namespace dualwrite::test
