#include <dualwrite/engine/spool_storage.hpp>
#include <dualwrite/engine/spool_walk.hpp>
#include <dualwrite/engine/unique_fd.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <system_error>
#include <unistd.h>

namespace dualwrite::engine {

namespace {

constexpr mode_t file_mode = 0600;
constexpr mode_t directory_mode = 0700;

failure last_error() noexcept
{
    return fail({errno, std::generic_category()});
}

result<void> checked(int rc) noexcept
{
    if (rc != 0) return last_error();
    return {};
}

class system_file final : public spool_file {
public:
    explicit system_file(unique_fd fd) noexcept : fd_(std::move(fd)) {}

    result<void> write(std::span<const bytes_view> parts, std::uint64_t offset) override
    {
        std::array<iovec, 16> vectors;
        while (!parts.empty()) {
            const auto count = std::min(parts.size(), vectors.size());
            std::transform(
                parts.begin(),
                parts.begin() + static_cast<std::ptrdiff_t>(count),
                vectors.begin(),
                [](bytes_view part) {
                    return iovec{const_cast<std::byte*>(part.data()), part.size()};
                }
            );
            DW_CHECK(write_all(std::span(vectors).first(count), offset));
            parts = parts.subspan(count);
        }
        return {};
    }

    result<std::size_t> read(mutable_bytes out, std::uint64_t offset) override
    {
        std::size_t done = 0;
        while (done < out.size()) {
            const auto n = ::pread(
                fd_.get(), out.data() + done, out.size() - done, static_cast<off_t>(offset + done)
            );
            if (n < 0 && errno == EINTR) continue;
            if (n < 0) return last_error();
            if (n == 0) break;
            done += static_cast<std::size_t>(n);
        }
        return done;
    }

    result<void> allocate(std::uint64_t size, bool zero_fill) override
    {
        int rc = 0;
        do {
            rc = ::posix_fallocate(fd_.get(), 0, static_cast<off_t>(size));
        } while (rc == EINTR);
        if (rc != 0) return fail({rc, std::generic_category()});
        if (!zero_fill) return {};

        const std::vector<std::byte> zeros(std::size_t{1} << 20);
        for (std::uint64_t offset = 0; offset < size; offset += zeros.size()) {
            const auto n =
                static_cast<std::size_t>(std::min<std::uint64_t>(zeros.size(), size - offset));
            const bytes_view part(zeros.data(), n);
            DW_CHECK(write({&part, 1}, offset));
        }
        return {};
    }

    result<void> truncate(std::uint64_t size) override
    {
        return checked(::ftruncate(fd_.get(), static_cast<off_t>(size)));
    }

    result<void> sync() override { return checked(::fdatasync(fd_.get())); }

    result<std::uint64_t> size() override
    {
        struct stat status {};
        if (::fstat(fd_.get(), &status) != 0) return last_error();
        return static_cast<std::uint64_t>(status.st_size);
    }

private:
    // The kernel may write less than it was asked for, and says why only in the call after that.
    result<void> write_all(std::span<iovec> vectors, std::uint64_t& offset)
    {
        while (!vectors.empty()) {
            auto n = ::pwritev(
                fd_.get(),
                vectors.data(),
                static_cast<int>(vectors.size()),
                static_cast<off_t>(offset)
            );
            if (n < 0 && errno == EINTR) continue;
            if (n < 0) return last_error();
            auto left = static_cast<std::size_t>(n);
            offset += left;
            while (!vectors.empty() && left >= vectors.front().iov_len) {
                left -= vectors.front().iov_len;
                vectors = vectors.subspan(1);
            }
            if (vectors.empty()) break;
            if (n == 0) return fail({EIO, std::generic_category()});
            vectors.front().iov_base = static_cast<std::byte*>(vectors.front().iov_base) + left;
            vectors.front().iov_len -= left;
        }
        return {};
    }

