#pragma once

#include <dualwrite/policy/outcome.hpp>
#include <dualwrite/protocol/compression.hpp>
#include <dualwrite/protocol/request.hpp>
#include <dualwrite/protocol/response.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "relay.hpp"
#include "worker.hpp"

namespace dualwrite::engine {

// One client with its own connection to the source: stream ids, keyspace, authentication, tracing,
// compression and events pass through untouched. Sees every envelope; changes a write that has no
// write time, and nothing else.
//
// Threads: the worker's.
class client_session {
public:
    client_session(worker& on, std::uint64_t id, const client_limits::address& from) noexcept;
    ~client_session();

    std::uint64_t id() const noexcept { return id_; }
    void start(unique_fd client);
    // No new requests; closes when those in flight are answered.
    void begin_drain();
    // Why it should be sent away; null: it need not.
    const char* overdue() const noexcept;
    void expire();
    // The loop ends: what the operator has to know is kept, the rest is in the spool.
    void abandon();
    // True: its request has room in memory now, or is gone.
    bool continue_request() { return client_.admit_expected(); }
    // One of its answers is held; and then it may go.
    void answer_held() noexcept { ++answers_held_; }
    void send_held(bytes_view envelope);

private:
    // What is known of a request when its answer comes.
    struct pending {
        enum class kind : std::uint8_t {
            none,
            startup,
            auth,
            prepare,  // number: registry id
            use,
            options,
            addresses,     // a result that tells addresses; number: registry id + 1 or 0
            write,         // number: lsn
            conditional,   // the same, a lightweight transaction
            schema,        // the same, DDL
            truncate,      // the same, TRUNCATE
            unreplicated,  // number: index into letters_
            dirty,         // number: ticket of the worker's dirty rows; several: a transaction
        };
        kind what{kind::none};
        bool several{false};   // may write more than one partition
        bool doubtful{false};  // its answer may be another request's: see begin_answer()
        transaction_marks::place place{};  // of a transaction
        std::uint64_t number{0};
    };

    class client_side final : public channel {
    public:
        client_side(loop& on, client_session& of) : channel(on), its(of) {}
        void on_open() override {}
        std::size_t on_bytes(bytes_view bytes, std::size_t& wanted) override;
        void on_close(std::error_code error) override { its.client_closed(error); }
        void on_drained() override { its.source_.pause_reading(false); }
        client_session& its;
    };
    class source_side final : public channel {
    public:
        source_side(loop& on, client_session& of) : channel(on), its(of) {}
        void on_open() override { its.source_opened(); }
        std::size_t on_bytes(bytes_view bytes, std::size_t& wanted) override;
        void on_close(std::error_code error) override { its.source_closed(error); }
        void on_drained() override { its.resume_client(); }
        client_session& its;
    };
    struct request_handler final : relay_handler {
        explicit request_handler(client_session& of) : its(of) {}
        bytes_view take(const protocol::envelope_header& h, bytes_view envelope) override
        {
            return its.take_request(h, envelope);
        }
        bool stream(const protocol::envelope_header&) override { return false; }
        void refuse(std::error_code error, bytes_view head) override
        {
            its.refuse_request(error, head);
        }
        client_session& its;
    };
    struct response_handler final : relay_handler {
        explicit response_handler(client_session& of) : its(of) {}
        bytes_view take(const protocol::envelope_header& h, bytes_view envelope) override
        {
            return its.take_response(h, envelope);
        }
        bool stream(const protocol::envelope_header& h) override { return its.stream_response(h); }
        void refuse(std::error_code error, bytes_view) override { its.source_closed(error); }
        client_session& its;
    };

    // Connections
    void connect_source();
    void source_opened();
    void source_closed(std::error_code error);
    void client_closed(std::error_code error);
    void resume_client();
    std::size_t allowed_backlog(std::size_t usually) const noexcept;
    void expect_request(std::size_t wanted);
    void give_up_pending();
    void logged_in();
    bool is_behind_target() const;
    void finish_if_idle();
    void finish();

