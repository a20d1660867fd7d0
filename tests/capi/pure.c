/*
 * What a gateway of its own uses, from plain C: rules, clock, rewriting, tokens and ranges; and how
 * wrong calls are answered. Fails with the number of the line that was not as expected.
 */
#include <dualwrite/dualwrite.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "pure.c:%d: %s: %s\n", __LINE__, #condition, err.message);             \
            return 1;                                                                              \
        }                                                                                          \
    } while (0)

static const int64_t now_ms = INT64_C(1700000000000);

static uint32_t route_of(const char* cql, const dw_tables* tables, const char** reason)
{
    dw_statement* statement = NULL;
    uint32_t route = 99;
    if (dw_classify(&statement, cql, strlen(cql), NULL) != DW_OK) return 98;
    if (dw_route(&route, reason, statement, "ks", tables, NULL) != DW_OK) route = 97;
    dw_statement_free(&statement);
    return route;
}

static int routes(void)
{
    dw_error err = DW_ERROR_INIT;
    dw_tables* tables = NULL;
    const char* reason = NULL;
    EXPECT(route_of("INSERT INTO t (a) VALUES (1)", NULL, NULL) == DW_ROUTE_UNDECIDED);
    EXPECT(dw_tables_new(&tables, &err) == DW_OK);
    EXPECT(dw_tables_add_column(tables, "ks", "t", "a", "int", &err) == DW_OK);
    EXPECT(dw_tables_add_column(tables, "ks", "t", "l", "list<int>", &err) == DW_OK);
    EXPECT(dw_tables_add_column(tables, "ks", "t", "f", "frozen<list<int>>", &err) == DW_OK);
    EXPECT(dw_tables_add_column(tables, "ks", "c", "n", "counter", &err) == DW_OK);
    EXPECT(route_of("INSERT INTO t (a) VALUES (1)", tables, &reason) == DW_ROUTE_REPLAY);
    EXPECT(strcmp(reason, "") == 0);
    EXPECT(route_of("UPDATE t SET f = [1] WHERE a = 1", tables, &reason) == DW_ROUTE_REPLAY);
    EXPECT(route_of("UPDATE t SET l = l + [1] WHERE a = 1", tables, &reason) == DW_ROUTE_REFRESH);
    EXPECT(strcmp(reason, "list") == 0);
    EXPECT(route_of("UPDATE c SET n = n + 1 WHERE k = 1", tables, &reason) == DW_ROUTE_REFRESH);
    EXPECT(strcmp(reason, "counter") == 0);
    EXPECT(route_of("INSERT INTO t (a) VALUES (1) IF NOT EXISTS", tables, &reason) ==
           DW_ROUTE_REFRESH);
    EXPECT(route_of("SELECT * FROM t", tables, &reason) == DW_ROUTE_PASS);
    EXPECT(route_of("DROP TABLE t", tables, &reason) == DW_ROUTE_SCHEMA);
    EXPECT(route_of("FROB t", tables, &reason) == DW_ROUTE_UNREPLICATED);
    EXPECT(dw_tables_add_column(tables, "ks", NULL, "a", "int", &err) == DW_E_INVALID_ARGUMENT);
    EXPECT(strcmp(err.message, "table is NULL") == 0);
    dw_tables_free(&tables);
    EXPECT(tables == NULL);
    dw_tables_free(&tables);
    dw_tables_free(NULL);
    return 0;
}

static int clocks(void)
{
    dw_error err = DW_ERROR_INIT;
    dw_clock* clock = NULL;
    int64_t first = 0, second = 0, high = 0;
    EXPECT(dw_clock_new(&clock, 0, &err) == DW_OK);
    EXPECT(dw_clock_next(&first, clock, now_ms, &err) == DW_OK && first == now_ms * 1000);
    EXPECT(dw_clock_next(&second, clock, now_ms - 5, &err) == DW_OK && second == first + 1);
    EXPECT(dw_clock_fence(clock, now_ms, &err) == DW_OK);
    EXPECT(dw_clock_next(&second, clock, now_ms, &err) == DW_OK);
    EXPECT(second == (now_ms + 1) * 1000);
    EXPECT(dw_clock_high_water(&high, clock, &err) == DW_OK && high == second);
    EXPECT(dw_clock_next(&second, clock, -1, &err) == DW_E_INVALID_ARGUMENT && second == high);
    EXPECT(dw_clock_next(&second, clock, INT64_MAX, &err) == DW_E_INVALID_ARGUMENT);
    EXPECT(dw_clock_fence(clock, INT64_MIN, &err) == DW_E_INVALID_ARGUMENT);
    dw_clock_free(&clock);
    EXPECT(dw_clock_new(&clock, INT64_MAX, &err) == DW_E_INVALID_ARGUMENT && clock == NULL);
    EXPECT(dw_clock_new(&clock, high, &err) == DW_OK);
    EXPECT(dw_clock_next(&first, clock, 0, &err) == DW_OK && first == high + 1);
    dw_clock_free(&clock);
    return 0;
}

