//! The ledger: double entry in whole cents.
//!
//! Money is always in exactly one account, and moves by transfers whose entries add up to 0: what a wallet gains, another
//! account loses. What came in from outside is what the provider's account is below 0. An account's balance is the sum
//! of its entries, kept beside them so that it can be locked and looked at without adding up; [`crate::books`] compares
//! the two.
//!
//! **Locks.** A transfer locks its two accounts in the order of their ids, then takes counters, so that no two transfers
//! wait for each other in a circle. Accounts are made in a transaction of their own ([`Ledger::open_accounts`]).
//!
//! Not here: whether a payment may be moved ([`crate::payments`]), and what a user sees ([`crate::wallet`]).

use events::{RefundReason, Usd, UserId};
use store::{Store, Transaction, counter, now_micros};

use crate::provider::{Escrow, PaymentProvider};
use crate::refusal::Refusal;

/// The most that a deposit may bring a wallet to: 1,000,000,000,000.00. A thousand of the largest amounts, and far from
/// what a double can't tell to the cent.
pub(crate) const WALLET_MAX: Usd = Usd::from_cents(100_000_000_000_000);

/// No balance goes further from 0 than this many cents: the largest amount below what 64 bits hold.
const BOUND: i64 = i64::MAX - Usd::MAX_AMOUNT.cents();

/// The user of the account that is nobody's. Users' ids begin at 1.
const NOBODY: i64 = 0;

/// What an account is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AccountKind {
    /// What its user can spend, or has earned.
    Wallet,
    /// What is set aside of an employer's money.
    Held,
    /// The world outside, from which deposits come.
    Provider,
}

impl AccountKind {
    /// The word in the tables.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Wallet => "wallet",
            Self::Held => "held",
            Self::Provider => "provider",
        }
    }
}

/// As what a user has accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// With a wallet that begins with the demo balance, and an account for what is held.
    Employer,
    /// With an empty wallet.
    Worker,
}

impl Role {
    fn kinds(self) -> &'static [AccountKind] {
        match self {
            Self::Employer => &[AccountKind::Wallet, AccountKind::Held],
            Self::Worker => &[AccountKind::Wallet],
        }
    }
}

/// What a transfer is, beside its amount and accounts.
#[derive(Debug, Clone, Copy)]
struct Movement {
    kind: &'static str,
    escrow: Option<Escrow>,
    reason: Option<RefundReason>,
    at: i64,
}

/// The accounts. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Ledger {
    store: Store,
    demo_balance: Usd,
    provider: i64,
}

impl Ledger {
    /// The ledger in this database; employers' wallets begin with `demo_balance`.
    pub(crate) async fn open(store: Store, demo_balance: Usd) -> sqlx::Result<Self> {
        let mut transaction = store.begin().await?;
        let provider = match account(&mut transaction, NOBODY, AccountKind::Provider).await? {
            Some(provider) => provider,
            None => {
                // Whoever waited here finds the account that another process made meanwhile.
                let id = counter(&mut transaction, "accounts").await?;
                match account(&mut transaction, NOBODY, AccountKind::Provider).await? {
                    Some(provider) => provider,
                    None => make_account(&mut transaction, id, NOBODY, AccountKind::Provider).await?,
                }
            }
        };
        transaction.commit().await?;
        Ok(Self { store, demo_balance, provider })
    }

