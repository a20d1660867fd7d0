/*
 * A C program that embeds the library: configuration, parsing, classification. Fails with the
 * number of the line that was not as expected.
 */
#include <dualwrite/dualwrite.h>

#include <stdio.h>
#include <string.h>

#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "embed.c:%d: %s\n", __LINE__, #condition);                             \
            return 1;                                                                              \
        }                                                                                          \
    } while (0)

static int configuration(void)
{
    dw_error err = DW_ERROR_INIT;
    dw_conf* conf = NULL;
    char* value = NULL;
    EXPECT(dw_conf_new(&conf, DW_COMMAND_PROXY, &err) == DW_OK);
    EXPECT(dw_conf_set(conf, "source", "127.0.0.1:9043", &err) == DW_OK);
    EXPECT(dw_conf_set(conf, "SPOOL_SIZE_MAX", "1GiB", &err) == DW_OK);
    EXPECT(dw_conf_get(conf, "spool-size-max", &value, &err) == DW_OK);
    EXPECT(strcmp(value, "1GiB") == 0);
    dw_free(value);
    EXPECT(dw_conf_set(conf, "threads", "many", &err) == DW_E_CONFIG);
    EXPECT(err.code == DW_E_CONFIG);
    EXPECT(strcmp(err.message, "--threads: 'many' is not a number from 1 to 256") == 0);
    EXPECT(dw_conf_check(conf, &err) == DW_E_CONFIG);
    EXPECT(strcmp(err.message, "The argument 'target' is required") == 0);
    dw_conf_free(&conf);
    EXPECT(conf == NULL);
    return 0;
}

static int keys(void)
{
    dw_error err = DW_ERROR_INIT;
    dw_conf* conf = NULL;
    dw_key key = DW_KEY_INIT;
    size_t count = 0;
    EXPECT(dw_conf_new(&conf, DW_COMMAND_COPY, &err) == DW_OK);
    while (dw_conf_keys(conf, count, &key, &err) == DW_OK) {
        char* value = NULL;
        EXPECT(dw_conf_get(conf, key.name, &value, &err) == DW_OK);
        EXPECT(
            strcmp(key.name, "state-dir") == 0 || strcmp(value, key.default_text) == 0 ||
            (key.flags & DW_KEY_SECRET) != 0
        );
        dw_free(value);
        ++count;
    }
    EXPECT(count > 20);
    dw_conf_free(&conf);
    return 0;
}

static int envelope(void)
{
    static const uint8_t options[] = {0x05, 0x00, 0x00, 0x07, 0x05, 0, 0, 0, 0, 0xff};
    dw_error err = DW_ERROR_INIT;
    dw_envelope out = DW_ENVELOPE_INIT;
    size_t size;
    for (size = 0; size < 9; ++size) {
        EXPECT(dw_envelope_parse(&out, options, size, 1024, &err) == DW_NOT_YET);
        EXPECT(out.wire_size == 9);
    }
    EXPECT(dw_envelope_parse(&out, options, sizeof options, 1024, &err) == DW_OK);
    EXPECT(out.wire_size == 9 && out.body_size == 0 && out.stream_id == 7 && out.opcode == 5);
    EXPECT(out.version == 5 && out.response == 0 && out.flags == 0);
    return 0;
}

static int statement(void)
{
    static const char cql[] = "BEGIN BATCH INSERT INTO Ks.\"T\" (k) VALUES (?) "
                              "UPDATE ks.u USING TTL 60 SET a = now() WHERE k = ? APPLY BATCH";
    dw_error err = DW_ERROR_INIT;
    dw_facts facts = DW_FACTS_INIT;
    dw_statement* parsed = NULL;
    EXPECT(dw_classify(&parsed, cql, sizeof cql - 1, &err) == DW_OK);
    EXPECT(dw_statement_facts(parsed, -1, &facts, &err) == DW_OK);
    EXPECT(facts.kind == DW_STATEMENT_BATCH && facts.child_count == 2 && facts.marker_count == 2);
    EXPECT((facts.flags & DW_FACT_WRITE) != 0 && (facts.flags & DW_FACT_NONDETERMINISTIC) != 0);
    EXPECT(dw_statement_facts(parsed, 0, &facts, &err) == DW_OK);
    EXPECT(facts.kind == DW_STATEMENT_INSERT);
    EXPECT(strcmp(facts.keyspace, "ks") == 0 && strcmp(facts.table, "T") == 0);
    EXPECT(facts.ttl_s == -1 && facts.timestamp_us == INT64_MIN);
    EXPECT(dw_statement_facts(parsed, 1, &facts, &err) == DW_OK);
    EXPECT(facts.ttl_s == 60 && facts.marker_first == 1 && (facts.flags & DW_FACT_TTL) != 0);
    EXPECT(dw_statement_facts(parsed, 2, &facts, &err) == DW_E_INVALID_ARGUMENT);
    dw_statement_free(&parsed);
    EXPECT(parsed == NULL);
    return 0;
}

int main(void)
{
    if (configuration() != 0 || keys() != 0 || envelope() != 0 || statement() != 0) return 1;
    printf("dualwrite %s\n", dw_version());
    return 0;
}
