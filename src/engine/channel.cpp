#include <dualwrite/base/error.hpp>
#include <dualwrite/engine/channel.hpp>

#include <algorithm>

namespace dualwrite::engine {

namespace {

// What one turn reads from one socket at most: enough for a burst, little enough that one busy
// client does not hold up the others.
constexpr std::size_t read_size = 256 * 1024;
constexpr std::size_t read_size_min = 16 * 1024;
// Beyond this an incomplete message is collected in memory of its own, so that it is not moved
// again with every read.
constexpr std::size_t collect_min = 64 * 1024;
constexpr std::size_t buffer_kept_max = 64 * 1024;
// The same while memory is short.
constexpr std::size_t sip_size = 4 * 1024;

}  // namespace

void channel::start(transport socket, bool connecting)
{
    DW_ASSERT(state_ == state::closed);
    socket_ = std::move(socket);
    closing_ = paused_ = false;
    why_.clear();
    state_ = connecting ? state::connecting : state::securing;
    interest_ = connecting ? EPOLLOUT : EPOLLIN;
    loop_.add(socket_.fd(), *this, interest_);
    if (!connecting) secure();
}

void channel::close() noexcept
{
    if (state_ == state::closed) return;
    state_ = state::closed;
    loop_.cancel_flush(*this);
    loop_.remove(socket_.fd(), *this);
    socket_.close();
    parts_.clear();
    backlog_.release();
    backlog_sent_ = 0;
    partial_.release();
    wanted_ = 0;
    forget_expected();
    count_memory();
}

bool channel::memory_is_short() const noexcept
{
    return loop_.memory() != nullptr && loop_.memory()->is_short();
}

// What was admitted is counted as a whole, from the beginning.
void channel::count_memory() noexcept
{
    if (loop_.memory() == nullptr) return;
    const auto collected = expected_ != 0 && !starved_ ? 0 : partial_.capacity();
    const auto now = collected + backlog_.capacity();
    if (now > counted_) loop_.memory()->add(now - counted_);
    if (now < counted_) loop_.memory()->take_away(counted_ - now);
    counted_ = now;
}

void channel::forget_expected() noexcept
{
    if (expected_ != 0 && !starved_) loop_.memory()->leave(expected_);
    expected_ = 0;
    starved_ = false;
}

void channel::expect(std::size_t size)
{
    if (state_ == state::closed) size = 0;
    if (size == expected_ || loop_.memory() == nullptr) return;
    forget_expected();
    expected_ = size;
    starved_ = size != 0 && !loop_.memory()->admit(size);
    count_memory();
    if (state_ == state::open) update_interest();
}

bool channel::admit_expected()
{
    if (!starved_) return true;
    if (!loop_.memory()->admit(expected_)) return false;
    starved_ = false;
    count_memory();
    resume_reading();
    return true;
}

// Decrypted bytes that were left when reading paused announce themselves to nobody.
void channel::resume_reading()
{
    if (state_ != state::open) return;
    update_interest();
    if (!reading_paused() && socket_.buffered() != 0) loop_.resume(*this);
}

void channel::fail_with(std::error_code error)
{
    if (state_ == state::closed) return;
    if (error) why_ = socket_.why();
    close();
    on_close(error);
}

void channel::close_when_sent()
{
    closing_ = true;
    if (state_ != state::closed) loop_.schedule_flush(*this);
}

void channel::send(bytes_view bytes)
{
    if (state_ == state::closed || bytes.empty()) return;
    if (!parts_.empty()) {
        auto& last = parts_.back();
        if (static_cast<std::byte*>(last.iov_base) + last.iov_len == bytes.data()) {
            last.iov_len += bytes.size();
            return;
        }
    }
    parts_.push_back({const_cast<std::byte*>(bytes.data()), bytes.size()});
    loop_.schedule_flush(*this);
}

void channel::send_copy(bytes_view bytes)
{
    if (state_ == state::closed || bytes.empty()) return;
    const auto space = loop_.turn_space(bytes.size());
    std::memcpy(space.data(), bytes.data(), bytes.size());
    loop_.use_turn_space(bytes.size());
    send({space.data(), bytes.size()});
}

void channel::pause_reading(bool paused)
{
    if (paused == paused_) return;
    paused_ = paused;
    resume_reading();
}

void channel::update_interest()
{
    std::uint32_t wanted = 0;
    if (!reading_paused() && !closing_) wanted |= EPOLLIN;
    if (backlog() != 0) wanted |= EPOLLOUT;
    if (wanted == interest_) return;
    interest_ = wanted;
    loop_.modify(socket_.fd(), *this, wanted);
}

void channel::on_io(std::uint32_t events)
{
    if (state_ == state::connecting && !finish_connect()) return;
    if (state_ == state::securing) return secure();
    if (state_ == state::open && (events & EPOLLOUT) != 0 && !write_backlog()) return;
    if (state_ == state::open && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
        if (reading_paused() || closing_) {
            // Level-triggered, and EPOLLHUP cannot be masked: a peer that is gone must be noticed
            // even while nothing is read.
            if ((events & (EPOLLHUP | EPOLLERR)) != 0)
                fail_with(make_error_code(errc::connection_lost));
            return;
        }
        read_some();
    }
}

bool channel::finish_connect()
{
    if (const auto error = connect_error(socket_.fd())) {
        fail_with(error);
        return false;
    }
    state_ = state::securing;
    return true;
}

void channel::secure()
{
    const auto done = socket_.handshake();
    if (done.status == io_status::ok) {
        state_ = state::open;
        update_interest();
        on_open();
        // The last record of the handshake may have brought data with it.
        if (state_ == state::open && socket_.buffered() != 0) read_some();
        return;
    }
    if (done.status != io_status::again)
        return fail_with(done.error ? done.error : make_error_code(errc::handshake_failed));
    const std::uint32_t wanted = socket_.handshake_wants_write() ? EPOLLOUT : EPOLLIN;
    if (wanted == interest_) return;
    interest_ = wanted;
    loop_.modify(socket_.fd(), *this, wanted);
}

// A plain socket is read once: what is left announces itself again. Decrypted bytes do not.
void channel::read_some()
{
    while (read_once() && state_ == state::open && socket_.buffered() != 0 && !reading_paused()) {
    }
    count_memory();
}

bool channel::read_once()
{
    bytes_view view;
    const auto got = fill(view);
    if (got.status == io_status::again) return false;
    if (got.status != io_status::ok) {
        fail_with(got.status == io_status::closed ? std::error_code{} : got.error);
        return false;
    }
    return view.empty() || deliver(view);
}

// Reads behind what was not consumed. `view` stays empty while that is not worth a look yet.
io_result channel::fill(bytes_view& view)
{
    if (wanted_ > collect_min && partial_.size() < wanted_) {
        // Grows with what has come, not to what a length field promises.
        const auto most = memory_is_short() ? read_size_min : std::max(partial_.size(), read_size);
        const auto room = std::min(wanted_ - partial_.size(), most);
        const auto before = partial_.size();
        auto* into = partial_.extend(room);
        const auto got = socket_.read({into, room});
        partial_.truncate(before + (got.status == io_status::ok ? got.size : 0));
        if (got.status == io_status::ok && partial_.size() >= wanted_) {
            delivered_.clear();
            delivered_.swap(partial_);
            view = delivered_.view();
        }
        return got;
    }
    auto space = loop_.turn_space(partial_.size() + read_size_min);
    const auto most = memory_is_short() ? sip_size : read_size;
    space = space.first(std::min(space.size(), partial_.size() + most));
    const auto kept = partial_.size();
    const auto got = socket_.read(space.subspan(kept));
    if (got.status != io_status::ok) return got;
    if (kept != 0) std::memcpy(space.data(), partial_.data(), kept);
    partial_.clear();
    if (partial_.capacity() > buffer_kept_max) partial_.release();
    loop_.use_turn_space(kept + got.size);
    view = space.first(kept + got.size);
    return got;
}

bool channel::deliver(bytes_view view)
{
    std::size_t wanted = 0;
    const auto consumed = on_bytes(view, wanted);
    if (state_ == state::closed) return false;
    keep(view.subspan(consumed), wanted);
    // Others may send from it until the turn has been flushed.
    if (!delivered_.empty())
        loop_.destroy_later(std::make_shared<byte_buffer>(std::move(delivered_)));
    return true;
}

void channel::keep(bytes_view rest, std::size_t wanted)
{
    wanted_ = wanted;
    if (rest.empty()) return;
    partial_.append(rest);
}

void channel::on_flush()
{
    if (state_ == state::closed) return;
    if (state_ == state::open && backlog() == 0 && !parts_.empty()) {
        const auto done = socket_.write(parts_);
        if (done.status == io_status::failed || done.status == io_status::closed)
            return fail_with(done.error);
        keep_unsent(done.size);
    } else {
        keep_unsent(0);
    }
    if (closing_ && (backlog() == 0 || state_ != state::open)) return fail_with({});
    if (state_ == state::open) update_interest();
    count_memory();
}

// Copies what the socket did not take: the turn's memory ends with the turn.
void channel::keep_unsent(std::size_t sent)
{
    for (const auto& part : parts_) {
        const auto skipped = std::min(sent, part.iov_len);
        sent -= skipped;
        backlog_.append({static_cast<std::byte*>(part.iov_base) + skipped, part.iov_len - skipped});
    }
    parts_.clear();
    if (backlog_moved_ms_ == 0 && backlog() != 0) backlog_moved_ms_ = loop_.steady_ms();
}

bool channel::write_backlog()
{
    const iovec rest{backlog_.data() + backlog_sent_, backlog()};
    if (rest.iov_len == 0) return true;
    const auto done = socket_.write({&rest, 1});
    if (done.status == io_status::failed || done.status == io_status::closed) {
        fail_with(done.error);
        return false;
    }
    backlog_sent_ += done.size;
    if (done.size != 0) backlog_moved_ms_ = loop_.steady_ms();
    if (backlog() != 0) return true;
    backlog_.clear();
    backlog_sent_ = 0;
    backlog_moved_ms_ = 0;
    if (backlog_.capacity() > buffer_kept_max) backlog_.release();
    count_memory();
    if (closing_) {
        fail_with({});
        return false;
    }
    update_interest();
    on_drained();
    return state_ != state::closed;
}

}  // namespace dualwrite::engine
