#pragma once

// One client: relayed to the source as before. New is what happens to its writes.

#include <dualwrite/policy/outcome.hpp>
#include <dualwrite/policy/writetime.hpp>
#include <dualwrite/protocol/framing.hpp>
#include <dualwrite/protocol/request.hpp>
#include <dualwrite/protocol/response.hpp>
#include <dualwrite/replication/statements.hpp>

#include "cluster_writer.hpp"

namespace example {

// What all clients share.
struct dual_writing {
    dualwrite::policy::writetime_clock clock;
    dualwrite::replication::statement_registry statements;
    cluster_writer* target{nullptr};
    cluster_writer* source_again{nullptr};  // writes that the source left open
    std::function<void(std::string_view table, std::string_view why)> not_replicated;
    std::function<std::int64_t()> now_ms;  // since 1970
};

class session {
public:
    session(poller& on, int client, int source, dual_writing& dual)
        : dual_(dual),
          client_(
              on, client, [this](dualwrite::bytes_view in) { on_client(in); }, [this] { end(); }
          ),
          source_(
              on, source, [this](dualwrite::bytes_view in) { on_source(in); }, [this] { end(); }
          )
    {
    }

    bool ended() const noexcept { return ended_; }
    // Once a turn: who does not read what the other side sends is not read either.
    void balance()
    {
        constexpr std::size_t unsent_max = 1024 * 1024;
        client_.set_reading(source_.unsent() < unsent_max);
        source_.set_reading(client_.unsent() < unsent_max);
    }

private:
    struct asked {
        enum class kind { write, prepare, use } what{kind::write};
        mutation write{};
        std::string text{};      // of PREPARE
        std::string keyspace{};  // under which it is prepared, or that USE names
    };

    void on_client(dualwrite::bytes_view in)
    {
        from_client_.feed(in);
        for (;;) {
            const auto next = from_client_.next();
            if (!next) return end();
            if (!*next) return;
            on_request(**next);
            if (ended_) return;
        }
    }

    void on_request(const protocol::envelope_view& in)
    {
        using protocol::opcode;
        // A driver takes this for an offer to speak version 4.
        if (in.header.version > 4)
            return refuse(in, "Invalid or unsupported protocol version (5); highest is 4");
        if (in.header.op == opcode::query) return on_query(in);
        if (in.header.op == opcode::execute) return on_execute(in);
        if (in.header.op == opcode::batch) return on_batch(in);
        if (in.header.op == opcode::prepare) remember_prepare(in);
        if (in.header.op == opcode::startup) note_compression(in.body);
        to_source(in.header, in.body);
    }

    void on_query(const protocol::envelope_view& in)
    {
        const auto parsed = protocol::parse_query(in.body, in.header.version, in.header.flags);
        if (!parsed) return to_source(in.header, in.body);  // the server says what is wrong
        const auto made = dual_.statements.make(keyspace_, parsed->text);
        if (made.facts.kind == dualwrite::policy::statement_kind::use)
            asked_[in.header.stream] = {.what = asked::kind::use, .keyspace = made.facts.keyspace};
        on_statement(in, made, parsed->parameters);
    }

    void on_execute(const protocol::envelope_view& in)
    {
        const auto parsed = protocol::parse_execute(in.body, in.header.version, in.header.flags);
        if (!parsed) return to_source(in.header, in.body);
        const auto* const known = dual_.statements.prepared(parsed->id);
        if (known == nullptr) return answer_unprepared(in, parsed->id);
        on_statement(in, *known, parsed->parameters);
    }

    void on_statement(
        const protocol::envelope_view& in,
        const dualwrite::replication::statement& its,
        const protocol::query_parameters& parameters
    )
    {
        if (!is_replayed(its)) return to_source(in.header, in.body);
        const auto writetime = writetime_of(parameters);
        mutation write;
        write.table = its.table;
        write.several = its.facts.may_be_several;
        // A prepared statement, too, goes to the target as its text with its values: ids are the
        // source's, and the text is all that is needed.
        auto its_parameters = protocol::to_write_parameters(parameters);
        its_parameters.skip_metadata = false;
        its_parameters.page_size.reset();
        its_parameters.paging_state.reset();
        its_parameters.timestamp_us = writetime;
        protocol::append_query_body(write.body, 4, its.target_text, its_parameters);
        to_source_stamped(in, parameters, writetime, std::move(write));
    }

    void on_batch(const protocol::envelope_view& in)
    {
        const auto parsed = protocol::parse_batch(in.body, in.header.version, in.header.flags);
        if (!parsed) return to_source(in.header, in.body);
        mutation write;
        write.op = protocol::opcode::batch;
        write.several = parsed->children.size() > 1;
        protocol::batch_builder batch(write.body, 4, parsed->type);
        bool all = true;
        for (const auto& child : parsed->children) {
            std::optional<dualwrite::replication::statement> made;
            const auto* its = child.prepared
                                  ? dual_.statements.prepared(child.id)
                                  : &made.emplace(dual_.statements.make(keyspace_, child.text));
            if (its == nullptr) return answer_unprepared(in, child.id);
            all = is_replayed(*its) && all;
            write.table = its->table;
            batch.add_query(its->target_text, child.value_count, child.values);
        }
        if (!all || parsed->children.empty()) return to_source(in.header, in.body);
        const auto writetime = writetime_of(*parsed);
        protocol::write_parameters parameters;
        parameters.consistency = parsed->consistency;
        parameters.timestamp_us = writetime;
        batch.finish(parameters);
        to_source_stamped(in, *parsed, writetime, std::move(write));
    }

