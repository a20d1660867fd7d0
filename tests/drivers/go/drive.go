// What an application does with gocql, as a transcript. See ../README.md.
package main

import (
	"bytes"
	"fmt"
	"math"
	"math/big"
	"net"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
	"github.com/apache/cassandra-gocql-driver/v2/lz4"
	"github.com/apache/cassandra-gocql-driver/v2/snappy"
	"gopkg.in/inf.v0"
)

var options = map[string]string{}
var keyspace string

// A dropped or refused step ends the program: the transcript would not be worth comparing.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// With the driver's defaults, but for what the command line says.
func connect(name string, tables gocql.TableChangeListener) *gocql.Session {
	config := gocql.NewCluster(options["host"])
	port, err := strconv.Atoi(options["port"])
	must(err)
	config.Port = port
	config.Keyspace = name
	config.Timeout = time.Minute
	config.ConnectTimeout = 20 * time.Second
	if protocol, given := options["protocol"]; given {
		config.ProtoVersion, err = strconv.Atoi(protocol)
		must(err)
	}
	switch options["compression"] {
	case "lz4":
		config.Compressor = lz4.LZ4Compressor{}
	case "snappy":
		config.Compressor = snappy.SnappyCompressor{}
	}
	if user, given := options["username"]; given {
		config.Authenticator = gocql.PasswordAuthenticator{
			Username: user, Password: options["password"]}
	}
	if ca, given := options["ca"]; given {
		config.SslOpts = &gocql.SslOptions{CaPath: ca, EnableHostVerification: true}
	}
	if tables != nil {
		config.Metadata.CacheMode = gocql.Full
		config.Metadata.SchemaListener.TableChangeListener = tables
	}
	session, err := config.CreateSession()
	must(err)
	return session
}

// May what makes the server warn be done?
func warnings() bool {
	return options["warnings"] == "yes"
}

func show(section string, values ...any) {
	words := []string{}
	for _, value := range values {
		words = append(words, fmt.Sprintf("%v", value))
	}
	fmt.Printf("%s: %s\n", section, strings.Join(words, " "))
}

func rows(section string, query *gocql.Query) {
	found, err := query.Iter().SliceMap()
	must(err)
	for _, row := range found {
		show(section, row)
	}
}

func exec(session *gocql.Session, text string, values ...any) {
	must(session.Query(text, values...).Exec())
}

func schema(session *gocql.Session) {
	text, err := os.ReadFile(options["schema"])
	must(err)
	for _, statement := range strings.Split(string(text), ";\n") {
		view := strings.Contains(statement, "MATERIALIZED")
		if strings.TrimSpace(statement) == "" || view && !warnings() {
			continue
		}
		statement = strings.ReplaceAll(statement, "dk.", keyspace+".")
		statement = strings.ReplaceAll(statement, "KEYSPACE dk", "KEYSPACE "+keyspace)
		iter := session.Query(statement).Iter()
		warned := iter.Warnings()
		must(iter.Close())
		show("schema", strings.SplitN(strings.TrimSpace(statement), "\n", 2)[0], warned)
	}
	found := metadata(session)
	show("metadata", found.StrategyClass, found.StrategyOptions, len(found.Functions),
		len(found.MaterializedViews), len(found.UserTypes))
	for _, name := range []string{"everything", "readings", "visits"} {
		table := found.Tables[name]
		for _, column := range table.OrderedColumns {
			about := table.Columns[column]
			show("metadata", name, column, about.Type.Type(), about.Kind, about.ClusteringOrder)
		}
	}
}

