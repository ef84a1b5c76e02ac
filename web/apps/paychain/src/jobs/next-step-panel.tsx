// The viewer's next step with a job: what to do or wait for, and the buttons. What is offered to whom is decided in
// next-step.ts; what is sent, in use-job-action.ts.

import { useEffect, useRef, useState } from "react";
import { createPortal } from "react-dom";
import { Button, ButtonLink, Dialog, formatMoney } from "../ui";
import { useDeadlineClock } from "./countdown";
import { employerName, type Job, type Viewer, workerName } from "./job";
import { nextStep } from "./next-step";
import styles from "./next-step-panel.module.css";
import { jobProblemWords } from "./problem-words";
import { Refusal } from "./refusal";
import { useJobAction } from "./use-job-action";

interface NextStepPanelProps {
  job: Job;
  viewer: Viewer;
  /** Where the buttons go instead: the bar under the thumb of a phone. */
  thumb: HTMLElement | null;
}

/** The next step of `viewer` with `job`. Give it the job's id as key: what went wrong with one is not said of another. */
export function NextStepPanel({ job, viewer, thumb }: NextStepPanelProps) {
  const running = job.status === "open" || job.status === "accepted";
  const now = useDeadlineClock(running ? job.deadline : null);
  const amount = formatMoney(job.pay_amount_usd);
  const step = nextStep(job, viewer, amount, now);
  const accept = useJobAction(job, "accept", viewer);
  const [asking, setAsking] = useState<"complete" | "cancel" | null>(null);
  const offers = step.main !== null || step.canCancel;

  // The button that was pressed is gone once it has worked: the focus goes to what is said in its place.
  const line = useRef<HTMLHeadingElement>(null);
  const [acted, setActed] = useState(false);
  useEffect(() => {
    if (!acted) return;
    // After the dialog has given the focus back.
    const timer = setTimeout(() => {
      setActed(false);
      line.current?.focus({ preventScroll: true });
    }, 50);
    return () => clearTimeout(timer);
  }, [acted]);

  // What went wrong in one state of the job is nothing to say of the next. What is under way goes on: its event may be here
  // before its answer, which still says where the focus goes.
  const { error, reset } = accept;
  // biome-ignore lint/correctness/useExhaustiveDependencies: the state of the job is what it is about.
  useEffect(() => {
    if (error) reset();
  }, [job.status, reset]);

  // Beside the button that was pressed, so that it is seen.
  const refusal = accept.error !== null && <Refusal action="accept" error={accept.error} />;
  const actions = offers && (
    <div className={thumb ? styles.wide : styles.actions}>
      {step.main === "accept" && (
        <Button
          look="primary"
          wide={thumb !== null}
          pending={accept.isPending}
          onClick={() => accept.start(() => setActed(true))}
        >
          {accept.isPending ? "Accepting" : "Accept job"}
        </Button>
      )}
      {step.main === "complete" && (
        <Button look="primary" wide={thumb !== null} onClick={() => setAsking("complete")}>
          Complete and pay {amount}
        </Button>
      )}
      {step.canCancel && (
        <Button wide={thumb !== null} onClick={() => setAsking("cancel")}>
          Cancel job
        </Button>
      )}
    </div>
  );

  return (
    <section className={styles.panel} data-turn={step.turn} aria-label="Next step">
      <div>
        <h2 ref={line} tabIndex={-1} className={styles.line}>
          {step.line}
        </h2>
        <p className={styles.meaning}>
          {step.meaning}
          {step.wallet && (
            <>
              {" "}
              <ButtonLinkToWallet />
            </>
          )}
        </p>
      </div>
      {thumb ? (
        createPortal(
          <>
            {refusal}
            {actions}
          </>,
          thumb,
        )
      ) : (
        <>
          {refusal}
          {actions}
        </>
      )}
      <ConfirmDialog
        key={asking === "cancel" ? "cancel" : "complete"}
        job={job}
        viewer={viewer}
        action={asking === "cancel" ? "cancel" : "complete"}
        open={asking !== null}
        offered={asking === "complete" ? step.main === "complete" : step.canCancel}
        onClose={() => setAsking(null)}
        onDone={() => {
          setAsking(null);
          setActed(true);
        }}
      />
    </section>
  );
}

function ButtonLinkToWallet() {
  return (
    <ButtonLink to="/wallet" look="quiet" className={styles.wallet}>
      Show wallet
    </ButtonLink>
  );
}

interface ConfirmDialogProps {
  job: Job;
  viewer: Viewer;
  action: "complete" | "cancel";
  open: boolean;
  /** Whether the job can still be completed or cancelled: the other window, or the deadline, may have been faster. */
  offered: boolean;
  onClose: () => void;
  onDone: () => void;
}

/** Asks before money moves, and stays open until the service has answered. */
function ConfirmDialog({ job, viewer, action, open, offered, onClose, onDone }: ConfirmDialogProps) {
  const keep = useRef<HTMLButtonElement>(null);
  const act = useJobAction(job, action, viewer);
  const amount = formatMoney(job.pay_amount_usd);
  const words = confirmWords(job, viewer, action, amount);
  const again = act.error === null || jobProblemWords(action, act.error).again;
  const close = () => {
    if (act.isPending) return;
    act.reset();
    onClose();
  };
  const outdated = open && !offered && !act.isPending;
  // biome-ignore lint/correctness/useExhaustiveDependencies: once, when it is so.
  useEffect(() => {
    if (outdated) close();
  }, [outdated]);
  return (
    <Dialog
      open={open}
      onOpenChange={(next) => {
        if (!next) close();
      }}
      // Money moves for good: a second Enter must not be the answer.
      onOpenAutoFocus={(event) => {
        event.preventDefault();
        keep.current?.focus();
      }}
      title={words.title}
      description={words.text}
      footer={
        again ? (
          <>
            <Button
              look={action === "complete" ? "primary" : "danger"}
              pending={act.isPending}
              onClick={() => act.start(onDone)}
            >
              {act.isPending ? words.pending : words.button}
            </Button>
            <Button ref={keep} onClick={close} aria-disabled={act.isPending || undefined}>
              {words.keep}
            </Button>
          </>
        ) : (
          <Button onClick={close}>Close</Button>
        )
      }
    >
      <div className={styles.what}>
        <p className={styles.job}>{job.title}</p>
        {act.error !== null && <Refusal action={action} error={act.error} />}
      </div>
    </Dialog>
  );
}

function confirmWords(job: Job, viewer: Viewer, action: "complete" | "cancel", amount: string) {
  const worker = workerName(job, viewer) ?? "the worker";
  if (action === "complete") {
    return {
      title: `Pay ${amount} to ${worker}?`,
      text: `The money that is held for this job goes to ${worker}. It can't be taken back.`,
      button: `Complete and pay ${amount}`,
      pending: "Paying",
      keep: "Not yet",
    };
  }
  const lost = job.worker_id === null ? "" : ` ${worker} gets nothing for it.`;
  const back = employerName(job, viewer) === "You" ? "to your wallet" : "to the employer";
  return {
    title: "Cancel this job?",
    text: `${amount} comes back ${back}, and the job is closed for good.${lost}`,
    button: "Cancel job",
    pending: "Cancelling",
    keep: "Keep job",
  };
}
