//! The callers' side: threads that accept and serve, limits of time, the drain.
//!
//! Every thread has a runtime, connection pools and a sweep of its own and shares the listening socket.

mod connection;
mod watch;

use std::net::TcpListener;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use serde_json::json;
use tokio::net::TcpStream;
use tokio::sync::{oneshot, watch as channel};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::log;
use crate::proxy::Proxy;
use crate::upstream::Pools;
use connection::{refuse, serve};
pub use watch::Watch;
use watch::{Clock, Order, TICK};

/// After the last accepted connection: requests that were on their way are still answered.
const LINGER: Duration = Duration::from_millis(300);
/// Added to the time of a request: the longest that a drain waits for answers.
const DRAIN_MORE: Duration = Duration::from_secs(5);
/// When no descriptor is free for a connection.
const BREATH: Duration = Duration::from_millis(50);

/// One thread that serves callers.
#[derive(Debug)]
pub struct Worker {
    proxy: Arc<Proxy>,
    pools: Pools,
    clock: Arc<Clock>,
    watches: Arc<Mutex<Vec<Weak<Watch>>>>,
}

/// A worker that runs; told when it is done.
pub type Done = oneshot::Receiver<()>;

/// Starts a thread that serves callers until `draining` says true, and then ends what is under way.
///
/// # Errors
/// No thread or no runtime can be made, or the socket is not fit.
pub fn start(
    number: usize,
    listener: &TcpListener,
    proxy: Arc<Proxy>,
    instances: usize,
    draining: channel::Receiver<bool>,
) -> std::io::Result<Done> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let listener = listener.try_clone()?;
    let (done, told) = oneshot::channel();
    let worker = Worker { proxy, pools: Pools::new(instances), clock: Arc::default(), watches: Arc::default() };
    std::thread::Builder::new().name(format!("worker-{number}")).spawn(move || {
        if let Err(fault) = runtime.block_on(worker.run(listener, draining)) {
            log::warn("a worker ended", &json!({"worker": number, "fault": fault.to_string()}));
        }
        let _ = done.send(());
    })?;
    Ok(told)
}

impl Worker {
    async fn run(&self, listener: TcpListener, mut draining: channel::Receiver<bool>) -> std::io::Result<()> {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        tokio::spawn(sweep(self.proxy.clone(), self.pools.clone(), self.clock.clone(), self.watches.clone()));
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _address)) => self.take(stream),
                    Err(fault) => {
                        log::warn("a connection was not accepted", &json!({"fault": fault.to_string()}));
                        sleep(BREATH).await;
                    }
                },
                _ = draining.wait_for(|draining| *draining) => break,
            }
        }
        self.clock.drain();
        self.take_waiting(listener.into_std()?)?;
        sleep(LINGER).await;
        self.order(Order::Close);
        let deadline = Instant::now() + self.proxy.limits.timeout + DRAIN_MORE;
        while self.open() > 0 && Instant::now() < deadline {
            sleep(TICK / 10).await;
        }
        if self.open() > 0 {
            log::warn("connections are cut at the end of the drain", &json!({"connections": self.open()}));
            self.order(Order::Cut);
        }
        Ok(())
    }

    /// Serves a caller's connection, or says that there are too many.
    fn take(&self, stream: TcpStream) {
        let metrics = &self.proxy.metrics;
        if metrics.connections.load(Ordering::Relaxed) >= self.proxy.limits.connections {
            metrics.refused.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(refuse(stream));
            return;
        }
        let watch = Arc::new(Watch::new(self.clock.clone()));
        self.watches.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&watch));
        metrics.connections.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(serve(stream, self.proxy.clone(), self.pools.clone(), watch));
    }

    /// Takes the connections that the kernel has accepted already; they would be reset with the socket.
    fn take_waiting(&self, listener: TcpListener) -> std::io::Result<()> {
        while let Ok((stream, _address)) = listener.accept() {
            stream.set_nonblocking(true)?;
            self.take(TcpStream::from_std(stream)?);
        }
        Ok(())
    }

    fn order(&self, order: Order) {
        let watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
        watches.iter().filter_map(Weak::upgrade).for_each(|watch| watch.give(order));
    }

    fn open(&self) -> usize {
        let watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
        watches.iter().filter(|watch| watch.strong_count() > 0).count()
    }
}

/// Moves the clock, and ends connections that have been at one thing for too long.
async fn sweep(proxy: Arc<Proxy>, pools: Pools, clock: Arc<Clock>, watches: Arc<Mutex<Vec<Weak<Watch>>>>) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        clock.tick();
        pools.close_idle(proxy.limits.idle);
        watches.lock().unwrap_or_else(PoisonError::into_inner).retain(|watch| {
            let Some(watch) = watch.upgrade() else { return false };
            if let Some(order) = watch.due(&proxy.limits) {
                watch.give(order);
            }
            true
        });
    }
}
