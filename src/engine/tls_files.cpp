#include "tls_files.hpp"

#include <mbedtls/base64.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <sys/stat.h>

#include "tls_pbe.hpp"

namespace dualwrite::engine {

namespace {

// Where distributions keep the authorities that they trust: Debian and Alpine, Red Hat, SUSE, BSD.
constexpr std::array system_authorities = {
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
};
constexpr std::size_t file_size_max = 16 * 1024 * 1024;

// A whole file. With a NUL behind its content, by which mbedTLS recognizes PEM.
class file_content {
public:
    static result<file_content> read(const std::string& file, std::string& why)
    {
        const std::unique_ptr<FILE, int (*)(FILE*)> in(
            std::fopen(file.c_str(), "rbe"), std::fclose
        );
        file_content content;
        int error = in ? 0 : errno;
        struct stat status {};
        if (in && ::fstat(::fileno(in.get()), &status) == 0 && S_ISDIR(status.st_mode))
            error = EISDIR;
        while (error == 0) {
            std::array<unsigned char, 16 * 1024> part;
            const auto got = std::fread(part.data(), 1, part.size(), in.get());
            content.octets_.insert(
                content.octets_.end(), part.begin(), part.begin() + static_cast<std::ptrdiff_t>(got)
            );
            mbedtls_platform_zeroize(part.data(), got);
            if (content.octets_.size() > file_size_max) error = EFBIG;
            if (got == part.size()) continue;
            if (std::ferror(in.get()) != 0) error = EIO;
            break;
        }
        if (error != 0) {
            why = "cannot read " + file + ": " + std::strerror(error);
            return fail(errc::invalid_argument);
        }
        content.octets_.push_back(0);
        return content;
    }

