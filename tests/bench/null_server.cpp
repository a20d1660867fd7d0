// A CQL server without a database: answers at once, so that what stands before it is measured.
//
//   null_server [--port N] [--cpu N] [--row-bytes N] [--delay-ms N] [--stall 0|1] [--counters FILE]
//
// Speaks versions 3 to 5. Writes are answered with VOID, reads with one row of --row-bytes. All
// answers to what one read brought leave in one write. With --stall 1 a connection is not read
// any more once it brought a request for data. FILE is mapped and holds the counters below.

#include <dualwrite/protocol/request.hpp>

#include <atomic>
#include <csignal>
#include <cstdint>
#include <deque>
#include <memory>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unordered_map>

#include "null_tables.hpp"
#include "wire.hpp"

namespace dualwrite::bench {

namespace {

using protocol::envelope_header;
using protocol::opcode;

struct counters {
    std::uint64_t writes;
    std::uint64_t reads;
    std::uint64_t prepares;
    std::uint64_t others;
    std::uint64_t connections;
};

std::int64_t now_ns()
{
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

counters* map_counters(const std::string& file)
{
    int flags = MAP_SHARED;
    int fd = -1;
    if (file.empty()) {
        flags |= MAP_ANONYMOUS;
    } else {
        fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600);
        if (fd < 0 || ::ftruncate(fd, sizeof(counters)) != 0)
            throw std::runtime_error("cannot make " + file);
    }
    auto* mapped = ::mmap(nullptr, sizeof(counters), PROT_READ | PROT_WRITE, flags, fd, 0);
    if (mapped == MAP_FAILED) throw std::runtime_error("cannot map the counters");
    return static_cast<counters*>(mapped);
}

struct connection {
    explicit connection(int fd) : line(fd) {}
    wire line;
    bool wants_room{false};
};

class server {
public:
    server(const arguments& args, long port)
        : tables_(port), counters_(map_counters(args.text("counters", ""))),
          delay_ns_(args.number("delay-ms", 0) * 1'000'000), stall_(args.number("stall", 0) != 0)
    {
        protocol::append_void_body(void_);
        protocol::rows_metadata metadata;
        metadata.flags = protocol::rows_flag::no_metadata;
        metadata.column_count = 1;
        protocol::rows_builder rows(row_, metadata);
        const std::string value(static_cast<std::size_t>(args.number("row-bytes", 8)), 'v');
        rows.add_cell(as_bytes(value));
        rows.finish();
    }

    void run(int listener);

private:
    struct delayed {
        std::int64_t due_ns;
        int fd;
        std::uint64_t connection;
        byte_buffer bytes;
    };

    void accept_all(int listener);
    void serve(connection& from);
    void answer(connection& to, const envelope_header& header, bytes_view body);
    void answer_data(connection& to, const envelope_header& header, bytes_view body);
    void prepare(connection& to, const envelope_header& header, bytes_view body);
    void reply(connection& to, const envelope_header& header, opcode op, bytes_view body);
    void finish(connection& of);
    void refuse_version(connection& from, std::uint8_t version, std::int16_t stream);
    void drop(connection& gone);
    int run_delayed();

