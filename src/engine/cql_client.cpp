#include <dualwrite/engine/cql_client.hpp>
#include <dualwrite/protocol/request_charge.hpp>

#include <asio/co_spawn.hpp>
#include <asio/post.hpp>
#include <asio/this_coro.hpp>

#include <cstdio>

#include "asio_compat.hpp"

namespace dualwrite::engine {

using protocol::opcode;

namespace {

constexpr std::size_t streams_per_connection = 2048;
constexpr std::size_t read_size = std::size_t{256} * 1024;
// A turn that reads more than this lets others have theirs.
constexpr int reads_per_turn = 4;
constexpr auto deadline_resolution = std::chrono::milliseconds(250);

cql_failure failure_of(std::error_code error, std::string text = {})
{
    return {.error = error, .code = 0, .text = std::move(text), .write_type = {}};
}

cql_failure failure_of(const protocol::error_view& error)
{
    return {
        .error = errc::server_error,
        .code = static_cast<std::uint32_t>(error.code),
        .text = std::string(error.message),
        .write_type = std::string(error.write_type)};
}

// An exception in a task is an error of ours: it leaves io_context::run(), whose caller ends the
// job with its text.
void rethrow(std::exception_ptr error)
{
    if (error) std::rethrow_exception(error);
}

}  // namespace

std::string cql_failure::describe() const
{
    if (error != make_error_code(errc::server_error))
        return text.empty() ? error.message() : error.message() + ": " + text;
    char number[16];
    std::snprintf(number, sizeof number, " (0x%04x)", code);
    const auto name = protocol::error_code_name(static_cast<protocol::error_code>(code));
    return std::string(name) + number + ": " + text;
}

cql_connection::cql_connection(asio::any_io_executor executor, std::uint8_t version)
    : executor_(executor), descriptor_(executor), deadline_timer_(executor), version_(version),
      streams_(streams_per_connection), pending_(streams_per_connection)
{
}

cql_connection::~cql_connection()
{
    close(errc::shutdown);
}

asio::awaitable<std::shared_ptr<cql_connection>> cql_connection::open(
    asio::any_io_executor executor, socket_address at, cql_login login, cql_failure& why
)
{
    auto version = login.version != 0 ? login.version : std::uint8_t{protocol::version_max};
    while (version != 0) {
        const std::shared_ptr<cql_connection> self(new cql_connection(executor, version));
        // The one limit for all steps: whatever waits on the descriptor then ends.
        asio::steady_timer limit(executor, login.connect_limit);
        const std::weak_ptr<cql_connection> weak = self;
        limit.async_wait([weak](std::error_code cancelled) {
            const auto opening = weak.lock();
            if (!cancelled && opening) opening->close(errc::timed_out);
        });
        why = {};
        if (const bool ok = co_await self->connect(at, login, why); !ok) co_return nullptr;
        version = co_await self->log_in(login, why);
        limit.cancel();
        if (version == 0 && !why) {
            self->open_ = true;
            self->charges_ = login.charges;
            asio::co_spawn(executor, read_loop(self), rethrow);
            asio::co_spawn(executor, watch_deadlines(self), rethrow);
            co_return self;
        }
        self->close(errc::shutdown);
    }
    co_return nullptr;
}

asio::awaitable<bool> cql_connection::connect(socket_address at, cql_login login, cql_failure& why)
{
    auto fd = start_connect(at);
    if (!fd) {
        why = failure_of(errc::connect_failed, at.text() + ": " + fd.error().message());
        co_return false;
    }
    const auto number = fd->get();
    descriptor_.assign(number);
    const auto name = login.to.tls_server_name.empty() ? login.to.host : login.to.tls_server_name;
    socket_ = transport(
        *std::move(fd), login.tls ? login.tls->connect(number, name, login.is_peer) : nullptr
    );

    std::error_code ec;
    co_await descriptor_.async_wait(asio::posix::stream_descriptor::wait_write, to(ec));
    if (!ec && socket_.is_open()) ec = connect_error(number);
    if (ec || !socket_.is_open()) {
        const auto text = socket_.is_open() ? ec.message() : "no answer in time";
        why = failure_of(errc::connect_failed, at.text() + ": " + text);
        co_return false;
    }
    if (!login.tls) co_return true;
    co_return co_await secure(why);
}

asio::awaitable<bool> cql_connection::secure(cql_failure& why)
{
    using descriptor = asio::posix::stream_descriptor;
    for (;;) {
        const auto step = socket_.handshake();
        if (step.status == io_status::ok) co_return true;
        if (step.status != io_status::again) {
            why = failure_of(errc::handshake_failed, socket_.why());
            co_return false;
        }
        std::error_code ec;
        const auto direction =
            socket_.handshake_wants_write() ? descriptor::wait_write : descriptor::wait_read;
        co_await descriptor_.async_wait(direction, to(ec));
        if (ec || !socket_.is_open()) {
            why = failure_of(errc::handshake_failed, "TLS handshake took too long");
            co_return false;
        }
    }
}

asio::awaitable<std::uint8_t> cql_connection::log_in(cql_login login, cql_failure& why)
{
    protocol::handshake_options options;
    options.username = login.to.username;
    options.password = login.to.password;
    options.throw_on_overload = true;  // we slow down by ourselves, and know that we must
    if (login.version != 0) options.versions = {login.version};
    protocol::client_handshake handshake(std::move(options), version_);
    auto action = handshake.start();
    using kind = protocol::handshake_action::kind;
    for (;;) {
        apply_framing(action, encoder_, decoder_);
        segments_ = segments_ || action.use_segments;
        if (action.what == kind::send) {
            encoder_.append(wire_, action.envelope.header, action.envelope.body);
            flush();
        }
        if (action.what == kind::ready) co_return 0;
        if (action.what == kind::retry_version) co_return action.version;
        if (action.what == kind::failed) {
            why = failure_of(action.error, action.text);
            co_return 0;
        }
        protocol::envelope_view in;
        if (const bool ok = co_await next_envelope(in, why); ok) {
            action = handshake.on_envelope(in);
        } else if (socket_.is_open()) {
            // Without a text the server has closed it, else it broke.
            const bool closed =
                why.error == make_error_code(errc::connection_lost) && why.text.empty();
            action = handshake.on_unreadable(closed ? std::error_code{} : why.error);
            why = {};
        } else {
            why = failure_of(errc::timed_out, "the server did not answer the handshake");
            co_return 0;
        }
    }
}

asio::awaitable<bool> cql_connection::next_envelope(protocol::envelope_view& out, cql_failure& why)
{
    for (;;) {
        const auto next = decoder_.next();
        if (!next) {
            why = failure_of(next.error());
            co_return false;
        }
        if (*next) {
            out = **next;
            co_return true;
        }
        const auto got = co_await read_some();
        if (got.status != io_status::ok) {
            why = failure_of(errc::connection_lost, got.error ? got.error.message() : "");
            co_return false;
        }
    }
}

// Feeds the decoder with what there is, waits if there is nothing.
asio::awaitable<io_result> cql_connection::read_some()
{
    for (;;) {
        if (!socket_.is_open()) co_return io_result{io_status::closed, 0, {}};
        read_buffer_.clear();
        auto* space = read_buffer_.extend(read_size);
        const auto got = socket_.read({space, read_size});
        if (got.status == io_status::ok) decoder_.feed({space, got.size});
        if (got.status != io_status::again) co_return got;
        std::error_code ec;
        co_await descriptor_.async_wait(asio::posix::stream_descriptor::wait_read, to(ec));
        if (ec) co_return io_result{io_status::closed, 0, ec};
    }
}

asio::awaitable<void> cql_connection::read_loop(std::shared_ptr<cql_connection> self)
{
    for (int reads = 1;; ++reads) {
        if (!self->deliver_all()) co_return;
        if (reads % reads_per_turn == 0) {
            // Not a wait for bytes: the others in this io_context get their turn.
            asio::steady_timer turn(self->executor_, std::chrono::seconds(0));
            std::error_code ec;
            co_await turn.async_wait(to(ec));
        }
        const auto got = co_await self->read_some();
        if (!self->open_) co_return;
        if (got.status != io_status::ok) {
            self->close(errc::connection_lost);
            co_return;
        }
    }
}

asio::awaitable<void> cql_connection::watch_deadlines(std::shared_ptr<cql_connection> self)
{
    while (self->open_) {
        co_await sleep_for(self->deadline_timer_, deadline_resolution);
        const auto now = std::chrono::steady_clock::now();
        for (std::size_t i = 0; i < self->pending_.size() && self->open_; ++i) {
            auto& waiting = self->pending_[i];
            if (waiting.sink == nullptr || waiting.deadline > now) continue;
            auto* sink = std::exchange(waiting.sink, nullptr);
            sink->on_failure(failure_of(errc::timed_out));
        }
    }
}

void cql_connection::expect(
    std::int16_t stream, response_sink& sink, std::chrono::milliseconds limit
)
{
    pending_[static_cast<std::size_t>(stream)] = {&sink, std::chrono::steady_clock::now() + limit};
    if (flush_posted_) return;
    flush_posted_ = true;
    // Runs after what is ready now, so that all of it leaves in one write.
    asio::post(executor_, [self = shared_from_this()] {
        self->flush_posted_ = false;
        if (self->open_) self->flush();
    });
}

bool cql_connection::deliver_all()
{
    while (open_) {
        const auto next = decoder_.next();
        if (!next) close(next.error());
        if (!next || !*next) return open_;
        if (!deliver(**next)) {
            close(errc::unexpected_message);
            return false;
        }
    }
    return false;
}

void cql_connection::count_charge(const protocol::envelope_view& in) noexcept
{
    const auto units = charges_ ? protocol::request_charge(in.header.flags, in.body) : std::nullopt;
    if (!units) return;
    charges_->units += *units;
    ++charges_->answers;
}

// False: the server answered what was never asked.
bool cql_connection::deliver(const protocol::envelope_view& in)
{
    const auto stream = in.header.stream;
    if (in.header.op == opcode::event) return true;
    if (!in.header.response || !streams_.give_back(stream)) return false;
    auto* sink = std::exchange(pending_[static_cast<std::size_t>(stream)].sink, nullptr);
    count_charge(in);
    if (sink == nullptr) return true;
    const auto message = protocol::skip_response_prefix(in.header.flags, in.body);
    if (!message) {
        sink->on_failure(failure_of(message.error()));
        return false;
    }
    if (in.header.op != opcode::error) {
        sink->on_response(in.header.op, *message);
        return true;
    }
    const auto error = protocol::parse_error(*message, version_);
    sink->on_failure(error ? failure_of(*error) : failure_of(error.error()));
    return static_cast<bool>(error);
}

// Moves this turn's envelopes to the wire, in segments that are as full as whole envelopes make
// them.
void cql_connection::frame_envelopes()
{
    if (!segments_) {
        wire_.append(envelopes_.view());
    } else {
        std::size_t begin = 0;
        for (std::size_t i = 0; i < envelope_ends_.size(); ++i) {
            const bool last = i + 1 == envelope_ends_.size();
            if (!last && envelope_ends_[i + 1] - begin <= protocol::segment_payload_max) continue;
            const auto part = envelopes_.view().subspan(begin, envelope_ends_[i] - begin);
            protocol::append_as_segments(wire_, part, false);
            begin = envelope_ends_[i];
        }
    }
    envelopes_.clear();
    envelope_ends_.clear();
}

void cql_connection::flush()
{
    if (!envelope_ends_.empty()) frame_envelopes();
    while (wire_sent_ < wire_.size() && !waiting_for_room_ && socket_.is_open()) {
        const iovec part{wire_.data() + wire_sent_, wire_.size() - wire_sent_};
        const auto sent = socket_.write({&part, 1});
        if (sent.status == io_status::ok) {
            wire_sent_ += sent.size;
        } else if (sent.status == io_status::again) {
            return wait_for_room();
        } else {
            return close(errc::connection_lost);
        }
    }
    if (waiting_for_room_) return;
    wire_.clear();
    wire_sent_ = 0;
}

void cql_connection::wait_for_room()
{
    waiting_for_room_ = true;
    descriptor_.async_wait(
        asio::posix::stream_descriptor::wait_write,
        [self = shared_from_this()](std::error_code ec) {
            self->waiting_for_room_ = false;
            if (!ec) self->flush();
        }
    );
}

void cql_connection::close(std::error_code error)
{
    open_ = false;
    if (!socket_.is_open()) return;
    // The descriptor belongs to the transport: Asio only forgets it.
    descriptor_.release();
    socket_.close();
    deadline_timer_.cancel();
    std::vector<pending> waiting;
    waiting.swap(pending_);
    for (auto& request : waiting)
        if (request.sink != nullptr) request.sink->on_failure(failure_of(error));
}

void cql_connection::forget(const response_sink& sink) noexcept
{
    for (auto& request : pending_)
        if (request.sink == &sink) request.sink = nullptr;
}

namespace {

class reply_waiter final : public response_sink {
public:
    reply_waiter(const asio::any_io_executor& executor, cql_connection& connection)
        : answered_(executor), connection_(connection)
    {
    }
    // The coroutine may end before the answer comes, with the context that it runs on.
    ~reply_waiter()
    {
        if (!done_) connection_.forget(*this);
    }
    reply_waiter(const reply_waiter&) = delete;