    unique_fd fd_;
};

// `dualwrite spool inspect` holds the lock for a moment to see whether somebody else does.
bool try_lock(int fd) noexcept
{
    for (int attempt = 0; attempt < 5; ++attempt) {
        if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return true;
        if (errno != EWOULDBLOCK) return false;
        ::usleep(20'000);
    }
    errno = EWOULDBLOCK;
    return false;
}

class system_storage : public spool_storage {
public:
    explicit system_storage(unique_fd directory) noexcept : directory_(std::move(directory)) {}

    result<void> lock(std::int64_t& holder) override
    {
        unique_fd file(
            ::openat(directory_.get(), "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, file_mode)
        );
        if (!file) return last_error();
        std::array<char, 24> text{};
        if (!try_lock(file.get())) {
            if (errno != EWOULDBLOCK) return last_error();
            const auto n = ::pread(file.get(), text.data(), text.size(), 0);
            std::from_chars(text.data(), text.data() + std::max<ssize_t>(n, 0), holder);
            return fail(errc::spool_locked);
        }
        const auto end = std::to_chars(text.data(), text.data() + text.size() - 1, ::getpid()).ptr;
        *end = '\n';
        const auto size = end - text.data() + 1;
        if (::ftruncate(file.get(), 0) != 0) return last_error();
        const auto written = ::pwrite(file.get(), text.data(), static_cast<std::size_t>(size), 0);
        if (written < 0) return last_error();
        if (written != size) return fail({ENOSPC, std::generic_category()});
        lock_ = std::move(file);
        return {};
    }

    result<std::vector<std::string>> list() override
    {
        const int copy = ::openat(directory_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (copy < 0) return last_error();
        DIR* const entries = ::fdopendir(copy);  // owns `copy` from here on
        if (entries == nullptr) {
            const auto failed = last_error();
            ::close(copy);
            return failed;
        }

        std::vector<std::string> names;
        errno = 0;
        while (const auto* entry = ::readdir(entries)) names.emplace_back(entry->d_name);
        const auto error = errno;
        ::closedir(entries);
        if (error != 0) return fail({error, std::generic_category()});
        std::erase_if(names, [](const auto& name) { return name == "." || name == ".."; });
        return names;
    }

    result<std::unique_ptr<spool_file>> open(const std::string& name, open_mode mode) override
    {
        int flags = O_CLOEXEC | O_NOFOLLOW;
        flags |= mode == open_mode::read ? O_RDONLY : O_RDWR | O_CREAT;
        if (mode == open_mode::create) flags |= O_TRUNC;
        unique_fd fd(::openat(directory_.get(), name.c_str(), flags, file_mode));
        if (!fd) return last_error();
        return std::unique_ptr<spool_file>(std::make_unique<system_file>(std::move(fd)));
    }

    result<void> rename(const std::string& from, const std::string& to) override
    {
        return checked(::renameat(directory_.get(), from.c_str(), directory_.get(), to.c_str()));
    }

    result<void> remove(const std::string& name) override
    {
        return checked(::unlinkat(directory_.get(), name.c_str(), 0));
    }

    result<void> sync_directory(const std::string& name) override
    {
        unique_fd fd(::openat(directory_.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (!fd) return last_error();
        return checked(::fsync(fd.get()));
    }

protected:
    unique_fd directory_;
    unique_fd lock_;  // closing it gives the lock back
};

// Of a directory that somebody else may be using: nothing is created or changed in it.
class readable_storage final : public system_storage {
public:
    using system_storage::system_storage;

    // A shared lock: it keeps a proxy from starting, and says whether one runs.
    result<void> lock(std::int64_t& holder) override
    {
        unique_fd file(::openat(directory_.get(), "lock", O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
        if (!file && errno == ENOENT) return {};
        if (!file) return last_error();
        if (::flock(file.get(), LOCK_SH | LOCK_NB) != 0) {
            if (errno != EWOULDBLOCK) return last_error();
            std::array<char, 24> text{};
            const auto n = ::pread(file.get(), text.data(), text.size(), 0);
            std::from_chars(text.data(), text.data() + std::max<ssize_t>(n, 0), holder);
            return fail(errc::spool_locked);
        }
        lock_ = std::move(file);
        return {};
    }
    void unlock() noexcept { lock_.reset(); }

    result<std::unique_ptr<spool_file>> open(const std::string& name, open_mode mode) override
    {
        if (mode != open_mode::read) return fail({EROFS, std::generic_category()});
        return system_storage::open(name, mode);
    }
    result<void> rename(const std::string&, const std::string&) override
    {
        return fail({EROFS, std::generic_category()});
    }
    result<void> remove(const std::string&) override
    {
        return fail({EROFS, std::generic_category()});
    }
    result<void> sync_directory(const std::string&) override { return {}; }
};

// Like `mkdir -p -m 700`.
result<void> make_directories(const std::string& path)
{
    for (std::size_t at = 1; at <= path.size(); ++at) {
        if (at != path.size() && path[at] != '/') continue;
        if (::mkdir(path.substr(0, at).c_str(), directory_mode) != 0 && errno != EEXIST)
            return last_error();
    }
    return {};
}

std::string sentence(const char* what, const std::string& directory, std::error_code error)
{
    return std::string("cannot ") + what + " the spool directory " + directory + ": " +
           error.message() +
           "; give this user the right to write there, or name another --state-dir";
}

}  // namespace

result<readable_spool>
open_readable_spool(const std::string& directory, bool keep_lock, std::string& why)
{
    unique_fd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd) {
        const auto failed = last_error();
        why = "cannot read the spool directory " + directory + ": " + failed.error.message();
        return failed;
    }
    readable_spool opened;
    auto storage = std::make_shared<readable_storage>(std::move(fd));
    const auto locked = storage->lock(opened.holder);
    opened.in_use = !locked && locked.error() == errc::spool_locked;
    if (!locked && !opened.in_use) {
        why = "cannot look at the lock of the spool directory " + directory + ": " +
              locked.error().message();
        return fail(locked.error());
    }
    if (!keep_lock) storage->unlock();
    opened.storage = std::move(storage);
    return opened;
}

result<std::shared_ptr<spool_storage>>
open_system_storage(const std::string& directory, std::string& why)
{
    if (directory.empty()) {
        why = "the spool has no directory; name one with --state-dir";
        return fail(errc::invalid_argument);
    }
    if (const auto made = make_directories(directory); !made) {
        why = sentence("create", directory, made.error());
        return fail(made.error());
    }
    unique_fd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const auto usable = fd && ::faccessat(fd.get(), ".", R_OK | W_OK | X_OK, AT_EACCESS) == 0;
    if (!usable) {
        const auto failed = last_error();
        why = sentence("use", directory, failed.error);
        return failed;
    }
    return std::shared_ptr<spool_storage>(std::make_shared<system_storage>(std::move(fd)));
}

}  // namespace dualwrite::engine
