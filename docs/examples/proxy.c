/*
 * A proxy in C: `proxy SOURCE TARGET [KEY VALUE]...`, keys as in docs/cli.md. Says once a second
 * how it goes, and on SIGTERM drains and ends.
 *
 * The library has threads of its own and does nothing to this process: no signals, no output, no
 * fork. What it has to say comes to on_log(), from any of its threads.
 */

#include <dualwrite/dualwrite.h>

#include <signal.h>
#include <stdio.h>

static volatile sig_atomic_t ending = 0;

static void on_signal(int number)
{
    (void)number;
    ending = 1;
}

static void on_log(int level, const char* text, size_t size, void* user)
{
    (void)user;
    if (level >= DW_LOG_WARNING) fprintf(stderr, "%.*s\n", (int)size, text);
}

/* DW_OK, or the first error, with its text in `err`. */
static int configure(dw_conf** conf, int argc, char** argv, dw_error* err)
{
    int i;
    int code = dw_conf_new(conf, DW_COMMAND_PROXY, err);
    if (code == DW_OK) code = dw_conf_set_log(*conf, on_log, NULL, err);
    if (code == DW_OK) code = dw_conf_set(*conf, "source", argv[1], err);
    if (code == DW_OK) code = dw_conf_set(*conf, "target", argv[2], err);
    for (i = 3; i + 1 < argc && code == DW_OK; i += 2)
        code = dw_conf_set(*conf, argv[i], argv[i + 1], err);
    return code;
}

static int report(const dw_proxy* proxy)
{
    dw_error err = DW_ERROR_INIT;
    dw_proxy_progress now = DW_PROXY_PROGRESS_INIT;
    if (dw_proxy_get_progress(proxy, &now, &err) != DW_OK) return 1;
    printf(
        "%u clients, %llu writes at the target, %llu on their way\n",
        (unsigned)now.clients,
        (unsigned long long)now.delivered_writes,
        (unsigned long long)now.backlog_writes
    );
    fflush(stdout);
    return now.backlog_writes == 0 ? 0 : 1;
}

static int run(dw_proxy* proxy, dw_error* err)
{
    int code = DW_NOT_YET;
    int draining = 0;
    printf("listening on %u\n", (unsigned)dw_proxy_port(proxy));
    fflush(stdout);
    while (code == DW_NOT_YET) {
        code = dw_proxy_wait(proxy, 1000, err); /* a signal does not cut it short */
        if (code != DW_NOT_YET) break;
        report(proxy);
        if (ending && !draining) dw_proxy_stop(proxy, DW_DRAIN_LIMIT_CONF, err);
        draining = ending;
    }
    return code;
}

int main(int argc, char** argv)
{
    dw_error err = DW_ERROR_INIT;
    dw_conf* conf = NULL;
    dw_proxy* proxy = NULL;
    int code;
    int left = 0;

    if (argc < 3 || argc % 2 == 0) {
        fprintf(stderr, "usage: proxy SOURCE TARGET [KEY VALUE]...\n");
        return 2;
    }
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);
    code = configure(&conf, argc, argv, &err);
    if (code == DW_OK) code = dw_proxy_start(&proxy, conf, &err);
    if (code == DW_OK) code = run(proxy, &err);
    if (code == DW_OK) left = report(proxy);
    if (code != DW_OK) fprintf(stderr, "%s\n", err.message);
    dw_proxy_free(&proxy);
    dw_conf_free(&conf);
    return code == DW_OK ? left : 1;
}
