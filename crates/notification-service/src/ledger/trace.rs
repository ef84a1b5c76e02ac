//! A notification's trace: every step from whoever made it to whoever read it, in order of time, and a verdict.
//!
//! `GET /api/notifications/{id}/trace` is for its user and for services; `GET /api/notifications/trace?user_id=&event=` for
//! services alone, by the id of a notification, of its event at the hub, or of the event that a rule made it from. Of an event
//! that made nothing for the user it tells which rules looked at it, and why not.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use events::AnyUserId;
use rest::list::Query;
use rest::{Caller, Failure, form, instant};
use serde::Serialize;
use store::Store;
use uuid::Uuid;

use super::step::{Kind, Step};
use super::table;
use super::verdict::{Facts, capital, held, verdict};
use crate::NotificationService;
use crate::desk::Desk;
use crate::notification::{Maker, Stored};
use crate::{push, rules};

/// The longest id of a user, in bytes (protocol: user ids).
const MOST_USER: usize = 200;

/// What became of a notification.
#[derive(Debug, Serialize)]
struct Trace {
    notification_id: i64,
    user_id: AnyUserId,
    #[serde(rename = "type")]
    kind: String,
    category: String,
    title: String,
    event_id: Uuid,
    source_event_id: Option<Uuid>,
    status: &'static str,
    verdict: String,
    connections: i64,
    steps: Vec<Step>,
}

/// What is known of an event and a user.
#[derive(Debug, Serialize)]
struct EventTrace {
    event: String,
    user_id: AnyUserId,
    verdict: String,
    notifications: Vec<Trace>,
    rules: Vec<RuleLook>,
}

/// What a rule made of an event.
#[derive(Debug, Serialize)]
struct RuleLook {
    rule: String,
    made: i64,
    at: Option<String>,
    text: String,
}

/// What became of a notification, step by step: for its user, and for services.
#[utoipa::path(get, path = "/api/notifications/{id}/trace", tag = "ledger",
    security(("bearer" = []), ("service_key" = [])),
    params(("id" = i64, Path, description = "The notification")),
    responses((status = 200, description = "Its steps in order of time, and a verdict", body = super::openapi::Trace),
        crate::openapi::CallerRefused, crate::openapi::NotFound, crate::openapi::Away))]
pub(crate) async fn of_notification(
    request: HttpRequest,
    path: Path<String>,
    service: Data<NotificationService>,
) -> Result<HttpResponse, Failure> {
    let caller = service.callers.caller(&request).await?;
    let not_found = || Failure::not_found("there is no such notification");
    let id = form::id(&path).map_err(|_| not_found())?;
    let stored = notification(&service.desk.store, id).await?.ok_or_else(not_found)?;
    let may_see = match &caller {
        Caller::Service => true,
        // One that a preference keeps from its user is not there for them.
        Caller::User(token) => token.user_id.as_str() == stored.user_key && stored.filtered.is_none(),
    };
    if !may_see {
        return Err(not_found());
    }
    Ok(HttpResponse::Ok().json(tell(&service.desk, stored).await?))
}

/// What became of an event for a user. For services.
#[utoipa::path(get, path = "/api/notifications/trace", tag = "ledger",
    security(("service_key" = [])), params(super::openapi::EventParameters),
    responses((status = 200, description = "The user's notifications of the event, each with its steps, and the rules that made nothing of it", body = super::openapi::EventTrace),
        crate::openapi::CallerRefused, crate::openapi::NotFound, crate::openapi::QueryRefused, crate::openapi::Away))]
pub(crate) async fn of_event(
    request: HttpRequest,
    service: Data<NotificationService>,
) -> Result<HttpResponse, Failure> {
    service.callers.service(&request).await?;
    let query = Query::of(&request);
    let mut errors = Vec::new();
    let user = query.get("user_id").filter(|text| text.len() <= MOST_USER && !text.contains('\0'));
    if user.is_none() {
        errors.push(("user_id", "must be a user's id".to_owned()));
    }
    let event = query.get("event").and_then(Asked::of);
    if event.is_none() {
        errors.push((
            "event",
            "must be the id of an event (a UUID) or of a notification (a number)".to_owned(),
        ));
    }
    form::invalid(errors)?;
    let (Some(user), Some(event)) = (user, event) else {
        return Err(Failure::not_found("nothing was asked for"));
    };
    let answer = for_user(&service.desk, user, event).await?;
    Ok(HttpResponse::Ok().json(answer))
}

