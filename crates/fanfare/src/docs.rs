//! `docs/configuration-services.md`, made from the descriptions of the settings. A test fails when the file drifts.

use chat_service::ChatFlags;
use clap::{Arg, Args, Command};
use job_service::JobFlags;
use notification_service::NotificationFlags;
use payment_service::PaymentFlags;
use pubsub_bridge::{BridgeFlags, process};
use rest::Program;
use rest::settings::ServiceFlags;
use service_kit::settings::tables;
use user_service::UserFlags;

use crate::up;

/// The command that writes the page anew.
const REGENERATE: &str =
    "cargo run -p fanfare -- up --print-configuration-docs > docs/configuration-services.md";

const HEAD: &str = "\
# Configuration of `fanfare up` and of the services

Each setting is a variable of the environment and a flag; a flag wins over its variable, and an empty variable is
the same as unset. A wrong value stops the start with one line that names it, before a port is opened.

## `fanfare up`

It takes all settings of the hub, which are in [configuration.md](configuration.md), except `JWKS_URL`: the keys are its
own user service's. Beside them:
";

const SERVICES: &str = "
## A service as a process of its own

`user-service`, `job-service`, `payment-service`, `chat-service` and `notification-service` have these in common:
";

const OWN: &str = "
And each its own:
";

const BRIDGE: &str = "
## The bridge from Pub/Sub as a process of its own

`pubsub-bridge` ([pubsub-bridge.md](pubsub-bridge.md)) has neither users nor a database. It takes the settings under
[Pub/Sub](#pubsub) above, and these alone:
";

/// The page as it should stand in `docs/configuration-services.md`.
pub(crate) fn configuration() -> String {
    let mut page =
        format!("<!-- Generated from the settings' descriptions; to write it anew:\n     {REGENERATE} -->\n");
    page.push_str(HEAD);
    // The services' key is a setting of the hub as well, but there none is made where it is unset.
    let command = websocket_server::config::command();
    let hub: Vec<String> = command.get_arguments().map(id).filter(|id| id != "service_api_key").collect();
    page.push_str(&tables(&without(up::command(), &hub), 3));
    page.push_str(SERVICES);
    page.push_str(&tables(&common(), 3));
    page.push_str(OWN);
    page.push_str(&tables(&own::<UserFlags>(), 3));
    page.push_str(&tables(&own::<JobFlags>(), 3));
    page.push_str(&tables(&own::<PaymentFlags>(), 3));
    page.push_str(&tables(&own::<ChatFlags>(), 3));
    page.push_str(&tables(&own::<NotificationFlags>(), 3));
    page.push_str(BRIDGE);
    let shared: Vec<String> = own::<BridgeFlags>().get_arguments().map(id).collect();
    page.push_str(&tables(&without(process::command(), &shared), 3));
    page
}

fn id(arg: &Arg) -> String {
    arg.get_id().to_string()
}

/// The command without these arguments.
fn without(command: Command, ids: &[String]) -> Command {
    command.mut_args(|arg| if ids.contains(&id(&arg)) { arg.hide(true) } else { arg })
}

fn own<F: Args>() -> Command {
    F::augment_args(Command::new("own"))
}

/// The settings of every service; each has a default port of its own.
fn common() -> Command {
    let ports = "8083 (user), 8081 (job), 8082 (payment), 8086 (chat), 8084 (notification)";
    let program = Program { name: "service", about: "", port: ports };
    ServiceFlags::augment_args(Command::new(program.name)).mut_arg("port", |arg| {
        arg.value_parser(clap::builder::NonEmptyStringValueParser::new()).default_value(ports)
    })
}

#[cfg(test)]
mod tests {
    use service_kit::settings::gaps;

    use super::*;

    #[test]
    fn the_page_is_up_to_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration-services.md");
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(written == configuration(), "docs/configuration-services.md has drifted: {REGENERATE}");
    }

    #[test]
    fn every_setting_says_what_it_does_and_takes() {
        let own = [
            own::<UserFlags>(),
            own::<JobFlags>(),
            own::<PaymentFlags>(),
            own::<ChatFlags>(),
            own::<NotificationFlags>(),
        ];
        for command in [up::command(), common(), process::command()].into_iter().chain(own) {
            assert_eq!(gaps(&command), Vec::<String>::new());
        }
    }
}
