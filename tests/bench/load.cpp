// Closed-loop load: each of --conns connections keeps --depth requests in flight. All requests that
// one read of answers allows leave in one write, as drivers do.
//
//   load --port N [--conns N] [--depth N] [--version 3|4|5] [--kind execute|query|read] [--bytes N]
//        [--warmup-ms N] [--window-ms N] [--cpu N]
//
// Connects, prints "ready", waits for a line on stdin, runs, lets what is in flight come back, and
// prints one JSON object. Latencies are those of the window, counts those of the whole run.

#include <dualwrite/protocol/request_build.hpp>
#include <dualwrite/protocol/response.hpp>

#include <array>
#include <bit>
#include <cinttypes>
#include <csignal>
#include <memory>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <vector>

#include "wire.hpp"

namespace dualwrite::bench {

namespace {

using protocol::envelope_header;
using protocol::opcode;

std::int64_t now_ns()
{
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

// Buckets that grow with the value: 1/32 of it wide, so that any quantile is within 3 %.
class histogram {
public:
    void add(std::int64_t value_ns)
    {
        ++counts_[index(static_cast<std::uint64_t>(std::max<std::int64_t>(value_ns, 0)))];
        ++total_;
    }
    // In microseconds.
    double quantile(double share) const
    {
        const auto rank = share * static_cast<double>(total_);
        double seen = 0;
        for (std::size_t i = 0; i < counts_.size(); ++i) {
            seen += static_cast<double>(counts_[i]);
            if (counts_[i] != 0 && seen >= rank) return static_cast<double>(upper(i)) / 1000;
        }
        return 0;
    }
    std::uint64_t total() const { return total_; }

private:
    static std::size_t index(std::uint64_t value)
    {
        if (value < 32) return value;
        const auto shift = static_cast<unsigned>(std::bit_width(value)) - 6;
        return 32 * shift + (value >> shift);
    }
    static std::uint64_t upper(std::size_t i)
    {
        if (i < 64) return i;
        const auto shift = i / 32 - 1;
        return (32 + i % 32 + 1) << shift;
    }

    std::array<std::uint64_t, 32 * 60> counts_{};
    std::uint64_t total_{0};
};

// One request on the wire, and where its stream and its key are.
struct request_template {
    std::vector<std::byte> bytes;
    std::size_t key_at{0};
    bool key_is_text{false};

    void append(byte_buffer& out, std::int16_t stream, std::uint64_t key) const
    {
        auto* begin = out.extend(bytes.size());
        std::memcpy(begin, bytes.data(), bytes.size());
        store_be(begin + 2, stream);
        if (!key_is_text) return store_be(begin + key_at, key);
        for (int digit = key_digits - 1; digit >= 0; --digit, key /= 10)
            begin[key_at + static_cast<std::size_t>(digit)] =
                static_cast<std::byte>('0' + key % 10);
    }

    static constexpr int key_digits = 16;
};

struct options {
    explicit options(const arguments& args)
        : port(args.number("port", 0)), connections(args.number("conns", 1)),
          depth(args.number("depth", 1)),
          version(static_cast<std::uint8_t>(args.number("version", 4))),
          kind(args.text("kind", "execute")), bytes(args.number("bytes", 52)),
          warmup_ns(args.number("warmup-ms", 500) * 1'000'000),
          window_ns(args.number("window-ms", 1500) * 1'000'000)
    {
    }
    long port;
    long connections;
    long depth;
    std::uint8_t version;
    std::string kind;
    long bytes;
    std::int64_t warmup_ns;
    std::int64_t window_ns;
};

struct client {
    explicit client(int fd, long depth) : line(fd), sent_ns(static_cast<std::size_t>(depth)) {}
    wire line;
    std::vector<std::int64_t> sent_ns;  // by stream
    bool wants_room{false};
};

class load {
public:
    explicit load(const options& o) : options_(o) {}

    void connect();
    void run();
    void report() const;

private:
    // Blocking; for the time before the run.
    byte_buffer ask(client& on, opcode op, bytes_view body, opcode expected);
    void make_template(client& on);
    void serve(client& ready);
    void flush(client& to);
    void on_answer(client& on, const envelope_header& header, bytes_view body, std::int64_t now);

    const options options_;
    request_template template_;
    std::vector<std::unique_ptr<client>> clients_;
    int epoll_{::epoll_create1(0)};
    histogram latencies_;
    std::uint64_t key_{0};
    std::uint64_t in_flight_{0};
    std::uint64_t answered_{0};
    std::uint64_t errors_{0};
    std::string first_error_;
    std::int64_t window_begin_{0};
    std::int64_t window_end_{0};
    std::int64_t begin_{0};
    std::int64_t end_{0};
    bool issuing_{true};
};

byte_buffer load::ask(client& on, opcode op, bytes_view body, opcode expected)
{
    protocol::append_envelope(on.line.out, {.version = options_.version, .op = op}, body);
    if (on.line.flush() != io::done) throw std::runtime_error("connection lost");
    byte_buffer answer;
    bool answered = false;
    while (!answered) {
        if (on.line.receive() == io::closed) throw std::runtime_error("connection lost");
        on.line.each([&](const envelope_header& header, bytes_view bytes) {
            if (header.op != expected) {
                const auto error = protocol::parse_error(bytes, header.version);
                throw std::runtime_error(
                    "refused: " + (error ? std::string(error->message) : "unexpected answer")
                );
            }
            answer.append(bytes);
            answered = true;
        });
    }
    return answer;
}

void load::make_template(client& on)
{
    const bool read = options_.kind == "read";
    const std::string value(static_cast<std::size_t>(options_.bytes), 'x');
    byte_buffer body;
    auto op = opcode::execute;
    if (options_.kind == "query") {
        op = opcode::query;
        const std::string zeros(request_template::key_digits, '0');
        const auto before = std::string("INSERT INTO bench.kv (key, value) VALUES (");
        std::string hex;
        for (std::size_t i = 0; i < value.size() / 2; ++i) hex += "78";
        protocol::append_query_body(
            body, options_.version, before + zeros + ", 0x" + hex + ")", {}
        );
        template_.key_is_text = true;
        template_.key_at = protocol::envelope_header_size + 4 + before.size();
    } else {
        byte_buffer prepare;
        protocol::append_prepare_body(
            prepare,
            options_.version,
            read ? "SELECT value FROM bench.kv WHERE key = ?"
                 : "INSERT INTO bench.kv (key, value) VALUES (?, ?)"
        );
        const auto answer = ask(on, opcode::prepare, prepare.view(), opcode::result);
        const auto prepared = protocol::parse_prepared(answer.view(), options_.version);
        if (!prepared) throw std::runtime_error("the answer to PREPARE cannot be read");
        protocol::value_list values;
        values.add(as_bytes(std::string(8, '\0')));
        if (!read) values.add(as_bytes(value));
        protocol::write_parameters parameters;
        parameters.value_count = values.count();
        parameters.values = values.bytes();
        parameters.skip_metadata = read;
        protocol::append_execute_body(
            body, options_.version, prepared->id, prepared->result_metadata_id, parameters
        );
        const auto key_in_values = values.bytes();
        const auto found = as_text(body.view()).find(as_text(key_in_values));
        template_.key_at = protocol::envelope_header_size + found + 4;
    }
    byte_buffer wire;
    protocol::append_envelope(wire, {.version = options_.version, .op = op}, body.view());
    template_.bytes.assign(wire.data(), wire.data() + wire.size());
}

void load::connect()
{
    for (long i = 0; i < options_.connections; ++i) {
        clients_.push_back(std::make_unique<client>(connect_to(options_.port), options_.depth));
        auto& made = *clients_.back();
        byte_buffer startup;
        protocol::append_startup_body(startup, {{"CQL_VERSION", "3.0.0"}});
        ask(made, opcode::startup, startup.view(), opcode::ready);
        if (options_.version >= 5) made.line.use_segments();
        make_template(made);
    }
    for (auto& made : clients_) {
        non_blocking(made->line.fd);
        epoll_event event{.events = EPOLLIN, .data = {.ptr = made.get()}};
        ::epoll_ctl(epoll_, EPOLL_CTL_ADD, made->line.fd, &event);
    }
}

void load::on_answer(client& on, const envelope_header& header, bytes_view body, std::int64_t now)
{
    if (header.stream < 0) return;
    if (header.op != opcode::result && ++errors_ == 1) {
        const auto error = protocol::parse_error(body, header.version);
        first_error_ = error ? std::string(error->message) : "unexpected answer";
    }
    ++answered_;
    --in_flight_;
    auto& sent = on.sent_ns.at(static_cast<std::size_t>(header.stream));
    if (now >= window_begin_ && now < window_end_) latencies_.add(now - sent);
    if (!issuing_) return;
    sent = now;
    ++in_flight_;
    template_.append(on.line.out, header.stream, key_++);
}

void load::serve(client& ready)
{
    const auto got = ready.line.receive();
    if (got == io::more) return;
    if (got == io::closed) throw std::runtime_error("a connection was closed");
    const auto now = now_ns();
    issuing_ = now < window_end_;
    ready.line.each([&](const envelope_header& header, bytes_view body) {
        on_answer(ready, header, body, now);
    });
    flush(ready);
}

void load::flush(client& to)
{
    const auto flushed = to.line.flush();
    if (flushed == io::closed) throw std::runtime_error("a connection was closed");
    const bool wants_room = flushed == io::more;
    if (wants_room == to.wants_room) return;
    to.wants_room = wants_room;
    epoll_event event{.events = EPOLLIN, .data = {.ptr = &to}};
    if (wants_room) event.events |= EPOLLOUT;
    ::epoll_ctl(epoll_, EPOLL_CTL_MOD, to.line.fd, &event);
}

void load::run()
{
    constexpr std::int64_t patience_ns = 10'000'000'000;
    begin_ = now_ns();
    window_begin_ = begin_ + options_.warmup_ns;
    window_end_ = window_begin_ + options_.window_ns;
    for (auto& each : clients_) {
        for (long stream = 0; stream < options_.depth; ++stream) {
            each->sent_ns[static_cast<std::size_t>(stream)] = begin_;
            template_.append(each->line.out, static_cast<std::int16_t>(stream), key_++);
            ++in_flight_;
        }
        flush(*each);
    }
    std::array<epoll_event, 256> events{};
    while (in_flight_ > 0) {
        const int count = ::epoll_wait(epoll_, events.data(), 256, 1000);
        for (int i = 0; i < count; ++i) {
            auto& ready = *static_cast<client*>(events[static_cast<std::size_t>(i)].data.ptr);
            if ((events[static_cast<std::size_t>(i)].events & EPOLLOUT) != 0) flush(ready);
            serve(ready);
        }
        if (now_ns() > window_end_ + patience_ns)
            throw std::runtime_error(std::to_string(in_flight_) + " requests were never answered");
    }
    end_ = now_ns();
}

void load::report() const
{
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& t) {
        return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
    };
    std::string error;
    for (const char c : first_error_) error += c == '"' || c == '\\' || c < ' ' ? '?' : c;
    std::printf(
        "{\"answered\": %" PRIu64 ", \"errors\": %" PRIu64 ", \"first_error\": \"%s\", "
        "\"seconds\": %.6f, \"window_answered\": %" PRIu64 ", \"window_seconds\": %.6f, "
        "\"p50_us\": %.2f, \"p99_us\": %.2f, \"p999_us\": %.2f, \"cpu_seconds\": %.6f}\n",
        answered_,
        errors_,
        error.c_str(),
        static_cast<double>(end_ - begin_) / 1e9,
        latencies_.total(),
        static_cast<double>(options_.window_ns) / 1e9,
        latencies_.quantile(0.5),
        latencies_.quantile(0.99),
        latencies_.quantile(0.999),
        seconds(usage.ru_utime) + seconds(usage.ru_stime)
    );
}

}  // namespace

}  // namespace dualwrite::bench

int main(int argc, char** argv)
try {
    using namespace dualwrite::bench;
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    const arguments args(argc, argv);
    pin(args.number("cpu", -1));
    load generator{options(args)};
    generator.connect();
    std::printf("ready\n");
    std::fflush(stdout);
    if (std::getchar() == EOF) return 1;
    generator.run();
    generator.report();
} catch (const std::exception& error) {
    std::fprintf(stderr, "load: %s\n", error.what());
    return 1;
}
