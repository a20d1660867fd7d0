#include <dualwrite/engine/config.hpp>

#include <doctest/doctest.h>

using namespace dualwrite;
using namespace dualwrite::engine;

namespace {

const char* home(const char* name)
{
    return std::string_view(name) == "HOME" ? "/h" : nullptr;
}

result<proxy_options>
made(const char* source, const char* target, std::string& why, const char* port = nullptr)
{
    config from(command::proxy);
    REQUIRE(from.set("source", source, why));
    REQUIRE(from.set("target", target, why));
    if (port != nullptr) REQUIRE(from.set("target-port", port, why));
    return make_proxy_options(from, home, why);
}

}  // namespace

TEST_SUITE_BEGIN("engine/config_contacts");

TEST_CASE("contact points: the target may have several, each with its port")
{
    std::string why;
    const auto good = made("s", "a,b:7,[::1]:8", why);
    REQUIRE(good.has_value());
    std::vector<std::string> texts;
    for (const auto& its : good->target.contact_points()) texts.push_back(its.text());
    CHECK(texts == std::vector<std::string>{"a:9042", "b:7", "::1:8"});
    CHECK(good->target_discovery);
    CHECK_FALSE(made("s", "a,b:7", why, "9").has_value());
    CHECK(why == "target names port 7, --target-port another one; give it once");
}

TEST_CASE("contact points: what is none of them is refused, and a proxy has one source")
{
    std::string why;
    for (const auto* bad : {"a,", ",a", "a,,b", "a, b"}) {
        CAPTURE(bad);
        CHECK_FALSE(made("s", bad, why).has_value());
        CHECK(why.find("is not HOST, HOST:PORT or [IPV6]:PORT") != std::string::npos);
    }
    CHECK_FALSE(made("s1,s2", "t", why).has_value());
    CHECK(why.find("source: clients of a proxy are led to one node") == 0);
}

TEST_SUITE_END();
