// What an application does with the Node driver, as a transcript. See ../README.md.
'use strict';

const fs = require('fs');
const cassandra = require('cassandra-driver');
const { types } = cassandra;

const options = Object.fromEntries(process.argv.slice(2).map((word) => {
  const at = word.indexOf('=');
  return [word.slice(0, at), word.slice(at + 1)];
}));
const keyspace = options.keyspace;
const warnings = options.warnings === 'yes';  // may what makes the server warn be done?
const prepared = { prepare: true };

// With the driver's defaults, but for what the command line says.
async function connect(name) {
  const config = {
    contactPoints: [options.host],
    localDataCenter: 'datacenter1',
    protocolOptions: { port: Number(options.port) },
    socketOptions: { readTimeout: 60000, connectTimeout: 20000 },
    keyspace: name,
  };
  if (options.protocol) config.protocolOptions.maxVersion = Number(options.protocol);
  if (options.username) {
    config.authProvider = new cassandra.auth.PlainTextAuthProvider(
      options.username, options.password);
  }
  if (options.ca) config.sslOptions = { ca: [fs.readFileSync(options.ca)] };
  const client = new cassandra.Client(config);
  await client.connect();
  return client;
}

function show(section, ...values) {
  console.log(`${section}: ${values.map(plain).join(' ')}`);
}

// Text in one order.
function plain(value) {
  if (value === null || value === undefined) return String(value);
  if (Buffer.isBuffer(value)) return `0x${value.toString('hex')}`;
  if (Array.isArray(value)) return `[${value.map(plain).join(', ')}]`;
  if (value instanceof types.Tuple) return plain(value.values());
  if (value instanceof Date) return value.toISOString();
  if (Object.getPrototypeOf(value) === Object.prototype) {
    return `{${Object.keys(value).sort().map((key) => `${key}: ${plain(value[key])}`).join(', ')}}`;
  }
  return value.toString();
}

function rows(section, result) {
  for (const row of result.rows || []) show(section, row.values());
}

async function schema(client) {
  for (const statement of fs.readFileSync(options.schema, 'utf8').split(';\n')) {
    if (!statement.trim() || (!warnings && statement.includes('MATERIALIZED'))) continue;
    const text = statement.replaceAll('dk.', `${keyspace}.`)
      .replace('KEYSPACE dk', `KEYSPACE ${keyspace}`);
    const result = await client.execute(text);
    show('schema', text.trim().split('\n')[0], result.info.warnings);
  }
  await client.metadata.refreshKeyspace(keyspace);
  show('metadata', client.metadata.keyspaces[keyspace].strategy);
  for (const name of ['everything', 'readings', 'visits']) {
    const table = await client.metadata.getTable(keyspace, name);
    show('metadata', name, table.partitionKeys.map((one) => one.name),
      table.clusteringKeys.map((one) => one.name), table.clusteringOrder, table.comment,
      table.indexes.map((one) => one.name),
      table.columns.map((one) => `${one.name} ${types.getDataTypeNameByCode(one.type)}`).sort());
  }
  const view = await client.metadata.getMaterializedView(keyspace, 'readings_by_value');
  const twice = await client.metadata.getFunction(keyspace, 'twice', ['int']);
  show('metadata', view && view.whereClause, twice.body);
}

const all = {
  k: 'all', an_ascii: 'plain', a_bigint: types.Long.MIN_VALUE,
  a_blob: Buffer.from(Array.from({ length: 256 }, (_, i) => i)), a_boolean: true,
  a_date: types.LocalDate.fromString('1969-07-20'),
  a_decimal: types.BigDecimal.fromString('-1.50'), a_double: 1e-300,
  a_duration: new types.Duration(14, 3, types.Long.fromNumber(5000)), a_float: 0.5,
  an_inet: types.InetAddress.fromString('2001:db8::1'), an_int: -(2 ** 31), a_smallint: 32767,
  a_text: 'naïve 東京 🎈', a_time: types.LocalTime.fromString('23:59:59.999999999'),
  a_timestamp: new Date('2024-02-29T12:00:00.123Z'),
  a_timeuuid: types.TimeUuid.fromString('50554d6e-29bb-11e5-b345-feff819cdc9f'),
  a_tinyint: -128, a_uuid: types.Uuid.fromString('123e4567-e89b-42d3-a456-426614174000'),
  a_varint: types.Integer.fromString('-1267650600228229401496703205376'),
  a_list: ['b', 'a', 'b'], a_set: [3, 1, 2], a_map: { x: new Date(0) },
  nested: { n: [[1, 2], [3]] }, a_tuple: new types.Tuple(1, null, 2.5),
  an_udt: { street: 'Main Street', numbers: [1, 2] }, frozen_udt: { street: null, numbers: [] },
};

