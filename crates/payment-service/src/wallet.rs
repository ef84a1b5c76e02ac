//! A user's wallet as it is answered: what can be spent, what is set aside, and how it came to that.

use events::{JobId, PaymentId, Usd, UserId};
use rest::list::{List, Page};
use serde::Serialize;
use sqlx::{Any, Executor};
use store::now_micros;

use crate::call::Call;
use crate::ledger::Role;
use crate::metrics::Operation;
use crate::payments::Payments;
use crate::provider::PaymentProvider as _;
use crate::refusal::Refusal;

/// A wallet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Wallet {
    /// What can be spent, in US dollars: the sum of all entries.
    #[schema(value_type = f64)]
    pub balance_usd: Usd,
    /// What is set aside for open jobs, in US dollars.
    #[schema(value_type = f64)]
    pub held_usd: Usd,
    /// A page of what changed the balance.
    #[schema(value_type = EntryList)]
    pub entries: List<Entry>,
}

/// A page of a wallet's entries, newest first.
#[derive(Debug, utoipa::ToSchema)]
#[expect(dead_code, reason = "describes `List<Entry>`")]
pub(crate) struct EntryList {
    /// The entries.
    items: Vec<Entry>,
    /// The cursor of what follows; null on the last page.
    #[schema(required = true)]
    next: Option<String>,
}

/// One change of a wallet's balance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Entry {
    /// Its id.
    pub entry_id: i64,
    /// Why: `deposit`, `hold`, `release`, `refund`.
    #[schema(pattern = "^(deposit|hold|release|refund)$")]
    pub kind: String,
    /// How much, in US dollars; below 0 where money left the wallet.
    #[schema(value_type = f64)]
    pub amount_usd: Usd,
    /// The job that it was about; null for a deposit.
    #[schema(value_type = Option<i64>, required = true)]
    pub job_id: Option<JobId>,
    /// The payment that it was about; null for a deposit.
    #[schema(value_type = Option<i64>, required = true)]
    pub payment_id: Option<PaymentId>,
    /// When.
    #[serde(serialize_with = "rest::instant::serialize")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: i64,
}

/// An account of the user, with an entry if it is the wallet and has any on this page.
type Row = (String, i64, Option<i64>, Option<String>, Option<i64>, Option<i64>, Option<i64>, Option<i64>);

impl Wallet {
    /// Reads a user's wallet with a page of its entries. One without accounts is empty.
    pub(crate) async fn read<'e>(
        database: impl Executor<'e, Database = Any>,
        user: UserId,
        page: &Page,
    ) -> sqlx::Result<Self> {
        // One statement, so that the balances and the entries are of the same moment on either database.
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT accounts.kind, accounts.balance, page.entry_id, page.kind, page.amount, page.job_id,
                    page.payment_id, page.created_at
             FROM accounts LEFT JOIN (
                 SELECT entries.account_id, entries.entry_id, transfers.kind, entries.amount, transfers.job_id,
                        transfers.payment_id, transfers.created_at
                 FROM entries JOIN transfers ON transfers.transfer_id = entries.transfer_id
                 WHERE entries.account_id =
                           (SELECT account_id FROM accounts WHERE user_id = $1 AND kind = 'wallet')
                       AND entries.entry_id < $2
                 ORDER BY entries.entry_id DESC LIMIT $3
             ) AS page ON page.account_id = accounts.account_id
             WHERE accounts.user_id = $1",
        )
        .bind(user.get())
        .bind(page.before)
        .bind(page.rows())
        .fetch_all(database)
        .await?;
        let (mut balance_usd, mut held_usd, mut entries) = (Usd::ZERO, Usd::ZERO, Vec::new());
        for (account, balance, entry_id, kind, amount, job_id, payment_id, created_at) in rows {
            match account.as_str() {
                "wallet" => balance_usd = Usd::from_cents(balance),
                _ => held_usd = Usd::from_cents(balance),
            }
            if let (Some(entry_id), Some(kind), Some(amount), Some(created_at)) =
                (entry_id, kind, amount, created_at)
            {
                let id = |error: events::IdError| sqlx::Error::Decode(error.into());
                entries.push(Entry {
                    entry_id,
                    kind,
                    amount_usd: Usd::from_cents(amount),
                    job_id: job_id.map(JobId::new).transpose().map_err(id)?,
                    payment_id: payment_id.map(PaymentId::new).transpose().map_err(id)?,
                    created_at,
                });
            }
        }
        // A join promises no order.
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.entry_id));
        Ok(Self { balance_usd, held_usd, entries: page.list(entries, |entry| entry.entry_id) })
    }
}

impl Payments {
    /// A user's wallet. An employer's is made when it is first looked at.
    pub(crate) async fn wallet(&self, user: UserId, role: Role, page: &Page) -> Result<Wallet, Refusal> {
        if role == Role::Employer {
            self.ledger.open_accounts(user, role).await?;
        }
        Ok(Wallet::read(self.store.reader(), user, page).await?)
    }

    /// Brings money into an employer's wallet; `page` is of the wallet that is answered.
    pub(crate) async fn deposit(
        &self,
        call: &Call,
        employer: UserId,
        amount: Usd,
        page: &Page,
    ) -> Result<Wallet, Refusal> {
        self.ledger.open_accounts(employer, Role::Employer).await?;
        let mut transaction = self.store.begin().await?;
        self.ledger.deposit(&mut transaction, employer, amount, now_micros()).await?;
        let wallet = Wallet::read(&mut *transaction, employer, page).await?;
        call.keep(&mut transaction, &wallet).await?;
        transaction.commit().await?;
        self.metrics.count(Operation::Deposit);
        Ok(wallet)
    }
}
