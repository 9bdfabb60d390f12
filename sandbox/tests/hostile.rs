//! Hostile components, written by hand in the component text format: each ends as a failure of a fixed kind, within its limits.

#![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]

mod engine;

use sandbox::engine::{Component, Engine, MAX_COMPONENT_BYTES, Metering, NotCompiled, Unusable};
use sandbox::limits::Limits;
use sandbox::output::{Content, DeclaredOutput, Outputs};
use sandbox::run::{Failure, FailureKind, Task, run};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// A component without imports whose `run` is `body`; it returns the address of a `result<_, string>`.
fn wat(items: &str, body: &str) -> String {
    format!(
        r#"(component
            (core module $m
                (memory (export "memory") 1)
                {items}
                (func (export "run") (result i32) {body}))
            (core instance $i (instantiate $m))
            (func (export "run") (result (result (error string)))
                (canon lift (core func $i "run") (memory (core memory $i "memory")))))"#
    )
}

async fn compile_bytes(engine: &Engine, wasm: &[u8]) -> Result<Component, Unusable> {
    engine.compile(wasm).await.map_err(|error| match error {
        NotCompiled::Unusable(unusable) => unusable,
        NotCompiled::Engine(error) => panic!("{error}"),
    })
}

async fn compile(engine: &Engine, text: &str) -> Result<Component, Unusable> {
    compile_bytes(engine, &wat::parse_str(text).unwrap()).await
}

async fn engine() -> Engine {
    engine::engine(Metering::Time, None).await
}

fn task(component: Component, limits: Limits) -> Task {
    // the sender is dropped: nobody can cancel
    let (_, cancel) = watch::channel(false);
    Task {
        component,
        parameters: BTreeMap::new(),
        outputs: Vec::new(),
        handles: BTreeMap::new(),
        limits,
        cancel,
        progress: None,
    }
}

async fn run_text(text: &str, limits: Limits) -> Result<Outputs, Failure> {
    let engine = engine().await;
    let component = compile(&engine, text).await.unwrap();
    run(&engine, task(component, limits)).await
}

fn limits(wall: u64) -> Limits {
    Limits { wall: Duration::from_millis(wall), memory_bytes: 32 * 1024 * 1024, ..Limits::default() }
}

#[tokio::test]
async fn a_component_that_does_nothing_succeeds() {
    let outputs = run_text(&wat("", "i32.const 0"), limits(5_000)).await.unwrap();
    assert!(outputs.outputs.is_empty());
    assert_eq!(outputs.usage.memory_bytes, 65_536);
}

#[tokio::test]
async fn threat_25_an_infinite_loop_ends_within_its_deadline() {
    let started = Instant::now();
    let failure = run_text(&wat("", "(loop $l br $l) unreachable"), limits(300)).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Time);
    assert!(failure.usage().wall >= Duration::from_millis(300));
    assert!(started.elapsed() < Duration::from_secs(20));
    assert!(failure.usage().wall < Duration::from_millis(1_300));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_infinite_loop_leaves_the_executor_to_others() {
    let engine = engine().await;
    let component = compile(&engine, &wat("", "(loop $l br $l) unreachable")).await.unwrap();
    let looping = tokio::spawn(async move { run(&engine, task(component, limits(1_000))).await });
    let mut turns = 0;
    while !looping.is_finished() {
        tokio::time::sleep(Duration::from_millis(10)).await;
        turns += 1;
    }
    assert!(turns > 5, "other tasks had {turns} turns");
}

#[tokio::test]
async fn threat_25_fuel_ends_a_loop_at_the_same_instruction_each_time() {
    let engine = engine::engine(Metering::TimeAndFuel, None).await;
    let component = compile(&engine, &wat("", "(loop $l br $l) unreachable")).await.unwrap();
    let with = |fuel| Limits { fuel: Some(fuel), ..limits(20_000) };
    let first = run(&engine, task(component.clone(), with(100_000))).await.unwrap_err();
    let second = run(&engine, task(component, with(100_000))).await.unwrap_err();
    assert_eq!((first.kind(), second.kind()), (FailureKind::Fuel, FailureKind::Fuel));
    assert_eq!(first.usage().fuel, second.usage().fuel);
}

