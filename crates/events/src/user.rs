//! What the user service tells a user of their own account (contract: channels, PayChain events).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{AudienceRule, EventData, Service, UserId, UserType};

macro_rules! user_event {
    ($(#[$doc:meta])* $name:ident = $word:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
        pub struct $name {
            /// The user.
            pub user_id: UserId,
            /// What the user is on the platform.
            pub user_type: UserType,
        }

        impl EventData for $name {
            const TYPE: &'static str = $word;
            const SENDER: Service = Service::User;
            const AUDIENCE: AudienceRule = AudienceRule::User;

            fn users(&self) -> Vec<UserId> {
                vec![self.user_id]
            }
        }
    };
}

user_event! {
    /// A user registered, which also signs in.
    UserRegistered = "user_registered"
}

user_event! {
    /// A user signed in.
    UserLoggedIn = "user_logged_in"
}

user_event! {
    /// A user signed out of one session.
    UserLoggedOut = "user_logged_out"
}

user_event! {
    /// Sessions of a user were ended: all by the user's wish, one whose refresh token was used twice, or the oldest of more than 1,000.
    SessionRevoked = "session_revoked"
}
