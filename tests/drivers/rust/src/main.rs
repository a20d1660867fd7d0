//! What an application does with the Rust driver, as a transcript. See ../../README.md.

mod values;

use futures::future::join_all;
use openssl::ssl::{SslConnector, SslMethod};
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::client::Compression;
use scylla::response::query_result::QueryResult;
use scylla::response::{PagingState, PagingStateResponse};
use scylla::serialize::row::SerializeRow;
use scylla::statement::batch::{Batch, BatchType};
use scylla::statement::{Consistency, Statement};
use scylla::value::{Counter, CqlValue, MaybeUnset, Row};
use std::collections::HashMap;
use std::error::Error;
use std::time::Duration;

type Done = Result<(), Box<dyn Error>>;

struct Drive {
    options: HashMap<String, String>,
    keyspace: String,
    session: Session,
}

/// With the driver's defaults, but for what the command line says.
async fn connect(
    options: &HashMap<String, String>,
    keyspace: Option<&str>,
) -> Result<Session, Box<dyn Error>> {
    let mut builder = SessionBuilder::new()
        .known_node(format!("{}:{}", options["host"], options["port"]))
        .connection_timeout(Duration::from_secs(20));
    if let Some(user) = options.get("username") {
        builder = builder.user(user, &options["password"]);
    }
    match options.get("compression").map(String::as_str) {
        Some("lz4") => builder = builder.compression(Some(Compression::Lz4)),
        Some("snappy") => builder = builder.compression(Some(Compression::Snappy)),
        _ => {}
    }
    if let Some(ca) = options.get("ca") {
        let mut tls = SslConnector::builder(SslMethod::tls())?;
        tls.set_ca_file(ca)?;
        builder = builder.tls_context(Some(tls));
    }
    if let Some(name) = keyspace {
        builder = builder.use_keyspace(name, false);
    }
    Ok(builder.build().await?)
}

fn show(section: &str, text: impl std::fmt::Display) {
    println!("{section}: {text}");
}

fn rows(section: &str, result: QueryResult) -> Done {
    for row in result.into_rows_result()?.rows::<Row>()? {
        show(section, format!("{:?}", row?.columns));
    }
    Ok(())
}

impl Drive {
    /// A statement with the keyspace in it.
    fn cql(&self, text: &str) -> String {
        text.replace("dk.", &format!("{}.", self.keyspace))
    }

    async fn run(&self, text: &str) -> Result<QueryResult, Box<dyn Error>> {
        Ok(self.session.query_unpaged(self.cql(text), ()).await?)
    }

    async fn bound(&self, text: &str, values: impl SerializeRow) -> Result<QueryResult, Box<dyn Error>> {
        let statement = self.session.prepare(self.cql(text)).await?;
        Ok(self.session.execute_unpaged(&statement, values).await?)
    }

    async fn schema(&self) -> Done {
        for text in std::fs::read_to_string(&self.options["schema"])?.split(";\n") {
            if text.trim().is_empty() {
                continue;
            }
            let text = text.replace("KEYSPACE dk", &format!("KEYSPACE {}", self.keyspace));
            let result = self.run(&text).await?;
            let warnings: Vec<_> = result.warnings().collect();
            show("schema", format!("{:?} {warnings:?}", text.trim().lines().next()));
        }
        self.session.refresh_metadata().await?;
        let state = self.session.get_cluster_state();
        let found = state.get_keyspace(&self.keyspace).ok_or("no metadata of the keyspace")?;
        show("metadata", format!("{:?}", found.strategy));
        for name in ["everything", "readings", "visits"] {
            let table = &found.tables[name];
            let mut columns: Vec<_> = table.columns.iter().map(|one| format!("{one:?}")).collect();
            columns.sort();
            show("metadata", format!("{name} {:?} {:?}", table.partition_key, table.clustering_key));
            show("metadata", columns.join(" "));
        }
        show("metadata", format!("{:?}", found.user_defined_types["address"]));
        Ok(())
    }

    async fn types(&self) -> Done {
        let all = values::all(&self.keyspace);
        let names: Vec<_> = all.iter().map(|(name, _)| *name).collect();
        let marks = vec!["?"; names.len()].join(", ");
        let columns = names.join(", ");
        let insert = format!("INSERT INTO dk.everything ({columns}) VALUES ({marks})");
        let some: Vec<Option<CqlValue>> = all.iter().map(|(_, value)| Some(value.clone())).collect();
        self.bound(&insert, some).await?;
        let mut nulls: Vec<Option<CqlValue>> = vec![None; names.len()];
        nulls[0] = Some(CqlValue::Text("nulls".into()));
        self.bound(&insert, nulls).await?;
        let mut unset: Vec<MaybeUnset<CqlValue>> = vec![];
        unset.resize_with(names.len(), || MaybeUnset::Unset);
        unset[0] = MaybeUnset::Set(CqlValue::Text("all".into()));
        unset[1] = MaybeUnset::Set(CqlValue::Ascii("changed".into()));
        self.bound(&insert, unset).await?;
        let empty = "INSERT INTO dk.everything (k, a_text, a_blob, a_list) VALUES (?, ?, ?, ?)";
        self.bound(empty, ("empty", "", Vec::<u8>::new(), Vec::<String>::new())).await?;
        self.run("INSERT INTO dk.everything (k, a_timeuuid, a_uuid, a_timestamp) VALUES \
                  ('functions', now(), uuid(), toTimestamp(now()))").await?;
        self.run("UPDATE dk.everything SET a_set = a_set + {9}, a_map['y'] = 5, a_list = ['z'], \
                  an_udt.street = 'Side Street' WHERE k = 'all'").await?;
        for key in ["all", "nulls", "empty"] {
            let read = format!("SELECT {columns} FROM dk.everything WHERE k = ?");
            rows("types", self.bound(&read, (key,)).await?)?;
        }
        rows("functions",
             self.run("SELECT dk.twice(21) FROM dk.everything WHERE k = 'all'").await?)
    }

