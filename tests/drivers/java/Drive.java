import com.datastax.oss.driver.api.core.ConsistencyLevel;
import com.datastax.oss.driver.api.core.CqlSession;
import com.datastax.oss.driver.api.core.CqlSessionBuilder;
import com.datastax.oss.driver.api.core.config.DefaultDriverOption;
import com.datastax.oss.driver.api.core.config.DriverConfigLoader;
import com.datastax.oss.driver.api.core.cql.*;
import com.datastax.oss.driver.api.core.data.CqlDuration;
import com.datastax.oss.driver.api.core.data.CqlVector;
import com.datastax.oss.driver.api.core.data.TupleValue;
import com.datastax.oss.driver.api.core.data.UdtValue;
import com.datastax.oss.driver.api.core.metadata.schema.KeyspaceMetadata;
import com.datastax.oss.driver.api.core.metadata.schema.SchemaChangeListenerBase;
import com.datastax.oss.driver.api.core.metadata.schema.TableMetadata;
import com.datastax.oss.driver.api.core.ssl.ProgrammaticSslEngineFactory;
import com.datastax.oss.driver.api.core.type.TupleType;
import com.datastax.oss.driver.api.core.type.UserDefinedType;
import java.io.InputStream;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalTime;
import java.util.*;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/** What an application does with the Java driver, as a transcript. See ../README.md. */
public class Drive {
    static final Map<String, String> OPTIONS = new HashMap<>();
    static String keyspace;
    static final CountDownLatch changed = new CountDownLatch(2);

    static class Listener extends SchemaChangeListenerBase {
        @Override
        public void onTableCreated(TableMetadata table) {
            if (table.getName().asInternal().equals("late")) changed.countDown();
        }

        @Override
        public void onTableUpdated(TableMetadata now, TableMetadata before) {
            if (now.getColumn("added").isPresent()) changed.countDown();
        }
    }

    /** With the driver's defaults, but for what the command line says. */
    static CqlSession connect(String name) throws Exception {
        var config = DriverConfigLoader.programmaticBuilder()
            .withDuration(DefaultDriverOption.REQUEST_TIMEOUT, Duration.ofSeconds(60))
            .withDuration(DefaultDriverOption.CONNECTION_CONNECT_TIMEOUT, Duration.ofSeconds(20))
            .withDuration(DefaultDriverOption.CONNECTION_INIT_QUERY_TIMEOUT, Duration.ofSeconds(20))
            .withDuration(DefaultDriverOption.CONTROL_CONNECTION_TIMEOUT, Duration.ofSeconds(20))
            .withDuration(DefaultDriverOption.METADATA_SCHEMA_REQUEST_TIMEOUT,
                Duration.ofSeconds(20))
            .withDuration(DefaultDriverOption.METADATA_SCHEMA_WINDOW, Duration.ofMillis(50));
        if (OPTIONS.containsKey("protocol"))
            config.withString(DefaultDriverOption.PROTOCOL_VERSION, "V" + OPTIONS.get("protocol"));
        if (OPTIONS.containsKey("compression"))
            config.withString(DefaultDriverOption.PROTOCOL_COMPRESSION,
                OPTIONS.get("compression"));
        CqlSessionBuilder builder = CqlSession.builder()
            .withConfigLoader(config.build())
            .addContactPoint(new InetSocketAddress(OPTIONS.get("host"),
                Integer.parseInt(OPTIONS.get("port"))))
            .withLocalDatacenter("datacenter1")
            .withSchemaChangeListener(new Listener());
        if (OPTIONS.containsKey("username"))
            builder.withAuthCredentials(OPTIONS.get("username"), OPTIONS.get("password"));
        if (OPTIONS.containsKey("ca"))
            builder.withSslEngineFactory(new ProgrammaticSslEngineFactory(trust(), null, true));
        if (name != null) builder.withKeyspace(name);
        return builder.build();
    }

