// The life of a job, drawn as a line that fills in. Which steps there are is decided in timeline.ts.

import { useEffect, useState } from "react";
import { CheckIcon, HeldIcon, Money, OutIcon, ReturnIcon, TimeAgo, VisuallyHidden } from "../ui";
import type { Job, Payment, Viewer } from "./job";
import { type MoneyState, type SeenTimes, type Step, timeline } from "./timeline";
import styles from "./timeline-view.module.css";

const MONEY_WORDS: Record<MoneyState, string> = { held: "held", released: "paid out", refunded: "returned" };

interface TimelineProps {
  job: Job;
  payment: Payment | null;
  viewer: Viewer;
}

/** The timeline of a job. */
export function Timeline({ job, payment, viewer }: TimelineProps) {
  const steps = timeline(job, payment, viewer, useSeenTimes(job));
  return (
    <section aria-labelledby="timeline-heading">
      <h2 id="timeline-heading" className={styles.heading}>
        Progress
      </h2>
      <ol>
        {steps.map((step) => (
          <StepRow key={step.key} step={step} amount={job.pay_amount_usd} />
        ))}
      </ol>
    </section>
  );
}

function StepRow({ step, amount }: { step: Step; amount: number }) {
  return (
    <li className={styles.step} data-state={step.state} data-money={step.money ?? undefined}>
      <span className={styles.mark} aria-hidden="true">
        {step.state === "done" && <CheckIcon />}
      </span>
      <div className={styles.words}>
        <p className={styles.title}>
          {step.title}
          {step.state !== "done" && <VisuallyHidden>, not yet</VisuallyHidden>}
        </p>
        {(step.note || step.at || step.money) && (
          <p className={styles.facts}>
            <span>
              {step.note}
              {step.note && step.at && ", "}
              {step.at && <TimeAgo at={step.at} />}
            </span>
            {step.money && (
              <span className={styles.money}>
                <MoneyIcon state={step.money} />
                <span>
                  <Money amount={amount} /> {MONEY_WORDS[step.money]}
                </span>
              </span>
            )}
          </p>
        )}
      </div>
    </li>
  );
}

function MoneyIcon({ state }: { state: MoneyState }) {
  switch (state) {
    case "held":
      return <HeldIcon />;
    case "released":
      return <OutIcon />;
    case "refunded":
      return <ReturnIcon />;
  }
}

/** The times that this window has seen of a job while it was open. */
function useSeenTimes(job: Job): SeenTimes {
  const [acceptedAt, setAcceptedAt] = useState<string | null>(null);
  const seen = job.status === "accepted" ? job.updated_at : null;
  useEffect(() => {
    if (seen !== null) setAcceptedAt(seen);
  }, [seen]);
  return { acceptedAt };
}
