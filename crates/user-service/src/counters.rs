//! What the service counts beside its requests and its relay.

use prometheus::{IntCounter, IntCounterVec, Opts, Registry};

/// What came of a sign-in.
#[derive(Debug, Clone, Copy)]
pub(crate) enum SignIn {
    /// Signed in.
    Good,
    /// Wrong address or password.
    Wrong,
    /// Too many wrong passwords for the address.
    Locked,
    /// Too many calls from the machine; registrations count too.
    Limited,
}

/// What came of a refresh.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Refresh {
    /// A new pair.
    Rotated,
    /// A void token: its family is ended.
    Reused,
    /// An unknown or expired token, or one of an ended family.
    Invalid,
}

/// The counters. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Counters {
    /// Passwords hashed, to keep or to compare, for known and unknown addresses alike.
    pub(crate) hashes: IntCounter,
    sign_ins: IntCounterVec,
    refreshes: IntCounterVec,
}

impl Counters {
    /// Registers `fanfare_password_hashes_total`, `fanfare_sign_ins_total{outcome}` and
    /// `fanfare_refreshes_total{outcome}`.
    ///
    /// # Errors
    /// When the registry has them already.
    pub(crate) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let hashes =
            IntCounter::new("fanfare_password_hashes_total", "Passwords hashed, to keep or to compare")?;
        let vector = |name, help| IntCounterVec::new(Opts::new(name, help), &["outcome"]);
        let sign_ins = vector("fanfare_sign_ins_total", "Sign-ins, by what came of them")?;
        let refreshes = vector("fanfare_refreshes_total", "Uses of refresh tokens, by what came of them")?;
        registry.register(Box::new(hashes.clone()))?;
        registry.register(Box::new(sign_ins.clone()))?;
        registry.register(Box::new(refreshes.clone()))?;
        Ok(Self { hashes, sign_ins, refreshes })
    }

    pub(crate) fn sign_in(&self, outcome: SignIn) {
        let outcome = match outcome {
            SignIn::Good => "good",
            SignIn::Wrong => "wrong",
            SignIn::Locked => "locked",
            SignIn::Limited => "limited",
        };
        self.sign_ins.with_label_values(&[outcome]).inc();
    }

    pub(crate) fn refresh(&self, outcome: Refresh) {
        let outcome = match outcome {
            Refresh::Rotated => "rotated",
            Refresh::Reused => "reused",
            Refresh::Invalid => "invalid",
        };
        self.refreshes.with_label_values(&[outcome]).inc();
    }
}