    async fn vectors(&self) -> Done {
        if self.options.get("vectors").map(String::as_str) != Some("yes") {
            return Ok(());
        }
        self.run("CREATE TABLE dk.vectors (k int PRIMARY KEY, v vector<float, 3>)").await?;
        self.bound("INSERT INTO dk.vectors (k, v) VALUES (?, ?)", (1, vec![1.0f32, 2.5, -3.0]))
            .await?;
        rows("vectors", self.run("SELECT k, v FROM dk.vectors").await?)
    }

    async fn batches(&self) -> Done {
        let insert = self.session.prepare(self.cql(
            "INSERT INTO dk.readings (device, moment, kind, note, value) VALUES (?, ?, ?, ?, ?)",
        )).await?;
        let mut batch = Batch::new(BatchType::Logged);
        let mut values = vec![];
        for i in 0..40 {
            batch.append_statement(insert.clone());
            let note = format!("note {i}");
            values.push((format!("d{}", i % 3), i, "fixed", Some(note), Some(f64::from(i) / 4.0)));
        }
        self.session.batch(&batch, values).await?;
        self.run("DELETE FROM dk.readings WHERE device = 'd0' AND moment = 3").await?;
        let daily = "UPDATE dk.readings USING TTL 86400 SET note = ? WHERE device = ? AND moment = ?";
        self.session.query_unpaged(self.cql(daily), ("for a day", "d1", 4)).await?;
        let mut unlogged = Batch::new(BatchType::Unlogged);
        let mut values = vec![];
        for i in 0..30 {
            unlogged.append_statement(insert.clone());
            values.push((format!("u{i}"), 1, "k", "x".repeat(4000), None::<f64>));
        }
        let result = self.session.batch(&unlogged, values).await?;
        let mut warnings: Vec<_> = result.warnings().map(str::to_owned).collect();
        warnings.sort();
        show("batches", format!("{warnings:?}"));
        self.run("BEGIN BATCH USING TIMESTAMP 1000 INSERT INTO dk.readings (device, moment) VALUES \
                  ('old', 1); DELETE FROM dk.readings WHERE device = 'd2' AND moment > 36; \
                  APPLY BATCH").await?;
        let count = self.session.prepare(
            self.cql("UPDATE dk.visits SET hits = hits + ? WHERE page = ?")).await?;
        let mut counters = Batch::new(BatchType::Counter);
        counters.append_statement(count.clone());
        counters.append_statement(count.clone());
        self.session.batch(&counters, ((Counter(5), "home"), (Counter(-2), "away"))).await?;
        self.session.execute_unpaged(&count, (Counter(37), "home")).await?;
        rows("batches", self.run("SELECT * FROM dk.visits").await?)?;
        rows("batches", self.run("SELECT * FROM dk.readings WHERE device = 'd1'").await?)?;
        rows("batches", self.run("SELECT moment FROM dk.readings WHERE note = 'for a day'").await?)
    }

    async fn paging(&self) -> Done {
        let mut statement = self.session.prepare(
            self.cql("SELECT device, moment FROM dk.readings")).await?;
        statement.set_page_size(7);
        let (mut pages, mut total) = (0, 0);
        let mut state = PagingState::start();
        loop {
            let (result, next) =
                self.session.execute_single_page(&statement, &[], state).await?;
            pages += 1;
            total += result.into_rows_result()?.rows_num();
            match next {
                PagingStateResponse::HasMorePages { state: more } => state = more,
                PagingStateResponse::NoMorePages => break,
            }
        }
        show("paging", format!("{pages} pages {total} rows"));
        Ok(())
    }

    async fn conditions(&self) -> Done {
        let insert = "INSERT INTO dk.readings (device, moment, note) VALUES ('lwt', 1, ?) \
                      IF NOT EXISTS";
        for note in ["first", "second"] {
            rows("conditions",
                 self.session.query_unpaged(self.cql(insert), (note,)).await?)?;
        }
        let update = "UPDATE dk.readings SET note = ? WHERE device = 'lwt' AND moment = 1 \
                      IF note = ?";
        for note in ["third", "fourth"] {
            rows("conditions", self.bound(update, (note, "first")).await?)?;
        }
        let mut read = Statement::new(self.cql("SELECT note FROM dk.readings WHERE device = 'lwt'"));
        read.set_consistency(Consistency::Serial);
        rows("conditions", self.session.query_unpaged(read, ()).await?)
    }

