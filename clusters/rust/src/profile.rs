//! `GET /debug/pprof/profile?seconds=`: samples the process's CPU and answers the profile as pprof protobuf.

use std::time::Duration;

use actix_web::body::BoxBody;
use actix_web::{HttpResponse, rt};
use pprof::protos::Message as _;

const SECONDS_DEFAULT: u64 = 30;
const SECONDS_MAX: u64 = 120;
/// Not a round number, so that samples do not fall in step with timers.
const SAMPLES_HZ: i32 = 997;

/// Profiles for the time that the query asks for, 1 to 120 s.
pub async fn respond(query: &str) -> HttpResponse<BoxBody> {
    let seconds = query.split('&').find_map(|piece| piece.strip_prefix("seconds=")?.parse().ok());
    let seconds = seconds.unwrap_or(SECONDS_DEFAULT).clamp(1, SECONDS_MAX);
    match record(Duration::from_secs(seconds)).await {
        Ok(bytes) => HttpResponse::Ok().content_type("application/octet-stream").body(bytes),
        Err(fault) => HttpResponse::ServiceUnavailable().content_type("text/plain").body(format!("{fault}\n")),
    }
}

async fn record(duration: Duration) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let guard = pprof::ProfilerGuardBuilder::default()
        .frequency(SAMPLES_HZ)
        .blocklist(&["libc", "libgcc", "pthread", "vdso"])
        .build()?;
    rt::time::sleep(duration).await;
    Ok(guard.report().build()?.pprof()?.write_to_bytes()?)
}