/// What a trace is asked for by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// A notification's id.
    Notification(i64),
    /// An event's.
    Event(Uuid),
}

impl Asked {
    fn of(text: &str) -> Option<Self> {
        match form::id(text) {
            Ok(id) => Some(Self::Notification(id)),
            Err(_) => Uuid::try_parse(text).ok().map(Self::Event),
        }
    }
}

async fn for_user(desk: &Desk, user: &str, asked: Asked) -> Result<EventTrace, Failure> {
    let store = &desk.store;
    let event = match asked {
        Asked::Notification(id) => id.to_string(),
        Asked::Event(id) => id.to_string(),
    };
    let mut found = Vec::new();
    let mut looks = Vec::new();
    match asked {
        Asked::Notification(id) => found.extend(notification(store, id).await?),
        Asked::Event(id) => {
            found.extend(table::by_event(store, id).await?);
            for id in rules::table::of_event(store, &event, user).await? {
                found.extend(notification(store, id).await?);
            }
            for look in rules::table::looks(store, &event).await? {
                looks.push(RuleLook {
                    text: format!("the rule {} made nothing of it: {}", look.rule, look.outcome),
                    rule: look.rule,
                    made: 0,
                    at: Some(instant::show(look.looked_at)),
                });
            }
            for (rule, made) in rules::table::makers(store, &event).await? {
                let text = format!("the rule {rule} made a notification of it for {}", users(made));
                looks.push(RuleLook { rule, made, at: None, text });
            }
        }
    }
    let is_for_others = !found.is_empty() && found.iter().all(|stored| stored.user_key != user);
    found.retain(|stored| stored.user_key == user);
    let user_id =
        found.first().map_or_else(|| AnyUserId::Text(user.to_owned()), |stored| stored.user.clone());
    let mut notifications = Vec::with_capacity(found.len());
    for stored in found {
        notifications.push(tell(desk, stored).await?);
    }
    let verdict = if !notifications.is_empty() {
        notifications.iter().map(|trace| trace.verdict.as_str()).collect::<Vec<_>>().join(" ")
    } else if is_for_others {
        format!("It is a notification of another user, not of user {user}.")
    } else if !looks.is_empty() {
        let told: Vec<String> = looks
            .iter()
            .map(|look| match look.made {
                0 => format!("{}.", capital(&look.text)),
                _ => format!("{}, and user {user} is not among them.", capital(&look.text)),
            })
            .collect();
        format!("No notification was made of it for user {user}. {}", told.join(" "))
    } else {
        let detail = format!(
            "nothing is known of {event}: no notification has it, none was made from it, and no rule looked at it"
        );
        return Err(Failure::not_found(detail));
    };
    Ok(EventTrace { event, user_id, verdict, notifications, rules: looks })
}

fn users(count: i64) -> String {
    match count {
        1 => "1 user".to_owned(),
        count => format!("{count} users"),
    }
}

async fn notification(store: &Store, id: i64) -> sqlx::Result<Option<Stored>> {
    crate::table::by_id(store.reader(), id).await
}

/// The whole story of a notification.
async fn tell(desk: &Desk, stored: Stored) -> Result<Trace, Failure> {
    let now = desk.clock.now();
    let mut steps = own(desk, &stored, now).await?;
    let connections = on_connections(&desk.store, &stored, &mut steps).await?;
    let pushes = push::trace(desk.store.reader(), stored.id).await?;
    if pushes.is_empty() {
        // A push is planned where there is a device.
        let words = "it is not pushed: the user had no device";
        steps.push(Step::new(stored.created_at, Kind::PushSkipped, words).with("reason", "no_device"));
    }
    steps.extend(pushes);
    // What happened at the same moment stands in the order of its kinds, which is that of the way.
    steps.sort_by_key(|step| (step.at, step.kind));
    let facts = Facts {
        user: &stored.user_key,
        category: &stored.category,
        created_at: stored.created_at,
        connections,
        hub_tells: connections > 0 || table::has_any(&desk.store).await?,
        now,
    };
    Ok(Trace {
        status: status(&steps).as_str(),
        verdict: verdict(&facts, &steps),
        notification_id: stored.id,
        user_id: stored.user,
        kind: stored.kind,
        category: stored.category,
        title: stored.title,
        event_id: stored.event_id,
        source_event_id: stored.source,
        connections,
        steps,
    })
}