    async fn errors(&self) -> Done {
        for text in [
            "SELEC 1", "SELECT nothing FROM dk.readings",
            "INSERT INTO dk.readings (device) VALUES ('x')",
            "SELECT * FROM dk.readings WHERE value = 1",
            "CREATE TABLE dk.visits (k int PRIMARY KEY)",
            "INSERT INTO dk.nowhere (k) VALUES (1)", "USE nowhere_at_all",
            "UPDATE dk.visits SET hits = hits + 'x' WHERE page = 'a'",
        ] {
            match self.run(text).await {
                Ok(_) => show("errors", format!("{text} no error")),
                Err(error) => show("errors", error),
            }
        }
        if let Err(error) = self.session.prepare(self.cql("SELECT nothing FROM dk.visits")).await {
            show("errors", format!("prepare {error}"));
        }
        Ok(())
    }

    async fn large(&self) -> Done {
        for size in [131_000usize, 131_072, 1_500_000] {
            let sent: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
            let key = format!("large {size}");
            self.bound("INSERT INTO dk.everything (k, a_blob, a_text) VALUES (?, ?, ?)",
                       (&key, &sent, "x".repeat(size))).await?;
            let (back, text) = self
                .bound("SELECT a_blob, a_text FROM dk.everything WHERE k = ?", (&key,)).await?
                .into_rows_result()?
                .single_row::<(Vec<u8>, String)>()?;
            show("large", format!("{} {}", back == sent, text.len()));
        }
        Ok(())
    }

    async fn concurrent(&self) -> Done {
        let insert = self.session.prepare(
            self.cql("INSERT INTO dk.readings (device, moment, value) VALUES (?, ?, ?)")).await?;
        let all = (0..2000).map(|i| {
            let values = (format!("c{}", i % 50), i, f64::from(i) * 1.5);
            self.session.execute_unpaged(&insert, values)
        });
        for one in join_all(all).await {
            one?;
        }
        for i in 0..50 {
            rows("concurrent", self.bound(
                "SELECT count(*), sum(value) FROM dk.readings WHERE device = ?",
                (format!("c{i}"),)).await?)?;
        }
        Ok(())
    }

    async fn trace(&self) -> Done {
        let mut statement = Statement::new(
            self.cql("SELECT device FROM dk.readings WHERE device = 'lwt'"));
        statement.set_tracing(true);
        let result = self.session.query_unpaged(statement, ()).await?;
        let id = result.tracing_id().ok_or("no tracing id")?;
        rows("trace", result)?;
        let trace = self.session.get_tracing_info(&id).await?;
        show("trace", format!("{:?} {}", trace.request, !trace.events.is_empty()));
        Ok(())
    }

    async fn keyspaces(&self) -> Done {
        self.run("CREATE TABLE dk.late (k int PRIMARY KEY)").await?;
        let named = connect(&self.options, Some(&self.keyspace)).await?;
        named.query_unpaged("INSERT INTO late (k) VALUES (1)", ()).await?;
        let insert = named.prepare("INSERT INTO late (k) VALUES (?)").await?;
        named.execute_unpaged(&insert, (2,)).await?;
        named.query_unpaged("BEGIN BATCH INSERT INTO late (k) VALUES (3); APPLY BATCH", ()).await?;
        rows("keyspace", named.query_unpaged("SELECT k FROM late", ()).await?)
    }

    /// What a plain application does: for rings.
    async fn writes(&self) -> Done {
        let insert = self.session.prepare(
            self.cql("INSERT INTO dk.rows (k, v) VALUES (?, ?)")).await?;
        let count: i32 = self.options["count"].parse()?;
        for i in 0..count {
            self.session.execute_unpaged(&insert, (i, "rust")).await?;
        }
        let nodes = self.session.get_cluster_state().get_nodes_info().len();
        show("writes", format!("{count} nodes {nodes}"));
        Ok(())
    }

    async fn everything(&self) -> Done {
        show("connected", format!("nodes {}", self.session.get_cluster_state().get_nodes_info().len()));
        self.schema().await?;
        self.types().await?;
        self.vectors().await?;
        self.batches().await?;
        self.paging().await?;
        self.conditions().await?;
        self.errors().await?;
        self.large().await?;
        self.concurrent().await?;
        self.trace().await?;
        self.keyspaces().await
    }
}

#[tokio::main]
async fn main() -> Done {
    let options: HashMap<String, String> = std::env::args()
        .skip(1)
        .filter_map(|word| word.split_once('=').map(|(a, b)| (a.to_owned(), b.to_owned())))
        .collect();
    let session = connect(&options, None).await?;
    let drive = Drive { keyspace: options["keyspace"].clone(), options, session };
    if drive.options["job"] == "writes" {
        return drive.writes().await;
    }
    drive.everything().await?;
    show("ended", "");
    Ok(())
}
