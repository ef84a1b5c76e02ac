// Puts money into an employer's wallet. The server books it by word alone, and refuses it in production.

import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useId, useState } from "react";
import { Attempt } from "../api/attempt";
import { answer } from "../api/client";
import { ApiProblem, NoAnswer } from "../api/problem";
import { KEYS } from "../api/queries";
import { type Asked, fieldFaults } from "../api/words";
import { useApi } from "../session";
import {
  announce,
  Button,
  Dialog,
  focusFirstError,
  formatMoney,
  MoneyField,
  Problem,
  parseMoney,
} from "../ui";
import styles from "./deposit-dialog.module.css";

/** The dialog. It is open as long as it is there. */
export function DepositDialog({ onClose }: { onClose: () => void }) {
  const api = useApi();
  const queries = useQueryClient();
  const form = useId();
  const [attempt] = useState(() => new Attempt());
  const [text, setText] = useState("");
  const [fault, setFault] = useState<string | null>(null);
  const [error, setError] = useState<unknown>(null);
  /** The amount whose answer was lost last, in US dollars. */
  const [lost, setLost] = useState<number | null>(null);
  const [pending, setPending] = useState(false);
  const closed = error instanceof ApiProblem && error.code === "deposits_disabled";

  // What was sent can't be taken back, and a second dialog would not know of it.
  const close = () => {
    if (!pending) onClose();
  };

  const reject = (sentence: string) => {
    setFault(sentence);
    requestAnimationFrame(() => focusFirstError(document.getElementById(form)));
  };

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (pending) return;
    const typed = parseMoney(text);
    setFault(null);
    if (typed.amount === null) return reject(typed.fault);
    setError(null);
    const body = { amount_usd: typed.amount };
    setPending(true);
    try {
      await answer(api.POST("/wallet/deposit", { body, headers: attempt.headers(body) }));
      attempt.done();
      announce(`Deposited ${formatMoney(typed.amount)}`);
      void queries.invalidateQueries({ queryKey: KEYS.wallet });
      onClose();
    } catch (thrown) {
      setPending(false);
      if (thrown instanceof NoAnswer && thrown.cause !== "offline") setLost(typed.amount);
      // It may have been made, also where this page was not told.
      void queries.invalidateQueries({ queryKey: KEYS.wallet });
      const atField = fieldFaults(thrown).amount_usd;
      if (atField) reject(atField);
      else setError(thrown);
    }
  };

  return (
    <Dialog
      open
      keep
      onOpenChange={(open) => !open && close()}
      title="Deposit money"
      description="Demo money: no bank or card is behind it, and it can only be used for jobs on this server."
      footer={
        closed ? (
          <Button onClick={onClose}>Close</Button>
        ) : (
          <>
            <Button type="submit" form={form} look="primary" pending={pending}>
              Deposit
            </Button>
            <Button onClick={close}>Cancel</Button>
          </>
        )
      }
    >
      {closed ? (
        <Problem error={error} asked={askedOf(lost, text)} />
      ) : (
        <form id={form} className={styles.form} onSubmit={(event) => void submit(event)} noValidate>
          {error !== null && <Problem error={error} asked={askedOf(lost, text)} />}
          <MoneyField label="Amount in US dollars" value={text} onChange={setText} error={fault} required />
        </form>
      )}
    </Dialog>
  );
}

/** How a failure is worded: an amount whose answer was lost may be in the wallet, and another one would come on top of it. */
function askedOf(lost: number | null, text: string): Asked {
  if (lost === null) return { title: "The deposit was not made", kind: "write" };
  const money = formatMoney(lost);
  const made = `The deposit of ${money} may have been made already.`;
  return {
    title: "This try did not work",
    kind: "write",
    meaning: `This try changed nothing. ${made}`,
    unknown:
      parseMoney(text).amount === lost
        ? `It is not known whether the deposit of ${money} was made. Trying again with the same amount is safe: it can't happen twice.`
        : `${made} Another amount is another deposit.`,
  };
}