#[tokio::test]
async fn a_fuel_limit_is_not_ignored_where_none_is_counted() {
    let failure = run_text(&wat("", "i32.const 0"), Limits { fuel: Some(1), ..limits(5_000) }).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Host);
}

#[tokio::test]
async fn threat_26_growing_memory_meets_the_limit_and_is_told_apart_from_a_trap() {
    let grower = wat("", "(loop $l (br_if $l (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable");
    let failure = run_text(&grower, limits(20_000)).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Memory);
    assert!(failure.usage().memory_bytes <= 32 * 1024 * 1024);
    let large = grower.replace("(memory (export \"memory\") 1)", "(memory (export \"memory\") 1024)");
    assert_eq!(run_text(&large, limits(20_000)).await.unwrap_err().kind(), FailureKind::Memory);
}

#[tokio::test]
async fn threat_26_tables_and_memories_are_capped() {
    let grower = wat(
        "(table $t 1 funcref)",
        "(loop $l (br_if $l (i32.ne (table.grow $t (ref.null func) (i32.const 1000)) (i32.const -1)))) i32.const 0",
    );
    run_text(&grower, limits(20_000)).await.unwrap();
    let module = "(core module $m (memory 1))";
    let instances: String = (0..200).map(|n| format!("(core instance $i{n} (instantiate $m))")).collect();
    let run = wat("", "i32.const 0");
    let many = run
        .replacen("(component", &format!("(component {module} {instances}"), 1)
        .replace("$m\n", "$run\n")
        .replace("$m))", "$run))");
    let many = many.replacen("(core module $m (memory 1))", "(core module $x (memory 1))", 1);
    let many = many.replace("(instantiate $m)", "(instantiate $x)").replacen(
        "(core instance $i (instantiate $x))",
        "(core instance $i (instantiate $run))",
        1,
    );
    let engine = engine().await;
    let refused = match compile(&engine, &many).await {
        Ok(component) => run_failure(&engine, component).await,
        Err(unusable) => matches!(unusable, Unusable::Invalid(_)),
    };
    assert!(refused);
}

async fn run_failure(engine: &Engine, component: Component) -> bool {
    run(engine, task(component, limits(20_000))).await.is_err()
}

#[tokio::test]
async fn threat_28_deep_recursion_traps() {
    let failure = run_text(&wat("(func $f (result i32) call $f)", "call $f"), limits(20_000)).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Trapped);
    assert!(failure.detail_for_reviewer().contains("stack"));
}

#[tokio::test]
async fn threat_32_the_components_words_stay_with_the_reviewer() {
    let canary = r#"(data (i32.const 64) "canary") (data (i32.const 0) "\01\00\00\00\40\00\00\00\06\00\00\00")"#;
    let failure = run_text(&wat(canary, "i32.const 0"), limits(5_000)).await.unwrap_err();
    assert_eq!(failure.code(), "returned-error");
    assert_eq!(failure.detail_for_reviewer(), "canary");
    assert!(!format!("{failure} {failure:?} {:#?}", failure).contains("canary"));
    let trapped =
        run_text(&wat("(func $canary unreachable)", "call $canary i32.const 0"), limits(5_000)).await.unwrap_err();
    assert_eq!(trapped.code(), "trapped");
    assert!(!format!("{trapped} {trapped:?}").contains("canary"));
}

#[tokio::test]
async fn cancelling_ends_a_run_at_once() {
    let engine = engine().await;
    let component = compile(&engine, &wat("", "(loop $l br $l) unreachable")).await.unwrap();
    let (stop, cancel) = watch::channel(false);
    let task = Task { cancel, ..task(component, limits(60_000)) };
    let started = Instant::now();
    let stopping = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        stop.send(true).unwrap();
    };
    let (end, ()) = tokio::join!(run(&engine, task), stopping);
    assert_eq!(end.unwrap_err().kind(), FailureKind::Cancelled);
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_declared_output_that_is_not_finished_is_missing() {
    let engine = engine().await;
    let component = compile(&engine, &wat("", "i32.const 0")).await.unwrap();
    let outputs = vec![DeclaredOutput { name: "result".into(), media_type: "text/csv".into() }];
    let failure = run(&engine, Task { outputs, ..task(component, limits(5_000)) }).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::OutputMissing);
    assert!(failure.detail_for_reviewer().contains("result"));
}

