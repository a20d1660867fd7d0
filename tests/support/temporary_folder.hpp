#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

namespace dualwrite::test {

// A folder of the test process, gone with it.
class temporary_folder {
public:
    temporary_folder()
    {
        std::string pattern = std::filesystem::temp_directory_path() / "dualwrite-test-XXXXXX";
        if (::mkdtemp(pattern.data()) == nullptr) std::abort();
        path_ = pattern;
    }
    ~temporary_folder() { std::filesystem::remove_all(path_); }
    temporary_folder(const temporary_folder&) = delete;

    std::string path() const { return path_; }
    std::string file(const std::string& name) const { return path_ / name; }

private:
    std::filesystem::path path_;
};

}  // namespace dualwrite::test
