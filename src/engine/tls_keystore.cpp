#include "tls_keystore.hpp"

#include <algorithm>

namespace dualwrite::engine {

namespace {

constexpr std::string_view jks_magic{"\xfe\xed\xfe\xed", 4};
constexpr std::string_view jceks_magic{"\xce\xce\xce\xce", 4};

}  // namespace

key_file_kind kind_of(octets_view file) noexcept
{
    const std::string_view text(reinterpret_cast<const char*>(file.data()), file.size());
    if (text.starts_with(jks_magic)) return key_file_kind::jks;
    if (text.starts_with(jceks_magic)) return key_file_kind::jceks;
    if (text.find("-----BEGIN ") != text.npos) return key_file_kind::pem;
    if (file.empty() || file[0] != der::sequence) return key_file_kind::unknown;
    // PFX begins with its version, a certificate with the sequence that was signed. With lengths
    // of the indefinite form it is still to be named, if not to be read.
    if (file.size() > 2 && file[1] == 0x80) return key_file_kind::pkcs12;
    const auto inside = der::reader(file).enter(der::sequence);
    if (!inside.ok()) return key_file_kind::unknown;
    return inside.peek() == der::integer ? key_file_kind::pkcs12 : key_file_kind::certificate;
}

result<keystore> read_keystore(octets_view file, std::string_view password, std::string& why)
{
    switch (kind_of(file)) {
    case key_file_kind::pkcs12:
        return read_pkcs12(file, password, why);
    case key_file_kind::jks:
        return read_jks(file, password, why);
    case key_file_kind::jceks:
        why = "a key store of type JCEKS, which is not supported; turn it into PKCS#12 by keytool "
              "-importkeystore -srcstoretype JCEKS -deststoretype PKCS12";
        return fail(errc::unsupported);
    default:
        why = "not a key store of a known type (PKCS#12 or JKS)";
        return fail(errc::malformed);
    }
}

}  // namespace dualwrite::engine
