//! Stacks of callers whose fault is the stack that they have; made when the first such caller comes.

use std::sync::Arc;

use racegate_media::{Curve, DenseStack, DtlsVersion, PeerError, Stack};
use racegate_model::fault::Fault;

use super::DialFault;

/// The stacks that there are so far.
#[derive(Debug, Default)]
pub(super) struct Oddities {
    other_curve: Option<Arc<dyn Stack>>,
    only_new: Option<Arc<dyn Stack>>,
}

impl Oddities {
    /// The stack for a caller with that fault; `usual` for nearly all.
    pub(super) fn stack(
        &mut self,
        fault: Option<DialFault>,
        usual: &Arc<dyn Stack>,
    ) -> Result<Arc<dyn Stack>, PeerError> {
        let (place, version, curve) = match fault.map(|met| met.fault) {
            Some(Fault::OtherCurve) => (&mut self.other_curve, DtlsVersion::V12, Curve::P384),
            Some(Fault::Dtls13Only) => (&mut self.only_new, DtlsVersion::V13, Curve::P256),
            _ => return Ok(Arc::clone(usual)),
        };
        let stack: Arc<dyn Stack> = match place.take() {
            Some(stack) => stack,
            None => Arc::new(DenseStack::with_identity(version, curve)?),
        };
        Ok(Arc::clone(place.insert(stack)))
    }
}
