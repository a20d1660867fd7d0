#include <algorithm>

#include "tls_keystore.hpp"
#include "tls_pbe.hpp"

// PKCS#12 (RFC 7292) under a password: a MAC over a list of safes, each encrypted or not, each a
// list of bags with a key or a certificate.

namespace dualwrite::engine {

namespace {

using std::string_view_literals::operator""sv;

constexpr auto data = "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01"sv;            // 1.2.840.113549.1.7.1
constexpr auto encrypted_data = "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x06"sv;  // 1.2.840.113549.1.7.6
constexpr auto pbmac1 = "\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0e"sv;          // 1.2.840.113549.1.5.14
constexpr auto hmac_sha256 = "\x2a\x86\x48\x86\xf7\x0d\x02\x09"sv;         // 1.2.840.113549.2.9
constexpr auto hmac_sha512 = "\x2a\x86\x48\x86\xf7\x0d\x02\x0b"sv;         // 1.2.840.113549.2.11
constexpr auto bag = "\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x0a\x01"sv;   // 1.2.840.113549.1.12.10.1
constexpr auto x509 = "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x16\x01"sv;  // 1.2.840.113549.1.9.22.1
constexpr auto friendly_name = "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x14"sv;  // 1.2.840.113549.1.9.20

failure damaged(std::string& why)
{
    why = "a damaged key store";
    return fail(errc::malformed);
}

failure wrong_password(std::string& why)
{
    why = "the password is wrong, or the file is damaged";
    return fail(errc::authentication_failed);
}

bool has_code(
    const mbedtls_md_info_t* digest, octets_view key, octets_view content, octets_view expected
)
{
    secret_octets code(mbedtls_md_get_size(digest));
    mbedtls_md_hmac(digest, key.data(), key.size(), content.data(), content.size(), code.data());
    return std::ranges::equal(code, expected);
}

// PBMAC1 (RFC 9579): PBKDF2 and an HMAC that are named in its parameters.
result<void> check_pbmac1(
    der::reader parameters,
    octets_view content,
    octets_view expected,
    const pbe_password& password,
    std::string& why
)
{
    auto derivation = parameters.enter(der::sequence);
    const auto mac = parameters.enter(der::sequence).take(der::object_id);
    const auto* digest = mbedtls_md_info_from_type(
        der::is(mac, hmac_sha256)   ? MBEDTLS_MD_SHA256
        : der::is(mac, hmac_sha512) ? MBEDTLS_MD_SHA512
                                    : MBEDTLS_MD_NONE
    );
    const auto derivation_id = derivation.take(der::object_id);
    const auto details = derivation.enter(der::sequence);
    if (!derivation.ok() || !der::is(derivation_id, pbkdf2_id) || digest == nullptr) {
        why = "its integrity is protected in a way that is not supported";
        return fail(errc::unsupported);
    }
    DW_TRY(key, pbkdf2(details, password.utf8, mbedtls_md_get_size(digest), why));
    if (has_code(digest, key, content, expected)) return {};
    return wrong_password(why);
}

result<void>
check_mac(der::reader mac_data, octets_view content, const pbe_password& password, std::string& why)
{
    auto info = mac_data.enter(der::sequence);
    auto algorithm = info.enter(der::sequence);
    const auto expected = info.take(der::octet_string);
    const auto salt = mac_data.take(der::octet_string);
    const auto rounds = mac_data.at_end() ? 1 : mac_data.number();
    const auto id = algorithm.take(der::object_id);
    if (!mac_data.ok() || !info.ok() || !algorithm.ok()) return damaged(why);
    if (der::is(id, pbmac1))
        return check_pbmac1(algorithm.enter(der::sequence), content, expected, password, why);
    const auto* digest = digest_of(id);
    if (digest == nullptr || rounds == 0 || rounds > pbe_rounds_max || salt.empty()) {
        why = "its integrity is protected in a way that is not supported";
        return fail(errc::unsupported);
    }
    const auto key =
        pkcs12_derive(digest, password.utf16_zero, salt, rounds, 3, mbedtls_md_get_size(digest));
    if (has_code(digest, key, content, expected)) return {};
    return wrong_password(why);
}

// The alias, where it is Latin-1; else with question marks.
std::string alias_of(der::reader attributes)
{
    while (!attributes.at_end() && attributes.ok()) {
        auto attribute = attributes.enter(der::sequence);
        if (!der::is(attribute.take(der::object_id), friendly_name)) continue;
        const auto name = attribute.enter(der::set).take(der::bmp_string);
        std::string alias;
        for (std::size_t i = 0; i + 1 < name.size() && alias.size() < 100; i += 2) {
            const bool plain = name[i] == 0 && name[i + 1] >= 0x20 && name[i + 1] < 0x7f;
            alias.push_back(plain ? static_cast<char>(name[i + 1]) : '?');
        }
        return alias;
    }
    return {};
}

result<void>
read_bag(der::reader in, const pbe_password& password, keystore& into, std::string& why)
{
    constexpr unsigned key_bag = 1;
    constexpr unsigned shrouded_key_bag = 2;
    constexpr unsigned certificate_bag = 3;
    const auto id = in.take(der::object_id);
    const auto value = in.take(der::context_0);
    if (!in.ok()) return damaged(why);
    const bool known = id.size() == bag.size() + 1 && der::is(id.first(bag.size()), bag);
    const unsigned kind = known ? id.back() : 0;
    if (kind == certificate_bag) {
        auto certificate = der::reader(value).enter(der::sequence);
        const bool right = der::is(certificate.take(der::object_id), x509);
        const auto octets = certificate.enter(der::context_0).take(der::octet_string);
        if (!certificate.ok()) return damaged(why);
        if (right) into.certificates.emplace_back(octets.begin(), octets.end());
        return {};
    }
    if (kind != key_bag && kind != shrouded_key_bag) return {};  // secrets, lists of revocations
    secret_octets key(value.begin(), value.end());
    if (kind == shrouded_key_bag) {
        DW_TRY(decrypted, decrypt_pkcs8(value, password, why));
        key = std::move(decrypted);
    }
    into.keys.push_back({in.at_end() ? std::string() : alias_of(in.enter(der::set)), std::move(key)}
    );
    return {};
}

result<void>
read_safe(octets_view bags, const pbe_password& password, keystore& into, std::string& why)
{
    auto in = der::reader(bags).enter(der::sequence);
    while (!in.at_end()) {
        const auto one = in.enter(der::sequence);
        if (!in.ok()) return damaged(why);
        DW_CHECK(read_bag(one, password, into, why));
    }
    if (!in.ok()) return damaged(why);
    return {};
}

result<void>
read_content(der::reader in, const pbe_password& password, keystore& into, std::string& why)
{
    const auto id = in.take(der::object_id);
    auto value = in.enter(der::context_0);
    if (!in.ok()) return damaged(why);
    if (der::is(id, data)) {
        const auto bags = value.take(der::octet_string);
        if (!value.ok()) return damaged(why);
        return read_safe(bags, password, into, why);
    }
    if (!der::is(id, encrypted_data)) {
        why = "part of it is encrypted to a public key, which is not supported";
        return fail(errc::unsupported);
    }
    auto envelope = value.enter(der::sequence);
    envelope.number();  // its version
    auto encrypted = envelope.enter(der::sequence);
    encrypted.take(der::object_id);  // of what is inside: data
    const auto algorithm = encrypted.enter(der::sequence);
    const auto bytes = encrypted.take(der::context_0_primitive);
    if (!envelope.ok() || !encrypted.ok()) return damaged(why);
    DW_TRY(bags, pbe_decrypt(algorithm, bytes, password, why));
    return read_safe(bags, password, into, why);
}

}  // namespace

result<keystore> read_pkcs12(octets_view file, std::string_view password, std::string& why)
{
    if (file.size() > 2 && file[1] == 0x80) {
        why = "a PKCS#12 key store with lengths of the indefinite form, which are not supported; "
              "write it anew by keytool -importkeystore -deststoretype PKCS12";
        return fail(errc::unsupported);
    }
    auto pfx = der::reader(file).enter(der::sequence);
    const auto version = pfx.number();
    auto content = pfx.enter(der::sequence);
    const auto id = content.take(der::object_id);
    if (!pfx.ok() || version != 3) return damaged(why);
    if (!der::is(id, data)) {
        why = "a PKCS#12 key store that is signed instead of protected by a password, which is not "
              "supported";
        return fail(errc::unsupported);
    }
    const auto safes = content.enter(der::context_0).take(der::octet_string);
    if (!content.ok()) return damaged(why);
    const pbe_password secret(password);
    if (!pfx.at_end()) DW_CHECK(check_mac(pfx.enter(der::sequence), safes, secret, why));

    keystore store;
    auto list = der::reader(safes).enter(der::sequence);
    while (!list.at_end()) {
        const auto one = list.enter(der::sequence);
        if (!list.ok()) return damaged(why);
        DW_CHECK(read_content(one, secret, store, why));
    }
    if (!list.ok()) return damaged(why);
    return store;
}

}  // namespace dualwrite::engine
