#pragma once

#include <dualwrite/engine/asio_coroutines.hpp>

#include <asio/io_context.hpp>

#include <thread>

#include "proxy_shared.hpp"

namespace dualwrite::engine {

class cql_connection;
struct cql_failure;

// The proxy's slow work, on a thread of its own: reads which tables the source has, when somebody
// asks and now and then, and looks up the addresses of both sides again.
class schema_watch {
public:
    explicit schema_watch(proxy_shared& shared);
    ~schema_watch();
    schema_watch(const schema_watch&) = delete;

private:
    asio::awaitable<void> watch();
    asio::awaitable<bool> read_shapes();
    asio::awaitable<bool>
    read_columns(std::shared_ptr<cql_connection> connection, replication::table_shapes& shapes);
    // Calls f(cells) for each row that the query gives. False: it could not be read to its end.
    template <class F>
    asio::awaitable<bool> read_rows(
        std::shared_ptr<cql_connection> connection, std::string_view text, std::size_t columns, F f
    );
    // gc_grace_seconds, for the limit on the age of what waits. What is not read stays as it was.
    asio::awaitable<void> read_grace(std::shared_ptr<cql_connection> connection, bool source);
    asio::awaitable<void> read_target_facts();
    asio::awaitable<void> read_peers(std::shared_ptr<cql_connection> connection);
    asio::awaitable<std::shared_ptr<cql_connection>> open(bool source, cql_failure& why);
    void resolve_again();

    proxy_shared& shared_;
    asio::io_context context_{1};
    std::thread thread_;
};

// Both sides' addresses, looked up now. False: `why` says which name is not known.
bool resolve_both(proxy_shared& shared, std::string& why);

}  // namespace dualwrite::engine
