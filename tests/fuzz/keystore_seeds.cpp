#include "fuzz.hpp"

// Key stores by hand: PKCS#12 without a MAC, with and without encryption, and JKS. What the fields
// hold is no certificate and no key, which their readers do not look at.
namespace {

using dualwrite::fuzz::seed;

std::string element(int tag, const std::string& content)
{
    std::string out(1, static_cast<char>(tag));
    if (content.size() >= 128) out += '\x82', out += static_cast<char>(content.size() >> 8);
    return out + static_cast<char>(content.size()) + content;
}
std::string sequence(const std::string& content)
{
    return element(0x30, content);
}
std::string octets(const std::string& content)
{
    return element(4, content);
}
std::string oid(const std::string& content)
{
    return element(6, content);
}
std::string number(int value)
{
    return element(2, std::string(1, static_cast<char>(value)));
}

const std::string pkcs = "\x2a\x86\x48\x86\xf7\x0d\x01";  // 1.2.840.113549.1

std::string bag(char kind, const std::string& value)
{
    return sequence(oid(pkcs + "\x0c\x0a\x01" + kind) + element(0xa0, value));
}

std::string pbes2()
{
    const auto hmac = sequence(oid("\x2a\x86\x48\x86\xf7\x0d\x02\x09"));
    const auto derivation =
        sequence(oid(pkcs + "\x05\x0c") + sequence(octets("saltsalt") + number(2) + hmac));
    const auto cipher =
        sequence(oid("\x60\x86\x48\x01\x65\x03\x04\x01\x2a") + octets(std::string(16, 'i')));
    return sequence(oid(pkcs + "\x05\x0d") + sequence(derivation + cipher));
}

std::string pbe(char kind)
{
    return sequence(oid(pkcs + "\x0c\x01" + kind) + sequence(octets("saltsalt") + number(2)));
}

std::string pfx(const std::string& contents)
{
    const auto data = oid(pkcs + "\x07\x01") + element(0xa0, octets(sequence(contents)));
    return sequence(number(3) + sequence(data));
}

std::string safe(const std::string& bags)
{
    return sequence(oid(pkcs + "\x07\x01") + element(0xa0, octets(sequence(bags))));
}

std::string encrypted_safe(const std::string& algorithm)
{
    const auto inside = oid(pkcs + "\x07\x01") + algorithm + element(0x80, std::string(32, 'e'));
    const auto content = sequence(number(0) + sequence(inside));
    return sequence(oid(pkcs + "\x07\x06") + element(0xa0, content));
}

std::string field(const std::string& content)
{
    return std::string("\0\0\0", 3) + static_cast<char>(content.size()) + content;
}
std::string text(const std::string& content)
{
    return std::string(1, '\0') + static_cast<char>(content.size()) + content;
}

std::string jks()
{
    const std::string version("\xfe\xed\xfe\xed\0\0\0\2\0\0\0\2", 12);
    const std::string made(8, '\0');
    const auto key = sequence(
        sequence(oid("\x2b\x06\x01\x04\x01\x2a\x02\x11\x01\x01")) + octets(std::string(60, 'k'))
    );
    const auto certificate = text("X.509") + field("certificate");
    return version + std::string("\0\0\0\2", 4) + text("root") + made + certificate +
           std::string("\0\0\0\1", 4) + text("own") + made + field(key) +
           std::string("\0\0\0\1", 4) + certificate;
}

}  // namespace

namespace dualwrite::fuzz {

std::vector<seed> keystore_seeds()
{
    const auto certificate =
        sequence(oid(pkcs + "\x09\x16\x01") + element(0xa0, octets("certificate")));
    const auto locked = [](const std::string& algorithm) {
        return bag(2, sequence(algorithm + octets(std::string(32, 'e'))));
    };
    const auto name = element(
        0x31, sequence(oid(pkcs + "\x09\x14") + element(0x31, element(0x1e, std::string("\0a", 2))))
    );
    const auto named =
        sequence(oid(pkcs + "\x0c\x0a\x01\x01") + element(0xa0, sequence(octets("key"))) + name);
    return {
        {"plain", pfx(safe(named + bag(3, certificate)))},
        {"pbes2", pfx(safe(locked(pbes2())) + encrypted_safe(pbes2()))},
        {"rc2", pfx(safe(locked(pbe(3))) + encrypted_safe(pbe(6)) + encrypted_safe(pbe(5)))},
        {"jks", jks()},
    };
}

}  // namespace dualwrite::fuzz
