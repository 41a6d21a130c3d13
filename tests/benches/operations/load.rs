//! One gateway under load: operations by eight clients at once, and what they cost.

use std::{
    future::Future,
    panic::resume_unwind,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use integration::{Database, DatabaseKind, Tenon};

use crate::{
    Options,
    gauge::{Asked, Gauge},
    report::Report,
    scale::Scale,
};

const CLIENTS: usize = 8;

/// One gateway on one database, and what is known of it so far.
pub(crate) struct Bench {
    pub(crate) tenon: Tenon,
    pub(crate) kind: DatabaseKind,
    pub(crate) scale: Scale,
    pub(crate) report: Report,
    gauge: Gauge,
    options: Options,
}

/// What one operation cost, on average over the run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) operations: usize,
    /// Of the server's CPU.
    pub(crate) server_ms: f64,
    /// Of the database's CPU, where it is another process.
    pub(crate) database_ms: Option<f64>,
    pub(crate) asked: Asked,
    pub(crate) per_second: f64,
    pub(crate) latency: Latency,
}

/// From begin to checked answer, with [`CLIENTS`] of them at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Latency {
    pub(crate) median_ms: f64,
    pub(crate) p99_ms: f64,
}

impl Bench {
    pub(crate) async fn start(kind: DatabaseKind, options: Options) -> Self {
        let database = Database::counted(kind).await;
        let gauge = Gauge::of(kind, &database).await;
        // Errors are still logged, and a gateway in production logs no requests at all at this level.
        let settings = [("TENON_LOG", "warn")];
        Self {
            tenon: Tenon::start_on(database, &settings).await,
            kind,
            scale: options.scale,
            report: Report::of(kind),
            gauge,
            options,
        }
    }

    /// Operations 0, 1, 2… up to `count`, or as many as there is time for; a tenth more before anything is
    /// counted. An operation panics when its answer is not the right one.
    pub(crate) async fn cost<F, R>(&mut self, name: &str, count: usize, operation: F) -> Cost
    where
        F: Fn(usize) -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send,
    {
        self.cost_until(name, count, operation, async |_| {}).await
    }

    /// With what the operations set going: `finish` waits for the effects of as many as there were by then.
    pub(crate) async fn cost_until<F, R>(
        &mut self,
        name: &str,
        count: usize,
        operation: F,
        mut finish: impl AsyncFnMut(usize),
    ) -> Cost
    where
        F: Fn(usize) -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send,
    {
        let operation = Arc::new(operation);
        let warm_up = (count / 10).max(CLIENTS);
        let warmed_up = drive(0..warm_up, self.scale.patience, Arc::clone(&operation)).await;
        let warmed_up = warmed_up.len();
        finish(warmed_up).await;
        self.gauge.forget_statements().await;
        let asked = Asked::by(&self.tenon).await;
        let before = self.gauge.cpu(&self.tenon);
        let began = Instant::now();
        let numbers = warm_up..warm_up + count;
        let times = drive(numbers, self.scale.patience, operation).await;
        let operations = times.len();
        finish(warmed_up + operations).await;
        let took = began.elapsed();
        let used = self.gauge.cpu(&self.tenon) - before;
        let asked = Asked::by(&self.tenon).await - asked;
        if self.options.statements {
            let all = self.gauge.statements().await;
            self.show_statements(name, operations, &all);
        }
        let each = |total: Duration| total.as_secs_f64() * 1000.0 / operations as f64;
        let per_operation = |total: f64| total / operations as f64;
        let cost = Cost {
            operations,
            server_ms: each(used.server),
            database_ms: used.database.map(each),
            asked: Asked {
                statements: per_operation(asked.statements),
                durable_commits: per_operation(asked.durable_commits),
                relaxed_commits: per_operation(asked.relaxed_commits),
            },
            per_second: operations as f64 / took.as_secs_f64(),
            latency: Latency::of(times),
        };
        eprintln!("{name}: {cost:?}");
        cost
    }

    /// Many operations that only prepare the next measurement. Answers how many there was time for.
    pub(crate) async fn prepare<F, R>(&self, count: usize, operation: F) -> usize
    where
        F: Fn(usize) -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send,
    {
        let times = drive(0..count, self.scale.growth, Arc::new(operation)).await;
        times.len()
    }

    fn show_statements(&self, name: &str, operations: usize, all: &[crate::gauge::Statement]) {
        eprintln!("--- {name}: statements per operation, µs each");
        for statement in all {
            let per_operation = statement.calls as f64 / operations as f64;
            let each = statement.milliseconds * 1000.0 / statement.calls as f64;
            if per_operation >= 0.01 {
                eprintln!("{per_operation:8.2} {each:8.0}  {}", statement.text);
            }
        }
    }
}

impl Cost {
    /// Of the server and its database.
    pub(crate) fn all_cpu_ms(&self) -> f64 {
        self.server_ms + self.database_ms.unwrap_or_default()
    }
}

impl Latency {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let at = |percent: usize| {
            let place = (times.len() * percent).div_ceil(100).max(1) - 1;
            times[place].as_secs_f64() * 1000.0
        };
        Self {
            median_ms: at(50),
            p99_ms: at(99),
        }
    }
}

/// Answers how long each took of those that were done before the time was up.
async fn drive<F, R>(
    numbers: std::ops::Range<usize>,
    patience: Duration,
    operation: Arc<F>,
) -> Vec<Duration>
where
    F: Fn(usize) -> R + Send + Sync + 'static,
    R: Future<Output = ()> + Send,
{
    let next = Arc::new(AtomicUsize::new(numbers.start));
    let end = Instant::now() + patience;
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (next, operation, last) = (Arc::clone(&next), Arc::clone(&operation), numbers.end);
            tokio::spawn(async move {
                let mut done = Vec::new();
                while Instant::now() < end {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= last {
                        break;
                    }
                    let began = Instant::now();
                    operation(number).await;
                    done.push(began.elapsed());
                }
                done
            })
        })
        .collect();
    let mut done = Vec::new();
    for client in clients {
        match client.await {
            Ok(times) => done.extend(times),
            Err(error) => resume_unwind(error.into_panic()),
        }
    }
    assert!(!done.is_empty(), "nothing was done in {patience:?}");
    done
}