    octets_view octets() const noexcept { return octets_view(octets_).first(octets_.size() - 1); }
    octets_view with_nul() const noexcept { return octets_; }
    std::string_view text() const noexcept
    {
        return {reinterpret_cast<const char*>(octets_.data()), octets_.size() - 1};
    }
    key_file_kind kind() const noexcept { return kind_of(octets()); }
    bool has(std::string_view text_part) const noexcept
    {
        return text().find(text_part) != std::string_view::npos;
    }

private:
    secret_octets octets_;
};

bool is_store(key_file_kind kind) noexcept
{
    return kind == key_file_kind::pkcs12 || kind == key_file_kind::jks ||
           kind == key_file_kind::jceks;
}

failure refuse(std::string& why, std::string text)
{
    why = std::move(text);
    return fail(errc::invalid_argument);
}

result<void> parse_certificates(
    mbedtls_x509_crt& into, const file_content& content, const std::string& file, std::string& why
)
{
    const auto in = content.kind() == key_file_kind::pem ? content.with_nul() : content.octets();
    const auto code = mbedtls_x509_crt_parse(&into, in.data(), in.size());
    if (code == 0) return {};
    if (code > 0)
        return refuse(why, std::to_string(code) + " certificates in " + file + " cannot be read");
    return refuse(
        why, "no certificate in PEM can be read from " + file + ": " + tls_error_text(code)
    );
}

int parse_key(mbedtls_pk_context& into, octets_view key, const std::string& password)
{
    const auto* secret =
        password.empty() ? nullptr : reinterpret_cast<const unsigned char*>(password.data());
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
    return mbedtls_pk_parse_key(
        &into, key.data(), key.size(), secret, password.size(), tls_random, nullptr
    );
#else
    return mbedtls_pk_parse_key(&into, key.data(), key.size(), secret, password.size());
#endif
}

bool is_pair(const mbedtls_pk_context& public_key, const mbedtls_pk_context& private_key)
{
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
    return mbedtls_pk_check_pair(&public_key, &private_key, tls_random, nullptr) == 0;
#else
    return mbedtls_pk_check_pair(&public_key, &private_key) == 0;
#endif
}

// The octets between the lines of a PEM block; empty: there is none.
secret_octets pem_block(std::string_view text, std::string_view label)
{
    const auto begin = "-----BEGIN " + std::string(label) + "-----";
    const auto from = text.find(begin);
    if (from == text.npos) return {};
    const auto until = text.find("-----END ", from);
    if (until == text.npos) return {};
    secret_octets packed;
    packed.reserve(until - from);
    for (const auto c : text.substr(from + begin.size(), until - from - begin.size()))
        if (c > ' ') packed.push_back(static_cast<unsigned char>(c));
    secret_octets out(packed.size());
    std::size_t size = 0;
    if (mbedtls_base64_decode(out.data(), out.size(), &size, packed.data(), packed.size()) != 0)
        return {};
    out.resize(size);
    return out;
}

result<void> load_pem_key(
    mbedtls_pk_context& into,
    const file_content& content,
    const tls_identity_files& files,
    std::string& why
)
{
    const auto& file = files.key_file.empty() ? files.certificate_file : files.key_file;
    const auto& flag = files.password_flag;
    auto code = MBEDTLS_ERR_PK_PASSWORD_REQUIRED;
    const auto locked = pem_block(content.text(), "ENCRYPTED PRIVATE KEY");
    if (locked.empty()) {
        code = parse_key(into, content.with_nul(), files.password);
    } else if (!files.password.empty()) {
        // Not by mbedTLS, whose PKCS#8 knows no AES before 3.6.
        std::string problem;
        const auto key = decrypt_pkcs8(locked, pbe_password(files.password), problem);
        const bool wrong = !key && key.error() == make_error_code(errc::authentication_failed);
        if (!key && !wrong) return refuse(why, "the key in " + file + ": " + problem);
        code = wrong ? MBEDTLS_ERR_PK_PASSWORD_MISMATCH : parse_key(into, *key, "");
    }
    if (code == 0) return {};
    if (code == MBEDTLS_ERR_PK_PASSWORD_REQUIRED)
        return refuse(
            why,
            "the key in " + file + " is encrypted and no password was given" +
                (flag.empty() ? "" : "; give it with " + flag)
        );
    if (code == MBEDTLS_ERR_PK_PASSWORD_MISMATCH)
        return refuse(
            why,
            "the password does not open the key in " + file + (flag.empty() ? "" : "; see " + flag)
        );
    return refuse(
        why, "no private key in PEM can be read from " + file + ": " + tls_error_text(code)
    );
}

result<void> load_pem_identity(
    mbedtls_x509_crt& chain,
    mbedtls_pk_context& key,
    const file_content& content,
    const tls_identity_files& files,
    std::string& why
)
{
    const auto& file = files.certificate_file;
    if (content.kind() == key_file_kind::unknown)
        return refuse(why, file + " is neither PEM nor a key store (PKCS#12 or JKS)");
    if (content.kind() == key_file_kind::pem && !content.has("CERTIFICATE-----"))
        return refuse(why, "no certificate in PEM can be read from " + file + ": there is none");
    if (files.key_file.empty() && !content.has("PRIVATE KEY-----"))
        return refuse(why, file + " has a certificate but no private key");
    DW_CHECK(parse_certificates(chain, content, file, why));
    if (files.key_file.empty()) {
        DW_CHECK(load_pem_key(key, content, files, why));
    } else {
        DW_TRY(key_content, file_content::read(files.key_file, why));
        DW_CHECK(load_pem_key(key, key_content, files, why));
    }
    if (is_pair(chain.pk, key)) return {};
    return refuse(
        why,
        "the key in " + (files.key_file.empty() ? file : files.key_file) +
            " does not belong to the certificate"
    );
}

using parsed_certificates = std::vector<std::unique_ptr<tls_certificates>>;

// What cannot be read is left out: stores hold authorities of every kind.
parsed_certificates parse_all(const keystore& store)
{
    parsed_certificates all;
    for (const auto& octets : store.certificates) {
        auto one = std::make_unique<tls_certificates>();
        if (mbedtls_x509_crt_parse_der(one->get(), octets.data(), octets.size()) == 0)
            all.push_back(std::move(one));
    }
    return all;
}

bool same(const mbedtls_x509_buf& a, const mbedtls_x509_buf& b) noexcept
{
    return a.len == b.len && std::memcmp(a.p, b.p, a.len) == 0;
}

// `leaf`, its issuer, the issuer's issuer and so on, as far as the store has them.
result<void>
build_chain(mbedtls_x509_crt& into, const mbedtls_x509_crt* leaf, const parsed_certificates& all)
{
    for (std::size_t length = 0; leaf != nullptr && length < 10; ++length) {
        if (mbedtls_x509_crt_parse_der(&into, leaf->raw.p, leaf->raw.len) != 0)
            return fail(errc::invalid_argument);
        const auto* below = std::exchange(leaf, nullptr);
        if (same(below->issuer_raw, below->subject_raw)) break;
        for (const auto& one : all)
            if (same(one->get()->subject_raw, below->issuer_raw)) leaf = one->get();
    }
    return {};
}

result<keystore> open_store(
    const file_content& content,
    const std::string& file,
    const std::string& password,
    const std::string& password_flag,
    std::string& why
)
{
    std::string problem;
    auto store = read_keystore(content.octets(), password, problem);
    if (store) return store;
    why = file + ": " + problem;
    if (store.error() == make_error_code(errc::authentication_failed) && !password_flag.empty())
        why += "; see " + password_flag;
    return fail(errc::invalid_argument);
}

// The first key that has its certificate in the store.
result<void> load_store_identity(
    mbedtls_x509_crt& chain,
    mbedtls_pk_context& key,
    const file_content& content,
    const tls_identity_files& files,
    std::string& alias,
    std::string& why
)
{
    const auto& file = files.certificate_file;
    if (!files.key_file.empty())
        return refuse(
            why,
            file + " is a key store, not PEM, and holds the key as well: give it with "
                   "--proxy-jks-file, or leave the file of the key out"
        );
    DW_TRY(store, open_store(content, file, files.password, files.password_flag, why));
    if (store.keys.empty())
        return refuse(why, file + " has certificates but no private key: it is a trust store");
    const auto all = parse_all(store);
    std::string problem = "its key has no certificate";
    for (const auto& entry : store.keys) {
        tls_key candidate;
        if (const auto code = parse_key(*candidate.get(), entry.key, ""); code != 0) {
            problem = "its key is of a kind that is not supported: " + tls_error_text(code);
            continue;
        }
        for (const auto& one : all) {
            if (!is_pair(one->get()->pk, *candidate.get())) continue;
            std::swap(key, *candidate.get());
            alias = store.keys.size() > 1 ? entry.alias : "";
            if (build_chain(chain, one->get(), all)) return {};
            return refuse(why, file + ": its certificates cannot be read");
        }
    }
    return refuse(why, file + ": " + problem);
}

result<void>
check_validity(const mbedtls_x509_crt& certificate, const std::string& file, std::string& why)
{
    if (mbedtls_x509_time_is_past(&certificate.valid_to) != 0)
        return refuse(
            why,
            "the certificate in " + file + " has expired, on " +
                tls_time_text(certificate.valid_to) + "; renew it"
        );
    if (mbedtls_x509_time_is_future(&certificate.valid_from) != 0)
        return refuse(
            why,
            "the certificate in " + file + " is valid from " +
                tls_time_text(certificate.valid_from) + " only; check the clock"
        );
    return {};
}

}  // namespace

std::string tls_time_text(const mbedtls_x509_time& time)
{
    std::array<char, 80> text{};
    std::snprintf(
        text.data(),
        text.size(),
        "%04d-%02d-%02d %02d:%02d UTC",
        time.year,
        time.mon,
        time.day,
        time.hour,
        time.min
    );
    return text.data();
}

result<void>
tls_load_certificates(mbedtls_x509_crt& into, const std::string& file, std::string& why)
{
    DW_TRY(content, file_content::read(file, why));
    if (is_store(content.kind()))
        return refuse(
            why,
            file + " is a key store, not PEM; take its certificates out by keytool "
                   "-exportcert -rfc"
        );
    return parse_certificates(into, content, file, why);
}

result<void> tls_load_system_authorities(mbedtls_x509_crt& into, std::string& why)
{
    for (const auto* file : system_authorities) {
        std::string unreadable;
        const auto pem = file_content::read(file, unreadable);
        if (!pem) continue;
        // A positive result counts certificates of kinds that this build of mbedTLS does not know;
        // a server that needs one of those will be named by its failing handshake.
        const auto octets = pem->with_nul();
        if (mbedtls_x509_crt_parse(&into, octets.data(), octets.size()) >= 0) return {};
    }
    why = "this system has no list of trusted authorities (package ca-certificates)";
    return fail(errc::invalid_argument);
}

result<void> tls_load_keystore_authorities(
    mbedtls_x509_crt& into, const std::string& file, const std::string& password, std::string& why
)
{
    DW_TRY(content, file_content::read(file, why));
    if (!is_store(content.kind())) return parse_certificates(into, content, file, why);
    DW_TRY(store, open_store(content, file, password, "", why));
    for (const auto& one : parse_all(store)) {
        const auto& raw = one->get()->raw;
        if (mbedtls_x509_crt_parse_der(&into, raw.p, raw.len) != 0)
            return refuse(why, file + ": its certificates cannot be read");
    }
    return {};
}

result<void> tls_load_identity(
    mbedtls_x509_crt& chain,
    mbedtls_pk_context& key,
    const tls_identity_files& files,
    std::string& alias,
    std::string& why
)
{
    DW_TRY(content, file_content::read(files.certificate_file, why));
    DW_CHECK(
        is_store(content.kind()) ? load_store_identity(chain, key, content, files, alias, why)
                                 : load_pem_identity(chain, key, content, files, why)
    );
    return check_validity(chain, files.certificate_file, why);
}

}  // namespace dualwrite::engine
