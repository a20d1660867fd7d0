#include "config_files.hpp"

#include <dualwrite/base/error.hpp>
#include <dualwrite/engine/unique_fd.hpp>

#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

namespace dualwrite::engine {

namespace {

result<unique_fd> open_to_read(const std::string& flag, const std::string& path, std::string& why)
{
    unique_fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (fd) return fd;
    why = flag + ": cannot read " + path + ": " + std::strerror(errno);
    return fail(errc::invalid_argument);
}

}  // namespace

result<void> check_readable(const std::string& flag, const std::string& path, std::string& why)
{
    if (path.empty()) return {};
    DW_CHECK(open_to_read(flag, path, why));
    return {};
}

result<std::string> read_text_file(
    const std::string& flag, const std::string& path, std::size_t size_max, std::string& why
)
{
    DW_TRY(fd, open_to_read(flag, path, why));
    std::string content;
    std::array<char, 4096> part{};
    for (;;) {
        const auto got = ::read(fd.get(), part.data(), part.size());
        if (got == 0) return content;
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) {
            why = flag + ": cannot read " + path + ": " + std::strerror(errno);
            return fail(errc::invalid_argument);
        }
        content.append(part.data(), static_cast<std::size_t>(got));
        if (content.size() <= size_max) continue;
        why = flag + ": " + path + " is larger than " + std::to_string(size_max) + " bytes";
        return fail(errc::invalid_argument);
    }
}

}  // namespace dualwrite::engine
