#include "client.hpp"

#include <dualwrite/protocol/request.hpp>
#include <dualwrite/protocol/response.hpp>

namespace sim {

namespace protocol = dualwrite::protocol;
using dualwrite::as_bytes;
using dualwrite::as_text;
using dualwrite::byte_buffer;
using protocol::error_code;
using protocol::opcode;

namespace {

protocol::value_list values_of(const write_step& step)
{
    protocol::value_list out;
    for (const auto& value : step.values) {
        if (value.unset)
            out.add_unset();
        else
            out.add(
                value.present ? std::optional(as_bytes(value.bytes))
                              : std::optional<dualwrite::bytes_view>()
            );
    }
    return out;
}

}  // namespace

client::client(kernel& on, std::size_t number, std::uint8_t version, std::vector<operation*> work)
    : on_(on), number_(number), version_(version), work_(std::move(work))
{
}

void client::start()
{
    connect();
}

void client::connect()
{
    if (is_done()) return;
    line_ = on_.connect_to_process(*this);
    const auto turn = ++turn_;
    if (!line_) {
        on_.after(on_.random.between(5'000, 50'000), [this, turn] {
            if (turn == turn_) connect();
        });
        return;
    }
    decoder_ = protocol::envelope_decoder();
    encoder_ = protocol::envelope_encoder();
    phase_ = phase::starting;
    byte_buffer body;
    protocol::append_startup_body(body, {{"CQL_VERSION", "3.0.0"}});
    send(opcode::startup, body);
}

void client::send(opcode op, const byte_buffer& body)
{
    stream_ = static_cast<std::int16_t>((stream_ + 1) & 0x7f);
    byte_buffer out;
    encoder_.append(
        out,
        {.version = version_,
         .stream = stream_,
         .op = op,
         .body_size = static_cast<std::uint32_t>(body.size())},
        body.view()
    );
    line_->send(std::string(as_text(out.view())));
}

void client::on_gone(link& from)
{
    if (line_.get() != &from) return;
    line_.reset();
    const bool asking = phase_ == phase::asking;
    phase_ = phase::away;
    if (asking) finish(operation::state::lost);
    const auto turn = ++turn_;
    on_.after(on_.random.between(1'000, 30'000), [this, turn] {
        if (turn == turn_) connect();
    });
}

void client::on_bytes(link& from, std::string_view bytes)
{
    if (line_.get() != &from) return;
    decoder_.feed(as_bytes(bytes));
    while (line_) {
        const auto next = decoder_.next();
        if (!next) problem_ = "the proxy sent what is not CQL: " + next.error().message();
        if (!next || !*next) return;
        take(**next);
    }
}

void client::take(const protocol::envelope_view& in)
{
    if (in.header.stream != stream_) {
        // The source's error about a connection that it never got to.
        if (phase_ != phase::starting) problem_ = "an answer to another request";
        return;
    }
    switch (phase_) {
    case phase::starting:
        if (in.header.op != opcode::ready) return;  // the connection closes
        if (version_ >= 5) {
            encoder_.switch_to_segments(false);
            decoder_.switch_to_segments(false);
        }
        phase_ = phase::ready;
        return go_on();
    case phase::preparing:
        return take_prepared(in);
    case phase::asking:
        return take_answer(in);
    default:
        problem_ = "an answer that was not asked for";
    }
}

void client::go_on()
{
    if (is_done()) {
        line_->close();
        line_.reset();
        phase_ = phase::away;
        return;
    }
    const auto turn = ++turn_;
    on_.after(work_[next_]->pause_us, [this, turn] {
        if (turn == turn_ && phase_ == phase::ready) ask(*work_[next_]);
    });
}

// Prepares the next statement that is not prepared yet. False: there is none.
bool client::prepare_missing(const operation& op)
{
    if (op.how != operation::form::prepared) return false;
    for (const auto& step : op.steps) {
        if (prepared_.count(step.text) != 0) continue;
        preparing_ = step.text;
        phase_ = phase::preparing;
        byte_buffer body;
        protocol::append_prepare_body(body, version_, step.text);
        send(opcode::prepare, body);
        return true;
    }
    return false;
}

void client::take_prepared(const protocol::envelope_view& in)
{
    phase_ = phase::ready;
    if (const auto made = protocol::parse_prepared(in.body, version_))
        prepared_[preparing_] = as_text(made->id);
    ask(*work_[next_]);
}

void client::ask(operation& op)
{
    if (prepare_missing(op)) return;
    phase_ = phase::asking;
    op.what = operation::state::sent;
    op.sent_us = on_.now_us();
    byte_buffer body;
    if (op.steps.size() > 1) {
        ask_batch(op, body);
        return send(opcode::batch, body);
    }
    ask_one(op, body);
    send(op.how == operation::form::prepared ? opcode::execute : opcode::query, body);
}

void client::ask_one(const operation& op, byte_buffer& body)
{
    const auto& step = op.steps.front();
    const auto values = values_of(step);
    protocol::write_parameters p;
    p.consistency = protocol::consistency::local_quorum;
    p.timestamp_us = op.time_us;
    if (op.how != operation::form::text) {
        p.values = values.bytes();
        p.value_count = values.count();
    }
    if (op.how == operation::form::prepared)
        protocol::append_execute_body(
            body, version_, as_bytes(prepared_[step.text]), as_bytes("0123456789abcdef"), p
        );
    else
        protocol::append_query_body(
            body, version_, op.how == operation::form::text ? in_text(step) : step.text, p
        );
}

void client::ask_batch(const operation& op, byte_buffer& body)
{
    protocol::batch_builder batch(
        body, version_, op.logged ? protocol::batch_type::logged : protocol::batch_type::unlogged
    );
    for (const auto& step : op.steps) {
        const auto values = values_of(step);
        if (op.how == operation::form::prepared)
            batch.add_prepared(as_bytes(prepared_[step.text]), values.count(), values.bytes());
        else if (op.how == operation::form::values)
            batch.add_query(step.text, values.count(), values.bytes());
        else
            batch.add_query(in_text(step));
    }
    protocol::write_parameters p;
    p.consistency = protocol::consistency::local_quorum;
    p.timestamp_us = op.time_us;
    batch.finish(p);
}

void client::take_answer(const protocol::envelope_view& in)
{
    auto& op = *work_[next_];
    phase_ = phase::ready;
    if (in.header.op == opcode::error) {
        const auto error = protocol::parse_error(in.body, version_);
        if (!error) {
            problem_ = "an error that cannot be read";
        } else if (error->code == error_code::unprepared) {
            for (const auto& step : op.steps) prepared_.erase(step.text);
            return ask(op);
        } else {
            op.error = static_cast<std::uint32_t>(error->code);
        }
        finish(operation::state::refused);
    } else {
        if (op.transaction) {
            const auto rows = protocol::parse_rows(in.body);
            op.applied = rows && protocol::is_applied(*rows) != false;
        }
        finish(operation::state::done);
    }
    go_on();
}

void client::finish(operation::state how)
{
    auto& op = *work_[next_++];
    op.what = how;
    op.ended_us = on_.now_us();
    if (on_end) on_end(op);
}

}  // namespace sim