/// What the notification's own row tells, and whoever made it.
async fn own(desk: &Desk, stored: &Stored, now: i64) -> Result<Vec<Step>, Failure> {
    let created = stored.created_at;
    let mut steps = Vec::new();
    steps.push(match rules::table::origin(&desk.store, stored.id).await? {
        Some(made) => {
            let words = format!(
                "the rule {} made it from the event {} ({})",
                made.key.rule, made.key.event_id, made.event_type
            );
            Step::new(created, Kind::Accepted, words)
                .with("by", "rule")
                .with("rule", made.key.rule)
                .with("event_id", made.key.event_id)
                .with("event_type", made.event_type)
                .with("event_at", instant::show(made.event_at))
        }
        None => accepted(created, stored),
    });
    steps.push(Step::new(created, Kind::Stored, "it was stored"));
    if let Some(filtered) = &stored.filtered {
        let words = format!(
            "a preference of the user keeps it out of the inbox: in_app is off for the category {}",
            stored.category
        );
        steps.push(Step::new(created, Kind::Filtered, words).with("by", filtered.as_str()));
    } else {
        steps.extend(table::unheard(&desk.store, stored.event_id).await?.map(|unheard| unheard.step()));
    }
    if let Some(at) = stored.read_at {
        steps.push(Step::new(at, Kind::Read, "the user read it"));
    }
    let expires = stored.expires_at.filter(|at| *at <= now);
    match (stored.removed.as_deref(), stored.deleted_at) {
        (Some("deleted"), Some(at)) => steps.push(Step::new(at, Kind::Deleted, "the user deleted it")),
        (Some("filtered"), _) => {}
        (_, _) => {
            if let Some(at) = expires {
                steps.push(Step::new(at, Kind::Expired, "its time was over"));
            }
        }
    }
    Ok(steps)
}

/// Who made a notification that no rule made, or whose rule is forgotten.
fn accepted(at: i64, stored: &Stored) -> Step {
    let words = match stored.made_by {
        Maker::Service => "a service made it",
        Maker::User => "the user made it",
        Maker::Topic => "a service made it for the followers of a topic",
        Maker::Rule => "a rule made it",
    };
    Step::new(at, Kind::Accepted, words).with("by", stored.made_by.as_str())
}

/// What the hub told of the user's connections; how many there are.
async fn on_connections(store: &Store, stored: &Stored, steps: &mut Vec<Step>) -> sqlx::Result<i64> {
    let (deliveries, count) = table::connections(store, stored.event_id, &stored.user_key).await?;
    for delivery in deliveries {
        let id = &delivery.connection_id;
        let mut step = |at: Option<i64>, kind, words: String| {
            steps.extend(at.map(|at| Step::new(at, kind, words).with("connection_id", id.as_str())));
        };
        step(delivery.sent_at, Kind::Sent, format!("the hub sent it to the connection {id}"));
        step(delivery.delivered_at, Kind::Delivered, format!("the client of the connection {id} has it"));
        step(delivery.shown_at, Kind::Seen, format!("the client of the connection {id} has shown it"));
    }
    Ok(count)
}

/// The step that got furthest.
fn status(steps: &[Step]) -> Kind {
    const FURTHEST: [Kind; 14] = [
        Kind::Deleted,
        Kind::Read,
        Kind::Expired,
        Kind::Seen,
        Kind::Delivered,
        Kind::Pushed,
        Kind::PushDigest,
        Kind::Filtered,
        Kind::Refused,
        Kind::Waiting,
        Kind::PushHeld,
        Kind::PushWaiting,
        Kind::PushFailed,
        Kind::Sent,
    ];
    let has = |kind: &Kind| match kind {
        Kind::PushHeld => held(steps).is_some(),
        kind => steps.iter().any(|step| step.kind == *kind),
    };
    FURTHEST.into_iter().find(has).unwrap_or(Kind::Stored)
}
