//! The paths of devices, topics and preferences as a document; [`crate::openapi`] merges it into the service's.

use utoipa::{OpenApi, ToSchema};

use crate::{devices, preferences, topics};

/// The description of these paths.
#[derive(Debug, OpenApi)]
#[openapi(
    paths(
        devices::http::register,
        devices::http::unregister,
        devices::http::unregister_all,
        devices::http::list,
        topics::http::subscribe,
        topics::http::unsubscribe,
        preferences::http::get,
        preferences::http::put
    ),
    components(schemas(
        devices::Device,
        devices::http::DeviceList,
        devices::http::NewDevice,
        devices::http::OldDevice,
        devices::http::Removed,
        topics::http::TopicName,
        topics::http::Following,
        PreferencesShown,
        PreferencesChange,
        Channels,
        ChannelsChange,
        QuietHours,
        QuietHoursChange
    ))
)]
pub(crate) struct Description;

/// What a user wants, with what holds for every member.
#[derive(ToSchema)]
#[schema(as = Preferences)]
#[expect(dead_code, reason = "only described")]
pub(crate) struct PreferencesShown {
    /// Categories for which something was set; for all others `default` holds.
    #[schema(value_type = std::collections::BTreeMap<String, Channels>)]
    categories: String,
    /// What holds for every other category.
    default: Channels,
    /// When push is held and nothing sounds; `null` for never.
    #[schema(required = true)]
    quiet_hours: Option<QuietHours>,
    /// The language of digests: a language tag.
    locale: String,
}

/// What is to be changed; what is absent stays, `null` takes back what was set.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described; read member by member")]
pub(crate) struct PreferencesChange {
    /// At most 100 categories have something set.
    #[schema(value_type = Option<std::collections::BTreeMap<String, ChannelsChange>>)]
    categories: Option<String>,
    /// For every other category.
    default: Option<ChannelsChange>,
    /// What it does not name stays as it was.
    quiet_hours: Option<QuietHoursChange>,
    /// A language tag such as `en` or `de-AT`.
    locale: Option<String>,
}

/// How a notification of a category may reach its user.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub(crate) struct Channels {
    /// In the inbox.
    in_app: bool,
    /// On phones and in browsers, where no device showed it in time.
    push: bool,
    /// With a sound.
    sound: bool,
}

/// The same, to be changed.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described; read member by member")]
pub(crate) struct ChannelsChange {
    /// In the inbox.
    in_app: Option<bool>,
    /// On phones and in browsers, where no device showed it in time.
    push: Option<bool>,
    /// With a sound.
    sound: Option<bool>,
}

/// When a user wants quiet, by the clock on their wall.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub(crate) struct QuietHours {
    /// Whether they are in force.
    enabled: bool,
    /// `HH:MM`.
    start: String,
    /// `HH:MM`; before the start: on the next day.
    end: String,
    /// A zone of the IANA database.
    time_zone: String,
    /// The days on which they begin, of `mon` to `sun`; absent: all.
    days: Option<Vec<String>>,
}

/// The same, to be changed; all but `enabled` and `days` is needed where there were none.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described; read member by member")]
pub(crate) struct QuietHoursChange {
    /// `true` where it never was set.
    enabled: Option<bool>,
    /// `HH:MM`.
    start: Option<String>,
    /// `HH:MM`, not the start.
    end: Option<String>,
    /// A zone of the IANA database.
    time_zone: Option<String>,
    /// At least one of `mon` to `sun`, or `null` for all.
    days: Option<Vec<String>>,
}
