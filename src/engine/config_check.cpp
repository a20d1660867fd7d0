#include <dualwrite/engine/config.hpp>

namespace dualwrite::engine {

namespace {

check_request of_proxy(proxy_options options)
{
    check_request request;
    request.source = std::move(options.source);
    request.target = std::move(options.target);
    request.state_dir = std::move(options.state_dir);
    request.selection = std::move(options.tables);
    if (!options.deliver_only) request.state_size_max = options.spool_size_max;
    if (!options.deliver_only)
        request.listeners.push_back({options.listen_host, options.listen_port, "--proxy-port"});
    if (options.metrics)
        request.listeners.push_back({options.metrics_host, options.metrics_port, "--metrics-port"});
    request.protocol_versions = std::move(options.protocol_versions);
    if (options.compression_enabled) request.compressions = std::move(options.compressions);
    return request;
}

check_request of_job(job_options options)
{
    check_request request;
    request.source = std::move(options.source);
    request.target = std::move(options.target);
    request.state_dir = std::move(options.state_dir);
    request.keyspace = std::move(options.keyspace);
    request.tables = std::move(options.tables);
    request.selection = std::move(options.selection);
    return request;
}

}  // namespace

result<check_request>
make_check_request(const config& from, const environment& env, std::string& why)
{
    switch (from.for_command()) {
    case command::proxy: {
        DW_TRY(options, make_proxy_options(from, env, why));
        return of_proxy(std::move(options));
    }
    case command::replay:
    case command::retry: {
        DW_TRY(options, make_delivery_options(from, env, why));
        return of_proxy(std::move(options));
    }
    case command::copy: {
        DW_TRY(options, make_copy_options(from, env, why));
        return of_job(std::move(options));
    }
    case command::check: {
        DW_TRY(options, make_check_options(from, env, why));
        auto request = of_job(std::move(options));
        request.probe = from.boolean("probe");
        request.probe_keyspace = from.text("probe-keyspace");
        return request;
    }
    case command::validate:
    case command::runs:  // has no two sides: the C face refuses it
        break;
    }
    DW_TRY(options, make_validate_options(from, env, why));
    return of_job(std::move(options));
}

}  // namespace dualwrite::engine