#[tokio::test]
async fn threat_29_every_wasi_interface_is_refused_by_name() {
    let engine = engine().await;
    let interfaces = [
        "wasi:sockets/tcp@0.2.0",
        "wasi:sockets/udp@0.2.0",
        "wasi:sockets/ip-name-lookup@0.2.6",
        "wasi:filesystem/types@0.2.0",
        "wasi:filesystem/preopens@0.2.0",
        "wasi:clocks/monotonic-clock@0.2.0",
        "wasi:clocks/wall-clock@0.2.0",
        "wasi:random/random@0.2.0",
        "wasi:random/insecure@0.2.0",
        "wasi:cli/environment@0.2.0",
        "wasi:cli/stdout@0.2.0",
        "wasi:io/streams@0.2.0",
        "wasi:http/outgoing-handler@0.2.0",
        "wasi:nn/graph@0.2.0",
        "quintes:analysis/files@0.1.0",
        "quintes:analysis/job@9.0.0",
    ];
    for interface in interfaces {
        let text = wat("", "i32.const 0").replacen(
            "(component",
            &format!("(component (import \"{interface}\" (instance))"),
            1,
        );
        let unusable = compile(&engine, &text).await.unwrap_err();
        assert_eq!(unusable, Unusable::Imports(vec![interface.to_owned()]));
        assert!(unusable.to_string().contains(interface));
    }
}

#[tokio::test]
async fn an_offered_interface_with_other_types_is_refused() {
    let text = wat("", "i32.const 0").replacen(
        "(component",
        r#"(component (import "quintes:analysis/job@0.1.0" (instance (export "clock" (func (result u64)))))"#,
        1,
    );
    assert!(matches!(compile(&engine().await, &text).await, Err(Unusable::Invalid(_))));
}

#[tokio::test]
async fn what_is_no_component_is_refused() {
    let engine = engine().await;
    assert_eq!(compile_bytes(&engine, b"").await.unwrap_err(), Unusable::NotWebAssembly);
    assert_eq!(compile_bytes(&engine, b"#!/bin/sh").await.unwrap_err(), Unusable::NotWebAssembly);
    assert_eq!(compile(&engine, "(module)").await.unwrap_err(), Unusable::CoreModule);
    assert_eq!(compile(&engine, "(component)").await.unwrap_err(), Unusable::NoRun);
    let other = r#"(component (core module $m (func (export "run"))) (core instance $i (instantiate $m))
        (func (export "run") (canon lift (core func $i "run"))))"#;
    assert_eq!(compile(&engine, other).await.unwrap_err(), Unusable::NoRun);
    assert_eq!(
        compile_bytes(&engine, &vec![0; MAX_COMPONENT_BYTES + 1]).await.unwrap_err(),
        Unusable::TooLarge(MAX_COMPONENT_BYTES + 1)
    );
    let mut cut = wat::parse_str(wat("", "i32.const 0")).unwrap();
    cut.truncate(cut.len() / 2);
    assert!(matches!(compile_bytes(&engine, &cut).await, Err(Unusable::Invalid(_) | Unusable::NoRun)));
}

#[tokio::test]
async fn threat_22_a_shape_that_is_expensive_to_compile_is_refused_before_it_is_compiled() {
    let engine = engine().await;
    let body = "(drop (i32.const 1000000))".repeat(300_000);
    assert_eq!(
        compile(&engine, &wat(&format!("(func {body})"), "i32.const 0")).await.unwrap_err(),
        Unusable::Structure("function bodies".into())
    );
    let locals = "(local i32)".repeat(20_001);
    assert_eq!(
        compile(&engine, &wat(&format!("(func {locals})"), "i32.const 0")).await.unwrap_err(),
        Unusable::Structure("lists of locals".into())
    );
}

