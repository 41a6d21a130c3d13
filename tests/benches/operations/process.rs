//! The process itself: its start, and its memory.

use std::time::{Duration, Instant};

use crate::{
    gauge::{cpu, memory},
    load::Bench,
    report::Goal::AtMost,
};

/// From `exec` to the ready line, on a database whose schema is current; and what it holds then.
pub(crate) async fn start(bench: &mut Bench) {
    let mut starts = Vec::new();
    for _ in 0..bench.scale.starts {
        bench.tenon.terminate().await;
        let began = Instant::now();
        bench.tenon.restart().await;
        starts.push((began.elapsed(), cpu(bench.tenon.pid())));
    }
    starts.sort();
    let (wall, cpu) = starts[starts.len() / 2];
    let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
    let report = &mut bench.report;
    report.figure("start to ready", "ms", milliseconds(wall), AtMost(50.0));
    report.figure("start to ready: CPU", "ms", milliseconds(cpu), AtMost(30.0));
    let idle = memory(bench.tenon.pid(), "VmRSS");
    bench
        .report
        .figure("memory, idle", "MiB", idle, AtMost(15.0));
}

/// At the end: the highest it ever was, and what a start has to load now.
pub(crate) async fn memory_at_the_end(bench: &mut Bench) {
    let peak = memory(bench.tenon.pid(), "VmHWM");
    bench.report.figure(
        "memory, highest over all of this",
        "MiB",
        peak,
        AtMost(48.0),
    );
}
