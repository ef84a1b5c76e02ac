//! The parts of a service that can follow other settings while it runs: clients that show keys, and those who know callers.
//!
//! A part is asked to check the settings and to prepare what it would do; only when all have, it is done. Not here: when the
//! settings are read again ([`mod@crate::launch`]).

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use service_kit::settings::SettingsError;

use crate::settings::ServiceFlags;

/// What puts other settings in force.
type Apply = Box<dyn FnOnce()>;

/// What a part does with other settings.
type Follow = Box<dyn Fn(&ServiceFlags) -> Result<Apply, SettingsError> + Send>;

/// The parts. Clones are the same ones.
#[derive(Clone, Default)]
pub struct Followers(Arc<Mutex<Vec<Follow>>>);

impl fmt::Debug for Followers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Followers")
    }
}

impl Followers {
    /// One more: it checks settings, and answers with what puts them in force.
    pub fn add<A: FnOnce() + 'static>(
        &self,
        follow: impl Fn(&ServiceFlags) -> Result<A, SettingsError> + Send + 'static,
    ) {
        let boxed =
            move |flags: &ServiceFlags| -> Result<Apply, SettingsError> { Ok(Box::new(follow(flags)?)) };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(boxed));
    }

    /// Puts other settings in force in all of them, or in none.
    ///
    /// # Errors
    /// The first that one of them can't use.
    pub fn follow(&self, flags: &ServiceFlags) -> Result<(), SettingsError> {
        let followers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let prepared: Vec<Apply> = followers.iter().map(|follow| follow(flags)).collect::<Result<_, _>>()?;
        prepared.into_iter().for_each(|apply| apply());
        Ok(())
    }
}