#[tokio::test]
async fn threat_24_proposals_that_no_guest_needs_are_off() {
    let engine = engine().await;
    let proposals = [
        ("(memory $large i64 1)", ""),
        ("(memory $second 1)", ""),
        ("(memory $shared 1 1 shared)", ""),
        ("(func $f return_call $f)", ""),
        ("", "(drop (i32x4.relaxed_trunc_f32x4_s (v128.const i32x4 0 0 0 0)))"),
        ("", "(drop (struct.new $s))"),
    ];
    for (items, body) in proposals {
        let items = if body.contains("struct.new") { "(type $s (struct))" } else { items };
        let unusable = compile(&engine, &wat(items, &format!("{body} i32.const 0"))).await.unwrap_err();
        assert!(matches!(unusable, Unusable::Invalid(_)), "{items}{body}: {unusable}");
    }
}

#[tokio::test]
async fn a_compiled_component_is_remembered_by_its_bytes() {
    let engine = engine().await;
    let wasm = wat::parse_str(wat("", "i32.const 0")).unwrap();
    let component = compile_bytes(&engine, &wasm).await.unwrap();
    assert!(engine.remembered(&component.sha256()).is_some());
    assert!(engine.remembered(&[0; 32]).is_none());
    for n in 1..=20 {
        compile(&engine, &wat("", &format!("(drop (i32.const {n})) i32.const 0"))).await.unwrap();
    }
    assert!(engine.remembered(&component.sha256()).is_none());
}

/// A component that calls `job.log` with `length` bytes, `times` times, and may write an output.
fn logger(pages: u32, length: i64, times: u32) -> String {
    format!(
        r#"(component
            (import "quintes:analysis/job@0.1.0" (instance $job (export "log" (func (param "line" string)))))
            (core module $memory (memory (export "memory") {pages}))
            (core instance $memory (instantiate $memory))
            (core func $log (canon lower (func $job "log") (memory (core memory $memory "memory"))))
            (core module $m
                (import "host" "log" (func $log (param i32 i32)))
                (func (export "run") (result i32)
                    (local $n i32)
                    (loop $l
                        (call $log (i32.const 64) (i32.const {length}))
                        (local.set $n (i32.add (local.get $n) (i32.const 1)))
                        (br_if $l (i32.lt_u (local.get $n) (i32.const {times}))))
                    i32.const 0))
            (core instance $i (instantiate $m (with "host" (instance (export "log" (func $log))))))
            (func (export "run") (result (result (error string)))
                (canon lift (core func $i "run") (memory (core memory $memory "memory")))))"#
    )
}

#[tokio::test]
async fn threat_27_a_huge_list_in_a_host_call_traps_before_it_is_copied() {
    let failure = run_text(&logger(1, 0x7fff_ffff, 1), limits(20_000)).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Trapped);
    // inside the component's own memory, and still more than a call may carry
    let failure = run_text(&logger(480, 20 * 1024 * 1024, 1), limits(20_000)).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Trapped);
    assert!(failure.log_for_reviewer().is_empty());
}

#[tokio::test]
async fn threat_27_a_flood_of_log_lines_is_bounded() {
    let outputs = run_text(&logger(4, 100_000, 3_000), limits(60_000)).await.unwrap();
    assert_eq!(outputs.log.len(), Limits::default().log_lines + 1);
    assert!(outputs.log.iter().all(|line| line.len() <= Limits::default().log_line_bytes));
}