    static SSLContext trust() throws Exception {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        try (InputStream in = Files.newInputStream(Path.of(OPTIONS.get("ca")))) {
            store.setCertificateEntry("ca",
                CertificateFactory.getInstance("X.509").generateCertificate(in));
        }
        var factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        factory.init(store);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, factory.getTrustManagers(), null);
        return context;
    }

    static void show(String section, Object... values) {
        System.out.println(section + ": "
            + Arrays.stream(values).map(Drive::plain).collect(Collectors.joining(" ")));
    }

    /** May what makes the server warn be done? */
    static boolean warnings() {
        return OPTIONS.get("warnings").equals("yes");
    }

    /** Text in one order. */
    static String plain(Object value) {
        if (value instanceof Set<?> set)
            return set.stream().map(Drive::plain).sorted().toList().toString();
        if (value instanceof Map<?, ?> map)
            return map.entrySet().stream()
                .map(one -> plain(one.getKey()) + "=" + plain(one.getValue())).sorted().toList()
                .toString();
        if (value instanceof ByteBuffer bytes) {
            byte[] copy = new byte[bytes.remaining()];
            bytes.duplicate().get(copy);
            return "0x" + HexFormat.of().formatHex(copy);
        }
        if (value instanceof UdtValue udt) return udt.getFormattedContents();
        if (value instanceof TupleValue tuple) return tuple.getFormattedContents();
        return String.valueOf(value);
    }

    static void rows(String section, Iterable<Row> result) {
        for (Row row : result) {
            List<String> cells = new ArrayList<>();
            for (int i = 0; i < row.size(); i++) cells.add(plain(row.getObject(i)));
            show(section, cells);
        }
    }

    static void schema(CqlSession session) throws Exception {
        for (String text : Files.readString(Path.of(OPTIONS.get("schema"))).split(";\n")) {
            if (text.isBlank() || (!warnings() && text.contains("MATERIALIZED"))) continue;
            ResultSet result = session.execute(text.replace("dk.", keyspace + ".")
                .replace("KEYSPACE dk", "KEYSPACE " + keyspace));
            show("schema", text.strip().lines().findFirst().orElse(""),
                result.getExecutionInfo().getWarnings());
        }
        KeyspaceMetadata found = session.refreshSchema().getKeyspace(keyspace).orElseThrow();
        show("metadata", found.describeWithChildren(false)
            .replaceAll("AND id = [-0-9a-f]+", "").replaceAll("\\s+", " "));
        show("metadata", new TreeSet<>(found.getTables().keySet().stream().map(Object::toString)
            .toList()), found.getViews().keySet(), found.getFunctions().keySet());
    }

    static void types(CqlSession session) throws Exception {
        KeyspaceMetadata about = session.getMetadata().getKeyspace(keyspace).orElseThrow();
        UserDefinedType address = about.getUserDefinedType("address").orElseThrow();
        TupleType tuple = (TupleType) about.getTable("everything").orElseThrow()
            .getColumn("a_tuple").orElseThrow().getType();
        Map<String, Object> all = new LinkedHashMap<>();
        byte[] bytes = new byte[256];
        for (int i = 0; i < 256; i++) bytes[i] = (byte) i;
        all.put("k", "all");
        all.put("an_ascii", "plain");
        all.put("a_bigint", Long.MIN_VALUE);
        all.put("a_blob", ByteBuffer.wrap(bytes));
        all.put("a_boolean", true);
        all.put("a_date", LocalDate.of(1969, 7, 20));
        all.put("a_decimal", new BigDecimal("-1.50"));
        all.put("a_double", 1e-300);
        all.put("a_duration", CqlDuration.newInstance(14, 3, 5000));
        all.put("a_float", 0.5f);
        all.put("an_inet", InetAddress.getByName("2001:db8::1"));
        all.put("an_int", Integer.MIN_VALUE);
        all.put("a_smallint", Short.MAX_VALUE);
        all.put("a_text", "naïve 東京 🎈");
        all.put("a_time", LocalTime.ofNanoOfDay(86_399_999_999_999L));
        all.put("a_timestamp", Instant.parse("2024-02-29T12:00:00.123Z"));
        all.put("a_timeuuid", UUID.fromString("50554d6e-29bb-11e5-b345-feff819cdc9f"));
        all.put("a_tinyint", Byte.MIN_VALUE);
        all.put("a_uuid", UUID.fromString("123e4567-e89b-42d3-a456-426614174000"));
        all.put("a_varint", BigInteger.TWO.pow(100).negate());
        all.put("a_list", List.of("b", "a", "b"));
        all.put("a_set", Set.of(3, 1, 2));
        all.put("a_map", Map.of("x", Instant.EPOCH));
        all.put("nested", Map.of("n", List.of(Set.of(1, 2), Set.of())));
        all.put("a_tuple", tuple.newValue(1, null, 2.5));
        all.put("an_udt", address.newValue("Main Street", List.of(1, 2)));
        all.put("frozen_udt", address.newValue(null, List.of()));
        // Version 3 names these by their classes, for which the driver has no codec.
        if (session.getContext().getProtocolVersion().getCode() < 4)
            List.of("a_date", "a_smallint", "a_time", "a_tinyint").forEach(all::remove);
        String columns = String.join(", ", all.keySet());
        String into = "INSERT INTO " + keyspace + ".everything (";
        PreparedStatement insert = session.prepare(into + columns + ") VALUES ("
            + all.keySet().stream().map(one -> "?").collect(Collectors.joining(", ")) + ")");
        session.execute(insert.bind(all.values().toArray()));
        Object[] nulls = new Object[all.size()];
        nulls[0] = "nulls";
        session.execute(insert.bind(nulls));
        if (session.getContext().getProtocolVersion().getCode() > 3)
            session.execute(insert.boundStatementBuilder().setString("k", "all")
                .setString("an_ascii", "changed").build());
        session.execute(SimpleStatement.newInstance(
            into + "k, a_text, a_blob, a_list) VALUES (?, ?, ?, ?)",
            "empty", "", ByteBuffer.allocate(0), List.of()));
        session.execute(SimpleStatement.newInstance(
            into + "k, an_int) VALUES (:k, :n)",
            Map.of("k", "named", "n", 7)));
        session.execute(into + "k, a_timeuuid, a_uuid, a_timestamp) VALUES ('functions', now(), "
            + "uuid(), toTimestamp(now()))");
        session.execute("UPDATE " + keyspace + ".everything SET a_set = a_set + {9}, a_map['y'] = "
            + "5, a_list = ['z'], an_udt.street = 'Side Street' WHERE k = 'all'");
        PreparedStatement read = session.prepare("SELECT " + columns + " FROM " + keyspace
            + ".everything WHERE k = ?");
        for (String key : List.of("all", "nulls", "empty", "named"))
            rows("types", session.execute(read.bind(key)));
        rows("functions", session.execute("SELECT " + keyspace + ".twice(21) FROM " + keyspace
            + ".everything WHERE k = 'all'"));
    }

    static void vectors(CqlSession session) {
        if (!"yes".equals(OPTIONS.get("vectors"))) return;
        session.execute("CREATE TABLE " + keyspace
            + ".vectors (k int PRIMARY KEY, v vector<float, 3>)");
        session.execute(session.prepare("INSERT INTO " + keyspace
            + ".vectors (k, v) VALUES (?, ?)").bind(1, CqlVector.newInstance(1f, 2.5f, -3f)));
        rows("vectors", session.execute("SELECT k, v FROM " + keyspace + ".vectors"));
    }

    static void batches(CqlSession session) {
        String readings = keyspace + ".readings";
        PreparedStatement insert = session.prepare("INSERT INTO " + readings
            + " (device, moment, kind, note, value) VALUES (?, ?, ?, ?, ?)");
        BatchStatementBuilder batch = BatchStatement.builder(DefaultBatchType.LOGGED);
        for (int i = 0; i < 40; i++)
            batch.addStatement(insert.bind("d" + i % 3, i, "fixed", "note " + i, i / 4.0));
        batch.addStatement(SimpleStatement.newInstance("DELETE FROM " + readings
            + " WHERE device = 'd0' AND moment = 3"));
        batch.addStatement(SimpleStatement.newInstance("UPDATE " + readings
            + " USING TTL 86400 SET note = ? WHERE device = ? AND moment = ?", "for a day", "d1",
            4));
        session.execute(batch.build());
        BatchStatementBuilder unlogged = BatchStatement.builder(DefaultBatchType.UNLOGGED);
        for (int i = 0; i < (warnings() ? 30 : 3); i++)
            unlogged.addStatement(insert.bind("u" + i, 1, "k", "x".repeat(4000), null));
        show("batches", session.execute(unlogged.build()).getExecutionInfo().getWarnings().stream()
            .sorted().toList());
        session.execute("BEGIN BATCH USING TIMESTAMP 1000 INSERT INTO " + readings
            + " (device, moment) VALUES ('old', 1); DELETE FROM " + readings
            + " WHERE device = 'd2' AND moment > 36; APPLY BATCH");
        PreparedStatement count = session.prepare("UPDATE " + keyspace
            + ".visits SET hits = hits + ? WHERE page = ?");
        session.execute(BatchStatement.newInstance(DefaultBatchType.COUNTER,
            count.bind(5L, "home"), count.bind(-2L, "away")));
        session.execute(count.bind(37L, "home"));
        rows("batches", session.execute("SELECT * FROM " + keyspace + ".visits"));
        rows("batches", session.execute("SELECT * FROM " + readings + " WHERE device = 'd1'"));
        rows("batches", session.execute("SELECT moment FROM " + readings
            + " WHERE note = 'for a day'"));
    }

    static void paging(CqlSession session) {
        Statement<?> statement = session.prepare("SELECT device, moment FROM " + keyspace
            + ".readings").bind().setPageSize(7);
        int pages = 0;
        int total = 0;
        ByteBuffer state;
        do {
            ResultSet page = session.execute(statement);
            pages++;
            total += page.getAvailableWithoutFetching();
            state = page.getExecutionInfo().getPagingState();
            statement = statement.setPagingState(state);
        } while (state != null);
        show("paging", pages, "pages", total, "rows");
    }

    static void conditions(CqlSession session) {
        String readings = keyspace + ".readings";
        for (String note : List.of("first", "second"))
            rows("conditions", session.execute(SimpleStatement.newInstance("INSERT INTO " + readings
                + " (device, moment, note) VALUES ('lwt', 1, ?) IF NOT EXISTS", note)));
        PreparedStatement update = session.prepare("UPDATE " + readings
            + " SET note = ? WHERE device = 'lwt' AND moment = 1 IF note = ?");
        for (String note : List.of("third", "fourth")) {
            ResultSet result = session.execute(update.bind(note, "first"));
            show("conditions", result.wasApplied());
            rows("conditions", result);
        }
        rows("conditions", session.execute(SimpleStatement.newInstance("SELECT note FROM "
            + readings + " WHERE device = 'lwt'")
            .setConsistencyLevel(ConsistencyLevel.SERIAL)));
    }

    static void errors(CqlSession session) {
        for (String text : List.of("SELEC 1", "SELECT nothing FROM " + keyspace + ".readings",
                "INSERT INTO " + keyspace + ".readings (device) VALUES ('x')",
                "SELECT * FROM " + keyspace + ".readings WHERE value = 1",
                "CREATE TABLE " + keyspace + ".visits (k int PRIMARY KEY)",
                "INSERT INTO " + keyspace + ".nowhere (k) VALUES (1)", "USE nowhere_at_all",
                "UPDATE " + keyspace + ".visits SET hits = hits + 'x' WHERE page = 'a'")) {
            try {
                session.execute(text);
                show("errors", text, "no error");
            } catch (Exception error) {
                show("errors", error.getClass().getSimpleName(), error.getMessage());
            }
        }
        try {
            session.prepare("SELECT nothing FROM " + keyspace + ".visits");
        } catch (Exception error) {
            show("errors", "prepare", error.getMessage());
        }
    }

    static void large(CqlSession session) {
        PreparedStatement insert = session.prepare("INSERT INTO " + keyspace
            + ".everything (k, a_blob, a_text) VALUES (?, ?, ?)");
        for (int size : new int[] {131_000, 131_072, 1_500_000}) {
            byte[] bytes = new byte[size];
            for (int i = 0; i < size; i++) bytes[i] = (byte) (i % 251);
            session.execute(insert.bind("large " + size, ByteBuffer.wrap(bytes),
                "x".repeat(size)));
            Row row = session.execute(SimpleStatement.newInstance("SELECT a_blob, a_text FROM "
                + keyspace + ".everything WHERE k = ?", "large " + size)).one();
            show("large", row.getByteBuffer(0).equals(ByteBuffer.wrap(bytes)),
                row.getString(1).length());
        }
    }

    static void concurrent(CqlSession session) {
        PreparedStatement insert = session.prepare("INSERT INTO " + keyspace
            + ".readings (device, moment, value) VALUES (?, ?, ?)");
        List<CompletionStage<AsyncResultSet>> wait = new ArrayList<>();
        for (int i = 0; i < 2000; i++) {
            wait.add(session.executeAsync(insert.bind("c" + i % 50, i, i * 1.5)));
            if (wait.size() < 1000) continue;  // what one connection takes
            for (var one : wait) one.toCompletableFuture().join();
            wait.clear();
        }
        PreparedStatement read = session.prepare("SELECT count(*), sum(value) FROM " + keyspace
            + ".readings WHERE device = ?");
        for (int i = 0; i < 50; i++)
            rows("concurrent", session.execute(read.bind("c" + i)));
    }

    static void traceAndPayload(CqlSession session) {
        ExecutionInfo info = session.execute(SimpleStatement.newInstance("SELECT device FROM "
            + keyspace + ".readings WHERE device = 'lwt'").setTracing(true)).getExecutionInfo();
        show("trace", info.getQueryTrace().getRequestType(),
            !info.getQueryTrace().getEvents().isEmpty());
        if (session.getContext().getProtocolVersion().getCode() <= 3) return;
        var payload = Map.of("key", ByteBuffer.wrap("value".getBytes(StandardCharsets.UTF_8)));
        ResultSet result = session.execute(SimpleStatement.newInstance("INSERT INTO " + keyspace
            + ".readings (device, moment) VALUES ('payload', 1)").setCustomPayload(payload));
        show("payload", result.getExecutionInfo().getIncomingPayload());
    }

    static void events(CqlSession session) throws Exception {
        try (CqlSession other = connect(null)) {
            other.execute("CREATE TABLE " + keyspace + ".late (k int PRIMARY KEY)");
            other.execute("ALTER TABLE " + keyspace + ".readings ADD added text");
        }
        boolean seen = false;
        for (int i = 0; i < 200 && !seen; i++) {
            Thread.sleep(100);
            KeyspaceMetadata now = session.getMetadata().getKeyspace(keyspace).orElseThrow();
            seen = now.getTable("late").isPresent()
                && now.getTable("readings").orElseThrow().getColumn("added").isPresent();
        }
        show("events", seen, changed.await(1, TimeUnit.SECONDS));
    }

    static void keyspaces(CqlSession session) throws Exception {
        if (!warnings()) return;
        try (CqlSession named = connect(keyspace)) {
            named.execute("INSERT INTO late (k) VALUES (1)");
            named.execute(named.prepare("INSERT INTO late (k) VALUES (?)").bind(2));
            named.execute("BEGIN BATCH INSERT INTO late (k) VALUES (3); APPLY BATCH");
            rows("keyspace", named.execute("SELECT k FROM late"));
        }
        if (session.getContext().getProtocolVersion().getCode() < 5) return;
        // Version 5 has the keyspace in each request.
        session.execute(SimpleStatement.newInstance("INSERT INTO late (k) VALUES (4)")
            .setKeyspace(keyspace));
        session.execute(session.prepare(SimpleStatement.newInstance(
            "INSERT INTO late (k) VALUES (?)").setKeyspace(keyspace)).bind(5));
        rows("keyspace", session.execute(SimpleStatement.newInstance("SELECT k FROM late")
            .setKeyspace(keyspace)));
    }

    /** What a plain application does: for rings. */
    static void writes(CqlSession session) {
        PreparedStatement insert = session.prepare("INSERT INTO " + keyspace
            + ".rows (k, v) VALUES (?, ?)");
        int count = Integer.parseInt(OPTIONS.get("count"));
        for (int i = 0; i < count; i++) session.execute(insert.bind(i, "java"));
        show("writes", count, "nodes", session.getMetadata().getNodes().size());
    }

    public static void main(String[] words) throws Exception {
        for (String word : words) {
            String[] pair = word.split("=", 2);
            OPTIONS.put(pair[0], pair[1]);
        }
        keyspace = OPTIONS.get("keyspace");
        try (CqlSession session = connect(null)) {
            if (OPTIONS.get("job").equals("writes")) {
                writes(session);
                return;
            }
            show("connected", "version", session.getContext().getProtocolVersion(), "nodes",
                session.getMetadata().getNodes().size());
            schema(session);
            types(session);
            vectors(session);
            batches(session);
            paging(session);
            conditions(session);
            errors(session);
            large(session);
            concurrent(session);
            traceAndPayload(session);
            events(session);
            keyspaces(session);
        }
        show("ended");
    }
}
