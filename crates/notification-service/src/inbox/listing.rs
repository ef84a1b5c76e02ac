//! A page of the inbox. The newest of a hundred thousand cost as much as the newest of ten: each page is read from the
//! end of an index, and what is counted stands in a row.

use events::AnyUserId;
use rest::Failure;
use sqlx::AssertSqlSafe;
use store::Transaction;

use crate::counts;
use crate::desk::Desk;
use crate::notification::Stored;
use crate::table::{self, COLUMNS, Counts};

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Pages in front of this one.
    pub(crate) pages: i64,
    pub(crate) per_page: i64,
    pub(crate) unread: Option<bool>,
    pub(crate) category: Option<String>,
    /// Only lower ids.
    pub(crate) before: i64,
}

/// What is there.
#[derive(Debug)]
pub(crate) struct Found {
    /// The notifications, newest first.
    pub(crate) notifications: Vec<Stored>,
    /// How many the filters name, on all pages.
    pub(crate) total: i64,
    /// What is unread in the whole inbox.
    pub(crate) unread_count: i64,
    /// The last id of this page where there is another.
    pub(crate) next: Option<i64>,
}

impl Desk {
    /// A page of a user's inbox.
    ///
    /// # Errors
    /// What the database says.
    pub(crate) async fn list(&self, user: &AnyUserId, wanted: &Wanted) -> Result<Found, Failure> {
        let (user_key, now) = (user.text(), self.clock.now());
        let mut snapshot = self.store.snapshot().await?;
        let inbox = counts::inbox(&mut snapshot, &user_key).await?;
        let all = counts::exact(&mut snapshot, &user_key, &inbox, now).await?;
        let named = match &wanted.category {
            None => all,
            Some(category) => counts::of_category(&mut snapshot, &user_key, category, &inbox, now).await?,
        };
        let total = named.of_state(wanted.unread);
        let mut notifications = match total {
            0 => Vec::new(),
            _ => page(&mut snapshot, &user_key, wanted, now).await?,
        };
        let per_page = usize::try_from(wanted.per_page).unwrap_or(usize::MAX);
        let is_more = notifications.len() > per_page;
        notifications.truncate(per_page);
        let next = notifications.last().filter(|_| is_more).map(|last| last.id);
        Ok(Found { notifications, total, unread_count: all.unread, next })
    }
}

impl Counts {
    fn of_state(self, unread: Option<bool>) -> i64 {
        match unread {
            None => self.total,
            Some(true) => self.unread,
            Some(false) => self.total - self.unread,
        }
    }
}

/// The rows of a page, and one more where there is another.
async fn page(
    transaction: &mut Transaction,
    user_key: &str,
    wanted: &Wanted,
    now: i64,
) -> sqlx::Result<Vec<Stored>> {
    let narrowed = if wanted.category.is_some() { "AND category = $7" } else { "" };
    // Each of the two states is read from the end of its index, so that neither costs a walk through the other.
    let of = |state: &str| {
        format!(
            "SELECT id FROM (SELECT id FROM notifications
             WHERE user_key = $1 AND is_unread = {state} AND removed IS NULL AND id < $2
                   AND (expires_at IS NULL OR expires_at > $3) {narrowed}
             ORDER BY id DESC LIMIT $4) AS state{state}"
        )
    };
    let ids = match wanted.unread {
        None => format!("{} UNION ALL {}", of("0"), of("1")),
        Some(true) => of("1"),
        Some(false) => of("0"),
    };
    let sql = format!(
        "SELECT {COLUMNS} FROM notifications WHERE id IN
             (SELECT id FROM ({ids}) AS either ORDER BY id DESC LIMIT $5 OFFSET $6)
         ORDER BY id DESC"
    );
    let (most, skipped) = (wanted.per_page + 1, wanted.pages.saturating_mul(wanted.per_page));
    let mut query = sqlx::query(AssertSqlSafe(sql))
        .bind(user_key)
        .bind(wanted.before)
        .bind(now)
        .bind(skipped.saturating_add(most))
        .bind(most)
        .bind(skipped);
    if let Some(category) = &wanted.category {
        query = query.bind(category);
    }
    query.fetch_all(&mut **transaction).await?.iter().map(table::stored).collect()
}