    /// Makes the accounts that a user of this role lacks. An employer's begin with the demo balance, as a deposit.
    pub(crate) async fn open_accounts(&self, user: UserId, role: Role) -> Result<(), Refusal> {
        let kinds: Vec<String> = sqlx::query_scalar("SELECT kind FROM accounts WHERE user_id = $1")
            .bind(user.get())
            .fetch_all(self.store.reader())
            .await?;
        if role.kinds().iter().all(|kind| kinds.iter().any(|known| known == kind.as_str())) {
            return Ok(());
        }
        let mut transaction = self.store.begin().await?;
        // The counter's row is the lock: who comes second sees what the first has made.
        let mut id = Some(counter(&mut transaction, "accounts").await?);
        let mut made = Vec::new();
        for &kind in role.kinds() {
            if account(&mut transaction, user.get(), kind).await?.is_none() {
                let id = match id.take() {
                    Some(id) => id,
                    None => counter(&mut transaction, "accounts").await?,
                };
                make_account(&mut transaction, id, user.get(), kind).await?;
                made.push(kind);
            }
        }
        if made.is_empty() {
            return Ok(());
        }
        if made.contains(&AccountKind::Held) && self.demo_balance > Usd::ZERO {
            self.deposit(&mut transaction, user, self.demo_balance, now_micros()).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Moves money from one account to another, unless the giver has too little or the receiver would have more than
    /// `most` cents.
    async fn transfer(
        &self,
        transaction: &mut Transaction,
        movement: Movement,
        amount: Usd,
        [from, to]: [i64; 2],
        most: i64,
    ) -> Result<(), Refusal> {
        let cents = amount.cents();
        let least = if from == self.provider { -BOUND } else { 0 };
        let mut balances = [0, 0];
        let mut steps = [(0, from, -cents, least, BOUND), (1, to, cents, -BOUND, most)];
        steps.sort_by_key(|&(_, account, ..)| account);
        for (place, account, change, least, most) in steps {
            let balance: Option<i64> = sqlx::query_scalar(
                "UPDATE accounts SET balance = balance + $1
                 WHERE account_id = $2 AND balance + $1 >= $3 AND balance + $1 <= $4 RETURNING balance",
            )
            .bind(change)
            .bind(account)
            .bind(least)
            .bind(most)
            .fetch_optional(&mut **transaction)
            .await?;
            balances[place] = match balance {
                Some(balance) => balance,
                None if account == from && from != self.provider => return Err(Refusal::InsufficientFunds),
                None => return Err(Refusal::WalletFull(WALLET_MAX)),
            };
        }
        let transfer = counter(transaction, "transfers").await?;
        sqlx::query(
            "INSERT INTO transfers (transfer_id, kind, payment_id, job_id, reason, created_at)
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(transfer)
        .bind(movement.kind)
        .bind(movement.escrow.map(|escrow| escrow.payment.get()))
        .bind(movement.escrow.map(|escrow| escrow.job.get()))
        .bind(movement.reason.map(|reason| reason.as_str().to_owned()))
        .bind(movement.at)
        .execute(&mut **transaction)
        .await?;
        for (account, change, after) in [(from, -cents, balances[0]), (to, cents, balances[1])] {
            let entry = counter(transaction, "entries").await?;
            sqlx::query(
                "INSERT INTO entries (entry_id, transfer_id, account_id, amount, balance_after)
                 VALUES ($1, $2, $3, $4, $5)",
            )
            .bind(entry)
            .bind(transfer)
            .bind(account)
            .bind(change)
            .bind(after)
            .execute(&mut **transaction)
            .await?;
        }
        Ok(())
    }
}

impl PaymentProvider for Ledger {
    async fn deposit(
        &self,
        transaction: &mut Transaction,
        to: UserId,
        amount: Usd,
        at: i64,
    ) -> Result<(), Refusal> {
        let wallet = known(transaction, to, AccountKind::Wallet).await?;
        let movement = Movement { kind: "deposit", escrow: None, reason: None, at };
        self.transfer(transaction, movement, amount, [self.provider, wallet], WALLET_MAX.cents()).await
    }

    async fn hold(&self, transaction: &mut Transaction, escrow: Escrow) -> Result<(), Refusal> {
        let wallet = known(transaction, escrow.employer, AccountKind::Wallet).await?;
        let held = known(transaction, escrow.employer, AccountKind::Held).await?;
        let movement = Movement { kind: "hold", escrow: Some(escrow), reason: None, at: escrow.at };
        self.transfer(transaction, movement, escrow.amount, [wallet, held], BOUND).await
    }

    async fn release(
        &self,
        transaction: &mut Transaction,
        escrow: Escrow,
        to: UserId,
    ) -> Result<(), Refusal> {
        let held = known(transaction, escrow.employer, AccountKind::Held).await?;
        let wallet = known(transaction, to, AccountKind::Wallet).await?;
        let movement = Movement { kind: "release", escrow: Some(escrow), reason: None, at: escrow.at };
        self.transfer(transaction, movement, escrow.amount, [held, wallet], BOUND).await
    }

    async fn refund(
        &self,
        transaction: &mut Transaction,
        escrow: Escrow,
        reason: Option<RefundReason>,
    ) -> Result<(), Refusal> {
        let held = known(transaction, escrow.employer, AccountKind::Held).await?;
        let wallet = known(transaction, escrow.employer, AccountKind::Wallet).await?;
        let movement = Movement { kind: "refund", escrow: Some(escrow), reason, at: escrow.at };
        self.transfer(transaction, movement, escrow.amount, [held, wallet], BOUND).await
    }
}

async fn account(transaction: &mut Transaction, user: i64, kind: AccountKind) -> sqlx::Result<Option<i64>> {
    sqlx::query_scalar("SELECT account_id FROM accounts WHERE user_id = $1 AND kind = $2")
        .bind(user)
        .bind(kind.as_str())
        .fetch_optional(&mut **transaction)
        .await
}

/// An account that [`Ledger::open_accounts`] has made.
async fn known(transaction: &mut Transaction, user: UserId, kind: AccountKind) -> sqlx::Result<i64> {
    account(transaction, user.get(), kind).await?.ok_or(sqlx::Error::RowNotFound)
}

async fn make_account(
    transaction: &mut Transaction,
    id: i64,
    user: i64,
    kind: AccountKind,
) -> sqlx::Result<i64> {
    sqlx::query(
        "INSERT INTO accounts (account_id, kind, user_id, balance, created_at) VALUES ($1, $2, $3, 0, $4)",
    )
    .bind(id)
    .bind(kind.as_str())
    .bind(user)
    .bind(now_micros())
    .execute(&mut **transaction)
    .await?;
    Ok(id)
}
