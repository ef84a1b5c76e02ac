// The wallet: free and held money, what is held for which job, and the ledger. Events make its answers stale (live/), so it
// follows what happens elsewhere.

import { useState } from "react";
import type { Payment } from "../api/client";
import { useSession } from "../session";
import {
  Button,
  ButtonLink,
  EmptyState,
  HeldIcon,
  Loading,
  PageHeading,
  PlusIcon,
  Problem,
  Skeleton,
  usePageTitle,
  WalletIcon,
} from "../ui";
import { DepositDialog } from "./deposit-dialog";
import { Figure } from "./figure";
import { HeldList } from "./held-list";
import { daysOf, linesOf } from "./ledger";
import { MOST_PAGES, useJobTitles, usePayments, useWallet } from "./queries";
import { Statement } from "./statement";
import styles from "./wallet-page.module.css";

const ASKED = { title: "The wallet could not be loaded", kind: "read" } as const;

/** The page. */
export function WalletPage() {
  usePageTitle("Wallet");
  const { user } = useSession();
  const employer = user.user_type === "employer";
  const wallet = useWallet();
  const payments = usePayments();
  const [depositing, setDepositing] = useState(false);

  const pages = wallet.data?.pages ?? [];
  const lines = linesOf(pages, user.user_type, payments.data);
  const held = (payments.data ?? []).filter((payment) => payment.status === "held");
  const titles = useJobTitles([
    ...lines.flatMap((line) => line.jobId ?? []),
    ...held.map((payment) => payment.job_id),
  ]);
  const latest = pages[0];
  const heldAmount = employer ? (latest?.held_usd ?? null) : payments.data ? sum(held) : null;
  const retry = () => {
    void wallet.refetch();
    void payments.refetch();
  };

  return (
    <div className={styles.page}>
      <header className={styles.head}>
        <PageHeading>Wallet</PageHeading>
        {employer && (
          <Button icon={<PlusIcon />} onClick={() => setDepositing(true)}>
            Deposit
          </Button>
        )}
      </header>

      {wallet.isError && latest && (
        <Problem
          note
          error={wallet.error}
          asked={{ ...ASKED, title: "This may be out of date" }}
          onRetry={retry}
          retrying={wallet.isFetching}
        />
      )}

      {wallet.isError && !latest ? (
        <Problem error={wallet.error} asked={ASKED} onRetry={retry} retrying={wallet.isFetching} />
      ) : (
        <>
          <div>
            <dl className={styles.figures} data-long={isLong(latest?.balance_usd, heldAmount) || undefined}>
              <Figure
                name={employer ? "Free to spend" : "Earned"}
                amount={latest?.balance_usd ?? null}
                icon={<WalletIcon />}
              >
                {employer ? "For the jobs you post next" : "Paid to this wallet"}
              </Figure>
              <Figure
                name={employer ? "Held for jobs" : "Set aside for you"}
                amount={heldAmount}
                icon={<HeldIcon />}
              >
                {employer ? "Until the job is completed" : "Until the work is completed"}
              </Figure>
            </dl>
            {latest && heldAmount !== null && <Share free={latest.balance_usd} held={heldAmount} />}
          </div>
          <HeldList
            heading={employer ? "Held now" : "On its way to you"}
            payments={held}
            titles={titles}
            employer={employer}
          />
          <section aria-labelledby="ledger">
            <div className={styles.ledgerHead}>
              <h2 id="ledger">Ledger</h2>
              {employer && lines.some((line) => line.words === "Starting balance") && (
                <p className={styles.note}>
                  The starting balance and deposits are demo money; no bank is behind them.
                </p>
              )}
            </div>
            {latest ? (
              <Ledger wallet={wallet} lines={lines} titles={titles} employer={employer} />
            ) : (
              <LedgerSkeleton />
            )}
          </section>
        </>
      )}
      {depositing && <DepositDialog onClose={() => setDepositing(false)} />}
    </div>
  );
}

/** Whether an amount has so many figures that a phone has no room for another one beside it. */
function isLong(...amounts: readonly (number | null | undefined)[]): boolean {
  return amounts.some((amount) => (amount ?? 0) >= 1_000_000);
}

/** How the money is divided, as a line. The figures above say it; this shows it. */
function Share({ free, held }: { free: number; held: number }) {
  const all = free + held;
  if (all <= 0) return null;
  return (
    <div className={styles.share} aria-hidden="true">
      {free > 0 && <span className={styles.free} style={{ width: `${(free / all) * 100}%` }} />}
      {held > 0 && <span className={styles.held} />}
    </div>
  );
}

function Ledger({
  wallet,
  lines,
  titles,
  employer,
}: {
  wallet: ReturnType<typeof useWallet>;
  lines: ReturnType<typeof linesOf>;
  titles: ReadonlyMap<number, string>;
  employer: boolean;
}) {
  if (lines.length === 0) {
    return employer ? (
      <EmptyState title="No entries yet" action={<ButtonLink to="/jobs">Go to jobs</ButtonLink>}>
        Deposits, and the money of each job you post, will be listed here.
      </EmptyState>
    ) : (
      <EmptyState title="No earnings yet" action={<ButtonLink to="/jobs">Find a job</ButtonLink>}>
        What you earn is listed here as soon as an employer completes a job that you accepted.
      </EmptyState>
    );
  }
  const full = (wallet.data?.pages.length ?? 0) >= MOST_PAGES;
  return (
    <>
      <Statement days={daysOf(lines)} titles={titles} />
      {wallet.hasNextPage && (
        <Button
          className={styles.more}
          pending={wallet.isFetchingNextPage}
          onClick={() => void wallet.fetchNextPage()}
        >
          Show earlier
        </Button>
      )}
      {full && <p className={styles.note}>Earlier entries are kept, but not shown here.</p>}
    </>
  );
}

function LedgerSkeleton() {
  return (
    <Loading label="Loading the ledger">
      {[62, 48, 70, 55].map((width) => (
        <div key={width} className={styles.ghost}>
          <Skeleton width={`${width}%`} />
          <Skeleton width={84} />
        </div>
      ))}
    </Loading>
  );
}

/** What payments add up to, in US dollars, counted in whole cents. */
function sum(payments: readonly Payment[]): number {
  return payments.reduce((cents, payment) => cents + Math.round(payment.amount_usd * 100), 0) / 100;
}
