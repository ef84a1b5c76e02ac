//! JSON Schema, draft 2020-12, for the data of each event.

use serde_json::Value;

use super::ordered::Json;
use crate::Entry;

/// One member of an event, as its schema has it.
pub(super) struct Member {
    pub(super) name: String,
    pub(super) description: String,
    /// Whether it is always there.
    pub(super) is_required: bool,
    /// Its JSON types, such as `integer` or `null`.
    pub(super) types: Vec<String>,
    /// The words that it may be, where it is one of a set.
    pub(super) words: Vec<String>,
    schema: Value,
}

/// The members: those that are always there in the order in which they are written, which `required` keeps, and then the
/// others.
pub(super) fn members(entry: &Entry) -> Vec<Member> {
    let schema = entry.schema();
    let required = texts(schema.get("required"));
    let properties = schema.get("properties").and_then(Value::as_object).expect("an object's schema");
    let others: Vec<String> = properties.keys().filter(|name| !required.contains(name)).cloned().collect();
    let all =
        required.into_iter().map(|name| (name, true)).chain(others.into_iter().map(|name| (name, false)));
    all.map(|(name, is_required)| member(&properties[&name], name.clone(), is_required)).collect()
}

fn member(schema: &Value, name: String, is_required: bool) -> Member {
    let description = schema["description"].as_str().unwrap_or_default().replace('\n', " ");
    let (types, words) = (texts(schema.get("type")), texts(schema.get("enum")));
    Member { name, description, is_required, types, words, schema: schema.clone() }
}

/// A text, or those of an array.
fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// The schema's file.
pub(super) fn document(entry: &Entry) -> String {
    let id = format!("urn:fanfare:event:{}:v{}", entry.event_type, entry.version);
    let mut members = vec![
        ("$comment".to_owned(), super::note().into()),
        ("$schema".to_owned(), "https://json-schema.org/draft/2020-12/schema".into()),
        ("$id".to_owned(), id.into()),
    ];
    if let Json::Object(body) = body(entry) {
        members.extend(body);
    }
    members.push(("examples".to_owned(), Json::Array(vec![Json::parse(&entry.example())])));
    Json::Object(members).to_text()
}

/// What the schema says, without what makes it a file of its own.
pub(super) fn body(entry: &Entry) -> Json {
    let members = members(entry);
    let required = members.iter().filter(|it| it.is_required).map(|it| it.name.as_str().into()).collect();
    let properties = members.iter().map(|it| (it.name.clone(), property(it))).collect();
    Json::object([
        ("title", entry.name.into()),
        ("description", entry.description().into()),
        ("type", "object".into()),
        ("properties", Json::Object(properties)),
        ("required", Json::Array(required)),
    ])
}

/// A member's schema: the description, the type, and the limits by name.
fn property(member: &Member) -> Json {
    let rank = |key: &str| ["description", "type"].iter().position(|it| *it == key).unwrap_or(2);
    let schema = member.schema.as_object().cloned().unwrap_or_default();
    let mut parts: Vec<(String, Json)> =
        schema.into_iter().map(|(key, value)| (key, Json::Plain(value))).collect();
    parts.sort_by(|(a, _), (b, _)| (rank(a), a).cmp(&(rank(b), b)));
    Json::Object(parts)
}