/* A QUERY of version 4: [long string] [short consistency] [byte flags]. */
static int times(void)
{
    dw_error err = DW_ERROR_INIT;
    const uint8_t query[] = {0, 0, 0, 3, 'a', 'b', 'c', 0, 1, 0};
    const uint8_t wanted[] = {0, 0, 0, 3, 'a', 'b', 'c', 0, 1, 0x20, 0, 0, 0, 0, 0, 0, 0, 9};
    uint8_t out[sizeof query + DW_TIMES_GROWTH_MAX];
    size_t size = 77;
    EXPECT(dw_request_set_times(out, sizeof out, &size, query, sizeof query, 4, 0, 7, 9,
                                DW_NOW_UNCHANGED, &err) == DW_OK);
    EXPECT(size == sizeof wanted && memcmp(out, wanted, size) == 0);
    EXPECT(dw_request_set_times(out, sizeof wanted - 1, &size, query, sizeof query, 4, 0, 7, 9,
                                DW_NOW_UNCHANGED, &err) == DW_E_INVALID_ARGUMENT);
    EXPECT(size == 0);
    EXPECT(dw_request_set_times(out, sizeof out, &size, query, sizeof query, 4, 0, 7, 9, 1, &err) ==
           DW_E_INVALID_ARGUMENT);
    EXPECT(dw_request_set_times(out, sizeof out, &size, query, sizeof query, 2, 0, 7, 9,
                                DW_NOW_UNCHANGED, &err) == DW_E_INVALID_ARGUMENT);
    EXPECT(dw_request_set_times(out, sizeof out, &size, query, sizeof query, 4, 0, 1, 9,
                                DW_NOW_UNCHANGED, &err) == DW_E_INVALID_ARGUMENT);
    EXPECT(dw_request_set_times(out, sizeof out, &size, query, 5, 4, 0, 7, 9, DW_NOW_UNCHANGED,
                                &err) == DW_E_PROTOCOL);
    EXPECT(dw_request_set_times(NULL, 0, &size, query, 5, 4, 0, 7, 9, 0, &err) ==
           DW_E_INVALID_ARGUMENT);
    return 0;
}

static uint64_t no_random(void* user)
{
    ++*(int*)user;
    return UINT64_C(0x0123456789abcdef);
}

static int rewriting(void)
{
    dw_error err = DW_ERROR_INIT;
    char* text = NULL;
    int called = 0;
    const char* cql = "INSERT INTO t (a, b) VALUES (uuid(), ?)";
    EXPECT(dw_make_independent(&text, cql, strlen(cql), "Ks", now_ms, no_random, &called, &err) ==
           DW_OK);
    EXPECT(strcmp(text, "INSERT INTO \"Ks\".t (a, b) VALUES (01234567-89ab-4def-8123-456789abcdef, "
                        "?)") == 0);
    EXPECT(called > 0);
    dw_free(text);
    EXPECT(dw_make_independent(&text, "SELECT 1", 8, NULL, now_ms, NULL, NULL, &err) == DW_OK);
    EXPECT(strcmp(text, "SELECT 1") == 0);
    dw_free(text);
    EXPECT(dw_make_independent(&text, "x", 1, NULL, -1, NULL, NULL, &err) == DW_E_INVALID_ARGUMENT);
    EXPECT(text == NULL);
    EXPECT(dw_make_independent(&text, NULL, 0, NULL, 0, NULL, NULL, &err) == DW_E_INVALID_ARGUMENT);
    return 0;
}

static int answers(void)
{
    dw_error err = DW_ERROR_INIT;
    const char* busy = "Request rate is large: RetryAfterMs=25, more";
    uint32_t out = 99;
    int64_t delay_ms = -1;
    EXPECT(dw_source_outcome(&out, 0x1000, "", 0, &err) == DW_OK && out == DW_OUTCOME_VOID);
    EXPECT(dw_source_outcome(&out, 0x1000, "", 1, &err) == DW_OK && out == DW_OUTCOME_UNKNOWN);
    EXPECT(dw_source_outcome(&out, 0x1100, "BATCH", 1, &err) == DW_OK && out == DW_OUTCOME_APPLIED);
    EXPECT(dw_source_outcome(&out, 0xabcd, "", 0, &err) == DW_OK && out == DW_OUTCOME_UNKNOWN);
    EXPECT(dw_source_outcome(&out, 0x1100, NULL, 0, &err) == DW_E_INVALID_ARGUMENT);
    EXPECT(dw_target_action(&out, &delay_ms, 0x1001, busy, strlen(busy), 1, &err) == DW_OK);
    EXPECT(out == DW_TARGET_RETRY && delay_ms == 25);
    EXPECT(dw_target_action(&out, NULL, 0x1001, NULL, 0, 0, &err) == DW_OK);
    EXPECT(out == DW_TARGET_REREAD);
    EXPECT(dw_target_action(&out, NULL, 0x2500, NULL, 0, 1, &err) == DW_OK);
    EXPECT(out == DW_TARGET_REPREPARE);
    EXPECT(dw_target_action(&out, NULL, 0x2200, NULL, 0, 1, &err) == DW_OK);
    EXPECT(out == DW_TARGET_PERMANENT);
    EXPECT(dw_target_action(&out, NULL, 0, NULL, 3, 1, &err) == DW_E_INVALID_ARGUMENT);
    return 0;
}

