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
        "canary": {"anything": true},
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
fn shadow_without_a_candidate_and_canary_are_refused() {
    let mut config = whole();
    config["sides"]["candidate"] = Value::Null;
    assert_eq!(faults_of(&config), ["mode: shadow and full need sides.candidate"]);
    config["mode"] = json!("canary");
    assert_eq!(faults_of(&config), ["mode: canary is not built yet; take off, shadow or full"]);
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