/// Runs with an output "result" of type text/csv; the component writes `write` of the bytes at 64 in each of `times` calls.
fn writer(name: &str, length: u32, times: u32) -> String {
    let letters = name.len();
    format!(
        r#"(component
            (import "quintes:analysis/outputs@0.1.0" (instance $outputs
                (type $e (variant (case "not-declared") (case "too-large") (case "closed")))
                (export "error" (type $error (eq $e)))
                (export "output" (type $output (sub resource)))
                (export "create" (func (param "name" string) (param "media-type" string) (result (result (own $output) (error $error)))))
                (export "[method]output.write" (func (param "self" (borrow $output)) (param "bytes" (list u8)) (result (result (error $error)))))
                (export "[static]output.finish" (func (param "this" (own $output)) (result (result (error $error)))))))
            (core module $memory (memory (export "memory") 4)
                (data (i32.const 16) "{name}") (data (i32.const 32) "text/csv") (data (i32.const 64) "n\0a12\0a"))
            (core instance $memory (instantiate $memory))
            (core func $create (canon lower (func $outputs "create") (memory (core memory $memory "memory"))))
            (core func $write (canon lower (func $outputs "[method]output.write") (memory (core memory $memory "memory"))))
            (core func $finish (canon lower (func $outputs "[static]output.finish") (memory (core memory $memory "memory"))))
            (core module $m
                (import "host" "memory" (memory 1))
                (import "host" "create" (func $create (param i32 i32 i32 i32 i32)))
                (import "host" "write" (func $write (param i32 i32 i32 i32)))
                (import "host" "finish" (func $finish (param i32 i32)))
                (func (export "run") (result i32)
                    (local $n i32) (local $output i32)
                    (call $create (i32.const 16) (i32.const {letters}) (i32.const 32) (i32.const 8) (i32.const 0))
                    (if (i32.load8_u (i32.const 0)) (then unreachable))
                    (local.set $output (i32.load (i32.const 4)))
                    (loop $l
                        (call $write (local.get $output) (i32.const 64) (i32.const {length}) (i32.const 0))
                        (if (i32.load8_u (i32.const 0)) (then unreachable))
                        (local.set $n (i32.add (local.get $n) (i32.const 1)))
                        (br_if $l (i32.lt_u (local.get $n) (i32.const {times}))))
                    (call $finish (local.get $output) (i32.const 0))
                    (if (i32.load8_u (i32.const 0)) (then unreachable))
                    i32.const 0))
            (core instance $i (instantiate $m (with "host" (instance
                (export "memory" (memory $memory "memory"))
                (export "create" (func $create)) (export "write" (func $write)) (export "finish" (func $finish))))))
            (func (export "run") (result (result (error string)))
                (canon lift (core func $i "run") (memory (core memory $memory "memory")))))"#
    )
}

async fn write(text: &str) -> Result<Outputs, Failure> {
    let engine = engine().await;
    let component = compile(&engine, text).await.unwrap();
    let outputs = vec![DeclaredOutput { name: "result".into(), media_type: "text/csv".into() }];
    let limits = Limits { output_bytes: 1024 * 1024, ..limits(20_000) };
    run(&engine, Task { outputs, ..task(component, limits) }).await
}

#[tokio::test]
async fn a_finished_output_holds_exactly_what_was_written() {
    let mut outputs = write(&writer("result", 5, 2)).await.unwrap();
    let output = outputs.outputs.pop().unwrap();
    assert_eq!(output.name, "result");
    let Content::Opaque { media_type, bytes, .. } = output.content else { panic!("nothing here was witnessed") };
    assert_eq!((media_type.as_str(), bytes.as_slice()), ("text/csv", b"n\n12\nn\n12\n".as_slice()));
}

#[tokio::test]
async fn threat_36_a_name_of_the_components_own_is_refused() {
    assert_eq!(write(&writer("secret", 5, 1)).await.unwrap_err().kind(), FailureKind::Trapped);
}

#[tokio::test]
async fn an_output_ends_at_its_size_limit() {
    write(&writer("result", 65_536, 16)).await.unwrap();
    assert_eq!(write(&writer("result", 65_536, 17)).await.unwrap_err().kind(), FailureKind::Trapped);
}

#[tokio::test]
async fn threat_31_a_nan_has_one_form_whatever_made_it() {
    // A processor gives 0/0 a sign, and keeps the payload of a NaN that goes in: both would carry a message out.
    let stores = "(f64.store (i32.const 64) (f64.div (f64.load (i32.const 256)) (f64.load (i32.const 256))))
        (f64.store (i32.const 72) (f64.add (f64.const 1) (f64.reinterpret_i64 (i64.const 0x7ff4_dead_beef_0001))))
        (f64.store (i32.const 80) (f64.sqrt (f64.const -1)))";
    let text = writer("result", 24, 1).replacen("(call $create", &format!("{stores} (call $create"), 1);
    let mut outputs = write(&text).await.unwrap();
    let Content::Opaque { bytes, .. } = outputs.outputs.pop().unwrap().content else { panic!("bytes were written") };
    assert_eq!(bytes, 0x7ff8_0000_0000_0000_u64.to_le_bytes().repeat(3));
}
