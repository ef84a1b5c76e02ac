// The dialog that posts a job. What was typed outlives a failure and closing the dialog; what it becomes and what is wrong
// with it is decided in job-form.ts.

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useId, useRef, useState } from "react";
import { Link } from "react-router";
import { Attempt } from "../api/attempt";
import { answer } from "../api/client";
import { ApiProblem } from "../api/problem";
import { KEYS } from "../api/queries";
import { useOwnActions } from "../live";
import { useSession } from "../session";
import {
  announce,
  Button,
  Dialog,
  focusFirstError,
  formatMoney,
  MoneyField,
  Select,
  TextArea,
  TextField,
} from "../ui";
import { JOB_TYPES, type Job, typeWord } from "./job";
import {
  balanceAfter,
  EMPTY_FORM,
  type FormErrors,
  type FormField,
  fieldErrors,
  type JobForm,
  MAX_TITLE,
  type NewJob,
  requestOfForm,
  zoneWords,
} from "./job-form";
import styles from "./post-job-dialog.module.css";
import { changedAfterLostPost } from "./problem-words";
import { useBalance } from "./queries";
import { Refusal } from "./refusal";
import { putJob, refreshAround } from "./use-job-action";

const TYPE_OPTIONS = JOB_TYPES.map((type) => ({ value: type, label: typeWord(type) }));

interface PostJobDialogProps {
  open: boolean;
  onClose: () => void;
  onPosted: (job: Job) => void;
}

/** Posts a job. Keep it mounted while it is closed: it keeps what was typed. */
export function PostJobDialog({ open, onClose, onPosted }: PostJobDialogProps) {
  const { api } = useSession();
  const client = useQueryClient();
  const own = useOwnActions();
  const formId = useId();
  const formElement = useRef<HTMLFormElement>(null);
  const [form, setForm] = useState<JobForm>(EMPTY_FORM);
  /** What the last try was made of. */
  const [sent, setSent] = useState<JobForm>(EMPTY_FORM);
  const [errors, setErrors] = useState<FormErrors>({});
  const [rest, setRest] = useState<readonly string[]>([]);
  const [attempt] = useState(() => new Attempt());
  const underWay = useRef(false);
  const balance = useBalance(open).data ?? null;

  const post = useMutation({
    mutationKey: ["jobs", "post"],
    mutationFn: (body: NewJob): Promise<Job> =>
      own.during(
        "post",
        () => answer(api.POST("/jobs", { params: { header: attempt.headers(body) }, body })),
        (job) => job.job_id,
      ),
    onSuccess: (job) => {
      attempt.done();
      putJob(client, job);
      refreshAround(client, job.job_id);
      announce(`Job posted. ${formatMoney(job.pay_amount_usd)} is held.`);
      setForm(EMPTY_FORM);
      setErrors({});
      onPosted(job);
    },
    onSettled: () => {
      underWay.current = false;
    },
    onError: (error) => {
      if (error instanceof ApiProblem && error.faults.length > 0) {
        const found = fieldErrors(error.faults);
        setErrors(found.fields);
        setRest(found.rest);
        toFirstError();
      }
      void client.invalidateQueries({ queryKey: KEYS.wallet });
    },
  });

  // After the messages are on the page, and only then: whoever mends one field is not taken to the next.
  const toFirstError = () => requestAnimationFrame(() => focusFirstError(formElement.current));

  const change = (field: FormField) => (value: string) => {
    setForm((before) => ({ ...before, [field]: value }));
    setErrors(({ [field]: _gone, ...others }) => others);
  };

  const submit = (event: FormEvent) => {
    event.preventDefault();
    // The button is not drawn anew between the two presses of a double click.
    if (underWay.current) return;
    // Half a date has no value, but is none to be left out either: the field itself tells.
    const half = formElement.current?.querySelector("[type=datetime-local]:invalid");
    const asked = requestOfForm(half ? { ...form, deadline: "half" } : form, Date.now());
    setRest([]);
    setErrors(asked.errors ?? {});
    if (asked.request) {
      underWay.current = true;
      setSent(form);
      return post.mutate(asked.request);
    }
    post.reset();
    toFirstError();
  };

  const tried = post.variables;
  const changed =
    tried && JSON.stringify(sent) !== JSON.stringify(form)
      ? changedAfterLostPost(post.error, tried.title, formatMoney(tried.pay_amount_usd))
      : null;
  const poor = post.error instanceof ApiProblem && post.error.code === "insufficient_funds";
  // Also when its fields have been mended since: a panel would speak of marks that are gone.
  const atFields = post.error instanceof ApiProblem && post.error.faults.length > 0 && rest.length === 0;
  return (
    <Dialog
      open={open}
      onOpenChange={(next) => {
        if (!next && !post.isPending) onClose();
      }}
      keep
      title="Post a job"
      description="The pay is held from your wallet now, and goes to the worker when you confirm the work."
      footer={
        <>
          <Button type="submit" form={formId} look="primary" pending={post.isPending}>
            {post.isPending ? "Posting" : "Post job"}
          </Button>
          <Button onClick={() => !post.isPending && onClose()}>Close</Button>
        </>
      }
    >
      <form id={formId} ref={formElement} className={styles.form} onSubmit={submit} noValidate>
        {post.error !== null && !atFields && (
          <Refusal action="post" error={post.error} words={changed ?? undefined}>
            {rest.join(" ")} {poor && <Link to="/wallet">Show wallet</Link>}
          </Refusal>
        )}
        <TextField
          label="Title"
          value={form.title}
          onChange={change("title")}
          error={errors.title}
          maxLength={MAX_TITLE * 2}
          placeholder="Landing page for a bakery"
          autoComplete="off"
          required
        />
        <div className={styles.pair}>
          <MoneyField
            label="Pay"
            value={form.pay}
            onChange={change("pay")}
            error={errors.pay}
            hint={<BalanceHint pay={form.pay} balance={balance} />}
            required
          />
          <Select
            label="Type"
            value={form.type}
            options={TYPE_OPTIONS}
            onChange={change("type")}
            error={errors.type}
          />
        </div>
        <TextArea
          label="Description"
          optional
          rows={4}
          value={form.description}
          onChange={change("description")}
          error={errors.description}
          hint="What is to be delivered, and how you will check it."
        />
        <TextField
          label="Deadline"
          optional
          type="datetime-local"
          value={form.deadline}
          onChange={change("deadline")}
          error={errors.deadline}
          hint={`Your time (${zoneWords(Date.parse(form.deadline) || Date.now())}). After it, the money comes back to you.`}
        />
      </form>
    </Dialog>
  );
}

/** What the pay leaves in the wallet. Only a hint: the service decides. */
function BalanceHint({ pay, balance }: { pay: string; balance: number | null }) {
  if (balance === null) return "Held until the job is done.";
  const after = balanceAfter(pay, balance);
  if (after === null) return `You have ${formatMoney(balance)} to spend.`;
  if (after.enough) return `Leaves ${formatMoney(after.left)} of ${formatMoney(balance)}.`;
  return (
    <span className={styles.short}>
      {formatMoney(-after.left)} more than the {formatMoney(balance)} in your wallet.
    </span>
  );
}