    // Requests: client_session_requests.cpp
    bytes_view take_request(const protocol::envelope_header& h, bytes_view envelope);
    void refuse_request(std::error_code error, bytes_view head);
    bytes_view take_startup(const protocol::envelope_header& h, bytes_view envelope);
    bytes_view take_auth(const protocol::envelope_header& h, bytes_view envelope, bytes_view body);
    bytes_view
    take_prepare(const protocol::envelope_header& h, bytes_view envelope, bytes_view body);
    bytes_view take_query(const protocol::envelope_header& h, bytes_view envelope, bytes_view body);
    bytes_view
    take_execute(const protocol::envelope_header& h, bytes_view envelope, bytes_view body);
    const replication::statement* find_prepared(bytes_view id);
    bytes_view forward(const protocol::envelope_header& h, bytes_view envelope, pending what);
    bool begin_answer(std::size_t stream);
    bytes_view answer_error(
        const protocol::envelope_header& h, protocol::error_code code, std::string_view text
    );
    bytes_view answer_unprepared(const protocol::envelope_header& h, bytes_view id);
    bytes_view answer(const protocol::envelope_header& h, bytes_view body);

    // Writes: client_session_writes.cpp
    struct write_request {
        const protocol::envelope_header& header;
        bytes_view envelope;  // as it came
        bytes_view body;      // not compressed
    };
    bytes_view take_write(
        const write_request& request,
        const replication::statement& statement,
        const protocol::query_parameters& parameters,
        bool execute
    );
    bytes_view take_batch(const write_request& request, bool evaluated = false);

    // Non-deterministic functions: client_session_functions.cpp
    bytes_view take_evaluated(
        const write_request& request,
        const protocol::query_view& query,
        const replication::statement& statement
    );
    bytes_view prepare_evaluated(
        const write_request& request,
        const protocol::prepare_view& prepare,
        const replication::statement& statement
    );
    bytes_view execute_evaluated(
        const write_request& request,
        const protocol::execute_view& execute,
        const replication::statement& statement
    );
    bytes_view batch_evaluated(const write_request& request, const protocol::batch_view& batch);
    void
    append_hidden(byte_buffer& out, const replication::statement& statement, bytes_view values);
    // An envelope whose body is `rebuilt_` behind the prefix of the request's.
    bytes_view rebuilt_envelope(const write_request& request);
    bytes_view without_hidden(
        const protocol::envelope_header& h, bytes_view envelope, std::uint64_t statement
    );
    // Where a write's time comes from.
    enum class times : std::uint8_t {
        ours,         // the request's default timestamp, given by the client or by us
        in_text,      // USING TIMESTAMP
        transaction,  // the source's ballot
        source,       // its clock: the operator wants it so
    };
    static times
    times_of(bool timestamp_in_text, bool conditional, bool of_source, bool clients_own) noexcept
    {
        if (conditional) return times::transaction;
        if (timestamp_in_text) return times::in_text;
        return of_source && !clients_own ? times::source : times::ours;
    }
    bytes_view accept(
        const write_request& request,
        replication::mutation_header mutation,
        const protocol::statement_options& options,
        std::span<const std::uint32_t> statement_ids,
        std::string_view text,
        bytes_view values,
        times whose
    );
    // Of the statement in work: where transactions may have hidden it, or it is one.
    void find_places(const replication::statement& statement, bytes_view values, bool named_values);
    std::int64_t next_writetime() noexcept;
    bool may_be_hidden(std::int64_t writetime_us) const noexcept;
    void transaction_answered(const pending& what, policy::outcome outcome);
    bytes_view patched(
        const write_request& request,
        const protocol::statement_options& options,
        std::int64_t writetime_us,
        std::int32_t now_in_seconds
    );
    std::vector<kept_statement>
    kept_children(const protocol::batch_view& batch, std::string_view keyspace);
    bytes_view mirror_schema(const write_request& request, const replication::statement& statement);
    bytes_view refuse_schema(const write_request& request, const replication::statement& statement);

