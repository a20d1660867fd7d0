#include <dualwrite/base/bytes.hpp>

#include <algorithm>
#include <cstring>

#include "tls_keystore.hpp"
#include "tls_pbe.hpp"

// Java's own format, which keytool wrote by default before Java 9: big-endian fields, keys under a
// keystream of SHA-1, a keyed SHA-1 over all.

namespace dualwrite::engine {

namespace {

using std::string_view_literals::operator""sv;

constexpr std::size_t digest_size = 20;
constexpr auto whitener = "Mighty Aphrodite"sv;
constexpr auto key_protector =
    "\x2b\x06\x01\x04\x01\x2a\x02\x11\x01\x01"sv;  // 1.3.6.1.4.1.42.2.17.1.1

secret_octets sha1_of(octets_view a, octets_view b, octets_view c = {})
{
    secret_octets all;
    all.reserve(a.size() + b.size() + c.size());
    for (const auto part : {a, b, c}) all.insert(all.end(), part.begin(), part.end());
    secret_octets digest(digest_size);
    mbedtls_md(mbedtls_md_info_from_type(MBEDTLS_MD_SHA1), all.data(), all.size(), digest.data());
    return digest;
}

octets_view octets_of(std::string_view text) noexcept
{
    return {reinterpret_cast<const unsigned char*>(text.data()), text.size()};
}

// Fields in a row; what does not fit makes it fail for good.
class fields {
public:
    explicit fields(octets_view in) noexcept : in_(in) {}
    bool ok() const noexcept { return ok_; }
    bool at_end() const noexcept { return in_.empty(); }

    octets_view take(std::size_t size) noexcept
    {
        if (in_.size() < size) {
            ok_ = false;
            in_ = {};
            return {};
        }
        const auto part = in_.first(size);
        in_ = in_.subspan(size);
        return part;
    }
    std::uint32_t number() noexcept { return big_endian(take(4)); }
    octets_view sized() noexcept { return take(number()); }
    octets_view text() noexcept { return take(big_endian(take(2))); }

private:
    static std::uint32_t big_endian(octets_view octets) noexcept
    {
        std::uint32_t value = 0;
        for (const auto octet : octets) value = value << 8 | octet;
        return value;
    }

    octets_view in_;
    bool ok_{true};
};

result<secret_octets>
unprotect(octets_view protected_key, const pbe_password& password, std::string& why)
{
    auto info = der::reader(protected_key).enter(der::sequence);
    const auto algorithm = info.enter(der::sequence).take(der::object_id);
    const auto data = info.take(der::octet_string);
    if (!info.ok() || !der::is(algorithm, key_protector) || data.size() < 2 * digest_size) {
        why = "its key is protected in a way that is not Java's";
        return fail(errc::unsupported);
    }
    const auto salt = data.first(digest_size);
    const auto check = data.last(digest_size);
    const auto encrypted = data.subspan(digest_size, data.size() - 2 * digest_size);
    secret_octets key(encrypted.begin(), encrypted.end());
    secret_octets stream(salt.begin(), salt.end());
    for (std::size_t i = 0; i < key.size(); ++i) {
        if (i % digest_size == 0) stream = sha1_of(password.utf16(), stream);
        key[i] ^= stream[i % digest_size];
    }
    if (!std::ranges::equal(sha1_of(password.utf16(), key), check)) {
        why = "the password opens it, but not the key in it, which has another one; give the key "
              "the store's by keytool -keypasswd";
        return fail(errc::authentication_failed);
    }
    return key;
}

void read_certificate(fields& in, std::uint32_t version, keystore& into)
{
    if (version == 2) in.text();  // "X.509"
    const auto certificate = in.sized();
    if (in.ok()) into.certificates.emplace_back(certificate.begin(), certificate.end());
}

result<void> read_entry(
    fields& in,
    std::uint32_t version,
    const pbe_password& password,
    keystore& into,
    std::string& why
)
{
    constexpr std::uint32_t key_entry = 1;
    constexpr std::uint32_t trusted_entry = 2;
    const auto tag = in.number();
    const auto alias = in.text();
    in.take(8);  // when it was made
    if (tag == trusted_entry) {
        read_certificate(in, version, into);
    } else if (tag == key_entry) {
        const auto protected_key = in.sized();
        for (auto left = in.number(); left > 0 && in.ok(); --left)
            read_certificate(in, version, into);
        if (in.ok()) {
            DW_TRY(key, unprotect(protected_key, password, why));
            into.keys.push_back(
                {std::string(reinterpret_cast<const char*>(alias.data()), alias.size()),
                 std::move(key)}
            );
        }
    }
    if (in.ok() && (tag == key_entry || tag == trusted_entry)) return {};
    why = "a damaged key store";
    return fail(errc::malformed);
}

}  // namespace

result<keystore> read_jks(octets_view file, std::string_view password, std::string& why)
{
    fields in(file.first(file.size() - std::min(file.size(), digest_size)));
    in.take(4);  // its magic number
    const auto version = in.number();
    const auto count = in.number();
    if (!in.ok() || (version != 1 && version != 2)) {
        why = "a damaged key store, or of a version that is not known";
        return fail(errc::malformed);
    }
    const pbe_password secret(password);
    const auto body = file.first(file.size() - digest_size);
    if (!std::ranges::equal(
            sha1_of(secret.utf16(), octets_of(whitener), body), file.last(digest_size)
        )) {
        why = "the password is wrong, or the file is damaged";
        return fail(errc::authentication_failed);
    }
    keystore store;
    for (auto left = count; left > 0; --left) DW_CHECK(read_entry(in, version, secret, store, why));
    if (in.at_end()) return store;
    why = "a damaged key store";
    return fail(errc::malformed);
}

}  // namespace dualwrite::engine
