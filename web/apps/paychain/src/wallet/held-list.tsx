// The money that is held right now, job by job: an employer's is set aside, a worker's is on its way.

import { Link } from "react-router";
import type { Payment } from "../api/client";
import { Money, TimeAgo } from "../ui";
import styles from "./held-list.module.css";

/** The list. Nothing at all where nothing is held. */
export function HeldList({
  heading,
  payments,
  titles,
  employer,
}: {
  heading: string;
  payments: readonly Payment[];
  titles: ReadonlyMap<number, string>;
  employer: boolean;
}) {
  if (payments.length === 0) return null;
  return (
    <section aria-labelledby="held">
      <h2 id="held" className={styles.heading}>
        {heading}
      </h2>
      <ul>
        {payments.map((payment) => (
          <li key={payment.payment_id} className={styles.row}>
            <Link className={styles.job} to={`/jobs/${payment.job_id}`}>
              {titles.get(payment.job_id) ?? `Job ${payment.job_id}`}
            </Link>
            <span className={styles.since}>
              {employer ? "Posted " : "Held "}
              <TimeAgo at={payment.created_at} />
            </span>
            <span className={styles.amount}>
              <Money amount={payment.amount_usd} />
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}