    bytes_view leave_out(
        const write_request& request,
        const std::string& table,
        std::string_view reason,
        std::vector<kept_statement> statements
    );
    bool refused_by_limits(const write_request& request, bytes_view& answer);
    void slow_down();
    // The spool is full, and writes leave their rows only.
    bool degrades() const noexcept;
    // False: the child of a batch does not say its rows.
    bool add_refs(
        std::vector<replication::partition_ref>& to,
        const replication::statement& statement,
        bytes_view values
    );
    // `refs` empty: it does not say its rows.
    bytes_view take_dirty(
        const write_request& request,
        const protocol::statement_options& options,
        const std::vector<replication::partition_ref>& refs,
        times whose
    );
    bytes_view refuse_full(const write_request& request);
    bytes_view
    take_dirty_answer(const protocol::envelope_header& h, bytes_view envelope, const pending& what);
    void give_up(const pending& what);

    // Responses: client_session_responses.cpp
    bytes_view take_response(const protocol::envelope_header& h, bytes_view envelope);
    bool stream_response(const protocol::envelope_header& h);
    bytes_view
    take_write_answer(const protocol::envelope_header& h, bytes_view envelope, const pending& what);
    bytes_view hold_if_needed(std::uint64_t lsn, bytes_view envelope);
    void take_left_out_answer(
        const protocol::envelope_header& h, bytes_view envelope, const pending& what
    );
    void learn_prepared(const protocol::envelope_header& h, bytes_view envelope, std::uint64_t id);
    void learn_keyspace(const protocol::envelope_header& h, bytes_view envelope);
    void started(const protocol::envelope_header& h);
    // The message of an answer, decompressed if need be; empty if it cannot be read.
    bytes_view message_of(const protocol::envelope_header& h, bytes_view envelope);

    // What clients see in place of the source's words: client_session_views.cpp
    bytes_view
    changed_rows(const protocol::envelope_header& h, bytes_view envelope, std::uint64_t statement);
    bytes_view changed_event(const protocol::envelope_header& h, bytes_view envelope);
    void learn_own_address(int client);
    bytes_view changed_supported(const protocol::envelope_header& h, bytes_view envelope);
    // An envelope of the turn's space, not compressed; its size is that of the two parts.
    bytes_view
    made_envelope(protocol::envelope_header header, bytes_view prefix, bytes_view message);
    bytes_view with_message(
        const protocol::envelope_header& h, bytes_view envelope, bytes_view old, bytes_view message
    );
    bool is_refused_version(const protocol::envelope_header& h) const;
    bytes_view refuse_version(const protocol::envelope_header& h);
    pending take_pending(std::int16_t stream) noexcept;
    static bool is_write(const pending& p) noexcept
    {
        return p.what >= pending::kind::write && p.what <= pending::kind::truncate;
    }

    worker& worker_;
    std::uint64_t id_;
    client_limits::address from_;
    std::int64_t accepted_ms_;
    std::int64_t heard_ms_;  // of the client, or of the source for it
    bool logged_in_{false};
    client_side client_;
    source_side source_;
    request_handler requests_{*this};
    response_handler responses_{*this};
    relay to_source_;
    relay to_client_;

    std::uint8_t version_{0};  // of the protocol; 0: nothing has come yet
    protocol::compression compression_{protocol::compression::none};
    bool started_{false};
    bool draining_{false};
    bool source_lost_{false};  // it was there and is gone: the client is sent away
    bool source_was_open_{false};
    bool ended_{false};
    std::size_t address_tries_{0};
    std::string source_error_;  // not empty: clients are told, and sent away
    std::string keyspace_;
    login login_seen_;
    protocol::inet_value reached_at_{.address_size = 0};  // by the client, for --peers self
    loop::timer_id orphan_timer_{0};
    loop::timer_id slow_timer_{0};  // it is read no further until then
    std::uint64_t target_losses_seen_{0};

    std::vector<pending> pending_;                        // by stream id
    static constexpr std::uint8_t answers_due_max = 255;  // and then for ever
    std::vector<std::uint8_t> answers_due_;               // by stream id
    std::size_t in_flight_{0};
    std::size_t writes_in_flight_{0};
    std::size_t answers_held_{0};  // by the worker
    std::vector<std::unique_ptr<dead_letter>> letters_;

    byte_buffer plain_;  // a decompressed body
    std::vector<transaction_marks::place> places_;
    byte_buffer children_;  // of the batch in work, or the values of a part of one
    byte_buffer rebuilt_;   // a request's body with the values of functions
};

}  // namespace dualwrite::engine
