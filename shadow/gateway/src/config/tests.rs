use serde_json::{Value, json};

use super::*;

fn whole() -> Value {
    json!({
        "listen": "127.0.0.1:18300", "admin": "127.0.0.1:18301", "token_file": "token", "mode": "shadow",
        "state_file": null,
        "sides": {
            "baseline": {"instances": [
                {"name": "go-1", "address": "127.0.0.1:18101", "routes": ["balance"]},
                {"name": "go-2", "address": "127.0.0.1:18102", "routes": ["*", "recharge"]},
            ], "health": "/readyz", "host": null, "headers": {}},
            "candidate": {"instances": [{"name": "rust-1", "address": "127.0.0.1:18201", "routes": ["balance"]}],
                "health": "/readyz", "host": "wallet.test", "headers": {"x-side": "candidate"}},
            "second": null,
        },
        "routes": [
            {"name": "balance", "method": "GET", "path": "/v1/users/{user_id}/balance", "safe": true},
            {"name": "recharge", "method": "POST", "path": "/v1/users/{user_id}/recharges", "safe": false},
        ],
        "limits": {"header_bytes": 32768, "body_bytes": 1048576, "timeout_s": 10.0, "idle_s": 60.0, "connections": 1000},
        "mirror": {"queue": 1000, "concurrency": 64, "timeout_s": 2.0, "body_bytes": 1048576, "retries": 3, "share": 1.0},
        "compare": {"headers": ["content-type", "Ledger-As-Of"], "raced_header": "ledger-as-of",
            "redact_headers": ["authorization"], "pairs_file": "pairs.jsonl", "pairs_per_kind": 100},
        "health": {"interval_s": 1.0, "timeout_s": 1.0, "fails": 2, "passes": 2},
        "canary": {
            "share": 0.01, "whitelist": ["u-1", "u-2"], "user": {"placeholder": "user_id", "header": "X-User-Id"}, "salt": "",
            "budget_ms": {"min": 25.0, "max": 250.0, "factor": 3.0}, "retry": {"ratio": 0.2, "burst": 1000},
            "breaker": {"window_ms": 200, "failures": 5, "ratio": 0.3, "slow_factor": 4.0, "slow_floor_ms": 5.0,
                "slow_samples": 20, "open_s": 10.0, "max_open_s": 300.0, "probes": 20},
            "check": "json", "compare_share": 1.0,
        },
    })
}

fn faults_of(config: &Value) -> Vec<String> {
    Config::parse(&config.to_string()).expect_err("this must be refused").0
}

#[test]
fn a_whole_configuration_is_read() {
    let config = Config::parse(&whole().to_string()).expect("it is right");
    assert_eq!(config.mode, Mode::Shadow);
    assert_eq!(config.baseline.instances[0].serves, Serves { routes: vec![0], rest: false });
    assert_eq!(config.baseline.instances[1].serves, Serves { routes: vec![1], rest: true });
    let candidate = config.candidate.expect("it was given");
    assert_eq!(candidate.host.expect("it was given"), "wallet.test");
    assert_eq!(candidate.headers[0].0, "x-side");
    assert_eq!(config.compare.headers[1], "ledger-as-of");
    assert_eq!(config.limits.timeout, Duration::from_secs(10));
    assert_eq!(config.mirror.queue_bytes, 64 << 20);
    assert!(config.second.is_none() && config.state_file.is_none() && config.workers.is_none());
}

#[test]
fn every_fault_is_told_at_once_with_its_path() {
    let mut config = whole();
    config["listen"] = json!("nowhere");
    config["extra"] = json!(1);
    config["limits"]["body_bytes"] = json!(-1);
    config["mirror"]["share"] = json!(1.5);
    config["routes"][1]["safe"] = json!(true);
    config["sides"]["baseline"]["instances"][0]["routes"] = json!(["balances"]);
    config["health"].as_object_mut().expect("an object").remove("fails");
    let faults = faults_of(&config);
    for part in [
        "listen: \"nowhere\" is not host:port",
        "extra: unknown key",
        "limits.body_bytes: -1 is no whole number",
        "mirror.share: 1.5 is no number from 0 to 1",
        "routes[1].safe: POST is not safe",
        "sides.baseline.instances[0].routes: \"balances\" is no route's name",
        "health.fails: is missing",
    ] {
        assert!(faults.iter().any(|fault| fault.starts_with(part)), "{part} in {faults:#?}");
    }
    assert_eq!(faults.len(), 7, "{faults:#?}");
}

#[test]
fn a_mode_without_what_it_needs_is_refused() {
    let mut config = whole();
    config["sides"]["candidate"] = Value::Null;
    assert_eq!(faults_of(&config), ["mode: shadow, canary and full need sides.candidate"]);
    let mut config = whole();
    config["mode"] = json!("canary");
    assert_eq!(Config::parse(&config.to_string()).expect("it is right").mode, Mode::Canary);
    config["canary"] = Value::Null;
    assert_eq!(faults_of(&config), ["mode: canary needs the section canary"]);
}

#[test]
fn the_section_of_the_gray_release_is_read() {
    let canary = Config::parse(&whole().to_string()).expect("it is right").canary.expect("it was given");
    assert!(canary.whitelist.contains("u-2") && canary.checks_json);
    assert_eq!(canary.user.header.expect("it was given"), "x-user-id");
    assert_eq!((canary.budget.min, canary.budget.max), (Duration::from_millis(25), Duration::from_millis(250)));
    assert_eq!((canary.retry.burst, canary.breaker.probes), (1_000, 20));
    assert_eq!((canary.breaker.window, canary.breaker.open), (Duration::from_millis(200), Duration::from_secs(10)));
    let mut config = whole();
    config.as_object_mut().expect("an object").remove("canary");
    assert!(Config::parse(&config.to_string()).expect("it is right").canary.is_none());
}

#[test]
fn every_fault_of_the_gray_release_is_told_at_once() {
    let mut config = whole();
    config["canary"]["share"] = json!(1.5);
    config["canary"]["whitelist"] = json!([7]);
    config["canary"]["user"] = json!({"placeholder": "wallet", "header": "no header"});
    config["canary"]["budget_ms"]["max"] = json!(1.0);
    config["canary"]["retry"] = json!([]);
    config["canary"]["breaker"]["max_open_s"] = json!(1);
    config["canary"]["breaker"]["probe"] = json!(1);
    config["canary"]["check"] = json!("yes");
    let faults = faults_of(&config);
    for part in [
        "canary.share: 1.5 is no number from 0 to 1",
        "canary.whitelist: 7 is not a text",
        "canary.user.header: \"no header\" is no header's name",
        "canary.user.placeholder: \"wallet\" is in no route's path",
        "canary.budget_ms.max: is less than min",
        "canary.retry: [] is not an object",
        "canary.breaker.max_open_s: is less than open_s",
        "canary.breaker.probe: unknown key",
        "canary.check: \"yes\" is neither json nor off",
    ] {
        assert!(faults.iter().any(|fault| fault.starts_with(part)), "{part} in {faults:#?}");
    }
    assert_eq!(faults.len(), 9, "{faults:#?}");
}

#[test]
fn operators_come_in_from_this_machine_alone() {
    let mut config = whole();
    config["admin"] = json!("192.0.2.1:80");
    assert!(faults_of(&config)[0].starts_with("admin: 192.0.2.1:80 is not loopback"));
}

#[test]
fn a_header_s_value_is_never_repeated_in_a_fault() {
    let mut config = whole();
    config["sides"]["candidate"]["headers"] = json!({"authorization": "secret\n"});
    assert!(!faults_of(&config).join("\n").contains("secret"));
}