async function allTypes(client) {
  if (options.protocol === '3') {  // which lacks these types; other drivers bind them all the same
    for (const name of ['date', 'time', 'smallint', 'tinyint', 'duration']) delete all[`a_${name}`];
  }
  const names = Object.keys(all);
  const into = `INSERT INTO ${keyspace}.everything (`;
  const insert = `${into}${names.join(', ')}) VALUES (${names.map(() => '?').join(', ')})`;
  await client.execute(insert, Object.values(all), prepared);
  await client.execute(insert, ['nulls', ...names.slice(1).map(() => null)], prepared);
  if (options.protocol !== '3') {
    await client.execute(insert, ['all', 'changed', ...names.slice(2).map(() => types.unset)],
      prepared);
  }
  await client.execute(`${into}k, a_text, a_blob, a_list) VALUES (?, ?, ?, ?)`,
    ['empty', '', Buffer.alloc(0), []], prepared);
  await client.execute(`${into}k, an_int) VALUES (:k, :n)`, { k: 'named', n: 7 },
    { hints: { n: 'int' } });
  await client.execute(`${into}k, a_timeuuid, a_uuid, a_timestamp) VALUES ('functions', now(), `
    + 'uuid(), toTimestamp(now()))');
  await client.execute(`UPDATE ${keyspace}.everything SET a_set = a_set + {9}, a_map['y'] = 5, `
    + "a_list = ['z'], an_udt.street = 'Side Street' WHERE k = 'all'");
  for (const key of ['all', 'nulls', 'empty', 'named']) {
    rows('types', await client.execute(
      `SELECT ${names.join(', ')} FROM ${keyspace}.everything WHERE k = ?`, [key], prepared));
  }
  rows('functions', await client.execute(
    `SELECT ${keyspace}.twice(21) FROM ${keyspace}.everything WHERE k = 'all'`));
}

async function batches(client) {
  const readings = `${keyspace}.readings`;
  const insert = `INSERT INTO ${readings} (device, moment, kind, note, value) `
    + 'VALUES (?, ?, ?, ?, ?)';
  const batch = [];
  for (let i = 0; i < 40; i++) {
    batch.push({ query: insert, params: [`d${i % 3}`, i, 'fixed', `note ${i}`, i / 4] });
  }
  batch.push({ query: `DELETE FROM ${readings} WHERE device = 'd0' AND moment = 3` });
  batch.push({
    query: `UPDATE ${readings} USING TTL 86400 SET note = ? WHERE device = ? AND moment = ?`,
    params: ['for a day', 'd1', 4],
  });
  await client.batch(batch, prepared);
  const unlogged = [];
  for (let i = 0; i < (warnings ? 30 : 3); i++) {
    unlogged.push({ query: insert, params: [`u${i}`, 1, 'k', 'x'.repeat(4000), null] });
  }
  const result = await client.batch(unlogged, { prepare: true, logged: false });
  show('batches', [...(result.info.warnings || [])].sort());
  await client.batch([`INSERT INTO ${readings} (device, moment) VALUES ('simple', 1)`,
    `INSERT INTO ${readings} (device, moment) VALUES ('simple', 2)`]);
  await client.execute('BEGIN BATCH USING TIMESTAMP 1000 '
    + `INSERT INTO ${readings} (device, moment) VALUES ('old', 1); `
    + `DELETE FROM ${readings} WHERE device = 'd2' AND moment > 36; APPLY BATCH`);
  const count = `UPDATE ${keyspace}.visits SET hits = hits + ? WHERE page = ?`;
  await client.batch([{ query: count, params: [5, 'home'] }, { query: count, params: [-2, 'away'] }],
    { prepare: true, counter: true });
  await client.execute(count, [37, 'home'], prepared);
  rows('batches', await client.execute(`SELECT * FROM ${keyspace}.visits`));
  rows('batches', await client.execute(`SELECT * FROM ${readings} WHERE device = 'd1'`));
  rows('batches', await client.execute(`SELECT moment FROM ${readings} WHERE note = 'for a day'`));
}

async function paging(client) {
  let [pages, total, pageState] = [0, 0, undefined];
  do {
    const result = await client.execute(`SELECT device, moment FROM ${keyspace}.readings`, [],
      { prepare: true, fetchSize: 7, pageState });
    [pages, total, pageState] = [pages + 1, total + result.rows.length, result.pageState];
  } while (pageState);
  show('paging', pages, 'pages', total, 'rows');
}

async function conditions(client) {
  const readings = `${keyspace}.readings`;
  for (const note of ['first', 'second']) {
    rows('conditions', await client.execute(
      `INSERT INTO ${readings} (device, moment, note) VALUES ('lwt', 1, ?) IF NOT EXISTS`, [note]));
  }
  for (const note of ['third', 'fourth']) {
    const result = await client.execute(`UPDATE ${readings} SET note = ? WHERE device = 'lwt' `
      + 'AND moment = 1 IF note = ?', [note, 'first'], prepared);
    show('conditions', result.wasApplied());
    rows('conditions', result);
  }
  rows('conditions', await client.execute(`SELECT note FROM ${readings} WHERE device = 'lwt'`, [],
    { consistency: types.consistencies.serial }));
}

