#include "tls_pbe.hpp"

#include <mbedtls/cipher.h>
#include <mbedtls/pkcs5.h>
#include <mbedtls/version.h>

#include <algorithm>
#include <array>

#include "tls_library.hpp"
#include "tls_rc2.hpp"

namespace dualwrite::engine {

namespace {

using cipher_context =
    tls_object<mbedtls_cipher_context_t, mbedtls_cipher_init, mbedtls_cipher_free>;
using digest_context = tls_object<mbedtls_md_context_t, mbedtls_md_init, mbedtls_md_free>;
using std::string_view_literals::operator""sv;

constexpr auto pbes2 = "\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0d"sv;       // 1.2.840.113549.1.5.13
constexpr auto pkcs12_pbe = "\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x01"sv;  // 1.2.840.113549.1.12.1
constexpr auto hmac_with = "\x2a\x86\x48\x86\xf7\x0d\x02"sv;           // 1.2.840.113549.2
constexpr auto aes = "\x60\x86\x48\x01\x65\x03\x04\x01"sv;             // 2.16.840.1.101.3.4.1
constexpr auto des3_cbc = "\x2a\x86\x48\x86\xf7\x0d\x03\x07"sv;        // 1.2.840.113549.3.7
constexpr auto sha1 = "\x2b\x0e\x03\x02\x1a"sv;                        // 1.3.14.3.2.26
constexpr auto sha2 = "\x60\x86\x48\x01\x65\x03\x04\x02"sv;            // 2.16.840.1.101.3.4.2

std::string_view text_of(octets_view octets) noexcept
{
    return {reinterpret_cast<const char*>(octets.data()), octets.size()};
}

// The last part of an identifier that begins with `arc`; 0: another one.
unsigned last_arc(octets_view oid, std::string_view arc) noexcept
{
    const bool ours = oid.size() == arc.size() + 1 && text_of(oid).starts_with(arc);
    return ours ? oid.back() : 0;
}

result<secret_octets> wrong_password(std::string& why)
{
    why = "the password is wrong";
    return fail(errc::authentication_failed);
}

result<secret_octets> unknown(std::string& why, std::string_view what)
{
    why = "it is protected by " + std::string(what) + ", which is not supported";
    return fail(errc::unsupported);
}

result<secret_octets> decrypt_rc2(octets_view in, octets_view key, octets_view iv, std::string& why)
{
    if (in.empty() || in.size() % rc2::block_size != 0) return wrong_password(why);
    const rc2 cipher(key);
    secret_octets out(in.begin(), in.end());
    for (std::size_t at = 0; at < out.size(); at += rc2::block_size) {
        cipher.decrypt(std::span(out).subspan(at).first<rc2::block_size>());
        const auto* before = at == 0 ? iv.data() : in.data() + at - rc2::block_size;
        for (std::size_t i = 0; i < rc2::block_size; ++i) out[at + i] ^= before[i];
    }
    const std::size_t padding = out.back();
    if (padding == 0 || padding > rc2::block_size) return wrong_password(why);
    const bool whole =
        std::all_of(out.end() - static_cast<std::ptrdiff_t>(padding), out.end(), [&](auto o) {
            return o == padding;
        });
    if (!whole) return wrong_password(why);
    out.resize(out.size() - padding);
    return out;
}

result<secret_octets> decrypt_cbc(
    mbedtls_cipher_type_t type, octets_view in, octets_view key, octets_view iv, std::string& why
)
{
    const auto* info = mbedtls_cipher_info_from_type(type);
    if (info == nullptr) return unknown(why, "a cipher that this build of mbedTLS leaves out");
    cipher_context cipher;
    secret_octets out(in.size() + MBEDTLS_MAX_BLOCK_LENGTH);
    std::size_t size = 0;
    auto code = mbedtls_cipher_setup(cipher.get(), info);
    if (code == 0)
        code = mbedtls_cipher_setkey(
            cipher.get(), key.data(), static_cast<int>(key.size() * 8), MBEDTLS_DECRYPT
        );
    if (code == 0) code = mbedtls_cipher_set_padding_mode(cipher.get(), MBEDTLS_PADDING_PKCS7);
    if (code != 0) {
        why = "mbedTLS: " + tls_error_text(code);
        return fail(errc::unsupported);
    }
    code = mbedtls_cipher_crypt(
        cipher.get(), iv.data(), iv.size(), in.data(), in.size(), out.data(), &size
    );
    if (code != 0) return wrong_password(why);
    out.resize(size);
    return out;
}

// pbeWithSHAAnd...: SHA-1 always.
result<secret_octets> decrypt_pkcs12(
    unsigned kind,
    der::reader parameters,
    octets_view in,
    const pbe_password& password,
    std::string& why
)
{
    const auto salt = parameters.take(der::octet_string);
    const auto rounds = parameters.number();
    if (!parameters.ok() || rounds == 0 || rounds > pbe_rounds_max) return wrong_password(why);
    const auto* digest = mbedtls_md_info_from_type(MBEDTLS_MD_SHA1);
    const auto derive = [&](unsigned char purpose, std::size_t size) {
        return pkcs12_derive(digest, password.utf16_zero, salt, rounds, purpose, size);
    };
    const auto iv = derive(2, 8);
    if (kind == 5) return decrypt_rc2(in, derive(1, 16), iv, why);
    if (kind == 6) return decrypt_rc2(in, derive(1, 5), iv, why);
    auto key = derive(1, kind == 3 ? 24 : 16);
    if (kind == 4) key.insert(key.end(), key.begin(), key.begin() + 8);  // two keys: K1 K2 K1
    return decrypt_cbc(MBEDTLS_CIPHER_DES_EDE3_CBC, in, key, iv, why);
}

result<secret_octets> decrypt_pbes2(
    der::reader parameters, octets_view in, const pbe_password& password, std::string& why
)
{
    auto derivation = parameters.enter(der::sequence);
    auto encryption = parameters.enter(der::sequence);
    const auto derivation_id = derivation.take(der::object_id);
    const auto cipher_id = encryption.take(der::object_id);
    const auto iv = encryption.take(der::octet_string);
    if (!derivation.ok() || !encryption.ok()) {
        why = "the parameters of its encryption cannot be read";
        return fail(errc::malformed);
    }
    if (!der::is(derivation_id, pbkdf2_id))
        return unknown(why, "a key derivation other than PBKDF2");
    auto type = MBEDTLS_CIPHER_NONE;
    std::size_t key_size = 0;
    std::size_t iv_size = 16;
    switch (last_arc(cipher_id, aes)) {
    case 2:
        type = MBEDTLS_CIPHER_AES_128_CBC, key_size = 16;
        break;
    case 22:
        type = MBEDTLS_CIPHER_AES_192_CBC, key_size = 24;
        break;
    case 42:
        type = MBEDTLS_CIPHER_AES_256_CBC, key_size = 32;
        break;
    default:
        if (!der::is(cipher_id, des3_cbc)) return unknown(why, "a cipher other than AES and 3DES");
        type = MBEDTLS_CIPHER_DES_EDE3_CBC, key_size = 24, iv_size = 8;
    }
    if (iv.size() != iv_size) {
        why = "the parameters of its encryption cannot be read";
        return fail(errc::malformed);
    }
    DW_TRY(key, pbkdf2(derivation.enter(der::sequence), password.utf8, key_size, why));
    return decrypt_cbc(type, in, key, iv, why);
}

// UTF-16, big endian. What is not UTF-8 is taken octet by octet, as Latin-1.
secret_octets to_utf16(std::string_view text)
{
    secret_octets out;
    out.reserve(2 * text.size() + 2);  // so that no copy stays behind
    const auto put = [&](std::uint32_t unit) {
        out.push_back(static_cast<unsigned char>(unit >> 8));
        out.push_back(static_cast<unsigned char>(unit & 0xff));
    };
    for (std::size_t i = 0; i < text.size();) {
        const auto at = [&](std::size_t n) -> std::uint32_t {
            return i + n < text.size() ? static_cast<unsigned char>(text[i + n]) : 0u;
        };
        const auto first = at(0);
        const std::size_t size = first < 0xc2 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
        bool valid = size > 1 && first < 0xf5;
        std::uint32_t code = first & (0xffu >> (size + 1));
        for (std::size_t n = 1; n < size; ++n) {
            valid = valid && (at(n) & 0xc0) == 0x80;
            code = code << 6 | (at(n) & 0x3f);
        }
        i += valid ? size : 1;
        if (!valid) code = first;
        if (code >= 0x10000) put(0xd800 + ((code - 0x10000) >> 10));
        put(code >= 0x10000 ? 0xdc00 + ((code - 0x10000) & 0x3ff) : code);
    }
    put(0);
    return out;
}

// `block` += `by` + 1, as big-endian numbers.
void add_and_one(std::span<unsigned char> block, std::span<const unsigned char> by) noexcept
{
    unsigned carry = 1;
    for (std::size_t i = block.size(); i-- > 0;) {
        carry += block[i] + by[i];
        block[i] = static_cast<unsigned char>(carry & 0xff);
        carry >>= 8;
    }
}

// Repeats `in` to a whole number of blocks.
void append_blocks(secret_octets& out, octets_view in, std::size_t block)
{
    const auto size = (in.size() + block - 1) / block * block;
    for (std::size_t i = 0; i < size; ++i) out.push_back(in[i % in.size()]);
}

}  // namespace

pbe_password::pbe_password(std::string_view utf8_text)
    : utf8(utf8_text.begin(), utf8_text.end()), utf16_zero(to_utf16(utf8_text))
{
}

const mbedtls_md_info_t* digest_of(octets_view oid) noexcept
{
    if (der::is(oid, sha1)) return mbedtls_md_info_from_type(MBEDTLS_MD_SHA1);
    constexpr std::array types{
        MBEDTLS_MD_NONE,
        MBEDTLS_MD_SHA256,
        MBEDTLS_MD_SHA384,
        MBEDTLS_MD_SHA512,
        MBEDTLS_MD_SHA224};
    const auto kind = last_arc(oid, sha2);
    return kind < types.size() ? mbedtls_md_info_from_type(types[kind]) : nullptr;
}

secret_octets pkcs12_derive(
    const mbedtls_md_info_t* digest,
    octets_view password,
    octets_view salt,
    std::uint32_t rounds,
    unsigned char purpose,
    std::size_t size
)
{
    const std::size_t hash_size = mbedtls_md_get_size(digest);
    const std::size_t block = hash_size > 32 ? 128 : 64;
    secret_octets input(block, purpose);
    append_blocks(input, salt, block);
    append_blocks(input, password, block);
    secret_octets out;
    secret_octets hash(hash_size);
    out.reserve(size + hash_size);
    while (out.size() < size) {
        mbedtls_md(digest, input.data(), input.size(), hash.data());
        for (std::uint32_t i = 1; i < rounds; ++i)
            mbedtls_md(digest, hash.data(), hash.size(), hash.data());
        out.insert(out.end(), hash.begin(), hash.end());
        secret_octets by;
        append_blocks(by, hash, block);
        by.resize(block);
        for (std::size_t at = block; at < input.size(); at += block)
            add_and_one(std::span(input).subspan(at, block), by);
    }
    out.resize(size);
    return out;
}

result<secret_octets>
pbkdf2(der::reader parameters, octets_view password, std::size_t size, std::string& why)
{
    const auto salt = parameters.take(der::octet_string);
    const auto rounds = parameters.number();
    if (parameters.peek() == der::integer) parameters.number();  // the key's size, which is known
    auto digest = MBEDTLS_MD_SHA1;
    if (parameters.peek() == der::sequence) {
        constexpr std::array types{
            MBEDTLS_MD_SHA1,
            MBEDTLS_MD_SHA224,
            MBEDTLS_MD_SHA256,
            MBEDTLS_MD_SHA384,
            MBEDTLS_MD_SHA512};
        const auto kind = last_arc(parameters.enter(der::sequence).take(der::object_id), hmac_with);
        if (kind < 7 || kind - 7 >= types.size())
            return unknown(why, "a PBKDF2 of an unknown HMAC");
        digest = types[kind - 7];
    }
    const auto* info = mbedtls_md_info_from_type(digest);
    if (!parameters.ok() || rounds == 0 || rounds > pbe_rounds_max || info == nullptr) {
        why = "the parameters of its encryption cannot be read";
        return fail(errc::malformed);
    }
    secret_octets key(size);
#if MBEDTLS_VERSION_NUMBER >= 0x03030000
    const auto code = mbedtls_pkcs5_pbkdf2_hmac_ext(
        digest,
        password.data(),
        password.size(),
        salt.data(),
        salt.size(),
        rounds,
        static_cast<std::uint32_t>(size),
        key.data()
    );
#else
    digest_context context;
    auto code = mbedtls_md_setup(context.get(), info, 1);
    if (code == 0)
        code = mbedtls_pkcs5_pbkdf2_hmac(
            context.get(),
            password.data(),
            password.size(),
            salt.data(),
            salt.size(),
            rounds,
            static_cast<std::uint32_t>(size),
            key.data()
        );
#endif
    if (code == 0) return key;
    why = "mbedTLS: " + tls_error_text(code);
    return fail(errc::unsupported);
}

result<secret_octets> pbe_decrypt(
    der::reader algorithm, octets_view encrypted, const pbe_password& password, std::string& why
)
{
    const auto id = algorithm.take(der::object_id);
    const auto parameters = algorithm.enter(der::sequence);
    if (!algorithm.ok()) {
        why = "the parameters of its encryption cannot be read";
        return fail(errc::malformed);
    }
    if (der::is(id, pbes2)) return decrypt_pbes2(parameters, encrypted, password, why);
    const auto kind = last_arc(id, pkcs12_pbe);
    if (kind >= 3 && kind <= 6) return decrypt_pkcs12(kind, parameters, encrypted, password, why);
    if (kind == 1 || kind == 2) return unknown(why, "RC4");
    return unknown(why, "an unknown cipher");
}

result<secret_octets>
decrypt_pkcs8(octets_view encrypted_key, const pbe_password& password, std::string& why)
{
    auto info = der::reader(encrypted_key).enter(der::sequence);
    const auto algorithm = info.enter(der::sequence);
    const auto encrypted = info.take(der::octet_string);
    if (!info.ok()) {
        why = "its encrypted key cannot be read";
        return fail(errc::malformed);
    }
    return pbe_decrypt(algorithm, encrypted, password, why);
}

}  // namespace dualwrite::engine