    // Reads are no business of ours. What needs more than a replay is said aloud.
    bool is_replayed(const dualwrite::replication::statement& its)
    {
        using dualwrite::replication::plan;
        if (its.decision.what == plan::replay) return true;
        if (its.decision.what != plan::pass) {
            const auto why = its.decision.reason;
            dual_.not_replicated(its.table, why.empty() ? "schema change" : why);
        }
        return false;
    }

    std::int64_t writetime_of(const protocol::statement_options& options)
    {
        if (options.timestamp_us) return *options.timestamp_us;
        return dual_.clock.next(dual_.now_ms());
    }

    void to_source(const protocol::envelope_header& header, dualwrite::bytes_view body)
    {
        scratch_.clear();
        to_source_.append(scratch_, header, body);
        source_.send(scratch_.view());
    }

    // Both sides get the same write time: that is all that dual writing needs.
    void to_source_stamped(
        const protocol::envelope_view& in,
        const protocol::statement_options& options,
        std::int64_t writetime,
        mutation&& write
    )
    {
        stamped_.clear();
        protocol::append_with_timestamp(
            stamped_,
            in.body,
            in.header.version,
            options.flags_offset,
            options.timestamp_offset,
            writetime
        );
        asked_[in.header.stream] = {.what = asked::kind::write, .write = std::move(write)};
        to_source(in.header, stamped_.view());
    }

    void on_source(dualwrite::bytes_view in)
    {
        from_source_.feed(in);
        for (;;) {
            const auto next = from_source_.next();
            if (!next) return end();
            if (!*next) return;
            const auto& answer = **next;
            if (const auto found = asked_.find(answer.header.stream); found != asked_.end()) {
                auto its = std::move(found->second);
                asked_.erase(found);
                on_answer(std::move(its), answer);
            }
            scratch_.clear();
            to_client_.append(scratch_, answer.header, answer.body);
            client_.send(scratch_.view());
        }
    }

    void on_answer(asked&& its, const protocol::envelope_view& answer)
    {
        const auto message = protocol::skip_response_prefix(answer.header.flags, answer.body);
        if (!message) return;
        const bool good = answer.header.op == protocol::opcode::result;
        if (its.what == asked::kind::write)
            return on_write_answer(std::move(its.write), *message, good);
        if (!good) return;
        if (its.what == asked::kind::use) {
            keyspace_ = its.keyspace;
            return;
        }
        if (const auto prepared = protocol::parse_prepared(*message, 4))
            dual_.statements.set_prepared(
                prepared->id, dual_.statements.intern(its.keyspace, its.text)
            );
    }

    void on_write_answer(mutation&& write, dualwrite::bytes_view message, bool good)
    {
        using dualwrite::policy::outcome;
        if (good) return dual_.target->push(std::move(write));
        const auto error = protocol::parse_error(message, 4);
        const auto what =
            error ? dualwrite::policy::outcome_of(*error, !write.several) : outcome::unknown;
        if (what == outcome::applied) dual_.target->push(std::move(write));
        if (what == outcome::unknown) dual_.source_again->push(std::move(write));
    }

    void remember_prepare(const protocol::envelope_view& in)
    {
        const auto parsed = protocol::parse_prepare(in.body, in.header.version, in.header.flags);
        if (!parsed) return;
        asked_[in.header.stream] = {
            .what = asked::kind::prepare, .text = std::string(parsed->text), .keyspace = keyspace_};
    }

    void note_compression(dualwrite::bytes_view body)
    {
        const auto options = protocol::parse_startup(body);
        const auto word = options ? protocol::find_option(*options, "COMPRESSION") : std::nullopt;
        for (const auto kind : {protocol::compression::lz4, protocol::compression::snappy}) {
            if (!word || *word != protocol::compression_name(kind)) continue;
            from_client_.set_compression(kind);
            from_source_.set_compression(kind);
            to_source_.set_compression(kind);
            to_client_.set_compression(kind);
        }
    }

    void refuse(const protocol::envelope_view& in, std::string_view why)
    {
        dualwrite::byte_buffer body;
        protocol::append_error_body(body, protocol::error_code::protocol_error, why);
        answer(in, body);
    }
    // Every driver prepares again then.
    void answer_unprepared(const protocol::envelope_view& in, dualwrite::bytes_view id)
    {
        dualwrite::byte_buffer body;
        protocol::append_unprepared_body(body, id, "the gateway does not know this statement");
        answer(in, body);
    }
    void answer(const protocol::envelope_view& in, const dualwrite::byte_buffer& body)
    {
        scratch_.clear();
        to_client_.append(
            scratch_, {.version = 4, .response = true, .stream = in.header.stream}, body.view()
        );
        client_.send(scratch_.view());
    }

    // Nobody knows what has become of the writes that have no answer yet.
    void end()
    {
        if (ended_) return;
        ended_ = true;
        for (auto& [id, its] : asked_)
            if (its.what == asked::kind::write) dual_.source_again->push(std::move(its.write));
        asked_.clear();
        client_.close();
        source_.close();
    }

    dual_writing& dual_;
    stream client_;
    stream source_;
    protocol::envelope_decoder from_client_;
    protocol::envelope_decoder from_source_;
    protocol::envelope_encoder to_client_;
    protocol::envelope_encoder to_source_;
    std::unordered_map<std::int16_t, asked> asked_;
    std::string keyspace_;
    dualwrite::byte_buffer stamped_;
    dualwrite::byte_buffer scratch_;
    bool ended_{false};
};

}  // namespace example
