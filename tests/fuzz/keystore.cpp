#include <mbedtls/md.h>

#include "../../src/engine/tls_keystore.hpp"
#include "../../src/engine/tls_pbe.hpp"
#include "fuzz.hpp"

// Any file is read to its end or refused in words. JKS gets the right digest, without which nothing
// behind it would be reached.
using namespace dualwrite;
using namespace dualwrite::engine;

namespace {

constexpr std::string_view password = "password";

void append_digest(std::vector<unsigned char>& file)
{
    const pbe_password secret(password);
    const std::string_view whitener = "Mighty Aphrodite";
    secret_octets all(secret.utf16().begin(), secret.utf16().end());
    all.insert(all.end(), whitener.begin(), whitener.end());
    all.insert(all.end(), file.begin(), file.end());
    unsigned char digest[20];
    mbedtls_md(mbedtls_md_info_from_type(MBEDTLS_MD_SHA1), all.data(), all.size(), digest);
    file.insert(file.end(), digest, digest + sizeof digest);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    std::vector<unsigned char> file(data, data + size);
    if (kind_of(file) == key_file_kind::jks) append_digest(file);
    std::string why;
    const auto store = read_keystore(file, password, why);
    fuzz::check(store.has_value() == why.empty());
    if (!store) return 0;
    // Each came from the file: together they are no larger.
    std::size_t total = 0;
    for (const auto& entry : store->keys) total += entry.key.size();
    for (const auto& certificate : store->certificates) total += certificate.size();
    fuzz::check(total <= size);
    return 0;
}
