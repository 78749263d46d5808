//! The sender against the target, over real sockets: every request is counted on both sides, and a stall shows in full.

mod support;

use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use twinload_engine_core::arrival::Share;
use twinload_engine_core::control::Control;
use twinload_engine_core::engine::{Engine, sum_vitals};
use twinload_engine_core::hdr::{quantile_us, total};
use twinload_engine_core::io::Io;
use twinload_engine_core::net::{Net, monotonic_ns};
use twinload_engine_core::plan::{IoKind, Plan};
use twinload_engine_core::stage::{Load, Stage, place};
use twinload_engine_core::tls::{TlsConfig, TlsOptions, TlsTarget};
use twinload_engine_core::uring::Uring;
use twinload_engine_core::worker::Worker;

use support::{Target, sums};

/// The interfaces that this machine offers.
fn kinds() -> Vec<IoKind> {
    match Uring::new(1) {
        Ok(_) => vec![IoKind::Epoll, IoKind::Uring],
        Err(error) => {
            println!("no io_uring here: {error}");
            vec![IoKind::Epoll]
        }
    }
}

#[test]
fn both_sides_count_the_same_in_both_loops_on_two_threads() {
    let target = Target::start();
    let stages = vec![Stage::new(0, Load::Rate(2_000.0), 0.2, 0.3), Stage::new(1, Load::Users(10), 0.1, 0.2)];
    let mut sent = 0;
    let coalesced = [(IoKind::Epoll, 1_000)];
    for (io, coalesce_us) in kinds().into_iter().map(|io| (io, 0)).chain(coalesced) {
        let plan = Plan { threads: 2, coalesce_us, io, ..target.plan(stages.clone()) };
        let told = Engine::start(&plan, monotonic_ns()).expect("it starts").join().expect("it ends");
        let all = sums(&told);
        assert_eq!((all.offered, all.done, all.dropped, all.failed), (all.sent, all.sent, 0, 0));
        sent += all.sent;
        assert_eq!((sent, total(&all.latency)), (target.count(), 1_000), "{io:?} {coalesce_us}");
    }
}

#[test]
fn over_tls_every_request_is_answered_too() {
    let identity = rcgen::generate_simple_self_signed(vec!["127.0.0.1".into()]).expect("a certificate");
    let name = |part: &str| std::env::temp_dir().join(format!("bench-target-{}.{part}", std::process::id()));
    let (certificate, key) = (name("certificate"), name("key"));
    std::fs::write(&certificate, identity.cert.pem()).expect("written");
    std::fs::write(&key, identity.signing_key.serialize_pem()).expect("written");
    let target = Target::start_with(&["--tls", &format!("{},{}", certificate.display(), key.display())]);
    for file in [certificate, key] {
        std::fs::remove_file(file).expect("ours");
    }
    let mut plan = target.plan(vec![Stage::new(0, Load::Rate(1_000.0), 0.0, 0.3)]);
    let options = TlsOptions { ca_pem: Some(identity.cert.pem().into_bytes()), ..TlsOptions::default() };
    let config = TlsConfig::new(&options).expect("options");
    plan.targets[0].tls = Some(TlsTarget { config, server_name: "127.0.0.1".into() });
    let all = sums(&Engine::start(&plan, monotonic_ns()).expect("it starts").join().expect("it ends"));
    assert_eq!((all.sent, all.done, all.failed), (300, 300, 0));
}

#[test]
fn stop_ends_an_endless_stage_and_loses_no_count() {
    let target = Target::start();
    let mut sent = 0;
    for io in kinds() {
        let plan = Plan { io, ..target.plan(vec![Stage::new(0, Load::Rate(1.0), 0.0, f64::INFINITY)]) };
        let engine = Engine::start(&plan, monotonic_ns()).expect("it starts");
        engine.set_rate(5_000.0);
        std::thread::sleep(Duration::from_millis(200));
        engine.stop();
        let all = sums(&engine.join().expect("it ends"));
        assert!(all.sent > 500, "{io:?} {all:?}");
        sent += all.sent;
        assert_eq!((sent, all.failed), (target.count(), 0), "{io:?}");
    }
}

#[test]
fn an_answer_of_many_pieces_is_read_in_full() {
    let target = Target::start_with(&["--bytes", "200000"]);
    for io in kinds() {
        let plan = Plan { io, ..target.plan(vec![Stage::new(0, Load::Users(40), 0.0, 0.3)]) };
        let told = Engine::start(&plan, monotonic_ns()).expect("it starts").join().expect("it ends");
        let all = sums(&told);
        assert_eq!((all.done, all.failed), (all.sent, 0), "{io:?}");
        assert!(all.sent > 40 && all.bytes > 199_000 * all.sent, "{io:?} {all:?}");
    }
}

#[test]
fn a_target_that_refuses_is_counted_and_not_asked_in_a_loop() {
    let target = Target::start();
    let mut plan = target.plan(vec![Stage::new(0, Load::Users(8), 0.0, 0.3)]);
    plan.queue_limit_s = 0.1;
    drop(target);
    for io in kinds() {
        plan.io = io;
        let told = Engine::start(&plan, monotonic_ns()).expect("it starts").join().expect("it ends");
        let all = sums(&told);
        assert_eq!(all.offered, all.sent + all.dropped);
        assert_eq!((all.done, all.failed), (all.sent, all.sent));
        assert!(all.sent > 0 && told[0].vitals.refused < 1_000, "{io:?} {all:?}");
    }
}

