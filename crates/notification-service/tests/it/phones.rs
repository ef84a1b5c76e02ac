//! What tests of push have in common: a Firebase, devices, and a clock that both sides go by.

use std::time::Duration;

use notification_service::{Credentials, Settings};
use serde_json::{Value, json};
use test_kit::eventually;
use test_kit::firebase::Firebase;
use test_kit::http::Answer;

use crate::harness::{Engine, Instance, SOON, Wishes, World};

/// Longer than somebody has to see a notification before it is pushed.
pub(crate) const DELAY: Duration = Duration::from_secs(11);

/// A database, Firebase, and the instances that push.
pub(crate) struct Phones {
    // Ends first.
    pub(crate) instance: Option<Instance>,
    pub(crate) firebase: Firebase,
    pub(crate) world: World,
}

/// Settings with a Firebase.
pub(crate) fn pushing(firebase: &Firebase) -> Wishes {
    let credentials = Credentials::parse(&firebase.account_here().to_string()).expect("an account");
    let endpoint = firebase.endpoint().parse().expect("an address");
    let tune = move |settings: &mut Settings| {
        settings.push.credentials = Some(credentials);
        settings.push.endpoint = Some(endpoint);
    };
    Wishes { background: true, ..Wishes::tuned(tune) }
}

impl Phones {
    pub(crate) fn with(engine: Engine) -> Self {
        let (mut world, firebase) = (World::new(engine), Firebase::start());
        let instance = world.start(pushing(&firebase));
        Self { instance: Some(instance), firebase, world }
    }

    pub(crate) fn at(&self) -> &Instance {
        self.instance.as_ref().expect("an instance runs")
    }

    /// Time passes, here and at Google.
    pub(crate) fn pass(&self, time: Duration) {
        self.firebase.advance(time);
        self.world.clock.advance(time);
    }

    /// It is this time (RFC 3339), here and at Google; not before now.
    pub(crate) fn travel(&self, to: &str) {
        let to = to.parse::<jiff::Timestamp>().expect(to).as_microsecond();
        let ahead = u64::try_from(to - self.world.clock.now()).expect("a time to come");
        self.pass(Duration::from_micros(ahead));
    }

    /// Registers a phone.
    #[track_caller]
    pub(crate) fn phone(&self, user: impl Into<Value>, token: &str) {
        let answer = self.register(user, token, "android");
        assert_eq!(answer.status, 201, "{}", answer.text());
    }

    pub(crate) fn register(&self, user: impl Into<Value>, token: &str, platform: &str) -> Answer {
        let body = json!({"token": token, "platform": platform, "device_name": format!("{token}'s name")});
        self.at().call(user, "POST", "/api/fcm/register-device", &[], Some(&body))
    }

    /// Waits until nothing is due and nothing is on its way.
    #[track_caller]
    pub(crate) fn settle(&self) {
        eventually(SOON, || self.due() == 0 && self.waiting() == 0);
    }

    /// Waits until nothing is due, and what is left waits for its next try.
    #[track_caller]
    pub(crate) fn rest(&self) {
        let now = || self.world.clock.now();
        eventually(SOON, || {
            self.due() == 0
                && self.world.number_by(
                    "SELECT COUNT(*) FROM push_sends WHERE live = 1 AND (state <> 'waiting' OR due_at <= $1)",
                    now(),
                ) == 0
        });
    }

    /// Waits until all is decided and no call is under way: Firebase may be left alone.
    #[track_caller]
    pub(crate) fn rest_but_due(&self) {
        eventually(SOON, || self.rests_but_due());
    }

    /// Whether all is decided and no call is under way.
    pub(crate) fn rests_but_due(&self) -> bool {
        let claimed = "SELECT COUNT(*) FROM push_sends WHERE live = 1 AND state <> 'waiting'";
        self.due() == 0 && self.world.number(claimed) == 0
    }

    fn due(&self) -> i64 {
        let now = self.world.clock.now();
        self.world.number_by("SELECT COUNT(*) FROM pushes WHERE open = 1 AND due_at <= $1", now)
    }

    /// Messages that are neither sent nor given up.
    pub(crate) fn waiting(&self) -> i64 {
        self.world.number("SELECT COUNT(*) FROM push_sends WHERE live = 1")
    }

    /// Waits until Firebase has taken so many messages in all, and no more; their bodies.
    #[track_caller]
    pub(crate) fn taken(&self, count: usize) -> Vec<Value> {
        eventually(SOON, || self.firebase.taken().len() >= count);
        let taken = self.firebase.taken();
        assert_eq!(taken.len(), count, "{taken:#?}");
        assert_eq!(self.firebase.faults(), Vec::<String>::new());
        taken
    }

    /// Sets preferences.
    #[track_caller]
    pub(crate) fn prefer(&self, user: impl Into<Value>, body: &Value) {
        let answer = self.at().call(user, "PUT", "/api/notifications/preferences", &[], Some(body));
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    #[track_caller]
    pub(crate) fn mark_read(&self, user: impl Into<Value>, id: i64) {
        let answer = self.at().call(user, "PUT", &format!("/api/notifications/{id}/read"), &[], None);
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    /// The texts of a notification's push steps.
    pub(crate) fn steps(&self, user: impl Into<Value>, id: i64) -> Vec<(String, String)> {
        let trace = self.at().read(user, &format!("/api/notifications/{id}/trace"));
        let steps = trace["steps"].as_array().expect("steps");
        let of_push =
            steps.iter().filter(|step| step["step"].as_str().is_some_and(|step| step.starts_with("push")));
        let text = |step: &Value, name: &str| step[name].as_str().unwrap_or_default().to_owned();
        of_push.map(|step| (text(step, "step"), text(step, "text"))).collect()
    }
}

/// The tag of a message.
pub(crate) fn tag(body: &Value) -> &str {
    body["message"]["data"]["tag"].as_str().unwrap_or_default()
}
