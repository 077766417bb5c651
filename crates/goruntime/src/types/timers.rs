//! Timers: the runtime hands out a larger struct than the one that programs see.

use super::{Field, GoType, Kind, TypeId, Types};

/// What programs hold a pointer to.
const PUBLIC: [&str; 2] = ["time.Timer", "time.Ticker"];
/// What that pointer leads to.
const WHOLE: &str = "runtime.timeTimer";

impl Types {
    /// Lets every `*time.Timer` and `*time.Ticker` point at all that is there: callback and argument too.
    ///
    /// Up to Go 1.22 the public struct is the whole, and there is no other.
    /// Runtime: runtime/time.go, timeTimer and newTimer
    pub(super) fn complete_timers(&mut self) {
        let Some(whole) = self.by_name(WHOLE) else { return };
        let public = PUBLIC.into_iter().filter_map(|name| self.by_name(name));
        for public in public.filter(|id| self.own_place(*id).is_some()).collect::<Vec<_>>() {
            let complete = self.complete_timer(public, whole).and_then(|ty| self.push(ty));
            if let Some(complete) = complete {
                self.redirect_pointers(public, complete);
            }
        }
    }

    /// The public struct's name and channel, with every other field of the whole.
    fn complete_timer(&self, public: TypeId, whole: TypeId) -> Option<GoType> {
        let channel = self.field(public, "C")?.clone();
        let hidden = self.field(whole, "c").filter(|hidden| hidden.offset == channel.offset)?;
        let size = self.size(whole);
        if size <= self.size(public) {
            return None;
        }
        let mut fields: Vec<Field> = vec![channel];
        fields.extend(self.fields(whole).iter().filter(|field| field.name != hidden.name).cloned());
        Some(GoType { size, kind: Kind::Struct { fields }, ..self.get(public)?.clone() })
    }

    fn redirect_pointers(&mut self, from: TypeId, to: TypeId) {
        for ty in &mut self.types {
            match &mut ty.kind {
                Kind::Pointer { elem } if *elem == from => *elem = to,
                _ => {}
            }
        }
    }
}
