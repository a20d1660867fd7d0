#include "proxy/arguments.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

#include "cli/handles.hpp"

using namespace dualwrite::program;

namespace {

std::vector<std::string_view> split(std::string_view line)
{
    std::vector<std::string_view> words;
    while (!line.empty()) {
        const auto word = line.substr(0, line.find(' '));
        words.push_back(word);
        line.remove_prefix(std::min(line.size(), word.size() + 1));
    }
    return words;
}

// What was understood as "key=value key=value", values of lists after the first as "key+=value".
std::string describe(const arguments& given)
{
    std::string text;
    for (const auto& [key, value, first] : given.settings)
        text += (text.empty() ? "" : " ") + key + (first ? "=" : "+=") + value;
    if (given.help) text += " HELP";
    if (given.version) text += " VERSION";
    if (given.check) text += " CHECK";
    return text;
}

arguments read(std::string_view line)
{
    static const auto conf = new_conf(DW_COMMAND_PROXY);
    static const auto keys = keys_of(conf.get());
    static std::vector<std::string_view> words;
    words = split(line);
    return read_arguments(keys, words);
}

struct row {
    std::string_view line;
    std::string_view understood;  // or what is wrong
};

constexpr row good[] = {
    // the command lines of the tutorials
    {"src tgt --proxy-jks-file F --proxy-jks-password P",
     "source=src target=tgt proxy-jks-file=F proxy-jks-password=P"},
    {"src tgt --source-port 9042 --target-port 10350 --proxy-jks-file F --proxy-jks-password P "
     "--target-username U --target-password P --disable-source-tls true --disable-target-tls true",
     "source=src target=tgt source-port=9042 target-port=10350 proxy-jks-file=F "
     "proxy-jks-password=P target-username=U target-password=P disable-source-tls=true "
     "disable-target-tls=true"},
    {"src tgt --proxy-port 9042 --source-port 3074",
     "source=src target=tgt proxy-port=9042 source-port=3074"},
    {"src tgt --protocol-version 4 --cql-version 3.11",
     "source=src target=tgt protocol-version=4 cql-version=3.11"},

    // positionals first, last and between
    {"--threads 10 src tgt", "threads=10 source=src target=tgt"},
    {"src --threads 10 tgt", "source=src threads=10 target=tgt"},
    {"--threads=10 -- src -tgt", "threads=10 source=src target=-tgt"},

    // forms of an option
    {"-p 9042", "proxy-port=9042"},
    {"-p9042", "proxy-port=9042"},
    {"-p=9042", "proxy-port=9042"},
    {"-t10", "threads=10"},
    {"-W=false", "wait=false"},
    {"-W false", "wait=false"},
    {"-Wfalse", "wait=false"},
    {"-mp 28001", "metrics-port=28001"},
    {"-mp=28001", "metrics-port=28001"},
    {"-mp28001", "metrics-port=28001"},
    {"--state-dir=", "state-dir="},
    {"--filter-tables=a=b", "filter-tables=a=b"},

    // names: any case, unique prefix, an exact name before its extensions
    {"--PROXY-PORT 1", "proxy-port=1"},
    {"--ghostips {}", "ghostIps={}"},
    {"--target-u U", "target-username=U"},
    {"--metrics false", "metrics=false"},
    {"--wait false", "wait=false"},
    {"--target-u=U", "target-username=U"},
    // new options do not take prefixes away from the documented ones
    {"--wai false", "wait=false"},
    {"--metrics-p 1", "metrics-port=1"},
    {"--source-p 1", "source-port=1"},
    {"--target-pass p", "target-password=p"},
    {"--target-password-f p", "target-password-file=p"},
    {"--h", "HELP"},

    // Booleans take a value
    {"--wait yes", "wait=true"},
    {"--wait On", "wait=true"},
    {"--wait 1", "wait=true"},
    {"--wait TRUE", "wait=true"},
    {"--wait no", "wait=false"},
    {"--wait 0", "wait=false"},
    {"--wait off", "wait=false"},

    // new lists take one word
    {"--tables-include a.b,c.* src tgt --tables-include d.e",
     "tables-include=a.b,c.* source=src target=tgt tables-include+=d.e"},

    // lists take the words behind them
    {"src tgt --protocol-version 3 4",
     "source=src target=tgt protocol-version=3 protocol-version+=4"},
    {"--protocol-version=4 src tgt", "protocol-version=4 source=src target=tgt"},
    {"--protocol-version 3 --protocol-version 4", "protocol-version=3 protocol-version+=4"},
    {"--protocol-version 4 src tgt",
     "protocol-version=4 protocol-version+=src protocol-version+=tgt"},
    {"--compression lz4 snappy --wait true", "compression=lz4 compression+=snappy wait=true"},
    {"--compression lz4 -- src", "compression=lz4 source=src"},

    // values
    {"--target-password \"secret\"", "target-password=secret"},
    {"--target-password -x", "target-password=-x"},
    {"--target-password \"", "target-password=\""},
    {"-", "source=-"},
    {"", ""},

    {"--help", "HELP"},
    {"-h", "HELP"},
    {"--version", "VERSION"},
    {"--help src tgt", "source=src target=tgt HELP"},
    {"--check src tgt", "source=src target=tgt CHECK"},
    {"src --che tgt --wait false", "source=src target=tgt wait=false CHECK"},
};

constexpr row bad[] = {
    {"--debug", "The option 'debug' requires a value: --debug true|false"},
    {"-p", "The option 'proxy-port' requires a value: --proxy-port PORT"},
    {"--threads --wait true", "The option 'threads' requires a value: --threads N"},
    {"--threads -p1", "The option 'threads' requires a value: --threads N"},
    {"--threads --", "The option 'threads' requires a value: --threads N"},
    {"--target-p x",
     "Ambiguous argument in command line: '--target-p' matches [target-port, target-password]"},
    {"--target-p=x",
     "Ambiguous argument in command line: '--target-p' matches [target-port, target-password]"},
    {"--threads 1 --threads 2", "The option 'threads' is given twice"},
    {"--threads=1 -t2", "The option 'threads' is given twice"},
    {"--unknown x src tgt", "unknown option '--unknown'"},
    {"--unknown=x src tgt", "unknown option '--unknown'"},
    {"-x src tgt", "unknown option '-x'"},
    {"--=x", "unknown option '--'"},
    {"a b c", "unexpected argument 'c': SOURCE and TARGET are given already"},
    {"-- a b --help", "unexpected argument '--help': SOURCE and TARGET are given already"},
};

}  // namespace

TEST_SUITE("cli/arguments")
{
    TEST_CASE("read_arguments: understands every documented form")
    {
        for (const auto& its : good) {
            CAPTURE(its.line);
            const auto given = read(its.line);
            CHECK(given.error == "");
            const auto text = describe(given);
            CHECK(text.substr(text.starts_with(' ') ? 1 : 0) == its.understood);
            CHECK(given.warnings.empty());
        }
    }

    TEST_CASE("read_arguments: says what is wrong")
    {
        for (const auto& its : bad) {
            CAPTURE(its.line);
            CHECK(read(its.line).error == its.understood);
        }
    }

    TEST_CASE("read_arguments: takes any other word of a Boolean for false, and says so")
    {
        const auto given = read("--disable-source-tls src tgt");
        CHECK(describe(given) == "disable-source-tls=false source=tgt");
        REQUIRE(given.warnings.size() == 1);
        CHECK(
            given.warnings[0] == "--disable-source-tls takes true or false; 'src' counts as false"
        );
    }

    TEST_CASE("read_arguments: keeps the name of an unknown option for a suggestion")
    {
        CHECK(read("--thread-s 1").unknown == "thread-s");
        CHECK(read("-x").unknown.empty());
    }
}
