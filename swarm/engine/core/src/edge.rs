//! Which edge a plan gets.

use crate::net::Net;
use crate::plan::{IoKind, Plan, PlanError};
use crate::uring::Uring;

/// An edge.
pub(crate) enum Edge {
    Epoll(Net),
    Uring(Box<Uring>),
}

impl Edge {
    pub(crate) fn new(plan: &Plan, slots: usize) -> Result<Self, PlanError> {
        match plan.io {
            IoKind::Uring if plan.coalesce_us > 0 => {
                Err(PlanError::Uring(std::io::Error::other("it has no kernel receive times, which coalesce_us needs")))
            }
            IoKind::Uring => Ok(Self::Uring(Uring::new(slots).map(Box::new).map_err(PlanError::Uring)?)),
            IoKind::Auto | IoKind::Epoll => {
                let net = Net::new(slots)?;
                Ok(Self::Epoll(if plan.coalesce_us > 0 { net.with_stamps() } else { net }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::{Load, Stage};
    use crate::template::{Columns, RequestSpec};

    #[test]
    fn io_uring_is_refused_where_kernel_receive_times_are_needed_and_auto_is_epoll() {
        let stages = vec![Stage::new(0, Load::Rate(1.0), 0.0, 1.0)];
        let plan = Plan::simple(Vec::new(), RequestSpec::get("/"), Columns::default(), stages);
        assert!(matches!(Edge::new(&plan, 1), Ok(Edge::Epoll(_))));
        let fault = Edge::new(&Plan { io: IoKind::Uring, coalesce_us: 1, ..plan }, 1).err().expect("refused");
        assert!(fault.to_string().contains("no kernel receive times"), "{fault}");
    }
}