#[test]
fn a_request_takes_no_memory_once_all_was_seen() {
    takes_no_memory(Net::new(64).expect("descriptors"), 0);
}

#[test]
fn a_request_takes_no_memory_with_kernel_receive_times() {
    takes_no_memory(Net::new(64).expect("descriptors").with_stamps(), 250);
}

#[test]
fn a_request_takes_no_memory_over_io_uring() {
    if kinds().contains(&IoKind::Uring) {
        takes_no_memory(Uring::new(64).expect("a ring"), 0);
    }
}

fn takes_no_memory(io: impl Io, coalesce_us: u32) {
    let target = Target::start();
    let start_ns = monotonic_ns();
    let stage = Stage::new(0, Load::Rate(20_000.0), 0.0, f64::INFINITY);
    let plan = Plan { coalesce_us, ..target.plan(vec![stage]) };
    let stages = place(&plan.stages, start_ns).expect("stages");
    let mut worker = Worker::new(&plan, stages, Share::WHOLE, io, Arc::new(Control::default())).expect("a plan");
    let mut run_until = |until_ns: u64| {
        while monotonic_ns() < until_ns {
            worker.turn().expect("a turn");
        }
    };
    // Warm: all 64 connections are open and one second was told, so that its cell can be used again. Then measure inside
    // one second, for telling a second makes its lines, which is once a second and not per request.
    let second_ns = 1_000_000_000;
    let boundary_ns = (start_ns / second_ns + 1) * second_ns;
    run_until(boundary_ns + 100_000_000);
    let measured = allocation_counter::measure(|| run_until(boundary_ns + 600_000_000));
    // About 10,000 requests; a connection of the 64 that opens as late as this takes its buffers once.
    assert!(measured.count_total < 2 * 64, "{measured:?}");
}

/// One user of a closed loop, and how long it took it from one request to the next, on average, in µs.
fn one_user(target: &Target, coalesce_us: u32) -> (u64, f64) {
    let stage = Stage::new(0, Load::Users(1), 0.0, 0.5);
    let plan = Plan { coalesce_us, max_connections: 1, ..target.plan(vec![stage]) };
    let told = Engine::start(&plan, monotonic_ns()).expect("it starts").join().expect("it ends");
    let (all, vitals) = (sums(&told), sum_vitals(&told));
    assert_eq!((all.done, all.failed), (all.sent, 0));
    assert_eq!(vitals.stamped, if coalesce_us > 0 { all.done } else { 0 });
    (quantile_us(&all.service, 0.5).expect("samples"), 0.5e6 / all.done as f64)
}

#[test]
fn answers_that_lie_unread_are_not_counted_as_the_server_s_time() {
    let target = Target::start_with(&["--work-us", "1000"]);
    let ((service_us, round_us), (coalesced_us, slow_us)) = (one_user(&target, 0), one_user(&target, 5_000));
    println!("at once {service_us} of {round_us:.0} µs, coalesced {coalesced_us} of {slow_us:.0} µs");
    // The user waits for the end of the 5 ms, while the service time stays nearer to what it was than to that.
    // Half a second holds 100 of these rounds, and one more that begins at its start.
    assert!(slow_us > 0.9 * 5_000.0, "{slow_us}");
    let middle_us = f64::midpoint(service_us as f64, slow_us);
    assert!((coalesced_us as f64) < middle_us, "{coalesced_us} µs, without coalescing {service_us} µs");
}

/// Arrivals at a constant rate; the target stands still for a known second. What arrives in it waits for its end, and is
/// then answered within the drain, which is short beside a second.
#[test]
fn a_stall_of_a_second_shows_as_long_as_it_was() {
    a_stall_shows(IoKind::Epoll);
}

#[test]
fn a_stall_of_a_second_shows_as_long_as_it_was_over_io_uring() {
    if kinds().contains(&IoKind::Uring) {
        a_stall_shows(IoKind::Uring);
    }
}

fn a_stall_shows(io: IoKind) {
    let target = Target::start();
    let (rate_rps, length_s) = (2_000.0, 5.0);
    let stage = Stage::new(0, Load::Rate(rate_rps), 0.0, length_s);
    let start_ns = monotonic_ns() + 20_000_000;
    let engine = Engine::start(&Plan { io, ..target.plan(vec![stage]) }, start_ns).expect("it starts");
    let process = Pid::from_child(&target.process);
    std::thread::sleep(Duration::from_millis(2_000));
    kill_process(process, Signal::STOP).expect("it is ours");
    let stopped_ns = monotonic_ns();
    std::thread::sleep(Duration::from_millis(1_000));
    kill_process(process, Signal::CONT).expect("it is ours");
    let stall_s = (monotonic_ns() - stopped_ns) as f64 / 1e9;

    let all = sums(&engine.join().expect("it ends"));
    assert_eq!((all.offered, all.done, all.failed, all.dropped), (10_000, 10_000, 0, 0));
    assert_eq!(total(&all.latency), 10_000);
    // The share q of 10,000 that waits longest: whatever arrived in the first (1 - q) * length of the stall.
    for (q, wanted_s) in [(1.0, stall_s), (0.999, stall_s - 0.001 * length_s), (0.99, stall_s - 0.01 * length_s)] {
        let measured_s = quantile_us(&all.latency, q).expect("samples") as f64 / 1e6;
        let error = measured_s / wanted_s - 1.0;
        println!("q {q}: {measured_s} s, computed {wanted_s} s, error {error:.5}");
        assert!(error.abs() < 0.02, "q {q}: {measured_s} s, computed {wanted_s} s, error {error}");
    }
}
