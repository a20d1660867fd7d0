#include "check_local.hpp"

#include <dualwrite/engine/transport.hpp>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace dualwrite::engine {

namespace {

// 0, or why it cannot be listened on.
int bind_error(const socket_address& address)
{
    const unique_fd fd(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP)
    );
    if (!fd) return errno;
    const int on = 1;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    return ::bind(fd.get(), address.get(), address.size) == 0 ? 0 : errno;
}

void check_listener(const check_request::listener& its, check_report& report)
{
    const auto where = its.host + ":" + std::to_string(its.port);
    const auto addresses = resolve(its.host, its.port);
    if (!addresses) {
        report.problems.push_back(where + ": no such address of this machine");
        return;
    }
    const auto error = bind_error(addresses->front());
    if (error == EADDRINUSE)
        report.problems.push_back(
            where + " is in use by another process; stop it or use another " + its.flag
        );
    else if (error != 0)
        report.problems.push_back("cannot listen on " + where + ": " + std::strerror(error));
}

// What is there already of the path must let us in.
void check_folder(const std::string& folder, check_report& report)
{
    std::error_code ignored;
    auto path = std::filesystem::absolute(folder, ignored);
    while (!std::filesystem::exists(path, ignored) && path.has_relative_path())
        path = path.parent_path();
    if (!std::filesystem::is_directory(path, ignored))
        report.problems.push_back("--state-dir: " + path.string() + " is no directory");
    else if (::access(path.c_str(), W_OK | X_OK) != 0)
        report.problems.push_back(
            "--state-dir: cannot write in " + path.string() + ": " + std::strerror(errno)
        );
    else
        report.state_folder = path.string();
}

// A ledger takes little; a spool takes what it may while the target is away.
void check_space(std::uint64_t size_max, check_report& report)
{
    constexpr std::uint64_t least_bytes = std::uint64_t{64} * 1024 * 1024;
    struct statvfs space {};
    if (report.state_folder.empty() || ::statvfs(report.state_folder.c_str(), &space) != 0) return;
    const auto free = std::uint64_t{space.f_bavail} * space.f_frsize;
    report.free_bytes = free;
    const auto where = "--state-dir: " + report.state_folder + " has " +
                       std::to_string(free / 1024 / 1024) + " MiB left";
    if (free < least_bytes)
        report.problems.push_back(where);
    else if (size_max > free)
        report.notes.push_back(
            where + ", --spool-size-max is " + std::to_string(size_max / 1024 / 1024) +
            " MiB; when the disk is full writes are refused"
        );
}

}  // namespace

void check_this_machine(const check_request& request, check_report& report)
{
    for (const auto& its : request.listeners)
        if (its.port != 0) check_listener(its, report);
    check_folder(request.state_dir, report);
    check_space(request.state_size_max, report);
}

}  // namespace dualwrite::engine