    null_tables tables_;
    counters* counters_;
    std::int64_t delay_ns_;
    bool stall_;
    byte_buffer void_;
    byte_buffer row_;
    int epoll_{::epoll_create1(0)};
    std::unordered_map<int, std::unique_ptr<connection>> connections_;
    std::deque<delayed> delayed_;
    bool data_{false};  // the read in work brought a request for data
};

void server::reply(connection& to, const envelope_header& header, opcode op, bytes_view body)
{
    protocol::append_envelope(
        to.line.out,
        {.version = header.version, .response = true, .stream = header.stream, .op = op},
        body
    );
}

// An id of 16 bytes that says what it stands for and is the same at every null server.
void server::prepare(connection& to, const envelope_header& header, bytes_view body)
{
    const auto request = protocol::parse_prepare(body, header.version);
    if (!request) throw std::runtime_error("PREPARE cannot be read");
    const bool read = lower(request->text).starts_with("select");
    std::string id(16, read ? 'r' : 'w');
    const auto hash = std::hash<std::string_view>()(request->text);
    std::memcpy(id.data() + 8, &hash, sizeof hash);

    protocol::prepared_result prepared;
    prepared.id = as_bytes(id);
    if (header.version >= 5) prepared.result_metadata_id = as_bytes(id);
    const auto markers = std::ranges::count(request->text, '?');
    for (int i = 0; i < markers; ++i)
        prepared.variables.push_back(
            {std::string(bench_keyspace),
             std::string(bench_table),
             i == 0 ? "key" : "value",
             {i == 0 ? protocol::type_id::bigint : protocol::type_id::blob}}
        );
    if (markers > 0) prepared.pk_indexes.push_back(0);
    if (read) {
        prepared.result.columns.push_back(
            {std::string(bench_keyspace),
             std::string(bench_table),
             "value",
             {protocol::type_id::blob}}
        );
        prepared.result.column_count = 1;
    } else {
        prepared.result.flags = protocol::rows_flag::no_metadata;
    }
    byte_buffer answer;
    protocol::append_prepared_body(answer, header.version, prepared);
    reply(to, header, opcode::result, answer.view());
    ++counters_->prepares;
}

void server::answer_data(connection& to, const envelope_header& header, bytes_view body)
{
    bool read = false;
    if (header.op == opcode::execute) {
        read = std::to_integer<char>(body[2]) == 'r';
    } else if (header.op == opcode::query) {
        const auto request = protocol::parse_query(body, header.version);
        if (!request) throw std::runtime_error("QUERY cannot be read");
        byte_buffer rows;
        if (tables_.append_answer(rows, request->text)) {
            ++counters_->others;
            return reply(to, header, opcode::result, rows.view());
        }
        const auto first = request->text.empty() ? ' ' : request->text.front();
        if (first == 'U' && request->text.starts_with("USE ")) {
            byte_buffer keyspace;
            protocol::append_set_keyspace_body(keyspace, request->text.substr(4));
            return reply(to, header, opcode::result, keyspace.view());
        }
        read = first == 'S' || first == 's';
    }
    data_ = true;
    ++(read ? counters_->reads : counters_->writes);
    reply(to, header, opcode::result, read ? row_.view() : void_.view());
}

void server::answer(connection& to, const envelope_header& header, bytes_view body)
{
    switch (header.op) {
    case opcode::execute:
    case opcode::query:
    case opcode::batch:
        return answer_data(to, header, body);
    case opcode::prepare:
        return prepare(to, header, body);
    case opcode::startup:
        reply(to, header, opcode::ready, {});
        if (header.version >= 5) {
            to.line.flush();  // this answer still goes out bare
            to.line.use_segments();
        }
        return;
    case opcode::register_:
        return reply(to, header, opcode::ready, {});
    case opcode::options: {
        byte_buffer options;
        protocol::append_supported_body(
            options,
            {{"COMPRESSION", {}},
             {"CQL_VERSION", {"3.4.5"}},
             {"PROTOCOL_VERSIONS", {"3/v3", "4/v4", "5/v5"}}}
        );
        return reply(to, header, opcode::supported, options.view());
    }
    default:
        throw std::runtime_error("a request that no client sends");
    }
}

// As Cassandra does it: drivers step down when they read this.
void server::refuse_version(connection& from, std::uint8_t version, std::int16_t stream)
{
    byte_buffer body;
    protocol::append_int(body, 0x0a);
    protocol::append_string(
        body,
        "Invalid or unsupported protocol version (" + std::to_string(version) +
            "); supported versions are (3/v3, 4/v4, 5/v5)"
    );
    reply(from, {.version = 5, .stream = stream}, opcode::error, body.view());
    from.line.flush();
    drop(from);
}

void server::serve(connection& from)
{
    const auto got = from.line.receive();
    if (got == io::more) return;
    if (got == io::closed) return drop(from);
    std::uint8_t version = 0;
    std::int16_t stream = 0;
    if (from.line.speaks_another(version, stream)) return refuse_version(from, version, stream);
    data_ = false;
    try {
        from.line.each([&](const envelope_header& header, bytes_view body) {
            answer(from, header, body);
        });
    } catch (const std::exception& error) {
        std::fprintf(stderr, "null_server: %s\n", error.what());
        return drop(from);
    }
    if (data_ && stall_) {
        epoll_event nothing{.events = 0, .data = {.ptr = &from}};
        ::epoll_ctl(epoll_, EPOLL_CTL_MOD, from.line.fd, &nothing);
        return from.line.out.clear();
    }
    if (data_ && delay_ns_ > 0) {
        delayed_.push_back(
            {now_ns() + delay_ns_, from.line.fd, reinterpret_cast<std::uintptr_t>(&from), {}}
        );
        delayed_.back().bytes.swap(from.line.out);
        return;
    }
    finish(from);
}

void server::finish(connection& of)
{
    const auto flushed = of.line.flush();
    if (flushed == io::closed) return drop(of);
    const bool wants_room = flushed == io::more;
    if (wants_room == of.wants_room) return;
    of.wants_room = wants_room;
    // Who does not read its answers gets no new ones.
    epoll_event event{.events = wants_room ? EPOLLOUT : EPOLLIN, .data = {.ptr = &of}};
    ::epoll_ctl(epoll_, EPOLL_CTL_MOD, of.line.fd, &event);
}

void server::drop(connection& gone)
{
    connections_.erase(gone.line.fd);
}

// Returns how long epoll may wait.
int server::run_delayed()
{
    while (!delayed_.empty()) {
        auto& next = delayed_.front();
        const auto left = next.due_ns - now_ns();
        if (left > 0) return static_cast<int>(left / 1'000'000) + 1;
        const auto found = connections_.find(next.fd);
        if (found != connections_.end() &&
            reinterpret_cast<std::uintptr_t>(found->second.get()) == next.connection) {
            found->second->line.out.append(next.bytes.view());
            finish(*found->second);
        }
        delayed_.pop_front();
    }
    return -1;
}

void server::accept_all(int listener)
{
    for (;;) {
        const int fd = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK);
        if (fd < 0) return;
        no_delay(fd);
        auto made = std::make_unique<connection>(fd);
        epoll_event event{.events = EPOLLIN, .data = {.ptr = made.get()}};
        ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
        connections_[fd] = std::move(made);
        ++counters_->connections;
    }
}

void server::run(int listener)
{
    epoll_event event{.events = EPOLLIN, .data = {.ptr = nullptr}};
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, listener, &event);
    epoll_event events[256];
    for (;;) {
        const int count = ::epoll_wait(epoll_, events, 256, run_delayed());
        for (int i = 0; i < count; ++i) {
            if (events[i].data.ptr == nullptr) {
                accept_all(listener);
                continue;
            }
            auto& ready = *static_cast<connection*>(events[i].data.ptr);
            if (ready.wants_room)
                finish(ready);
            else
                serve(ready);
        }
    }
}

}  // namespace

}  // namespace dualwrite::bench

int main(int argc, char** argv)
try {
    using namespace dualwrite::bench;
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    const arguments args(argc, argv);
    pin(args.number("cpu", -1));
    const auto port = args.number("port", 0);
    server(args, port).run(listen_on(port));
} catch (const std::exception& error) {
    std::fprintf(stderr, "null_server: %s\n", error.what());
    return 1;
}