    void on_response(opcode op, bytes_view message) override
    {
        reply_.op = op;
        reply_.message.append(message);
        done();
    }
    void on_failure(const cql_failure& failure) override
    {
        failure_ = failure;
        done();
    }

    asio::awaitable<void> wait()
    {
        while (!done_) co_await answered_.wait();
    }

    std::optional<cql_reply> take(cql_failure& why)
    {
        why = failure_;
        if (why) return std::nullopt;
        return std::move(reply_);
    }

private:
    void done()
    {
        done_ = true;
        answered_.notify();
    }

    async_event answered_;
    cql_connection& connection_;
    bool done_{false};
    cql_reply reply_;
    cql_failure failure_;
};

}  // namespace

asio::awaitable<std::optional<cql_reply>>
ask(std::shared_ptr<cql_connection> connection,
    opcode op,
    byte_buffer body,
    std::chrono::milliseconds limit,
    cql_failure& why)
{
    reply_waiter waiter(co_await asio::this_coro::executor, *connection);
    const auto append = [&](byte_buffer& out) { out.append(body.view()); };
    if (!connection->send(op, waiter, limit, append)) {
        why = failure_of(errc::connection_lost);
        co_return std::nullopt;
    }
    co_await waiter.wait();
    co_return waiter.take(why);
}

}  // namespace dualwrite::engine
