//! Connections to the instances, one pool for each in each thread; the last one used is the first to be used again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::Instance;
use crate::body::Body;

/// Idle connections kept to one instance by one thread.
const KEPT: usize = 512;

/// The pools of one thread, by the instances' numbers.
#[derive(Debug, Clone)]
pub struct Pools(Arc<[Pool]>);

#[derive(Debug, Default, Clone)]
struct Pool(Arc<Mutex<Vec<Idle>>>);

#[derive(Debug)]
struct Idle {
    sender: SendRequest<Body>,
    since: Instant,
}

/// A connection on which one request is under way. Dropped, the connection closes; released, it is kept.
#[derive(Debug)]
pub struct Lease {
    /// Where the request goes.
    pub sender: SendRequest<Body>,
    /// Whether it carried a request before.
    pub kept: bool,
    duty: Duty,
    pool: Pool,
}

/// Counts a request as under way at its instance as long as it lives.
#[derive(Debug)]
struct Duty(Arc<Instance>);

impl Duty {
    fn new(instance: Arc<Instance>) -> Self {
        instance.begin();
        Self(instance)
    }
}

impl Drop for Duty {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl Pools {
    /// Empty pools for so many instances.
    #[must_use]
    pub fn new(instances: usize) -> Self {
        Self((0..instances).map(|_| Pool::default()).collect())
    }

    /// A connection to an instance: a kept one, unless a fresh one is asked for.
    ///
    /// # Errors
    /// The instance, when it takes no connection.
    pub async fn lease(&self, instance: Arc<Instance>, fresh: bool) -> Result<Lease, Arc<Instance>> {
        let pool = self.0[instance.id].clone();
        let duty = Duty::new(instance);
        if !fresh {
            while let Some(idle) = pool.take() {
                if idle.sender.is_ready() {
                    return Ok(Lease { sender: idle.sender, kept: true, duty, pool });
                }
            }
        }
        match connect(&duty.0).await {
            Some(sender) => Ok(Lease { sender, kept: false, duty, pool }),
            None => Err(duty.0.clone()),
        }
    }

    /// Closes what has been idle for longer.
    pub fn close_idle(&self, longer: Duration) {
        for pool in self.0.iter() {
            pool.lock().retain(|idle| !idle.sender.is_closed() && idle.since.elapsed() <= longer);
        }
    }
}

impl Pool {
    fn lock(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Option<Idle> {
        self.lock().pop()
    }

    fn keep(&self, sender: SendRequest<Body>) {
        let mut idle = self.lock();
        if idle.len() < KEPT {
            idle.push(Idle { sender, since: Instant::now() });
        }
    }
}

impl Lease {
    /// Who answers on it.
    #[must_use]
    pub fn instance(&self) -> &Arc<Instance> {
        &self.duty.0
    }

    /// Keeps the connection for another request, now or as soon as it can take one.
    pub fn release(self) {
        let Self { mut sender, pool, .. } = self;
        if sender.is_ready() {
            pool.keep(sender);
        } else if !sender.is_closed() {
            tokio::spawn(async move {
                if sender.ready().await.is_ok() {
                    pool.keep(sender);
                }
            });
        }
    }
}

async fn connect(instance: &Instance) -> Option<SendRequest<Body>> {
    let stream = TcpStream::connect(instance.address).await.ok()?;
    stream.set_nodelay(true).ok()?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    tokio::spawn(connection);
    Some(sender)
}