static int ring(void)
{
    dw_error err = DW_ERROR_INIT;
    const dw_bytes one = {"\0\0\0\1", 4}; /* int 1: SELECT token(k) says so */
    const dw_bytes two[2] = {{"\0\0\0\1", 4}, {"a", 1}};
    const dw_bytes large = {"", 65536};
    dw_token_range whole = {INT64_MIN, INT64_MIN};
    dw_token_range wrapping = {INT64_MAX - 10, INT64_MIN + 10};
    dw_token_range parts[8];
    int64_t token = 0, other = 0;
    uint32_t yes = 9;
    size_t count = 0;
    EXPECT(dw_token(&token, &one, 1, &err) == DW_OK && token == INT64_C(-4069959284402364209));
    EXPECT(dw_token(&other, two, 2, &err) == DW_OK && other != token);
    EXPECT(dw_token(&token, two, 0, &err) == DW_E_INVALID_ARGUMENT);
    EXPECT(dw_token(&token, &large, 1, &err) == DW_E_INVALID_ARGUMENT);
    EXPECT(dw_token(&token, NULL, 1, &err) == DW_E_INVALID_ARGUMENT);
    EXPECT(dw_range_split(parts, 8, &count, &whole, 7, &err) == DW_OK && count == 7);
    EXPECT(dw_ranges_cover_ring(&yes, parts, count, &err) == DW_OK && yes == 1);
    EXPECT(dw_ranges_cover_ring(&yes, parts, count - 1, &err) == DW_OK && yes == 0);
    EXPECT(dw_ranges_cover_ring(&yes, NULL, 0, &err) == DW_OK && yes == 0);
    EXPECT(dw_range_split(parts, 6, &count, &whole, 7, &err) == DW_E_INVALID_ARGUMENT);
    EXPECT(count == 7);
    EXPECT(dw_range_split(parts, 8, &count, &wrapping, 4, &err) == DW_OK);
    EXPECT(count >= 4 && count <= 5 && parts[0].start == INT64_MAX - 10);
    EXPECT(parts[count - 1].end == INT64_MIN + 10);
    EXPECT(dw_range_split(parts, 8, &count, &whole, 0, &err) == DW_E_INVALID_ARGUMENT);
    EXPECT(dw_range_contains(&yes, &wrapping, INT64_MAX, &err) == DW_OK && yes == 1);
    EXPECT(dw_range_contains(&yes, &wrapping, INT64_MAX - 10, &err) == DW_OK && yes == 0);
    EXPECT(dw_range_contains(&yes, &wrapping, 0, &err) == DW_OK && yes == 0);
    EXPECT(dw_range_contains(&yes, NULL, 0, &err) == DW_E_INVALID_ARGUMENT);
    return 0;
}

/* Found in debug builds and under sanitizers (argv: "checked"). */
static int freed(void)
{
    dw_error err = DW_ERROR_INIT;
    dw_clock* clock = NULL;
    dw_clock* stale = NULL;
    dw_statement* statement = NULL;
    dw_statement* stale_statement = NULL;
    dw_facts facts = DW_FACTS_INIT;
    int64_t out = 0;
    EXPECT(dw_clock_new(&clock, 0, &err) == DW_OK);
    stale = clock;
    dw_clock_free(&clock);
    EXPECT(dw_clock_next(&out, stale, now_ms, &err) == DW_E_INVALID_ARGUMENT);
    EXPECT(strstr(err.message, "was freed") != NULL);
    dw_clock_free(&stale);
    EXPECT(dw_classify(&statement, "SELECT", 6, &err) == DW_OK);
    stale_statement = statement;
    dw_statement_free(&statement);
    EXPECT(dw_statement_facts(stale_statement, -1, &facts, &err) == DW_E_INVALID_ARGUMENT);
    return 0;
}

int main(int argc, char** argv)
{
    const int checked = argc > 1 && strcmp(argv[1], "checked") == 0;
    return routes() || clocks() || times() || rewriting() || answers() || ring() ||
           (checked && freed());
}
