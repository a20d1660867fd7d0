#include "../../src/engine/tls_keystore.hpp"

#include <array>
#include <fstream>
#include <iterator>

#include "../../src/engine/tls_pbe.hpp"
#include "../../src/engine/tls_rc2.hpp"
#include "tls_fixture.hpp"

namespace dualwrite::engine::test {

namespace {

std::string fixture(const std::string& name)
{
    return DW_KEYSTORES "/" + name;
}

std::vector<unsigned char> content_of(const std::string& file)
{
    std::ifstream in(file, std::ios::binary);
    REQUIRE(in.is_open());
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

result<std::shared_ptr<tls_server_context>>
serve(const std::string& file, const std::string& password, std::string& why)
{
    tls_server_options options;
    options.certificate_file = file;
    options.key_password = password;
    options.password_flag = "--proxy-jks-password";
    return tls_server_context::create(options, why);
}

// A client that trusts the key store's certificates talks with a server that uses it.
void check_serves(
    const std::string& file, const std::string& password, const std::string& name = "localhost"
)
{
    CAPTURE(file);
    std::string why;
    const auto server = serve(file, password, why);
    CAPTURE(why);
    REQUIRE(server);
    tls_client_options trusting;
    trusting.keystore_file = file;
    trusting.keystore_password = password;
    const auto client = tls_client_context::create(trusting, why);
    REQUIRE(client);
    connection wire(**client, **server, name);
    CHECK(wire.handshake());
    CHECK(write_all(wire.client, as_bytes("x")).size == 1);
    CHECK(read_text(wire.server) == "x");
    CHECK((*server)->certificate().names != "");
}

std::string refusal(const std::string& file, const std::string& password)
{
    std::string why;
    CAPTURE(file);
    CHECK_FALSE(serve(file, password, why));
    CHECK(contains(why, file));
    return why;
}

// good.pem and its key, under "secret", as openssl writes it with these arguments.
std::string exported(const std::string& name, const std::string& arguments)
{
    const auto& files = certificates::get();
    const auto file = files.file(name);
    run("openssl pkcs12 -export -name one -in " + files.file("good.pem") + " -inkey " +
        files.file("good.key") + " -certfile " + files.file("ca.pem") +
        " -passout pass:secret -out " + file + " " + arguments);
    return file;
}

template <std::size_t N> std::vector<unsigned char> hex(const char (&text)[N])
{
    std::vector<unsigned char> out;
    for (std::size_t i = 0; i + 2 < N; i += 2)
        out.push_back(static_cast<unsigned char>(std::stoi(std::string(text + i, 2), nullptr, 16)));
    return out;
}

}  // namespace

TEST_SUITE_BEGIN("engine/tls_keystore");

TEST_CASE("keystore: RC2 undoes the examples of RFC 2268")
{
    struct row {
        std::vector<unsigned char> key, plain, encrypted;
    };
    const row rows[] = {
        {hex("ffffffffffffffff"), hex("ffffffffffffffff"), hex("278b27e42e2f0d49")},
        {hex("3000000000000000"), hex("1000000000000001"), hex("30649edf9be7d2c2")},
        {hex("88bca90e90875a7f0f79c384627bafb2"), hex("0000000000000000"), hex("2269552ab0f85ca6")},
    };
    for (const auto& [key, plain, encrypted] : rows) {
        auto block = encrypted;
        rc2(key).decrypt(std::span(block).first<8>());
        CHECK(block == plain);
    }
}

TEST_CASE("keystore: the store of the tutorial's keytool line serves, whatever its name says")
{
    CHECK(kind_of(content_of(fixture("keystore.jks"))) == key_file_kind::pkcs12);
    check_serves(fixture("keystore.jks"), "password");
}

TEST_CASE("keystore: stores of older Javas serve: PKCS#12 with RC2 and 3DES, and real JKS")
{
    CHECK(kind_of(content_of(fixture("real.jks"))) == key_file_kind::jks);
    check_serves(fixture("legacy.p12"), "password");
    check_serves(fixture("real.jks"), "password");
    check_serves(fixture("unicode.jks"), "p\xc3\xa4ssw\xc3\xb6rd \xe2\x82\xac\xf0\x9d\x84\x9e");
}

TEST_CASE("keystore: what openssl pkcs12 -export can write serves")
{
    const std::array variants{
        "",
        "-keypbe AES-128-CBC -certpbe AES-192-CBC -macalg sha512",
        "-keypbe DES-EDE3-CBC -certpbe NONE -macalg sha384",
        "-keypbe NONE -certpbe NONE -macalg sha224",
        "-keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-3DES -macalg sha1",
        "-keypbe PBE-SHA1-2DES -certpbe PBE-SHA1-2DES",
        "-iter 1 -nomaciter",
        "-nomac",
    };
    for (std::size_t i = 0; i < variants.size(); ++i) {
        CAPTURE(variants[i]);
        check_serves(exported(std::to_string(i) + ".p12", variants[i]), "secret", "a.test");
    }
}

TEST_CASE("keystore: long passwords and those beyond ASCII open PKCS#12")
{
    const auto& files = certificates::get();
    const std::string password = "gr\xc3\xbc\xc3\x9f"
                                 "e " +
                                 std::string(80, 'x');
    for (const std::string kind : {"AES-256-CBC", "PBE-SHA1-3DES"}) {
        const auto file = files.file("long-" + kind + ".p12");
        run("openssl pkcs12 -export -in " + files.file("good.pem") + " -inkey " +
            files.file("good.key") + " -keypbe " + kind + " -certpbe " + kind +
            " -passout 'pass:" + password + "' -out " + file);
        std::string why;
        CHECK(serve(file, password, why));
        CHECK(why == "");
    }
}

TEST_CASE("keystore: the chain follows the certificate, and the first of several keys is named")
{
    const auto file = fixture("chain.p12");
    std::string why;
    const auto server = serve(file, "password", why);
    REQUIRE(server);
    CHECK((*server)->certificate().alias == "node");
    CHECK((*server)->certificate().names == "node.test");
    CHECK((*server)->certificate().days_left > 10'000);
    CHECK(contains((*server)->certificate().valid_until, "UTC"));
    // The client trusts the root alone: the rest must have come with the handshake.
    tls_client_options options;
    options.keystore_file = fixture("trust.jks");
    options.keystore_password = "password";
    const auto client = tls_client_context::create(options, why);
    REQUIRE(client);
    connection wire(**client, **server, "node.test");
    CHECK(wire.handshake());
}

TEST_CASE("keystore: with --source-tls-ca its own certificates are not trusted")
{
    std::string why;
    const auto server = serve(fixture("real.jks"), "password", why);
    REQUIRE(server);
    tls_client_options options;
    options.ca_file = certificates::get().file("ca.pem");
    options.keystore_file = fixture("real.jks");
    options.keystore_password = "password";
    const auto client = tls_client_context::create(options, why);
    REQUIRE(client);
    connection wire(**client, **server, "localhost");
    CHECK_FALSE(wire.handshake());
}

TEST_CASE("keystore: a wrong password is called that, and the flag named")
{
    for (const std::string name : {"keystore.jks", "legacy.p12", "real.jks"}) {
        for (const std::string password : {"", "Password", "password "}) {
            const auto why = refusal(fixture(name), password);
            CHECK(contains(why, "the password is wrong"));
            CHECK(contains(why, "--proxy-jks-password"));
        }
    }
    CHECK(contains(refusal(exported("nomac.p12", "-nomac"), "wrong"), "the password is wrong"));
    CHECK(contains(refusal(fixture("other_key_password.jks"), "password"), "keytool -keypasswd"));
}

TEST_CASE("keystore: wrong types and what is missing are named")
{
    const auto& files = certificates::get();
    CHECK(contains(refusal(fixture("real.jceks"), "password"), "JCEKS"));
    CHECK(contains(refusal(fixture("trust.jks"), "password"), "no private key"));
    CHECK(contains(refusal(fixture("make"), "password"), "neither PEM nor a key store"));
    CHECK(contains(refusal(files.file("good.pem"), ""), "no private key"));
    CHECK(contains(refusal(files.file("good.key"), ""), "no certificate"));
    CHECK(contains(refusal(files.file("missing"), ""), "No such file"));
    CHECK(contains(refusal(files.file(""), ""), "Is a directory"));

    const auto keyless = files.file("keyless.p12");
    run("openssl pkcs12 -export -nocerts -inkey " + files.file("good.key") +
        " -passout pass:secret -out " + keyless);
    CHECK(contains(refusal(keyless, "secret"), "its key has no certificate"));

    std::string why;
    tls_server_options options;
    options.certificate_file = fixture("keystore.jks");
    options.key_file = files.file("good.key");
    CHECK_FALSE(tls_server_context::create(options, why));
    CHECK(contains(why, "--proxy-jks-file"));
}

TEST_CASE("keystore: an expired certificate is refused with the day")
{
    const auto& files = certificates::get();
    const auto file = files.file("expired.p12");
    run("openssl pkcs12 -export -in " + files.file("expired.pem") + " -inkey " +
        files.file("expired.key") + " -passout pass:secret -out " + file);
    const auto why = refusal(file, "secret");
    CHECK(contains(why, "has expired, on 20"));
}

TEST_CASE("keystore: PEM with certificate and key in one file, and encrypted PKCS#8, serve")
{
    const auto& files = certificates::get();
    const auto both = files.file("both.pem");
    run("sh -c 'cat " + files.file("good.pem") + " " + files.file("good.key") + " > " + both + "'");
    std::string why;
    CHECK(serve(both, "", why));

    tls_server_options options;
    options.certificate_file = files.file("good.pem");
    options.password_flag = "--proxy-pem-password";
    for (const std::string cipher : {"aes256 -v2prf hmacWithSHA512", "des3", "aes128"}) {
        CAPTURE(cipher);
        options.key_file = files.file("locked8.key");
        run("openssl pkcs8 -topk8 -v2 " + cipher + " -passout pass:secret -in " +
            files.file("good.key") + " -out " + options.key_file);
        options.key_password = "secret";
        why.clear();
        CHECK(tls_server_context::create(options, why));
        CHECK(why == "");
        options.key_password = "";
        CHECK_FALSE(tls_server_context::create(options, why));
        CHECK(contains(why, "no password was given; give it with --proxy-pem-password"));
        options.key_password = "wrong";
        CHECK_FALSE(tls_server_context::create(options, why));
        CHECK(contains(why, "locked8.key"));
    }
}

TEST_CASE("keystore: every truncation is refused, and every flipped bit under the MAC")
{
    const auto small = exported("small.p12", "-iter 1 -nomaciter");
    for (const auto& [file, password] :
         {std::pair{small, "secret"}, std::pair{fixture("real.jks"), "password"}}) {
        const auto whole = content_of(file);
        std::string why;
        REQUIRE(read_keystore(whole, password, why));
        std::size_t accepted = 0;
        for (std::size_t size = 0; size < whole.size(); ++size)
            accepted += read_keystore(octets_view(whole).first(size), password, why) ? 1 : 0;
        CHECK(accepted == 0);
        // What lies outside of what is authenticated does not change what is read.
        const auto original = read_keystore(whole, password, why);
        for (std::size_t at = 0; at < whole.size(); ++at) {
            auto damaged = whole;
            damaged[at] ^= 0x10;
            const auto read = read_keystore(damaged, password, why);
            if (!read) continue;
            CHECK(read->certificates == original->certificates);
            REQUIRE(read->keys.size() == 1);
            CHECK(read->keys[0].key == original->keys[0].key);
        }
    }
}

TEST_SUITE_END();

}  // namespace dualwrite::engine::test
