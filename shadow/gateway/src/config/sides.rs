//! The sides of the configuration: instances, what each serves, what is set on requests to them.

use std::net::SocketAddr;

use hyper::header::{HeaderName, HeaderValue};
use serde_json::Value;

use super::list;
use super::reader::Section;
use crate::route::Route;

/// One side: a cluster of instances.
#[derive(Debug, Clone)]
pub struct SideConfig {
    /// At least one.
    pub instances: Vec<InstanceConfig>,
    /// The path of the health check; none: every instance counts as healthy.
    pub health: Option<String>,
    /// The Host to send; none: the caller's.
    pub host: Option<HeaderValue>,
    /// Headers set on every request.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

/// One instance.
#[derive(Debug, Clone)]
pub struct InstanceConfig {
    /// Its name in metrics and records.
    pub name: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// What it serves.
    pub serves: Serves,
}

/// What an instance serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serves {
    /// Indices of routes.
    pub routes: Vec<usize>,
    /// Every path that matches no route.
    pub rest: bool,
}

const NAMES: [&str; 3] = ["baseline", "candidate", "second"];

/// Reads the three sides; the first must be there.
pub(super) fn read(top: &mut Section<'_>, routes: &[Route]) -> [Option<SideConfig>; 3] {
    let Some(value) = top.required("sides") else { return [None, None, None] };
    let path = top.at("sides");
    let Some(mut section) = Section::new(&path, value, top.faults()) else { return [None, None, None] };
    let values = [section.required(NAMES[0]), section.optional(NAMES[1]), section.optional(NAMES[2])];
    let sides = std::array::from_fn(|index| {
        let path = section.at(NAMES[index]);
        side(&path, values[index]?, routes, section.faults())
    });
    section.end();
    sides
}

fn side(path: &str, value: &Value, routes: &[Route], faults: &mut Vec<String>) -> Option<SideConfig> {
    let mut section = Section::new(path, value, faults)?;
    let values = list(&mut section, "instances");
    if values.is_empty() {
        section.fault("instances", "there is none");
    }
    let instances = values
        .into_iter()
        .enumerate()
        .filter_map(|(number, value)| {
            let path = section.at(&format!("instances[{number}]"));
            instance(&path, value, routes, section.faults())
        })
        .collect();
    let health = section.optional_text("health").map(str::to_owned);
    if let Some(path) = health.as_ref().filter(|path| !path.starts_with('/')) {
        section.fault("health", &format!("{path:?} is not a path"));
    }
    let host = section.optional_text("host").map(HeaderValue::from_str);
    if matches!(host, Some(Err(_))) {
        section.fault("host", "holds what no header may hold");
    }
    let headers = headers(&mut section);
    section.end();
    Some(SideConfig { instances, health, host: host.and_then(Result::ok), headers })
}

fn instance(path: &str, value: &Value, routes: &[Route], faults: &mut Vec<String>) -> Option<InstanceConfig> {
    let mut section = Section::new(path, value, faults)?;
    let (name, address) = (section.text("name").map(str::to_owned), section.address("address"));
    let mut serves = Serves { routes: Vec::new(), rest: false };
    for text in section.texts("routes") {
        match routes.iter().position(|route| route.name == text) {
            Some(index) => serves.routes.push(index),
            None if text == "*" => serves.rest = true,
            None => section.fault("routes", &format!("{text:?} is no route's name and not \"*\"")),
        }
    }
    section.end();
    Some(InstanceConfig { name: name?, address: address?, serves })
}

/// Values are secrets at times: a fault names the header alone.
fn headers(section: &mut Section<'_>) -> Vec<(HeaderName, HeaderValue)> {
    let Some(value) = section.optional("headers") else { return Vec::new() };
    let Some(map) = value.as_object() else {
        section.fault("headers", "is not an object of names and texts");
        return Vec::new();
    };
    let mut headers = Vec::new();
    for (name, value) in map {
        let value = value.as_str().and_then(|text| HeaderValue::from_str(text).ok());
        match (HeaderName::from_bytes(name.as_bytes()), value) {
            (Ok(name), Some(value)) => headers.push((name, value)),
            _ => section.fault("headers", &format!("{name:?} is no header's name, or its value is not a header's")),
        }
    }
    headers
}