async function errors(client) {
  for (const text of ['SELEC 1', `SELECT nothing FROM ${keyspace}.readings`,
    `INSERT INTO ${keyspace}.readings (device) VALUES ('x')`,
    `SELECT * FROM ${keyspace}.readings WHERE value = 1`,
    `CREATE TABLE ${keyspace}.visits (k int PRIMARY KEY)`,
    `INSERT INTO ${keyspace}.nowhere (k) VALUES (1)`, 'USE nowhere_at_all',
    `UPDATE ${keyspace}.visits SET hits = hits + 'x' WHERE page = 'a'`]) {
    try {
      await client.execute(text);
      show('errors', text, 'no error');
    } catch (error) {
      show('errors', error.name, error.code, error.message);
    }
  }
  try {
    await client.execute(`SELECT nothing FROM ${keyspace}.visits`, [], prepared);
  } catch (error) {
    show('errors', 'prepare', error.code, error.message);
  }
}

async function large(client) {
  for (const size of [131000, 131072, 1500000]) {
    const sent = Buffer.from(Array.from({ length: size }, (_, i) => i % 251));
    await client.execute(`INSERT INTO ${keyspace}.everything (k, a_blob, a_text) VALUES (?, ?, ?)`,
      [`large ${size}`, sent, 'x'.repeat(size)], prepared);
    const result = await client.execute(
      `SELECT a_blob, a_text FROM ${keyspace}.everything WHERE k = ?`, [`large ${size}`], prepared);
    show('large', sent.equals(result.rows[0].a_blob), result.rows[0].a_text.length);
  }
}

async function concurrent(client) {
  const insert = `INSERT INTO ${keyspace}.readings (device, moment, value) VALUES (?, ?, ?)`;
  await cassandra.concurrent.executeConcurrent(client, insert,
    Array.from({ length: 2000 }, (_, i) => [`c${i % 50}`, i, i * 1.5]),
    { concurrencyLevel: 1000 });
  for (let i = 0; i < 50; i++) {
    rows('concurrent', await client.execute(
      `SELECT count(*), sum(value) FROM ${keyspace}.readings WHERE device = ?`, [`c${i}`],
      prepared));
  }
}

async function traceAndPayload(client) {
  const traced = await client.execute(
    `SELECT device FROM ${keyspace}.readings WHERE device = 'lwt'`, [], { traceQuery: true });
  const trace = await client.metadata.getTrace(traced.info.traceId);
  show('trace', trace.requestType, trace.events.length > 0);
  if (options.protocol === '3') return;
  const result = await client.execute(
    `INSERT INTO ${keyspace}.readings (device, moment) VALUES ('payload', 1)`, [],
    { customPayload: { key: Buffer.from('value') } });
  show('payload', result.info.customPayload);
}

async function events(client) {
  const other = await connect();
  await other.execute(`CREATE KEYSPACE ${keyspace}_late WITH replication = `
    + "{'class': 'SimpleStrategy', 'replication_factor': 1}");
  await other.execute(`CREATE TABLE ${keyspace}.late (k int PRIMARY KEY)`);
  await other.execute(`ALTER TABLE ${keyspace}.readings ADD added text`);
  await other.shutdown();
  let seen = false;
  for (let i = 0; i < 200 && !seen; i++) {
    await new Promise((resolve) => { setTimeout(resolve, 100); });
    const readings = await client.metadata.getTable(keyspace, 'readings');
    seen = `${keyspace}_late` in client.metadata.keyspaces && 'added' in readings.columnsByName;
  }
  show('events', seen);
}

async function keyspaces() {
  if (!warnings) return;
  const named = await connect(keyspace);
  await named.execute('INSERT INTO late (k) VALUES (1)');
  await named.execute('INSERT INTO late (k) VALUES (?)', [2], prepared);
  await named.execute('BEGIN BATCH INSERT INTO late (k) VALUES (3); APPLY BATCH');
  rows('keyspace', await named.execute('SELECT k FROM late'));
  await named.shutdown();
}

// What a plain application does: for rings.
async function writes(client) {
  const insert = `INSERT INTO ${keyspace}.rows (k, v) VALUES (?, ?)`;
  for (let i = 0; i < Number(options.count); i++) {
    await client.execute(insert, [i, 'node'], prepared);
  }
  show('writes', options.count, 'nodes', client.hosts.length);
}

async function main() {
  const client = await connect();
  if (options.job === 'writes') {
    await writes(client);
  } else {
    show('connected', 'version', client.controlConnection.protocolVersion, 'nodes',
      client.hosts.length);
    const steps = [schema, allTypes, batches, paging, conditions, errors, large, concurrent,
      traceAndPayload, events, keyspaces];
    for (const step of steps) await step(client);
  }
  await client.shutdown();
  show('ended');
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