// The driver learns the schema by events, which come a little later.
func metadata(session *gocql.Session) *gocql.KeyspaceMetadata {
	for try := 0; ; try++ {
		found, err := session.KeyspaceMetadata(keyspace)
		if err == nil && len(found.Functions) == 1 {
			return found
		}
		if try == 200 {
			panic(fmt.Sprintf("no metadata of %s after 20 s: %v", keyspace, err))
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func blob(size int) []byte {
	found := make([]byte, size)
	for i := range found {
		found[i] = byte(i % 251)
	}
	return found
}

type column struct {
	name  string
	value any
}

func allTypes() []column {
	timeUUID, _ := gocql.ParseUUID("50554d6e-29bb-11e5-b345-feff819cdc9f")
	randomUUID, _ := gocql.ParseUUID("123e4567-e89b-42d3-a456-426614174000")
	large := new(big.Int).Neg(new(big.Int).Lsh(big.NewInt(1), 100))
	address := map[string]any{"street": "Main Street", "numbers": []int{1, 2}}
	return []column{
		{"k", "all"}, {"an_ascii", "plain"}, {"a_bigint", int64(math.MinInt64)},
		{"a_blob", blob(256)}, {"a_boolean", true},
		{"a_date", time.Date(1969, 7, 20, 0, 0, 0, 0, time.UTC)},
		{"a_decimal", inf.NewDec(-150, 2)}, {"a_double", 1e-300},
		{"a_duration", gocql.Duration{Months: 14, Days: 3, Nanoseconds: 5000}},
		{"a_float", float32(0.5)}, {"an_inet", net.ParseIP("2001:db8::1")},
		{"an_int", math.MinInt32}, {"a_smallint", int16(32767)},
		{"a_text", "naïve 東京 🎈"}, {"a_time", time.Duration(86_399_999_999_999)},
		{"a_timestamp", time.Date(2024, 2, 29, 12, 0, 0, 123_000_000, time.UTC)},
		{"a_timeuuid", timeUUID}, {"a_tinyint", int8(-128)}, {"a_uuid", randomUUID},
		{"a_varint", large}, {"a_list", []string{"b", "a", "b"}}, {"a_set", []int{3, 1, 2}},
		{"a_map", map[string]time.Time{"x": time.Unix(0, 0)}},
		{"nested", map[string][][]int{"n": {{1, 2}, {}}}},
		{"an_udt", address}, {"frozen_udt", map[string]any{"street": nil, "numbers": []int{}}},
	}
}

func types(session *gocql.Session) {
	names, marks := []string{}, []string{}
	values, nulls, unset := []any{}, []any{}, []any{}
	for _, column := range allTypes() {
		names = append(names, column.name)
		marks = append(marks, "?")
		values = append(values, column.value)
		if _, isUDT := column.value.(map[string]any); isUDT {
			nulls = append(nulls, map[string]any(nil)) // it takes no plain nil
		} else {
			nulls = append(nulls, nil)
		}
		unset = append(unset, gocql.UnsetValue)
	}
	nulls[0], unset[0], unset[1] = "nulls", "all", "changed"
	into := "INSERT INTO " + keyspace + ".everything ("
	insert := into + strings.Join(names, ", ") + ") VALUES (" + strings.Join(marks, ", ") + ")"
	exec(session, insert, values...)
	exec(session, insert, nulls...)
	if options["protocol"] != "3" {
		exec(session, insert, unset...)
	}
	exec(session, into+"k, a_tuple) VALUES (?, (?, ?, ?))", "tuple", 1, nil, 2.5)
	exec(session, into+"k, a_text, a_blob, a_list) VALUES (?, ?, ?, ?)", "empty", "", []byte{},
		[]string{})
	exec(session, into+"k, a_timeuuid, a_uuid, a_timestamp) VALUES ('functions', now(), uuid(), "+
		"toTimestamp(now()))")
	exec(session, "UPDATE "+keyspace+".everything SET a_set = a_set + {9}, a_map['y'] = 5, "+
		"a_list = ['z'], an_udt.street = 'Side Street' WHERE k = 'all'")
	for _, key := range []string{"all", "nulls", "empty", "tuple"} {
		rows("types", session.Query("SELECT * FROM "+keyspace+".everything WHERE k = ?", key))
	}
	rows("functions", session.Query("SELECT "+keyspace+".twice(21) AS t FROM "+keyspace+
		".everything WHERE k = 'all'"))
}

func vectors(session *gocql.Session) {
	if options["vectors"] != "yes" {
		return
	}
	exec(session, "CREATE TABLE "+keyspace+".vectors (k int PRIMARY KEY, v vector<float, 3>)")
	exec(session, "INSERT INTO "+keyspace+".vectors (k, v) VALUES (?, ?)", 1,
		[]float32{1, 2.5, -3})
	rows("vectors", session.Query("SELECT k, v FROM "+keyspace+".vectors"))
}

func batches(session *gocql.Session) {
	readings := keyspace + ".readings"
	insert := "INSERT INTO " + readings + " (device, moment, kind, note, value) VALUES (?, ?, ?, ?, ?)"
	batch := session.Batch(gocql.LoggedBatch)
	for i := 0; i < 40; i++ {
		batch.Query(insert, fmt.Sprintf("d%d", i%3), i, "fixed", fmt.Sprintf("note %d", i),
			float64(i)/4)
	}
	batch.Query("DELETE FROM " + readings + " WHERE device = 'd0' AND moment = 3")
	batch.Query("UPDATE "+readings+" USING TTL 86400 SET note = ? WHERE device = ? AND moment = ?",
		"for a day", "d1", 4)
	must(batch.Exec())
	unlogged := session.Batch(gocql.UnloggedBatch)
	children := 3
	if warnings() {
		children = 30
	}
	for i := 0; i < children; i++ {
		unlogged.Query(insert, fmt.Sprintf("u%d", i), 1, "k", strings.Repeat("x", 4000), nil)
	}
	iter := unlogged.Iter()
	warned := append([]string{}, iter.Warnings()...)
	must(iter.Close())
	sort.Strings(warned)
	show("batches", warned)
	exec(session, "BEGIN BATCH USING TIMESTAMP 1000 INSERT INTO "+readings+
		" (device, moment) VALUES ('old', 1); DELETE FROM "+readings+
		" WHERE device = 'd2' AND moment > 36; APPLY BATCH")
	count := "UPDATE " + keyspace + ".visits SET hits = hits + ? WHERE page = ?"
	counters := session.Batch(gocql.CounterBatch)
	counters.Query(count, int64(5), "home")
	counters.Query(count, int64(-2), "away")
	must(counters.Exec())
	exec(session, count, int64(37), "home")
	rows("batches", session.Query("SELECT * FROM "+keyspace+".visits"))
	rows("batches", session.Query("SELECT * FROM "+readings+" WHERE device = 'd1'"))
	rows("batches", session.Query("SELECT moment FROM "+readings+" WHERE note = 'for a day'"))
}

func paging(session *gocql.Session) {
	pages, total := 0, 0
	var state []byte
	for {
		iter := session.Query("SELECT device, moment FROM " + keyspace + ".readings").
			PageSize(7).PageState(state).Iter()
		pages++
		total += iter.NumRows()
		state = iter.PageState()
		must(iter.Close())
		if len(state) == 0 {
			break
		}
	}
	show("paging", pages, "pages", total, "rows")
}

func conditions(session *gocql.Session) {
	readings := keyspace + ".readings"
	show1 := func(query *gocql.Query) {
		found := map[string]any{}
		applied, err := query.MapScanCAS(found)
		must(err)
		show("conditions", applied, found)
	}
	for _, note := range []string{"first", "second"} {
		show1(session.Query("INSERT INTO "+readings+" (device, moment, note) VALUES ('lwt', 1, ?) "+
			"IF NOT EXISTS", note))
	}
	for _, note := range []string{"third", "fourth"} {
		show1(session.Query("UPDATE "+readings+" SET note = ? WHERE device = 'lwt' AND moment = 1 "+
			"IF note = ?", note, "first"))
	}
	rows("conditions", session.Query("SELECT note FROM "+readings+" WHERE device = 'lwt'").
		Consistency(gocql.Serial))
}

func errors(session *gocql.Session) {
	for _, text := range []string{
		"SELEC 1", "SELECT nothing FROM " + keyspace + ".readings",
		"INSERT INTO " + keyspace + ".readings (device) VALUES ('x')",
		"SELECT * FROM " + keyspace + ".readings WHERE value = 1",
		"CREATE TABLE " + keyspace + ".visits (k int PRIMARY KEY)",
		"INSERT INTO " + keyspace + ".nowhere (k) VALUES (1)",
		"UPDATE " + keyspace + ".visits SET hits = hits + 'x' WHERE page = 'a'"} {
		err := session.Query(text).Exec()
		show("errors", fmt.Sprintf("%T", err), err)
	}
}

func large(session *gocql.Session) {
	for _, size := range []int{131_000, 131_072, 1_500_000} {
		key, sent := fmt.Sprintf("large %d", size), blob(size)
		exec(session, "INSERT INTO "+keyspace+".everything (k, a_blob, a_text) VALUES (?, ?, ?)",
			key, sent, strings.Repeat("x", size))
		var bytesBack []byte
		var text string
		must(session.Query("SELECT a_blob, a_text FROM "+keyspace+".everything WHERE k = ?", key).
			Scan(&bytesBack, &text))
		show("large", bytes.Equal(sent, bytesBack), len(text))
	}
}

func concurrent(session *gocql.Session) {
	var wait sync.WaitGroup
	failures := make(chan error, 2000)
	for i := 0; i < 2000; i++ {
		wait.Add(1)
		go func() {
			defer wait.Done()
			err := session.Query("INSERT INTO "+keyspace+".readings (device, moment, value) "+
				"VALUES (?, ?, ?)", fmt.Sprintf("c%d", i%50), i, float64(i)*1.5).Exec()
			if err != nil {
				failures <- err
			}
		}()
	}
	wait.Wait()
	close(failures)
	for err := range failures {
		show("concurrent", err)
	}
	for i := 0; i < 50; i++ {
		rows("concurrent", session.Query("SELECT count(*), sum(value) FROM "+keyspace+
			".readings WHERE device = ?", fmt.Sprintf("c%d", i)))
	}
}

func traceAndPayload(session *gocql.Session) {
	var out bytes.Buffer
	rows("trace", session.Query("SELECT device FROM "+keyspace+".readings WHERE device = 'lwt'").
		Trace(gocql.NewTraceWriter(session, &out)))
	show("trace", strings.Contains(out.String(), "Tracing session"))
	if options["protocol"] == "3" {
		return
	}
	iter := session.Query("INSERT INTO " + keyspace + ".readings (device, moment) VALUES " +
		"('payload', 1)").CustomPayload(map[string][]byte{"key": []byte("value")}).Iter()
	show("payload", iter.GetCustomPayload())
	must(iter.Close())
}

type listener struct {
	created, updated chan string
}

func (l listener) OnTableCreated(event gocql.OnTableCreatedEvent) {
	if event.Table.Name == "late" {
		l.created <- event.Table.Name
	}
}

func (l listener) OnTableUpdated(event gocql.OnTableUpdatedEvent) {
	if _, added := event.New.Columns["added"]; added && event.New.Keyspace == keyspace {
		l.updated <- event.New.Name
	}
}

func (l listener) OnTableDropped(gocql.OnTableDroppedEvent) {}

func events() {
	seen := listener{make(chan string, 10), make(chan string, 10)}
	listening := connect("", seen)
	defer listening.Close()
	other := connect("", nil)
	defer other.Close()
	exec(other, "CREATE TABLE "+keyspace+".late (k int PRIMARY KEY)")
	exec(other, "ALTER TABLE "+keyspace+".readings ADD added text")
	for _, channel := range []chan string{seen.created, seen.updated} {
		select {
		case table := <-channel:
			show("events", table)
		case <-time.After(20 * time.Second):
			show("events", "not seen")
		}
	}
}

func keyspaces() {
	if !warnings() {
		return
	}
	named := connect(keyspace, nil)
	defer named.Close()
	exec(named, "INSERT INTO late (k) VALUES (1)")
	exec(named, "INSERT INTO late (k) VALUES (?)", 2)
	exec(named, "BEGIN BATCH INSERT INTO late (k) VALUES (3); APPLY BATCH")
	rows("keyspace", named.Query("SELECT k FROM late"))
	if options["protocol"] != "5" {
		return
	}
	// Version 5 has the keyspace in each request.
	session := connect("", nil)
	defer session.Close()
	must(session.Query("INSERT INTO late (k) VALUES (?)", 4).SetKeyspace(keyspace).Exec())
	must(session.Query("INSERT INTO late (k) VALUES (5)").SetKeyspace(keyspace).Exec())
	rows("keyspace", session.Query("SELECT k FROM late").SetKeyspace(keyspace))
}

// What a plain application does: for rings.
func writes(session *gocql.Session) {
	count, err := strconv.Atoi(options["count"])
	must(err)
	for i := 0; i < count; i++ {
		exec(session, "INSERT INTO "+keyspace+".rows (k, v) VALUES (?, ?)", i, "go")
	}
	show("writes", count, "nodes", len(session.GetHosts()))
}

func main() {
	for _, word := range os.Args[1:] {
		name, value, _ := strings.Cut(word, "=")
		options[name] = value
	}
	keyspace = options["keyspace"]
	session := connect("", nil)
	defer session.Close()
	if options["job"] == "writes" {
		writes(session)
		return
	}
	show("connected", "nodes", len(session.GetHosts()))
	schema(session)
	types(session)
	vectors(session)
	batches(session)
	paging(session)
	conditions(session)
	errors(session)
	large(session)
	concurrent(session)
	traceAndPayload(session)
	events()
	keyspaces()
	show("ended")
}
