#include "conf.hpp"

#include <bit>
#include <memory>

#include "guard.hpp"
#include "live.hpp"

using namespace dualwrite;
using namespace dualwrite::capi;

static_assert(DW_COMMAND_PROXY == static_cast<unsigned>(engine::command::proxy));
static_assert(DW_COMMAND_COPY == static_cast<unsigned>(engine::command::copy));
static_assert(DW_COMMAND_VALIDATE == static_cast<unsigned>(engine::command::validate));
static_assert(DW_COMMAND_REPLAY == static_cast<unsigned>(engine::command::replay));
static_assert(DW_COMMAND_RETRY == static_cast<unsigned>(engine::command::retry));
static_assert(DW_COMMAND_CHECK == static_cast<unsigned>(engine::command::check));
static_assert(DW_COMMAND_RUNS == static_cast<unsigned>(engine::command::runs));
static_assert(DW_TYPE_TEXT == static_cast<unsigned>(engine::config_type::text));
static_assert(DW_TYPE_BOOLEAN == static_cast<unsigned>(engine::config_type::boolean));
static_assert(DW_TYPE_NUMBER == static_cast<unsigned>(engine::config_type::number));
static_assert(DW_TYPE_SIZE == static_cast<unsigned>(engine::config_type::size));
static_assert(DW_TYPE_DURATION == static_cast<unsigned>(engine::config_type::duration));
static_assert(DW_TYPE_CHOICE == static_cast<unsigned>(engine::config_type::choice));
static_assert(DW_KEY_SECRET == engine::key_flag::secret);
static_assert(DW_KEY_LIST == engine::key_flag::list);
static_assert(DW_KEY_POSITIONAL == engine::key_flag::positional);
static_assert(DW_KEY_REQUIRED == engine::key_flag::required);
static_assert(DW_KEY_PLANNED == engine::key_flag::planned);
static_assert(DW_KEY_DOCUMENTED == engine::key_flag::documented);
static_assert(DW_LOG_DEBUG == static_cast<int>(engine::log_level::debug));
static_assert(DW_LOG_ERROR == static_cast<int>(engine::log_level::error));

namespace dualwrite::capi {

engine::log_sink log_sink_of(const dw_conf& conf)
{
    if (conf.log == nullptr) return [](engine::log_level, std::string_view) {};
    return [log = conf.log,
            user = conf.log_user,
            least = conf.values.level()](engine::log_level level, std::string_view text) {
        if (level >= least) log(static_cast<int>(level), text.data(), text.size(), user);
    };
}

}  // namespace dualwrite::capi

namespace {

bool is_command(std::uint32_t value) noexcept
{
    return std::has_single_bit(value) && value <= DW_COMMAND_RUNS;
}

template <class Options>
int verdict(const result<Options>& options, const std::string& why, dw_error* err)
{
    return options ? DW_OK : report(err, options.error(), why);
}

}  // namespace

int dw_conf_new(dw_conf** out, uint32_t command, dw_error* err)
{
    return guard(err, [&] {
        if (out == nullptr) return null_argument(err, "out");
        *out = nullptr;
        if (!is_command(command))
            return report(err, DW_E_INVALID_ARGUMENT, "command is not one DW_COMMAND_*");
        *out = new dw_conf{engine::config(static_cast<engine::command>(command))};
        return DW_OK;
    });
}

void dw_conf_free(dw_conf** conf)
{
    delete take_handle(conf);
}

int dw_conf_set(dw_conf* conf, const char* key, const char* value, dw_error* err)
{
    return guard(err, [&] {
        if (const int code = check_handle(err, conf, "conf"); code != DW_OK) return code;
        if (key == nullptr) return null_argument(err, "key");
        if (value == nullptr) return null_argument(err, "value");
        std::string why;
        const auto done = conf->values.set(key, value, why);
        return done ? DW_OK : report(err, done.error(), why);
    });
}

int dw_conf_add(dw_conf* conf, const char* key, const char* value, dw_error* err)
{
    return guard(err, [&] {
        if (const int code = check_handle(err, conf, "conf"); code != DW_OK) return code;
        if (key == nullptr) return null_argument(err, "key");
        if (value == nullptr) return null_argument(err, "value");
        std::string why;
        const auto done = conf->values.add(key, value, why);
        return done ? DW_OK : report(err, done.error(), why);
    });
}

int dw_conf_get(const dw_conf* conf, const char* key, char** out, dw_error* err)
{
    return guard(err, [&] {
        if (out == nullptr) return null_argument(err, "out");
        *out = nullptr;
        if (const int code = check_handle(err, conf, "conf"); code != DW_OK) return code;
        if (key == nullptr) return null_argument(err, "key");
        std::string why;
        const auto value = conf->values.get(key, why);
        return value ? give_text(out, *value) : report(err, value.error(), why);
    });
}

int dw_conf_load_env(dw_conf* conf, dw_error* err)
{
    return guard(err, [&] {
        if (const int code = check_handle(err, conf, "conf"); code != DW_OK) return code;
        std::string why;
        auto loaded = conf->values;  // all or nothing
        const auto done = loaded.load(engine::process_environment, why);
        if (!done) return report(err, done.error(), why);
        conf->values = std::move(loaded);
        return DW_OK;
    });
}

int dw_conf_check(const dw_conf* conf, dw_error* err)
{
    return guard(err, [&] {
        if (const int code = check_handle(err, conf, "conf"); code != DW_OK) return code;
        const auto& values = conf->values;
        const engine::environment env = engine::process_environment;
        std::string why;
        switch (values.for_command()) {
        case engine::command::proxy:
            return verdict(make_proxy_options(values, env, why), why, err);
        case engine::command::copy:
            return verdict(make_copy_options(values, env, why), why, err);
        case engine::command::validate:
            return verdict(make_validate_options(values, env, why), why, err);
        case engine::command::replay:
        case engine::command::retry:
            return verdict(make_delivery_options(values, env, why), why, err);
        case engine::command::check:
            return verdict(make_check_options(values, env, why), why, err);
        case engine::command::runs:
            return verdict(state_dir(values, env, why), why, err);
        }
        return report(err, DW_E_INTERNAL, "a command without options");
    });
}

int dw_conf_set_log(dw_conf* conf, dw_log_fn log, void* user, dw_error* err)
{
    return guard(err, [&] {
        if (const int code = check_handle(err, conf, "conf"); code != DW_OK) return code;
        conf->log = log;
        conf->log_user = user;
        return DW_OK;
    });
}

int dw_conf_keys(const dw_conf* conf, size_t index, dw_key* out, dw_error* err)
{
    return guard(err, [&] {
        if (const int code = check_handle(err, conf, "conf"); code != DW_OK) return code;
        if (const int code = check_struct(err, out, "out"); code != DW_OK) return code;
        for (const auto& key : engine::config_keys()) {
            if (!key.belongs_to(conf->values.for_command()) || index-- != 0) continue;
            dw_key info = DW_KEY_INIT;
            info.type = static_cast<std::uint32_t>(key.type);
            info.flags = key.flags;
            // A check may look at everything.
            if (conf->values.for_command() == engine::command::check &&
                !key.has(engine::key_flag::positional))
                info.flags &= ~std::uint32_t{DW_KEY_REQUIRED};
            info.name = key.name;
            info.short_name = key.short_name;
            info.group = key.group;
            info.value_name = key.value_name;
            info.default_text = key.default_text;
            info.help = key.help;
            return give(out, info);
        }
        return DW_NOT_YET;
    });
}
