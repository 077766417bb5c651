//! What waits in a channel (`runtime/chan.go`, `hchan`).

use leakscope_goruntime::TypeId;
use leakscope_model::Addr;

use super::read::Way;
use super::{Values, What};

impl Values<'_> {
    /// The channel whose header lies at `at`.
    pub(super) fn channel(&mut self, elem: TypeId, at: Addr, way: Way) -> Result<What, What> {
        let (mut len, mut cap, mut closed) = (0, 0, false);
        let mut elements = Vec::new();
        let slot = |path| self.layout.slot(path);
        let slots = (slot("hchan.qcount"), slot("hchan.dataqsiz"), slot("hchan.buf"), slot("hchan.recvx"));
        if let (Some(count), Some(room), Some(buffer), Some(next)) = slots
            && !at.is_nil()
        {
            len = self.field(at, count)?;
            cap = self.field(at, room)?;
            closed = slot("hchan.closed").map_or(Ok(0), |closed| self.field(at, closed))? != 0;
            let (buffer, next) = (Addr::new(self.field(at, buffer)?), self.field(at, next)?);
            let size = self.types().get(elem).map_or(0, |ty| ty.size);
            for index in 0..len.min(self.limits.elements).min(cap) {
                let Some(way) = way.along() else { break };
                let place = next.checked_add(index).and_then(|index| index.checked_rem(cap));
                let place = place.and_then(|index| buffer.checked_add(index.checked_mul(size)?));
                let Some(place) = place else { break };
                elements.push(self.value(elem, place, way));
            }
        }
        Ok(What::Chan { at, len, cap, closed, elements })
    }
}
